import Glibc
import Testing

/// Any damage at all to any kind of store, through the binary: no crash, no hang, no memory without
/// end, no byte unaccounted for, and the input as it was. 10,000 of them with `make mutations`.
@Suite(.scratch) struct SalvageMutationTests {
  private static let count =
    getenv("HOLDFAST_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 48
  /// Where inputs stay that a salvage failed on: backups hold times and paths, and a seed alone does
  /// not make them again.
  private static let kept =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/.build/mutations"
  /// Kilobytes of address space that a salvage may take of these small stores: a loop that
  /// allocates ends here.
  private static let memoryLimit = 4 << 20
  /// Seconds; a salvage takes a few hundredths of one.
  private static let timeLimit = 300

  private static let marks: [[UInt8]] = [
    "{\"", "\"", "}", "]", "[", "\\", "\n", "\u{0}", "{\"type\":\"entity\"", "SQLite format 3\u{0}",
  ].map { Array($0.utf8) }

  private struct Subject {
    var name: String
    var bytes: [UInt8]
  }

  private func subjects(_ scratch: Scratch) throws -> [Subject] {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let intact = "/\(root)/samples/intact/"
    var found = try [
      "memory.jsonl", "events.jsonl", "snapshot-v1.1.json", "station.json", "tasks-by-user.json",
      "tasks-by-project.json", "runs.db", "runs-first-version.db",
    ].map { Subject(name: $0, bytes: try TestFile.read(intact + $0)) }
    let lines = SampleRecords.lines(SampleRecords.graph(120), last: "\n")
    let store = try scratch.write(lines, to: "memory.jsonl")
    let database = scratch.file("migrated.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database)
    found.append(Subject(name: "migrated.db", bytes: try TestFile.read(database)))
    let runs = try scratch.write(found[6].bytes, to: "runs.db")
    for (source, name) in [(store, "memory"), (runs, "runs")] {
      for compression in ["zstd", "gzip", "none"] {
        let repository = scratch.fresh("repository")
        let archive = try scratch.backUp(
          source, to: repository, ["--compression", compression])
        let ending = ["zstd": "tar.zst", "gzip": "tar.gz", "none": "tar"][compression] ?? "tar"
        found.append(Subject(name: "\(name).\(ending)", bytes: try TestFile.read(archive)))
      }
    }
    let last = found.count - 1
    let plain = try scratch.write(found[last].bytes, to: "plain.tar")
    for (tool, ending) in [("zstd -q --check -c", "one.tar.zst"), ("gzip -n -c", "one.tar.gz")] {
      let packed = scratch.file(ending)
      try scratch.tool("sh", "-c", "\(tool) <'\(plain)' >'\(packed)'")
      found.append(Subject(name: ending, bytes: try TestFile.read(packed)))
    }
    return found
  }

  private func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    for _ in 0...Int.random(in: 0..<6, using: &random) {
      guard !bytes.isEmpty else { return }
      let at = Int.random(in: 0..<bytes.count, using: &random)
      let length = [8, 80, 512, 4096, 20_000].randomElement(using: &random) ?? 1
      let end = min(bytes.count, at + Int.random(in: 1...length, using: &random))
      switch Int.random(in: 0..<8, using: &random) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes.removeSubrange(at..<end)
      case 2:
        bytes.insert(
          contentsOf: Array(bytes[at..<end]), at: Int.random(in: 0...bytes.count, using: &random))
      case 3: for place in at..<end { bytes[place] = .random(in: 0...255, using: &random) }
      case 4: for place in at..<end { bytes[place] = 0 }
      case 5: bytes.insert(contentsOf: Self.marks.randomElement(using: &random) ?? [], at: at)
      case 6:
        // A page, or a sector, that is another one's.
        let from = Int.random(in: 0..<bytes.count, using: &random) & ~511
        let to = at & ~511
        for place in 0..<min(512, bytes.count - max(from, to)) {
          bytes[to + place] = bytes[from + place]
        }
      default: if bytes.count > 600 { bytes.removeLast(bytes.count - at) }
      }
    }
  }

  @Test func anyDamage() throws {
    let scratch = try Scratch.here()
    let subjects = try subjects(scratch)
    var random = SeededRandom()
    if Self.count > 1000 { print("HOLDFAST_SEED=\(random.seed)") }
    for round in 0..<Self.count {
      var subject = subjects[round % subjects.count]
      damage(&subject.bytes, &random)
      let path = try scratch.write(subject.bytes, to: "in/\(subject.name)")
      let out = scratch.file("out")
      let options =
        (round % 2 == 0 ? " --deleted" : "") + (Bool.random(using: &random) ? " --repair" : "")
      let outcome = try scratch.run([
        "sh", "-c",
        "ulimit -v \(Self.memoryLimit); exec timeout \(Self.timeLimit) '\(Binary.path)' salvage "
          + "'\(path)' --to '\(out)' --json\(options)",
      ])
      let story = "HOLDFAST_SEED=\(random.seed) round \(round) \(subject.name)\(options)"
      var isRight = [0, 3, 13].contains(outcome.status)
      #expect(isRight, "\(story): \(outcome)")
      let isUnchanged = try TestFile.read(path) == subject.bytes
      #expect(isUnchanged, "\(story): the input was changed")
      let input = try JSONValue(parsing: outcome.output)["inputs"]?[0]
      if outcome.status != 13 {
        let fates = ["recovered", "irregular", "repaired", "insignificant", "quarantined"]
        let sum = fates.reduce(0) { $0 + (input?[$1]?["bytes"]?.integer ?? 0) }
        isRight = isRight && sum == subject.bytes.count
        #expect(sum == subject.bytes.count, "\(story): \(outcome)")
      }
      if !isRight || !isUnchanged {
        try scratch.tool("mkdir", "-p", Self.kept)
        try scratch.tool("cp", path, "\(Self.kept)/\(random.seed)-\(round)-\(subject.name)")
      }
      try scratch.tool("rm", "-rf", out, scratch.file("in"))
    }
  }
}
