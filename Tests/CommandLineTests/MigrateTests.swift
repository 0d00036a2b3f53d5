import Glibc
import Testing

/// Stores in SQLite and back: the same bytes each time, and nothing changed.
@Suite(.scratch) struct MigrateTests {
  /// Migrated in two places, with different names around, locales and masks: one database; and
  /// files that come out as they were.
  @Test(arguments: SampleStore.allCases)
  func thereAndBack(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let name = try #require(store.path.split(separator: "/").last.map(String.init))
    let before = try scratch.listing(store.root)
    let first = scratch.file("first.db")
    let result = try scratch.json("migrate", store.path, "--to", first)
    #expect(result["integrity"]?.text == "ok")
    #expect(result["records"]?.integer == sample.recordCount)
    #expect(try scratch.listing(store.root) == before, "the source was touched")

    try scratch.directory("else")
    try scratch.tool("cp", "-r", store.path, scratch.file("else/\(name)"))
    var setting = Child.Setting(directory: scratch.file("else"))
    setting.umask = "0277"
    setting.environment = ["TZ": "Asia/Tokyo", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"]
    try scratch.holdfast(exit: 0, "migrate", name, "--to", "new/second.db", "-q", with: setting)
    try scratch.tool("cmp", first, scratch.file("else/new/second.db"))
    // Whoever is not root can go on in what was made under that mask.
    #expect(try scratch.run(["stat", "-c", "%a", scratch.file("else/new")]).lines == ["700"])

    // The full-text index is what SQLite itself would make of the tables.
    try scratch.tool("cp", first, scratch.file("copy.db"))
    try scratch.tool(
      "sqlite3", scratch.file("copy.db"),
      "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")

    try scratch.holdfast(exit: 0, "export", first, "--to", scratch.file("out"), "-q")
    try scratch.tool(
      "diff", "-r", "-x", ".backup", "-x", ".recovery", store.path, scratch.file("out"))
    let digests = try Set([store.path, first, scratch.file("out")].map { try scratch.digest($0) })
    #expect(digests.count == 1)
    #expect(result["digest"]?.text.map { digests.contains($0) } == true)

    // The same again is nothing to do.
    let again = try scratch.json("migrate", store.path, "--to", first)
    #expect(again["unchanged"] == .word("true"))
    #expect(again["sha256"] == result["sha256"])
    try scratch.tool("cmp", first, scratch.file("else/new/second.db"))
  }

  /// More between two records than is kept in memory comes back byte for byte.
  @Test func aLongStretchBetweenRecords() throws {
    let scratch = try Scratch.here()
    let line = Array(
      #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#.utf8 + [0x0A])
    let space = [UInt8](repeating: 0x20, count: 9 << 20)
    let store = try scratch.write(line + space + [0x0A] + line, to: "m.jsonl")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", scratch.file("db"), "-q")
    try scratch.holdfast(exit: 0, "export", scratch.file("db"), "--to", scratch.file("out"), "-q")
    try scratch.tool("cmp", store, scratch.file("out"))
  }

  /// A database is a store: backed up, verified, restored, compared and migrated from a backup.
  @Test(arguments: SampleStore.allCases)
  func aDatabaseIsAStore(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let database = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", store.path, "--to", database, "-q")
    try scratch.holdfast(exit: 0, "diff", store.path, database)
    let archive = try scratch.backUp(database, to: scratch.file("repo"))
    try scratch.holdfast(exit: 0, "verify", archive)
    try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file("out"), "-q")
    try scratch.tool("cmp", database, scratch.file("out/store.db"))
    // From a backup of the store itself, the same database.
    let own = try scratch.backUp(store.path, to: scratch.file("own"))
    try scratch.holdfast(exit: 0, "migrate", own, "--to", scratch.file("b.db"), "-q")
    try scratch.holdfast(exit: 0, "diff", database, scratch.file("b.db"))
  }

  /// The logical digest as its description has it, made by another program; and the same after
  /// the pages have been laid out anew.
  @Test(arguments: [SampleStore.contexts, .snapshot11, .tasksByUser])
  func logicalDigest(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let database = scratch.file("store.db")
    let result = try scratch.json("migrate", store.path, "--to", database)
    let digest = try #require(result["logical_digest"]?.text)
    let status = try scratch.json("migrate", "--status", "--to", database)
    #expect(status["logical_digest"]?.text == digest)
    let again = try scratch.json("migrate", store.path, "--to", database)
    #expect(again["logical_digest"]?.text == digest)
    let theirs = try scratch.python(
      """
      import hashlib, sqlite3, struct, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      h = hashlib.sha256()
      def value(v):
          if v is None: h.update(b"N")
          elif isinstance(v, int): h.update(b"I" + struct.pack(">q", v))
          elif isinstance(v, float): h.update(b"R" + struct.pack(">d", v))
          elif isinstance(v, bytes): h.update(b"B" + struct.pack(">q", len(v)) + v)
          else: v = v.encode(); h.update(b"T" + struct.pack(">q", len(v)) + v)
      def rows(cursor):
          value(len(cursor.description))
          for row in cursor:
              for v in row: value(v)
      ours = "FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' AND name NOT GLOB 'search_*'"
      rows(db.execute("SELECT type, name, sql %s ORDER BY type, name" % ours))
      for (name,) in db.execute("SELECT name %s AND type = 'table' AND sql NOT LIKE "
          "'CREATE VIRTUAL%%' ORDER BY name" % ours).fetchall():
          keys = [k for _, k in sorted((r[5], r[1]) for r in
              db.execute("SELECT * FROM pragma_table_info('%s')" % name) if r[5])]
          value(name)
          rows(db.execute('SELECT * FROM "%s" ORDER BY %s' % (name, ",".join(keys))))
      print(h.hexdigest())
      db.execute("PRAGMA page_size=4096"); db.execute("VACUUM")
      """, database)
    #expect(theirs.lines == [digest])
    let moved = try scratch.json("migrate", "--status", "--to", database)
    #expect(moved["logical_digest"]?.text == digest)
    #expect(try scratch.digest(database) == result["digest"]?.text)
    try scratch.python(
      "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n"
        + "db.execute('UPDATE stores SET name = name || 1')\ndb.commit()", database)
    let changed = try scratch.json("migrate", "--status", "--to", database)
    #expect(changed["logical_digest"]?.text != digest)
  }

  /// The plan says what is in the store, and writes nothing.
  @Test func plan() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let database = scratch.file("store.db")
    let plan = try scratch.json("migrate", store.path, "--to", database, "--dry-run")
    #expect(access(database, F_OK) != 0)
    let result = try scratch.json("migrate", store.path, "--to", database)
    #expect(plan["plan"]?["counts"] == result["counts"])
    let torn = try scratch.write("{\"type\":\"entity\"", to: "torn.jsonl")
    try scratch.holdfast(exit: 3, "migrate", torn, "--to", scratch.file("x.db"), "--dry-run")
  }

