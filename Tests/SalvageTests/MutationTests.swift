import Salvage
import SystemPackage
import TestSupport
import Testing

/// Any bytes at all: no crash, no error, no byte unaccounted for.
struct MutationTests {
  private static let samples: [String] = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    let root = "/" + parts.joined(separator: "/") + "/samples/intact/"
    return ["memory.jsonl", "events.jsonl", "snapshot-v1.1.json", "station.json"].map { root + $0 }
  }()

  @Test func randomMutations() throws {
    var random = Seeded()
    let story = "HOLDFAST_SEED=\(random.seed)"
    for round in 0..<60 * rounds {
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
      let kind: String? = random.pick([nil, "memory-graph", "intent-snapshot", "jsonl"])
      let result = try Salvaged(bytes, as: path.lastComponent?.string ?? "x", kind: kind)
      let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
      #expect(sum == bytes.count, "\(story) round \(round)")
    }
  }
}
