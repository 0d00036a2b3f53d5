import LosslessJSON
import Records

/// The text of a record: a JSON object, its members in their order, each value as it was written.
///
/// The values of this library are views of one. What a view does not name is kept, and what is not
/// changed keeps its bytes: numbers their digits, strings their escapes, objects the order of keys.
public struct RecordText: Sendable, Hashable {
  struct Member: Sendable, Hashable {
    /// Unescaped.
    var key: [UInt8]
    /// As it is written, in its quotes.
    var quotedKey: [UInt8]
    /// Compact.
    var value: [UInt8]
  }

  private(set) var members: [Member] = []

  init() {}

  /// Throws `invalid`, with the byte, for what is not one JSON object.
  public init(json: String) throws(StorageError) { try self.init(Array(json.utf8).span) }

  package init(_ bytes: Span<UInt8>) throws(StorageError) {
    let text: JSONText
    do throws(JSONError) { text = try JSONText(bytes) } catch { throw StorageError(error) }
    guard text.kind() == .object else {
      throw StorageError(.invalid, "a record is a JSON object, and this is none", offset: 0)
    }
    self.init(text)
  }

  /// - Parameter object: the token of an object.
  init(_ text: borrowing JSONText, object: Int = 0) {
    var scratch = ByteBuffer()
    for key in text.children(of: object) {
      scratch.removeAll()
      text.appendCompact(key, to: &scratch)
      let quoted = scratch.array
      scratch.removeAll()
      text.appendCompact(key + 1, to: &scratch)
      members.append(
        Member(key: text.decoded(key), quotedKey: quoted, value: scratch.array))
    }
  }

  /// Compact JSON.
  public var json: String { String(decoding: bytes, as: UTF8.self) }

  /// SHA-256 of the compact JSON, lower-case hex.
  public var contentHash: String { hash.hex }

  var hash: Hash256 { Hash256(of: bytes.span) }

  package var bytes: [UInt8] {
    var out = ByteBuffer("{")
    for (index, member) in members.enumerated() {
      if index > 0 { out.append(0x2C) }
      out.append(member.quotedKey)
      out.append(0x3A)
      out.append(member.value)
    }
    out.append(0x7D)
    return out.array
  }

  /// The value of a member as compact JSON; where a key is repeated, the last one. Setting nil
  /// removes it.
  subscript(key: String) -> [UInt8]? {
    get {
      let key = Array(key.utf8)
      return members.last { $0.key == key }?.value
    }
    set {
      let name = Array(key.utf8)
      guard let newValue else { return members.removeAll { $0.key == name } }
      if let index = members.lastIndex(where: { $0.key == name }) {
        members[index].value = newValue
      } else {
        members.append(Member(key: name, quotedKey: Self.quoted(key), value: newValue))
      }
    }
  }

  private func parsed(_ key: String) -> JSONText? {
    self[key].flatMap { try? JSONText($0.span) }
  }

  /// The unescaped bytes of a string, which are what is compared.
  func bytes(_ key: String) -> [UInt8]? {
    guard let text = parsed(key), text.kind() == .string else { return nil }
    return text.decoded(0)
  }

  func string(_ key: String) -> String? { bytes(key).map { String(decoding: $0, as: UTF8.self) } }

  /// A string, or a number as its own text: as ids are.
  func identifier(_ key: String) -> [UInt8]? {
    guard let text = parsed(key) else { return nil }
    return text.kind() == .number ? self[key] : bytes(key)
  }

  func integer(_ key: String) -> Int? {
    self[key].flatMap { Int(String(decoding: $0, as: UTF8.self)) }
  }

  func real(_ key: String) -> Double? {
    guard let text = parsed(key), text.kind() == .number else { return nil }
    return self[key].flatMap { Double(String(decoding: $0, as: UTF8.self)) }
  }

  func flag(_ key: String) -> Bool? {
    let value = self[key]
    return value == Array("true".utf8) ? true : value == Array("false".utf8) ? false : nil
  }

  func strings(_ key: String) -> [String] {
    guard let text = parsed(key), text.kind() == .array else { return [] }
    return text.children(of: 0).filter { text.kind($0) == .string }
      .map { String(decoding: text.decoded($0), as: UTF8.self) }
  }