  /// Another program opens it, and each documented question has an answer.
  @Test func documentedQuestions() throws {
    let scratch = try Scratch.here()
    let stores = try [SampleStore.contexts, .snapshot11].map { try $0.make(in: scratch).path }
    let database = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", stores[0], stores[1], "--to", database, "-q")
    let root = #filePath.dropLast("Tests/CommandLineTests/MigrateTests.swift".count)
    let text = try TestFile.read("\(root)docs/stores.md")
    let block = try #require(
      String(decoding: text, as: UTF8.self).split(separator: "```sql\n").last)
    let questions = block.prefix { $0 != "`" }.split(separator: "\n").map(String.init)
    #expect(questions.count == 10)
    for question in questions {
      let rows = try scratch.python(
        "import sqlite3, sys, json\ndb = sqlite3.connect(sys.argv[1])\n"
          + "print(json.dumps(len(db.execute(sys.argv[2]).fetchall())))", database, question)
      let ours = try scratch.json("query", database, question)
      #expect(ours["count"]?.integer.map(String.init) == rows.lines.first, "\(question)")
    }
    let counts = try scratch.json("query", database, questions[0])
    #expect(counts["rows"]?.elements.isEmpty == false)
  }

  @Test func queriesOnlyRead() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let database = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", store.path, "--to", database, "-q")
    let before = try TestFile.read(database)
    for sql in [
      "DELETE FROM records", "PRAGMA user_version=9", "SELECT 1; DROP TABLE records", "nonsense",
      "VACUUM INTO '\(scratch.file("stolen.db"))'", "ATTACH '\(scratch.file("new.db"))' AS n", "",
    ] {
      let outcome = try scratch.holdfast("query", database, sql)
      #expect(outcome.status == 64 || outcome.status == 15, "\(outcome)")
    }
    #expect(try TestFile.read(database) == before)
    #expect(
      access(scratch.file("stolen.db"), F_OK) != 0 && access(scratch.file("new.db"), F_OK) != 0)
    let csv = try scratch.holdfast(
      exit: 0, "query", database, "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c", "--format", "csv")
    #expect(csv.text == "a,b,c\n1,\"x,\"\"y\",\n")
    let lines = try scratch.holdfast(
      exit: 0, "query", database, "SELECT 1.5 AS a UNION SELECT 2.0", "--format", "jsonl")
    #expect(lines.text == "{\"a\":1.5}\n{\"a\":2.0}\n")
  }

  /// Damage stops a migration, or is left out and listed; what is there is never lost.
  @Test func damageAndReplacement() throws {
    let scratch = try Scratch.here()
    let good =
      "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"t\",\"observations\":[\"one\"]}\n"
    let store = try scratch.write(good + "{\"type\":\"ent\n", to: "m.jsonl")
    let database = scratch.file("m.db")
    let refused = try scratch.json(exit: 13, "migrate", store, "--to", database)
    #expect(refused["error"]?["line"]?.integer == 2)
    #expect(access(database, F_OK) != 0)
    try scratch.holdfast(exit: 3, "migrate", store, "--to", database, "--skip-damaged", "-q")
    // What is no record lies between the records, and comes out again.
    try scratch.holdfast(exit: 0, "export", database, "--to", scratch.file("again"), "-q")
    try scratch.tool("cmp", store, scratch.file("again"))
    let first = try TestFile.read(database)
    try scratch.write(good, to: "m.jsonl")
    try scratch.holdfast(exit: 1, "migrate", store, "--to", database, "-q")
    #expect(try TestFile.read(database) == first)
    let replaced = try scratch.json("migrate", store, "--to", database, "--replace")
    let undo = try #require(replaced["undo"]?.text)
    #expect(try TestFile.read(undo) == first)
    let names = try scratch.run(["ls", "-A", scratch.path]).lines
    #expect(!names.contains { $0.hasPrefix(".holdfast") }, "\(names)")
  }

  /// Killed at one system call after the other, a migration leaves what was there or the whole
  /// database, and the next one leaves the whole database, byte for byte, and nothing else.
  @Test(arguments: [
    ("write", 12), ("pwrite64", 60), ("fsync", 3), ("rename,renameat2,link,unlink", 4),
    ("openat", 60), ("mkdir", 1), ("pread64", 40),
  ])
  func killedAnywhere(_ calls: String, _ limit: Int) throws {
    let scratch = try Scratch.here()
    let lines = (0..<600).map {
      """
      {"type":"entity","name":"n\($0)","entityType":"t","observations":["word \($0)"]}
      """
    }
    let store = try scratch.write(lines.joined(separator: "\n"), to: "m.jsonl")
    let whole = scratch.file("whole.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", whole, "-q")
    var random = SeededRandom()
    var killed = 0
    for hasTarget in [false, true] {
      for round in 0..<4 {
        // The first one is there for sure.
        let at = round == 0 ? 1 : Int.random(in: 1...limit, using: &random)
        let parent = scratch.fresh("parent")
        try TestFile.makeDirectory(parent)
        let target = parent + "/m.db"
        if hasTarget { try TestFile.write(Array("old".utf8), to: target) }
        let outcome = try scratch.run([
          "strace", "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
          "inject=\(calls):signal=KILL:when=\(at)", Binary.path, "migrate", store, "--to", target,
          "--replace",
        ])
        let comment = "\(calls) \(at), seed \(random.seed): \(outcome)"
        if outcome.status == 128 + SIGKILL { killed += 1 }
        let isWhole = try TestFile.exists(target) && TestFile.read(target) == TestFile.read(whole)
        if !isWhole {
          #expect(outcome.status != 0, "\(comment)")
          #expect(TestFile.exists(target) == hasTarget, "\(comment)")
          if hasTarget { #expect(try TestFile.text(target) == "old", "\(comment)") }
        }
        try scratch.holdfast(exit: 0, "migrate", store, "--to", target, "--replace", "-q")
        try scratch.tool("cmp", target, whole)
        let left = try TestFile.names(parent).filter { $0.hasPrefix(".holdfast-") }
        #expect(left.isEmpty, "\(comment): \(left)")
      }
    }
    #expect(killed > 0, "no call of \(calls) was ever hit")
  }

  /// A disk that fails while a schema is read back is told as that, not as tables that are not there.
  @Test func failingDisk() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archive.make(in: scratch)
    let log = scratch.file("trace")
    func migrate(_ more: [String]) throws -> Outcome {
      try TestFile.remove(scratch.file("a.db"))
      return try scratch.run(
        ["strace", "-f", "-o", log, "-e", "trace=pread64"] + more
          + [Binary.path, "migrate", store.path, "--to", scratch.file("a.db")])
    }
    #expect(try migrate([]).status == 0)
    let made = try Trace.calls(in: log, ["pread64"]).map(\.number).max() ?? 0
    #expect(made > 40)
    // The proof comes last.
    for at in max(1, made - 30)...made {
      let outcome = try migrate(["-e", "inject=pread64:error=EIO:when=\(at)"])
      #expect([0, 1, 12, 13].contains(outcome.status), "\(at): \(outcome)")
    }
  }

  /// An older database is upgraded on a copy; a newer or a foreign one is refused.
  @Test func versions() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.snapshot11.make(in: scratch)
    let database = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", store.path, "--to", database, "-q")
    let whole = try scratch.digest(database)
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      for kind in ("table", "view", "index"):
          for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = ? AND "
            "(name IN ('search') OR type = 'view' OR name GLOB 'idx_*')", (kind,)).fetchall():
              db.execute("DROP %s %s" % (kind, name))
      db.execute("DELETE FROM migrations WHERE number > 1")
      db.execute("PRAGMA user_version=1")
      """, database)
    let old = try scratch.json("migrate", "--status", "--to", database)
    #expect(old["version"]?.integer == 1)
    #expect(try scratch.digest(database) == whole)
    let upgraded = try scratch.json("migrate", "--upgrade", "--to", database)
    #expect(upgraded["version"]?.integer == 4)
    let undo = try #require(upgraded["undo"]?.text)
    #expect(try scratch.digest(undo) == whole && scratch.digest(database) == whole)
    #expect(try scratch.json("query", database, "SELECT * FROM open_intents")["count"] != nil)
    try scratch.python(
      "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('PRAGMA user_version=99')",
      database)
    let newer = try scratch.json(exit: 13, "migrate", "--status", "--to", database)
    let message = newer["error"]?["message"]?.text ?? ""
    #expect(message.contains("99") && message.contains("4"))
    let asked = try scratch.json(exit: 13, "query", database, "SELECT 1")
    #expect(asked["error"]?["message"]?.text == message)
    try scratch.tool("sqlite3", scratch.file("other.db"), "CREATE TABLE t(a)")
    try scratch.holdfast(exit: 13, "migrate", "--status", "--to", scratch.file("other.db"))
    try scratch.holdfast(exit: 13, "inspect", scratch.file("other.db"))
  }

  /// In a database by its index, in a store by reading it: the same records.
  @Test func search() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      """
      {"type":"entity","name":"Ada","entityType":"person","observations":["likes the Bird feeder"]}
      {"type":"entity","name":"Bo","entityType":"person","observations":["a feeder of birds","naïve"]}
      {"type":"relation","from":"Ada","to":"Bo","relationType":"knows"}

      """, to: "m.jsonl")
    let database = scratch.file("m.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database, "-q")
    for place in [store, database] {
      func found(_ words: String...) throws -> Set<String> {
        let outcome = try scratch.run([Binary.path, "search", place] + words + ["--json"])
        let hits = try JSONValue(parsing: outcome.output)["hits"]?.elements ?? []
        return Set(hits.compactMap { $0["record"]?.text })
      }
      #expect(try found("FEEDER") == ["entity:Ada", "entity:Bo"])
      #expect(try found("feeder", "bird") == ["entity:Ada"])
      #expect(try found("naïve") == ["entity:Bo"])
      #expect(try found("fee") == [])
      #expect(try found("feeder", "--limit", "1").count == 1)
      #expect(try found("feeder", "--kind", "relation") == [])
      #expect(try found("\"OR NOT (") == [])
    }
  }

  /// Layouts that nobody planned for, and damage: the files come out as they were all the same.
  @Test(arguments: [
    "intact/runs.db", "memory-graph/s09-bom-crlf.jsonl", "memory-graph/s11-pretty.jsonl",
    "memory-graph/s11-array.json", "memory-graph/s11-wrapper.json",
    "memory-graph/s11-comments.jsonl", "memory-graph/s04-nul-hole.jsonl",
    "memory-graph/s10-lone-surrogate.jsonl", "memory-graph/s12-bad-records.jsonl",
    "intent-snapshot/cut.json", "intent-snapshot/flipped-byte.json",
    "intent-snapshot/rtfs-destroyed.json", "content-archive/orphan",
    "content-archive/object-torn", "content-archive/index-missing", "jsonl/splice.jsonl",
  ])
  func samplesComeOutAsTheyWere(_ sample: String) throws {
    let scratch = try Scratch.here()
    let root = #filePath.dropLast("Tests/CommandLineTests/MigrateTests.swift".count)
    let store = "\(root)samples/\(sample.hasPrefix("intact") ? "" : "damaged/")\(sample)"
    let database = scratch.file("store.db")
    let made = try scratch.holdfast("migrate", store, "--to", database, "--skip-damaged", "-q")
    #expect(made.status == 0 || made.status == 3, "\(made)")
    try scratch.holdfast(exit: 0, "export", database, "--to", scratch.file("out"), "-q")
    if sample.hasSuffix(".db") {
      #expect(try scratch.digest(store) == scratch.digest(scratch.file("out")))
    } else {
      try scratch.tool("diff", "-r", "-x", ".archive_lock", store, scratch.file("out"))
    }
  }

  /// Several stores in one database, two of them of one name: each comes out by itself.
  @Test func severalStores() throws {
    let scratch = try Scratch.here()
    let lines = ["{\"a\":1}\n{\"a\":2}\n", "{\"b\": 1}\n", "{\"a\":1}\n"]
    let stores = try lines.enumerated().map {
      try scratch.write($1, to: "\($0 / 2)/\($0 % 2).jsonl")
    }
    let database = scratch.file("all.db")
    let made = try scratch.json("migrate", stores[0], stores[1], stores[2], "--to", database)
    #expect(made["records"]?.integer == 4)
    for (index, store) in stores.enumerated() {
      let target = scratch.file("out-\(index)")
      try scratch.holdfast(
        exit: 0, "export", database, "--store", "\(index + 1)", "--to", target, "-q")
      try scratch.tool("cmp", store, target)
    }
    try scratch.holdfast(exit: 64, "export", database, "--to", scratch.file("x"), "-q")
    try scratch.holdfast(
      exit: 64, "export", database, "--store", "0.jsonl", "--to", scratch.file("x"), "-q")
    try scratch.holdfast(
      exit: 0, "export", database, "--as", "csv", "--to", scratch.file("csv"), "-q")
    let answer = try scratch.json("migrate", stores[0], stores[1], stores[2], "--to", database)
    #expect(answer["unchanged"] == .word("true"))
  }

  /// Stores in one database have nothing to do with one another: what one names is not found in the
  /// next, what two have is no repetition, and each finding says which file of which store it is in.
  @Test func storesAreJudgedApart() throws {
    let scratch = try Scratch.here()
    func entity(_ name: String) -> String {
      "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]}\n"
    }
    let relation = "{\"type\":\"relation\",\"from\":\"a\",\"to\":\"b\",\"relationType\":\"r\"}\n"
    let one = try scratch.write(entity("a") + relation, to: "one.jsonl")
    let two = try scratch.write(entity("a") + entity("b") + relation, to: "two.jsonl")
    try scratch.write(entity("a"), to: "dir/charts.jsonl")
    try scratch.write(entity("c") + relation, to: "dir/charts-x.jsonl")
    let (all, dir) = (scratch.file("all.db"), scratch.file("dir.db"))
    try scratch.holdfast(exit: 0, "migrate", one, two, scratch.file("dir"), "--to", all, "-q")
    try scratch.holdfast(exit: 0, "migrate", scratch.file("dir"), "--to", dir, "-q")
    for (store, places) in [(all, ["one.jsonl", "dir/charts-x.jsonl"]), (dir, ["charts-x.jsonl"])] {
      let findings = try scratch.json("inspect", store)["findings"]?.elements ?? []
      #expect(findings.map { $0["code"]?.text } == places.map { _ in "dangling-end" })
      #expect(findings.map { $0["path"]?.text } == places.map { "\(store):\($0)" })
      #expect(findings.map { $0["line"]?.integer } == places.map { _ in 2 })
    }
    // One file in a database is meant where that is named.
    try scratch.holdfast(exit: 0, "migrate", one, "--to", scratch.file("one.db"), "-q")
    let only = try scratch.json("inspect", scratch.file("one.db"))["findings"]?[0]?["path"]?.text
    #expect(only == scratch.file("one.db"))
  }

  /// Tables come from any store, and are those of the database that it would be.
  @Test(arguments: [SampleStore.contexts, .archivePair, .tasksByUser])
  func tablesOfAnyStore(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let database = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", store.path, "--to", database, "-q")
    try scratch.holdfast(
      exit: 0, "export", database, "--as", "csv", "--to", scratch.file("a"), "-q")
    try scratch.holdfast(
      exit: 0, "export", store.path, "--as", "csv", "--to", scratch.file("b"), "-q")
    try scratch.tool("diff", "-r", scratch.file("a"), scratch.file("b"))
    #expect(try scratch.run(["ls", scratch.file("b")]).lines.allSatisfy { $0.hasSuffix(".csv") })
  }

  /// More between two records, and behind the last, than is held in memory.
  @Test func longStretchesBetweenRecords() throws {
    let scratch = try Scratch.here()
    let good =
      "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"t\",\"observations\":[\"one\"]}\n"
    let words = String(
      repeating: "# " + String(repeating: "words ", count: 2000) + "\n", count: 800)
    let other = good.split(separator: "A").joined(separator: "B")
    let store = try scratch.write(good + words + other + "\n\n" + words, to: "m.jsonl")
    let database = scratch.file("m.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database, "-q")
    let pieces = try scratch.json("query", database, "SELECT count(*) AS n FROM gaps")
    #expect((pieces["rows"]?.elements.first?["n"]?.integer ?? 0) > 10)
    try scratch.holdfast(exit: 0, "export", database, "--to", scratch.file("out"), "-q")
    try scratch.tool("cmp", store, scratch.file("out"))
  }

  /// What cannot be read is left out; what can be, and is wrong, is kept as it is. It says so.
  @Test func whatBecomesOfDamage() throws {
    let scratch = try Scratch.here()
    let wrong = "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"t\",\"observations\":[null]}"
    let right = "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"t\",\"observations\":[]}"
    let cases = [
      (wrong, ["1 error kept"], ["left out"], 1),
      (wrong + "\n{\"type\":\"ent\n", ["1 place left out", "1 error kept"], [], 1),
      (right + "\n{\"type\":\"ent\n", ["1 place left out"], ["kept"], 1),
    ]
    for (text, there, absent, records) in cases {
      let store = try scratch.write(text, to: "memory.jsonl")
      let target = scratch.fresh("db")
      for more in [["--dry-run"], []] {
        let outcome = try scratch.run(
          [Binary.path, "migrate", store, "--to", target, "--skip-damaged"] + more)
        #expect(outcome.status == 3, "\(outcome)")
        for word in there { #expect(outcome.message.contains(word), "\(outcome)") }
        for word in absent + ["without what"] {
          #expect(!outcome.message.contains(word), "\(outcome)")
        }
      }
      #expect(try scratch.json(exit: 3, "inspect", store)["records"]?.integer == records)
      let query = try scratch.holdfast(exit: 0, "query", target, "SELECT count(*) FROM records")
      #expect(query.lines.last == "\(records)", "\(query)")
    }
  }

  /// The index of a content archive stands for its archive; another file of that name for itself.
  @Test func theIndexOfAnArchive() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archive.make(in: scratch)
    let whole = try scratch.json("migrate", store.path, "--to", scratch.file("a.db"))
    let told = try scratch.json("migrate", store.path + "/index.json", "--to", scratch.file("b.db"))
    #expect(told["digest"] == whole["digest"] && told["records"]?.integer == 11, "\(told)")
    let other = try scratch.write("{\"a\":1}", to: "other/index.json")
    let alone = try scratch.json("migrate", other, "--to", scratch.file("c.db"))
    #expect(alone["records"]?.integer == 1)
    // From the directory that it lies in.
    try scratch.holdfast(
      exit: 0, "migrate", "index.json", "--to", scratch.file("d.db"), "-q",
      with: Child.Setting(directory: store.path))
    try scratch.tool("cmp", scratch.file("a.db"), scratch.file("d.db"))
  }

  /// What is at the target and no such database is there already, and is kept where it is replaced.
  @Test(arguments: ["text", "foreign", "damaged", "other id field"])
  func anotherThingAtTheTarget(_ what: String) throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("{\"id\":1}\n", to: "m.jsonl")
    let target = scratch.file("m.db")
    switch what {
    case "text": try scratch.write("mine", to: "m.db")
    case "foreign": try scratch.tool("sqlite3", target, "CREATE TABLE t(a)")
    case "damaged":
      try scratch.holdfast(exit: 0, "migrate", store, "--to", target, "-q")
      var bytes = try TestFile.read(target)
      for index in 4096..<bytes.count { bytes[index] = 0xFF }
      try TestFile.write(bytes, to: target)
    default:
      try scratch.holdfast(exit: 0, "migrate", store, "--to", target, "--id-field", "/id", "-q")
    }
    let before = try TestFile.read(target)
    let refused = try scratch.holdfast(exit: 1, "migrate", store, "--to", target)
    #expect(refused.message.contains("is there already, and holds something else"), "\(refused)")
    #expect(try TestFile.read(target) == before)
    let told = try scratch.json("migrate", store, "--to", target, "--replace")
    #expect(try TestFile.read(#require(told["undo"]?.text)) == before)
    #expect(try scratch.digest(target) == scratch.digest(store))
  }

  /// An older database has no index to search; it is read, and the same is found.
  @Test func anOlderDatabase() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(12)
    let database = scratch.file("m.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database, "-q")
    let found = try scratch.json("search", store, "simple")["hits"]?.elements.map { $0["id"]?.text }
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      db.execute("DROP TABLE search")
      db.execute("DELETE FROM migrations WHERE number > 3")
      db.execute("PRAGMA user_version=3")
      """, database)
    let hits = try scratch.json("search", database, "simple")["hits"]?.elements
    #expect(hits?.isEmpty == false && hits?.map { $0["id"]?.text } == found)
    // One that has a record of other bytes than its hash is not brought up to date.
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      db.execute("UPDATE records SET content_hash = zeroblob(32) WHERE id = 1")
      """, database)
    let before = try TestFile.read(database)
    let refused = try scratch.holdfast(exit: 13, "migrate", "--upgrade", "--to", database)
    #expect(refused.message.contains("m.db: is damaged: "), "\(refused)")
    #expect(try TestFile.read(database) == before)
  }

  /// A table of more bytes than are written at once, for another program to read.
  @Test func aLongTable() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(4000)
    let target = scratch.file("csv")
    try scratch.holdfast(exit: 0, "export", store, "--as", "csv", "--to", target, "-q")
    let rows = try scratch.python(
      """
      import csv, sys
      rows = list(csv.DictReader(open(sys.argv[1], newline='')))
      print(len(rows), len({r['name'] for r in rows}), {None in r for r in rows})
      """, target + "/entities.csv")
    #expect(try TestFile.size(target + "/entities.csv") > 256 << 10)
    #expect(rows.text == "4000 4000 {False}\n")
  }
}
