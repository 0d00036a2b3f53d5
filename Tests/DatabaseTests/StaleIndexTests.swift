import Database
import Disk
import SystemPackage
import TestSupport
import Testing

/// A database whose writer died as it began a write-ahead log: SQLite itself cannot read it without
/// writing, and says "locking protocol".
struct StaleIndexTests {
  struct Log: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// What becomes of the log, in Python, as it lies there with one frame.
    var change: String
    /// How often the database is opened at the most, until it can be read.
    var attempts: Int
  }

  static let logs = [
    Log(
      testDescription: "a head and nothing else", change: "log.truncate(32)", attempts: 1),
    Log(
      testDescription: "a head that is not whole", change: "log.write(bytes(7))", attempts: 2),
  ]

  @Test(arguments: logs) func isReadWithoutItsIndex(_ log: Log) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import os, sqlite3
      if os.fork() == 0:
          db = sqlite3.connect("store.db", isolation_level=None)
          db.execute("PRAGMA journal_mode=WAL")
          db.execute("CREATE TABLE kept(a)")
          db.execute("INSERT INTO kept VALUES (1), (2), (3)")
          db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
          db.execute("INSERT INTO kept VALUES (4)")
          os._exit(0)
      os.wait()
      with open("store.db-wal", "r+b") as log: \(log.change)
      os.remove("script.py")
      """)
    let before = try listing(scratch)
    var attempts = 0
    let count = try DatabaseSource.read(scratch.file("store.db")) { connection in
      attempts += 1
      return try StoreDatabase.number("SELECT count(*) FROM kept", connection)
    }
    #expect(count == 3 && attempts <= log.attempts)
    #expect(try listing(scratch) == before)
  }

  private func listing(_ scratch: Scratch) throws -> String {
    try scratch.run("ls -A --full-time; sha256sum *")
  }
}
