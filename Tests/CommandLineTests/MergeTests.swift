import Glibc
import Testing

/// `merge`: several stores as one, and what becomes of records that they do not agree on.
@Suite(.scratch) struct MergeTests {
  private static func entity(_ name: String, _ seen: [String], _ more: String = "") -> String {
    let list = seen.map { "\"\($0)\"" }.joined(separator: ",")
    return "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"p\","
      + "\"observations\":[\(list)]\(more)}"
  }

  private static func updated(_ time: String) -> String {
    ",\"metadata\":{\"updatedAt\":\"\(time)\"}"
  }

  private static let oldAda = entity("Ada", ["x", "y"], updated("2026-01-02T00:00:00Z"))
  private static let newAda = entity("Ada", ["z", "y"], updated("2026-01-02T00:30:00+00:00"))
  private static let bob = entity("Bob", ["same"])
  private static let eve = entity("Eve", [])
  private static let knows =
    "{\"type\":\"relation\",\"from\":\"Ada\",\"to\":\"Bob\",\"relationType\":\"knows\"}"
  private static let beat = "{\"type\":\"narrative_beat\",\"x\":1.50}"

  /// Two graphs that share Bob, spelt in two ways, and differ in Ada.
  private func graphs(_ scratch: Scratch) throws -> (a: String, b: String) {
    let bob =
      "{ \"observations\": [\"sam\\u0065\"], \"type\":\"entity\","
      + "\"name\":\"Bob\",\"entityType\":\"p\" }"
    return (
      try scratch.write(
        [Self.newAda, Self.bob, Self.knows].joined(separator: "\n"), to: "a.jsonl"),
      try scratch.write(
        [bob, Self.oldAda, Self.eve, Self.beat].joined(separator: "\n"), to: "b.jsonl")
    )
  }

  struct Case: CustomTestStringConvertible, Sendable {
    var words: [String]
    var lines: [String]
    var testDescription: String { words.joined(separator: " ") }
  }

  static let cases = [
    Case(words: ["--on-conflict", "newest"], lines: [newAda, bob, knows, eve, beat]),
    Case(words: ["--on-conflict", "first"], lines: [newAda, bob, knows, eve, beat]),
    Case(words: ["--on-conflict", "keep-both"], lines: [newAda, bob, knows, oldAda, eve, beat]),
    Case(
      words: ["--on-conflict", "newest", "--union-observations"],
      lines: [
        entity("Ada", ["z", "y", "x"], updated("2026-01-02T00:30:00+00:00")), bob, knows, eve, beat,
      ]),
    Case(
      words: ["--on-conflict", "first", "--union-observations"],
      lines: [
        entity("Ada", ["z", "y", "x"], updated("2026-01-02T00:30:00+00:00")), bob, knows, eve, beat,
      ]),
  ]

