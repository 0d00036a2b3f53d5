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
    if !found.onlyB.isEmpty || !invented.isEmpty { print("in", bytes.map(Self.shown).joined()) }
    let sum = Fate.allCases.reduce(0) { $0 + result.account[$1].bytes }
    #expect(sum == bytes.count, "\(story)")
  }

  private static func shown(_ byte: UInt8) -> String {
    byte >= 0x20 && byte < 0x7F ? String(UnicodeScalar(byte)) : "<\(byte)>"
  }

  @Test(arguments: DamagedLines.Shape.allCases)
  func eachShapeAlone(_ shape: DamagedLines.Shape) throws {
    var random = Seeded()
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
    var random = Seeded()
    let seed = random.seed
    for round in 0..<50 * rounds {
      var lines = GraphLines(random: Seeded(random.next()))
      let records = lines.records(10 + random.below(60))
      var damaged = DamagedLines(records, Seeded(random.next()))
      var shapes: [DamagedLines.Shape] = []
      for _ in 0...random.below(8) {
        shapes.append(random.pick(DamagedLines.Shape.allCases))
        damaged.apply(shapes[shapes.count - 1])
      }
      try check(damaged, "HOLDFAST_SEED=\(seed) round \(round) \(shapes)")
    }
  }
}
