import Salvage
import TestSupport
import Testing

/// Lists and wrappers among records of one line each, and at the ends of the windows that a long
/// text is read in.
struct ListTests {
  private static func entity(_ name: String, _ text: String = "x") -> String {
    #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["\#(text)"]}"#
  }

  private static let (a, b, d) = (entity("a"), entity("b"), entity("d"))
  private static let relation = #"{"type":"relation","from":"a","to":"b","relationType":"r"}"#
  private static let list = "[\n  \(b),\n  \(relation)\n]"
  private static let wrapper =
    #"{"entities":[\#(b)],\#(member),"relations":[\#(relation)]}"#
  /// Longer than what is left for the next window in any case.
  private static let member =
    #""version":{"a":[1,2,"]}"],"b":"\#(String(repeating: "-", count: 90))cut here"}"#

  struct Case: Sendable {
    var text: String
    var recovered: [String]
    var irregular: [String] = []
    var quarantined = ""
  }

  private static let cases: [String: Case] = [
    "list": Case(text: "\(a)\n\(list)\n\(d)\n", recovered: [a, b, relation, d]),
    "list at the end": Case(text: "\(a)\n\(list)", recovered: [a, b, relation]),
    "record behind": Case(text: "\(a)\n\(list)\(d)\n", recovered: [a, b, relation, d]),
    "list behind a loss": Case(
      text: "\(a)\n{\"type\":\"ent\n\(list)\n\(d)\n", recovered: [a, b, relation, d],
      quarantined: "{\"type\":\"ent"),
    "texts": Case(
      text: "\(a)\n[\n  \"p\",\n  \"q\"\n]\n\(d)\n", recovered: [a, d],
      irregular: ["\"p\"", "\"q\""]),
    "cut list": Case(
      text: "\(a)\n[\n  \(b),\n  {\"type\":\n\(d)\n", recovered: [a, b, d],
      quarantined: "[{\"type\":"),
    "wrapper": Case(
      text: "\(a)\n\(wrapper)\n\(d)\n", recovered: [a, b, relation, d], irregular: [member]),
    "wrapper behind damage": Case(
      text: "\(a)\n\0\0\(wrapper)\n\(d)\n", recovered: [a, b, relation, d], irregular: [member],
      quarantined: "\0\0"),
    "cut wrapper behind damage": Case(
      text: "\(a)\n\0\0{\"entities\":[\(b),\(d)],\"relations\":[{\"type\":\n\(a)\n",
      recovered: [a, b, d, a], quarantined: "\0\0{\"type\":"),
    "cut wrapper": Case(
      text: "\(a)\n{\"entities\":[\(b),\(d)],\"relations\":[{\"type\":\n\(a)\n",
      recovered: [a, b, d, a], quarantined: "{\"type\":"),
    "no colon": Case(
      text: "\(a)\n\0\0{\"entities\" {\"x\":1}\n\(d)\n", recovered: [a, d],
      quarantined: "\0\0{\"entities\" {\"x\":1}"),
  ]

