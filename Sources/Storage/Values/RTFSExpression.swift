/// An expression of RTFS, and where it stands in its source.
public struct RTFSExpression: Sendable, Hashable {
  public indirect enum Form: Sendable, Hashable {
    case `nil`
    case boolean(Bool)
    /// Any number of digits, as they are written.
    case integer(String)
    case float(String)
    /// Without its quotes, escapes resolved.
    case string(String)
    /// Without its colon.
    case keyword(String)
    case symbol(String)
    case list([RTFSExpression])
    case vector([RTFSExpression])
    /// Keys and values in turn, in the order of the source.
    case map([RTFSExpression])
  }

  public var form: Form
  /// Bytes from the start of the source.
  public var range: Range<Int>

  /// Reads source that is one expression, with white space and comments around it. Throws `invalid`,
  /// with line and byte.
  public init(_ source: String) throws(StorageError) {
    let all = try Self.all(in: source)
    guard all.count == 1, let only = all.first else {
      throw RTFSParser.error(
        all.isEmpty ? "there is no expression" : "there is more than one expression",
        at: all.dropFirst().first?.range.lowerBound ?? 0, in: Array(source.utf8))
    }
    self = only
  }

  init(_ form: Form, _ range: Range<Int>) {
    self.form = form
    self.range = range
  }

  /// Every expression of a source, one after the other.
  public static func all(in source: String) throws(StorageError) -> [RTFSExpression] {
    var parser = RTFSParser(Array(source.utf8))
    return try parser.all()
  }
}

/// Reads RTFS (FORMATS: RTFS) without recursion.
struct RTFSParser {
  private let bytes: [UInt8]
  private var at = 0
  /// Levels of lists that one expression may have.
  private static let maximumDepth = 1000

  private struct Open {
    var start: Int
    var close: UInt8
    var items: [RTFSExpression] = []
  }

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  static func error(_ message: String, at offset: Int, in bytes: [UInt8]) -> StorageError {
    StorageError(
      .invalid, "is no RTFS: \(message)", offset: offset,
      line: 1 + bytes.prefix(offset).count { $0 == 0x0A })
  }

  private func error(_ message: String, _ offset: Int) -> StorageError {
    Self.error(message, at: offset, in: bytes)
  }

  mutating func all() throws(StorageError) -> [RTFSExpression] {
    var open = [Open(start: 0, close: 0)]
    while true {
      try skipGap()
      guard at < bytes.count else { break }
      let byte = bytes[at]
      switch byte {
      case 0x28, 0x5B, 0x7B:
        guard open.count <= Self.maximumDepth else {
          throw error("nested deeper than \(Self.maximumDepth) levels", at)
        }
        open.append(Open(start: at, close: byte == 0x28 ? 0x29 : byte + 2))
        at += 1
      case 0x29, 0x5D, 0x7D:
        let level = open.removeLast()
        guard !open.isEmpty else { throw error("a bracket that nothing has opened", at) }
        guard level.close == byte else {
          throw error("a bracket of another kind than the one opened at byte \(level.start)", at)
        }
        at += 1
        open[open.count - 1].items.append(try container(level, byte))
      default: open[open.count - 1].items.append(try atom())
      }
    }
    guard open.count == 1 else {
      throw error("the text ends inside a list", open[open.count - 1].start)
    }
    return open[0].items
  }

  private func container(_ level: Open, _ close: UInt8) throws(StorageError) -> RTFSExpression {
    let range = level.start..<at
    switch close {
    case 0x29: return RTFSExpression(.list(level.items), range)
    case 0x5D: return RTFSExpression(.vector(level.items), range)
    default:
      guard level.items.count.isMultiple(of: 2) else {
        throw error("a map has a key without a value", level.items.last?.range.lowerBound ?? at)
      }
      for index in stride(from: 0, to: level.items.count, by: 2) {
        switch level.items[index].form {
        case .keyword, .string, .integer: continue
        default:
          throw error(
            "a key is a keyword, a string or an integer", level.items[index].range.lowerBound)
        }
      }
      return RTFSExpression(.map(level.items), range)
    }
  }

