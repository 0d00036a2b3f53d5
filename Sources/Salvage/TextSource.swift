import Disk
import LosslessJSON

/// The text of a file as UTF-8, whatever it is stored as, from front to back.
///
/// UTF-16 is turned into UTF-8; what is no character there becomes bytes that are none in UTF-8
/// either, so no strict reader takes them: a lone surrogate its three bytes, an odd last byte
/// `FE 8x 8x`. So the length in the file follows from the bytes of the text alone.
struct TextSource {
  enum Encoding: String, Sendable {
    case utf8 = "UTF-8"
    case utf16LE = "UTF-16LE"
    case utf16BE = "UTF-16BE"
  }

  let encoding: Encoding
  /// Bytes of the byte order mark in the file.
  let markLength: Int
  private let stream: ByteStream
  private var raw = ByteBuffer()
  private var ended = false

  init(_ stream: ByteStream) throws {
    self.stream = stream
    var start = ByteBuffer()
    let wanted = 2 + 2 * Self.unitsAtStart
    while start.count < wanted, try stream.read(into: &start, atMost: wanted - start.count) > 0 {}
    let head = start.array + [1, 1, 1, 1]
    if head[0] == 0xEF, head[1] == 0xBB, head[2] == 0xBF {
      (encoding, markLength) = (.utf8, 3)
    } else if head[0] == 0xFF, head[1] == 0xFE, Self.isWide(start.span, high: 1) {
      (encoding, markLength) = (.utf16LE, 2)
    } else if head[0] == 0xFE, head[1] == 0xFF, Self.isWide(start.span, high: 0) {
      (encoding, markLength) = (.utf16BE, 2)
    } else if Self.opensJSON(head[0]), head[1] == 0, head[2] != 0, head[3] == 0 {
      (encoding, markLength) = (.utf16LE, 0)
    } else if head[0] == 0, Self.opensJSON(head[1]), head[2] == 0, head[3] != 0 {
      (encoding, markLength) = (.utf16BE, 0)
    } else {
      (encoding, markLength) = (.utf8, 0)
    }
    start.removeFirst(min(markLength, start.count))
    raw = start
  }

  /// Code units of the text that tell a byte order mark from damage that begins with its bytes.
  private static let unitsAtStart = 256

  /// Whether there is ASCII, as any JSON has, behind a mark of UTF-16: one code unit in 16 has a high
  /// byte that is zero, of 8-bit text or noise next to none.
  /// - Parameter high: which byte of a code unit is the high one.
  private static func isWide(_ head: Span<UInt8>, high: Int) -> Bool {
    var units = 0
    var narrow = 0
    var at = 2
    while at + 1 < head.count {
      units += 1
      if head[at + high] == 0 { narrow += 1 }
      at += 2
    }
    return narrow * 16 >= units
  }

  private static func opensJSON(_ byte: UInt8) -> Bool { byte == 0x7B || byte == 0x5B }

  /// Appends about `limit` bytes of text; returns how many, 0 only at the end.
  mutating func read(into text: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let before = text.count
    if encoding == .utf8 {
      if !raw.isEmpty {
        text.append(raw.span)
        raw.removeAll()
        return text.count - before
      }
      return try stream.read(into: &text, atMost: limit)
    }
    while text.count == before, !ended || !raw.isEmpty {
      if !ended, try stream.read(into: &raw, atMost: max(limit, 4)) == 0 { ended = true }
      raw.removeFirst(decode(raw, to: &text))
    }
    return text.count - before
  }

  /// Returns how many bytes of `raw` it took.
  private func decode(_ raw: ByteBuffer, to text: inout ByteBuffer) -> Int {
    let bytes = raw.span
    let (low, high) = encoding == .utf16LE ? (0, 1) : (1, 0)
    func unit(_ at: Int) -> UInt32 { UInt32(bytes[at + low]) | UInt32(bytes[at + high]) << 8 }
    var at = 0
    while at + 2 <= bytes.count {
      let first = unit(at)
      if first >= 0xD800, first < 0xDC00 {
        if at + 4 > bytes.count, !ended { break }
        if at + 4 <= bytes.count {
          let second = unit(at + 2)
          if second >= 0xDC00, second < 0xE000 {
            text.append(scalar: 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            at += 4
            continue
          }
        }
      }
      text.append(scalar: first)
      at += 2
    }
    if ended, at + 1 == bytes.count {
      text.append([0xFE, 0x80 | bytes[at] >> 4, 0x80 | bytes[at] & 15])
      at += 1
    }
    return at
  }

  /// Bytes in the file that a stretch of the text stands for; adds up over any split of it.
  static func stored(_ text: Span<UInt8>, as encoding: Encoding) -> Int {
    guard encoding != .utf8 else { return text.count }
    var total = 0
    for index in text.indices {
      switch text[index] {
      case 0x80..<0xC0: break
      case 0xFE: total += 1
      case 0xF0..<0xF8: total += 4
      default: total += 2
      }
    }
    return total
  }
}
