import Salvage
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
}
