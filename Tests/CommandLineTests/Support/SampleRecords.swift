/// Records of the kinds that stores hold, with the fields that their owners write (upstream's
/// own order) and text that is awkward to escape.
enum SampleRecords {
  static let texts = [
    "simple", "naïve café", "日本語 😀", "tab\tnew\nline", "back \\ slash", "quo\"te", "a/b <c> & 'd'",
    "control \u{1} \u{1F}", "line\r\nend", "\u{2028}\u{FEFF}\u{7F}", "cafe\u{301}",
  ]

  private static func text(_ index: Int) -> String { texts[index % texts.count] }

  static func entity(_ index: Int) -> JSONValue {
    .make([
      "type": .text("entity"), "name": .text("node \(index) \(text(index))"),
      "entityType": .text(index % 3 == 0 ? "action_step" : "note"),
      "observations": .array((0..<index % 4).map { .text("seen \($0): \(text(index + $0))") }),
      "metadata": .make([
        "createdAt": .text("2026-01-0\(index % 9 + 1)T10:00:00.000Z"),
        "updatedAt": .text("2026-02-0\(index % 9 + 1)T10:00:00Z"),
        "level": .integer(index), "completionStatus": .bool(index % 2 == 0),
        "strength": .number("0.\(index % 7)5"), "big": .number("9007199254740993"),
      ]),
    ])
  }

  /// Between two entities that exist where there are more than `from` and `to` of them.
  static func relation(_ from: Int, _ to: Int) -> JSONValue {
    .make([
      "type": .text("relation"), "from": .text("node \(from) \(text(from))"),
      "to": .text("node \(to) \(text(to))"), "relationType": .text("knows"),
      "metadata": .make(["createdAt": .text("2026-03-01"), "strength": .number("0.5")]),
    ])
  }

  static func graph(_ count: Int) -> [JSONValue] {
    let entities = max(count * 2 / 3, min(count, 1))
    return (0..<entities).map(entity)
      + (0..<count - entities).map { relation($0 % entities, ($0 * 7 + 1) % entities) }
  }

  /// A line each; as the MCP server writes it, without a line feed at the end.
  static func lines(_ values: [JSONValue], last: String = "") -> [UInt8] {
    Array(values.map(Spelling.compact).joined(separator: [0x0A])) + Array(last.utf8)
  }

  /// Intents in a tree: every one but the first is a child of the one at half its number.
  static func intents(_ count: Int) -> [JSONValue] {
    let ids = (0..<count).map { "intent-\($0)-\(text($0))" }
    return (0..<count).map { index in
      let children = [2 * index + 1, 2 * index + 2].filter { $0 < count }
      return .make([
        "intent_id": .text(ids[index]),
        "name": index % 2 == 0 ? .null : .text("name \(text(index))"), "session_id": .null,
        "original_request": .text("do \(text(index + 1))"), "rtfs_intent_source": .text(""),
        "goal": .text("goal \(text(index + 2))"),
        "constraints": .make(["c0": .text("(< x \(index))"), "c1é": .text(text(index))]),
        "preferences": .make([:]), "success_criteria": .null,
        "parent_intent": index == 0 ? .null : .text(ids[(index - 1) / 2]),
        "child_intents": .array(children.map { .text(ids[$0]) }),
        "triggered_by": .text("HumanRequest"),
        "generation_context": .make([
          "arbiter_version": .text("1.0.0"), "generation_timestamp": .integer(1_692_796_800),
          "input_context": .make([:]), "reasoning_trace": .null,
        ]),
        "status": .text(["Active", "Completed", "Suspended"][index % 3]),
        "priority": .integer(index), "created_at": .integer(1_692_796_800 + index),
        "updated_at": .integer(1_692_796_900 + index),
        "metadata": .make(["k\(index)": .text(text(index + 3))]),
      ])
    }
  }

  static func edges(_ intents: [JSONValue]) -> [JSONValue] {
    intents.dropFirst().enumerated().map { index, intent in
      .make([
        "from": intent["intent_id"] ?? .null, "to": intents[index / 2]["intent_id"] ?? .null,
        "edge_type": .text("IsSubgoalOf"),
        "metadata": index % 2 == 0 ? .null : .make(["why": .text(text(index))]),
        "weight": [.number("1.0"), .number("0.1"), .null][index % 3],
      ])
    }
  }

  static func snapshot(
    _ intents: [JSONValue], _ edges: [JSONValue], version: String = "1.1"
  ) -> JSONValue {
    let keyed = intents.map { JSONValue.Member($0["intent_id"]?.text ?? "", $0) }
    var members: [JSONValue.Member] = [
      .init("intents", .object(keyed)), .init("edges", .array(edges)),
      .init("version", .text(version)), .init("timestamp", .integer(1_700_000_000)),
    ]
    if version == "1.1" {
      members.append(
        .init("manifest", .make(["created_by": .text("ccos"), "source": .null, "note": .null])))
      members.append(.init("rtfs", .text(";; Intent Graph Snapshot (hybrid backup)\n()\n")))
    }
    return .object(members)
  }
}
