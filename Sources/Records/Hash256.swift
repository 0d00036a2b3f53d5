import Crypto
import LosslessJSON

/// A SHA-256 value: 32 bytes, ordered bytewise.
package struct Hash256: Sendable, Hashable, Comparable {
  /// The bytes, most significant first.
  package var a: UInt64
  package var b: UInt64
  package var c: UInt64
  package var d: UInt64

  init(_ digest: SHA256.Digest) {
    (a, b, c, d) = digest.withUnsafeBytes { bytes in
      func word(_ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
      }
      return (word(0), word(8), word(16), word(24))
    }
  }

  package init(a: UInt64, b: UInt64, c: UInt64, d: UInt64) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }

  /// Hashes `bytes` in one go.
  package init(of bytes: Span<UInt8>) {
    var hasher = SHA256()
    bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    self.init(hasher.finalize())
  }

  /// Takes the 32 bytes themselves; nil for another number of them.
  package init?(bytes: Span<UInt8>) {
    guard bytes.count == 32 else { return nil }
    (a, b, c, d) = bytes.withUnsafeBytes { bytes in
      func word(_ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
      }
      return (word(0), word(8), word(16), word(24))
    }
  }

  /// Reads 64 hexadecimal digits, upper or lower case; nil for anything else.
  package init?(hex: Span<UInt8>) {
    guard hex.count == 64 else { return nil }
    var words: [UInt64] = [0, 0, 0, 0]
    for index in 0..<64 {
      guard let digit = hexValue(hex[index]) else { return nil }
      words[index / 16] = words[index / 16] << 4 | UInt64(digit)
    }
    (a, b, c, d) = (words[0], words[1], words[2], words[3])
  }

  package init?(hex: String) {
    self.init(hex: Array(hex.utf8).span)
  }

  /// 64 lower-case hexadecimal digits.
  package var hex: String {
    var text = ""
    text.reserveCapacity(64)
    for word in [a, b, c, d] {
      let digits = String(word, radix: 16)
      text += String(repeating: "0", count: 16 - digits.count) + digits
    }
    return text
  }

  /// Appends 64 lower-case hexadecimal digits.
  package func appendHex(to out: inout ByteBuffer) {
    let digits: StaticString = "0123456789abcdef"
    for word in [a, b, c, d] {
      for shift in stride(from: 60, through: 0, by: -4) {
        out.append(digits.utf8Start[Int(word >> UInt64(shift) & 15)])
      }
    }
  }

  package static func < (x: Self, y: Self) -> Bool {
    if x.a != y.a { return x.a < y.a }
    if x.b != y.b { return x.b < y.b }
    if x.c != y.c { return x.c < y.c }
    return x.d < y.d
  }
}

/// SHA-256 over bytes that arrive in pieces.
package struct Hasher256: Sendable {
  private var hasher = SHA256()
  /// Bytes taken so far.
  package private(set) var count = 0

  package init() {}

  package mutating func update(_ bytes: Span<UInt8>) {
    bytes.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    count += bytes.count
  }

  mutating func update(_ hashes: [Hash256]) {
    var block: [UInt64] = []
    block.reserveCapacity(hashes.count * 4)
    for hash in hashes {
      block += [hash.a.bigEndian, hash.b.bigEndian, hash.c.bigEndian, hash.d.bigEndian]
    }
    block.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    count += hashes.count * 32
  }

  package func finish() -> Hash256 { Hash256(hasher.finalize()) }
}
