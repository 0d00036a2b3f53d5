import Glibc
import Testing

/// Run histories in SQLite: backed up while they are written, and got back whole.
@Suite(.scratchOnDisk) struct RunHistoryTests {
  /// Makes a history of as many runs as its second word says.
  private static let maker = """
    import json, sqlite3, sys
    db = sqlite3.connect(sys.argv[1], isolation_level=None)
    db.execute("PRAGMA journal_mode=" + sys.argv[3])
    db.execute('''CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL,
      objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT,
      created_at REAL NOT NULL, approval_status TEXT DEFAULT 'pending', approval_reason TEXT,
      approved_at REAL, approved_by TEXT)''')
    db.execute("CREATE INDEX idx_runs_created_at ON runs(created_at DESC)")
    db.execute("BEGIN")
    for i in range(int(sys.argv[2])):
        db.execute("INSERT INTO runs(run_id, plan_id, objective, plan_result, execution_result, "
          "created_at) VALUES (?,?,?,?,?,?)", ("run-%06d" % i, "plan-%d" % (i % 97),
          "objective %d" % i, json.dumps({"steps": [i]}, indent=1), None, 1.7e9 + i * 0.1))
    db.execute("COMMIT")
    """

  /// Adds runs until it is stopped, each in a transaction of its own: so many a second, 0 for as many
  /// as there can be. One that was held up makes up for it. Says how many there are after each, and
  /// for how long it has been at it.
  private static let writer = """
    import os, sqlite3, sys, time
    path, number, rate, log = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    db = sqlite3.connect(path, timeout=600, isolation_level=None)
    db.execute("PRAGMA synchronous=NORMAL")
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    first, start = number, time.monotonic()
    while True:
        db.execute("INSERT INTO runs(run_id, plan_id, objective, plan_result, created_at) "
          "VALUES (?,?,?,?,?)", ("run-%06d" % number, "plan", "live", "{}", 1.8e9 + number))
        number += 1
        os.pwrite(file, b"%10d %10.3f\\n" % (number, time.monotonic() - start), 0)
        if rate:
            time.sleep(max(0, start + (number - first) / rate - time.monotonic()))
    """

  /// Says whether a history is sound and holds the runs 0 to n - 1 and no other; prints n.
  private static let prover = """
    import sqlite3, sys
    db = sqlite3.connect(sys.argv[1])
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    ids = [row[0] for row in db.execute("SELECT run_id FROM runs ORDER BY length(run_id), run_id")]
    assert ids == ["run-%06d" % i for i in range(len(ids))], "no prefix"
    print(len(ids))
    """

  /// How many runs the writer has added so far, the seconds that took it included; nil before the
  /// first.
  private func progress(_ log: String) throws -> (runs: Int, seconds: Double)? {
    guard TestFile.exists(log) else { return nil }
    let words = try TestFile.text(log).split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let runs = Int(words[0]), let seconds = Double(words[1]) else {
      return nil
    }
    return (runs, seconds)
  }

