import Records
import Testing

@Suite("Findings")
struct FindingTests {
  @Test func keepsTheFirstOfEachCode() {
    var log = FindingLog()
    for index in 0..<FindingLog.limit + 5 { log.add(Finding(.error, .tornTail, "\(index)")) }
    log.add(Finding(.note, .orphan, "one"))
    #expect(log.findings.count == FindingLog.limit + 1)
    #expect(log.findings.last?.code == .orphan)
    #expect(log.findings[FindingLog.limit - 1].message == "\(FindingLog.limit - 1)")
    #expect(log.counts[.tornTail] == FindingLog.limit + 5)
    #expect(log.errors == FindingLog.limit + 5)
    #expect(log.total == FindingLog.limit + 6)
  }

  /// Logs of many files are joined: the limit must hold for the whole.
  @Test func joiningKeepsTheLimit() {
    var part = FindingLog()
    for index in 0..<FindingLog.limit { part.add(Finding(.warning, .badTime, "\(index)")) }
    var log = FindingLog()
    log.add(Finding(.warning, .badTime, "before"))
    log.add(part)
    log.add(part)
    #expect(log.findings.count == FindingLog.limit)
    #expect(log.findings.first?.message == "before")
    #expect(log.counts[.badTime] == 2 * FindingLog.limit + 1)
    #expect(log.errors == 0)
    #expect(log.total == 2 * FindingLog.limit + 1)
  }

  @Test func severitiesSortWorstFirst() {
    #expect([.note, .error, .warning].sorted() == [Finding.Severity.error, .warning, .note])
  }

  @Test func codesAreStableWords() {
    for code in Finding.Code.allCases {
      #expect(code.rawValue.utf8.allSatisfy { $0 == 0x2D || (0x61...0x7A).contains($0) })
    }
  }
}