  @Test(arguments: cases.keys.sorted())
  func amongLines(_ name: String) throws {
    let wanted = try #require(Self.cases[name])
    let result = try Salvaged(Array(wanted.text.utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").map(text) == wanted.recovered)
    #expect(try result.lines("irregular").map(text) == wanted.irregular)
    #expect(result.report.isWhole == (wanted.irregular.isEmpty && wanted.quarantined.isEmpty))
    let pieces = try result.scratch.run("cat out/quarantine/memory.jsonl/* 2>/dev/null || true")
    #expect(pieces == wanted.quarantined)
  }

  /// Of lines of any kind every object on a line of nothing else is a record, an empty one too, and
  /// one that looks like a part of another.
  @Test func objectsOnOneLine() throws {
    let objects = [
      #"{"a":1,"in":{}}"#, #"{"x":{"b":1}}"#, "{}", #"{"a":2}"#, #"{"a":3}"#, "{}", #"{"a":4}"#,
      #"{"b":2}"#, "{}", #"{"b":3}"#, #"{"a":5}"#,
    ]
    let joints = ["\n", "\n", "", "\n", "", "\n", ",", ", ", "\n[1\n", "", "\n"]
    let bytes = zip(objects, joints).flatMap { Array(($0 + $1).utf8) }
    let result = try Salvaged(bytes, kind: "jsonl")
    #expect(try result.lines("recovered").map(text) == objects)
    #expect(result.account[.quarantined].bytes == 2)
  }

  /// Bytes that are looked at before more are read.
  private static let window = 1 << 20

  /// The window ends in front of `mark`, which the text has once.
  @Test(arguments: [
    ("lines", "  {\"type\":\"relation"), ("lines", "\"b\""), ("lines", "\n]"), ("lines", "\n  {"),
    ("wrapper", "\"version"), ("wrapper", "ion\""), ("wrapper", "cut here"),
    ("wrapper", ",\"relations"),
    ("damaged", "\"name\":\"b\""), ("damaged", "\n}"), ("array", ",{\"type\":\"relation"),
  ])
  func acrossWindows(_ layout: String, _ mark: String) throws {
    func build(_ long: String) -> (text: String, records: [String]) {
      let record = Self.entity("long", long)
      let pretty =
        "{\n \"type\":\"entity\",\n \"name\":\"b\",\n \"entityType\":\"t\",\n \"observations\":[]\n}"
      let compact = #"{"type":"entity","name":"b","entityType":"t","observations":[]}"#
      switch layout {
      case "lines":
        return (
          "\(record)\n\(Self.list)\n\(Self.d)\n", [record, Self.b, Self.relation, Self.d]
        )
      case "wrapper":
        let text = Self.wrapper.split(separator: "[", maxSplits: 1).joined(separator: "[\(record),")
        return (text, [record, Self.b, Self.relation])
      case "damaged":
        return ("\(record)\n\0\(pretty)\(Self.d)\n\(Self.a)\n", [record, compact, Self.d, Self.a])
      default: return ("[\(record),\(Self.b),\(Self.relation)]", [record, Self.b, Self.relation])
      }
    }
    let bare = Array(build("").text.utf8)
    let place = bare.indices.first { bare[$0...].starts(with: mark.utf8) }
    let count = try Self.window - #require(place)
    let (bytes, records) = build(String(repeating: "y", count: count))
    let result = try Salvaged(Array(bytes.utf8), kind: "memory-graph")
    #expect(
      try result.lines("recovered").map { text($0.suffix(90)) }
        == records.map { text(Array($0.utf8.suffix(90))) })
    #expect(try result.lines("irregular").map(text) == (layout == "wrapper" ? [Self.member] : []))
    #expect(result.account[.quarantined].bytes == (layout == "damaged" ? 1 : 0))
  }

  /// Joined records by the thousand on one line cost no more than a look at each.
  @Test func manyJoinedRecordsOnOneLine() throws {
    let count = 400_000
    let line = String(repeating: #"{"a":1}"#, count: count)
    let bytes = Array("\(Self.a)\n\(line)\n".utf8)
    let time = try processorTime {
      let result = try Salvaged(bytes, kind: "jsonl")
      #expect(result.account[.recovered].records == 1 + count)
    }
    #expect(time < 20)
  }

  /// Of lines of lists or scalars only the damaged ones are lost, however many they are; what is
  /// indented is a part of a value over several lines.
  @Test func listsAndScalars() throws {
    let lines = [
      #"[1,"a"]"#, #""b""#, #"[3,"c"#, #"[4,"d"]"#, "[5,\u{0}]", "6", "[7,", "  8", "  9", "[10]",
      #"[11,"k"][12,"l"] {"a":13}"#, "[14]x", "null",
    ]
    let result = try Salvaged(Array(lines.joined(separator: "\n").utf8), kind: "jsonl")
    #expect(
      try result.lines("recovered").map(text) == [
        lines[0], lines[1], lines[3], "6", "[10]", #"[11,"k"]"#, #"[12,"l"]"#, #"{"a":13}"#, "null",
      ])
  }

  /// Torn records by the thousand on one line, and white space behind them, cost no more than a look
  /// at each.
  @Test func manyTornRecordsOnOneLine() throws {
    let torn = String(repeating: "{\"x", count: 400_000) + String(repeating: " ", count: 1_200_000)
    let marks = String(repeating: "\u{FEFF}", count: 100_000)
    let text = "\(Self.a)\n\(torn)\n\(marks)\n\(Self.b)\n"
    let bytes = Array(text.utf8)
    let time = try processorTime {
      let result = try Salvaged(bytes, kind: "memory-graph")
      #expect(
        try result.lines("recovered").map { String(decoding: $0, as: UTF8.self) } == [
          Self.a, Self.b,
        ])
    }
    #expect(time < 20)
  }
}