  private mutating func skipGap() throws(StorageError) {
    while at < bytes.count {
      switch bytes[at] {
      case 0x20, 0x09, 0x0A, 0x0D: at += 1
      case 0x3B:
        while at < bytes.count, bytes[at] != 0x0A { at += 1 }
      case 0x23:
        let start = at
        guard at + 1 < bytes.count, bytes[at + 1] == 0x7C else {
          throw error("unexpected byte", at)
        }
        at += 2
        while at + 1 < bytes.count, !(bytes[at] == 0x7C && bytes[at + 1] == 0x23) { at += 1 }
        guard at + 1 < bytes.count else { throw error("a comment without an end", start) }
        at += 2
      default: return
      }
    }
  }

  private func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x61...0x7A, 0x41...0x5A, 0x30...0x39: true
    // - _ . / + * $ = < > ! ? % @
    case 0x2D, 0x5F, 0x2E, 0x2F, 0x2B, 0x2A, 0x24, 0x3D, 0x3C, 0x3E, 0x21, 0x3F, 0x25, 0x40: true
    default: false
    }
  }

  private mutating func word() -> String {
    let start = at
    while at < bytes.count, isWord(bytes[at]) { at += 1 }
    return String(decoding: bytes[start..<at], as: UTF8.self)
  }

  private mutating func atom() throws(StorageError) -> RTFSExpression {
    let start = at
    if bytes[at] == 0x22 { return try string() }
    if bytes[at] == 0x3A {
      at += 1
      let name = word()
      guard !name.isEmpty else { throw error("a colon without a keyword", start) }
      return RTFSExpression(.keyword(name), start..<at)
    }
    let text = word()
    guard !text.isEmpty else { throw error("unexpected byte", start) }
    let form: RTFSExpression.Form
    switch text {
    case "nil": form = .nil
    case "true": form = .boolean(true)
    case "false": form = .boolean(false)
    default: form = try number(text, start) ?? .symbol(text)
    }
    return RTFSExpression(form, start..<at)
  }

  /// An integer, or digits on both sides of a point and perhaps an exponent; nil for a symbol.
  private func number(_ text: String, _ start: Int) throws(StorageError) -> RTFSExpression.Form? {
    var rest = Array(text.utf8)[...]
    if rest.first == 0x2D || rest.first == 0x2B { rest = rest.dropFirst() }
    guard let first = rest.first, (0x30...0x39).contains(first) else { return nil }
    func digits() -> Int {
      let count = rest.prefix { (0x30...0x39).contains($0) }.count
      rest = rest.dropFirst(count)
      return count
    }
    _ = digits()
    if rest.isEmpty { return .integer(text) }
    guard rest.first == 0x2E else { throw error("malformed number", start) }
    rest = rest.dropFirst()
    guard digits() > 0 else { throw error("malformed number", start) }
    if rest.first == 0x65 || rest.first == 0x45 {
      rest = rest.dropFirst()
      if rest.first == 0x2D || rest.first == 0x2B { rest = rest.dropFirst() }
      guard digits() > 0 else { throw error("malformed number", start) }
    }
    guard rest.isEmpty else { throw error("malformed number", start) }
    return .float(text)
  }

  private mutating func string() throws(StorageError) -> RTFSExpression {
    let start = at
    var text: [UInt8] = []
    at += 1
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if byte == 0x22 {
        return RTFSExpression(.string(String(decoding: text, as: UTF8.self)), start..<at)
      }
      guard byte == 0x5C else {
        text.append(byte)
        continue
      }
      guard at < bytes.count else { break }
      switch bytes[at] {
      case 0x6E: text.append(0x0A)
      case 0x74: text.append(0x09)
      case 0x72: text.append(0x0D)
      case 0x22, 0x5C: text.append(bytes[at])
      default: throw error("unknown escape in a string", at - 1)
      }
      at += 1
    }
    throw error("a string without an end", start)
  }
}
