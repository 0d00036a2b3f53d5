import Testing

/// Databases that a verb changes where they lie. SQLite keeps them whole by a journal beside them; at
/// any end they are what they were or what they are to be, as SQLite's own shell reads them.
@Suite(.scratchInMemory) struct DatabaseFaultTests {
  struct Change: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Makes the database of this path, and says what to do.
    let make: @Sendable (Scratch, String) throws -> [String]
    /// What is compared: ids and times of new runs are never the same.
    var query = ".dump"
    /// Exit codes of doing it once more.
    var again: Set<Int32> = [0]
  }

  private static let entity =
    #"{"type":"entity","name":"new","entityType":"t","observations":["a"]}"#

  /// The database, its lock, and what a write-ahead log leaves where it cannot be taken in.
  private static let lasting = [
    "store.db", ".holdfast-store.db.lock", "store.db-wal", "store.db-shm",
  ]

  static let changes = [
    Change(
      testDescription: "runs save",
      make: { scratch, path in
        try scratch.runHistory(path, 12)
        return [
          "runs", "save", path, "--plan-id", "new", "--objective", "o", "--plan-result", "{}",
        ]
      }, query: "SELECT DISTINCT plan_id, objective, plan_result FROM runs ORDER BY 1"),
    Change(
      testDescription: "runs save in a history with a write-ahead log",
      make: { scratch, path in
        try scratch.runHistory(path, 12)
        try scratch.tool("sqlite3", path, "PRAGMA journal_mode=WAL")
        return [
          "runs", "save", path, "--plan-id", "new", "--objective", "o", "--plan-result", "{}",
        ]
      }, query: "SELECT DISTINCT plan_id, objective, plan_result FROM runs ORDER BY 1"),
    Change(
      testDescription: "record put",
      make: { scratch, path in
        let store = try scratch.graph(12, to: "made.jsonl")
        try scratch.holdfast(exit: 0, "migrate", store, "--to", path)
        return ["record", "put", path, entity]
      }),
    Change(
      testDescription: "record delete",
      make: { scratch, path in
        let store = try scratch.graph(12, to: "made.jsonl")
        try scratch.holdfast(exit: 0, "record", "put", store, entity)
        try scratch.holdfast(exit: 0, "migrate", store, "--to", path)
        return ["record", "delete", path, "entity:new"]
      }, again: [10]),
    Change(
      testDescription: "tasks complete",
      make: { scratch, path in
        let store = try SampleStore.tasks.make(in: scratch, "made")
        try scratch.holdfast(exit: 0, "migrate", store.path, "--to", path)
        let task = try #require(
          try scratch.json("tasks", "list", path)["tasks"]?.elements.first {
            $0["completed"]?.isTrue != true
          })
        return ["tasks", "complete", path, try #require(task["id"]?.text)]
      }),
  ]

  static let verbs = changes.compactMap {
    $0.testDescription.split(separator: " ").first.map(String.init)
  }

  @Test(arguments: changes) func anywhere(_ change: Change) throws {
    let scratch = try Scratch.here()
    let (world, made) = (scratch.file("world"), scratch.file("before"))
    let database = try scratch.directory("world") + "/store.db"
    let words = try change.make(scratch, database)
    try scratch.tool("cp", "-a", world, made)
    func reset() throws {
      try TestFile.remove(world)
      try scratch.tool("cp", "-a", made, world)
    }
    // In a copy, so that the shell does not clear up what the next change is to find.
    func state() throws -> String {
      let copy = scratch.fresh("copy")
      try scratch.tool("cp", "-a", world, copy)
      defer { try? TestFile.remove(copy) }
      #expect(
        try scratch.tool("sqlite3", copy + "/store.db", "PRAGMA integrity_check").text == "ok\n")
      return try scratch.tool("sqlite3", copy + "/store.db", change.query).text
    }
    var setting = Child.Setting()
    setting.environment["SOURCE_DATE_EPOCH"] = "1600000000"
    let (old, log) = (try state(), scratch.file("trace"))
    let names = Trace.changing + Trace.reading
    let command = [Binary.path] + words
    #expect(try scratch.run(Trace.words(log, names) + command, setting).status == 0)
    let new = try state()
    #expect(old != new, "it does nothing")
    let calls = try Trace.calls(in: log, names).filter { $0.isAbout([world]) }
    #expect(calls.contains { Trace.writing.contains($0.name) }, "\(calls.map(\.name))")
    var random = SeededRandom()
    for blow in Torture.sample(Blow.all(at: calls), 8, &random) {
      try reset()
      let outcome = try scratch.run(Trace.words(log, [blow.call], blow) + command, setting)
      let comment = "\(change.testDescription), \(blow), seed \(random.seed): \(outcome)"
      let found = try state()
      #expect(found == old || found == new, "\(comment)")
      if outcome.status == 0 { #expect(found == new, "\(comment)") }
      let hits = try Trace.calls(in: log, [blow.call]).filter(\.isInjected)
      if !blow.isKill, hits.allSatisfy({ $0.isAbout([world]) }) {
        var allowed = hits.reduce(into: Set<Int32>([0])) { $0.formUnion(blow.statuses($1)) }
        // Why a journal cannot be removed it does not say.
        if blow.call == "unlink" { allowed.insert(1) }
        #expect(allowed.contains(outcome.status), "\(comment)")
        #expect(outcome.status == 0 || outcome.messages.count == 1, "\(comment)")
      }
      let next = try scratch.run(command, setting)
      let expected = found == new ? change.again : [0]
      #expect(expected.contains(next.status), "after \(comment): \(next)")
      #expect(try state() == new, "after \(comment)")
      let left = Set(try TestFile.names(world)).subtracting(Self.lasting)
      #expect(left.isEmpty, "after \(comment): \(left)")
    }
  }
}
