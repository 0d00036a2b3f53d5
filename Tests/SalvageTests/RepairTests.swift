import Salvage
import TestSupport
import Testing

/// `--repair`: what is made of one damaged record, and what is said of it.
struct RepairTests {
  private static let good = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
  private static let start = #"{"type":"entity","name":"q","entityType":"t","observations":["#

  struct Case: Sendable {
    var damaged: [UInt8]
    /// Behind the start; nil where nothing can be made of it.
    var mended: String?
    var done: String?

    init(_ damaged: String, _ mended: String?, _ done: String?) {
      self.init(Array(damaged.utf8), mended, done)
    }

    init(_ damaged: [UInt8], _ mended: String?, _ done: String?) {
      (self.damaged, self.mended, self.done) = (damaged, mended, done)
    }
  }

  private static let cases: [String: Case] = [
    "control characters": Case(
      "\"one\u{1} \u{1F}\there\"]}", #""one\u0001 \u001f\u0009here"]}"#, "3 bytes replaced"),
    "escapes stay": Case(
      Array(#""a \"q\" \\ \n "#.utf8) + [0xFF] + Array(#" "]}"#.utf8),
      #""a \"q\" \\ \n \#u{FFFD} "]}"#,
      "1 byte replaced"),
    "escaped backslash at the end": Case(
      "\"a\\\\\",\"\u{2}\"]}", #""a\\","\u0002"]}"#, "1 byte replaced"),
    "backslash before a control character": Case(
      "\"a\\\u{1}b\"]}", #""a\\\u0001b"]}"#, "2 bytes replaced"),
    "backslash before a letter of two bytes": Case(
      "\"a\\éb\"]}", #""a\\éb"]}"#, "1 byte replaced"),
    "cut in an escape": Case(#""a\u00"#, #""a"]}"#, "a text that was cut short closed"),
    "cut behind a backslash": Case(#""a\"#, #""a"]}"#, "a text that was cut short closed"),
    "cut behind a text": Case(#""a\\" , "#, #""a\\"]}"#, "the end added"),
    "another bracket": Case(#""a"}]"#, nil, nil),
  ]

  @Test(arguments: cases.keys.sorted())
  func oneRecord(_ name: String) throws {
    let wanted = try #require(Self.cases[name])
    let record = Array(Self.start.utf8) + wanted.damaged
    let lines = [Array(Self.good.utf8), record, Array(Self.good.utf8)]
    let result = try Salvaged(Array(lines.joined(separator: [0x0A]))) { $0.repairs = true }
    #expect(try result.lines("recovered").map(text) == [Self.good, Self.good])
    let mended = wanted.mended.map { [Self.start + $0] } ?? []
    #expect(try result.lines("repaired").map(text) == mended)
    let ledger = text(try result.scratch.read("out/ledger.json"))
    if let done = wanted.done { #expect(ledger.contains("\"repair\":\"\(done)\"")) }
    #expect(result.account[.repaired].records == mended.count)
    #expect(!result.report.isWhole)
  }
}
