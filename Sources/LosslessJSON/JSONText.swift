/// One JSON text with its tokens: the bytes of a record, and what can be asked of them.
///
/// A token is named by its index in `tokens`; 0 is the whole value. Kept between records so that
/// a loop allocates once.
package struct JSONText: Sendable {
  package private(set) var bytes = ByteBuffer()
  package private(set) var index = JSONIndex()
  var writer = CanonicalWriter()

  package init() {}

  package init(_ text: Span<UInt8>) throws(JSONError) { try parse(text) }

  /// Copies `text` and indexes it; throws where it is not exactly one JSON value, or nested deeper
  /// than `depth`.
  package mutating func parse(
    _ text: Span<UInt8>, depth: Int = JSONIndex.maximumDepth
  ) throws(JSONError) {
    bytes.removeAll()
    bytes.append(text)
    try index.scan(bytes, depth: depth)
  }

  /// Copies `text`, which may be anything, for `parseHeld`; until then nothing else can be asked.
  package mutating func hold(_ text: Span<UInt8>) {
    bytes.removeAll()
    bytes.append(text)
  }

  /// Keeps `range` of the bytes held and indexes that; throws as `parse` does.
  package mutating func parseHeld(_ range: Range<Int>) throws(JSONError) {
    bytes.truncate(to: range.upperBound)
    bytes.removeFirst(range.lowerBound)
    try index.scan(bytes)
  }

  package var tokens: [JSONToken] { index.tokens }

  package func kind(_ token: Int = 0) -> JSONToken.Kind { index.tokens[token].kind }

  /// The bytes of `token` as they stand in the source, quotes included.
  @_lifetime(borrow self)
  package borrowing func source(of token: Int = 0) -> Span<UInt8> {
    bytes.span.extracting(index.tokens[token].range)
  }

  /// The value under `key` of the object `object`: where a key is repeated, the last one, as
  /// JavaScript and Python read it. Nil where it is absent, `key` is empty or `object` is no
  /// object.
  package func member(_ key: StaticString, of object: Int = 0) -> Int? {
    let tokens = index.tokens.span
    let text = bytes.span
    let top = tokens[object]
    guard top.kind == .object else { return nil }
    let length = UInt32(truncatingIfNeeded: key.utf8CodeUnitCount &+ 2)
    let wanted = UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount).span
    guard let first = wanted.isEmpty ? nil : wanted[0] else { return nil }
    var found: Int?
    var at = object &+ 1
    while at < Int(top.next) {
      let name = tokens[at]
      if name.isPlain {
        if name.end &- name.start == length, text[Int(name.start) &+ 1] == first,
          text.extracting(Int(name.start) &+ 1..<Int(name.end) &- 1).isEqual(to: wanted)
        {
          found = at &+ 1
        }
      } else if isString(at, equalTo: key) {
        found = at &+ 1
      }
      at = Int(tokens[at &+ 1].next)
    }
    return found
  }

  /// The elements of an array, or the keys of an object, in source order.
  package func children(of container: Int) -> [Int] {
    let top = index.tokens[container]
    guard top.kind == .object || top.kind == .array else { return [] }
    var result: [Int] = []
    var at = container + 1
    while at < Int(top.next) {
      result.append(at)
      at = top.kind == .object ? Int(index.tokens[at + 1].next) : Int(index.tokens[at].next)
    }
    return result
  }

  /// How many elements of an array are of another kind than `kind`.
  package func countChildren(of array: Int, otherThan kind: JSONToken.Kind) -> Int {
    let tokens = index.tokens.span
    var count = 0
    var at = array &+ 1
    while at < Int(tokens[array].next) {
      if tokens[at].kind != kind { count += 1 }
      at = Int(tokens[at].next)
    }
    return count
  }

  /// Whether `token` is a string that, unescaped, equals `text`.
  package func isString(_ token: Int, equalTo text: StaticString) -> Bool {
    let entry = index.tokens[token]
    guard entry.kind == .string else { return false }
    let length = text.utf8CodeUnitCount
    if entry.isPlain {
      guard Int(entry.end - entry.start) == length + 2 else { return false }
      let span = bytes.span
      let start = Int(entry.start) + 1
      for offset in 0..<length where span[start + offset] != text.utf8Start[offset] {
        return false
      }
      return true
    }
    return decoded(token) == [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: length))
  }

  /// Appends the unescaped bytes of a string token to `out`: UTF-8, lone surrogates as the three
  /// bytes that UTF-8 would give them. Appends nothing for other tokens.
  package func appendDecoded(_ token: Int, to out: inout ByteBuffer) {
    let entry = index.tokens[token]
    guard entry.kind == .string else { return }
    let inner = bytes.span.extracting(Int(entry.start) + 1..<Int(entry.end) - 1)
    if entry.isPlain { out.append(inner) } else { appendUnescaped(inner, to: &out) }
  }

  /// The unescaped bytes of a string token; empty for other tokens.
  package func decoded(_ token: Int) -> [UInt8] {
    var out = ByteBuffer()
    appendDecoded(token, to: &out)
    return out.array
  }

  /// The unescaped bytes of the string under `key`; nil where that is absent or no string.
  package func string(_ key: StaticString, of object: Int = 0) -> [UInt8]? {
    guard let value = member(key, of: object), kind(value) == .string else { return nil }
    return decoded(value)
  }

  /// Appends the compact bytes of `token`: whitespace outside strings removed, all else as stored.
  package func appendCompact(_ token: Int = 0, to out: inout ByteBuffer) {
    let text = source(of: token)
    if index.isCompact {
      out.append(text)
      return
    }
    var at = 0
    var start = 0
    while at < text.count {
      switch text[at] {
      case 0x22:
        at += 1
        while true {
          at = text.endOfStringRun(from: at)
          if at >= text.count || text[at] == 0x22 { break }
          at += 2
        }
        at += 1
      case 0x20, 0x09, 0x0A, 0x0D:
        out.append(text.extracting(start..<at))
        at += 1
        start = at
      default: at += 1
      }
    }
    out.append(text.extracting(start..<min(at, text.count)))
  }

  /// Appends the canonical bytes of `token` (see `CanonicalWriter`).
  package mutating func appendCanonical(_ token: Int = 0, to out: inout ByteBuffer) {
    writer.write(token, of: index, in: bytes, to: &out)
  }

  /// The same with a writer that several texts share.
  package func appendCanonical(
    _ token: Int = 0, with writer: inout CanonicalWriter, to out: inout ByteBuffer
  ) {
    writer.write(token, of: index, in: bytes, to: &out)
  }
}

