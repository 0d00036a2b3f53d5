import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

/// Run histories as SQLite has them, read without a trace.
struct RunHistoryTests {
  /// Makes a history of `later` columns beyond the first version's, and prints each row as the
  /// record it must be.
  static let maker = #"""
    import json, os, random, sqlite3, struct, sys
    path, later, count, journal, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:6]
    random.seed(int(seed))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size=1024")
    if journal != "delete": db.execute("PRAGMA journal_mode=WAL")
    more = ["approval_status TEXT DEFAULT 'pending'", "approval_reason TEXT", "approved_at REAL",
            "approved_by TEXT"][:later]
    columns = ["run_id TEXT PRIMARY KEY", "plan_id TEXT NOT NULL", "objective TEXT NOT NULL",
               "plan_result TEXT NOT NULL", "execution_result TEXT", "created_at REAL NOT NULL"]
    db.execute("CREATE TABLE runs (" + ", ".join(columns + more) + ")")
    db.execute("CREATE INDEX idx_runs_created_at ON runs (created_at DESC)")
    def text(): return "".join(random.choice('ab \\"/\n\t\x01\x7f\u00e9\u2602\U0001f600\0')
                               for _ in range(random.randrange(30)))
    # Python writes 9.1e15 in full and Swift does not: the same double, and not what is tried here.
    def real():
        while True:
            value = number()
            if not 2**53 <= abs(value) < 1e16: return value
    def number(): return random.choice([
        random.random(), float(random.randrange(2**53)), 1e21, 5e-324, -0.1, 1.7976931348623157e308,
        struct.unpack("<d", struct.pack("<Q", random.getrandbits(62)))[0]])
    db.execute("BEGIN")
    for i in range(count):
        result = None if i % 7 == 6 else json.dumps({"success": i % 2 == 0, "t": text()}, indent=i % 3)
        row = ["run-%d" % i, text(), text(), json.dumps([text()]), result, real()]
        row += [random.choice(["pending", None]), None, real(), text()][:later]
        db.execute("INSERT INTO runs VALUES (%s)" % ",".join("?" * len(row)), row)
    db.execute("COMMIT")
    db.row_factory = sqlite3.Row
    for row in db.execute("SELECT * FROM runs ORDER BY rowid"):
        print(json.dumps(dict(row), ensure_ascii=False, separators=(",", ":")))
    sys.stdout.flush()
    if journal == "left": os._exit(0)
    db.close()
    """#

  /// The records of a store as their bytes, with its findings.
  static func read(_ path: FilePath) throws -> (records: [String], findings: [Finding]) {
    let tree = try DiskTree(path)
    let format = try StoreFormat.databaseFormats.detect(tree, path: path.string)
    #expect(format.name == "run-history")
    let survey = Survey(rules: true, paths: [path.string])
    var records: [String] = []
    survey.onRecord = { record, _ in
      let bytes = record.text.bytes.array
      records.append(String(decoding: bytes, as: UTF8.self))
      #expect(record.kind == .run)
    }
    try format.read(tree, ReadOptions(), survey)
    try survey.finish()
    return (records, survey.log.findings)
  }

  /// Names, sizes, times and content of everything in the directory.
  static func listing(_ scratch: Scratch) throws -> String {
    try scratch.run("ls -la --time-style=full-iso store; cat store/* | sha256sum")
  }

  static let journals = ["delete", "wal", "left", "no-index", "read-only"]

  /// Each version of the columns, with and without a WAL beside it: every value comes as it is,
  /// and nothing is changed, made or removed.
  @Test(arguments: [0, 1, 2, 3, 4], journals)
  func everyVersion(_ later: Int, _ journal: String) throws {
    let scratch = try Scratch()
    var random = Seeded()
    let state = ["no-index", "read-only"].contains(journal) ? "left" : journal
    try scratch.run("mkdir store")
    let printed = try scratch.python(
      Self.maker, "store/runs.db", "\(later)", "40", state, "\(random.below(1 << 40))")
    if journal == "no-index" { try scratch.run("rm store/runs.db-shm") }
    if journal == "read-only" { try scratch.run("chmod 444 store/*; chmod 555 store") }
    let before = try Self.listing(scratch)
    let (records, findings) = try Self.read(scratch.file("store/runs.db"))
    #expect(
      records == printed.split(separator: "\n").map(String.init), "seed \(random.seed)")
    #expect(findings == [])
    #expect(try Self.listing(scratch) == before)
  }

  /// What a database has beside its runs is lost where only its records are written.
  @Test func whatIsBesideTheRuns() throws {
    let scratch = try Scratch()
    try scratch.run("mkdir store")
    try scratch.python(Self.maker, "store/runs.db", "4", "3", "delete", "7")
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect("store/runs.db")
      db.executescript("CREATE TABLE notes (a); CREATE INDEX i ON notes (a);"
                       "CREATE VIEW late AS SELECT * FROM runs")
      """)
    let (records, findings) = try Self.read(scratch.file("store/runs.db"))
    #expect(records.count == 3)
    #expect(findings.map(\.code) == [.unknownMember])
    #expect(findings.first?.severity == .note)
    #expect(findings.first?.message.contains("table notes, view late;") == true)
  }

  /// What a program that died had begun to write does not count.
  @Test(arguments: ["delete", "left"]) func unfinishedTransactions(_ journal: String) throws {
    let scratch = try Scratch()
    try scratch.run("mkdir store")
    let printed = try scratch.python(Self.maker, "store/runs.db", "4", "300", journal, "7")
    try scratch.python(
      """
      import os, sqlite3, sys
      db = sqlite3.connect("store/runs.db", isolation_level=None)
      db.execute("PRAGMA cache_size=2")
      db.execute("BEGIN")
      db.execute("UPDATE runs SET objective = hex(randomblob(400))")
      os._exit(0)
      """)
    let before = try Self.listing(scratch)
    #expect(journal == "left" || scratch.exists("store/runs.db-journal"))
    let (records, findings) = try Self.read(scratch.file("store/runs.db"))
    #expect(records == printed.split(separator: "\n").map(String.init))
    #expect(findings == [])
    #expect(try Self.listing(scratch) == before)
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var change: String
    var records: Int
    var codes: [Finding.Code]
  }

  static let damages = [
    Damage(
      testDescription: "JSON that is none",
      change: "UPDATE runs SET plan_result = '{\"a\":' WHERE rowid = 3;", records: 20,
      codes: [.badJSON]),
    Damage(
      testDescription: "values of other types",
      change: """
        UPDATE runs SET created_at = 'yesterday', execution_result = x'00ff' WHERE rowid = 5;
        UPDATE runs SET objective = CAST(x'ff41' AS TEXT) WHERE rowid = 6;
        """, records: 20, codes: [.wrongType, .wrongType, .wrongType]),
    Damage(
      testDescription: "a column gone",
      change: "ALTER TABLE runs DROP COLUMN objective;", records: 20, codes: [.missingColumn]),
    Damage(
      testDescription: "a later column gone",
      change: "ALTER TABLE runs DROP COLUMN approved_at;", records: 20, codes: [.missingColumn]),
    Damage(
      testDescription: "no id",
      change: "UPDATE runs SET run_id = NULL WHERE rowid = 2;", records: 20,
      codes: [.missingField]),
    Damage(
      testDescription: "an index that lies",
      change: """
        PRAGMA writable_schema=ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'DESC', 'ASC') WHERE type = 'index'
          AND sql IS NOT NULL;
        """, records: 20, codes: [.integrityCheck]),
  ]

  @Test(arguments: damages) func findings(_ damage: Damage) throws {
    let scratch = try Scratch()
    try scratch.python(Self.maker, "runs.db", "4", "20", "delete", "3")
    try scratch.write(damage.change, to: "change.sql")
    try scratch.run("sqlite3 runs.db < change.sql")
    let (records, findings) = try Self.read(scratch.file("runs.db"))
    #expect(records.count == damage.records)
    #expect(Set(findings.map(\.code)) == Set(damage.codes), "\(findings)")
    #expect(findings.count >= damage.codes.count)
  }

  /// Rows on both sides of a page that cannot be read.
  @Test func readsAroundADamagedPage() throws {
    let scratch = try Scratch()
    try scratch.python(Self.maker, "runs.db", "4", "200", "delete", "5")
    let whole = try Self.read(scratch.file("runs.db")).records
    try scratch.python(
      """
      data = bytearray(open("runs.db", "rb").read())
      leaves = [p for p in range(1, len(data) // 1024) if data[p * 1024] == 0x0D]
      at = leaves[len(leaves) // 2] * 1024
      data[at:at + 1024] = bytes(1024)
      open("runs.db", "wb").write(data)
      """)
    let (records, findings) = try Self.read(scratch.file("runs.db"))
    #expect(Set(records).isSubset(of: Set(whole)))
    #expect(records.contains(whole[0]) && records.contains(whole[199]))
    #expect(records.count > 180 && records.count < 200)
    #expect(findings.contains { $0.code == .unreadable && $0.severity == .error })
    #expect(findings.contains { $0.code == .integrityCheck })
  }

  /// A database of something else is no run history.
  @Test func otherDatabases() throws {
    let scratch = try Scratch()
    try scratch.run("sqlite3 other.db 'CREATE TABLE runs(a); CREATE TABLE t(run_id);'")
    #expect(throws: StoreError.self) {
      try StoreFormat.databaseFormats.detect(DiskTree(scratch.file("other.db")), path: "other.db")
    }
  }
}
