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

  /// SQLite takes nothing from a log whose head is damaged, and says nothing: what it had committed is
  /// lost with the next write.
  @Test(arguments: ["head", "frame", "none"]) func aDamagedLog(_ part: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(
      """
      import shutil, sqlite3, sys
      path, part = sys.argv[1:]
      made = sqlite3.connect(path + '.made')
      made.execute('PRAGMA page_size=1024')
      made.execute('PRAGMA journal_mode=WAL')
      made.execute('PRAGMA wal_autocheckpoint=0')
      made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
          'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
          'created_at REAL NOT NULL)')
      for i in range(80):
          if i == 20: made.execute('PRAGMA wal_checkpoint(TRUNCATE)')
          made.execute('INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?)',
              (f'run-{i:04}', 'plan', 'x' * 100, '{}', 1.5 * i))
          made.commit()
      shutil.copy(path + '.made', path)
      log = bytearray(open(path + '.made-wal', 'rb').read())
      if part == 'head': log[:512] = bytes(512)
      if part == 'frame': log[32 + 40 * 1048 + 300] ^= 1
      open(path + '-wal', 'wb').write(log)
      """, store, part)
    if part == "none" {
      try scratch.holdfast(exit: 0, "inspect", store)
      try scratch.holdfast(exit: 0, "backup", store)
      return
    }
    let told = try scratch.json(exit: 3, "inspect", store)
    let damage = told["findings"]?.elements.filter {
      $0["message"]?.text?.contains("log beside it") == true
    }
    #expect(damage?.count == 1, "\(told)")
    try scratch.holdfast(exit: 3, "backup", store)
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    let kept = found["inputs"]?[0]?["irregular"]?["records"]?.integer ?? 0
    let recovered = found["counts"]?["run"]?.integer ?? 0
    // What two versions of a page have is there twice.
    #expect(recovered + kept >= 78, "\(found)")
    try scratch.holdfast(exit: 0, "inspect", store)
    #expect(try scratch.json("recover", store)["sound"]?.isTrue == true)
  }

  /// A run of the backup whose place another one has taken since, by an index of its owner's.
  @Test func aRunThatTheTableRulesOut() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "false", "first")
    let edit = """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      made.executescript(sys.argv[2])
      made.execute('PRAGMA journal_mode=DELETE')
      """
    try scratch.python(
      edit, store, "UPDATE runs SET objective = run_id; CREATE UNIQUE INDEX u ON runs (objective)")
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.python(
      edit, store,
      "DELETE FROM runs WHERE run_id = 'run-0190'; UPDATE runs SET objective = 'run-0190' "
        + "WHERE run_id = 'run-0003'")
    // A leaf in the middle of the table.
    var bytes = try TestFile.read(store)
    let page = try #require((20..<40).first { bytes[$0 * 1024] == 0x0D })
    bytes.replaceSubrange(page * 1024..<(page + 1) * 1024, with: [UInt8](repeating: 0, count: 1024))
    try TestFile.write(bytes, to: store)
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect((found["filled"]?.integer ?? 0) > 0)
    // The version of the one that was changed, and the one that has no place.
    #expect(found["conflicts"]?.integer == 2, "\(found)")
    let rows = try scratch.python(Self.rows, store).text
    #expect(rows.contains("('run-0003', 'plan', 'run-0190'") && !rows.contains("('run-0190'"))
    #expect(rows.split(separator: "\n").count == 199)
  }

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

  /// What a database holds beside runs stays as it is when lost ones are filled in, and no trigger
  /// takes them for new.
  @Test(arguments: ["runs", "migrated"]) func theRestOfTheDatabase(_ kind: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "false", "first")
    if kind == "migrated" {
      try scratch.holdfast(exit: 0, "migrate", store, "--to", scratch.file("m/runs.db"))
      try TestFile.write(TestFile.read(scratch.file("m/runs.db")), to: store)
    }
    try scratch.python(
      """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      made.executescript('''
          PRAGMA journal_mode=DELETE;
          CREATE TABLE notes (n INTEGER PRIMARY KEY, t TEXT, twice AS (n * 2), half AS (n / 2) STORED);
          INSERT INTO notes (n, t) VALUES (7, 'kept');
          CREATE TABLE plain (x);
          INSERT INTO plain (rowid, x) VALUES (41, 'kept as well');
          CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
          INSERT INTO keyed VALUES ('k', NULL);
          CREATE TABLE given (n INTEGER PRIMARY KEY AUTOINCREMENT);
          INSERT INTO given VALUES (9);
          DELETE FROM given;
          CREATE VIEW latest AS SELECT max(created_at) FROM runs;
          CREATE INDEX notes_by_t ON notes (t);
          CREATE INDEX runs_by_objective ON runs (objective);
          CREATE TRIGGER added AFTER INSERT ON runs BEGIN DELETE FROM plain; END;
          CREATE TRIGGER gone AFTER DELETE ON runs BEGIN DELETE FROM notes; END;
      ''')
      """, store)
    try scratch.holdfast(exit: 0, "backup", store)
    let look = """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      assert made.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
      print(sorted(made.execute('SELECT type, name, sql FROM sqlite_schema').fetchall()))
      for what in ('* FROM runs ORDER BY run_id', '* FROM notes', 'rowid, * FROM plain',
                   '* FROM keyed', '* FROM latest', '* FROM sqlite_sequence'):
          print(made.execute('SELECT ' + what).fetchall())
      """
    let truth = try scratch.python(look, store).text
    let last = "SELECT rowid, run_id FROM runs WHERE run_id > 'run-0100' ORDER BY 1"
    let lastTruth = try scratch.tool("sqlite3", store, last).text
    try scratch.python(
      """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      size = made.execute('PRAGMA page_size').fetchone()[0]
      table = 'runs' if sys.argv[2] == 'runs' else 'records'
      root = made.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (table,)).fetchone()[0]
      made.close()
      data = bytearray(open(sys.argv[1], 'rb').read())
      at = (root - 1) * size
      assert data[at] == 5, data[at]
      # The first page that the root leads to.
      cell = at + int.from_bytes(data[at + 12:at + 14], 'big')
      leaf = (int.from_bytes(data[cell:cell + 4], 'big') - 1) * size
      assert data[leaf] == 13
      data[leaf:leaf + size] = bytes(size)
      open(sys.argv[1], 'wb').write(data)
      """, store, kind)
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect((found["filled"]?.integer ?? 0) > 0, "\(found)")
    #expect(try scratch.python(look, store).text == truth)
    // The table that its owner filled keeps the row ids of what the damage left.
    if kind == "runs" {
      #expect(try scratch.tool("sqlite3", store, last).text == lastTruth)
    }
    #expect(try scratch.json("recover", store, "--yes")["sound"]?.isTrue == true)
  }

  /// A sound database that is written with a log, and a run in it that damage has altered.
  @Test func anAlteredRun() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "false", "first")
    let archive = try scratch.backUp(store)
    let truth = try scratch.python(Self.rows, store).text
    try scratch.python(
      """
      import os, sys
      times = os.stat(sys.argv[1])
      data = open(sys.argv[1], 'rb').read()
      open(sys.argv[1], 'wb').write(data.replace(b'run-0100plan' + b'x' * 9, b'run-0100plan' + b'y' * 9))
      os.utime(sys.argv[1], ns=(times.st_atime_ns, times.st_mtime_ns))
      """, store)
    let out = scratch.file("out")
    let found = try scratch.json(exit: 3, "salvage", store, "--with", archive, "--to", out)
    #expect(found["altered"]?.integer == 1, "\(found)")
    #expect(try scratch.python(Self.rows, out + "/recovered/runs.db").text == truth)
  }

  /// A sound database with a run of which damage has altered a text. `which`: one of many, or the only one.
  private static let refused = """
    import sqlite3, sys
    path, mode, which = sys.argv[1:]
    made = sqlite3.connect(path)
    made.execute('PRAGMA journal_mode=' + mode)
    made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
        'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
        'created_at REAL NOT NULL)')
    made.execute("CREATE TRIGGER kept BEFORE DELETE ON runs BEGIN SELECT raise(ABORT, 'no'); END")
    made.executemany('INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?)',
        [(f'run-{i}', 'plan', 'x', '{}', 1.5 * i) for i in range(9 if which == 'one' else 0)])
    made.execute('INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?)',
        ('run-bad', 'plan', 'w' * 900 + 'y' * 512 if mode == 'wal' else 'x',
         '{"a":"%s"}' % ('z' * (0 if mode == 'wal' else 100)), 1.5))
    made.commit()
    made.close()
    """

  private static let alter = """
    import sys
    data = open(sys.argv[1], 'rb').read()
    data = data.replace(b'z' * 100, b'z' * 50 + bytes([0xFF]) + b'z' * 49)
    # A sector that the disk has lost.
    open(sys.argv[1], 'wb').write(data.replace(b'y' * 512, bytes(512)))
    """

  /// A run that the rules refuse is not recovered; once it is set aside, the history is sound. Where
  /// nothing else is left, it stays as it is, every time.
  @Test(arguments: ["delete", "wal"], ["one", "only"])
  func refusedRuns(_ mode: String, _ which: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.refused, store, mode, which)
    let archive = try scratch.backUp(store)
    try scratch.python(Self.alter, store)
    let bytes = try TestFile.read(store)
    let told = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    let count = which == "one" ? 9 : 0
    #expect(told["inputs"]?[0]?["recovered"]?["records"]?.integer == count)
    #expect(told["inputs"]?[0]?["irregular"]?["records"]?.integer == 1)
    #expect((told["counts"]?["run"]?.integer ?? 0) == count, "\(told)")
    let script = try TestFile.text(scratch.file("out/irregular/runs.db.sql"))
    #expect(script.contains("run-bad"), "\(script)")
    #expect(script.contains(mode == "wal" ? "a lost sector" : "invalid UTF-8"), "\(script)")
    let found = try scratch.python(Self.rows, scratch.file("out/recovered/runs.db"))
    #expect(found.lines.count == count && !found.text.contains("run-bad"))
    #expect(try TestFile.read(scratch.file("out/recovered/runs.db"))[18] == bytes[18])
    // Not from the backup beside it.
    let alone = try scratch.write(bytes, to: "alone/runs.db")
    for turn in 1...2 {
      if which == "only" {
        try scratch.holdfast(exit: 13, "recover", alone, "--yes")
        #expect(try TestFile.read(alone) == bytes)
        #expect(try TestFile.names(scratch.file("alone/.recovery")) == [".lock"])
      } else {
        try scratch.holdfast(exit: turn == 1 ? 3 : 0, "recover", alone, "--yes")
        #expect(try scratch.python(Self.rows, alone).lines.count == count)
      }
    }
    let mended = try scratch.json(exit: 3, "recover", store, "--yes", "--with", archive)
    let rows = try scratch.python(Self.rows, store)
    let lost = mode == "wal" ? "y" : "z"
    #expect(
      rows.lines.count == count + 1 && rows.text.contains(String(repeating: lost, count: 100)))
    let log = try TestFile.text(try #require(mended["log"]?.text))
    #expect(log.contains("run:run-bad: from "), "\(log)")
    try scratch.holdfast(exit: 0, "recover", store, "--yes")
  }

  /// What is wrong with a history and cannot be mended does not have it replaced.
  @Test func nothingToChange() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(
      """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, objective TEXT)')
      made.execute("INSERT INTO runs VALUES ('r', 'o')")
      made.commit()
      """, store)
    let bytes = try TestFile.read(store)
    for _ in 1...2 {
      let refused = try scratch.holdfast(exit: 13, "recover", store, "--yes")
      #expect(refused.message.contains("cannot be mended"), "\(refused)")
      #expect(try TestFile.read(store) == bytes)
      #expect(try TestFile.names(scratch.file(".recovery")) == [".lock"])
    }
  }

  /// A head that SQLite cannot open the database by is damage as any other.
  @Test(arguments: ["100:412", "100:1", "16:2", "44:4"]) func aDamagedHead(_ place: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "false", "first")
    let truth = try scratch.python(Self.rows, store).text
    try scratch.holdfast(exit: 0, "backup", store)
    let numbers = place.split(separator: ":").compactMap { Int($0) }
    var bytes = try TestFile.read(store)
    // No format of a schema, no size of a page and no kind of one has such a number.
    for at in numbers[0]..<numbers[0] + numbers[1] { bytes[at] = place == "44:4" ? 99 : 0 }
    try TestFile.write(bytes, to: store)
    let refused = try scratch.holdfast(exit: 13, "digest", store)
    #expect(refused.message.contains("holdfast salvage"), "\(refused)")
    try scratch.holdfast(exit: 3, "recover", store, "--yes")
    #expect(try scratch.python(Self.rows, store).text == truth)
    try scratch.holdfast(exit: 0, "recover", store, "--yes")
  }

  /// What was written since the backup may be in the log alone: the file's own time says nothing then.
  @Test func writtenToTheLogAlone() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store, "false", "first")
    try scratch.holdfast(exit: 0, "backup", store)
    let truth = try scratch.python(
      """
      import os, shutil, sqlite3, sys
      path = sys.argv[1]
      made = sqlite3.connect(path + '.made')
      made.execute("INSERT INTO runs VALUES ('run-9999', 'plan', 'late', '{}', NULL, 9.5)")
      made.execute("UPDATE runs SET objective = 'changed' WHERE run_id = 'run-0100'")
      made.commit()
      for row in made.execute('SELECT * FROM runs ORDER BY run_id'): print(row)
      shutil.copy(path + '.made-wal', path + '-wal')
      times = os.stat(path)
      with open(path, 'r+b') as file:
          # A page that the log does not have anew.
          at = file.read().index(b'run-0050') // 1024 * 1024
          file.seek(at)
          file.write(bytes(1024))
      os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
      """, store
    ).text
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect(try scratch.python(Self.rows, store).text == truth, "\(found)")
  }
}
