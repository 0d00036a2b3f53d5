import Testing

/// A damaged store: every unreadable range is named by line and byte, the backup is written and
/// marked, and the restore gives back the damage too.
@Suite(.scratch) struct DamagedStoreTests {
  enum Damage: String, CaseIterable {
    case tornTail, splice, join, nulLine, nulInside, invalidUTF8, garbage, control, bracket
  }

  private static let count = 20
  private static let line = 7

  /// The lines with one of them damaged.
  private static func damaged(_ damage: Damage) -> (lines: [[UInt8]], index: Int) {
    var lines = SampleRecords.graph(count).map(Spelling.compact)
    let index = damage == .tornTail ? count - 1 : line
    let half = Array(lines[index].prefix(lines[index].count / 2))
    switch damage {
    case .tornTail: lines[index] = half
    case .splice: lines[index] = half + lines[index + 1]
    case .join: lines[index] += lines[index]
    case .nulLine: lines[index] = [UInt8](repeating: 0, count: 300)
    case .nulInside: lines[index] = half + [UInt8](repeating: 0, count: 50) + half
    case .invalidUTF8: lines[index].insert(0xFF, at: 30)
    case .garbage: lines[index] = (0..<200).map { UInt8(truncatingIfNeeded: $0 * 37 + 128) | 0x80 }
    case .control: lines[index].insert(0x01, at: 30)
    case .bracket: lines[index].removeLast()
    }
    return (lines, index)
  }

  @Test(arguments: Damage.allCases)
  func foundSavedAndGivenBack(_ damage: Damage) throws {
    let scratch = try Scratch.here()
    let (lines, index) = Self.damaged(damage)
    let offset = lines[..<index].reduce(0) { $0 + $1.count + 1 }
    let bytes = Array(lines.joined(separator: [0x0A])) + (damage == .tornTail ? [] : [0x0A])
    let path = try scratch.write(bytes, to: "store/memory.jsonl")
    try TestFile.setTime(1_700_000_000_000_000_001, of: path)

    let seen = try scratch.json(exit: 3, "inspect", path)
    let errors = seen["findings"]?.elements.filter { $0["severity"]?.text == "error" } ?? []
    #expect(errors.count == 1)
    #expect(errors.first?["line"]?.integer == index + 1)
    #expect(errors.first?["offset"]?.integer == offset)
    #expect(errors.first?["length"]?.integer == lines[index].count)
    #expect(errors.first?["path"]?.text == path)
    let code = damage == .tornTail ? "torn-tail" : damage == .nulLine ? "nul-bytes" : "unreadable"
    #expect(errors.first?["code"]?.text == code)
    #expect(seen["records"]?.integer == Self.count - 1)

    var rest = lines
    rest.remove(at: index)
    let intact = try scratch.write(Array(rest.joined(separator: [0x0A])), to: "intact.jsonl")
    #expect(seen["digest"]?.text == (try scratch.digest(intact)))
    #expect(try scratch.holdfast("digest", path).status == 3)
    #expect(try scratch.holdfast("verify", path).status == 12)

    let outcome = try scratch.holdfast(
      exit: 3, "backup", path, "--to", scratch.file("repo"), "--quiet")
    #expect(outcome.output.isEmpty && outcome.messages.count == 1)
    #expect(outcome.message.contains("suspect"))
    let listed = try scratch.json("list", scratch.file("repo"))["backups"]?[0]
    #expect(listed?["state"]?.text == "suspect")
    let archive = try #require(listed?["path"]?.text)
    // The archive is sound, only what was saved is not.
    try scratch.holdfast(exit: 0, "verify", archive)
    let store = SampleStore.Made(path: path, root: scratch.file("store"))
    try scratch.proveBackup(archive, of: store, restoredBy: 3)
    #expect(try TestFile.read(path) == bytes)
  }

