import Salvage
import TestSupport
import Testing

struct LedgerTests {
  @Test func aGapIsRefused() throws {
    var account = InputAccount()
    try account.add(LedgerRange(offset: 0, length: 5, fate: .recovered, records: 1))
    #expect(throws: SalvageError.self) {
      try account.add(LedgerRange(offset: 6, length: 1, fate: .quarantined))
    }
    #expect(throws: SalvageError.self) {
      try account.add(LedgerRange(offset: 4, length: 1, fate: .quarantined))
    }
    #expect(throws: SalvageError.self) { try account.close(size: 6) }
    try account.close(size: 5)
  }

  @Test func insignificantBytesOfARunAreNotItsOwn() throws {
    var account = InputAccount()
    var run = LedgerRange(offset: 0, length: 10, fate: .recovered, records: 2)
    run.insignificant = 3
    try account.add(run)
    try account.add(LedgerRange(offset: 10, length: 2, fate: .insignificant))
    #expect(account[.recovered] == InputAccount.Tally(records: 2, bytes: 7, ranges: 1))
    #expect(account[.insignificant].bytes == 5)
  }

  /// A record is called cut off only where it may be.
  @Test(arguments: [
    ("%\n", "a\u{0}1", "control-character"),
    ("%\n", "a" + String(repeating: "\u{0}", count: 30), "control-character"),
    ("%\n", String(repeating: "\u{0}", count: 160), "nul-run"),
    ("%&\n", "a\u{0}1", "torn-splice"),
    ("[%,&]", "a\u{1}", "control-character"), ("[&,%]", "a\u{1}", "control-character"),
    ("[%,&]", "\",", "malformed"),
    (">>>>>>> other&\n", "", "conflict-marker"),
  ])
  func shapes(_ layout: String, _ content: String, _ shape: String) throws {
    func entity(_ name: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":[]}"#
    }
    let good = entity("good")
    let bytes = layout.replacing("%", with: entity(content)).replacing("&", with: good)
    let lead = layout.hasPrefix("[") ? "" : "\(good)\n"
    let result = try Salvaged(Array((lead + bytes).utf8), kind: "memory-graph")
    #expect(try result.lines("recovered").allSatisfy { text($0) == good })
    let ledger = text(try result.scratch.read("out/ledger.json"))
    let shapes = ledger.split(separator: "\n").filter { $0.contains("\"shape\"") }
    #expect(shapes.count == 1 && shapes[0].contains("\"shape\":\"\(shape)\""), "\(shapes)")
  }

  /// Beyond a thousand ranges all bytes of the others are in one file, in order, and the ledger names
  /// it for each.
  @Test func manyRanges() throws {
    let good = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
    let lost = (0..<1005).map { #"{"lost":\#($0),"# }
    let lines = lost.map { "\(good)\n\($0)\n" }.joined()
    let result = try Salvaged(Array(lines.utf8), kind: "memory-graph")
    #expect(result.account[.recovered].records == lost.count)
    #expect(result.account[.quarantined].ranges == lost.count)
    let folder = "out/quarantine/memory.jsonl"
    #expect(text(try result.scratch.read("\(folder)/rest")) == lost.suffix(5).joined())
    #expect(try result.scratch.run("ls \(folder) | wc -l") == "1001\n")
    let ledger = text(try result.scratch.read("out/ledger.json"))
    let named = #""file":"quarantine/memory.jsonl/rest""#
    #expect(ledger.split(separator: "\n").count { $0.hasSuffix("\(named)},") } == 5)
  }

  /// A name that would break a line of the log is escaped in it.
  @Test func aNameWithALineFeed() throws {
    let result = try Salvaged(Array("{\"lost\":".utf8), as: "a\nb.jsonl", kind: "memory-graph")
    let log = text(try result.scratch.read("out/recovery-2026-05-28.log"))
    let lines = log.split(separator: "\n")
    #expect(lines.contains { $0.hasSuffix(#"in/a\x0ab.jsonl"#) }, "\(log)")
    #expect(!lines.contains { $0.hasPrefix("b.jsonl") }, "\(log)")
  }
}
