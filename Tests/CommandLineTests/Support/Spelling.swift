/// Ways to write a `JSONValue`.
struct Spelling {
  private var out: [UInt8] = []
  private let isPretty: Bool
  private var random: SeededRandom?

  private init(isPretty: Bool, random: SeededRandom? = nil) {
    self.isPretty = isPretty
    self.random = random
  }

  /// Without white space, as the owning applications write a line.
  static func compact(_ value: JSONValue) -> [UInt8] {
    var spelling = Spelling(isPretty: false)
    spelling.write(value, 0)
    return spelling.out
  }

  /// Two spaces a level, as serde's pretty form.
  static func pretty(_ value: JSONValue) -> [UInt8] {
    var spelling = Spelling(isPretty: true)
    spelling.write(value, 0)
    return spelling.out
  }

  /// The same value in other bytes: members shuffled, other white space (but no line feed),
  /// escapes and numbers.
  static func shuffled(_ value: JSONValue, _ random: inout SeededRandom) -> [UInt8] {
    var spelling = Spelling(isPretty: false, random: random)
    spelling.write(value, 0)
    random = spelling.random ?? random
    return spelling.out
  }

  private mutating func put(_ text: String) { out += Array(text.utf8) }

  private mutating func chance(_ one: Int) -> Bool { random?.chance(one) ?? false }

  private mutating func gap() {
    while chance(4) { out.append(chance(3) ? 0x09 : 0x20) }
  }

  private mutating func newline(_ depth: Int) {
    if isPretty { put("\n" + String(repeating: "  ", count: depth)) }
  }

  private mutating func write(_ value: JSONValue, _ depth: Int) {
    switch value {
    case .word(let word): put(word)
    case .number(let digits): put(number(digits))
    case .string(let units): string(units)
    case .array(let elements):
      put("[")
      for (index, element) in elements.enumerated() {
        if index > 0 { put(",") }
        newline(depth + 1)
        gap()
        write(element, depth + 1)
        gap()
      }
      if !elements.isEmpty { newline(depth) }
      put("]")
    case .object(var members):
      let isUnique = Set(members.map(\.key)).count == members.count
      if var shuffler = random, isUnique {
        members.shuffle(using: &shuffler)
        random = shuffler
      }
      put("{")
      for (index, member) in members.enumerated() {
        if index > 0 { put(",") }
        newline(depth + 1)
        gap()
        string(member.key)
        gap()
        put(isPretty ? ": " : ":")
        gap()
        write(member.value, depth + 1)
        gap()
      }
      if !members.isEmpty { newline(depth) }
      put("}")
    }
  }

  /// Another spelling of the same number, now and then.
  private mutating func number(_ digits: String) -> String {
    guard chance(2), !digits.contains(where: { $0 == "e" || $0 == "E" }) else { return digits }
    if digits.contains(".") { return digits + (chance(2) ? "00" : "e0") }
    if digits.drop(while: { $0 == "-" }) == "0" { return chance(2) ? "-0.0" : "0e7" }
    return digits + (chance(2) ? (chance(2) ? ".0" : "e0") : chance(2) ? "0e-1" : ".00E+00")
  }

  private mutating func string(_ units: [UInt16]) {
    put("\"")
    var at = 0
    while at < units.count {
      let unit = units[at]
      at += 1
      let short: [UInt16: String] = [
        0x22: "\\\"", 0x5C: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r",
      ]
      if (0xD800..<0xDC00).contains(unit), at < units.count, (0xDC00..<0xE000).contains(units[at]) {
        if chance(5) {
          escape(unit)
          escape(units[at])
        } else {
          put(String(decoding: [unit, units[at]], as: UTF16.self))
        }
        at += 1
      } else if let text = short[unit], !chance(5) {
        put(text)
      } else if let scalar = Unicode.Scalar(unit), unit >= 0x20, unit != 0x22, unit != 0x5C,
        !chance(20)
      {
        out += Array(String(Character(scalar)).utf8)
      } else {
        escape(unit)
      }
    }
    put("\"")
  }

  private mutating func escape(_ unit: UInt16) {
    let digits = String(unit, radix: 16, uppercase: chance(2))
    put("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
  }
}
