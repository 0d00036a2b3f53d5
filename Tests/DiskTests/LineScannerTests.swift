import Disk
import LosslessJSON
import TestSupport
import Testing

struct LineScannerTests {
  private typealias Line = LineScanner<ChunkSource>.Line

  private func lines(_ bytes: [UInt8], sizes: [Int], offset: Int = 0) throws -> [(Line, [UInt8])] {
    var scanner = LineScanner(ChunkSource(bytes, sizes: sizes), offset: offset)
    var result: [(Line, [UInt8])] = []
    while let line = try scanner.next() {
      let text = scanner.text
      result.append((line, text.withUnsafeBytes { Array($0) }))
    }
    #expect(try scanner.next() == nil)
    return result
  }

  private func check(_ bytes: [UInt8], sizes: [Int], _ comment: Comment) throws {
    var expected: [(offset: Int, text: ArraySlice<UInt8>, isTerminated: Bool)] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0A)
      expected.append((start, bytes[start..<(end ?? bytes.count)], end != nil))
      start = (end ?? bytes.count) + 1
    }
    let found = try lines(bytes, sizes: sizes, offset: 1000)
    try #require(found.count == expected.count, comment)
    for (index, (line, text)) in found.enumerated() {
      let wanted = expected[index]
      #expect(line.offset == 1000 + wanted.offset && line.length == wanted.text.count, comment)
      #expect(line.number == index + 1 && !line.isTooLong, comment)
      #expect(line.isTerminated == wanted.isTerminated, comment)
      #expect(text == Array(wanted.text), comment)
    }
  }

  @Test func anyBytesInAnyPieces() throws {
    var random = Seeded()
    for _ in 0..<200 {
      let bytes = (0..<random.below(60)).map { _ in
        random.pick([0x0A, 0x0D, 0x61, 0x00, 0xFF] as [UInt8])
      }
      for sizes in [[1], [2, 3], [64]] { try check(bytes, sizes: sizes, "seed \(random.seed)") }
    }
  }

  /// Lines that end just before, at and just behind where the scanner reads on.
  @Test(arguments: [-2, -1, 0, 1, 2])
  func edgesOfTheWindow(shift: Int) throws {
    let step = 512 << 10
    for count in [step, 2 * step] {
      let line = [UInt8](repeating: 0x61, count: count + shift)
      for tail in [[], [0x0A], [0x0A, 0x62], [0x0A, 0x0A]] as [[UInt8]] {
        try check(line + tail, sizes: [1 << 30], "\(count)")
        try check([0x63, 0x0A] + line + tail, sizes: [step, 1, 7], "\(count)")
      }
    }
  }

  @Test func aLineOf20Megabytes() throws {
    let bytes = [0x62, 0x0A] + [UInt8](repeating: 0x61, count: 20 << 20) + [0x0A, 0x63]
    let found = try lines(bytes, sizes: [100_000])
    #expect(found.map(\.0.length) == [1, 20 << 20, 1])
    #expect(found.map(\.0.offset) == [0, 2, 3 + (20 << 20)])
    #expect(found.map(\.0.isTerminated) == [true, true, false])
  }

  @Test func ofALineBeyondTheLimitOnlyTheExtentIsGiven() throws {
    let length = LineScanner<Long>.lengthLimit + (80 << 20)
    var scanner = LineScanner(Long(left: length + 3))
    let first = try scanner.next()
    #expect(first?.isTooLong == true && first?.length == length && first?.isTerminated == true)
    let second = try scanner.next()
    #expect(second?.length == 2 && second?.offset == length + 1 && second?.number == 2)
    #expect(try scanner.next() == nil)
  }

  /// The same of one that nothing ends.
  @Test func aLineBeyondTheLimitMayBeTheLast() throws {
    let length = LineScanner<Long>.lengthLimit + (1 << 20)
    var scanner = LineScanner(Long(left: length, hasEnd: false), offset: 7)
    let line = try scanner.next()
    #expect(line?.offset == 7 && line?.length == length && line?.number == 1)
    #expect(line?.isTooLong == true && line?.isTerminated == false)
    #expect(try scanner.next() == nil)
  }
}

/// A line of `a`s and then, where that has an end, a line of two, without being held in memory.
private struct Long: ByteSource {
  var left: Int
  var hasEnd = true

  mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let count = min(limit, left)
    left -= count
    var block = [UInt8](repeating: 0x61, count: count)
    if hasEnd, left == 0, count > 2 { block[count - 3] = 0x0A }
    buffer.append(block.span)
    return count
  }
}
