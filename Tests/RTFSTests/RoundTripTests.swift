import RTFS
import Records
import Testing

/// Seeds printed with a failure make it happen again.
private let seeds = (0..<8).map { _ in UInt64.random(in: 0..<1_000_000) }

@Suite struct RoundTripTests {
  @Test(arguments: seeds) func linesReadBackTheSame(seed: UInt64) throws {
    var json = RandomJSON(random: Seeded(seed))
    for number in 0..<300 {
      var record = try json.record()
      let text = line(record)
      #expect(!text.contains(0x0A) && !text.contains(0x0D))
      #expect(RTFSGrammar.fault(in: text) == nil, "seed \(seed), record \(number)")
      let back = try readAll(text)
      #expect(back.map(\.facts) == [RecordFacts(&record)], "seed \(seed), record \(number)")
    }
  }

  @Test(arguments: seeds) func snapshotsReadBackTheSame(seed: UInt64) throws {
    var json = RandomJSON(random: Seeded(seed))
    var records: [Record] = []
    for _ in 0..<60 { records.append(try json.record()) }
    records.sort { a, b in
      let order = RTFSSnapshot.order
      return order.firstIndex(of: a.kind) ?? 0 < order.firstIndex(of: b.kind) ?? 0
    }
    let text = snapshot(records)
    #expect(RTFSGrammar.fault(in: text) == nil, "seed \(seed)")
    let expected = records.map { record in
      var record = record
      return RecordFacts(&record)
    }
    for window in [1, 7, 1000, 1 << 18] {
      let back = try readAll(text, window: window)
      #expect(back.map(\.facts) == expected, "seed \(seed), a window of \(window)")
      for (record, entry) in zip(records, back) {
        let place = entry.at
        #expect(Array(text[place.offset..<place.offset + place.length]) == line(record))
        #expect(place.line == text[..<place.offset].count { $0 == 0x0A } + 1)
      }
    }
  }

  /// Equal canonical bytes, equal lines: so `diff` shows just what changed.
  @Test(arguments: seeds) func linesDependOnCanonicalBytesAlone(seed: UInt64) throws {
    var json = RandomJSON(random: Seeded(seed))
    for _ in 0..<200 {
      var record = try json.record()
      let canonical = RecordFacts(&record).canonical
      let other = try makeRecord(record.kind, canonical, scope: record.scope)
      #expect(line(record) == line(other), "seed \(seed): \(record.label)")
    }
  }

  @Test func theDeepestJSONReadsBack() throws {
    let depth = 10_000
    let shapes: [(open: String, close: String)] = [
      ("[", "]"), ("{\"a\":", "}"), ("{\"b\":1,\"a\":[{},", "]}"),
    ]
    for shape in shapes {
      let levels = shape.open.contains("[{") ? depth / 2 : depth
      let json =
        String(repeating: shape.open, count: levels - 1) + "{}"
        + String(repeating: shape.close, count: levels - 1)
      var record = try makeRecord(.document, json)
      let text = line(record)
      #expect(RTFSGrammar.fault(in: text) == nil)
      #expect(try readAll(text).map(\.facts) == [RecordFacts(&record)])
    }
  }

  @Test func aRecordLongerThanManyReadsComesBack() throws {
    let observation = String(repeating: "naïve café 😀 \\n \\\" ", count: 100_000)
    var record = try makeRecord(.entity, #"{"type":"entity","name":"\#(observation)"}"#)
    let expected = RecordFacts(&record)
    let text = snapshot([record, record])
    let back = try readAll(text, window: 1)
    #expect(back.map(\.facts) == [expected, expected])
  }

  @Test func objectsOfManyKeysAreSortedAsTheCanonicalFormIs() throws {
    var random = Seeded(7)
    let members = (0..<2_000).map { "\"\(random.below(500))\":\($0)" }
    var record = try makeRecord(.document, "{" + members.joined(separator: ",") + "}")
    let canonical = try makeRecord(.document, RecordFacts(&record).canonical)
    #expect(line(record) == line(canonical))
    #expect(try readAll(line(record)).map(\.facts) == [RecordFacts(&record)])
  }
}
