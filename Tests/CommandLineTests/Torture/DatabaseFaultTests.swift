import Testing

/// Databases that a verb changes where they lie. SQLite keeps them whole by a journal beside them; at
/// any end they are what they were or what they are to be, as SQLite's own shell reads them.
@Suite(.scratch) struct DatabaseFaultTests {
  struct Change: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Makes the database of this path, and says what to do.
    let make: @Sendable (Scratch, String) throws -> [String]
    /// What is compared: ids and times of new runs are never the same.
    var query = ".dump"
    /// Whether it is written to a log beside the database first.
    var isLogged = false
    /// Exit codes of doing it once more.
    var again: Set<Int32> = [0]
  }

  private static let entity =
    #"{"type":"entity","name":"new","entityType":"t","observations":["a"]}"#

  /// The database, its lock, and what a write-ahead log leaves where it cannot be taken in.
  private static let lasting = [
    "store.db", ".holdfast-store.db.lock", "store.db-wal", "store.db-shm",
  ]

  /// Saves a run in a history whose journal is of this mode.
  private static func saveRun(_ name: String, journal: String) -> Change {
    Change(
      testDescription: name,
      make: { scratch, path in
        try scratch.runHistory(path, 12)
        try scratch.tool("sqlite3", path, "PRAGMA journal_mode=\(journal)")
        return [
          "runs", "save", path, "--plan-id", "new", "--objective", "o", "--plan-result", "{}",
        ]
      }, query: "SELECT DISTINCT plan_id, objective, plan_result FROM runs ORDER BY 1",
      isLogged: journal == "WAL")
  }

  /// Migrates a graph and what `line` adds to it.
  private static func migrated(_ scratch: Scratch, to path: String, with line: String? = nil) throws
  {
    let store = try scratch.graph(12, to: "made.jsonl")
    if let line { try scratch.holdfast(exit: 0, "record", "put", store, line) }
    try scratch.holdfast(exit: 0, "migrate", store, "--to", path)
  }

  static let changes = [
    saveRun("runs save", journal: "DELETE"),
    saveRun("runs save in a history with a write-ahead log", journal: "WAL"),
    Change(
      testDescription: "record put",
      make: { scratch, path in
        try migrated(scratch, to: path)
        return ["record", "put", path, entity]
      }),
    Change(
      testDescription: "record delete",
      make: { scratch, path in
        try migrated(scratch, to: path, with: entity)
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

  /// A database, what is done to it, and both of its states.
  private struct Scene {
    let scratch: Scratch
    let change: Change
    let command: [String]
    let old: String

    init(_ change: Change) throws {
      scratch = try Scratch.here()
      self.change = change
      let database = try scratch.directory("world") + "/store.db"
      command = [Binary.path] + (try change.make(scratch, database))
      old = try Self.state(scratch, change)
      try scratch.tool("cp", "-a", scratch.file("world"), scratch.file("before"))
    }

    func reset() throws {
      try TestFile.remove(scratch.file("world"))
      try scratch.tool("cp", "-a", scratch.file("before"), scratch.file("world"))
    }

    func state() throws -> String { try Self.state(scratch, change) }

    /// In a copy, so that the shell does not clear up what the next change is to find.
    private static func state(_ scratch: Scratch, _ change: Change) throws -> String {
      let copy = scratch.fresh("copy")
      try scratch.tool("cp", "-a", scratch.file("world"), copy)
      defer { try? TestFile.remove(copy) }
      #expect(
        try scratch.tool("sqlite3", copy + "/store.db", "PRAGMA integrity_check").text == "ok\n")
      return try scratch.tool("sqlite3", copy + "/store.db", change.query).text
    }

    func run(_ prefix: [String] = []) throws -> Outcome {
      var setting = Child.Setting()
      setting.environment["SOURCE_DATE_EPOCH"] = "1600000000"
      return try scratch.run(prefix + command, setting)
    }

    /// Does it undisturbed: its calls about files here, and what the database is then.
    func calls(_ names: [String]) throws -> (calls: [TracedCall], new: String) {
      let log = scratch.file("trace")
      #expect(try run(Trace.words(log, names)).status == 0)
      let new = try state()
      #expect(old != new, "it does nothing")
      let calls = try Trace.calls(in: log, names).filter { $0.isAbout([scratch.file("world")]) }
      #expect(calls.contains { Trace.writing.contains($0.name) }, "\(calls.map(\.name))")
      return (calls, new)
    }
  }

  @Test(arguments: changes) func anywhere(_ change: Change) throws {
    let scene = try Scene(change)
    let (old, log) = (scene.old, scene.scratch.file("trace"))
    let world = scene.scratch.file("world")
    let (calls, new) = try scene.calls(Trace.changing + Trace.reading)
    var random = SeededRandom()
    for blow in Torture.sample(Blow.all(at: calls), 8, &random) {
      try scene.reset()
      let outcome = try scene.run(Trace.words(log, [blow.call], blow))
      let comment = "\(change.testDescription), \(blow), seed \(random.seed): \(outcome)"
      let found = try scene.state()
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
      let next = try scene.run()
      let expected = found == new ? change.again : [0]
      #expect(expected.contains(next.status), "after \(comment): \(next)")
      #expect(try scene.state() == new, "after \(comment)")
      let left = Set(try TestFile.names(world)).subtracting(Self.lasting)
      #expect(left.isEmpty, "after \(comment): \(left)")
    }
  }

  /// A quota, or a limit on the size of files, that the first write to the database, its journal or
  /// its log meets, or the last: no room, and nothing else.
  @Test(arguments: changes) func aQuota(_ change: Change) throws {
    let scene = try Scene(change)
    let log = scene.scratch.file("trace")
    let (calls, new) = try scene.calls(["pwrite64"])
    func expectRefused(_ outcome: Outcome, _ what: String) throws {
      let comment = "\(change.testDescription), \(what): \(outcome)"
      #expect(outcome.status == 15 && outcome.messages.count == 1, "\(comment)")
      #expect(try scene.state() == scene.old, "\(comment)")
      #expect(try scene.run().status == 0, "after \(comment)")
      #expect(try scene.state() == new, "after \(comment)")
    }
    let byFile = Dictionary(grouping: calls) { $0.text.prefix { $0 != "," } }
    // What is written to the database with a log beside it repeats what the log has.
    let files = byFile.filter { !change.isLogged || !$0.key.contains("/store.db>") }
    #expect(!files.isEmpty)
    for call in files.values.flatMap({ [$0[0], $0[$0.count - 1]] }) {
      try scene.reset()
      let blow = Blow(call: call.name, number: call.number, isForGood: true, act: .error("EDQUOT"))
      try expectRefused(try scene.run(Trace.words(log, [call.name], blow)), "\(blow)")
    }
    try scene.reset()
    let limit = ["bash", "-c", "ulimit -f 1; exec \"$@\"", "-"]
    try expectRefused(try scene.run(limit), "a limit of 1 KiB")
  }
}