  /// A damaged store's backup displaces nothing: `@latest` is still the good one before it.
  @Test func latestIsTheLastGoodOne() throws {
    let scratch = try Scratch.here()
    let good = SampleRecords.lines(SampleRecords.graph(20), last: "\n")
    let path = try scratch.write(good, to: "memory.jsonl")
    let first = try scratch.backUp(path, time: 1_000_000_000)
    try scratch.write(good + Array("{\"type\":\"en".utf8), to: "memory.jsonl")
    try TestFile.setTime(1_700_000_000_000_000_000, of: path)
    _ = try scratch.backUp(path, exit: 3, time: 1_000_000_060)
    let shown = try scratch.json("show", scratch.file("repo@latest"))
    #expect(shown["backup"]?.text == first)
    // A torn file is the store's own; the parent of the next one is the good one.
    try scratch.write(SampleRecords.lines(SampleRecords.graph(3)), to: "memory.jsonl")
    let shrunken = try scratch.json(
      exit: 3, "backup", path, "--to", scratch.file("repo"),
      with: Child.Setting(environment: ["SOURCE_DATE_EPOCH": "1000000120"]))
    #expect(shrunken["manifest"]?["parent"] == shown["manifest"]?["digest"])
    #expect(shrunken["state"]?.text == "suspect")
    let allowed = try scratch.json(
      "backup", path, "--to", scratch.file("repo"), "--allow-shrink",
      with: Child.Setting(environment: ["SOURCE_DATE_EPOCH": "1000000180"]))
    #expect(allowed["state"]?.text == "verified")
  }

  @Test func damagedSnapshot() throws {
    let scratch = try Scratch.here()
    let intents = SampleRecords.intents(6)
    var bytes = Spelling.pretty(SampleRecords.snapshot(intents, SampleRecords.edges(intents)))
    let mark = Array("\"priority\": 3".utf8)
    let at = try #require(ArchiveFrames.firstRange(of: mark, in: bytes)).upperBound - 1
    bytes[at] = UInt8(ascii: "x")
    let line = bytes[..<at].count { $0 == 0x0A } + 1
    let path = try scratch.write(bytes, to: "store/graph.json")
    let seen = try scratch.json(exit: 3, "inspect", path)
    let error = seen["findings"]?.elements.first { $0["severity"]?.text == "error" }
    #expect(error?["message"]?.text?.contains("at byte \(at)") == true)
    let start = try #require(error?["offset"]?.integer)
    let length = try #require(error?["length"]?.integer)
    #expect((start..<start + length).contains(at))
    #expect((error?["line"]?.integer ?? .max) <= line)
    #expect(seen["counts"]?["intent"]?.integer == 5)
    #expect(seen["counts"]?["edge"]?.integer == 5)
    let archive = try scratch.backUp(path, exit: 3)
    try scratch.proveBackup(
      archive, of: .init(path: path, root: scratch.file("store")), restoredBy: 3)
  }

  /// Content archives: what is wrong with them and how it is called.
  @Test(arguments: [
    ("flipped", "hash-mismatch"), ("missing", "missing-file"), ("climbing", "bad-index"),
    ("absolute", "bad-index"), ("torn", "torn-tail"), ("emptied", "empty"),
    ("index", "torn-tail"),
  ])
  func damagedContentArchive(_ damage: String, _ code: String) throws {
    let scratch = try Scratch.here()
    let hashes = try ContentArchive.write(SampleRecords.intents(6), to: "store", in: scratch)
    let root = scratch.file("store")
    let object =
      "\(root)/\(hashes[2].prefix(2))/\(hashes[2].dropFirst(2).prefix(2))/\(hashes[2]).json"
    var bytes = try TestFile.read(object)
    let index = try TestFile.text(root + "/index.json")
    func changeIndex(_ path: String) throws {
      let entry = "/\(hashes[2]).json"
      let lines = index.split(separator: "\n").map { line in
        line.contains(entry)
          ? "\"\(hashes[2])\": \"\(path)\"" + (line.hasSuffix(",") ? "," : "") : String(line)
      }
      try scratch.write(lines.joined(separator: "\n"), to: "store/index.json")
    }
    switch damage {
    case "flipped":
      let at = try #require(ArchiveFrames.firstRange(of: Array("\"priority\": 2".utf8), in: bytes))
      bytes[at.upperBound - 1] = UInt8(ascii: "7")
      try TestFile.write(bytes, to: object)
    case "missing": try scratch.tool("rm", object)
    case "climbing": try changeIndex("../store/\(hashes[2]).json")
    case "absolute": try changeIndex(object)
    case "torn": try TestFile.write(Array(bytes.prefix(100)), to: object)
    case "emptied": try TestFile.write([], to: object)
    default: try scratch.write(String(index.prefix(index.utf8.count / 2)), to: "store/index.json")
    }
    let seen = try scratch.json(exit: 3, "inspect", root)
    let codes =
      seen["findings"]?.elements.filter { $0["severity"]?.text == "error" }
      .compactMap { $0["code"]?.text } ?? []
    #expect(codes.contains(code), "\(codes)")
    let archive = try scratch.backUp(root, exit: 3)
    try scratch.proveBackup(archive, of: .init(path: root, root: root), restoredBy: 3)
  }

