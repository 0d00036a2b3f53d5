import Glibc
import Salvage
import SystemPackage
import TestSupport
import Testing

/// Any bytes at all: no crash, no error, no byte unaccounted for. Ten thousand of them with
/// HOLDFAST_MUTATIONS=10000.
struct MutationTests {
  private static let samples: [String] = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    let root = "/" + parts.joined(separator: "/") + "/samples/intact/"
    return [
      "memory.jsonl", "events.jsonl", "snapshot-v1.1.json", "station.json", "tasks-by-user.json",
      "tasks-by-project.json", "runs.db",
    ].map { root + $0 }
  }()

  @Test func randomMutations() throws {
    var random = Seeded()
    let story = "HOLDFAST_SEED=\(random.seed)"
    let count = getenv("HOLDFAST_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 60 * rounds
    if count > 1000 { print(story) }
    for round in 0..<count {
      let path = FilePath(random.pick(Self.samples))
      var bytes = try Scratch.read(path)
      for _ in 0...random.below(6) {
        let at = random.below(max(1, bytes.count))
        let end = min(bytes.count, at + random.below(80))
        switch random.below(5) {
        case 0: bytes[min(at, bytes.count - 1)] ^= UInt8(1 << random.below(8))
        case 1 where bytes.count > 100: bytes.removeSubrange(at..<end)
        case 2: bytes.insert(contentsOf: bytes[at..<end], at: random.below(bytes.count))
        case 3: bytes.replaceSubrange(at..<end, with: random.bytes(end - at))
        default:
          let marks: [String] = [
            "{\"", "\"", "}", "]", "[", "\\", "\n", "\u{0}", "{\"type\":\"entity\"",
          ]
          bytes.insert(contentsOf: Array(random.pick(marks).utf8), at: at)
        }
      }
      let kind: String? = random.pick([
        nil, nil, "memory-graph", "intent-snapshot", "jsonl", "task-list", "run-history",
      ])
      let result = try Salvaged(bytes, as: path.lastComponent?.string ?? "x", kind: kind) {
        $0.takesDeleted = round % 2 == 0
        $0.repairs = round % 3 == 0
      }
      let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
      #expect(sum == bytes.count, "\(story) round \(round)")
    }
  }
}
