/// The tokens of one JSON text, in source order: an object is followed by key, value, key, value …
///
/// Strict RFC 8259 and strict UTF-8; no recursion, time linear in the text, nesting up to
/// `maximumDepth`. Kept between texts so that a loop allocates once.
package struct JSONIndex: Sendable {
  package static let maximumDepth = 10_000
  /// Texts longer than this are refused: token offsets are 32 bits wide.
  package static let maximumLength = 1 << 30

  package private(set) var tokens: [JSONToken] = []
  /// Whether the text held no whitespace outside strings: then it is its own compact form.
  package private(set) var isCompact = true
  private var open: [UInt32] = []

  package init() {}

  /// Indexes `bytes`, which must be exactly one value, whitespace around it allowed.
  package mutating func scan(_ bytes: ByteBuffer) throws(JSONError) {
    try scan(bytes.span)
  }

  package mutating func scan(_ text: Span<UInt8>) throws(JSONError) {
    tokens.removeAll(keepingCapacity: true)
    open.removeAll(keepingCapacity: true)
    isCompact = true
    guard text.count <= Self.maximumLength else { throw JSONError(.tooLong, at: 0) }
    var at = skipSpace(text, 0)
    if at == text.count { throw JSONError(.empty, at: 0) }
    while true {
      at = try scanValue(text, at)
      let opened = !open.isEmpty && Int(open[open.count - 1]) == tokens.count - 1
      if opened {
        let close: UInt8 = tokens[tokens.count - 1].kind == .object ? 0x7D : 0x5D
        at = skipSpace(text, at)
        guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
        if text[at] != close {
          if close == 0x7D { at = try scanKey(text, at) }
          continue
        }
      }
      guard let following = try scanEnds(text, at) else { break }
      at = following
    }
  }

  /// Closes what ends at `at`. Returns where the next value starts, or nil at the end of the text.
  private mutating func scanEnds(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int? {
    var at = start
    while let container = open.last {
      at = skipSpace(text, at)
      guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
      let isObject = tokens[Int(container)].kind == .object
      let byte = text[at]
      at += 1
      if byte == 0x2C {
        at = skipSpace(text, at)
        return isObject ? try scanKey(text, at) : at
      }
      guard byte == (isObject ? 0x7D : 0x5D) else {
        throw JSONError(.expectedCommaOrEnd, at: at - 1)
      }
      tokens[Int(container)].end = UInt32(truncatingIfNeeded: at)
      tokens[Int(container)].next = UInt32(truncatingIfNeeded: tokens.count)
      open.removeLast()
    }
    at = skipSpace(text, at)
    guard at == text.count else { throw JSONError(.trailingBytes, at: at) }
    return nil
  }

  @inline(__always)
  private mutating func skipSpace(_ text: Span<UInt8>, _ start: Int) -> Int {
    var at = start
    while at < text.count, text[at] <= 0x20 {
      let byte = text[at]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { break }
      at += 1
    }
    if at != start { isCompact = false }
    return at
  }

  @inline(__always)
  private mutating func append(
    _ kind: JSONToken.Kind, _ start: Int, _ end: Int, isPlain: Bool = true
  ) {
    tokens.append(
      JSONToken(
        start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end),
        next: UInt32(truncatingIfNeeded: tokens.count + 1), kind: kind, isPlain: isPlain))
  }

  private mutating func scanKey(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    guard start < text.count else { throw JSONError(.unexpectedEnd, at: start) }
    guard text[start] == 0x22 else { throw JSONError(.expectedKey, at: start) }
    var at = try scanString(text, start)
    at = skipSpace(text, at)
    guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
    guard text[at] == 0x3A else { throw JSONError(.expectedColon, at: at) }
    return skipSpace(text, at + 1)
  }

  @inline(__always)
  private mutating func scanValue(_ text: Span<UInt8>, _ at: Int) throws(JSONError) -> Int {
    guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
    switch text[at] {
    case 0x22: return try scanString(text, at)
    case 0x7B, 0x5B:
      guard open.count < Self.maximumDepth else { throw JSONError(.tooDeep, at: at) }
      open.append(UInt32(truncatingIfNeeded: tokens.count))
      append(text[at] == 0x7B ? .object : .array, at, at)
      return at + 1
    case 0x2D, 0x30...0x39: return try scanNumber(text, at)
    case 0x74: return try scanLiteral(text, at, "true", .true)
    case 0x66: return try scanLiteral(text, at, "false", .false)
    case 0x6E: return try scanLiteral(text, at, "null", .null)
    default: throw JSONError(.unexpectedByte, at: at)
    }
  }

  private mutating func scanLiteral(
    _ text: Span<UInt8>, _ start: Int, _ word: StaticString, _ kind: JSONToken.Kind
  ) throws(JSONError) -> Int {
    let end = start + word.utf8CodeUnitCount
    guard end <= text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
    for index in start..<end where text[index] != word.utf8Start[index - start] {
      throw JSONError(.badLiteral, at: index)
    }
    append(kind, start, end)
    return end
  }

  private mutating func scanNumber(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    var at = start
    var isInteger = true
    if text[at] == 0x2D { at += 1 }
    let digits = at
    at = try scanDigits(text, at)
    if text[digits] == 0x30, at > digits + 1 { throw JSONError(.badNumber, at: digits + 1) }
    let isNegativeZero = digits > start && text[digits] == 0x30
    if at < text.count, text[at] == 0x2E {
      isInteger = false
      at = try scanDigits(text, at + 1)
    }
    if at < text.count, text[at] | 0x20 == 0x65 {
      isInteger = false
      at += 1
      if at < text.count, text[at] == 0x2B || text[at] == 0x2D { at += 1 }
      at = try scanDigits(text, at)
    }
    append(.number, start, at, isPlain: isInteger && !isNegativeZero && at - digits <= 18)
    return at
  }

  @inline(__always)
  private func scanDigits(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    var at = start
    while at < text.count, text[at] &- 0x30 <= 9 { at += 1 }
    if at == start { throw JSONError(at < text.count ? .badNumber : .unexpectedEnd, at: at) }
    return at
  }

  private mutating func scanString(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    var at = start + 1
    var isPlain = true
    while true {
      at = text.endOfPlainString(from: at)
      guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
      let byte = text[at]
      if byte == 0x22 {
        append(.string, start, at + 1, isPlain: isPlain)
        return at + 1
      }
      if byte >= 0x80 {
        repeat {
          let length = text.lengthOfUTF8Sequence(at: at)
          guard length > 0 else { throw JSONError(.invalidUTF8, at: at) }
          at += length
        } while at < text.count && text[at] >= 0x80
      } else if byte == 0x5C {
        isPlain = false
        at = try scanEscape(text, at)
      } else {
        throw JSONError(.controlCharacter, at: at)
      }
    }
  }

  private func scanEscape(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    guard start + 1 < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
    switch text[start + 1] {
    case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return start + 2
    case 0x75:
      for index in start + 2..<start + 6 {
        guard index < text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
        guard hexValue(text[index]) != nil else { throw JSONError(.badEscape, at: index) }
      }
      return start + 6
    default: throw JSONError(.badEscape, at: start + 1)
    }
  }
}

