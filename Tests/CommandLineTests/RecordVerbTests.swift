import Testing

/// `record`, `graph`, `runs` and `tasks`: single records of every kind of store.
@Suite(.scratch) struct RecordVerbTests {
  private static let intent = "{\"intent_id\":\"i\",\"goal\":\"g\",\"priority\":1.0}"
  private static let entity =
    "{\"type\":\"entity\",\"name\":\"é \\\"q\\\"\",\"entityType\":\"t\",\"observations\":[]}"
  private static let task =
    "{\"id\":7,\"title\":\"t\",\"description\":\"d\",\"completed\":false}"
  private static let run =
    "{\"run_id\":\"r\",\"plan_id\":\"p\",\"objective\":\"o\",\"plan_result\":\"{}\","
    + "\"execution_result\":null,\"created_at\":1.5,\"approval_status\":\"pending\","
    + "\"approval_reason\":null,\"approved_at\":null,\"approved_by\":null}"

  /// A record is put into a store of each kind, read back as it was, listed and deleted.
  @Test(arguments: [
    ("intent-snapshot", "s.json", intent, "intent:i"),
    ("content-archive", "archive", intent, "intent:i"),
    ("memory-graph", "m.jsonl", entity, "entity:é \"q\""),
    ("task-list", "t.json", task, "task:7"), ("run-history", "r.db", run, "run:r"),
    ("sqlite", "all.db", intent, "intent:i"), ("sqlite", "all.db", entity, "entity:é \"q\""),
    ("sqlite", "all.db", task, "task:7"), ("sqlite", "all.db", run, "run:r"),
  ])
  func there(_ kind: String, _ name: String, _ json: String, _ record: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file(name)
    try scratch.holdfast(exit: 10, "record", "put", store, json)
    let planned = try scratch.json("record", "put", store, json, "--kind", kind, "--dry-run")
    #expect(planned["dry_run"] == .bool(true) && planned["plan"]?["record"]?.text == record)
    #expect(!TestFile.exists(store), "a plan has made something")
    let told = try scratch.json("record", "put", store, json, "--kind", kind)
    #expect(told["record"]?.text == record && told["outcome"]?.text == "added")
    let again = try scratch.json("record", "put", store, json)
    #expect(again["outcome"]?.text == "unchanged")
    let got = try scratch.holdfast(exit: 0, "record", "get", store, record)
    #expect(got.text == json + "\n")
    let id = try #require(record.split(separator: ":").last)
    #expect(try scratch.holdfast(exit: 0, "record", "get", store, String(id)).text == got.text)
    let list = try scratch.json("record", "list", store)
    #expect(list["records"]?.elements.map { $0["record"]?.text } == [record])
    // Whole, though fields are missing that its owner wants.
    #expect([0, 3].contains(try scratch.holdfast("inspect", store).status))
    try scratch.holdfast(exit: 0, "record", "delete", store, record, "--dry-run")
    try scratch.holdfast(exit: 0, "record", "get", store, record)
    let gone = try scratch.json("record", "delete", store, record)
    #expect(gone["outcome"]?.text == "deleted")
    // Some kinds cannot be told any more when there is no record left.
    for action in ["get", "delete"] {
      let outcome = try scratch.holdfast("record", action, store, record)
      #expect([10, 13].contains(outcome.status), "\(outcome)")
    }
  }

