import Testing

/// A store of each kind, made anew for a test.
enum SampleStore: String, CaseIterable, CustomTestStringConvertible {
  case graph, contexts, snapshot10, snapshot11, archive, archivePair, archiveWithoutIndex
  case jsonLines, json, emptyParts, tasks, tasksByUser, tasksByProject

  var testDescription: String { rawValue }

  /// The kind that detection must come to.
  var kind: String {
    switch self {
    case .graph, .contexts, .emptyParts: "memory-graph"
    case .snapshot10, .snapshot11: "intent-snapshot"
    case .archive, .archivePair, .archiveWithoutIndex: "content-archive"
    case .jsonLines: "jsonl"
    case .json: "json"
    case .tasks, .tasksByUser, .tasksByProject: "task-list"
    }
  }

  /// Records in it.
  var recordCount: Int {
    switch self {
    case .graph: 40
    case .contexts: 45
    case .snapshot10, .snapshot11, .archivePair: 21
    case .archive, .archiveWithoutIndex: 11
    case .jsonLines: 30
    case .json: 1
    case .emptyParts: 3
    case .tasks: 12
    case .tasksByUser: 26
    case .tasksByProject: 30
    }
  }

  struct Made {
    /// What the program is told to back up.
    var path: String
    /// The directory that a restored one must equal.
    var root: String
    /// Names at the top of `root` that are no part of the store.
    var outside: [String] = []
  }

  /// Writes the store below `name` in the scratch directory, with modes and times of its own.
  func make(in scratch: Scratch, _ name: String = "store") throws -> Made {
    let root = try scratch.directory(name)
    var made = Made(path: root, root: root)
    func file(_ path: String, _ bytes: [UInt8]) throws {
      try scratch.write(bytes, to: "\(name)/\(path)")
    }
    switch self {
    case .graph:
      try file("memory.jsonl", SampleRecords.lines(SampleRecords.graph(40)))
      made.path = "\(root)/memory.jsonl"
    case .contexts:
      try file("charts.jsonl", SampleRecords.lines(SampleRecords.graph(30), last: "\n"))
      try file("charts-work.jsonl", SampleRecords.lines((50..<60).map(SampleRecords.entity)))
      try file("completed-charts.jsonl", SampleRecords.lines((70..<75).map(SampleRecords.entity)))
      try file("notes/readme.txt", Array("kept as it is\n".utf8))
      try file(".backup/old.tar.zst", [1, 2, 3])
      try file(".recovery/recovery-2026-01-01.log", Array("old\n".utf8))
      made.outside = [".backup", ".recovery"]
    case .snapshot10, .snapshot11:
      let intents = SampleRecords.intents(11)
      let snapshot = SampleRecords.snapshot(
        intents, SampleRecords.edges(intents), version: self == .snapshot10 ? "1.0" : "1.1")
      try file("graph.json", Spelling.pretty(snapshot))
      made.path = "\(root)/graph.json"
    case .archive, .archiveWithoutIndex:
      try ContentArchive.write(
        SampleRecords.intents(11), to: name, in: scratch, hasIndex: self == .archive)
    case .archivePair:
      let intents = SampleRecords.intents(11)
      try ContentArchive.write(intents, to: name + "/intents", in: scratch)
      try ContentArchive.write(SampleRecords.edges(intents), to: name + "/edges", in: scratch)
    case .jsonLines:
      let values = (0..<30).map { index -> JSONValue in
        switch index % 3 {
        case 0: .integer(index)
        case 1: .text(SampleRecords.texts[index % 11])
        default: .array([.null, .number("1e400")])
        }
      }
      try file("log.jsonl", SampleRecords.lines(values, last: "\n"))
      made.path = "\(root)/log.jsonl"
    case .json:
      try file("settings.json", Spelling.pretty(.make(["a": .number("1.50"), "é": .text("x")])))
      made.path = "\(root)/settings.json"
    case .tasks, .tasksByUser, .tasksByProject:
      let depth = self == .tasks ? 0 : self == .tasksByUser ? 1 : 2
      try file("tasks.json", Spelling.pretty(SampleRecords.taskList(depth: depth)))
      made.path = "\(root)/tasks.json"
    case .emptyParts:
      try file("charts.jsonl", SampleRecords.lines(SampleRecords.graph(3)))
      try file("charts-empty.jsonl", [])
      try file("zero", [])
      try scratch.directory("\(name)/hollow/inner")
    }
    try scratch.python(Self.factsProgram, root)
    return made
  }

  /// Gives each file and directory a mode and a time in nanoseconds of its own.
  private static let factsProgram = """
    import os, sys
    number = 0
    for top, directories, files in os.walk(sys.argv[1], topdown=False):
        directories.sort()
        for name in sorted(files) + ['.']:
            path = os.path.join(top, name)
            number += 1
            os.chmod(path, [0o755, 0o700, 0o2770][number % 3] if name == '.'
                else [0o644, 0o600, 0o440, 0o755][number % 4])
            os.utime(path, ns=(0, 1_600_000_000_123_456_789 + number * 1_000_000_007))
    """
}

/// CCOS content-addressed directories: `aa/bb/<SHA-256 of the compact bytes>.json`.
enum ContentArchive {
  @discardableResult static func write(
    _ values: [JSONValue], to name: String, in scratch: Scratch, hasIndex: Bool = true
  ) throws -> [String] {
    let compact = scratch.fresh("compact")
    try TestFile.makeDirectory(compact)
    var words = ["sha256sum"]
    for (index, value) in values.enumerated() {
      try TestFile.write(Spelling.compact(value), to: "\(compact)/\(index)")
      words.append("\(compact)/\(index)")
    }
    let hashes = try scratch.run(words).lines.map { String($0.prefix(64)) }
    guard hashes.count == values.count else { throw TestFailure("sha256sum failed") }
    var index: [JSONValue.Member] = []
    for (hash, value) in zip(hashes, values) {
      let path = "\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash).json"
      try scratch.write(Spelling.pretty(value), to: "\(name)/\(path)")
      index.append(.init(hash, .text(path)))
    }
    if hasIndex {
      try scratch.write(Spelling.pretty(.object(index)), to: "\(name)/index.json")
    }
    return hashes
  }
}