  /// A writer that commits a hundred times a second, and one that never pauses. HOLDFAST_RUNS says
  /// how many runs there are before.
  @Test(arguments: ["delete", "wal"], ["100", "0"])
  func backedUpWhileWritten(_ journal: String, _ rate: String) throws {
    let scratch = try Scratch.here()
    let asked = getenv("HOLDFAST_RUNS").flatMap { Int(String(cString: $0)) }
    let runs = asked ?? 2000
    let (store, log) = (scratch.file("runs.db"), scratch.file("log"))
    try scratch.python(Self.maker, store, "\(runs)", journal)
    let live = try scratch.start(["python3", "-c", Self.writer, store, "\(runs)", rate, log])
    defer {
      live.signal(SIGKILL)
      _ = try? live.wait()
    }
    while try progress(log) == nil { usleep(10_000) }
    // Ten times in a row, each time no less than before.
    var told: [String] = []
    for round in 0..<10 {
      // One that never pauses does so between the rounds: else a slow machine never comes to an end.
      if rate == "0" { live.signal(SIGCONT) }
      let before = try progress(log)?.runs ?? runs
      let archive = try scratch.backUp(store, to: scratch.file("repo-\(round)"))
      // The one being committed now may be in it already.
      let after = (try progress(log)?.runs ?? runs) + 1
      if rate == "0" { live.signal(SIGSTOP) }
      let target = scratch.file("out-\(round)")
      try scratch.holdfast(exit: 0, "restore", archive, "--to", target, "--quiet")
      let count = try scratch.python(Self.prover, target + "/runs.db")
      let found = try #require(count.lines.first.flatMap { Int($0) })
      #expect(found > runs && found >= before && found <= after, "\(before) \(found) \(after)")
      #expect(try scratch.digest(archive) == scratch.digest(target + "/runs.db"))
      told.append("\(found)")
      if asked != nil { try scratch.tool("rm", "-rf", target, scratch.file("repo-\(round)")) }
    }
    guard asked != nil, let end = try progress(log) else { return }
    let pace = Double(end.runs - runs) / end.seconds
    print(
      "\(journal): \(told.joined(separator: ", ")) runs; \(Int(pace.rounded())) commits a second")
    #expect(rate == "0" || pace > 99, "the writer was held up: \(pace) commits a second")
  }

