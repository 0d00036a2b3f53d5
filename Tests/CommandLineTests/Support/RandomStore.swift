/// Random records and stores, the same again for the same seed.
struct RandomStore {
  var random: SeededRandom

  init(_ random: SeededRandom) { self.random = random }

  private mutating func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

  /// Letters, what must be escaped, all planes, combining marks, lone surrogates.
  mutating func string() -> [UInt16] {
    let length = random.chance(40) ? 500 : pick(0..<12)
    return (0..<length).flatMap { _ -> [UInt16] in
      switch pick(0..<9) {
      case 0: [UInt16(pick(0..<0x20))]
      case 1: [[0x22, 0x5C, 0x2F, 0x7F, 0x2028, 0xFEFF, 0xFFFF][pick(0..<7)]]
      case 2: [UInt16(pick(0xD800..<0xE000))]
      case 3: [UInt16(pick(0x80..<0xD800))]
      case 4: Array("\u{1F600}e\u{301}".utf16)
      case 5: [[0x28, 0x29, 0x3B, 0x23, 0x7C, 0x3A][pick(0..<6)]]
      default: [UInt16(pick(0x61..<0x7B))]
      }
    }
  }

  mutating func number() -> String {
    let whole =
      random.chance(8) ? String(repeating: "9", count: pick(1..<60)) : String(pick(0..<10_000))
    let part =
      random.chance(3) ? "." + String(repeating: "0", count: pick(0..<4)) + "\(pick(0..<99))" : ""
    let power =
      random.chance(4)
      ? ["e", "E"][pick(0..<2)] + ["", "+", "-"][pick(0..<3)] + "\(pick(0..<400))" : ""
    return (random.chance(3) ? "-" : "") + whole + part + power
  }

  mutating func value(_ depth: Int = 3) -> JSONValue {
    switch pick(0..<(depth > 0 ? 9 : 6)) {
    case 0: return .word(["true", "false", "null"][pick(0..<3)])
    case 1, 2: return .number(number())
    case 3, 4, 5: return .string(string())
    case 6:
      return .array((0..<pick(0..<5)).map { _ in value(depth - 1) })
    default:
      return .object(
        (0..<pick(0..<5)).map { _ in
          JSONValue.Member(units: string(), value(depth - 1))
        })
    }
  }

  /// Arrays, or objects, `depth` deep around a value.
  mutating func nested(_ depth: Int) -> JSONValue {
    let isArray = Bool.random(using: &random)
    return (0..<depth).reduce(value(0)) { inner, _ in
      isArray ? .array([inner]) : .object([JSONValue.Member("k", inner)])
    }
  }

  mutating func entity() -> JSONValue {
    .object([
      .init("type", .text("entity")), .init("name", .string(string())),
      .init("entityType", .string(string())),
      .init("observations", .array((0..<pick(0..<4)).map { _ in .string(string()) })),
      .init("metadata", .object([.init(units: Array("x".utf16) + string(), value())])),
    ])
  }

  mutating func relation() -> JSONValue {
    .object([
      .init("type", .text("relation")), .init("from", .string(string())),
      .init("to", .string(string())), .init("relationType", .string(string())),
      // No name of a field of its own: a second one of those counts instead of the first.
      .init(units: Array("x".utf16) + string(), value()),
    ])
  }

  mutating func intent(_ number: Int) -> JSONValue {
    .object([
      .init("intent_id", .text("intent-\(number)")), .init("goal", .string(string())),
      .init("status", .text("Active")), .init("priority", .number(self.number())),
      .init("constraints", value()), .init("metadata", value()),
      .init(units: Array("x".utf16) + string(), value()),
    ])
  }

  mutating func edge(_ count: Int) -> JSONValue {
    .object([
      .init("from", .text("intent-\(pick(0..<count))")), .init("to", .string(string())),
      .init("edge_type", .text("Enables")), .init("metadata", value()),
      .init("weight", .number(number())),
    ])
  }

  /// A graph, or any lines at all, spelt at random, with all the line ends there are.
  mutating func lines(_ count: Int, isGraph: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<count {
      let record: JSONValue =
        isGraph && !random.chance(10) ? (random.chance(3) ? relation() : entity()) : value()
      bytes += Spelling.shuffled(record, &random)
      if index < count - 1 || Bool.random(using: &random) {
        bytes += random.chance(6) ? [0x0D, 0x0A] : [0x0A]
      }
      if random.chance(30) { bytes += [0x20, 0x0A] }
    }
    return bytes
  }
}
