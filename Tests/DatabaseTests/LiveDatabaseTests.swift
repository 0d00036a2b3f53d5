import Database
import Disk
import Glibc
import LosslessJSON
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

/// Looking one record up and saving one, in a database of 10,000 intents.
struct LiveDatabaseTests {
  static let count = 10_000

  static func intent(_ number: Int, goal: String) -> Record {
    var record = Record()
    record.kind = .intent
    let text = """
      {"intent_id":"intent-\(number)","name":null,"goal":"\(goal)","status":"Active",\
      "priority":\(number % 10),"parent_intent":"intent-\(number / 2)","created_at":1700000000,\
      "updated_at":\(1_700_000_000 + number)}
      """
    try? record.text.parse(Array(text.utf8).span)
    return record
  }

  static func database(in scratch: Scratch, count: Int = count) throws -> FilePath {
    let path = scratch.file("store.db")
    try scratch.write([], to: "store.db")
    let database = try FreshDatabase(path)
    for sql in [
      "INSERT INTO stores VALUES (1, 'graph.json', 'intent-snapshot', 1, NULL, \(count), 0, 'x')",
      "INSERT INTO files VALUES (1, 1, 'graph.json', 0, 0, 'x', NULL, NULL)",
    ] { try database.prepare(sql).run() }
    var maker = RecordRows()
    var made = ByteBuffer()
    for number in 1...count {
      var record = intent(number, goal: "reach hill \(number)")
      made.removeAll()
      maker.append(&record, record.canonicalHash(), to: &made)
      try database.write(made.span, record: number, file: 1)
    }
    try database.finish()
    return path
  }

  static func key(_ number: Int) -> [UInt8] { Array("intent-\(number)".utf8) }

  @Test func saved() throws {
    let scratch = try Scratch()
    let path = try Self.database(in: scratch, count: 50)
    do {
      // What was built beside the tables is what SQLite would have made of them.
      let connection = try Connection(path, .writable)
      try connection.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
    }
    do {
      let database = try LiveDatabase(path)
      #expect(try database.find(.intent, Self.key(51).span) == nil)
      #expect(try database.find(.entity, Self.key(5).span) == nil)
      var record = Self.intent(5, goal: "reach hill 5")
      #expect(try database.save(&record) == .unchanged)
      record = Self.intent(5, goal: "reach the valley")
      #expect(try database.save(&record) == .replaced)
      record = Self.intent(51, goal: "reach the sea")
      #expect(try database.save(&record) == .added)
      #expect(try database.find(.intent, Self.key(51).span) == record.text.bytes.array)
      record = Record()
      try record.text.parse(Array("{}".utf8).span)
      record.kind = .intent
      #expect(throws: DatabaseError.self) { try database.save(&record) }
      record = Self.intent(77, goal: "x")
      #expect(throws: DatabaseError.self) { try database.save(&record, store: 9) }
      #expect(try database.find(.intent, Self.key(77).span) == nil)
    }
    // Another connection sees it, in each table.
    let connection = try Connection(path, .immutable)
    #expect(try StoreDatabase.problems(connection) == [])
    for (sql, wanted) in [
      ("SELECT count(*) FROM records", 51), ("SELECT count(*) FROM intents", 51),
      ("SELECT records FROM stores", 51), ("SELECT digest = '' FROM stores", 1),
      ("SELECT id FROM records WHERE key = 'intent-5'", 5),
      ("SELECT count(*) FROM search WHERE search MATCH 'hill'", 49),
      ("SELECT rowid FROM search WHERE search MATCH 'valley'", 5),
      ("SELECT rowid FROM search WHERE search MATCH 'sea'", 51),
      ("SELECT count(*) FROM search WHERE search MATCH '5'", 0),
    ] { #expect(try StoreDatabase.number(sql, connection) == wanted, "\(sql)") }
    let survey = try Survey.read(DiskTree(path), as: .sqlite, rules: false)
    #expect(survey.total == 51 && survey.log.errors == 0)
    let writable = try Connection(path, .writable)
    try writable.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
  }

  /// How long it takes is printed, for `make bench`; a busy machine is no failure.
  @Test func times() throws {
    let scratch = try Scratch()
    let database = try LiveDatabase(Self.database(in: scratch))
    var lookups: [Double] = []
    for number in stride(from: 1, to: Self.count, by: 97) {
      let start = Self.now()
      let found = try database.find(.intent, Self.key(number).span)
      lookups.append(Self.now() - start)
      #expect(found != nil)
    }
    var saves: [Double] = []
    for number in 0..<40 {
      var record = Self.intent(
        number % 2 == 0 ? number * 31 + 1 : Self.count + number, goal: "another way \(number)")
      let start = Self.now()
      let outcome = try database.save(&record)
      saves.append(Self.now() - start)
      #expect(outcome == (number % 2 == 0 ? .replaced : .added))
    }
    for (name, times) in [("lookup", lookups.sorted()), ("save", saves.sorted())] {
      let (middle, most) = (times[times.count / 2], times[times.count - 1])
      print("\(Self.count) intents, \(name): median \(middle) ms, most \(most) ms")
    }
  }

  /// Milliseconds.
  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  /// Older, newer and foreign databases are refused, both versions named.
  @Test func versions() throws {
    let scratch = try Scratch()
    let path = try Self.database(in: scratch, count: 1)
    for (pragma, word) in [("user_version=9", "9"), ("application_id=7", "7")] {
      do {
        let connection = try Connection(path, .writable)
        try connection.execute("PRAGMA \(pragma)")
      }
      do {
        _ = try LiveDatabase(path)
        Issue.record("was opened")
      } catch {
        #expect(error.code == .foreign && error.message.contains(word))
      }
    }
  }
}
