import Salvage
import TestSupport
import Testing

/// Records that hold objects with the type of a record: these must not make the salvage take the
/// records themselves for parts of others.
struct NestedTypeTests {
  private static let nested =
    #"{"type":"entity","name":"n","entityType":"t","observations":[],"#
    + #""metadata":{"type":"entity","name":"inner"},"links":[{"type":"relation","of":"n"}]}"#

  private static func entity(_ name: String) -> String {
    #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["x"]}"#
  }

  private static func relation(_ name: String) -> String {
    #"{"type":"relation","from":"\#(name)","to":"n","relationType":"knows"}"#
  }

  /// Lines, and the records that they hold whole.
  private static let cases: [(line: String, records: [String])] = [
    ("\(entity("a")),\(relation("a"))", [entity("a"), relation("a")]),
    ("\(entity("b")), \(entity("c")),", [entity("b"), entity("c")]),
    ("[\(relation("b"))]", [relation("b")]),
    (#"ns":["lost"]}[\#(entity("d"))]"#, [entity("d")]),
    ("\(entity("e"))[\(relation("c"))]", [entity("e"), relation("c")]),
    ("{\"type\":\"entity\",\"name\":\"torn\n[\(relation("d"))]", [relation("d")]),
    ("\(relation("e")),\u{0}\u{0}\u{0}garbage", [relation("e")]),
    (
      #"{"type":"entity","name":"outer","observations"\#(entity("f")):[],"entityType":"t"}"#,
      [entity("f")]
    ),
    (#"{"entities":[\#(entity("g"))],"relations":[]}"#, [entity("g")]),
    ("\(entity("h")),\(relation("h"))", [entity("h"), relation("h")]),
    (
      #"\#(entity("i")){"type":"beat"},\#(relation("i"))"#,
      [entity("i"), #"{"type":"beat"}"#, relation("i")]
    ),
    (
      #"\#(entity("k")), {"type":"beat"}, \#(relation("k"))]"#,
      [entity("k"), #"{"type":"beat"}"#, relation("k")]
    ),
    (#"\#(entity("j")){"type":"y"},{"type":"z"}]},"d":null}"#, [entity("j")]),
    (
      #"{"type":"ent\#n[\#(entity("l")),{"type":"chart"},\#(relation("l"))]"#,
      [entity("l"), #"{"type":"chart"}"#, relation("l")]
    ),
    (
      #"{"type":"ent\#n[{"type":"plan"},\#(entity("m")),\#n[[["#,
      [#"{"type":"plan"}"#, entity("m")]
    ),
    (#"# lost "}]}{"# + "\n " + entity("p").dropFirst(), [entity("p")]),
    ("# a remark {\n# { another\n\(entity("q"))", [entity("q")]),
    (#"{"a":{"b":[{"type":"y"},{"type":"z"}[\#(entity("r"))]]},"d":null}"#, [entity("r")]),
    (#"[{"type":"w","c":1.5e3}]},"d":null}"#, []),
    (
      "{\"type\":\"ent\n[\(entity("s")),{\"type\":\"map\"},\(relation("s"))]\(entity("t"))",
      [entity("s"), #"{"type":"map"}"#, relation("s"), entity("t")]
    ),
    (
      #"{"type":"plot"},\#(entity("u")), {"# + "\n " + entity("v").dropFirst() + ",",
      [#"{"type":"plot"}"#, entity("u"), entity("v")]
    ),
    (
      #"{"type":"cast"},{"type":"cue"}\#(entity("w"))"#,
      [#"{"type":"cast"}"#, #"{"type":"cue"}"#, entity("w")]
    ),
    (#"[\#(entity("x"))]{"a":{"type":"x"},"d":null}}"#, [entity("x")]),
    (#", {"type":"act"}, \#(entity("y")),"#, [#"{"type":"act"}"#, entity("y")]),
    (
      #"{"a":[{"type":"y"}{"entities":[\#(entity("z"))],"relations":[]}]}"#, [entity("z")]
    ),
    (
      "[{\n \"type\": \"tale\",\n \"n\": 1\n},\n[[[",
      [#"{"type":"tale","n":1}"#]
    ),
    ("{\n  {\"type\":\"solo\"}", [#"{"type":"solo"}"#]),
    ("{\n      \"type\": \"y\",\n      \"c\": 1\n    }\n  ]\n}", []),
    ("\u{FEFF}[\(entity("aa"))]\(entity("ab"))", [entity("aa"), entity("ab")]),
    (#"d":null}}[{"type":"role"},\#(entity("ac")),id":2}"#, [entity("ac")]),
    (
      #"{"type":"rel\#u{0}t":"y","d":{}}, \#(entity("ad")):{"level":2}}, \#(entity("ae"))"#,
      [entity("ad"), entity("ae")]
    ),
    (
      #"\#(entity("af")),{"type":"link"}\#(entity("ag"))"#,
      [entity("af"), #"{"type":"link"}"#, entity("ag")]
    ),
    (
      #"{"type":"entity","name":"w","entityType":"t","observations":[],"of":[{"type":"link"}]}"#,
      [#"{"type":"entity","name":"w","entityType":"t","observations":[],"of":[{"type":"link"}]}"#]
    ),
    ("#{ lost\(entity("ah"))", [entity("ah")]),
    ("# \(entity("ai"))", []),
    (
      #"{"entities":[{"type":"entity","in":{"a":[1],"relations":[\#(relation("aj"))]}"#,
      [relation("aj")]
    ),
    (
      #"{"type":"entity","in":{"a":[{"tme":"x"}],"relations":[\#(relation("an"))]}"#,
      [relation("an")]
    ),
    (
      #"{"type":"entity","in":{"entities":[\#(entity("ao"))],"relations":[]}{"type":"tint"}}"#,
      [entity("ao")]
    ),
    (#"[{"type":"note"},\#(entity("o")),  lost","y"]}"#, [entity("o")]),
    (
      #"{"type":"prop"},\#(entity("ak"))]\#(entity("al"))"#,
      [#"{"type":"prop"}"#, entity("ak"), entity("al")]
    ),
    (
      "\u{FEFF}\u{FEFF}[{\"type\":\"hint\"},\(entity("am"))]",
      [#"{"type":"hint"}"#, entity("am")]
    ),
    (#"lost},\#(entity("ap")),\#u{0}\#(entity("aq"))"#, [entity("ap"), entity("aq")]),
    (
      "\u{FEFF}{\"type\":\"wink\"},\(entity("ar")),", [#"{"type":"wink"}"#, entity("ar")]
    ),
    (#"{"type":"nod"}]\#(entity("as"))"#, [#"{"type":"nod"}"#, entity("as")]),
    ("\u{0}\u{0}\n[{\"type\":\"shrug\"}]", [#"{"type":"shrug"}"#]),
    (#"{"type":"entity","in":[\#(entity("at"))]{"type":"hue"}}"#, []),
    ("[{\"type\":\"ent\u{0}\u{0}[{\"type\":\"ref\",\"to\":\"x\"}]}]", []),
    ("{\"type\":\"ent\n[{\"type\":\"entity\",\"name\":\"inner\"}]", []),
    (#"t":[\#(entity("au")),\#(relation("au"))],"b":2},"z":3}"#, []),
    (
      #"ties":[\#(entity("av")),\#(entity("aw"))],"relations":[\#(relation("av"))]}"#,
      [entity("av"), entity("aw"), relation("av")]
    ),
    (#"{"type":"entity","name":"torn","observations":[\#(entity("ax"))"#, [entity("ax")]),
    ("<<<<<<< HEAD\(entity("ay"))", [entity("ay")]),
    ("||||||| base \(entity("az"))", [entity("az")]),
    ("=======\(entity("ba"))", [entity("ba")]),
    (
      #"[\#(entity("bc")),{"type":"entity""x"},{"type":"saga"},{"type":"myth"},\#(entity("bd"))]"#,
      [entity("bc"), #"{"type":"saga"}"#, #"{"type":"myth"}"#, entity("bd")]
    ),
    (">>>>>>> {branch}\(relation("bb"))", [relation("bb")]),
  ]

  @Test func recordsAreToldFromTheirParts() throws {
    let head = [Self.nested, Self.entity("first"), Self.relation("first")]
    let bytes = Array((head + Self.cases.map(\.line)).joined(separator: "\n").utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    let wanted = head + Self.cases.flatMap(\.records)
    #expect(try result.lines("recovered").map(text) == wanted)
  }

  /// Another writer's whole record, right in front of an object that is a member's value, makes no
  /// record of that object.
  @Test func partsBehindAnotherWritersRecordAreNot() throws {
    let lines = [
      "{", #" "type": "task","#, #" "a": \#(Self.entity("whole")){"#, #"  "type": "x","#,
      #"  "b": []"#, " },", #" "d": null"#, "}", Self.entity("behind"),
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(
      try result.lines("recovered").map(text) == [Self.entity("whole"), Self.entity("behind")])
  }

  /// A whole record behind the white space of a torn one does not make indented objects records.
  @Test func partsAboveAnIndentedRecordAreNot() throws {
    let whole = ["a", "b", "c"].map(Self.entity)
    let torn = [
      "{", #"  "type": "entity","#, #"  "links": ["#, "    {", #"      "type": "y""#, "    },",
      "    {", #"      "type": "z""#, "    }",
    ]
    let lines = whole + torn + ["  " + Self.entity("d"), ""]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == whole + [Self.entity("d")])
  }

  /// Nor is the value of a member whose key was overwritten: its end is indented, a record's is not.
  @Test func partsBehindOverwrittenKeysAreNot() throws {
    let lines = [
      Self.entity("a"), "{", #"  "type": "relation","#, "  \"to\": \"x\u{0}\u{0}{",
      #"    "type": "inner","#, #"    "note": "x""#, "  }", "}", "\u{0}\u{0}{",
      #"  "type": "chart","#, #"  "id": 1"#, "}", "",
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(
      try result.lines("recovered").map(text) == [Self.entity("a"), #"{"type":"chart","id":1}"#])
  }

  /// Records in a list with damage behind its comma: one over several lines that the list opens
  /// with, and one behind a whole record and an object of unknown type.
  @Test(arguments: [
    (["[{", #" "type": "relation","#, #" "from": "a""#, "},\u{0}\u{0}", entity("b") + "]"], ["b"]),
    (
      [
        "{", #" "type": "relation","#, #" "from": "a""#,
        #"},{"type":"beat"},\#(entity("c")),\#u{1C}ø"#,
      ],
      ["c"]
    ),
  ])
  func recordsInFrontOfDamage(_ lines: [String], _ names: [String]) throws {
    let head = [Self.nested, Self.relation("first")]
    let pretty = #""from": "a", "to": "n", "relationType": "knows""#
    let text = (head + lines).joined(separator: "\n").replacing(#""from": "a""#, with: pretty)
    let result = try Salvaged(Array(text.utf8), kind: "memory-graph")
    let found = Set(try result.lines("recovered").map { SalvageTests.text($0) })
    #expect(found.isSuperset(of: head + [Self.relation("a")] + names.map(Self.entity)))
  }

  /// Where all records say what they are, a part of a torn one that looks like a record but does not
  /// say so is none: not the rest of a relation in the metadata of an entity, nor what is under `data`.
  @Test(arguments: [
    #""name":"b","metadata":{"context":"c","from":"a","to":"b","relationType":"r"}"#,
    #""data":{"name":"b","entityType":"t","observations":["x"]}"#,
  ])
  func partsWithoutATypeAreNot(_ members: String) throws {
    let torn = #"{"type":"entity",\#(members)"#
    let lines = [Self.entity("a"), torn, Self.relation("a"), torn]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == [Self.entity("a"), Self.relation("a")])
  }

  /// A part of a torn record that has the type of one is none.
  @Test func partsOfTornRecordsAreNot() throws {
    let torn = Self.nested.dropLast(1)
    let lines = [Self.nested, Self.entity("a"), "\(torn)", Self.entity("b")]
    let orphan = #"ns":[],"metadata":{"type":"entity","name":"inner"},"links":[]}"#
    let bytes = Array((lines + [orphan]).joined(separator: "\n").utf8)
    let result = try Salvaged(bytes, kind: "memory-graph")
    #expect(
      try result.lines("recovered").map(text) == [Self.nested, Self.entity("a"), Self.entity("b")])
  }

  /// A line that is a record and NULs lost nothing of the record, whatever others hold; a part of a
  /// torn one has more of that beside it.
  @Test func besideNULs() throws {
    let nuls = String(repeating: "\u{0}", count: 40)
    let holder = Self.nested.dropLast() + #","origin":\#(Self.relation("in"))}"#
    let lines = [
      String(holder), Self.entity("a"), Self.relation("front") + nuls, Self.entity("b"),
      nuls + Self.relation("behind"), Self.entity("c"), nuls + Self.relation("in") + "}",
      Self.entity("d"), "",
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "memory-graph")
    let want =
      [String(holder)] + ["a", "b", "c", "d"].map(Self.entity)
      + ["front", "behind"].map(Self.relation)
    #expect(try Set(result.lines("recovered").map(text)) == Set(want))
  }
}