/// Appends the bytes that the escapes of a string's inside stand for.
///
/// Takes only what `JSONIndex` has accepted. A pair of surrogates becomes one character; a lone
/// one becomes three bytes (ED A0…BF …), which `CanonicalWriter` writes as `\udxxx` again.
package func appendUnescaped(_ inner: Span<UInt8>, to out: inout ByteBuffer) {
  var at = 0
  while at < inner.count {
    guard let slash = inner.firstIndex(of: 0x5C, from: at) else {
      out.append(inner.extracting(at..<inner.count))
      return
    }
    out.append(inner.extracting(at..<slash))
    at = slash + 2
    switch inner[slash + 1] {
    case 0x62: out.append(0x08)
    case 0x66: out.append(0x0C)
    case 0x6E: out.append(0x0A)
    case 0x72: out.append(0x0D)
    case 0x74: out.append(0x09)
    case 0x75:
      var unit = hexUnit(inner, at)
      at += 4
      if unit >= 0xD800, unit < 0xDC00, at + 6 <= inner.count, inner[at] == 0x5C,
        inner[at + 1] == 0x75
      {
        let low = hexUnit(inner, at + 2)
        if low >= 0xDC00, low < 0xE000 {
          unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
          at += 6
        }
      }
      out.append(scalar: unit)
    case let byte: out.append(byte)
    }
  }
}

private func hexUnit(_ text: Span<UInt8>, _ start: Int) -> UInt32 {
  var value: UInt32 = 0
  for index in start..<start + 4 { value = value << 4 | (hexValue(text[index]) ?? 0) }
  return value
}

extension ByteBuffer {
  /// Appends a code point in the UTF-8 manner, surrogates included.
  package mutating func append(scalar value: UInt32) {
    func byte(_ bits: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: bits) }
    if value < 0x80 {
      append(byte(value))
    } else if value < 0x800 {
      append(byte(0xC0 | value >> 6))
      append(byte(0x80 | value & 0x3F))
    } else if value < 0x10000 {
      append(byte(0xE0 | value >> 12))
      append(byte(0x80 | value >> 6 & 0x3F))
      append(byte(0x80 | value & 0x3F))
    } else {
      append(byte(0xF0 | value >> 18))
      append(byte(0x80 | value >> 12 & 0x3F))
      append(byte(0x80 | value >> 6 & 0x3F))
      append(byte(0x80 | value & 0x3F))
    }
  }
}
