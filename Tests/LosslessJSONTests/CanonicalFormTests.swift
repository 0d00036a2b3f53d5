import LosslessJSON
import Testing

@Suite("Canonical form")
struct CanonicalFormTests {
  @Test(arguments: [
    ("1", "1"), ("1.0", "1"), ("10e-1", "1"), ("0.1e1", "1"), ("1E+00", "1"), ("100", "100"),
    ("-0", "0"), ("-0.0e5", "0"), ("0e999999999999999999999", "0"), ("-1", "-1"),
    ("9007199254740993", "9007199254740993"), ("9007199254740993.0", "9007199254740993"),
    ("0.1", "0.1"), ("-1.50", "-1.5"), ("123.456e1", "1234.56"), ("1e20", "100000000000000000000"),
    ("1e21", "1e21"), ("12e20", "1200000000000000000000"), ("12e21", "1.2e22"),
    ("0.000001", "0.000001"), ("0.0000001", "1e-7"), ("1.25e-7", "1.25e-7"), ("1e-400", "1e-400"),
    ("999999999999999999", "999999999999999999"), ("1000000000000000000", "1000000000000000000"),
    ("1e123456789012345678901234567890", "1e123456789012345678901234567890"),
    ("10e123456789012345678901234567889", "1e123456789012345678901234567890"),
    ("0.1e123456789012345678901234567891", "1e123456789012345678901234567890"),
    ("1e-123456789012345678901234567890", "1e-123456789012345678901234567890"),
    ("0.01e-123456789012345678901234567888", "1e-123456789012345678901234567890"),
    ("0.1e1000000000000000000", "1e999999999999999999"),
    ("1e999999999999999999", "1e999999999999999999"),
    ("10e999999999999999999", "1e1000000000000000000"),
    ("1e1000000000000000000", "1e1000000000000000000"),
    ("10e-1000000000000000000", "1e-999999999999999999"),
    ("1e-999999999999999999", "1e-999999999999999999"),
    ("10e999999999999999999999999", "1e1000000000000000000000000"),
  ])
  func numbers(_ text: String, _ form: String) throws {
    #expect(try canonical(text) == form)
    #expect(try canonical("[\(text)]") == "[\(form)]")
  }

  @Test func longNumbers() throws {
    let zeros = String(repeating: "0", count: 400)
    #expect(try canonical("1" + zeros) == "1e400")
    #expect(try canonical("1e400") == "1e400")
    #expect(try canonical("10e399") == "1e400")
    #expect(try canonical("0." + zeros + "1") == "1e-401")
    let digits = String(repeating: "1234567890", count: 40) + "7"
    #expect(try canonical(digits) == digits)
    #expect(try canonical(digits + ".000") == digits)
    #expect(try canonical("0." + digits + "e401") == digits)
  }

