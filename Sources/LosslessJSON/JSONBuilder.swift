/// Writes JSON of our own: manifests and `--json` output. Two-space indentation where asked,
/// keys in the order given, strings escaped as in canonical form.
package struct JSONBuilder: Sendable {
  package private(set) var bytes = ByteBuffer()
  private var depth = 0
  private var isEmptyContainer = true
  private var afterKey = false
  private let isPretty: Bool

  package init(pretty: Bool) { isPretty = pretty }

  private mutating func next() {
    if afterKey {
      afterKey = false
      return
    }
    if !isEmptyContainer { bytes.append(0x2C) }
    isEmptyContainer = false
    if depth > 0 { newLine() }
  }

  private mutating func newLine() {
    guard isPretty else { return }
    bytes.append(0x0A)
    for _ in 0..<depth { bytes.append("  ") }
  }

  private mutating func container(_ open: UInt8, _ close: UInt8, _ body: (inout Self) -> Void) {
    next()
    bytes.append(open)
    depth += 1
    isEmptyContainer = true
    body(&self)
    depth -= 1
    if !isEmptyContainer { newLine() }
    bytes.append(close)
    isEmptyContainer = false
  }

  package mutating func object(_ body: (inout Self) -> Void) { container(0x7B, 0x7D, body) }
  package mutating func array(_ body: (inout Self) -> Void) { container(0x5B, 0x5D, body) }

  package mutating func array<Elements: Sequence>(
    of elements: Elements, _ body: (inout Self, Elements.Element) -> Void
  ) {
    array { builder in for element in elements { body(&builder, element) } }
  }

  package mutating func key(_ name: String) {
    next()
    appendJSONString(Array(name.utf8).span, to: &bytes)
    bytes.append(0x3A)
    if isPretty { bytes.append(0x20) }
    afterKey = true
  }

  package mutating func value(_ text: String) {
    next()
    appendJSONString(Array(text.utf8).span, to: &bytes)
  }

  /// A string from bytes that need not be UTF-8: what is not is written as `\udc80`…`\udcff`,
  /// one for each byte, and `JSONText.bytes(ofPath:)` reads it back.
  package mutating func value(path: [UInt8]) {
    next()
    var wide = ByteBuffer()
    let text = path.span
    var at = 0
    while at < text.count {
      let length = text.lengthOfUTF8Sequence(at: at)
      if length > 0 {
        wide.append(text.extracting(at..<at + length))
      } else {
        wide.append(scalar: 0xDC00 + UInt32(text[at]))
      }
      at += max(length, 1)
    }
    appendJSONString(wide.span, to: &bytes)
  }

  package mutating func value(_ number: Int) {
    next()
    bytes.append(decimal: number)
  }

  package mutating func value(_ flag: Bool) {
    next()
    bytes.append(flag ? "true" : "false")
  }

  package mutating func null() {
    next()
    bytes.append("null")
  }

  /// JSON that is already written; must be one value.
  package mutating func raw(_ text: Span<UInt8>) {
    next()
    bytes.append(text)
  }

  package mutating func member(_ name: String, _ text: String) {
    key(name)
    value(text)
  }

  package mutating func member(_ name: String, _ number: Int) {
    key(name)
    value(number)
  }

  package mutating func member(_ name: String, _ flag: Bool) {
    key(name)
    value(flag)
  }

  /// Leaves the member out where there is no value.
  package mutating func member(_ name: String, ifPresent text: String?) {
    if let text { member(name, text) }
  }

  package mutating func member(_ name: String, ifPresent number: Int?) {
    if let number { member(name, number) }
  }
}

extension JSONText {
  /// The bytes of a string that `JSONBuilder.value(path:)` wrote.
  package func bytes(ofPath token: Int) -> [UInt8] {
    let wide = decoded(token)
    var out: [UInt8] = []
    var at = 0
    while at < wide.count {
      // U+DC80…U+DCFF as three bytes: ED B2 80 … ED B3 BF.
      if wide[at] == 0xED, at + 2 < wide.count, wide[at + 1] == 0xB2 || wide[at + 1] == 0xB3 {
        out.append((wide[at + 1] & 0x03) << 6 | (wide[at + 2] & 0x3F))
        at += 3
      } else {
        out.append(wide[at])
        at += 1
      }
    }
    return out
  }

  /// The integer under `key`; nil where that is absent or no integer of 64 bits.
  package func integer(_ key: StaticString, of object: Int = 0) -> Int? {
    guard let token = member(key, of: object), kind(token) == .number else { return nil }
    let text = source(of: token)
    return Int(String(decoding: (0..<text.count).map { text[$0] }, as: UTF8.self))
  }

  /// The string under `key` as text for people; nil where that is absent or no string.
  package func text(_ key: StaticString, of object: Int = 0) -> String? {
    string(key, of: object).map { String(decoding: $0, as: UTF8.self) }
  }

  package func flag(_ key: StaticString, of object: Int = 0) -> Bool? {
    guard let token = member(key, of: object) else { return nil }
    return kind(token) == .true ? true : kind(token) == .false ? false : nil
  }
}
