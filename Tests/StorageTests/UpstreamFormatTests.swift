import Disk
import HoldfastStorage
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

/// What is written here opens where the formats come from, and the other way round.
struct UpstreamFormatTests {
  private static let samples = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent().appending("samples").appending("intact")

  private func copy(_ name: String, to scratch: Scratch) throws -> String {
    try scratch.run("cp -r '\(Self.samples.appending(name))' copy")
    return scratch.file("copy").string
  }

  /// The same data as any reader of JSON has it, but for what an update is meant to change.
  @Test func aSnapshotKeepsItsOwnersShape() async throws {
    let scratch = try Scratch(inMemory: true)
    let path = try copy("snapshot-v1.1.json", to: scratch)
    try scratch.run("cp copy before.json")
    let storage = try StorageFactory.open(StorageConfiguration(.snapshot(path), now: { 77 }))
    let ids = try await storage.intents().map(\.id)
    var first = try #require(try await storage.intent(ids[0]))
    first.priority += 1
    try await storage.update(first)
    try await storage.store(StorableIntent(id: "new \"one\"", goal: "g", createdAt: 5))
    try await storage.deleteIntent(ids[1])
    try scratch.python(
      """
      import json, sys
      old, new = json.load(open("before.json")), json.load(open("copy"))
      assert list(new["intents"]) == [i for i in old["intents"] if i != sys.argv[2]] + ['new "one"']
      assert new["timestamp"] == 77 and new["version"] == "1.1" and new["rtfs"] is None
      a, b = old["intents"].pop(sys.argv[1]), new["intents"].pop(sys.argv[1])
      assert b["priority"] == a["priority"] + 1
      del a["priority"], b["priority"]
      assert a == b and list(a) == list(b)
      made = new["intents"].pop('new "one"')
      del old["intents"][sys.argv[2]]
      assert new["intents"] == old["intents"] and new["manifest"] == old["manifest"]
      some = next(iter(old["intents"].values()))
      assert set(made) == set(some), set(made) ^ set(some)
      assert json.dumps(new["intents"], indent=2, ensure_ascii=False)
      """, ids[0], ids[1])
    // A new file is laid out as its owner lays it out: two spaces a level, to the byte.
    let fresh = try Where.snapshot.open(scratch)
    try await fresh.store(StorableIntent(id: "a", goal: "ü", createdAt: 5))
    try await fresh.store(IntentEdge(from: "a", to: "a", type: .relatedTo))
    try scratch.python(
      """
      import json
      text = open("snapshot.json", encoding="utf-8").read()
      assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False), text
      """)
  }

  @Test func anArchiveIsWhatItsOwnerReads() async throws {
    let scratch = try Scratch(inMemory: true)
    let path = try copy("archive", to: scratch)
    let storage = try StorageFactory.open(StorageConfiguration(.archive(path)))
    let before = try await storage.intents()
    #expect(before.count == 5)
    try await storage.store(StorableIntent(id: "new", goal: "g", createdAt: 5))
    var changed = before[0]
    changed.goal = "another"
    try await storage.update(changed)
    try scratch.python(
      """
      import json, hashlib, os
      index = json.load(open("copy/intents/index.json"))
      assert len(index) == 6
      for hash, path in index.items():
        text = open("copy/intents/" + path, encoding="utf-8").read()
        compact = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(compact.encode()).hexdigest() == hash
        assert path == f"{hash[:2]}/{hash[2:4]}/{hash}.json"
      assert not os.path.exists("copy/intents/.archive_lock")
      """)
    let survey = try Survey.read(
      DiskTree(FilePath(path)), as: .contentArchive, rules: false)
    #expect(survey.log.errors == 0 && survey.counts[.intent] == 6)
  }

  /// An archive that is not divided by kinds stays so: its one index names what is put there.
  @Test func anArchiveOfAnyKind() async throws {
    let scratch = try Scratch(inMemory: true)
    let objects = try StorageFactory.archive(
      of: ArchivedEntity.self, StorageConfiguration(Where.archive.place(scratch)))
    for id in ["a", "b"] {
      _ = try await objects.store(ArchivedEntity(json: "{\"intent_id\":\"\(id)\",\"goal\":\"g\"}"))
    }
    let edge = #"{"from":"a","to":"b","edge_type":"DependsOn"}"#
    _ = try await objects.store(ArchivedEntity(json: edge))
    let storage = try Where.archive.open(scratch)
    #expect(try await storage.intents().map(\.id).sorted() == ["a", "b"])
    try await storage.store(IntentConformanceTests.intent("c"))
    try await storage.deleteIntent("a")
    #expect(try await storage.edges().isEmpty)
    let again = try Where.archive.open(scratch)
    #expect(try await again.intents().map(\.id).sorted() == ["b", "c"])
    #expect(try await objects.listHashes().count == 2)
    #expect(try await objects.verifyIntegrity().isEmpty)
    let names = try scratch.run("ls archive").split(separator: "\n")
    #expect(names.contains("index.json") && !names.contains("intents"))
  }

