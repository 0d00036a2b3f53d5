/// A JSON value apart from its spelling. Strings are UTF-16 units, so that lone surrogates have
/// a place; numbers are digits × 10^exponent.
indirect enum RandomJSON {
  case word(String)
  case number(negative: Bool, digits: [UInt8], exponent: Int)
  case string([UInt16])
  case array([RandomJSON])
  case object([(key: [UInt16], value: RandomJSON)])

  static func make(depth: Int = 4, _ random: inout SeededRandom) -> RandomJSON {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .word(["true", "false", "null"].randomElement(using: &random) ?? "null")
    case 1, 2: return number(&random)
    case 3, 4: return .string(string(&random))
    case 5:
      let count = Int.random(in: 0...5, using: &random)
      return .array((0..<count).map { _ in make(depth: depth - 1, &random) })
    default:
      let count = random.chance(20) ? 40 : Int.random(in: 0...6, using: &random)
      var members = (0..<count).map { _ in (string(&random), make(depth: depth - 1, &random)) }
      if count > 1, random.chance(4) { members[count - 1].0 = members[0].0 }
      return .object(members)
    }
  }

  static func number(_ random: inout SeededRandom) -> RandomJSON {
    let count = Int.random(in: 1...(random.chance(10) ? 60 : 6), using: &random)
    let digits = (0..<count).map { _ in UInt8.random(in: 0x30...0x39, using: &random) }
    let exponents = random.chance(5) ? -400...400 : -9...24
    return .number(
      negative: Bool.random(using: &random), digits: digits,
      exponent: Int.random(in: exponents, using: &random))
  }

  static func string(_ random: inout SeededRandom) -> [UInt16] {
    let length = random.chance(30) ? 300 : Int.random(in: 0...9, using: &random)
    return (0..<length).map { _ in
      switch Int.random(in: 0..<8, using: &random) {
      case 0: UInt16.random(in: 0..<0x20, using: &random)
      case 1: ([0x22, 0x5C, 0x2F, 0x7F] as [UInt16]).randomElement(using: &random) ?? 0x22
      case 2: UInt16.random(in: 0xD800...0xDFFF, using: &random)
      case 3: UInt16.random(in: 0x80...0xFFFF, using: &random)
      case 4: random.chance(2) ? 0xD83D : 0xDE00
      default: UInt16.random(in: 0x61...0x66, using: &random)
      }
    }
  }

  /// The same value with one number, somewhere inside, made another; nil where there is none.
  func changed(_ random: inout SeededRandom) -> RandomJSON {
    switch self {
    case .word(let word): return .word(word == "true" ? "null" : "true")
    case .number(let negative, let digits, let exponent):
      var other = digits
      other[0] = digits[0] == 0x31 ? 0x32 : 0x31
      return .number(negative: negative, digits: other, exponent: exponent)
    case .string(let units): return .string(units + [0x61])
    case .array(var elements):
      guard let index = elements.indices.randomElement(using: &random) else {
        return .array([.array([])])
      }
      elements[index] = elements[index].changed(&random)
      return .array(elements)
    case .object(var members):
      guard let index = members.indices.randomElement(using: &random) else { return .array([]) }
      if random.chance(3) {
        members[index].key += [0x61]
      } else {
        members[index].value = members[index].value.changed(&random)
      }
      return .object(members)
    }
  }
}

/// Writes a value in one of its many spellings, with whitespace and without at the same time.
struct RandomSpelling {
  private(set) var spaced: [UInt8] = []
  private(set) var compact: [UInt8] = []

  init(_ value: RandomJSON, _ random: inout SeededRandom) {
    space(&random)
    write(value, &random)
    space(&random)
  }

  private mutating func space(_ random: inout SeededRandom) {
    guard random.chance(3) else { return }
    for _ in 0..<Int.random(in: 1...12, using: &random) {
      spaced.append(([0x20, 0x09, 0x0A, 0x0D] as [UInt8]).randomElement(using: &random) ?? 0x20)
    }
  }