  /// A program that opens the database for every row makes its log anew, and takes it away, each time.
  @Test func aWriterThatOpensItForEveryRow() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.maker, store, "20", "wal")
    let live = try scratch.start([
      "python3", "-c",
      """
      import sqlite3, sys, time
      while True:
          time.sleep(0.005)
          db = sqlite3.connect(sys.argv[1], timeout=60)
          db.execute("UPDATE runs SET objective = objective || 'x' WHERE run_id = 'run-000007'")
          db.commit()
          db.close()
      """, store,
    ])
    defer {
      live.signal(SIGKILL)
      _ = try? live.wait()
    }
    for _ in 0..<40 { try scratch.holdfast(exit: 0, "inspect", store) }
  }

  /// Every verb that takes a store takes a run history, and leaves no trace beside it.
  @Test(arguments: ["delete", "wal"]) func everyVerb(_ journal: String) throws {
    let scratch = try Scratch.here()
    try scratch.directory("store")
    let store = scratch.file("store/runs.db")
    try scratch.python(Self.maker, store, "50", journal)
    let before = try scratch.listing(scratch.file("store"))
    #expect(try scratch.json("inspect", store)["kind"]?.text == "run-history")
    #expect(try scratch.json("inspect", store)["counts"]?["run"]?.integer == 50)
    let archive = try scratch.backUp(store, to: scratch.file("repo"))
    try scratch.holdfast(exit: 0, "verify", archive)
    try scratch.holdfast(exit: 0, "diff", store, archive)
    #expect(try scratch.digest(store) == scratch.digest(archive))
    #expect(try scratch.listing(scratch.file("store")) == before)
    try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file("out"), "--quiet")
    #expect(
      try scratch.python(Self.prover, scratch.file("out/runs.db")).lines == ["50"])
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1])
      db.execute("UPDATE runs SET objective = 'another' WHERE run_id = 'run-000007'")
      db.execute("DELETE FROM runs WHERE run_id = 'run-000009'")
      db.commit()
      """, scratch.file("out/runs.db"))
    let diff = try scratch.json(exit: 3, "diff", archive, scratch.file("out/runs.db"))
    #expect(diff["changed"]?.elements.map(\.text) == ["run:run-000007"])
    #expect(diff["removed"]?.elements.map(\.text) == ["run:run-000009"])
    // The record is a row, its JSON text a string.
    let shown = try scratch.json("show", archive, "--record", "run:run-000003")
    #expect(shown["records"] != nil || shown["record"] != nil)
  }

  /// The store of one time gives the same archive, byte for byte.
  @Test func reproducible() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.maker, store, "50", "delete")
    let first = try scratch.backUp(store, to: scratch.file("a"), time: 1_700_000_000)
    let second = try scratch.backUp(store, to: scratch.file("b"), time: 1_700_000_000)
    try scratch.tool("cmp", first, second)
    let again = try scratch.json(
      "backup", store, "--to", scratch.file("a"), "--skip-unchanged")
    #expect(again["unchanged_since"] != nil)
  }

  /// A database that no longer holds together is saved as it lies, and said to be suspect.
  @Test func damagedOnesAreSavedAsTheyLie() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.maker, store, "400", "delete")
    try scratch.tool("truncate", "-s", "-8192", store)
    let archive = try scratch.backUp(store, to: scratch.file("repo"), [], exit: 3)
    try scratch.holdfast(exit: 0, "verify", archive)
    try scratch.holdfast(exit: 3, "restore", archive, "--to", scratch.file("out"), "--quiet")
    try scratch.tool("cmp", store, scratch.file("out/runs.db"))
  }

  /// Columns that SQLite computes have their values; where what computes one is not there, that is an
  /// error, and the others are read.
  @Test func computedColumns() throws {
    let scratch = try Scratch.here()
    let path = scratch.file("runs.db")
    try scratch.python(
      """
      import sqlite3, sys
      for path, computed in zip(sys.argv[1:], ["json_extract(execution_result, '$.n')", "own(objective)"]):
          db = sqlite3.connect(path)
          db.create_function("own", 1, lambda text: text, deterministic=True)
          db.execute("CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, "
            "objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, "
            "created_at REAL NOT NULL, n AS (" + computed + ") VIRTUAL, "
            "up TEXT AS (upper(objective)) STORED)")
          db.execute("INSERT INTO runs(run_id, plan_id, objective, plan_result, execution_result, "
            "created_at) VALUES ('r', 'p', 'o', '{}', ?, 1.5)", ('{\"n\":7}',))
          db.commit()
      """, path, scratch.file("own.db"))
    let archive = try scratch.backUp(path)
    for source in [path, archive] {
      let lines = scratch.fresh("lines")
      try scratch.holdfast(exit: 0, "export", source, "--as", "jsonl", "--to", lines, "--quiet")
      #expect(try TestFile.text(lines).hasSuffix(",\"created_at\":1.5,\"n\":7,\"up\":\"O\"}\n"))
    }
    let told = try scratch.json(exit: 3, "inspect", scratch.file("own.db"))
    #expect(told["records"]?.integer == 1)
    #expect(told["findings"]?.elements.count == 1)
    #expect(told["findings"]?[0]?["message"]?.text?.contains("computed columns n") == true)
  }

  /// What a program has not put into the database itself yet counts among its bytes.
  @Test func theLogCounts() throws {
    let scratch = try Scratch.here()
    let path = scratch.file("runs.db")
    try scratch.python(
      """
      import os, sqlite3, sys
      db = sqlite3.connect(sys.argv[1])
      db.execute("PRAGMA journal_mode=WAL")
      db.execute("CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, "
        "objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, "
        "created_at REAL NOT NULL)")
      db.execute("INSERT INTO runs VALUES (NULL, 'p', 'o', '{}', NULL, 1.5)")
      db.commit()
      os._exit(0)
      """, path)
    let sizes = try scratch.tool("stat", "-c", "%s", path, path + "-wal").lines.compactMap {
      Int($0)
    }
    let told = try scratch.json(exit: 3, "inspect", path)
    #expect(sizes.count == 2 && sizes[1] > 0)
    #expect(told["bytes"]?.integer == sizes.reduce(0, +))
    #expect(told["log_bytes"]?.integer == sizes.last)
    // A run that has no id is no line of anything.
    #expect(told["findings"]?[0]?["record"]?.text == "run:without an id")
  }
}