extension Span<UInt8> {
  /// The length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7: no overlong forms,
  /// no surrogates, nothing beyond U+10FFFF); 0 if there is none.
  package func lengthOfUTF8Sequence(at index: Int) -> Int {
    let first = self[index]
    if first < 0x80 { return 1 }
    let left = count - index
    func isTail(_ offset: Int) -> Bool { self[index + offset] & 0xC0 == 0x80 }
    switch first {
    case 0xC2...0xDF: return left >= 2 && isTail(1) ? 2 : 0
    case 0xE0...0xEF:
      guard left >= 3, isTail(1), isTail(2) else { return 0 }
      let second = self[index + 1]
      if first == 0xE0 && second < 0xA0 { return 0 }
      if first == 0xED && second > 0x9F { return 0 }
      return 3
    case 0xF0...0xF4:
      guard left >= 4, isTail(1), isTail(2), isTail(3) else { return 0 }
      let second = self[index + 1]
      if first == 0xF0 && second < 0x90 { return 0 }
      if first == 0xF4 && second > 0x8F { return 0 }
      return 4
    default: return 0
    }
  }
}

/// The value of a hexadecimal digit.
@inline(__always)
package func hexValue(_ byte: UInt8) -> UInt32? {
  switch byte {
  case 0x30...0x39: return UInt32(byte - 0x30)
  case 0x41...0x46: return UInt32(byte - 0x41 + 10)
  case 0x61...0x66: return UInt32(byte - 0x61 + 10)
  default: return nil
  }
}
