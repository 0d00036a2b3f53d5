import Disk
import LosslessJSON
import TestSupport
import Testing

struct RunSorterTests {
  private func sorted(
    _ entries: [(key: [UInt8], payload: [UInt8])], runLimit: Int, _ scratch: Scratch
  ) throws -> [[[UInt8]]] {
    var sorter = RunSorter(spillingTo: scratch.path, runLimit: runLimit)
    for entry in entries { try sorter.insert(key: entry.key.span, payload: entry.payload.span) }
    #expect(sorter.count == entries.count)
    var out: [[[UInt8]]] = []
    try sorter.drain { key, payload in
      out.append([(0..<key.count).map { key[$0] }, (0..<payload.count).map { payload[$0] }])
    }
    return out
  }

  @Test(arguments: [1, 40, 200, 5000, 1 << 20])
  func sortsLikeMemoryAndStably(runLimit: Int) throws {
    var random = Seeded()
    let scratch = try Scratch()
    for count in [0, 1, 2, 700, 3000] {
      let entries = (0..<count).map { index in
        let key: [UInt8]
        switch random.below(4) {
        case 0: key = random.bytes(random.below(3))
        // Keys that differ behind their first 16 bytes, and such as end in NUL.
        case 1: key = [UInt8](repeating: 0x61, count: 14 + random.below(6))
        case 2: key = [UInt8](repeating: 0x61, count: 16) + random.bytes(random.below(3))
        default: key = [UInt8](repeating: 0, count: random.below(20))
        }
        let extra = random.chance(200) ? random.bytes(90_000) : random.bytes(random.below(30))
        return (key: key, payload: Array("\(index):".utf8) + extra)
      }
      let expected = entries.enumerated().sorted { a, b in
        a.element.key == b.element.key
          ? a.offset < b.offset : a.element.key.lexicographicallyPrecedes(b.element.key)
      }.map { [$0.element.key, $0.element.payload] }
      #expect(
        try sorted(entries, runLimit: runLimit, scratch) == expected,
        "seed \(random.seed), \(count) entries")
    }
    #expect(try TreeWalk.names(in: scratch.path).isEmpty)
  }
}
