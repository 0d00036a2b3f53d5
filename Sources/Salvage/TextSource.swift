import Disk
import LosslessJSON

/// The text of a file as UTF-8, whatever it is stored as, from front to back. A file may have parts in
/// several encodings, as where a shell appends UTF-16 to UTF-8.
///
/// UTF-16 is turned into UTF-8; what is no character there becomes bytes that are none in UTF-8
/// either, so no strict reader takes them: a lone surrogate its three bytes, an odd last byte
/// `FE 8x 8x`, and two `FFFF` in a row, as flash memory has when it is erased, `C1` each. So the length
/// in the file follows from the bytes of the text alone.
struct TextSource {
  enum Encoding: String, Sendable {
    case utf8 = "UTF-8"
    case utf16LE = "UTF-16LE"
    case utf16BE = "UTF-16BE"
  }

  /// Of the part that is being read.
  private(set) var encoding = Encoding.utf8
  /// Bytes of the byte order mark in front of it.
  private(set) var markLength = 0
  private let stream: ByteStream
  private var raw = ByteBuffer()
  private var ended = false
  /// Whether another part begins with what is in `raw`.
  private var isBetween = false
  /// Parts that may still follow: many small ones are noise.
  private var partsLeft: Int
  /// The last byte of the UTF-8 that was read.
  private var previous: UInt8 = 0x0A
  /// The code unit that was decoded last.
  private var last: UInt32 = 0x0A

  /// - Parameter inParts: ends where the encoding changes; then `startNextPart` goes on.
  init(_ stream: ByteStream, inParts: Bool = false) throws {
    self.stream = stream
    partsLeft = inParts ? 1024 : 0
    try start()
  }

  /// Goes on behind a change of the encoding; false at the end of the file.
  mutating func startNextPart() throws -> Bool {
    guard isBetween else { return false }
    isBetween = false
    partsLeft -= 1
    try start()
    return true
  }

