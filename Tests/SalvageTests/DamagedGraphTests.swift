import Glibc
import LosslessJSON
import Salvage
import TestSupport
import Testing

/// Random damage with known truth: every intact record back, none invented, all bytes counted.
struct DamagedGraphTests {
  private func check(_ damaged: DamagedLines, _ story: String) throws {
    let bytes = damaged.bytes
    let result = try Salvaged(bytes, kind: "memory-graph")
    let recovered = try result.lines("recovered")
    let found = difference(recovered, damaged.intact)
    #expect(found.onlyB.map(text) == [], "lost \(story)")
    let invented = found.onlyA.filter { !damaged.isUndecidable($0) }
    #expect(invented.map(text) == [], "invented \(story)")
    for record in found.onlyB + invented { print("in", Self.around(record, bytes)) }
    let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
    #expect(sum == bytes.count, "\(story)")
  }

  /// The bytes around a record, as far as they tell where in the file it was lost.
  private static func around(_ record: [UInt8], _ bytes: [UInt8]) -> String {
    let key = record.prefix(60)
    let at = bytes.indices.first { bytes[$0...].starts(with: key) }
    guard let at else { return "over several lines: " + shown(bytes[...].prefix(4000)) }
    return shown(bytes[max(0, at - 600)..<min(bytes.count, at + record.count + 300)])
  }

  private static func shown(_ bytes: ArraySlice<UInt8>) -> String {
    var out = ""
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let byte = bytes[at]
      var end = at
      while end < bytes.endIndex, bytes[end] == byte { end += 1 }
      let one = byte >= 0x20 && byte < 0x7F ? String(UnicodeScalar(byte)) : "<\(byte)>"
      out += end - at > 20 ? "\(one)*\(end - at) " : String(repeating: one, count: end - at)
      at = end
    }
    return out
  }

  @Test(arguments: DamagedLines.Shape.allCases)
  func eachShapeAlone(_ shape: DamagedLines.Shape) throws {
    var random = DamagedLines.layouts.contains(shape) ? Self.layoutSeed : Seeded()
    let seed = random.seed
    for round in 0..<5 * rounds {
      var lines = GraphLines(random: Seeded(random.next()))
      let records = lines.records(3 + random.below(30))
      var damaged = DamagedLines(records, Seeded(random.next()))
      for _ in 0...random.below(3) { damaged.apply(shape) }
      try check(damaged, "HOLDFAST_SEED=\(seed) \(shape) round \(round)")
    }
  }

  @Test func shapesMixed() throws {
    let shapes = DamagedLines.Shape.allCases.filter { !DamagedLines.layouts.contains($0) }
    try mix(shapes, 50 * rounds, Seeded())
  }

  /// Lists and records over several lines among all the other damage.
  @Test func layoutsMixed() throws {
    try mix(DamagedLines.Shape.allCases, 30 * rounds, Self.layoutSeed)
  }

  /// Of lists and records over several lines the same files each time, unless HOLDFAST_ROUNDS asks
  /// for more: bytes that admit two readings are many there.
  private static var layoutSeed: Seeded {
    getenv("HOLDFAST_ROUNDS") == nil ? Seeded(20_260_601) : Seeded()
  }

  private func mix(_ choices: [DamagedLines.Shape], _ count: Int, _ start: Seeded) throws {
    var random = start
    let seed = random.seed
    for round in 0..<count {
      var lines = GraphLines(random: Seeded(random.next()))
      let records = lines.records(10 + random.below(60))
      var damaged = DamagedLines(records, Seeded(random.next()))
      var shapes: [DamagedLines.Shape] = []
      for _ in 0...random.below(8) {
        shapes.append(random.pick(choices))
        damaged.apply(shapes[shapes.count - 1])
      }
      try check(damaged, "HOLDFAST_SEED=\(seed) round \(round) \(shapes)")
    }
  }
}
