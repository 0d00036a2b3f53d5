/// The tokens of one JSON text, in source order: an object is followed by key, value, key, value …
///
/// Strict RFC 8259 and strict UTF-8; no recursion, time linear in the text, nesting up to
/// `maximumDepth`. Kept between texts so that a loop allocates once.
package struct JSONIndex: Sendable {
  package static let maximumDepth = 10_000
  /// Texts longer than this are refused: token offsets are 32 bits wide.
  package static let maximumLength = 1 << 30

  /// The tokens, and room for more: only the first `count` belong to the text.
  package private(set) var tokens: [JSONToken] = []
  package private(set) var count = 0
  /// Whether the text held no whitespace outside strings: then it is its own compact form.
  package private(set) var isCompact = true
  /// Numbers whose canonical form may be longer than they are.
  private(set) var reshapedNumbers = 0

  package init() {}

  /// Indexes `bytes`, which must be exactly one value, whitespace around it allowed.
  /// - Parameter depth: the deepest nesting accepted.
  package mutating func scan(
    _ bytes: ByteBuffer, depth: Int = maximumDepth
  ) throws(JSONError) {
    try scan(bytes.span, depth: depth)
  }

  package mutating func scan(
    _ text: Span<UInt8>, depth: Int = maximumDepth
  ) throws(JSONError) {
    guard text.count <= Self.maximumLength else { throw JSONError(.tooLong, at: 0) }
    // Taken out while they are written to, so that each write need not ask who else holds them.
    var tokens = self.tokens
    self.tokens = []
    var scan = JSONScan(maximumDepth: depth)
    defer {
      scan.release(&tokens)
      self.tokens = tokens
      count = scan.count
      isCompact = scan.isCompact
      reshapedNumbers = scan.reshapedNumbers
    }
    scan.skipSpace(text)
    if scan.at == text.count { throw JSONError(.empty, at: 0) }
    var isDone = false
    while !isDone {
      if tokens.count - scan.count < JSONScan.margin {
        let room = max(64, tokens.count)
        tokens.append(contentsOf: repeatElement(JSONToken.blank, count: room))
      }
      var room = tokens.mutableSpan
      isDone = try scan.run(text, &room)
    }
  }
}

/// One pass over a text, in stretches: it stops where the tokens run out of room.
private struct JSONScan {
  /// What one step needs at most: a key and a value.
  static let margin = 2
  private static let none = UInt32.max

  let maximumDepth: Int
  /// The innermost container that is open. Until it is closed, its `next` names the one around it.
  private var open = none
  private var depth = 0
  var at = 0
  var count = 0
  var isCompact = true
  var reshapedNumbers = 0

  init(maximumDepth: Int) { self.maximumDepth = maximumDepth }

  @inline(__always)
  mutating func skipSpace(_ text: Span<UInt8>) {
    let start = at
    while at < text.count, text[at] <= 0x20 {
      let byte = text[at]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { break }
      at &+= 1
    }
    if at != start { isCompact = false }
  }

