import Testing

/// `recover` of run histories: sound or not, with a write-ahead log or without.
@Suite(.scratch) struct RecoverDatabaseTests {
  enum Damage: String, CaseIterable { case none, page, firstPage }

  private static let make = """
    import shutil, sqlite3, sys
    path, has_log, stage = sys.argv[1:]
    made = sqlite3.connect(path + '.made')
    made.execute('PRAGMA page_size=1024')
    made.execute('PRAGMA journal_mode=WAL')
    if stage == 'first':
        made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
            'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
            'created_at REAL NOT NULL)')
        made.executemany('INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?)',
            [(f'run-{i:04}', 'plan', 'x' * 100, '{}', 1.5 * i) for i in range(200)])
        made.commit()
        made.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    else:
        made.execute("INSERT INTO runs VALUES ('run-9999', 'plan', 'late', '{}', NULL, 9.5)")
        made.commit()
        if has_log == 'false': made.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    shutil.copy(path + '.made', path)
    if has_log == 'true' and stage != 'first':
        shutil.copy(path + '.made-wal', path + '-wal')
    """

  private static let rows = """
    import sqlite3, sys
    made = sqlite3.connect(sys.argv[1])
    assert made.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
    for row in made.execute('SELECT * FROM runs ORDER BY run_id'): print(row)
    """

  @Test(arguments: Damage.allCases, [false, true])
  func everyRow(_ damage: Damage, _ hasLog: Bool) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "\(hasLog)", "first")
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.python(Self.make, store, "\(hasLog)", "second")
    let truth = try scratch.python(Self.rows, store + ".made").text
    #expect(truth.contains("late"))
    var bytes = try TestFile.read(store)
    if damage != .none {
      let page = damage == .page ? 7 : 0
      bytes.replaceSubrange(
        page * 1024..<(page + 1) * 1024, with: [UInt8](repeating: 0, count: 1024))
      try TestFile.write(bytes, to: store)
    }
    let log = hasLog ? try TestFile.read(store + "-wal") : []
    let kept = scratch.file(".recovery")
    let shown = try scratch.json(exit: damage == .none ? 0 : 3, "recover", store)
    #expect(shown["sound"]?.isTrue == (damage == .none))
    #expect(try TestFile.read(store) == bytes && !TestFile.exists(kept))
    let found = try scratch.json(exit: damage == .none ? 0 : 3, "recover", store, "--yes")
    if damage == .none {
      #expect(try TestFile.read(store) == bytes && !TestFile.exists(kept))
      if hasLog { #expect(try TestFile.read(store + "-wal") == log) }
      return
    }
    let undo = try #require(found["undo"]?.text)
    #expect(try TestFile.read(undo + "/runs.db") == bytes)
    if hasLog { #expect(try TestFile.read(undo + "/runs.db-wal") == log) }
    #expect(!TestFile.exists(store + "-wal"))
    #expect(try scratch.python(Self.rows, store).text == truth)
    #expect(try scratch.json("recover", store, "--yes")["sound"]?.isTrue == true)
  }
}
