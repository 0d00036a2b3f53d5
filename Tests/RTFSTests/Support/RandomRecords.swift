import Records

/// Numbers from a seed, the same on every machine (SplitMix64).
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

  mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}

/// JSON texts in every spelling: whitespace, escapes, lone surrogates, forms of numbers, repeated
/// keys, keys that have keywords, empty containers.
struct RandomJSON {
  var random: Seeded
  /// Whether lone surrogates may occur.
  var surrogates = true

  private static let keys = [
    "intent_id", "goal", "status", "priority", "name", "rtfs_intent_source", "from", "to",
    "edge_type", "weight", "type", "entityType", "observations", "relationType", "plan_id", "id",
    "title", "completed", "metadata", "ключ", "k\\u0065y", "n\\u0061me", "", "a b", ":id", "😀",
  ]
  private static let numbers = [
    "0", "-0", "0.0", "-0.0e5", "1", "-1", "1.0", "10e-1", "1e21", "1E+21", "1e-7", "-2.5e-9",
    "100", "1e2", "9007199254740993", "123456789012345678901234567890", "0.1", "-0.00001",
    "0.000001", "0.0000001", "10.50", "20.5", "0.5", "1e400", "1e999999999999999999",
    "10e999999999999999999", "0.1e1000000000000000000", "5e-99999999999999999999", "120000e17",
    "1e20", "-12345678901234567890123", "1.50e3", "3.14159", "1700000000.123", "0e99",
  ]
  private static let pieces = [
    "a", "word ", "\\n", "\\t", "\\r", "\\\\", "\\\"", "\\/", "/", "\\b", "\\f", "\\u0000",
    "\\u001f", "\\u007f", "\u{7f}", "é", "日本語", "😀", "\\ud83d\\ude00", "\\u00e9", "\\u000a",
    "\\u0022", "\\u005C", "\\u000D", "\\u0009", "\\u0061", "(", ")", "; no comment", "#| |#", ":",
    "{", "}", "[", "]", ",", "long enough for a word at a time", "\u{2028}", "\u{FEFF}", "\\uFFFF",
  ]
  private static let lone = ["\\ud800", "\\udfff", "\\uDC00\\uD800", "\\ud83dx", "\\ud83d\\n"]

  mutating func string() -> String {
    var text = "\""
    for _ in 0..<random.below(6) {
      text += random.pick(Self.pieces)
      if surrogates, random.below(25) == 0 { text += random.pick(Self.lone) }
    }
    return text + "\""
  }

  mutating func space() -> String {
    random.below(6) == 0 ? random.pick([" ", "\n", "\t\r\n"]) : ""
  }

  mutating func key() -> String {
    random.below(4) == 0 ? string() : "\"" + random.pick(Self.keys) + "\""
  }

  mutating func object(depth: Int, size: Int) -> String {
    var members: [String] = []
    for _ in 0..<size {
      members.append(space() + key() + space() + ":" + space() + value(depth: depth) + space())
    }
    return "{" + members.joined(separator: ",") + "}"
  }

  mutating func value(depth: Int) -> String {
    switch random.below(depth > 0 ? 9 : 6) {
    case 0, 1: return string()
    case 2: return random.pick(Self.numbers)
    case 3: return "true"
    case 4: return "false"
    case 5: return "null"
    case 6, 7: return object(depth: depth - 1, size: random.below(random.below(12) == 0 ? 60 : 5))
    default:
      var elements: [String] = []
      for _ in 0..<random.below(5) { elements.append(space() + value(depth: depth - 1) + space()) }
      return "[" + elements.joined(separator: ",") + "]"
    }
  }

  mutating func record() throws -> Record {
    let kind = random.pick(RecordKind.allCases)
    let json =
      random.below(10) == 0 ? value(depth: 3) : object(depth: 4, size: random.below(12))
    var scope: [UInt8] = []
    switch random.below(6) {
    case 0: scope = Array("user/проект \"x\"\n\u{0}".utf8)
    case 1: scope = surrogates ? [0x61, 0xED, 0xA0, 0x80, 0x62] : Array("a\u{D7FF}".utf8)
    default: break
    }
    return try makeRecord(kind, Array(json.utf8), scope: scope)
  }
}
