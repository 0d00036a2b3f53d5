import Glibc
import Testing

/// `recover`, and what `salvage` fills in from a backup or mends.
@Suite(.scratch) struct RecoverTests {
  /// A store with a backup beside it, then cut short; the records that it had.
  private func damaged(_ scratch: Scratch) throws -> (store: String, digest: String) {
    let lines = SampleRecords.lines(SampleRecords.graph(40), last: "\n")
    let store = try scratch.write(lines, to: "memory.jsonl")
    let digest = try scratch.digest(store)
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.write(Array(lines.prefix(lines.count / 2)), to: "memory.jsonl")
    return (store, digest)
  }

  @Test func aSoundStoreIsLeftAlone() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(SampleRecords.lines(SampleRecords.graph(5)), to: "memory.jsonl")
    let before = try TestFile.names(scratch.path)
    let found = try scratch.json("recover", store, "--yes")
    #expect(found["sound"]?.isTrue == true)
    #expect(try TestFile.names(scratch.path) == before)
  }

  @Test func withoutYesNothingIsWritten() throws {
    let scratch = try Scratch.here()
    let (store, _) = try damaged(scratch)
    let before = try TestFile.read(store)
    let found = try scratch.json(exit: 3, "recover", store)
    #expect(found["sound"]?.isTrue == false && found["recovered"]?.isTrue == false)
    #expect((found["filled"]?.integer ?? 0) > 0)
    #expect(try TestFile.read(store) == before)
    #expect(!TestFile.exists(scratch.file(".recovery")))
  }

  @Test func theStoreIsWholeAgain() throws {
    let scratch = try Scratch.here()
    let (store, digest) = try damaged(scratch)
    let before = try TestFile.read(store)
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect(found["replaced"]?[0]?.text == store)
    #expect(try scratch.digest(store) == digest)
    let undo = try #require(found["undo"]?.text)
    #expect(try TestFile.read(undo + "/memory.jsonl") == before)
    let log = try TestFile.text(found["log"]?.text ?? "")
    #expect(log.contains("torn-tail") && log.contains("Put in place\n  \(store)\n"), "\(log)")
    // All is done that a salvage leaves to do.
    #expect(!log.contains("--with") && !log.contains("recovered/"), "\(log)")
    for word in log.split(whereSeparator: { " \n".contains($0) }) where word.hasPrefix("/") {
      #expect(TestFile.exists(String(word)), "\(word)")
    }
    // Once more: nothing is left to do.
    let after = try TestFile.names(scratch.file(".recovery"))
    #expect(try scratch.json("recover", store, "--yes")["sound"]?.isTrue == true)
    #expect(try TestFile.names(scratch.file(".recovery")) == after)
    let undoing = log.split(separator: "\n").filter { $0.hasPrefix("  cp ") }.map(String.init)
    try scratch.tool("sh", "-ec", undoing.joined(separator: "\n"))
    #expect(try TestFile.read(store) == before)
  }

  /// Cut between two records, with the time that it had when it was backed up: nothing of it is damaged
  /// by itself. Once it has been written, a shorter one is what its writer made of it.
  @Test(arguments: [false, true])
  func cutBetweenRecords(_ isWritten: Bool) throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(40), last: "\n")
    let store = try scratch.write(lines, to: "memory.jsonl")
    let digest = try scratch.digest(store)
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.python(
      """
      import os, sys
      path, written = sys.argv[1:]
      times = os.stat(path)
      lines = open(path, 'rb').readlines()
      open(path, 'wb').write(b''.join(lines[:30]))
      os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + (written == 'true')))
      """, store, "\(isWritten)")
    let cut = try TestFile.read(store)
    let found = try scratch.json(exit: isWritten ? 0 : 3, "recover", store, "--yes")
    #expect(found["sound"]?.isTrue == isWritten)
    #expect(try TestFile.read(store) == (isWritten ? cut : lines))
    #expect(try scratch.json("recover", store, "--yes")["sound"]?.isTrue == true)
    if !isWritten { #expect(try scratch.digest(store) == digest) }
  }

  /// A writer that was stopped between emptying a file and writing it: among others the file looks like
  /// a context without records.
  @Test func anEmptiedContext() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(6), last: "\n")
    for name in ["s/charts.jsonl", "s/charts-b.jsonl"] { try scratch.write(lines, to: name) }
    try scratch.write("", to: "s/charts-c.jsonl")
    let store = scratch.file("s")
    try scratch.holdfast(exit: 0, "backup", store)
    #expect(try scratch.json("recover", store)["sound"]?.isTrue == true)
    try scratch.write("", to: "s/charts-b.jsonl")
    #expect(try scratch.json(exit: 3, "recover", store)["findings"]?.elements.count == 1)
    try scratch.holdfast(exit: 3, "recover", store, "--yes")
    #expect(try TestFile.read(store + "/charts-b.jsonl") == lines)
    #expect(try scratch.json("recover", store)["sound"]?.isTrue == true)
  }

  /// Nothing but white space is nothing, whatever its length.
  @Test(arguments: ["\n", "\r\n", "\u{FEFF}"]) func nothingButALineBreak(_ left: String) throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(6), last: "\n")
    for name in ["memory.jsonl", "s/charts.jsonl", "s/charts-b.jsonl"] {
      try scratch.write(lines, to: name)
    }
    for (store, file) in [("memory.jsonl", "memory.jsonl"), ("s", "s/charts.jsonl")] {
      let path = scratch.file(store)
      try scratch.holdfast(exit: 0, "backup", path)
      try scratch.write(left, to: file)
      try scratch.holdfast(exit: 3, "recover", path, "--yes")
      #expect(try TestFile.read(scratch.file(file)) == lines)
      #expect(try scratch.json("recover", path)["sound"]?.isTrue == true)
    }
  }

  /// A store that something has replaced is sound by itself, and its backup says what it was.
  @Test(arguments: ["{}", "[]", #"{"message":"Not Found","status":404}"#])
  func replacedBySomethingElse(_ now: String) throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(6), last: "\n"), to: "memory.jsonl")
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.write(now, to: "memory.jsonl")
    let told = try scratch.holdfast(exit: 13, "recover", store, "--yes").message
    #expect(told.contains("memory-graph") && told.contains("--overwrite"), "\(told)")
    #expect(try TestFile.text(store) == now)
  }

  /// One line of a log is JSON too: a log that began anew is no other kind.
  @Test func aLogThatBeganAnew() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      (0..<40).map { #"{"at":\#($0)}"# + "\n" }.joined(), to: "events.jsonl")
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.write(#"{"at":40}"# + "\n", to: "events.jsonl")
    #expect(try scratch.json("recover", store, "--yes")["sound"]?.isTrue == true)
  }

  /// Fewer bytes for the same records, and a time that was kept, are no loss.
  @Test func otherLineEnds() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(6), last: "\n")
    let store = try scratch.write(
      lines.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }, to: "memory.jsonl")
    try scratch.holdfast(exit: 0, "backup", store)
    try scratch.tool("cp", "-p", store, scratch.file("before"))
    try scratch.write(lines, to: "memory.jsonl")
    try scratch.tool("touch", "-r", scratch.file("before"), store)
    #expect(try scratch.json(exit: 0, "recover", store, "--yes")["sound"]?.isTrue == true)
  }

  /// Contexts that nothing is wrong with stay as they are, byte by byte, though they lack a last LF.
  @Test func soundContexts() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(6))
    for name in ["charts", "charts-b", "charts-c"] {
      try scratch.write(lines, to: "s/\(name).jsonl")
    }
    try scratch.write(Array(lines.dropLast(20)), to: "s/charts-b.jsonl")
    let store = scratch.file("s")
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect(found["replaced"]?.elements.map(\.text) == [store + "/charts-b.jsonl"])
    for name in ["charts", "charts-c"] {
      #expect(try TestFile.read("\(store)/\(name).jsonl") == lines)
    }
  }

  /// The commands that undo a recovery work wherever the store lies.
  @Test(arguments: ["it's here", "$(id) `id`; \\ \"q\"", "a*b [c] ~ é"])
  func undoneInAnOddPlace(_ name: String) throws {
    let scratch = try Scratch.here()
    let torn =
      "{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]}\n{\"ty"
    let store = try scratch.write(torn, to: "\(name)/memory.jsonl")
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect(try TestFile.text(store) != torn)
    let log = try TestFile.text(found["log"]?.text ?? "")
    let undoing = log.split(separator: "\n").filter { $0.hasPrefix("  cp ") }.map(String.init)
    try scratch.tool("sh", "-ec", undoing.joined(separator: "\n"))
    #expect(try TestFile.text(store) == torn, "\(log)")
  }

  /// A file that a recovery adds goes with the others when it is undone.
  @Test func anAddedFileUndone() throws {
    let scratch = try Scratch.here()
    let (store, before) = (scratch.file("archive"), scratch.file("before"))
    try scratch.tool("cp", "-a", "\(SalvageKindTests.samples)/intact/archive", store)
    try scratch.holdfast(exit: 0, "backup", store)
    let hash = "00bcf5fbf92d0bfe9c44c0809564739c913625ec862e226ec96cdaeb493cc4a9"
    let place = store + "/intents/00/bc/\(hash).json"
    try scratch.tool("rm", place)
    try scratch.tool("cp", "-a", store, before)
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    #expect(TestFile.exists(place), "\(found)")
    let log = try TestFile.text(found["log"]?.text ?? "")
    let undoing = log.split(separator: "\n").filter {
      $0.hasPrefix("  cp ") || $0.hasPrefix("  rm ")
    }
    try scratch.tool("sh", "-ec", undoing.joined(separator: "\n"))
    try scratch.tool("diff", "-r", "-x", ".recovery", "-x", ".backup", before, store)
  }

  /// What a backup that cannot be relied on could fill in is not given up in silence.
  @Test func aBackupThatCannotBeReliedOn() throws {
    let scratch = try Scratch.here()
    let (store, digest) = try damaged(scratch)
    let repository = scratch.file(".backup")
    let archive = try #require(try TestFile.names(repository).first { $0.hasSuffix(".tar.zst") })
    let path = "\(repository)/\(archive)"
    try TestFile.write(Array("{".utf8), to: Scratch.sidecar(of: path))
    let before = try TestFile.read(store)
    let refused = try scratch.holdfast(exit: 12, "recover", store, "--yes")
    #expect(refused.message.contains("--with"), "\(refused)")
    #expect(try TestFile.read(store) == before)
    try scratch.holdfast(exit: 3, "recover", store, "--yes", "--with", path)
    #expect(try scratch.digest(store) == digest)
  }

  /// A store of which nothing is left is not replaced by an empty one, which would look sound.
  @Test(arguments: ["memory.jsonl", "runs.db", "tasks.json"])
  func nothingLeft(_ name: String) throws {
    let scratch = try Scratch.here()
    let bytes =
      name == "tasks.json" ? Array(#"{"users": {"mira": {"#.utf8) : .init(repeating: 0, count: 999)
    let store = try scratch.write(bytes, to: name)
    for option in ["--dry-run", "--yes", "--yes"] {
      let outcome = try scratch.holdfast(exit: 13, "recover", store, option)
      #expect(outcome.message.contains("nothing of it can be recovered"), "\(outcome)")
    }
    #expect(try TestFile.read(store) == bytes)
    #expect(try TestFile.names(scratch.file(".recovery")) == [".lock"])
    // A backup has what it lacks.
    guard name == "memory.jsonl" else { return }
    let whole = SampleRecords.lines(SampleRecords.graph(5), last: "\n")
    try scratch.write(whole, to: name)
    let archive = try scratch.backUp(store)
    try scratch.write(bytes, to: name)
    try scratch.holdfast(exit: 3, "recover", store, "--yes", "--with", archive)
    #expect(try TestFile.read(store) == whole)
  }

  /// A store that a symbolic link leads to is mended where it lies.
  @Test func behindALink() throws {
    let scratch = try Scratch.here()
    let whole = SampleRecords.lines(SampleRecords.graph(5), last: "\n")
    let file = try scratch.write(whole + Array(#"{"type":"#.utf8), to: "there/memory.jsonl")
    let link = scratch.file("memory.jsonl")
    try scratch.tool("ln", "-s", "there/memory.jsonl", link)
    try scratch.holdfast(exit: 3, "recover", link, "--yes")
    #expect(try TestFile.read(file) == whole)
    try scratch.tool("test", "-h", link)
    try scratch.holdfast(exit: 0, "recover", link, "--yes")
  }

  /// It still belongs to whom it did, and nothing of it goes where a link in it leads.
  @Test func ownerAndPlace() throws {
    let scratch = try Scratch.here()
    let torn = SampleRecords.lines(SampleRecords.graph(5), last: "\n{\"type\":\"ent\n")
    let store = try scratch.write(torn, to: "memory.jsonl")
    // Without rights over other users there is none to give it to.
    let owner = geteuid() == 0 ? "1234:1235" : "\(getuid()):\(getgid())"
    try scratch.tool("chown", owner, store)
    try scratch.holdfast(exit: 3, "recover", store, "--yes")
    #expect(try scratch.tool("stat", "-c", "%u:%g", store).lines == [owner])
    try scratch.write(torn, to: "store/memory.jsonl")
    let elsewhere = try scratch.directory("elsewhere")
    try scratch.tool("ln", "-s", elsewhere, scratch.file("store/.recovery"))
    try scratch.holdfast(exit: 13, "recover", scratch.file("store"), "--yes")
    #expect(try TestFile.names(elsewhere).isEmpty)
    #expect(try TestFile.read(scratch.file("store/memory.jsonl")) == torn)
  }

  /// The log of a damaged database goes into the undo copy with it: left beside the new database,
  /// SQLite would write its pages into that.
  @Test func aDatabaseWithItsLog() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(
      """
      import shutil, sqlite3, sys
      path = sys.argv[1]
      made = sqlite3.connect(path + '.made')
      made.execute('PRAGMA journal_mode=WAL')
      made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
        'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
        'created_at REAL NOT NULL)')
      made.executemany('INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?)',
        [(f'run-{i:04}', 'plan', 'x' * 100, '{}', 1.5 * i) for i in range(400)])
      made.commit()
      made.execute('PRAGMA wal_checkpoint(TRUNCATE)')
      made.execute("INSERT INTO runs VALUES ('run-9999', 'plan', 'late', '{}', NULL, 9.5)")
      made.execute("UPDATE runs SET objective = 'changed' WHERE run_id = 'run-0003'")
      made.commit()
      for ending in ['', '-wal']: shutil.copy(path + '.made' + ending, path + ending)
      page = made.execute('PRAGMA page_size').fetchone()[0]
      with open(path, 'r+b') as file:
          file.seek(7 * page)
          file.write(bytes(page))
      """, store)
    let log = try TestFile.read(store + "-wal")
    let found = try scratch.json(exit: 3, "recover", store, "--yes")
    let undo = try #require(found["undo"]?.text)
    #expect(try TestFile.read(undo + "/runs.db-wal") == log)
    #expect(!TestFile.exists(store + "-wal"))
    // Killed between taking the log away and replacing the database: the log is put back first.
    try scratch.tool("cp", undo + "/runs.db", store)
    let name = undo.split(separator: "/").last ?? ""
    try scratch.write(String(name), to: ".recovery/.swapping")
    try scratch.holdfast(exit: 3, "recover", store, "--yes")
    #expect(!TestFile.exists(scratch.file(".recovery/.swapping")))
    #expect(!TestFile.exists(store + "-wal"))
    let rows = try scratch.python(
      """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      print(made.execute('PRAGMA integrity_check').fetchall())
      print(made.execute("SELECT objective FROM runs WHERE run_id = 'run-9999'").fetchall())
      print(made.execute("SELECT objective FROM runs WHERE run_id = 'run-0003'").fetchall())
      """, store)
    #expect(rows.text == "[('ok',)]\n[('late',)]\n[('changed',)]\n", "\(rows)")
  }

  /// What the damaged store still has wins over the backup, and that is told.
  @Test func conflicts() throws {
    let scratch = try Scratch.here()
    let old = #"{"type":"entity","name":"a","entityType":"t","observations":["old"]}"#
    let lost = #"{"type":"entity","name":"b","entityType":"t","observations":[]}"#
    let new = #"{"type":"entity","name":"a","entityType":"t","observations":["new"]}"#
    let store = try scratch.write("\(old)\n\(lost)\n", to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    try scratch.write("\(new)\n\(lost.prefix(20))", to: "memory.jsonl")
    let found = try scratch.json(
      exit: 3, "salvage", store, "--to", scratch.file("out"), "--with", archive)
    #expect(found["filled"]?.integer == 1 && found["conflicts"]?.integer == 1)
    #expect(try TestFile.text(scratch.file("out/recovered/memory.jsonl")) == "\(new)\n\(lost)\n")
    let ledger = try JSONValue(parsing: TestFile.read(scratch.file("out/ledger.json")))
    #expect(ledger["filled"]?.elements.map { $0["record"]?.text } == ["entity:a", "entity:b"])
    #expect(ledger["filled"]?[1]?["origin"]?.text == archive)
  }

  /// Mended records are apart and named, and their bytes stay where they are without the option;
  /// without it there are none.
  @Test func repairs() throws {
    let scratch = try Scratch.here()
    func entity(_ name: String, _ rest: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["# + rest
    }
    let good = entity("a", #""x"]}"#)
    let lines = [
      entity("b", #""y"]"#), good, entity("c", #""z",null]}"#), entity("d", #""C:\\\\"#),
      entity("e", #""\\u00"#), entity("f", #""half \"#), entity("g", "1,{}]}"),
      entity("h", #""cut"#),
    ]
    let store = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    let found = try scratch.json(
      exit: 3, "salvage", store, "--to", scratch.file("out"), "--repair")
    #expect(found["inputs"]?[0]?["repaired"]?["records"]?.integer == 6)
    #expect(found["inputs"]?[0]?["irregular"]?["records"]?.integer == 1)
    #expect(try TestFile.text(scratch.file("out/recovered/memory.jsonl")) == good + "\n")
    let mended = [
      entity("b", #""y"]}"#), entity("c", #""z"]}"#), entity("d", #""C:\\\\"]}"#),
      entity("e", #""\\u00"]}"#), entity("f", #""half "]}"#), entity("h", #""cut"]}"#),
    ]
    #expect(
      try TestFile.text(scratch.file("out/repaired/memory.jsonl"))
        == mended.map { $0 + "\n" }.joined())
    let ledger = try JSONValue(parsing: TestFile.read(scratch.file("out/ledger.json")))
    let repairs = ledger["inputs"]?[0]?["ranges"]?.elements.filter { $0["repair"] != nil } ?? []
    #expect(repairs.count == 6)
    #expect(repairs.allSatisfy { $0["repaired"]?.text == "repaired/memory.jsonl" })
    #expect(
      repairs.map { $0["shape"]?.text ?? "" }
        == ["torn-record", "bad-record", "torn-record", "torn-record", "torn-record", "torn-tail"])

    try scratch.holdfast(exit: 3, "salvage", store, "--to", scratch.file("plain"))
    #expect(!TestFile.exists(scratch.file("plain/repaired")))
    for folder in ["recovered", "irregular", "quarantine"] {
      try scratch.tool("diff", "-r", scratch.file("plain/\(folder)"), scratch.file("out/\(folder)"))
    }
  }

  /// What a killed run left beside a file of a directory goes with the next one; what a process
  /// that lives is writing stays.
  @Test func leftoversInADirectory() throws {
    let scratch = try Scratch.here()
    let good = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"# + "\n"
    try scratch.write(good, to: "store/charts.jsonl")
    try scratch.write(good + #"{"type"#, to: "store/charts-b.jsonl")
    let store = scratch.file("store")
    try scratch.holdfast(exit: 3, "recover", store, "--yes")
    let living = ".holdfast-1-2-charts-b.jsonl.tmp"
    try scratch.write("old", to: "store/.holdfast-999999999-1-charts-b.jsonl.tmp")
    try scratch.write("now", to: "store/\(living)")
    try scratch.holdfast(exit: 0, "recover", store, "--yes")
    #expect(
      try TestFile.names(store) == [living, ".recovery", "charts-b.jsonl", "charts.jsonl"])
    #expect(try TestFile.text(store + "/charts-b.jsonl") == good)
  }
}