  /// Left behind by a writer, or no longer named: kept, told of, but no error.
  @Test func orphansAndLeftovers() throws {
    let scratch = try Scratch.here()
    let root = scratch.file("store")
    let intents = SampleRecords.intents(6)
    try ContentArchive.write(intents, to: "other", in: scratch)
    try ContentArchive.write(Array(intents.prefix(3)), to: "store", in: scratch)
    try scratch.tool("sh", "-c", "cp -rn '\(scratch.file("other"))'/?? '\(root)'/")
    try scratch.write("half", to: "store/6f1e5e4c-0000-4000-8000-000000000000.tmp")
    let seen = try scratch.json("inspect", root)
    #expect(seen["records"]?.integer == 3)
    #expect(seen["finding_counts"]?["orphan"]?.integer == 3)
    #expect(seen["finding_counts"]?["leftover"]?.integer == 1)
    let archive = try scratch.backUp(root)
    try scratch.proveBackup(archive, of: .init(path: root, root: root))
  }

  /// The wrapping that a backup puts around some records adds a level that does not count.
  @Test(arguments: [
    ("snapshot.json", "{\"version\":\"1.1\",\"intents\":{},\"edges\":[],\"more\":", "}", 10_000),
    ("lines.jsonl", "{\"$scope\":\"x\",\"$record\":", "}", 9_999),
  ])
  func theDeepestRecordsAreBackedUp(_ name: String, _ head: String, _ tail: String, _ depth: Int)
    throws
  {
    let scratch = try Scratch.here()
    func brackets(_ one: String) -> String { String(repeating: one, count: depth) }
    let store = try scratch.write(head + brackets("[") + brackets("]") + tail, to: name)
    let archive = try scratch.backUp(store)
    try scratch.holdfast(exit: 0, "verify", archive)
    #expect(try scratch.digest(archive) == scratch.digest(store))
  }

  @Test func aRepositoryAmongTheFilesOfItsStoreIsRefused() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    for place in ["", "/backups", "/deep/.backup"] {
      try scratch.holdfast(exit: 64, "backup", store.root, "--to", store.root + place)
    }
    try scratch.holdfast(exit: 0, "backup", store.root, "--to", store.root + "/.backup/more")
  }

  @Test func symbolicLinksAreLeftOutAndToldOf() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    try scratch.write("secret", to: "secret")
    try scratch.tool("ln", "-s", scratch.file("secret"), store.root + "/link.jsonl")
    try scratch.tool("ln", "-s", scratch.path, store.root + "/up")
    try scratch.tool("mkfifo", store.root + "/pipe.jsonl")
    let seen = try scratch.json("inspect", store.root)
    #expect(seen["finding_counts"]?["skipped-file"]?.integer == 3)
    let archive = try scratch.backUp(store.root, exit: 3)
    let quiet = try scratch.holdfast(exit: 3, "backup", "--quiet", store.root)
    #expect(quiet.messages.count == 1 && quiet.message.contains("(and 2 more)"), "\(quiet)")
    let names = try scratch.tool("tar", "--zstd", "-tf", archive).lines
    #expect(names.contains("store/charts.jsonl"))
    #expect(!names.contains { ["link.jsonl", "up", "pipe.jsonl"].contains($0.dropFirst(6)) })
  }
}