  private mutating func start() throws {
    var start = raw
    raw = ByteBuffer()
    (last, previous) = (0x0A, 0x0A)
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
    while at + 1 < head.count, units < unitsAtStart {
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
    if isBetween { return 0 }
    if encoding == .utf8 {
      if raw.isEmpty {
        _ = try stream.read(into: &text, atMost: limit)
      } else {
        text.append(raw.span)
        raw.removeAll()
      }
      if partsLeft > 0 { try cutWide(&text, from: before) }
      return text.count - before
    }
    while text.count == before, !isBetween, !ended || !raw.isEmpty {
      if !ended, try stream.read(into: &raw, atMost: max(limit, 4)) == 0 { ended = true }
      raw.removeFirst(decode(raw, to: &text))
    }
    return text.count - before
  }

  /// Leaves what is behind the start of a record in UTF-16 to the next part. Nothing else has a brace
  /// and a quote with NULs behind them where a record may start. Behind a NUL the same bytes are the
  /// one order of bytes or the other, one byte off: they tell nothing, and big-endian has a mark.
  private mutating func cutWide(_ text: inout ByteBuffer, from start: Int) throws {
    // What tells it must not lie on both sides of the end; a mark and it are six bytes.
    for _ in 0..<4 where text.count > start {
      guard [0x00, 0x22, 0x7B, 0xFE, 0xFF].contains(text[text.count - 1]) else { break }
      _ = try stream.read(into: &text, atMost: 4)
    }
    defer { if text.count > start { previous = text[text.count - 1] } }
    func byte(_ at: Int) -> UInt8 { at >= start ? text[at] : at == start - 1 ? previous : 0 }
    var at = start
    while let found = text.span.firstIndex(of: 0, from: at) {
      at = found + 1
      var place: Int?
      if found > start, Self.stands(text.span, found - 1, [0x7B, 0, 0x22, 0]) {
        let isMarked = found >= start + 3 && text[found - 3] == 0xFF && text[found - 2] == 0xFE
        place = isMarked ? found - 3 : found - 1
      } else if found >= start + 2, text[found - 2] == 0xFE, text[found - 1] == 0xFF,
        Self.stands(text.span, found, [0, 0x7B, 0, 0x22])
      {
        place = found - 2
      }
      guard let place, [0x0A, 0x7D].contains(byte(place - 1)) else {
        // Of a run of NULs only the last one may tell.
        while at < text.count, text[at] == 0 { at += 1 }
        if at > found + 1 { at -= 1 }
        continue
      }
      raw.append(text.span.extracting(place..<text.count))
      text.truncate(to: place)
      isBetween = true
      return
    }
  }

  private static func stands(_ text: Span<UInt8>, _ at: Int, _ word: [UInt8]) -> Bool {
    guard at + word.count <= text.count else { return false }
    for (index, byte) in word.enumerated() where text[at + index] != byte { return false }
    return true
  }

  /// Whether a record in another encoding starts there, on a line of its own.
  private func changesEncoding(_ bytes: Span<UInt8>, _ at: Int) -> Bool {
    guard partsLeft > 0, last == 0x0A else { return false }
    let other: [UInt8] =
      encoding == .utf16LE ? [0xFE, 0xFF, 0, 0x7B] : [0xFF, 0xFE, 0x7B, 0]
    let narrow: [[UInt8]] = [[0x7B, 0x22], [0x0A, 0x7B, 0x22], [0xEF, 0xBB, 0xBF, 0x7B]]
    return ([other] + narrow).contains { Self.stands(bytes, at, $0) }
  }

  /// Where a record in UTF-8 starts behind a line feed and with a key, which no UTF-16 looks like: damage
  /// in front of it may have moved it to an odd place. Nil where there is none.
  private func narrowStart(_ bytes: Span<UInt8>) -> Int? {
    var at = 1
    while let brace = bytes.firstIndex(of: 0x7B, from: at) {
      at = brace + 1
      guard bytes[brace - 1] == 0x0A, at < bytes.count, bytes[at] == 0x22 else { continue }
      var end = at + 1
      while end < bytes.count, end < at + 32, Self.isOfKey(bytes[end]) { end += 1 }
      if end > at + 1, Self.stands(bytes, end, [0x22, 0x3A]) { return brace }
    }
    return nil
  }

  private static func isOfKey(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F
  }

  /// Returns how many bytes of `raw` it took.
  private mutating func decode(_ raw: ByteBuffer, to text: inout ByteBuffer) -> Int {
    let bytes = raw.span
    let (low, high) = encoding == .utf16LE ? (0, 1) : (1, 0)
    func unit(_ at: Int) -> UInt32 { UInt32(bytes[at + low]) | UInt32(bytes[at + high]) << 8 }
    let narrow = partsLeft > 0 ? narrowStart(bytes) : nil
    let (end, ended) = (narrow ?? bytes.count, ended || narrow != nil)
    var at = 0
    // What tells that the encoding changes must not lie on both sides of the end.
    while at + 2 <= end, ended || last != 0x0A || at + 4 <= end {
      let first = unit(at)
      if changesEncoding(bytes, at) {
        isBetween = true
        return at
      }
      last = first
      if first >= 0xD800, first < 0xDC00 {
        if at + 4 > end, !ended { break }
        if at + 4 <= end {
          let second = unit(at + 2)
          if second >= 0xDC00, second < 0xE000 {
            text.append(scalar: 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            at += 4
            continue
          }
        }
      }
      // One by itself is a code point, though no character.
      if first == 0xFFFF, at + 4 > end, !ended { break }
      if first == 0xFFFF, at + 4 <= end, unit(at + 2) == 0xFFFF {
        text.append([0xC1, 0xC1])
        at += 4
        continue
      }
      text.append(scalar: first)
      at += 2
    }
    if ended, at + 1 == end {
      text.append([0xFE, 0x80 | bytes[at] >> 4, 0x80 | bytes[at] & 15])
      at += 1
    }
    if narrow != nil { isBetween = true }
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