  private mutating func put(_ text: String) {
    spaced += Array(text.utf8)
    compact += Array(text.utf8)
  }

  private mutating func write(_ value: RandomJSON, _ random: inout SeededRandom) {
    switch value {
    case .word(let word): put(word)
    case .number(let negative, let digits, let exponent):
      number(negative, digits, exponent, &random)
    case .string(let units): string(units, &random)
    case .array(let elements):
      put("[")
      space(&random)
      for (index, element) in elements.enumerated() {
        if index > 0 { separate(",", &random) }
        write(element, &random)
      }
      space(&random)
      put("]")
    case .object(let members):
      put("{")
      space(&random)
      for (index, member) in shuffled(members, &random).enumerated() {
        if index > 0 { separate(",", &random) }
        string(member.key, &random)
        separate(":", &random)
        write(member.value, &random)
      }
      space(&random)
      put("}")
    }
  }

  private mutating func separate(_ mark: String, _ random: inout SeededRandom) {
    space(&random)
    put(mark)
    space(&random)
  }

  /// Another order of the members; those of the same key keep theirs, as it is part of the value.
  private func shuffled(
    _ members: [(key: [UInt16], value: RandomJSON)], _ random: inout SeededRandom
  ) -> [(key: [UInt16], value: RandomJSON)] {
    var result = members.shuffled(using: &random)
    for key in Set(members.map(\.key)) {
      let places = result.indices.filter { result[$0].key == key }
      for (place, member) in zip(places, members.filter { $0.key == key }) {
        result[place] = member
      }
    }
    return result
  }

  private mutating func number(
    _ negative: Bool, _ digits: [UInt8], _ exponent: Int, _ random: inout SeededRandom
  ) {
    var digits = digits
    var exponent = exponent
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      digits.append(0x30)
      exponent -= 1
    }
    if exponent > 0, exponent < 40, random.chance(2) {
      digits += Array(repeating: 0x30, count: exponent)
      exponent = 0
    }
    let point = random.chance(2) ? digits.count : Int.random(in: 0...digits.count, using: &random)
    exponent += digits.count - point
    var whole = digits[0..<point].drop { $0 == 0x30 }
    if whole.isEmpty { whole = [0x30] }
    var text = negative ? "-" : ""
    text += String(decoding: whole, as: UTF8.self)
    if point < digits.count {
      text += "." + String(decoding: digits[point...], as: UTF8.self)
    }
    if exponent != 0 || random.chance(4) {
      text += random.chance(2) ? "e" : "E"
      text += exponent < 0 ? "-" : random.chance(2) ? "+" : ""
      text += String(repeating: "0", count: random.chance(4) ? 25 : 0)
      text += String(exponent.magnitude)
    }
    put(text)
  }

  private mutating func string(_ units: [UInt16], _ random: inout SeededRandom) {
    var text = "\""
    var at = 0
    while at < units.count {
      let unit = units[at]
      at += 1
      if (0xD800..<0xDC00).contains(unit), at < units.count, (0xDC00..<0xE000).contains(units[at]) {
        let pair = String(decoding: [unit, units[at]], as: UTF16.self)
        text += random.chance(2) ? pair : escape(unit, &random) + escape(units[at], &random)
        at += 1
      } else if let short = RandomSpelling.short[unit], !random.chance(3) {
        text += short
      } else if let scalar = Unicode.Scalar(unit), unit >= 0x20, unit != 0x22, unit != 0x5C,
        !random.chance(5)
      {
        text.unicodeScalars.append(scalar)
      } else {
        text += escape(unit, &random)
      }
    }
    put(text + "\"")
  }

  private static let short: [UInt16: String] = [
    0x22: "\\\"", 0x5C: "\\\\", 0x2F: "\\/", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r",
  ]

  private func escape(_ unit: UInt16, _ random: inout SeededRandom) -> String {
    let digits = String(unit, radix: 16, uppercase: random.chance(2))
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}