  /// What a damaged table or list still gives is shown, and never as though it were all.
  @Test func damaged() throws {
    let scratch = try Scratch.here()
    let runs = scratch.file("runs.db")
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1])
      db.execute("PRAGMA page_size=1024")
      db.execute("CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT, objective TEXT,"
        " plan_result TEXT, execution_result TEXT, created_at REAL, approval_status TEXT,"
        " approval_reason TEXT, approved_at REAL, approved_by TEXT)")
      for n in range(40):
        db.execute("INSERT INTO runs(run_id, plan_id, objective, plan_result, created_at,"
          " approval_status) VALUES(?, 'p', 'sweep', ?, ?, 'pending')", (f"r{n}", "{}" + " " * 200, n))
      db.commit()
      page = db.execute("SELECT pageno FROM dbstat WHERE name = 'runs' AND pagetype = 'leaf'"
        " ORDER BY path LIMIT 1 OFFSET 4").fetchone()[0]
      db.close()
      with open(sys.argv[1], "r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(bytes(1024))
      """, runs)
    let list = try scratch.holdfast(exit: 3, "runs", "list", runs, "--limit", "100")
    #expect((10..<40).contains(list.lines.count) && list.message.contains("behind row"), "\(list)")
    #expect(try scratch.holdfast("runs", "list", runs, "--quiet").messages.count == 1)
    try scratch.holdfast(exit: 0, "runs", "show", runs, "r0")
    let lost = try #require((0..<40).first { !list.text.contains("  r\($0)  ") })
    let missing = try scratch.holdfast(exit: 10, "runs", "show", runs, "r\(lost)")
    #expect(missing.message.contains("not all of the store can be read"), "\(missing)")
    let absent = try scratch.holdfast(exit: 10, "record", "get", runs, "run:r\(lost)")
    #expect(absent.message.contains("not all of the store can be read"), "\(absent)")
    #expect(try scratch.holdfast(exit: 3, "search", runs, "sweep").text.contains("run:r0"))

    let tasks = try scratch.write(
      Array("{\"tasks\":[\(Self.task),{\"id\":8,\"title\":\"x".utf8), to: "tasks.json")
    let shown = try scratch.holdfast(exit: 3, "tasks", "list", tasks)
    #expect(shown.text.contains("7  t"), "\(shown)")
  }

  /// Backups and databases are read as the store is; a backup is never written to.
  @Test func ofABackup() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("m.jsonl")
    try scratch.holdfast(exit: 0, "record", "put", store, Self.entity, "--kind", "memory-graph")
    let archive = try scratch.backUp(store)
    let got = try scratch.holdfast(exit: 0, "record", "get", archive, "entity:é \"q\"")
    #expect(got.text == Self.entity + "\n")
    let refused = try scratch.holdfast(exit: 13, "record", "put", archive, Self.entity)
    #expect(refused.messages.count == 1 && refused.message.contains("backup"))
    try scratch.holdfast(exit: 0, "verify", archive)
  }

  /// In a graph of one file the records say which context they are in.
  @Test func contextsOfOneFile() throws {
    let scratch = try Scratch.here()
    func entity(_ name: String, _ context: String?) -> String {
      let metadata = context.map { ",\"metadata\":{\"context\":\"\($0)\"}" } ?? ""
      return
        "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]\(metadata)}"
    }
    func relation(_ from: String, _ to: String) -> String {
      "{\"type\":\"relation\",\"from\":\"\(from)\",\"to\":\"\(to)\",\"relationType\":\"r\"}"
    }
    let lines = [
      entity("a", "one"), entity("b", "two"), relation("b", "a"), entity("c", nil),
      "{\"type\":\"narrative_beat\",\"id\":\"n\"}",
    ]
    let store = try scratch.write(lines.joined(separator: "\n"), to: "m.jsonl")
    func listed(_ source: String, _ context: String) throws -> [String?] {
      let list = try scratch.json("record", "list", source, "--context", context)
      return list["records"]?.elements.map { $0["record"]?.text } ?? []
    }
    for source in [store, try scratch.backUp(store)] {
      #expect(try listed(source, "one") == ["entity:a"])
      #expect(try listed(source, "two") == ["entity:b", "relation:b -r-> a"])
      #expect(try listed(source, "default") == ["entity:c", "document:line 5"])
      try scratch.holdfast(exit: 10, "record", "list", source, "--context", "three")
      try scratch.holdfast(exit: 0, "record", "get", source, "entity:b", "--context", "two")
      try scratch.holdfast(exit: 10, "record", "get", source, "entity:b", "--context", "one")
    }
    let before = try TestFile.text(store)
    for (text, context) in [
      (entity("d", "one"), "two"), (entity("d", nil), "two"), (relation("a", "c"), "two"),
    ] {
      let refused = try scratch.holdfast(
        exit: 64, "record", "put", store, text, "--context", context)
      #expect(refused.message.contains("metadata.context"), "\(refused)")
    }
    try scratch.holdfast(exit: 10, "record", "delete", store, "entity:b", "--context", "one")
    #expect(try TestFile.text(store) == before)
    try scratch.holdfast(
      exit: 0, "record", "put", store, entity("d", "two"), "--context", "two")
    try scratch.holdfast(
      exit: 0, "record", "put", store, relation("d", "c"), "--context", "two")
    try scratch.holdfast(exit: 0, "record", "delete", store, "entity:b", "--context", "two")
    #expect(try listed(store, "two") == ["entity:d", "relation:d -r-> c"])
  }

  @Test func anIDAlone() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("all.db")
    let entity = "{\"type\":\"entity\",\"name\":\"i\",\"entityType\":\"t\",\"observations\":[]}"
    for record in [Self.intent, entity] {
      try scratch.holdfast(exit: 0, "record", "put", store, record, "--kind", "sqlite")
    }
    let several = try scratch.holdfast("record", "get", store, "i")
    #expect(several.status != 0 && several.text.isEmpty)
    #expect(several.messages.contains { $0.contains("intent:i") && $0.contains("entity:i") })
    try scratch.holdfast(exit: 0, "record", "delete", store, "intent:i")
    #expect(try scratch.holdfast(exit: 0, "record", "get", store, "i").text == entity + "\n")
    try scratch.holdfast(exit: 64, "record", "get", store, "j")
    try scratch.holdfast(exit: 0, "record", "delete", store, "i")
  }

  @Test func whatIsNoRecord() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("m.jsonl")
    for bad in ["{", "[1]", "{\"name\":1}", "{\"intent_id\":\"i\"}"] {
      let outcome = try scratch.holdfast(
        exit: 64, "record", "put", store, bad, "--kind", "memory-graph")
      #expect(outcome.messages.count == 1, "\(outcome)")
    }
    #expect(!TestFile.exists(store))
    try scratch.holdfast(exit: 64, "record", "get", store)
    try scratch.holdfast(exit: 64, "record", "list", store, "charts")
    let quiet = try scratch.holdfast(exit: 10, "record", "get", store, "entity:a", "--quiet")
    #expect(quiet.text == "" && quiet.messages.count == 1)
  }

  @Test func graphs() throws {
    let scratch = try Scratch.here()
    var lines = ["a", "b", "c", "d"].map {
      "{\"type\":\"entity\",\"name\":\"\($0)\",\"entityType\":\"t\",\"observations\":[]}"
    }
    for (from, to) in [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("d", "gone\"")] {
      lines.append(
        "{\"type\":\"relation\",\"from\":\"\(from)\",\"to\":\"\(to == "gone\"" ? "gone\\\"" : to)\","
          + "\"relationType\":\"r\"}")
    }
    let store = try scratch.write(lines.joined(separator: "\n"), to: "m.jsonl")
    let near = try scratch.json("graph", store, "entity:b")
    #expect(near["links"]?.elements.count == 2 && near["paths"] == nil)
    let ways = try scratch.json("graph", store, "a", "d")
    #expect(
      ways["paths"]?.elements.map { $0.elements.map { $0["to"]?.text } } == [
        ["b", "d"], ["c", "d"],
      ])
    let text = try scratch.holdfast(exit: 0, "graph", store, "a", "d", "--limit", "1")
    #expect(text.text == "a -r-> b -r-> d\n")
    #expect(try scratch.holdfast(exit: 0, "graph", store, "d", "a").text == "there is no way\n")
    try scratch.holdfast(exit: 10, "graph", store, "nobody")
    let dot = try scratch.holdfast(exit: 0, "graph", store, "--dot")
    #expect(dot.text.hasPrefix("digraph holdfast {\n  \"a\";\n"))
    #expect(dot.text.contains("  \"gone\\\"\" [style=dashed];\n"))
    #expect(dot.text.contains("  \"d\" -> \"gone\\\"\" [label=\"r\"];\n"))
  }

  @Test func runs() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    func save(_ result: String, _ more: String...) throws -> Outcome {
      let words = ["--plan-id", "p", "--objective", "wash", "--plan-result", result]
      return try scratch.run([Binary.path, "runs", "save", store] + words + more)
    }
    #expect(try save("{}", "--dry-run").status == 0)
    #expect(!TestFile.exists(store))
    let saved = try save("{\"a\": 1.0}", "--execution-result", "{\"success\": true}")
    let id = try #require(saved.lines.first)
    #expect(try save("{}").status == 0)
    #expect(try save("{no").status != 0)
    let list = try scratch.json("runs", "list", store)
    #expect(list["runs"]?.elements.count == 2)
    #expect(list["runs"]?.elements.filter { $0["success"] == .bool(true) }.count == 1)
    let shown = try scratch.json("runs", "show", store, id)
    #expect(shown["value"]?["plan_result"]?.text == "{\"a\": 1.0}")
    try scratch.holdfast(exit: 10, "runs", "show", store, "none")
    try scratch.holdfast(exit: 64, "runs", "list", store, "--limit", "101")
    try scratch.holdfast(exit: 64, "runs", "save", store)
  }

  @Test func tasks() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("tasks.json")
    try scratch.holdfast(exit: 0, "tasks", "add", store, "Oil the gate", "--dry-run")
    #expect(!TestFile.exists(store))
    let made = try scratch.json("tasks", "add", store, "Oil the gate")
    let id = try #require(made["task"]?["id"]?.text)
    try scratch.holdfast(exit: 0, "tasks", "update", store, id, "--description", "Oil the door")
    try scratch.holdfast(exit: 0, "tasks", "complete", store, id)
    let list = try scratch.holdfast(exit: 0, "tasks", "list", store)
    #expect(list.text == "[x] \(id)  Oil the door\n")
    try scratch.holdfast(exit: 10, "tasks", "complete", store, "none")
    try scratch.holdfast(exit: 64, "tasks", "update", store, id)
    try scratch.holdfast(exit: 64, "tasks", "add", store, " ")
    try scratch.holdfast(exit: 0, "tasks", "delete", store, id)
    let owned = scratch.file("owned.json")
    for owner in ["mira", "tom", "mira"] {
      try scratch.holdfast(exit: 0, "tasks", "add", owned, "x", "--owner", owner)
    }
    let all = try scratch.json("tasks", "list", owned, "--owner", "mira")
    #expect(all["tasks"]?.elements.map { $0["id"]?.text } == ["1", "2"])
    let several = try scratch.holdfast(exit: 13, "tasks", "complete", owned, "1")
    #expect(several.message.contains("owner"))
    try scratch.holdfast(exit: 0, "tasks", "complete", owned, "1", "--owner", "tom")
    try scratch.holdfast(exit: 0, "inspect", owned)
  }
}
