import Disk
import LosslessJSON
import TestSupport
import Testing

struct ShelfTests {
  /// The same bytes by position and in order, held in memory or not.
  @Test(arguments: [0, 1, 500, 1 << 20])
  func givesBackWhatItGot(limit: Int) throws {
    var random = Seeded()
    let shelf = Shelf(limit: limit)
    for _ in 0..<2 {
      var all: [UInt8] = []
      for _ in 0..<30 {
        let piece = random.bytes(random.below(100))
        #expect(try shelf.append(piece.span) == all.count, "seed \(random.seed)")
        all += piece
        let start = random.below(all.count + 1)
        let length = random.below(all.count - start + 1)
        var back = ByteBuffer()
        try shelf.read(at: start, count: length, into: &back)
        #expect(back.array == Array(all[start..<start + length]), "seed \(random.seed)")
      }
      #expect(shelf.count == all.count)
      var drained = ByteBuffer()
      try shelf.drain { drained.append($0) }
      #expect(drained.array == all && shelf.count == 0, "seed \(random.seed)")
    }
  }
}
