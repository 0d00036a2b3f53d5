/// Checks a text against the rules of the language's grammar for lists, vectors, maps, keywords,
/// symbols, strings, numbers, booleans, nil and comments. Shares nothing with the reader, takes
/// more than it does (integers as keys, any symbol), and knows which words would begin a special
/// form with rules of its own.
struct RTFSGrammar {
  private let text: [UInt8]
  private var at = 0

  private init(_ text: [UInt8]) { self.text = text }

  /// Nil where `text` is a program of such expressions, else the offset where that fails.
  static func fault(in text: [UInt8]) -> Int? {
    guard String(validating: text, as: UTF8.self) != nil else { return 0 }
    var grammar = RTFSGrammar(text)
    return grammar.program() ? nil : grammar.at
  }

  private static let special: Set<String> = [
    "let", "if", "do", "fn", "def", "defn", "defmacro", "defstruct", "try", "catch", "finally",
    "match", "for", "module", "import", "resource:ref",
  ]

  private var byte: UInt8? { at < text.count ? text[at] : nil }

  private func starts(_ word: String) -> Bool { text[at...].starts(with: word.utf8) }

  private mutating func skip() -> Bool {
    while let byte {
      if [0x20, 0x09, 0x0D, 0x0A].contains(byte) {
        at += 1
      } else if byte == UInt8(ascii: ";") {
        while let byte = self.byte, byte != 0x0A { at += 1 }
      } else if starts("#|") {
        at += 2
        while !starts("|#") {
          guard at < text.count else { return false }
          at += 1
        }
        at += 2
      } else {
        break
      }
    }
    return true
  }

  private mutating func program() -> Bool {
    /// The brackets that must come, innermost last, and for maps whether a key is due.
    var open: [(closer: UInt8, isKeyDue: Bool)] = []
    while true {
      guard skip() else { return false }
      guard let byte else { return open.isEmpty }
      if let (closer, isKeyDue) = open.last {
        let isMap = closer == UInt8(ascii: "}")
        if byte == closer {
          if isMap && !isKeyDue { return false }
          at += 1
          open.removeLast()
          continue
        }
        if isMap {
          open[open.count - 1].isKeyDue.toggle()
          if isKeyDue {
            guard keyword() || string() || integer() else { return false }
            continue
          }
        }
      }
      switch byte {
      case UInt8(ascii: "("):
        at += 1
        open.append((UInt8(ascii: ")"), false))
        guard skip(), !headIsSpecial() else { return false }
      case UInt8(ascii: "["):
        at += 1
        open.append((UInt8(ascii: "]"), false))
      case UInt8(ascii: "{"):
        at += 1
        open.append((UInt8(ascii: "}"), true))
      default:
        guard keyword() || float() || integer() || string() || symbol() else { return false }
      }
    }
  }

  private func headIsSpecial() -> Bool {
    var end = at
    while end < text.count, Self.isIdentifier(text[end]) || text[end] == 0x3A { end += 1 }
    return text[at..<end].first == UInt8(ascii: ".")
      || Self.special.contains(String(decoding: text[at..<end], as: UTF8.self))
  }

  private static func isStart(_ byte: UInt8) -> Bool {
    (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || "_$+-*/=<>!?%".utf8.contains(byte)
  }

  private static func isIdentifier(_ byte: UInt8) -> Bool {
    isStart(byte) || (0x30...0x39).contains(byte) || byte == 0x2E || byte == 0x40
  }

  /// Symbols, and the words true, false and nil, which are of the same shape.
  private mutating func symbol() -> Bool {
    guard let byte, Self.isStart(byte) else { return false }
    while let byte = self.byte, Self.isIdentifier(byte) { at += 1 }
    return true
  }

  private mutating func keyword() -> Bool {
    let start = at
    guard byte == UInt8(ascii: ":") else { return false }
    at += 1
    if symbol() { return true }
    at = start
    return false
  }

  private mutating func digits() -> Bool {
    let start = at
    while let byte, (0x30...0x39).contains(byte) { at += 1 }
    return at > start
  }

  private mutating func sign() { if byte == 0x2B || byte == 0x2D { at += 1 } }

  private mutating func integer() -> Bool {
    let start = at
    sign()
    // A letter behind a number would be a symbol of its own: never meant.
    if digits(), byte.map({ !Self.isIdentifier($0) }) ?? true { return true }
    at = start
    return false
  }

  private mutating func float() -> Bool {
    let start = at
    sign()
    if digits(), byte == UInt8(ascii: ".") {
      at += 1
      if digits() {
        let fraction = at
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
          at += 1
          sign()
          if !digits() { at = fraction }
        }
        if byte.map({ !Self.isIdentifier($0) }) ?? true { return true }
      }
    }
    at = start
    return false
  }

  private mutating func string() -> Bool {
    let start = at
    guard byte == UInt8(ascii: "\"") else { return false }
    at += 1
    while let byte {
      at += 1
      if byte == UInt8(ascii: "\"") { return true }
      if byte == UInt8(ascii: "\\") {
        guard let escaped = self.byte, "ntr\\\"".utf8.contains(escaped) else { break }
        at += 1
      }
    }
    at = start
    return false
  }
}