  @Test func aGraphIsLines() async throws {
    let scratch = try Scratch(inMemory: true)
    // As the owning server leaves it: no LF at the end.
    try scratch.write(
      "{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]}\n"
        + "{\"type\":\"future\",\"name\":\"kept\"}\n"
        + "{\"type\":\"entity\",\"name\":\"b\",\"entityType\":\"t\",\"observations\":[\"x\"]}",
      to: "memory.jsonl")
    let storage = try Where.graph.open(scratch)
    try await storage.append(Entity(name: "c", type: "t"), to: "default")
    try await storage.addObservations(["y"], to: "b", in: "default")
    try await storage.deleteEntity("a", in: "default")
    try scratch.python(
      """
      import json
      lines = [json.loads(l) for l in open("memory.jsonl").read().split("\\n") if l.strip()]
      assert [l["name"] for l in lines] == ["kept", "b", "c"]
      assert lines[1]["observations"] == ["x", "y"]
      lines.append({"type": "entity", "name": "d", "entityType": "t", "observations": []})
      open("memory.jsonl", "w").write("\\n".join(json.dumps(l) for l in lines))
      """)
    // What its owner has written since is seen by the same open store.
    #expect(try await storage.readGraph("default").entities.map(\.name) == ["b", "c", "d"])
  }

  @Test func runsAreRows() async throws {
    let scratch = try Scratch(inMemory: true)
    for name in ["runs.db", "runs-first-version.db"] {
      let path = try copy(name, to: scratch)
      let storage = try StorageFactory.open(StorageConfiguration(.runs(path)))
      let before = try await storage.listRuns(limit: 100, offset: 0)
      #expect(!before.isEmpty)
      let plan = PlanResult(planID: "p", objective: "o", json: "{\"a\": 1}")
      let id = try await storage.saveRun(plan, execution: "{\"success\":true}")
      try scratch.python(
        """
        import sqlite3, sys
        db = sqlite3.connect("copy")
        row = db.execute("SELECT plan_id, plan_result, typeof(created_at) FROM runs WHERE run_id=?",
          (sys.argv[1],)).fetchone()
        assert row == ("p", '{"a": 1}', "real"), row
        db.execute("INSERT INTO runs (run_id, plan_id, objective, plan_result, execution_result, "
          "created_at) VALUES ('theirs', 'q', 'o', '{}', '{}', 9e9)")
        db.commit()
        """, id)
      #expect(try await storage.listRuns().first?.id == "theirs")
      try scratch.run("rm -rf copy*")
    }
  }

  @Test(arguments: ["tasks.json", "tasks-by-user.json", "tasks-by-project.json"])
  func tasksAreJSON(_ name: String) async throws {
    let scratch = try Scratch(inMemory: true)
    let path = try copy(name, to: scratch)
    try scratch.run("cp copy before.json")
    let storage = try StorageFactory.open(StorageConfiguration(.tasks(path)))
    let tasks = try await storage.tasks()
    let first = try #require(tasks.first)
    let made = try await storage.createTask("Fresh", title: nil, owner: first.owner)
    #expect(!tasks.contains { $0.id == made.id && $0.owner == made.owner })
    let open = try #require(tasks.last { !$0.completed })
    try await storage.completeTask(open.id, owner: open.owner)
    try await storage.deleteTask(made.id, owner: made.owner)
    try scratch.python(
      """
      import json
      def differences(a, b, path=""):
        if type(a) is not type(b): yield path
        elif isinstance(a, dict):
          if list(a) != list(b): yield path
          for key in a:
            if key in b: yield from differences(a[key], b[key], path + "/" + key)
        elif isinstance(a, list):
          if len(a) != len(b): yield path
          for x, y in zip(a, b): yield from differences(x, y, path + "/*")
        elif a != b: yield path
      found = list(differences(json.load(open("before.json")), json.load(open("copy"))))
      assert sorted(p.rsplit("/", 1)[1] for p in found) == ["completed", "updated_at"], found
      """)
  }

  /// The migrated form holds what the files held, and `migrate`'s own reader finds no fault in it.
  @Test(arguments: [
    "snapshot-v1.0.json", "archive/intents/index.json", "memory.jsonl", "tasks.json",
  ])
  func migrated(_ name: String) async throws {
    let scratch = try Scratch(inMemory: true)
    let source = Self.samples.pushing(FilePath(name)).string
    let storage = try Where.database.open(scratch)
    let counts = try await StorageFactory.migrateFromFile(source, to: storage)
    #expect(counts.values.reduce(0, +) > 0)
    let health = try await storage.healthCheck()
    #expect(health.counts == counts.filter { $0.key != "document" })
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect("store.db")
      assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
      assert db.execute("SELECT count(*) FROM records").fetchone()[0] == \
        db.execute("SELECT sum(records) FROM stores").fetchone()[0]
      db.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
      """)
  }
}
