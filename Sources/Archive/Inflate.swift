import Disk
import LosslessJSON

/// Decompresses one gzip member that is damaged or cut off, as far as it goes (RFC 1951, RFC 1952).
/// libarchive throws away what it has decompressed since its last block of 64 KiB. Nothing is
/// checked but that the data can be decompressed: damaged data may go on for long as garbage.
struct Inflate: ~Copyable {
  private let file: InputFile
  private let end: Int
  /// Where the next bytes of the file come from.
  private var next: Int
  private var input = ByteBuffer()
  private var taken = 0
  private var bits: UInt64 = 0
  private var bitCount = 0
  /// What the text may refer back to, and what has not been handed out yet behind it.
  private var output = ByteBuffer()
  private var handedOut = 0

  private static let window = 32 << 10
  private static let step = 128 << 10

  /// Where it ended.
  enum Outcome {
    /// The compressed data ends here, in front of its checksum.
    case complete(end: Int)
    /// It has not ended where the range does.
    case cut
    /// What comes next cannot be decompressed.
    case damaged
  }

  /// Why it goes no further.
  private enum Stop: Error {
    case damaged, atEnd
    case failed(any Error)
  }

  init(_ file: consuming InputFile, _ range: Range<Int>) {
    self.file = file
    next = range.lowerBound
    end = range.upperBound
  }

  /// Hands out the content piece by piece, as far as it goes.
  mutating func run(_ body: (ByteBuffer) throws -> Void) throws -> Outcome {
    var outcome = Outcome.damaged
    do {
      try skipHeader()
      var isLast = false
      while !isLast {
        isLast = try take(1) == 1
        switch try take(2) {
        case 0: try stored(body)
        case 1: try compressed(.fixed, .fixedDistances, body)
        case 2:
          let (lengths, distances) = try codes()
          try compressed(lengths, distances, body)
        default: throw Stop.damaged
        }
      }
      outcome = .complete(end: next - (input.count - taken) - bitCount / 8)
    } catch Stop.failed(let error) { throw error } catch Stop.atEnd { outcome = .cut } catch is Stop
    {}
    try flush(body, all: true)
    return outcome
  }

  private mutating func flush(_ body: (ByteBuffer) throws -> Void, all: Bool = false) throws {
    guard output.count > handedOut, all || output.count - handedOut >= Self.step else { return }
    var piece = ByteBuffer()
    piece.append(output.span.extracting(handedOut..<output.count))
    try body(piece)
    output.removeFirst(max(0, output.count - Self.window))
    handedOut = output.count
  }

  // MARK: Bits

  private mutating func byte() throws(Stop) -> UInt8 {
    if taken == input.count {
      input.removeAll()
      taken = 0
      do throws(DiskError) {
        next += try file.read(at: next, into: &input, atMost: min(64 << 10, end - next))
      } catch { throw .failed(ArchiveError(error)) }
      if input.isEmpty { throw .atEnd }
    }
    taken += 1
    return input[taken - 1]
  }

  private mutating func need(_ count: Int) throws(Stop) {
    while bitCount < count {
      bits |= UInt64(try byte()) << UInt64(bitCount)
      bitCount += 8
    }
  }

  private mutating func take(_ count: Int) throws(Stop) -> Int {
    try need(count)
    let value = Int(bits & (1 << UInt64(count) - 1))
    bits >>= UInt64(count)
    bitCount -= count
    return value
  }

  private mutating func symbol(_ code: PrefixCode) throws(Stop) -> Int {
    // At the very end there may be fewer bits than the longest code has.
    while bitCount < PrefixCode.longest {
      do throws(Stop) { try need(bitCount + 1) } catch {
        guard case .atEnd = error else { throw error }
        break
      }
    }
    guard let (symbol, length) = code.decode(bits), length <= bitCount else {
      throw bitCount < PrefixCode.longest ? .atEnd : .damaged
    }
    bits >>= UInt64(length)
    bitCount -= length
    return symbol
  }

  // MARK: Blocks

  private mutating func skipHeader() throws(Stop) {
    var head: [UInt8] = []
    while head.count < 10 { head.append(try byte()) }
    guard head[0] == 0x1F, head[1] == 0x8B, head[2] == 8 else { throw .damaged }
    if head[3] & 4 != 0 {
      var length = Int(try byte())
      length |= Int(try byte()) << 8
      for _ in 0..<length { _ = try byte() }
    }
    for flag: UInt8 in [8, 16] where head[3] & flag != 0 { while try byte() != 0 {} }
    if head[3] & 2 != 0 { for _ in 0..<2 { _ = try byte() } }
  }

  private mutating func stored(_ body: (ByteBuffer) throws -> Void) throws {
    _ = try take(bitCount % 8)
    let length = try take(16)
    guard try take(16) == ~length & 0xFFFF else { throw Stop.damaged }
    for _ in 0..<length { output.append(UInt8(try take(8))) }
    try flush(body)
  }