  @inline(__always)
  private mutating func append(
    _ kind: JSONToken.Kind, _ start: Int, _ end: Int, isPlain: Bool,
    to tokens: inout MutableSpan<JSONToken>
  ) {
    tokens[count] = JSONToken(
      start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: end),
      next: UInt32(truncatingIfNeeded: count &+ 1), kind: kind, isPlain: isPlain)
    count &+= 1
  }

  /// Where the text failed: has the containers that are open point at their content again.
  func release(_ tokens: inout [JSONToken]) {
    var container = open
    while container != Self.none {
      let outer = tokens[Int(container)].next
      tokens[Int(container)].next = container + 1
      container = outer
    }
  }

  /// Goes on at the next value. Returns false where the tokens have run out of room, true at the
  /// end of the text.
  mutating func run(
    _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) -> Bool {
    while true {
      if tokens.count &- count < Self.margin { return false }
      guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
      switch text[at] {
      case 0x22: try scanString(text, &tokens)
      case 0x7B:
        try begin(.object, text, &tokens)
        guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
        if text[at] != 0x7D {
          try scanKey(text, &tokens)
          continue
        }
      case 0x5B:
        try begin(.array, text, &tokens)
        guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
        if text[at] != 0x5D { continue }
      case 0x2D, 0x30...0x39: try scanNumber(text, &tokens)
      case 0x74: try scanLiteral(text, "true", .true, &tokens)
      case 0x66: try scanLiteral(text, "false", .false, &tokens)
      case 0x6E: try scanLiteral(text, "null", .null, &tokens)
      default: throw JSONError(.unexpectedByte, at: at)
      }
      if try closeAll(text, &tokens) { return true }
    }
  }

  @inline(__always)
  private mutating func begin(
    _ kind: JSONToken.Kind, _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    guard depth < maximumDepth else { throw JSONError(.tooDeep, at: at) }
    depth &+= 1
    let container = count
    append(kind, at, at, isPlain: true, to: &tokens)
    tokens[container].next = open
    open = UInt32(truncatingIfNeeded: container)
    at &+= 1
    skipSpace(text)
  }

  /// Behind a value: closes what ends here, up to where the next value starts. Returns true at
  /// the end of the text.
  @inline(__always)
  private mutating func closeAll(
    _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) -> Bool {
    while open != Self.none {
      skipSpace(text)
      guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
      let container = Int(open)
      let isObject = tokens[container].kind == .object
      let byte = text[at]
      if byte == 0x2C {
        at &+= 1
        skipSpace(text)
        if isObject { try scanKey(text, &tokens) }
        return false
      }
      guard byte == (isObject ? 0x7D : 0x5D) else {
        throw JSONError(.expectedCommaOrEnd, at: at)
      }
      at &+= 1
      open = tokens[container].next
      depth &-= 1
      tokens[container].end = UInt32(truncatingIfNeeded: at)
      tokens[container].next = UInt32(truncatingIfNeeded: count)
    }
    skipSpace(text)
    guard at == text.count else { throw JSONError(.trailingBytes, at: at) }
    return true
  }

  @inline(__always)
  private mutating func scanKey(
    _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
    guard text[at] == 0x22 else { throw JSONError(.expectedKey, at: at) }
    try scanString(text, &tokens)
    skipSpace(text)
    guard at < text.count else { throw JSONError(.unexpectedEnd, at: at) }
    guard text[at] == 0x3A else { throw JSONError(.expectedColon, at: at) }
    at &+= 1
    skipSpace(text)
  }

  private mutating func scanLiteral(
    _ text: Span<UInt8>, _ word: StaticString, _ kind: JSONToken.Kind,
    _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    let end = at + word.utf8CodeUnitCount
    guard end <= text.count else { throw JSONError(.unexpectedEnd, at: text.count) }
    for index in at..<end where text[index] != word.utf8Start[index - at] {
      throw JSONError(.badLiteral, at: index)
    }
    append(kind, at, end, isPlain: true, to: &tokens)
    at = end
  }

  private mutating func scanNumber(
    _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    let start = at
    var end = at
    var isInteger = true
    if text[end] == 0x2D { end += 1 }
    let digits = end
    end = try scanDigits(text, end)
    if text[digits] == 0x30, end > digits + 1 { throw JSONError(.badNumber, at: digits + 1) }
    let isNegativeZero = digits > start && text[digits] == 0x30
    if end < text.count, text[end] == 0x2E {
      isInteger = false
      end = try scanDigits(text, end + 1)
    }
    if end < text.count, text[end] | 0x20 == 0x65 {
      isInteger = false
      end += 1
      if end < text.count, text[end] == 0x2B || text[end] == 0x2D { end += 1 }
      end = try scanDigits(text, end)
    }
    let isPlain = isInteger && !isNegativeZero && end - digits <= 18
    if !isPlain { reshapedNumbers &+= 1 }
    append(.number, start, end, isPlain: isPlain, to: &tokens)
    at = end
  }

  @inline(__always)
  private func scanDigits(_ text: Span<UInt8>, _ start: Int) throws(JSONError) -> Int {
    var at = start
    while at < text.count, text[at] &- 0x30 <= 9 { at += 1 }
    if at == start { throw JSONError(at < text.count ? .badNumber : .unexpectedEnd, at: at) }
    return at
  }

  @inline(__always)
  private mutating func scanString(
    _ text: Span<UInt8>, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    let start = at
    let end = text.endOfPlainString(from: start &+ 1)
    if end < text.count, text[end] == 0x22 {
      append(.string, start, end &+ 1, isPlain: true, to: &tokens)
      at = end &+ 1
      return
    }
    try scanStringSlowly(text, from: end, &tokens)
  }

  /// A string in which something is not plain ASCII, at `from` for the first time.
  private mutating func scanStringSlowly(
    _ text: Span<UInt8>, from: Int, _ tokens: inout MutableSpan<JSONToken>
  ) throws(JSONError) {
    var end = from
    var isPlain = true
    while true {
      guard end < text.count else { throw JSONError(.unexpectedEnd, at: end) }
      let byte = text[end]
      if byte == 0x22 {
        append(.string, at, end + 1, isPlain: isPlain, to: &tokens)
        at = end + 1
        return
      }
      if byte >= 0x80 {
        repeat {
          let length = text.lengthOfUTF8Sequence(at: end)
          guard length > 0 else { throw JSONError(.invalidUTF8, at: end) }
          end += length
        } while end < text.count && text[end] >= 0x80
      } else if byte == 0x5C {
        isPlain = false
        end = try scanEscape(text, end)
      } else {
        throw JSONError(.controlCharacter, at: end)
      }
      end = text.endOfPlainString(from: end)
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
