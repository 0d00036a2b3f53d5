/// JSON as the tests read and write it: order, spelling of numbers and lone surrogates are kept.
/// Made apart from the program's own, so that both would have to be wrong in the same way.
indirect enum JSONValue: Equatable, Sendable {
  case word(String)
  /// As it is spelt.
  case number(String)
  /// UTF-16, where lone surrogates have a place.
  case string([UInt16])
  case array([JSONValue])
  case object([Member])

  struct Member: Equatable, Sendable {
    var key: [UInt16]
    var value: JSONValue

    init(_ key: String, _ value: JSONValue) { (self.key, self.value) = (Array(key.utf16), value) }
    init(units: [UInt16], _ value: JSONValue) { (key, self.value) = (units, value) }
  }

  static let null = JSONValue.word("null")
  static func text(_ text: String) -> JSONValue { .string(Array(text.utf16)) }
  static func integer(_ number: Int) -> JSONValue { .number(String(number)) }
  static func bool(_ value: Bool) -> JSONValue { .word(value ? "true" : "false") }
  static func make(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(members.map { Member($0.key, $0.value) })
  }

  /// The last member of that name.
  subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key == Array(key.utf16) }?.value
  }

  subscript(index: Int) -> JSONValue? { index < elements.count ? elements[index] : nil }

  var text: String? {
    guard case .string(let units) = self else { return nil }
    return String(decoding: units, as: UTF16.self)
  }

  var integer: Int? {
    guard case .number(let digits) = self else { return nil }
    return Int(digits)
  }

  var isTrue: Bool { self == .word("true") }

  var elements: [JSONValue] {
    guard case .array(let elements) = self else { return [] }
    return elements
  }

  var members: [(key: String, value: JSONValue)] {
    guard case .object(let members) = self else { return [] }
    return members.map { (String(decoding: $0.key, as: UTF16.self), $0.value) }
  }

  /// Every path to a key below, without the values, sorted: `a`, `a.b`, `c[].d`. What is below
  /// the paths in `opaque` is left out, as its keys are data.
  func shape(opaque: Set<String> = []) -> [String] {
    var paths: Set<String> = []
    func walk(_ value: JSONValue, _ path: String) {
      if opaque.contains(path) { return }
      for element in value.elements { walk(element, path + "[]") }
      for member in value.members {
        let below = path.isEmpty ? member.key : "\(path).\(member.key)"
        paths.insert(below)
        walk(member.value, below)
      }
    }
    walk(self, "")
    return paths.sorted()
  }
}

extension JSONValue {
  /// Reads exactly one value with white space around it.
  init(parsing bytes: [UInt8]) throws {
    var parser = Parser(bytes: bytes)
    self = try parser.value()
    parser.space()
    guard parser.at == bytes.count else { throw parser.failure("more than one value") }
  }

  private struct Parser {
    let bytes: [UInt8]
    var at = 0

    func failure(_ reason: String) -> TestFailure {
      TestFailure("\(reason) at byte \(at): \(String(decoding: bytes.prefix(2000), as: UTF8.self))")
    }

    var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    mutating func space() {
      while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
    }

    mutating func take(_ text: String) throws {
      for byte in text.utf8 {
        guard next == byte else { throw failure("no '\(text)'") }
        at += 1
      }
    }

    mutating func value() throws -> JSONValue {
      space()
      switch next {
      case UInt8(ascii: "{"):
        var members: [Member] = []
        try list("{", "}") { parser in
          parser.space()
          let key = try parser.string()
          parser.space()
          try parser.take(":")
          members.append(Member(units: key, try parser.value()))
        }
        return .object(members)
      case UInt8(ascii: "["):
        var elements: [JSONValue] = []
        try list("[", "]") { elements.append(try $0.value()) }
        return .array(elements)
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "t"): return try word("true")
      case UInt8(ascii: "f"): return try word("false")
      case UInt8(ascii: "n"): return try word("null")
      default:
        let start = at
        while let byte = next, "+-.0123456789eE".utf8.contains(byte) { at += 1 }
        guard at > start else { throw failure("no value") }
        return .number(String(decoding: bytes[start..<at], as: UTF8.self))
      }
    }

    mutating func word(_ word: String) throws -> JSONValue {
      try take(word)
      return .word(word)
    }

    mutating func list(
      _ open: String, _ close: String, _ element: (inout Parser) throws -> Void
    ) throws {
      try take(open)
      space()
      if next == close.utf8.first {
        at += 1
        return
      }
      while true {
        try element(&self)
        space()
        if next == close.utf8.first {
          at += 1
          return
        }
        try take(",")
      }
    }

    mutating func string() throws -> [UInt16] {
      try take("\"")
      var units: [UInt16] = []
      var raw: [UInt8] = []
      func flush() { units += Array(String(decoding: raw, as: UTF8.self).utf16) }
      while let byte = next, byte != 0x22 {
        at += 1
        guard byte == 0x5C else {
          raw.append(byte)
          continue
        }
        flush()
        raw = []
        let short: [UInt8: UInt16] = [
          0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9,
        ]
        let mark = next ?? 0
        at += 1
        if let unit = short[mark] {
          units.append(unit)
        } else {
          let digits = String(decoding: bytes.dropFirst(at).prefix(4), as: UTF8.self)
          guard mark == 0x75, let unit = UInt16(digits, radix: 16) else { throw failure("escape") }
          units.append(unit)
          at += 4
        }
      }
      flush()
      try take("\"")
      return units
    }
  }
}
