import LosslessJSON
import Records
import Testing

/// One case for each rule: the records in store order, and the findings they make.
struct GraphRulesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var records: [(kind: RecordKind, text: String)]
    var findings: [String]
    var testDescription: String { name }

    init(_ name: String, _ records: [(RecordKind, String)], _ findings: [String]) {
      self.name = name
      self.records = records.map { (kind: $0.0, text: $0.1) }
      self.findings = findings
    }
  }

  static func entity(_ name: String, type: String = "person", _ metadata: String = "{}") -> (
    RecordKind, String
  ) {
    (
      .entity,
      #"{"type":"entity","name":"\#(name)","entityType":"\#(type)","observations":["x"],"metadata":\#(metadata)}"#
    )
  }

  static func relation(_ from: String, _ to: String, _ more: String = "") -> (RecordKind, String) {
    (
      .relation,
      #"{"type":"relation","from":"\#(from)","to":"\#(to)","relationType":"knows"\#(more)}"#
    )
  }

  static func intent(
    _ id: String, parent: String? = nil, children: [String] = [], status: String = "Active",
    trigger: String = "HumanRequest", created: String = "1", updated: String = "2"
  ) -> (RecordKind, String) {
    let parent = parent.map { "\"\($0)\"" } ?? "null"
    let children = children.map { "\"\($0)\"" }.joined(separator: ",")
    return (
      .intent,
      #"{"intent_id":"\#(id)","original_request":"","rtfs_intent_source":"","goal":"g","#
        + #""constraints":{},"preferences":{},"parent_intent":\#(parent),"child_intents":[\#(children)],"#
        + #""triggered_by":"\#(trigger)","generation_context":{},"status":"\#(status)","priority":0,"#
        + #""created_at":\#(created),"updated_at":\#(updated),"metadata":{}}"#
    )
  }

  static func edge(_ from: String, _ to: String, _ type: String = "DependsOn") -> (
    RecordKind, String
  ) { (.edge, #"{"from":"\#(from)","to":"\#(to)","edge_type":"\#(type)"}"#) }

  static let cases: [Case] = [
    Case("a sound graph", [entity("a"), entity("b"), relation("a", "b")], []),
    Case("forward references are sound", [relation("a", "b"), entity("b"), entity("a")], []),
    Case(
      "a dangling end", [entity("a"), relation("a", "zoë")],
      ["1 warning dangling-end names the entity zoë, which does not exist"]),
    Case(
      "both ends dangle", [relation("p", "q")],
      [
        "0 warning dangling-end names the entity p, which does not exist",
        "0 warning dangling-end names the entity q, which does not exist",
      ]),
    Case(
      "two names", [entity("a"), entity("a")],
      ["1 warning duplicate-id another entity has the same name"]),
    Case("one name in two Unicode forms is two", [entity("é"), entity("e\u{301}")], []),
    Case(
      "one name in two spellings is one", [entity("é"), entity("\\u00e9")],
      ["1 warning duplicate-id another entity has the same name"]),
    Case(
      "two relations", [entity("a"), relation("a", "a"), relation("a", "a", #","w":1"#)],
      ["2 warning duplicate-edge the same relation occurs more than once"]),
    Case(
      "no name", [(.entity, #"{"type":"entity","entityType":"p","observations":[]}"#)],
      ["0 error missing-field has no name"]),
    Case(
      "nulls", [(.entity, #"{"name":"a","entityType":null,"observations":null}"#)],
      [
        "0 error wrong-type has a entityType of the wrong type (null)",
        "0 error wrong-type has a observations of the wrong type (null)",
      ]),
    Case(
      "an observation that is none",
      [(.entity, #"{"name":"a","entityType":"p","observations":["x",null,{"y":["z"]}]}"#)],
      ["0 error wrong-type has 2 observations that are no strings"]),
    Case(
      "one observation that is none",
      [(.entity, #"{"name":"a","entityType":"p","observations":["x",null]}"#)],
      ["0 error wrong-type has an observation that is no string"]),
    Case(
      "the older nested form",
      [(.entity, #"{"type":"entity","data":{"name":"a","entityType":"p","observations":[]}}"#)], []
    ),
    Case(
      "times that run backwards",
      [entity("a", #"{"createdAt":"2026-01-02","updatedAt":"2026-01-01T23:59:59.999Z"}"#)],
      ["0 warning time-order was updated before it was created"]),
    Case(
      "times in two zones",
      [
        entity(
          "a", #"{"createdAt":"2026-01-01T12:00:00+02:00","updatedAt":"2026-01-01T10:00:00Z"}"#)
      ], []),
    Case(
      "no time", [entity("a", #"{"dueDate":"soon"}"#)],
      ["0 warning bad-time has a dueDate that is no ISO 8601 time: soon"]),
    Case(
      "a relation's time", [entity("a"), relation("a", "a", #","metadata":{"createdAt":"?"}"#)],
      ["1 warning bad-time has a createdAt that is no ISO 8601 time: ?"]),
    Case(
      "a chart that is missing",
      [
        entity("a", #"{"chartId":"c1"}"#), entity("b", #"{"chartId":"c1"}"#),
        entity("c", type: "structural_tension_chart", #"{"chartId":"c2","parentChart":"c3"}"#),
        entity("d", #"{"parentChart":"c2"}"#),
      ],
      [
        "0 warning missing-chart names the chart c1, which does not exist (named 2 times)",
        "2 warning missing-chart names the chart c3, which does not exist",
      ]),
    Case(
      "a chart told of later",
      [
        entity("a", #"{"chartId":"c"}"#),
        entity("c", type: "structural_tension_chart", #"{"chartId":"c"}"#),
      ], []),
    Case("a sound family", [intent("p", children: ["c"]), intent("c", parent: "p")], []),
    Case(
      "a sound family, child first", [intent("c", parent: "p"), intent("p", children: ["c"])], []
    ),
    Case(
      "a child listed twice", [intent("c", parent: "p"), intent("p", children: ["c", "c"])], []),
    Case(
      "a second version of a parent",
      [intent("c", parent: "p"), intent("p", children: ["c"]), intent("p", children: ["c"])],
      ["2 warning duplicate-id another intent has the same id"]),
    Case(
      "a child that is not listed", [intent("p"), intent("c", parent: "p")],
      [
        "1 warning family-mismatch names p as its parent, which does not list it as a child"
      ]),
    Case(
      "a child of another", [intent("p", children: ["c"]), intent("c")],
      [
        "0 warning family-mismatch lists c as a child, which does not name it as its parent"
      ]),
    Case(
      "family that does not exist", [intent("a", parent: "p", children: ["c"])],
      [
        "0 warning dangling-end names the intent p, which does not exist",
        "0 warning dangling-end names the intent c, which does not exist",
      ]),
    Case(
      "values unknown", [intent("a", status: "active", trigger: "Cron")],
      [
        "0 warning unknown-value has an unknown status: active",
        "0 warning unknown-value has an unknown triggered_by: Cron",
      ]),
    Case(
      "an intent's times", [intent("a", created: "3"), intent("b", created: "1.5")],
      [
        "0 warning time-order was updated before it was created",
        "1 warning bad-time has a created_at that is no count of seconds",
      ]),
    Case(
      "an intent of few fields", [(.intent, #"{"intent_id":"a","status":"Active"}"#)],
      [
        "0 error missing-field has no goal",
        "0 warning missing-field has no original_request",
        "0 warning missing-field has no rtfs_intent_source",
        "0 warning missing-field has no constraints",
        "0 warning missing-field has no preferences",
        "0 warning missing-field has no generation_context",
        "0 warning missing-field has no metadata",
        "0 warning missing-field has no triggered_by",
        "0 warning missing-field has no priority",
        "0 warning missing-field has no created_at",
        "0 warning missing-field has no updated_at",
      ]),
    Case(
      "edges", [intent("a"), edge("a", "a"), edge("a", "a"), edge("a", "x", "dependsOn")],
      [
        "2 warning duplicate-edge the same edge occurs more than once",
        "3 warning unknown-value has an unknown edge_type: dependsOn",
        "3 warning dangling-end names the intent x, which does not exist",
      ]),
    Case("edges before intents", [edge("a", "b"), intent("b"), intent("a")], []),
    Case(
      "an edge without an end", [intent("a"), (.edge, #"{"from":"a","edge_type":"Blocks"}"#)],
      ["1 error missing-field has no to"]),
    Case(
      "an entity is no intent", [entity("a"), edge("a", "a")],
      [
        "1 warning dangling-end names the intent a, which does not exist",
        "1 warning dangling-end names the intent a, which does not exist",
      ]),
    Case(
      "others", [(.plan, #"{"plan_id":"p"}"#), (.plan, #"{"plan_id":"p"}"#), (.run, "{}")],
      [
        "1 warning duplicate-id the same id occurs more than once",
        "2 error missing-field has no id",
      ]),
    Case("documents may be anything", [(.document, "null"), (.document, "{}")], []),
    Case(
      "records that are no objects", [(.entity, "[1]"), (.relation, "5"), (.intent, "null")],
      [
        "0 error missing-field has no name", "0 error missing-field has no entityType",
        "0 error missing-field has no observations", "1 error missing-field has no from",
        "1 error missing-field has no relationType", "1 error missing-field has no to",
        "2 error missing-field has no intent_id", "2 error missing-field has no goal",
        "2 error missing-field has no status", "2 warning missing-field has no original_request",
        "2 warning missing-field has no rtfs_intent_source",
        "2 warning missing-field has no constraints", "2 warning missing-field has no preferences",
        "2 warning missing-field has no generation_context",
        "2 warning missing-field has no metadata", "2 warning missing-field has no triggered_by",
        "2 warning missing-field has no priority", "2 warning missing-field has no created_at",
        "2 warning missing-field has no updated_at",
      ]),
  ]

  private func observe(_ record: inout Record, _ rules: inout GraphRules) {
    var own = RecordRules()
    let facts = own.check(&record)
    rules.add(own.findings)
    rules.observe(&record, facts)
  }

  @Test(arguments: cases)
  func rules(_ test: Case) throws {
    var rules = GraphRules()
    rules.paths = test.records.indices.map(String.init)
    for (index, entry) in test.records.enumerated() {
      var record = Record()
      record.kind = entry.kind
      try record.text.parse(Array(entry.text.utf8).span)
      // A file each: findings go across the contexts of a store.
      record.place = RecordPlace(file: index, offset: 7, length: 9, line: 3)
      observe(&record, &rules)
    }
    rules.finish()
    let found = rules.log.findings
    #expect(found.allSatisfy { $0.line == 3 && $0.offset == 7 && $0.length == 9 })
    #expect(
      found.map { "\($0.path ?? "-") \($0.severity.rawValue) \($0.code.rawValue) \($0.message)" }
        .sorted() == test.findings.sorted())
    #expect(rules.log.total == test.findings.count)
  }

  @Test func aKeyThatIsNotTheIDIsAFinding() throws {
    var rules = GraphRules()
    var record = Record()
    record.kind = .intent
    record.scope = Array("key".utf8)
    try record.text.parse(Array(Self.intent("id").1.utf8).span)
    observe(&record, &rules)
    rules.finish()
    #expect(rules.log.findings.map(\.code) == [.keyMismatch])
    #expect(rules.log.findings.map(\.record) == ["intent:id"])
  }
}
