import Salvage
import TestSupport
import Testing

/// Databases whose pages are damaged: made, and what was recovered read again, by SQLite itself.
struct DatabaseTests {
  private static let make = """
    import json, random, sqlite3, sys
    rng = random.Random(int(sys.argv[1]))
    db = sqlite3.connect('runs.db')
    db.execute('PRAGMA page_size=1024')
    db.execute('CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
               'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
               'created_at REAL NOT NULL)')
    db.execute('CREATE INDEX idx_runs_created_at ON runs(created_at DESC)')
    db.execute('CREATE TABLE other(id INTEGER PRIMARY KEY, data BLOB, n INTEGER)')
    for i in range(900):
        long = 5000 if i % 60 == 0 else 200
        db.execute('INSERT INTO runs VALUES(?,?,?,?,?,?)', (
            'run-%d' % i, 'plan-%d' % (i % 7), "it's é " + 'x' * rng.randrange(100),
            json.dumps({'a': i, 't': 'y' * rng.randrange(long)}),
            None if i % 9 == 0 else '{"success":true}', 1.7e9 + i * 1.1))
        db.execute('INSERT INTO other VALUES(?,?,?)', (i * 3 - 100, bytes([i % 256] * (i % 30)), -i))
    db.commit()
    db.close()
    data = bytearray(open('runs.db', 'rb').read())
    size = 1024
    def pages(kind):
        return [i for i in range(1, len(data) // size) if data[i * size] == kind]
    how = sys.argv[2]
    if how == 'first': data[:size] = bytes(size)
    if how == 'header': data[:100] = bytes(rng.randrange(256) for _ in range(100))
    if how == 'interior':
        for i in pages(5)[:2]: data[i * size:(i + 1) * size] = bytes(size)
    if how == 'leaf':
        for i in pages(13)[3:6]: data[i * size:(i + 1) * size] = bytes(size)
    if how == 'cut': data = data[:len(data) * 6 // 10]
    if how == 'garbage':
        for _ in range(4):
            at = rng.randrange(1, len(data) // 512) * 512
            data[at:at + 512] = bytes(rng.randrange(128, 256) for _ in range(512))
    open('damaged.db', 'wb').write(data)
    """

  private static let check = """
    import sqlite3, sys
    whole = sqlite3.connect('runs.db')
    db = sqlite3.connect(':memory:')
    db.executescript(open(sys.argv[1], encoding='utf-8').read())
    truth = whole.execute('SELECT * FROM runs').fetchall()
    found = db.execute('SELECT * FROM runs').fetchall()
    assert len(found) == len(set(found)), 'rows twice'
    assert not set(found) - set(truth), 'invented'
    if sys.argv[2] == 'all':
        assert set(found) == set(truth), len(found)
        names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        other = [n for n in names if n != 'runs']
        rows = [r[-1] for n in other for r in db.execute('SELECT * FROM "%s"' % n)]
        assert sorted(rows) == sorted(-i for i in range(900)), len(rows)
    print(len(found))
    """

  @Test(arguments: [
    ("none", true), ("first", true), ("header", true), ("interior", true), ("leaf", false),
    ("cut", false), ("garbage", false),
  ])
  func rows(_ damage: String, _ isAll: Bool) throws {
    let seed = Seeded().seed
    let scratch = try Scratch()
    try scratch.python(Self.make, "\(seed % 1_000_000)", damage)
    let bytes = try scratch.read("damaged.db")
    let request = SalvageRequest(
      paths: [scratch.file("damaged.db")], target: scratch.file("out"), time: 1_780_000_000)
    let report = try SalvagePlan(request).run()
    let story = "HOLDFAST_SEED=\(seed) \(damage)"
    let said = try scratch.python(
      Self.check, scratch.file("out/recovered/damaged.db.sql").string, isAll ? "all" : "some")
    #expect((Int(said.split(separator: "\n").last ?? "") ?? 0) > 100, "\(story) \(said)")
    let account = report.inputs[0].account
    #expect(Fate.allCases.reduce(0) { $0 + account[$1].bytes } == bytes.count, "\(story)")
    #expect(try scratch.read("damaged.db") == bytes)
    #expect(report.isWhole == (damage == "none"), "\(story)")
  }

  /// What is only in the write-ahead log counts; what was never committed does not.
  @Test func writeAheadLog() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import shutil, sqlite3
      db = sqlite3.connect('a.db', isolation_level=None)
      db.execute('PRAGMA journal_mode=WAL')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT)')
      db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
      db.execute("INSERT INTO t VALUES(7, 'in the log')")
      shutil.copy('a.db', 'b.db')
      shutil.copy('a.db-wal', 'b.db-wal')
      """)
    let request = SalvageRequest(
      paths: [scratch.file("b.db")], target: scratch.file("out"), time: 1_780_000_000)
    _ = try SalvagePlan(request).run()
    let sql = text(try scratch.read("out/recovered/b.db.sql"))
    #expect(sql.contains("INSERT INTO \"t\"(\"id\",\"x\") VALUES(7,'in the log');"))
  }
}