  private static let lengthBase = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
  ]
  private static let distanceBase = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
    3073, 4097, 6145, 8193, 12289, 16385, 24577,
  ]

  private mutating func compressed(
    _ lengths: PrefixCode, _ distances: PrefixCode, _ body: (ByteBuffer) throws -> Void
  ) throws {
    while true {
      let found = try symbol(lengths)
      if found < 256 {
        output.append(UInt8(found))
      } else if found == 256 {
        return
      } else {
        guard found < 286 else { throw Stop.damaged }
        let extra = found < 265 || found == 285 ? 0 : (found - 261) / 4
        let length = Self.lengthBase[found - 257] + (try take(extra))
        let far = try symbol(distances)
        guard far < 30 else { throw Stop.damaged }
        let distance = Self.distanceBase[far] + (try take(far < 4 ? 0 : (far - 2) / 2))
        guard distance <= output.count else { throw Stop.damaged }
        for _ in 0..<length { output.append(output[output.count - distance]) }
      }
      try flush(body)
    }
  }

  private static let codeOrder = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
  ]

  private mutating func codes() throws(Stop) -> (PrefixCode, PrefixCode) {
    let lengthCount = try take(5) + 257
    let distanceCount = try take(5) + 1
    var sizes = [Int](repeating: 0, count: 19)
    for index in 0..<(try take(4)) + 4 { sizes[Self.codeOrder[index]] = try take(3) }
    guard lengthCount <= 286, let code = PrefixCode(sizes) else { throw .damaged }
    var lengths: [Int] = []
    while lengths.count < lengthCount + distanceCount {
      switch try symbol(code) {
      case 16:
        guard let last = lengths.last else { throw .damaged }
        lengths += Array(repeating: last, count: 3 + (try take(2)))
      case 17: lengths += Array(repeating: 0, count: 3 + (try take(3)))
      case 18: lengths += Array(repeating: 0, count: 11 + (try take(7)))
      case let length: lengths.append(length)
      }
    }
    guard lengths.count == lengthCount + distanceCount, lengths[256] > 0,
      let first = PrefixCode(Array(lengths[..<lengthCount])),
      let second = PrefixCode(Array(lengths[lengthCount...]))
    else { throw .damaged }
    return (first, second)
  }
}

/// A canonical prefix code of deflate: RFC 1951, 3.2.2.
struct PrefixCode {
  static let longest = 15
  private static let fastBits = 10

  /// For the first bits of a code, the symbol and its length; 0 where the code is longer or none.
  private var fast = [UInt16](repeating: 0, count: 1 << fastBits)
  /// How many codes there are of each length, and the symbols in the order of their codes.
  private var counts = [Int](repeating: 0, count: longest + 1)
  private var symbols: [Int] = []

  static let fixed =
    PrefixCode(
      Array(repeating: 8, count: 144) + Array(repeating: 9, count: 112)
        + Array(repeating: 7, count: 24) + Array(repeating: 8, count: 8)) ?? PrefixCode()
  static let fixedDistances = PrefixCode(Array(repeating: 5, count: 30)) ?? PrefixCode()

  private init() {}

  /// Nil where the lengths are those of no code.
  init?(_ lengths: [Int]) {
    for length in lengths { counts[length] += 1 }
    counts[0] = 0
    var left = 1
    for length in 1...Self.longest {
      left = left * 2 - counts[length]
      if left < 0 { return nil }
    }
    var starts = [Int](repeating: 0, count: Self.longest + 2)
    var codes = starts
    for length in 1...Self.longest {
      starts[length + 1] = starts[length] + counts[length]
      codes[length + 1] = (codes[length] + counts[length]) << 1
    }
    symbols = [Int](repeating: 0, count: starts[Self.longest + 1])
    for (symbol, length) in lengths.enumerated() where length > 0 {
      symbols[starts[length]] = symbol
      starts[length] += 1
      let code = codes[length]
      codes[length] += 1
      guard length <= Self.fastBits else { continue }
      var reversed = 0
      for bit in 0..<length where code & (1 << bit) != 0 { reversed |= 1 << (length - 1 - bit) }
      var slot = reversed
      while slot < 1 << Self.fastBits {
        fast[slot] = UInt16(symbol << 4 | length)
        slot += 1 << length
      }
    }
  }

  /// The symbol whose code the lowest bits are, and its length; nil where there is none.
  func decode(_ bits: UInt64) -> (symbol: Int, length: Int)? {
    let entry = fast[Int(bits & UInt64(1 << Self.fastBits - 1))]
    if entry != 0 { return (Int(entry >> 4), Int(entry & 15)) }
    var code = 0
    var first = 0
    var index = 0
    for length in 1...Self.longest {
      code |= Int(bits >> UInt64(length - 1)) & 1
      let count = counts[length]
      if code - count < first { return (symbols[index + code - first], length) }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    return nil
  }
}
