import RTFS
import Records
import Testing

/// Damaged snapshots: an error or other records, never a crash, never an endless loop.
@Suite struct RTFSFuzzTests {
  private static let seeds = (0..<6).map { _ in UInt64.random(in: 0..<1_000_000) }

  private func makeSnapshot(_ json: inout RandomJSON, count: Int) throws -> [UInt8] {
    var records: [Record] = []
    for _ in 0..<count { records.append(try json.record()) }
    records.sort { $0.kind < $1.kind }
    return snapshot(records)
  }

  @Test(arguments: seeds.prefix(2)) func truncationAtEveryByteIsNoticed(seed: UInt64) throws {
    var json = RandomJSON(random: Seeded(seed))
    let text = try makeSnapshot(&json, count: 3)
    let whole = try readAll(text).map(\.facts)
    for length in 0..<text.count - 1 {
      let part = Array(text[..<length])
      var reader = RTFSReader(MemorySource(part), window: 64)
      var record = Record()
      var count = 0
      do throws {
        while try reader.next(&record) {
          #expect(RecordFacts(&record) == whole[count], "seed \(seed), \(length) bytes")
          count += 1
        }
        // Only between the lists at the top does a part look whole.
        let end = part.last { $0 != 0x0A }
        #expect(end == nil || end == UInt8(ascii: ")") || part.first == end || count == 0)
      } catch let error as RTFSError {
        #expect(error.code == .unexpectedEnd, "seed \(seed), \(length) bytes: \(error)")
        #expect(error.offset == length)
      }
    }
  }

  @Test(arguments: seeds) func mutationsAreErrorsOrOtherRecords(seed: UInt64) throws {
    var json = RandomJSON(random: Seeded(seed))
    var random = Seeded(seed ^ 0xF00D)
    let marks =
      Array("()[]{}\"\\:;#|, \n\t0-+.eE5ntfa:@\u{0}\u{1f}".utf8) + [0x80, 0xC3, 0xED, 0xFF]
    for _ in 0..<8 {
      let text = try makeSnapshot(&json, count: 4)
      for _ in 0..<40 {
        var damaged = text
        for _ in 0...random.below(3) {
          let at = random.below(damaged.count)
          switch random.below(5) {
          case 0: damaged[at] = UInt8(random.below(256))
          case 1: damaged[at] = random.pick(marks)
          case 2: damaged.insert(random.pick(marks), at: at)
          case 3: damaged.removeSubrange(at..<min(damaged.count, at + 1 + random.below(20)))
          default:
            let from = random.below(damaged.count)
            damaged.insert(
              contentsOf: damaged[from..<min(damaged.count, from + 30)], at: at)
          }
          if damaged.isEmpty { damaged = [0x28] }
        }
        try expectSameInPieces(damaged, seed)
      }
    }
  }

  @Test(arguments: seeds) func rubbishIsRefused(seed: UInt64) throws {
    var random = Seeded(seed)
    let words = [
      "(", ")", "[", "]", "{", "}", "\"", "\\", ":id", ":scope", "json", "document", "intent",
      "intents", "intent-graph", "documents", " ", "\n", ";", "#|", "|#", "#", "1", "-", ".", "e",
      "nil", "true", "é", "\u{0}", ":", "\"a\"", "(document ", "(intent {",
    ]
    for _ in 0..<500 {
      var text: [UInt8] = []
      for _ in 0..<random.below(30) { text += Array(random.pick(words).utf8) }
      try expectSameInPieces(text, seed)
    }
  }

  /// Whatever comes of a text, it is the same however the text arrives, and what is read back from
  /// what was written of it is the same again.
  private func expectSameInPieces(_ text: [UInt8], _ seed: UInt64) throws {
    func outcome(_ window: Int) throws -> (records: [RecordFacts], error: RTFSError?) {
      var reader = RTFSReader(MemorySource(text), window: window)
      var record = Record()
      var records: [RecordFacts] = []
      do {
        while try reader.next(&record) {
          let facts = RecordFacts(&record)
          records.append(facts)
          let again = try readAll(line(record)).map(\.facts)
          #expect(again == [facts], "seed \(seed)")
        }
      } catch let error as RTFSError {
        #expect((0...text.count).contains(error.offset))
        return (records, error)
      }
      return (records, nil)
    }
    let whole = try outcome(1 << 18)
    let pieces = try outcome(3)
    #expect(whole.records == pieces.records && whole.error == pieces.error, "seed \(seed)")
  }
}
