import Testing

/// The shapes that graph files have in the wild, all of them read and none of them an error.
@Suite(.scratch) struct GraphShapeTests {
  private static let a = #"{"type":"entity","name":"a","entityType":"t","observations":["x"]}"#
  private static let b = #"{"type":"entity","name":"b","entityType":"t","observations":[]}"#
  private static let r = #"{"type":"relation","from":"a","to":"b","relationType":"r"}"#

  private static let bare = [a, b, r].map {
    $0.replacing(#""type":"entity","#, with: "").replacing(#""type":"relation","#, with: "")
  }

  enum Shape: String, CaseIterable {
    case plain, noLastFeed, mark, comments, carriageReturns, blankLines, indented, pretty, array
    case prettyArray, slashes
    var text: String {
      let lines = [a, b, r]
      switch self {
      case .plain: return lines.joined(separator: "\n") + "\n"
      case .noLastFeed: return lines.joined(separator: "\n")
      case .mark: return "\u{FEFF}" + lines.joined(separator: "\n")
      case .comments: return "# memory\n#\n\(a)\n  # more\n\(b)\n\(r)\n# end"
      case .slashes: return "// memory\n\(a)\n\(b)\n\(r)\n"
      case .carriageReturns: return lines.joined(separator: "\r\n") + "\r\n"
      case .blankLines: return "\n\n\(a)\n \t\n\(b)\n\r\n\(r)\n\n\n"
      case .indented: return lines.map { "  \t\($0)  " }.joined(separator: "\n")
      case .array: return "[" + lines.joined(separator: ",") + "]"
      case .prettyArray: return "[\n  " + lines.joined(separator: ",\n  ") + "\n]\n"
      case .pretty:
        return lines.map { $0.replacing(",", with: ",\n  ").replacing("{", with: "{\n  ") }
          .joined(separator: "\n") + "\n"
      }
    }
    private var a: String { GraphShapeTests.a }
    private var b: String { GraphShapeTests.b }
    private var r: String { GraphShapeTests.r }
  }

  @Test(arguments: Shape.allCases, ["memory.jsonl", "memory.json", "store.txt", "noname"])
  func oneDigestForAll(_ shape: Shape, _ name: String) throws {
    let scratch = try Scratch.here()
    let plain = try scratch.write(Shape.plain.text, to: "plain/memory.jsonl")
    let path = try scratch.write(shape.text, to: "store/\(name)")
    let seen = try scratch.json("inspect", path)
    #expect(seen["kind"]?.text == "memory-graph")
    #expect(seen["counts"]?["entity"]?.integer == 2)
    #expect(seen["counts"]?["relation"]?.integer == 1)
    #expect(seen["digest"]?.text == (try scratch.digest(plain)))
    let errors = seen["findings"]?.elements.filter { $0["severity"]?.text == "error" }
    #expect(errors?.isEmpty == true)
    #expect(seen["finding_counts"]?["byte-order-mark"]?.integer == (shape == .mark ? 1 : nil))
    let comments = shape == .comments ? 4 : shape == .slashes ? 1 : nil
    #expect(seen["finding_counts"]?["comment-line"]?.integer == comments)
    if name == "memory.json" {
      let archive = try scratch.backUp(path)
      try scratch.proveBackup(archive, of: .init(path: path, root: scratch.file("store")))
    }
  }

  /// Without `type`, inside `entities` and `relations`.
  @Test(arguments: [false, true])
  func wrapped(_ isPretty: Bool) throws {
    let scratch = try Scratch.here()
    let bare = Self.bare
    let text = #"{"entities":[\#(bare[0]),\#(bare[1])],"relations":[\#(bare[2])]}"#
    let value = try JSONValue(parsing: Array(text.utf8))
    let path = try scratch.write(
      isPretty ? Spelling.pretty(value) : Array(text.utf8), to: "store/memory.json")
    let seen = try scratch.json("inspect", path)
    #expect(seen["kind"]?.text == "memory-graph")
    #expect(seen["counts"]?["entity"]?.integer == 2)
    #expect(seen["counts"]?["relation"]?.integer == 1)
    let archive = try scratch.backUp(path)
    try scratch.proveBackup(archive, of: .init(path: path, root: scratch.file("store")))
  }

  @Test func nestedDataAndUnknownTypes() throws {
    let scratch = try Scratch.here()
    let lines = [
      #"{"type":"entity","data":{"name":"deep","entityType":"t","observations":["x"]}}"#,
      #"{"type":"relation","data":{"from":"deep","to":"deep","relationType":"r"}}"#,
      #"{"type":"narrative_beat","title":"dawn"}"#, #"{"type":"narrative_beat","title":"dusk"}"#,
      #"{"no":"type"}"#, "[1,2]", "17",
    ]
    let path = try scratch.write(lines.joined(separator: "\n"), to: "store/memory.jsonl")
    let seen = try scratch.json("inspect", path)
    #expect(seen["counts"]?["entity"]?.integer == 1)
    #expect(seen["counts"]?["relation"]?.integer == 1)
    #expect(seen["counts"]?["document"]?.integer == 5)
    #expect(seen["finding_counts"]?["dangling-end"] == nil)
    let archive = try scratch.backUp(path)
    let shown = try scratch.holdfast(exit: 0, "show", archive, "--record", "entity:deep")
    #expect(shown.lines == [lines[0]])
    try scratch.proveBackup(archive, of: .init(path: path, root: scratch.file("store")))
  }

  /// Intact, but against the rules of its kind: findings with line and record, never a loss.
  @Test(arguments: [
    ("dangling-end", #"{"type":"relation","from":"a","to":"zz","relationType":"r"}"#),
    ("duplicate-id", a), ("duplicate-edge", r),
    (
      "time-order",
      #"{"type":"entity","name":"t","entityType":"t","observations":[],"metadata":{"createdAt":"2026-02-01","updatedAt":"2026-01-01"}}"#
    ),
    (
      "bad-time",
      #"{"type":"entity","name":"t","entityType":"t","observations":[],"metadata":{"dueDate":"soon"}}"#
    ),
    (
      "missing-chart",
      #"{"type":"entity","name":"t","entityType":"t","observations":[],"metadata":{"chartId":"none"}}"#
    ),
    ("unknown-type", #"{"type":"odd"}"#),
    ("missing-field", #"{"type":"entity","entityType":"t","observations":[]}"#),
    ("wrong-type", #"{"type":"entity","name":"t","entityType":"t","observations":[null]}"#),
  ])
  func rules(_ code: String, _ line: String) throws {
    let scratch = try Scratch.here()
    let path = try scratch.write(
      [Self.a, Self.b, Self.r, line].joined(separator: "\n"), to: "store/memory.jsonl")
    let outcome = try scratch.holdfast("inspect", path, "--json")
    let seen = try JSONValue(parsing: outcome.output)
    #expect(seen["records"]?.integer == 4)
    let finding = try #require(
      seen["findings"]?.elements.first { $0["code"]?.text == code }, "\(outcome)")
    if code != "unknown-type" { #expect(finding["line"]?.integer == 4) }
    let isError = finding["severity"]?.text == "error"
    #expect(outcome.status == (isError ? 3 : 0))
    let archive = try scratch.backUp(path, exit: isError ? 3 : 0)
    try scratch.proveBackup(
      archive, of: .init(path: path, root: scratch.file("store")), restoredBy: isError ? 3 : 0)
  }

  @Test func contextsOfADirectory() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let one = try scratch.json("inspect", store.path, "--context", "work")
    #expect(one["records"]?.integer == 10)
    let archive = try scratch.backUp(store.path, ["--context", "work"])
    let names = try scratch.tool("tar", "--zstd", "-tf", archive).lines
    #expect(names.contains("store/charts-work.jsonl") && !names.contains("store/charts.jsonl"))
    try scratch.holdfast(exit: 10, "backup", store.path, "--context", "nowhere")
  }
}