  func map(_ key: String) -> [String: String] {
    guard let text = parsed(key), text.kind() == .object else { return [:] }
    var map: [String: String] = [:]
    for name in text.children(of: 0) where text.kind(name + 1) == .string {
      map[String(decoding: text.decoded(name), as: UTF8.self)] =
        String(decoding: text.decoded(name + 1), as: UTF8.self)
    }
    return map
  }

  func object(_ key: String) -> RecordText? {
    guard let text = parsed(key), text.kind() == .object else { return nil }
    return RecordText(text)
  }

  /// The fields of a line of a graph that is known by `key`: its own, or those under `data` in the
  /// older nested form `{"type":"entity","data":{…}}`.
  func fields(knownBy key: String) -> RecordText {
    self[key] == nil ? object("data") ?? self : self
  }

  mutating func setFields(_ fields: RecordText, knownBy key: String) {
    if self[key] == nil, object("data") != nil { set("data", fields) } else { self = fields }
  }

  /// Sets a string; null for nil. One that says the same already keeps its bytes.
  mutating func set(_ key: String, _ value: String?) {
    guard let value else {
      if self[key] != nil { self[key] = Self.null }
      return
    }
    if string(key).map({ Array($0.utf8) }) == Array(value.utf8) { return }
    self[key] = Self.quoted(value)
  }

  mutating func set(_ key: String, _ value: Int) {
    if integer(key) != value { self[key] = Array(String(value).utf8) }
  }

  /// Sets a number; null for nil, and for what is no number to JSON, as the formats' owners write it.
  mutating func set(_ key: String, _ value: Double?) {
    guard let value, value.isFinite else {
      self[key] = Self.null
      return
    }
    if real(key) != value { self[key] = Array(value.description.utf8) }
  }

  mutating func set(_ key: String, _ value: Bool) {
    self[key] = Array(value ? "true".utf8 : "false".utf8)
  }

  /// Sets the strings of an array. Those that stay keep their bytes, and what is no string, which
  /// `strings` does not show, its place among them.
  mutating func set(_ key: String, _ values: [String]) {
    var rest = values.map { Array($0.utf8) }[...]
    var elements: [[UInt8]] = []
    for (element, string) in self.elements(key) {
      if let string {
        guard rest.first == string else { continue }
        rest.removeFirst()
      }
      elements.append(element)
    }
    for string in rest { elements.append(Self.quoted(String(decoding: string, as: UTF8.self))) }
    self[key] = [0x5B] + Array(elements.joined(separator: [0x2C])) + [0x5D]
  }

  /// The elements of an array, compact, and the strings among them as `strings` shows them.
  private func elements(_ key: String) -> [(json: [UInt8], string: [UInt8]?)] {
    guard let text = parsed(key), text.kind() == .array else { return [] }
    return text.children(of: 0).map { element in
      var json = ByteBuffer()
      text.appendCompact(element, to: &json)
      let string: [UInt8]? =
        text.kind(element) == .string
        ? Array(String(decoding: text.decoded(element), as: UTF8.self).utf8) : nil
      return (json.array, string)
    }
  }

  /// Sets the strings of an object. Members that stay keep their order, those that are no strings,
  /// which `map` does not show, among them; new ones follow by key.
  mutating func set(_ key: String, _ map: [String: String]) {
    var old = object(key) ?? RecordText()
    let shown = self.map(key)
    old.members.removeAll {
      let name = String(decoding: $0.key, as: UTF8.self)
      return shown[name] != nil && map[name] == nil
    }
    for (name, value) in map.sorted(by: { $0.key < $1.key }) { old.set(name, value) }
    self[key] = old.bytes
  }

  mutating func set(_ key: String, _ object: RecordText) { self[key] = object.bytes }

  /// What stands for a value that there is not.
  static let null = Array("null".utf8)

  static func quoted(_ text: String) -> [UInt8] {
    var out = ByteBuffer()
    appendJSONString(Array(text.utf8).span, to: &out)
    return out.array
  }
}