  @Test(arguments: [
    (#""\"\\\/\b\f\n\r\t""#, #""\"\\/\b\f\n\r\t""#),
    (#""\u0022\u005C\u002f\u0008\u000C\u000a\u000d\u0009""#, #""\"\\/\b\f\n\r\t""#),
    (#""\u0000\u001F\u007f""#, "\"\\u0000\\u001f\u{7F}\""),
    (#""\u00e9""#, "\"\u{E9}\""), (#""\uD83D\uDE00""#, "\"\u{1F600}\""),
    (#""\uffff""#, "\"\u{FFFF}\""),
    (#""\uD800""#, #""\ud800""#), (#""\uDFFF""#, #""\udfff""#),
    (#""\uDE00\uD83D""#, #""\ude00\ud83d""#),
    (#""\uD83D\uD83D\uDE00""#, "\"\\ud83d\u{1F600}\""), (#""\uDBFFx\uDC00""#, #""\udbffx\udc00""#),
    (#""\uD83D\\uDE00""#, #""\ud83d\\uDE00""#), ("\"e\u{301}\"", "\"e\u{301}\""),
    (#""\uED80\uD7FF\uE000""#, "\"\u{ED80}\u{D7FF}\u{E000}\""),
  ])
  func strings(_ text: String, _ form: String) throws {
    #expect(try Array(canonical(text).utf8) == Array(form.utf8))
    let object = try canonical("{\(text):\(text)}")
    #expect(Array(object.utf8) == Array("{\(form):\(form)}".utf8))
  }

  @Test func everyControlCharacter() throws {
    let short: [Int: String] = [8: "b", 9: "t", 10: "n", 12: "f", 13: "r"]
    for code in 0..<0x20 {
      let hex = (code < 16 ? "000" : "00") + String(code, radix: 16)
      let form = short[code].map { "\"\\\($0)\"" } ?? "\"\\u\(hex)\""
      #expect(try canonical("\"\\u\(hex)\"") == form)
    }
  }

  @Test(arguments: [
    (#"{"b":1,"a":2}"#, #"{"a":2,"b":1}"#),
    (#"{"aa":1,"a":2,"":3}"#, #"{"":3,"a":2,"aa":1}"#),
    ("{\"\u{10000}\":1,\"\u{FFFF}\":2}", "{\"\u{FFFF}\":2,\"\u{10000}\":1}"),
    (#"{"\ud800\udc00":1,"\uffff":2}"#, "{\"\u{FFFF}\":2,\"\u{10000}\":1}"),
    (#"{"\ue000":1,"\ud800":2,"\ud7ff":3}"#, "{\"\u{D7FF}\":3,\"\\ud800\":2,\"\u{E000}\":1}"),
    (#"{"a":1,"\u0061":2,"a":0}"#, #"{"a":1,"a":2,"a":0}"#),
    (#"{"b":0,"a":2,"b":1,"a":1}"#, #"{"a":2,"a":1,"b":0,"b":1}"#),
    (#"{"a\"":1,"a!":2,"a#":3}"#, #"{"a!":2,"a\"":1,"a#":3}"#),
    (#"{"x\\":1,"x":2,"x]":3,"x[":4}"#, #"{"x":2,"x[":4,"x\\":1,"x]":3}"#),
    (" { \"z\" : [ { \"y\" : 1 , \"x\" : [ ] } , { } ] } ", #"{"z":[{"x":[],"y":1},{}]}"#),
  ])
  func keyOrder(_ text: String, _ form: String) throws {
    #expect(try Array(canonical(text).utf8) == Array(form.utf8))
  }

  @Test func differentKeysStayDifferent() throws {
    let composed = try canonical(Array("{\"\u{E9}\":1}".utf8))
    let decomposed = try canonical(Array("{\"e\u{301}\":1}".utf8))
    #expect(composed != decomposed)
  }

  /// Many members take another path than few: the order must not differ between them.
  @Test(arguments: [2, 23, 24, 25, 26, 100, 1000])
  func membersOfObjectsOfAnySize(_ count: Int) throws {
    var random = SeededRandom()
    let keys = (0..<count).map { index in "k\(index % (count - 1))" }
    let members = keys.enumerated().map { "\"\($1)\":\($0)" }
    let sorted = keys.indices.sorted {
      let (a, b) = (Array(keys[$0].utf8), Array(keys[$1].utf8))
      return a == b ? $0 < $1 : a.lexicographicallyPrecedes(b)
    }
    let form = "{" + sorted.map { members[$0] }.joined(separator: ",") + "}"
    for _ in 0..<5 {
      let order = keys.indices.shuffled(using: &random)
      let first = order.firstIndex(of: 0) ?? 0
      let last = order.firstIndex(of: count - 1) ?? 0
      var places = order
      if first > last { places.swapAt(first, last) }
      let text = "{" + places.map { members[$0] }.joined(separator: ", ") + "}"
      #expect(try canonical(text) == form, "HOLDFAST_SEED=\(random.seed)")
      let escaped = text.replacingAll("\"k", with: "\"\\u006b")
      #expect(try canonical(escaped) == form, "HOLDFAST_SEED=\(random.seed)")
    }
  }
}

extension String {
  fileprivate func replacingAll(_ part: String, with other: String) -> String {
    split(separator: part, omittingEmptySubsequences: false).joined(separator: other)
  }
}
