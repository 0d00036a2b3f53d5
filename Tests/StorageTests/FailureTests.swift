import Disk
import Glibc
import HoldfastStorage
import SystemPackage
import TestSupport
import Testing

/// What happens when a store is damaged, locked, full or not where it should be.
struct FailureTests {
  private static func intent(_ id: String) -> StorableIntent {
    IntentConformanceTests.intent(id)
  }

  @Test func theFactorySaysWhenItFallsBack() async throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.write("{\"tasks\": 1, \"other\": true}", to: "file.json")
    let path = scratch.file("file.json").string
    let opened = StorageFactory.openOrFallBack(StorageConfiguration(.snapshot(path)))
    #expect(opened.fallback?.code == .unsupported && opened.fallback?.path == path)
    try await opened.storage.store(Self.intent("a"))
    #expect(try await opened.storage.intents().count == 1)
    #expect(try scratch.read("file.json") == Array("{\"tasks\": 1, \"other\": true}".utf8))
    let under = scratch.file("file.json/store.db").string
    #expect(StorageFactory.openOrFallBack(StorageConfiguration(.database(under))).fallback != nil)
    let fine = StorageFactory.openOrFallBack(StorageConfiguration(Where.tasks.place(scratch)))
    #expect(fine.fallback == nil)
  }

  /// A damaged snapshot: what can be read is read, the rest comes from the newest backup, and a save
  /// keeps every byte that it does not understand.
  @Test func aDamagedSnapshot() async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try Where.snapshot.open(scratch)
    for id in ["a", "b", "c"] { try await storage.store(Self.intent(id)) }
    let whole = try scratch.read("snapshot.json")
    let text = String(decoding: whole, as: UTF8.self)
    let damaged = text.replacing("\"intent_id\": \"b\"", with: "\"intent_id\": \u{1}\u{2} b")
    try scratch.write(damaged, to: "snapshot.json")
    let opened = try Where.snapshot.open(scratch)
    #expect(Set(try await opened.intents().map(\.id)) == ["a", "c"])
    let health = try await opened.healthCheck()
    #expect(!health.isHealthy)
    let finding = try #require(health.findings.first)
    let at = try #require(finding.offset)
    #expect(finding.line != nil && at > 0 && at < damaged.utf8.count)
    try await opened.store(Self.intent("d"))
    var changed = try #require(try await opened.intent("a"))
    changed.priority = 77
    try await opened.update(changed)
    let after = String(decoding: try scratch.read("snapshot.json"), as: UTF8.self)
    #expect(after.contains("\"intent_id\": \u{1}\u{2} b"))
    #expect(Set(try await Where.snapshot.open(scratch).intents().map(\.id)) == ["a", "c", "d"])
    // To delete what stands beside the damage would lose it.
    #expect(await Storage.code { try await opened.deleteIntent("c") } == .damaged)
    #expect(String(decoding: try scratch.read("snapshot.json"), as: UTF8.self) == after)
  }

  /// What a damaged store cannot give is read from the newest backup, and the findings say so.
  @Test func theNewestBackup() async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try Where.snapshot.open(scratch)
    let holdfast =
      getenv("HOLDFAST_BINARY").map { String(cString: $0) } ?? Worker.binary("holdfast")
    for id in ["a", "b"] { try await storage.store(Self.intent(id)) }
    try scratch.run("SOURCE_DATE_EPOCH=1700000000 '\(holdfast)' backup snapshot.json")
    try await storage.store(Self.intent("c"))
    try scratch.run("SOURCE_DATE_EPOCH=1700000600 '\(holdfast)' backup snapshot.json")
    let text = String(decoding: try scratch.read("snapshot.json"), as: UTF8.self)
    // The newest backup is damaged too: the one before it serves, and both are told of.
    try scratch.run("cd .backup; for f in *T222320Z.tar.zst; do truncate -s 600 \"$f\"; done")
    try scratch.write(
      text.replacing("\"intent_id\": \"b\"", with: "\"intent_id\": \u{1} b"),
      to: "snapshot.json")
    let backups = scratch.file(".backup").string
    let opened = try StorageFactory.open(
      StorageConfiguration(Where.snapshot.place(scratch), backups: backups))
    #expect(try await opened.intent("b")?.goal == Self.intent("b").goal)
    #expect(try await opened.intents().map(\.id) == ["a", "c", "b"])
    #expect(try await opened.intent("nobody") == nil)
    let findings = try await opened.findings
    #expect(findings.contains { $0.code == "written-elsewhere" && $0.path != nil })
    #expect(findings.contains { $0.code == "unreadable" && $0.severity == .warning })
    let none = try StorageFactory.open(
      StorageConfiguration(Where.snapshot.place(scratch), backups: "/nowhere"))
    #expect(try await none.intent("b") == nil)
    #expect(try await none.findings.contains { $0.code == "missing-file" })
  }

  /// What is deleted from a damaged store does not come back from the backup.
  @Test func theDeletedStaysDeleted() async throws {
    let scratch = try Scratch(inMemory: true)
    let holdfast =
      getenv("HOLDFAST_BINARY").map { String(cString: $0) } ?? Worker.binary("holdfast")
    func line(_ name: String) -> String {
      "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]}\n"
    }
    try scratch.write(line("a") + line("b") + line("c"), to: "memory.jsonl")
    try scratch.run("'\(holdfast)' backup memory.jsonl")
    try scratch.write(line("a") + "{\"type\":\"ent\n" + line("c"), to: "memory.jsonl")
    let storage = try StorageFactory.open(
      StorageConfiguration(
        Where.graph.place(scratch), backups: scratch.file(".backup").string))
    #expect(try await storage.readGraph("default").entities.map(\.name) == ["a", "c", "b"])
    try await storage.deleteEntity("a", in: "default")
    #expect(try await storage.readGraph("default").entities.map(\.name) == ["c", "b"])
    try await storage.append(Entity(name: "a", type: "t"), to: "default")
    #expect(try await storage.readGraph("default").entities.map(\.name) == ["c", "a", "b"])
  }

  /// A torn last line stays where it is, and what is appended has a line of its own.
  @Test func aTornLine() async throws {
    let scratch = try Scratch(inMemory: true)
    let line = "{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]}\n"
    let torn = "{\"type\":\"entity\",\"na"
    try scratch.write(line + torn, to: "memory.jsonl")
    let storage = try Where.graph.open(scratch)
    try await storage.append(Entity(name: "b", type: "t"), to: "default")
    #expect(try await storage.readGraph("default").entities.map(\.name) == ["a", "b"])
    let after = String(decoding: try scratch.read("memory.jsonl"), as: UTF8.self)
    #expect(after.hasPrefix(line + torn + "\n{") && after.hasSuffix("}\n"))
    #expect(try await storage.findings.contains { $0.severity == .error })
    try await storage.deleteEntity("a", in: "default")
    #expect(String(decoding: try scratch.read("memory.jsonl"), as: UTF8.self).hasPrefix(torn))
  }

  /// A record that can be read but not be a value of its type is left out of lists, and told.
  @Test func aRecordThatIsNoValue() async throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.write(
      """
      {"type":"entity","name":5,"entityType":"t","observations":[]}
      {"type":"entity","name":"a","entityType":"t","observations":[]}
      {"type":"relation","from":"a","to":7,"relationType":"r"}

      """, to: "memory.jsonl")
    let storage = try Where.graph.open(scratch)
    let graph = try await storage.readGraph("default")
    #expect(graph.entities.map(\.name) == ["a"] && graph.relations.isEmpty)
    let findings = try await storage.findings
    #expect(findings.count == 2 && findings.allSatisfy { $0.message.contains("left out") })
    let opened = try Where.graph.open(scratch)
    let health = try await opened.healthCheck()
    #expect(health.counts == ["entity": 2, "relation": 1])
    #expect(!health.isHealthy && health.findings.map(\.message).contains { $0.contains("no name") })
    try await opened.append(Entity(name: "b", type: "t"), to: "default")
    #expect(
      String(decoding: try scratch.read("memory.jsonl"), as: UTF8.self).contains(#""name":5"#))
    // What is wrong no more is told no more.
    try scratch.write(
      """
      {"type":"entity","name":"a","entityType":"t","observations":[]}
      {"type":"relation","from":"a","to":"a","relationType":"r"}

      """, to: "memory.jsonl")
    #expect(try await storage.findings.isEmpty)
  }

  /// Another program holds the lock for longer than the limit.
  @Test(arguments: [Where.snapshot, .graph, .contexts, .archive, .database, .tasks, .runs])
  func locked(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try StorageFactory.open(
      StorageConfiguration(place.place(scratch), waitLimit: 0.05))
    let isDirectory = place == .archive || place == .contexts
    try scratch.run(place == .contexts ? "mkdir -p coaia" : "true")
    let path = StoreLock.path(
      forStoreAt: scratch.file(place.name), isDirectory: isDirectory)
    let lock = try StoreLock(path)
    let code = await Storage.code {
      switch place {
      case .graph, .contexts:
        try await storage.append(Entity(name: "a", type: "t"), to: "default")
      case .tasks: _ = try await storage.createTask("a")
      case .runs:
        _ = try await storage.saveRun(
          PlanResult(planID: "p", objective: "o", json: "{}"), execution: nil)
      default: try await storage.store(Self.intent("a"))
      }
    }
    withExtendedLifetime(lock) {}
    #expect(code == .locked)
    #expect(try await storage.healthCheck().counts.isEmpty)
  }

  /// The lock of the archive's own programs is respected; one that they have forgotten is not.
  @Test func theOwnersLock() async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try StorageFactory.open(
      StorageConfiguration(Where.archive.place(scratch), waitLimit: 0.05))
    try scratch.write("", to: "archive/x")
    try scratch.run("mkdir -p archive/intents; rm archive/x; touch archive/intents/.archive_lock")
    #expect(await Storage.code { try await storage.store(Self.intent("a")) } == .locked)
    try scratch.run("touch -d '1 minute ago' archive/intents/.archive_lock")
    try await storage.store(Self.intent("a"))
    #expect(try await storage.intents().count == 1)
    #expect(!scratch.exists("archive/intents/.archive_lock"))
    // One of ours whose process is gone counts for nothing.
    try scratch.write("holdfast 4194303", to: "archive/intents/.archive_lock")
    try await storage.store(Self.intent("b"))
    #expect(try await storage.intents().count == 2)
  }

  /// Where nothing can be written, memory and disk stay as they were.
  @Test(arguments: [Where.snapshot, .graph, .tasks])
  func aFailedWrite(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    func change(_ name: String) async throws {
      switch place {
      case .graph: try await storage.append(Entity(name: name, type: "t"), to: "default")
      case .tasks: _ = try await storage.createTask(name)
      default: try await storage.store(Self.intent(name))
      }
    }
    try await change("a")
    let before = try scratch.read(place.name)
    let counts = try await storage.healthCheck().counts
    // A directory in the place of the lock: no program can open it for writing.
    let lock = StoreLock.path(forStoreAt: scratch.file(place.name), isDirectory: false)
    try scratch.run("rm '\(lock)'; mkdir '\(lock)'")
    #expect(await Storage.code { try await change("b") } != nil)
    #expect(try await storage.healthCheck().counts == counts)
    #expect(try scratch.read(place.name) == before)
    try scratch.run("rmdir '\(lock)'")
    try await change("b")
    #expect(try await storage.healthCheck().counts != counts)
  }
}
