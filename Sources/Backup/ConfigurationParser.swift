import LosslessJSON

/// Reads the tokens of a configuration from front to back.
struct ConfigurationParser {
  typealias Failure = ConfigurationText.Failure
  typealias Value = ConfigurationText.Value

  private let bytes: [UInt8]
  private(set) var at = 0
  private(set) var line = 1

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
  }

  var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private func failure(_ message: String) -> Failure {
    Failure(message: message, line: line, offset: at)
  }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 { at += 1 }
  }

  private mutating func skipComment() throws(Failure) {
    guard next == 0x23 else { return }
    while let byte = next, byte != 0x0A {
      let isCarriageReturn = byte == 0x0D && at + 1 < bytes.count && bytes[at + 1] == 0x0A
      guard byte >= 0x20 || byte == 0x09 || isCarriageReturn, byte != 0x7F else {
        throw failure("a control character in a comment")
      }
      at += 1
    }
  }

  /// Blank lines and comments.
  mutating func skipBlank() throws(Failure) {
    while true {
      skipSpace()
      try skipComment()
      guard try takeLineEnd() else { return }
    }
  }

  private mutating func takeLineEnd() throws(Failure) -> Bool {
    if next == 0x0D {
      guard at + 1 < bytes.count, bytes[at + 1] == 0x0A else {
        throw failure("a carriage return without a line feed")
      }
      at += 1
    }
    guard next == 0x0A else { return false }
    at += 1
    line += 1
    return true
  }

  mutating func endOfLine() throws(Failure) {
    skipSpace()
    try skipComment()
    if next == nil { return }
    guard try takeLineEnd() else { throw failure("more behind the value: one key a line") }
  }

  mutating func take(_ byte: UInt8, _ what: String) throws(Failure) {
    guard next == byte else { throw failure("\(what) was expected here") }
    at += 1
  }

  mutating func header() throws(Failure) -> [String] {
    try take(0x5B, "a [")
    if next == 0x5B { throw failure("arrays of tables ([[…]]) are not read here") }
    skipSpace()
    let path = try key()
    try take(0x5D, "a ] behind the table's name")
    try endOfLine()
    return path
  }

  /// A key with its dots, and the space behind it.
  mutating func key() throws(Failure) -> [String] {
    var parts: [String] = []
    while true {
      skipSpace()
      if next == 0x22 || next == 0x27 {
        parts.append(try string())
      } else {
        let start = at
        while let byte = next,
          (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F
            || byte == 0x2D
        {
          at += 1
        }
        guard at > start else { throw failure("a key was expected here") }
        parts.append(String(decoding: bytes[start..<at], as: UTF8.self))
      }
      skipSpace()
      guard next == 0x2E else { return parts }
      at += 1
    }
  }

  mutating func value() throws(Failure) -> Value {
    switch next {
    case 0x22, 0x27: return .text(try string())
    case 0x5B: return try list()
    case 0x7B: throw failure("inline tables ({…}) are not read here; use a [table]")
    case nil, 0x0A, 0x0D, 0x23: throw failure("the key has no value")
    default: break
    }
    let start = at
    while let byte = next, byte > 0x20, ![0x2C, 0x5D, 0x23].contains(byte) { at += 1 }
    let word = String(decoding: bytes[start..<at], as: UTF8.self)
    if word == "true" || word == "false" { return .flag(word == "true") }
    if let number = Self.number(word) { return .number(number) }
    at = start
    throw failure("\(word) is no value that is read here; text stands in quotes")
  }

  /// Decimal integers, with single underscores between digits.
  private static func number(_ word: String) -> Int? {
    let digits = word.utf8.drop { $0 == 0x2B || $0 == 0x2D }
    guard word.utf8.count - digits.count <= 1, let first = digits.first, first != 0x5F,
      digits.last != 0x5F, digits.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x5F }),
      digits.count == 1 || first != 0x30, !word.contains("__")
    else { return nil }
    return Int(word.filter { $0 != "_" })
  }

  private mutating func list() throws(Failure) -> Value {
    try take(0x5B, "a [")
    var values: [Value] = []
    while true {
      try skipBlank()
      if next == 0x5D { break }
      guard next != 0x5B else { throw failure("arrays in arrays are not read here") }
      values.append(try value())
      try skipBlank()
      if next == 0x5D { break }
      try take(0x2C, "a comma or a ]")
    }
    at += 1
    return .list(values)
  }

  private mutating func string() throws(Failure) -> String {
    let (start, quote) = (at, bytes[at])
    guard !(at + 2 < bytes.count && bytes[at + 1] == quote && bytes[at + 2] == quote) else {
      throw failure("strings of several lines are not read here")
    }
    at += 1
    var out: [UInt8] = []
    while let byte = next, byte != quote {
      guard byte >= 0x20 || byte == 0x09, byte != 0x7F else {
        throw failure(
          byte == 0x0A || byte == 0x0D ? "the string has no end" : "a control character")
      }
      at += 1
      if byte == 0x5C, quote == 0x22 { try escape(into: &out) } else { out.append(byte) }
    }
    guard next == quote else { throw failure("the string has no end") }
    at += 1
    guard let text = String(validating: out, as: UTF8.self) else {
      at = start
      throw failure("the string is not UTF-8")
    }
    guard !out.contains(0) else {
      at = start
      throw failure("the string holds a NUL")
    }
    return text
  }

  private mutating func escape(into out: inout [UInt8]) throws(Failure) {
    guard let byte = next else { throw failure("the string has no end") }
    at += 1
    switch byte {
    case 0x62: out.append(0x08)
    case 0x74: out.append(0x09)
    case 0x6E: out.append(0x0A)
    case 0x66: out.append(0x0C)
    case 0x72: out.append(0x0D)
    case 0x22, 0x5C: out.append(byte)
    case 0x75, 0x55:
      let count = byte == 0x75 ? 4 : 8
      let digits = bytes[min(at, bytes.count)..<min(at + count, bytes.count)]
      let isHex = digits.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x66).contains($0 | 0x20)
      }
      guard digits.count == count, isHex,
        let number = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(number)
      else { throw failure("an escape that is no character") }
      out += Array(String(Character(scalar)).utf8)
      at += count
    default:
      at -= 1
      throw failure(
        "an escape that TOML does not have; a single backslash is written \\\\ or in '…'")
    }
  }
}
