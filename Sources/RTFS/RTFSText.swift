import LosslessJSON

/// The values of the language as the writer spells them. Strings escape `\n \t \r \\ \"`, the only
/// escapes that are understood when a string is read; every other character stands raw.
extension ByteBuffer {
  /// Appends an RTFS string that holds `content`, UTF-8.
  mutating func append(rtfsString content: Span<UInt8>) {
    append(0x22)
    var start = 0
    var at = 0
    while true {
      at = content.endOfTextRun(from: at)
      guard at < content.count else { break }
      let escape: UInt8
      switch content[at] {
      case 0x0A: escape = 0x6E
      case 0x09: escape = 0x74
      case 0x0D: escape = 0x72
      case 0x22: escape = 0x22
      case 0x5C: escape = 0x5C
      default:
        at += 1
        continue
      }
      append(content.extracting(start..<at))
      append(0x5C)
      append(escape)
      at += 1
      start = at
    }
    append(content.extracting(start..<content.count))
    append(0x22)
  }

  /// Appends the RTFS string for a JSON string, of which `inner` is what stands between its
  /// quotes. Returns false, with some bytes appended, where it holds a lone surrogate: that is no
  /// character, so no RTFS string can hold it.
  mutating func append(rtfsStringForJSON inner: Span<UInt8>) -> Bool {
    append(0x22)
    var start = 0
    var at = 0
    while let slash = inner.firstIndex(of: 0x5C, from: at) {
      at = slash + 2
      var byte = inner[slash + 1]
      switch byte {
      // Spelt alike in both.
      case 0x22, 0x5C, 0x6E, 0x72, 0x74: continue
      case 0x75:
        guard let (scalar, end) = inner.escapedScalar(at: slash) else { return false }
        append(inner.extracting(start..<slash))
        appendInString(scalar)
        at = end
        start = at
        continue
      case 0x62: byte = 0x08
      case 0x66: byte = 0x0C
      default: break
      }
      append(inner.extracting(start..<slash))
      append(byte)
      start = at
    }
    append(inner.extracting(start..<inner.count))
    append(0x22)
    return true
  }

  private mutating func appendInString(_ scalar: UInt32) {
    switch scalar {
    case 0x0A: append("\\n")
    case 0x09: append("\\t")
    case 0x0D: append("\\r")
    case 0x22: append("\\\"")
    case 0x5C: append("\\\\")
    default: append(scalar: scalar)
    }
  }

  /// Appends the canonical value of a JSON number as the language takes it: an integer, or a float
  /// with digits on both sides of its point, so `1.0e21` for 1e21.
  mutating func append(rtfsNumberForJSON lexeme: Span<UInt8>, scratch: inout ByteBuffer) {
    if lexeme.isCanonicalDecimal {
      append(lexeme)
      return
    }
    scratch.removeAll()
    appendCanonicalNumber(lexeme, to: &scratch)
    let number = scratch.span
    guard let exponent = number.firstIndex(of: 0x65), number.firstIndex(of: 0x2E) == nil else {
      append(number)
      return
    }
    append(number.extracting(0..<exponent))
    append(".0")
    append(number.extracting(exponent..<number.count))
  }
}

extension Span<UInt8> {
  /// Whether an escape between the quotes of a JSON string stands for a lone surrogate.
  var holdsLoneSurrogate: Bool {
    var at = 0
    while let slash = firstIndex(of: 0x5C, from: at) {
      at = slash + 2
      guard self[slash + 1] == 0x75 else { continue }
      guard let (_, end) = escapedScalar(at: slash) else { return true }
      at = end
    }
    return false
  }

  /// The character for which `\uxxxx` at `slash`, or a pair of them, stands, and the index behind
  /// it; nil for a lone surrogate. For what `JSONIndex` has accepted.
  fileprivate func escapedScalar(at slash: Int) -> (scalar: UInt32, end: Int)? {
    let unit = hexUnit(from: slash + 2)
    guard unit & 0xF800 == 0xD800 else { return (unit, slash + 6) }
    guard unit < 0xDC00, slash + 12 <= count, self[slash + 6] == 0x5C, self[slash + 7] == 0x75
    else { return nil }
    let low = hexUnit(from: slash + 8)
    guard low & 0xFC00 == 0xDC00 else { return nil }
    return (0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), slash + 12)
  }

  private func hexUnit(from start: Int) -> UInt32 {
    var value: UInt32 = 0
    for index in start..<start + 4 { value = value << 4 | (hexValue(self[index]) ?? 0) }
    return value
  }

  /// Whether this JSON number is plain decimal with a fraction that is its own canonical form:
  /// no exponent, no zero at the end, at most five zeros directly behind `0.`.
  fileprivate var isCanonicalDecimal: Bool {
    guard let point = firstIndex(of: 0x2E), self[count - 1] != 0x30 else { return false }
    for index in point + 1..<count where self[index] &- 0x30 > 9 { return false }
    if self[point - 1] != 0x30 || (point >= 2 && self[point - 2] != 0x2D) { return true }
    var zeros = 0
    while self[point + 1 + zeros] == 0x30 { zeros += 1 }
    return zeros <= 5
  }
}