  @Test(arguments: cases) func policies(_ test: Case) throws {
    let scratch = try Scratch.here()
    let (a, b) = try graphs(scratch)
    let target = scratch.file("merged.jsonl")
    let outcome = try scratch.run(
      [Binary.path, "merge", a, b, "--to", target, "--json"] + test.words)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try TestFile.text(target) == test.lines.joined(separator: "\n") + "\n")
    let told = try JSONValue(parsing: outcome.output)
    #expect(told["merged"]?.text == target)
    #expect(told["records"]?.integer == test.lines.count)
    #expect(told["digest"]?.text == (try scratch.digest(target)))
    #expect(told["conflicts"]?[0]?["record"]?.text == "entity:Ada")
    #expect(told["duplicates"]?.integer == 1)
  }

  /// The other way round, the newest is in the store that was named last.
  @Test func newestIsNotTheFirst() throws {
    let scratch = try Scratch.here()
    let (a, b) = try graphs(scratch)
    try scratch.holdfast(
      exit: 0, "merge", b, a, "--to", scratch.file("m.jsonl"), "--on-conflict", "newest")
    let text = try TestFile.text(scratch.file("m.jsonl"))
    #expect(text.contains(Self.newAda) && !text.contains(Self.oldAda))
    // Where none says when it was changed, or both say the same, there is no newest.
    for time in [nil, "2026-01-02T00:00:00Z"] {
      let more = time.map(Self.updated) ?? ""
      let one = try scratch.write(Self.entity("Ada", ["1"], more), to: "one.jsonl")
      let two = try scratch.write(Self.entity("Ada", ["2"], more), to: "two.jsonl")
      let outcome = try scratch.holdfast(
        exit: 13, "merge", one, two, "--to", scratch.file("n"), "--on-conflict", "newest")
      #expect(outcome.message.contains("newest"), "\(outcome)")
      #expect(!TestFile.exists(scratch.file("n")))
    }
  }

  /// By default nothing is merged: both places are listed, and nothing is left.
  @Test func conflictsAreListed() throws {
    let scratch = try Scratch.here()
    let (a, b) = try graphs(scratch)
    let before = try scratch.listing(scratch.path, except: [".captured"])
    for words in [[], ["--dry-run"], ["--on-conflict", "fail"], ["--union-observations"]] {
      let outcome = try scratch.run(
        [Binary.path, "merge", a, b, "--to", scratch.file("m.jsonl")] + words)
      #expect(outcome.status == 13, "\(outcome)")
      #expect(outcome.output.isEmpty)
      for word in ["entity:Ada", "\(a):1", "\(b):2", "/observations/0"] {
        #expect(outcome.message.contains(word), "\(outcome)")
      }
      let told = try scratch.run(
        [Binary.path, "merge", a, b, "--to", scratch.file("m.jsonl"), "--json"] + words)
      let plan = try JSONValue(parsing: told.output)["plan"]
      #expect(plan?["conflicts"]?[0]?["versions"]?.elements.count == 2)
      #expect(plan?["conflicts"]?[0]?["outcome"]?.text == "unresolved")
    }
    let quiet = try scratch.holdfast(
      exit: 13, "merge", a, b, "--to", scratch.file("m.jsonl"), "--quiet")
    #expect(quiet.messages.count == 1 && quiet.output.isEmpty)
    // Only what was captured of the runs has come.
    #expect(
      try scratch.listing(scratch.path, except: [".captured"]).dropFirst() == before.dropFirst())
  }

  /// A store merged with itself is itself, whatever its kind; so is one merged with its backup.
  @Test(arguments: SampleStore.allCases) func withItself(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let made = try sample.make(in: scratch)
    let archive = try scratch.backUp(made.path)
    let target = scratch.file("merged")
    let told = try scratch.json("merge", made.path, archive, made.path, "--to", target)
    #expect(told["duplicates"]?.integer == 2 * sample.recordCount)
    #expect(told["records"]?.integer == sample.recordCount)
    let digest = try scratch.digest(made.path)
    #expect(try told["digest"]?.text == digest && scratch.digest(target) == digest)
    #expect(try scratch.json("inspect", target)["kind"]?.text == sample.kind)
  }

  /// Stores of two kinds that hold the same records are one.
  @Test func kindsAreMixed() throws {
    let scratch = try Scratch.here()
    let snapshot = try SampleStore.snapshot11.make(in: scratch, "s").path
    let archive = try SampleStore.archivePair.make(in: scratch, "a").path
    try scratch.holdfast(exit: 0, "migrate", archive, "--to", scratch.file("db"), "--quiet")
    try scratch.holdfast(
      exit: 0, "merge", snapshot, archive, scratch.file("db"), "--to", scratch.file("one"))
    #expect(try scratch.digest(scratch.file("one")) == scratch.digest(snapshot))
    #expect(try scratch.json("inspect", scratch.file("one"))["kind"]?.text == "intent-snapshot")
    try scratch.holdfast(
      exit: 0, "merge", snapshot, archive, "--to", scratch.file("two"), "--as", "content-archive")
    #expect(try scratch.digest(scratch.file("two")) == scratch.digest(snapshot))
    let graph = try SampleStore.graph.make(in: scratch, "g").path
    let outcome = try scratch.holdfast(
      exit: 13, "merge", snapshot, graph, "--to", scratch.file("three"))
    #expect(outcome.message.contains("no place for entities"), "\(outcome)")
    #expect(!TestFile.exists(scratch.file("three")))
  }

  /// A directory of contexts makes the result one: files keep their names, and the records of a
  /// single file go to the contexts that they name.
  @Test func contextsStayApart() throws {
    let scratch = try Scratch.here()
    let contexts = try SampleStore.contexts.make(in: scratch, "c").path
    let more = try scratch.write(
      [
        Self.entity("Zoe", [], ",\"metadata\":{\"context\":\"work\"}"), Self.bob,
        "{\"type\":\"relation\",\"from\":\"Zoe\",\"to\":\"Bob\",\"relationType\":\"r\"}",
      ].joined(separator: "\n"), to: "more.jsonl")
    let target = scratch.file("merged")
    let told = try scratch.json("merge", more, contexts, "--to", target)
    #expect(told["as"]?.text == "contexts" && told["records"]?.integer == 48)
    #expect(
      try TestFile.names(target) == [
        "charts-work.jsonl", "charts.jsonl", "completed-charts.jsonl",
      ])
    #expect(try TestFile.text(target + "/charts-work.jsonl").contains("\"Zoe\",\"to\":\"Bob\""))
    let flat = try scratch.json(
      exit: 3, "merge", more, contexts, "--to", scratch.file("flat"), "--as", "memory-graph")
    #expect(flat["digest"] == told["digest"])
    #expect(try scratch.digest(scratch.file("flat")) == told["digest"]?.text)
  }

  /// Lines without an id are there as often as the store has them that has most.
  @Test func linesWithoutIDs() throws {
    let scratch = try Scratch.here()
    let a = try scratch.write("{\"t\":1}\n{\"t\":2}\n{\"t\":1}\n", to: "a.jsonl")
    let b = try scratch.write("{\"t\":1}\n{\"t\":3}\n{\"t\": 1}\n{\"t\":1}\n", to: "b.jsonl")
    try scratch.holdfast(exit: 0, "merge", a, b, "--to", scratch.file("m"), "--quiet")
    #expect(
      try TestFile.text(scratch.file("m"))
        == "{\"t\":1}\n{\"t\":2}\n{\"t\":1}\n{\"t\":3}\n{\"t\":1}\n")
    // With an id, they are records that can be in conflict.
    let outcome = try scratch.holdfast(
      exit: 13, "merge", scratch.write("{\"i\":1,\"v\":1}\n{\"i\":2}\n", to: "c.jsonl"),
      scratch.write("{\"i\":1,\"v\":2}\n{\"i\":3}\n", to: "d.jsonl"), "--to", scratch.file("n"),
      "--id-field", "/i")
    #expect(outcome.message.contains("document:1"), "\(outcome)")
  }

  @Test func refusals() throws {
    let scratch = try Scratch.here()
    let (a, b) = try graphs(scratch)
    try scratch.holdfast(exit: 64, "merge", a, "--to", scratch.file("m"))
    try scratch.holdfast(exit: 64, "merge", a, b, "--to", a, "--replace")
    try scratch.holdfast(exit: 10, "merge", a, "/none", "--to", scratch.file("m"))
    let torn = try scratch.write(Self.bob + "\n" + Self.eve.dropLast(3), to: "torn.jsonl")
    let outcome = try scratch.holdfast(exit: 13, "merge", a, torn, "--to", scratch.file("m"))
    #expect(outcome.message.contains("torn.jsonl:2") && outcome.message.contains("salvage"))
    let taken = try scratch.write("mine", to: "taken")
    let kept = try scratch.holdfast(exit: 1, "merge", a, a, "--to", taken)
    #expect(kept.message.contains("--replace"))
    #expect(try TestFile.text(taken) == "mine")
    let told = try scratch.json("merge", a, a, "--to", taken, "--replace")
    #expect(try TestFile.text(told["undo"]?.text ?? "") == "mine")
    #expect(!TestFile.exists(scratch.file("m")))
    // Two versions of an intent have no place under one key.
    func snapshot(_ goal: String) -> String {
      "{\"intents\":{\"i\":{\"intent_id\":\"i\",\"goal\":\"\(goal)\"}},\"edges\":[]}"
    }
    let one = try scratch.write(snapshot("one"), to: "one.json")
    let two = try scratch.write(snapshot("two"), to: "two.json")
    let both = try scratch.holdfast(
      exit: 13, "merge", one, two, "--to", scratch.file("m"), "--on-conflict", "keep-both")
    #expect(both.message.contains("holds one intent of an id"), "\(both)")
    try scratch.holdfast(
      exit: 0, "merge", one, two, "--to", scratch.file("m"), "--on-conflict", "keep-both", "--as",
      "content-archive")
    #expect(try scratch.json(exit: 3, "inspect", scratch.file("m"))["records"]?.integer == 2)
  }

  /// Advice is never what was given already.
  @Test func hints() throws {
    let scratch = try Scratch.here()
    func graph(_ kind: String, _ seen: String) throws -> String {
      try scratch.write(
        "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"\(kind)\",\"observations\":[\"\(seen)\"],"
          + "\"metadata\":{\"updatedAt\":\"2026-01-01\"}}\n", to: "\(kind).jsonl")
    }
    let (one, two) = (try graph("x", "1"), try graph("y", "2"))
    for (words, advice, others) in [
      (["--on-conflict", "newest", "--union-observations"], "first", ["newest", "union"]),
      (["--on-conflict", "newest"], "first or keep-both", ["newest", "union"]),
      (["--union-observations"], "newest or first", ["union", "keep-both"]),
    ] {
      let outcome = try scratch.run(
        [Binary.path, "merge", one, two, "--to", scratch.file("m")] + words)
      let hint = outcome.message.split(separator: ";").last.map(String.init) ?? ""
      #expect(outcome.status == 13 && hint.contains(advice), "\(outcome)")
      for other in others { #expect(!hint.contains(other), "\(outcome)") }
    }
    let both = try scratch.holdfast(
      exit: 64, "merge", one, two, "--to", scratch.file("m"), "--on-conflict", "keep-both",
      "--union-observations")
    #expect(both.message.contains("--union-observations"), "\(both)")
  }

  /// Random graphs, against a few lines of Python that say what a union is.
  @Test(arguments: 0..<8) func random(_ round: Int) throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    let seed = random.seed
    var stores: [String] = []
    for number in 0..<3 {
      let lines = (0..<40).map { _ -> String in
        let id = Int.random(in: 0..<25, using: &random)
        let seen = (0..<Int.random(in: 0..<3, using: &random)).map { _ in
          "o\(Int.random(in: 0..<4, using: &random))"
        }
        let day = Int.random(in: 1..<4, using: &random)
        return Self.entity("n\(id)", seen, Self.updated("2026-01-0\(day)"))
      }
      stores.append(
        try scratch.write(lines.joined(separator: "\n"), to: "\(number).jsonl"))
    }
    let policy = ["first", "keep-both"][round % 2]
    let union = round % 4 > 1 && policy == "first"
    let outcome = try scratch.run(
      [Binary.path, "merge"] + stores + ["--to", scratch.file("m"), "--on-conflict", policy]
        + (union ? ["--union-observations"] : []))
    #expect(outcome.status == 0, "seed \(seed): \(outcome)")
    let told = try scratch.python(
      """
      import json, sys
      policy, union, *paths = sys.argv[1:]
      kept, order = {}, []
      for path in paths:
          for line in open(path):
              item = json.loads(line)
              versions = kept.setdefault(item['name'], [])
              if item not in versions:
                  versions.append(item)
                  order.append(item)
      def written(item):
          versions = kept[item['name']]
          if policy == 'keep-both': return True
          return item is versions[0]
      for item in order:
          if not written(item): continue
          if union == 'yes':
              for other in kept[item['name']][1:]:
                  item['observations'] += [o for o in dict.fromkeys(other['observations'])
                      if o not in item['observations']]
          print(json.dumps(item, separators=(',', ':')))
      """, policy, union ? "yes" : "no", stores[0], stores[1], stores[2])
    #expect(try TestFile.text(scratch.file("m")) == told.text, "seed \(seed)")
  }

  /// Killed at one system call after the other: the sources stay as they are, the target is what
  /// it was or the merged store, whole.
  @Test(arguments: ["write", "fsync", "rename,renameat2,link,unlink", "openat", "mkdir"])
  func killedAnywhere(_ calls: String) throws {
    let scratch = try Scratch.here()
    let a = try SampleStore.contexts.make(in: scratch, "stores/a").path
    let b = try scratch.write(
      [Self.bob, Self.eve, Self.knows].joined(separator: "\n"), to: "stores/b.jsonl")
    try scratch.holdfast(exit: 0, "merge", a, b, "--to", scratch.file("whole"), "--quiet")
    let whole = try scratch.digest(scratch.file("whole"))
    let sources = try scratch.listing(scratch.file("stores"))
    var random = SeededRandom()
    var killed = 0
    for hasTarget in [false, true] {
      for round in 0..<5 {
        let limit = calls == "openat" ? 60 : calls == "mkdir" ? 2 : 12
        // The first one is there for sure.
        let at = round == 0 ? 1 : Int.random(in: 1..<limit, using: &random)
        let parent = scratch.fresh("parent")
        try TestFile.makeDirectory(parent)
        let target = parent + "/merged"
        if hasTarget {
          try TestFile.makeDirectory(target)
          try TestFile.write(Array(Self.bob.utf8), to: target + "/charts.jsonl")
        }
        let old = hasTarget ? try scratch.digest(target) : nil
        let outcome = try scratch.run([
          "strace", "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
          "inject=\(calls):signal=KILL:when=\(at)", Binary.path, "merge", a, b, "--to", target,
          "--replace",
        ])
        let comment = "\(calls) \(at), seed \(random.seed): \(outcome)"
        let found = TestFile.exists(target) ? try scratch.digest(target) : nil
        #expect(found == old || found == whole, "\(comment)")
        if outcome.status == 128 + SIGKILL { killed += 1 }
        if outcome.status == 0 { #expect(found == whole, "\(comment)") }
        #expect(try scratch.listing(scratch.file("stores")) == sources, "\(comment)")
        try scratch.holdfast(exit: 0, "merge", a, b, "--to", target, "--replace", "--quiet")
        #expect(try scratch.digest(target) == whole, "\(comment)")
        let left = try TestFile.names(parent).filter { $0.hasPrefix(".holdfast-") }
        #expect(left.isEmpty, "\(comment): \(left)")
      }
    }
    #expect(killed > 0, "no call of \(calls) was ever hit")
  }

  // MARK: Run histories

  /// Makes a history from columns and rows given as Python.
  private func history(_ scratch: Scratch, _ name: String, later: Int, _ rows: String) throws
    -> String
  {
    let path = scratch.file(name)
    try scratch.python(
      """
      import sqlite3, sys
      columns = ["run_id TEXT PRIMARY KEY", "plan_id TEXT NOT NULL", "objective TEXT NOT NULL",
        "plan_result TEXT NOT NULL", "execution_result TEXT", "created_at REAL NOT NULL",
        "approval_status TEXT DEFAULT 'pending'", "approval_reason TEXT", "approved_at REAL",
        "approved_by TEXT"][:6 + int(sys.argv[2])]
      db = sqlite3.connect(sys.argv[1])
      db.execute("CREATE TABLE runs (" + ", ".join(columns) + ")")
      for row in \(rows):
          db.execute("INSERT INTO runs VALUES (" + ", ".join("?" * len(columns)) + ")", row)
      db.commit()
      """, path, String(later))
    return path
  }

  /// All columns of all of them; NULL where a history has no such column. Text and REAL stay.
  @Test func columnsOfEveryVersion() throws {
    let scratch = try Scratch.here()
    let shared = #"("r1", "p", "o", '{"a": 1.0,  "b":[]}', None, 0.1 + 0.2)"#
    let first = try history(
      scratch, "old.db", later: 0, #"[\#(shared), ("r2", "p", "o", "{}", '{"x":1e3}', 1e17)]"#)
    let second = try history(
      scratch, "new.db", later: 4,
      #"[\#(shared) + ("pending", None, None, None), ("r3", "p", "é", "{}", None, 5.0, "approved", "", 7.25, "me")]"#
    )
    let db = scratch.file("second.db")
    try scratch.holdfast(exit: 0, "migrate", second, "--to", db, "--quiet")
    let archive = try scratch.backUp(first)
    for (number, pair) in [[first, second], [second, first], [archive, db]].enumerated() {
      let target = scratch.file("merged-\(number).db")
      let told = try scratch.json("merge", pair[0], pair[1], "--to", target)
      #expect(told["duplicates"]?.integer == 1 && told["records"]?.integer == 3, "\(told)")
      let lacking = told["sources"]?[number == 1 ? 1 : 0]?["lacking"]?.elements.map(\.text)
      #expect(lacking == ["approval_status", "approval_reason", "approved_at", "approved_by"])
      let rows = try scratch.python(
        """
        import sqlite3, sys
        for row in sqlite3.connect(sys.argv[1]).execute("SELECT * FROM runs ORDER BY run_id"):
            print(row)
        """, target)
      #expect(
        rows.lines == [
          #"('r1', 'p', 'o', '{"a": 1.0,  "b":[]}', None, 0.30000000000000004, 'pending', None, None, None)"#,
          #"('r2', 'p', 'o', '{}', '{"x":1e3}', 1e+17, None, None, None, None)"#,
          "('r3', 'p', 'é', '{}', None, 5.0, 'approved', '', 7.25, 'me')",
        ])
      #expect(told["digest"]?.text == (try scratch.digest(target)))
      try scratch.holdfast(exit: 0, "verify", target)
    }
  }

  /// What a history does not know contradicts nothing; what two of them say differently does.
  @Test func columnsThatDisagree() throws {
    let scratch = try Scratch.here()
    let run = #"("r1", "p", "o", "{}", None, 1.5)"#
    let old = try history(scratch, "old.db", later: 0, "[\(run)]")
    let denied = try history(scratch, "denied.db", later: 1, #"[\#(run) + ("denied",)]"#)
    let approved = try history(
      scratch, "approved.db", later: 4, #"[\#(run) + ("approved", None, None, None)]"#)
    let unknown = try history(
      scratch, "unknown.db", later: 4, "[\(run) + (None, None, None, None)]")
    try scratch.holdfast(exit: 0, "merge", denied, old, "--to", scratch.file("a.db"))
    for pair in [[denied, approved], [unknown, approved], [old, denied, approved]] {
      let target = scratch.fresh("none")
      let outcome = try scratch.run([Binary.path, "merge", "--to", target] + pair)
      #expect(outcome.status == 13, "\(outcome)")
      #expect(outcome.message.contains("decide with --on-conflict first\n"), "\(outcome)")
      #expect(!outcome.message.contains("byte 0") && !TestFile.exists(target), "\(outcome)")
    }
    let told = try scratch.json(
      "merge", approved, denied, old, "--on-conflict", "first", "--to", scratch.file("b.db"))
    #expect(told["records"]?.integer == 1 && told["conflict_count"]?.integer == 1)
  }

  // MARK: Contexts

  /// A store with itself is itself: what is in the default context and in another one as well stays
  /// in the default one.
  @Test func aStoreWithItself() throws {
    let scratch = try Scratch.here()
    try scratch.write(Self.bob + "\n" + Self.knows + "\n", to: "c/charts.jsonl")
    try scratch.write(Self.newAda + "\n" + Self.bob + "\n", to: "c/charts-a.jsonl")
    let (store, target) = (scratch.file("c"), scratch.file("m"))
    try scratch.holdfast(exit: 0, "merge", store, store, "--to", target, "--quiet")
    #expect(
      try TestFile.text(target + "/charts.jsonl") == Self.bob + "\n" + Self.knows + "\n")
    #expect(try TestFile.text(target + "/charts-a.jsonl") == Self.newAda + "\n")
  }

  /// One file has contexts only by metadata.context: what becomes of another one is told.
  @Test(arguments: ["merge", "export", "restore"]) func contextsThatOneFileDoesNotTell(
    _ verb: String
  ) throws {
    let scratch = try Scratch.here()
    let named = ",\"metadata\":{\"context\":\"w\"}"
    try scratch.write(Self.entity("Top", []) + "\n", to: "c/charts.jsonl")
    try scratch.write(
      [
        Self.entity("In", [], named), Self.bob,
        "{\"type\":\"relation\",\"from\":\"In\",\"to\":\"Top\",\"relationType\":\"r\"}", Self.eve,
      ].joined(separator: "\n"), to: "c/charts-w.jsonl")
    let store = scratch.file("c")
    let other = try scratch.write(Self.entity("Top", []), to: "top.jsonl")
    let archive = try scratch.backUp(store)
    func told(_ exit: Int32, _ more: String...) throws -> JSONValue {
      let words: [String]
      switch verb {
      case "merge": words = ["merge", store, other, "--as", "memory-graph"]
      case "export": words = ["export", store, "--as", "memory-graph"]
      default: words = ["restore", archive, "--as", "memory-graph"]
      }
      let target = scratch.fresh("x")
      let outcome = try scratch.run([Binary.path] + words + ["--to", target, "--json"] + more)
      #expect(outcome.status == exit, "\(outcome)")
      return try JSONValue(parsing: outcome.output)
    }
    for more in [["--dry-run"], []] {
      let finding = try (more.isEmpty ? told(3) : told(3, "--dry-run"))["findings"]?.elements ?? []
      #expect(finding.count == 1)
      #expect(finding.first?["code"]?.text == "context-lost")
      #expect(finding.first?["path"]?.text?.hasSuffix("charts-w.jsonl") == true)
      #expect(finding.first?["record"]?.text == "entity:Bob")
      #expect(finding.first?["message"]?.text?.hasPrefix("and 1 other are") == true, "\(finding)")
    }
    // Nothing is lost where the records name their contexts.
    if verb != "merge" {
      #expect(try told(0, "--context", "default")["findings"]?.elements.isEmpty == true)
    }
  }

  /// A context that no file can be named after is refused, as export refuses it.
  @Test func aContextWithoutAFile() throws {
    let scratch = try Scratch.here()
    let odd = try scratch.write(
      Self.entity("Odd", [], ",\"metadata\":{\"context\":\"a/b\"}"), to: "odd.jsonl")
    try scratch.write(Self.bob, to: "c/charts.jsonl")
    let refused = try scratch.holdfast(
      exit: 13, "merge", odd, scratch.file("c"), "--to", scratch.file("m"))
    #expect(refused.message.contains("\(odd):1") && refused.message.contains("a/b"), "\(refused)")
    try scratch.holdfast(
      exit: 0, "merge", odd, scratch.file("c"), "--to", scratch.file("m"), "--as", "memory-graph")
  }

  /// More conflicts than are listed: those that stand in the way come before the others.
  @Test func moreConflictsThanAreListed() throws {
    let scratch = try Scratch.here()
    func store(_ name: String, _ seen: String) throws -> String {
      let lines = (1000..<2010).map { number in
        Self.entity(
          "n\(number)", [seen],
          number < 2005 ? Self.updated("2026-01-0\(seen)T00:00:00Z") : "")
      }
      return try scratch.write(lines.joined(separator: "\n"), to: name)
    }
    let (a, b) = (try store("a.jsonl", "1"), try store("b.jsonl", "2"))
    let words = ["--to", scratch.file("m.jsonl"), "--on-conflict", "newest", "--dry-run"]
    let outcome = try scratch.run([Binary.path, "merge", a, b, "--json"] + words)
    #expect(outcome.status == 13 && outcome.message.contains("entity:n2005"), "\(outcome)")
    let plan = try JSONValue(parsing: outcome.output)["plan"]
    #expect(plan?["conflict_count"]?.integer == 1010 && plan?["unresolved_count"]?.integer == 5)
    let listed = plan?["conflicts"]?.elements ?? []
    #expect(listed.count == 1000)
    let open = listed.filter { $0["outcome"]?.text == "unresolved" }
    #expect(
      open.map { $0["record"]?.text } == (2005..<2010).map { "entity:n\($0)" })
  }

  /// Documents are the same by the id that each backup was made with.
  @Test func idsOfBackups() throws {
    let scratch = try Scratch.here()
    func archive(_ name: String, _ lines: String) throws -> String {
      let store = try scratch.write(lines, to: name)
      return try scratch.backUp(store, to: scratch.file("repo"), ["--id-field", "/k"])
    }
    let a = try archive("a.jsonl", "{\"k\":1,\"v\":1}\n{\"k\":2,\"v\":1}\n")
    let b = try archive("b.jsonl", "{\"k\":1,\"v\":2}\n{\"k\":3,\"v\":1}\n")
    let target = scratch.file("m.jsonl")
    let refused = try scratch.holdfast(exit: 13, "merge", a, b, "--to", target)
    #expect(refused.message.contains("document:1 in "), "\(refused)")
    try scratch.holdfast(exit: 0, "merge", a, b, "--to", target, "--on-conflict", "first", "-q")
    #expect(
      try TestFile.text(target)
        == "{\"k\":1,\"v\":1}\n{\"k\":2,\"v\":1}\n{\"k\":3,\"v\":1}\n")
  }

  /// A run that says NULL in a column says more than one whose history has no such column, whichever
  /// comes first.
  @Test func aRunThatSaysNothingInMoreColumns() throws {
    let scratch = try Scratch.here()
    let run = #"("r1", "p", "o", "{}", None, 1.0"#
    let narrow = try history(scratch, "a.db", later: 0, "[\(run))]")
    let wide = try history(scratch, "b.db", later: 4, "[\(run), None, None, None, None)]")
    let between = try history(scratch, "c.db", later: 2, "[\(run), \"x\", None)]")
    for (number, stores) in [[narrow, wide], [wide, narrow]].enumerated() {
      let target = scratch.file("two-\(number).db")
      let told = try scratch.json("merge", stores[0], stores[1], "--to", target)
      #expect(told["duplicates"]?.integer == 1 && told["records"]?.integer == 1, "\(told)")
      let words = ["merge"] + stores + [between, "--to", scratch.file("three.db")]
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == 13 && outcome.message.contains("run:r1"), "\(outcome)")
    }
  }

  /// Of several conflicts those are told that nothing decides.
  @Test func oneOfTwoIsUndecided() throws {
    let scratch = try Scratch.here()
    for day in ["1", "2"] {
      let records = [
        Self.entity("Ada", [day], Self.updated("2026-01-0\(day)T00:00:00Z")),
        Self.entity("Bob", [day]),
      ]
      try scratch.write(records.joined(separator: "\n"), to: "\(day).jsonl")
    }
    let outcome = try scratch.holdfast(
      exit: 13, "merge", scratch.file("1.jsonl"), scratch.file("2.jsonl"), "--on-conflict",
      "newest", "--to", scratch.file("merged"))
    #expect(outcome.message.contains("no version says that it is the newest"), "\(outcome)")
    #expect(!outcome.message.contains("entity:Ada") && outcome.message.contains("entity:Bob"))
  }
}
