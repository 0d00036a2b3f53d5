import HoldfastStorage
import TestSupport
import Testing

/// What `IntentStorage` promises, on every backend.
struct IntentConformanceTests {
  static func intent(_ id: String, goal: String = "reach the hill", priority: Int = 5)
    -> StorableIntent
  {
    StorableIntent(
      id: id, goal: goal, name: "name of \(id)", priority: priority, createdAt: 1_700_000_000)
  }

  @Test(arguments: Where.intents) func storedAndRead(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let opened = try place.open(scratch)
    var storage: any IntentStorage = opened
    #expect(try await storage.intent("a") == nil)
    try await storage.store(Self.intent("a", goal: "naïve \"goal\"\n\\ 😀"))
    try await storage.store(Self.intent("b"))
    storage = try place.reopen(opened, scratch)
    let read = try #require(try await storage.intent("a"))
    #expect(read.goal == "naïve \"goal\"\n\\ 😀")
    #expect(read.contentHash == Self.intent("a", goal: "naïve \"goal\"\n\\ 😀").contentHash)
    #expect(read.revision == read.contentHash)
    #expect(Set(try await storage.intents().map(\.id)) == ["a", "b"])
    let health = try await storage.healthCheck()
    #expect(health.counts == ["intent": 2] && health.isHealthy)
  }

  @Test(arguments: Where.intents) func updated(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    try await storage.store(Self.intent("a"))
    let first = try #require(try await storage.intent("a"))
    var mine = first
    mine.status = .completed
    mine.metadata = ["by": "me"]
    try await storage.update(mine)
    var late = first
    late.goal = "another"
    #expect(await Storage.code { try await storage.update(late) } == .conflict)
    #expect(await Storage.code { try await storage.store(late) } == .conflict)
    #expect(await Storage.code { try await storage.update(Self.intent("no")) } == .notFound)
    let read = try #require(try await place.reopen(storage, scratch).intent("a"))
    #expect(read.status == .completed && read.goal == first.goal)
    #expect(read.metadata == ["by": "me"])
  }

  @Test(arguments: Where.intents) func deleted(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for id in ["a", "b", "c"] { try await storage.store(Self.intent(id)) }
    try await storage.store(IntentEdge(from: "a", to: "b", type: .dependsOn))
    try await storage.store(IntentEdge(from: "b", to: "c", type: .enables))
    try await storage.store(IntentEdge(from: "c", to: "a", type: .relatedTo))
    try await storage.deleteIntent("b")
    #expect(await Storage.code { try await storage.deleteIntent("b") } == .notFound)
    let again = try place.reopen(storage, scratch)
    #expect(Set(try await again.intents().map(\.id)) == ["a", "c"])
    #expect(try await again.edges().map(\.entityID) == ["c -RelatedTo-> a"])
    try await again.clearAll()
    #expect(try await again.intents().isEmpty)
    try await again.store(Self.intent("z"))
    #expect(try await place.reopen(again, scratch).intents().map(\.id) == ["z"])
    #expect(try await place.reopen(again, scratch).edges().isEmpty)
  }

  @Test(arguments: Where.intents) func filtered(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for number in 0..<20 {
      var intent = Self.intent(
        "i\(number)", goal: number % 2 == 0 ? "wash bottles" : "fill glasses", priority: number)
      if number % 3 == 0 { intent.status = .failed }
      try await storage.store(intent)
    }
    func ids(_ filter: IntentFilter) async throws -> Set<String> {
      Set(try await storage.intents(filter).map(\.id))
    }
    #expect(try await ids(IntentFilter(status: .failed)).count == 7)
    #expect(try await ids(IntentFilter(priority: 3...5)) == ["i3", "i4", "i5"])
    #expect(try await ids(IntentFilter(goalContains: "bottle")).count == 10)
    #expect(try await ids(IntentFilter(nameContains: "of i7")) == ["i7"])
    #expect(
      try await ids(IntentFilter(status: .failed, goalContains: "glass", priority: 0...9))
        == ["i3", "i9"])
  }

  @Test(arguments: Where.intents) func connected(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for id in ["a", "b", "c", "d"] { try await storage.store(Self.intent(id)) }
    var child = Self.intent("e")
    child.parent = "a"
    try await storage.store(child)
    for edge in [
      IntentEdge(from: "b", to: "a", type: .dependsOn, weight: 0.5, metadata: ["k": "v"]),
      IntentEdge(from: "c", to: "a", type: .isSubgoalOf),
      IntentEdge(from: "a", to: "d", type: .conflictsWith),
    ] { try await storage.store(edge) }
    // The same ends and type: the same edge.
    try await storage.store(IntentEdge(from: "a", to: "d", type: .conflictsWith, weight: 2))
    let again = try place.reopen(storage, scratch)
    #expect(try await again.edges().count == 3)
    #expect(try await again.edges(of: "d").map(\.weight) == [2])
    #expect(try await again.dependents(of: "a").map(\.id) == ["b"])
    #expect(try await again.subgoals(of: "a").map(\.id).sorted() == ["c", "e"])
    #expect(try await again.conflicts(of: "d").map(\.id) == ["a"])
    #expect(try await again.related(to: "a").map(\.id).sorted() == ["b", "c", "d"])
    try await again.delete(IntentEdge(from: "c", to: "a", type: .isSubgoalOf))
    #expect(try await again.subgoals(of: "a").map(\.id) == ["e"])
    let gone = IntentEdge(from: "c", to: "a", type: .isSubgoalOf)
    #expect(await Storage.code { try await again.delete(gone) } == .notFound)
  }

  /// A snapshot made of one backend is restored into another.
  @Test(arguments: Where.intents) func backedUpAndRestored(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for number in 0..<5 { try await storage.store(Self.intent("i\(number)")) }
    try await storage.store(IntentEdge(from: "i0", to: "i1", type: .blocks))
    let backup = scratch.file("backup.json").string
    try await storage.backup(to: backup)
    #expect(await Storage.code { try await storage.backup(to: backup) } == .exists)
    let before = Set(try await storage.intents().map(\.contentHash))
    try await storage.deleteIntent("i0")
    var changed = try #require(try await storage.intent("i2"))
    changed.priority = 99
    try await storage.update(changed)
    try await storage.store(Self.intent("new"))
    try await storage.restore(from: backup)
    let again = try place.reopen(storage, scratch)
    #expect(Set(try await again.intents().map(\.contentHash)) == before)
    #expect(try await again.edges().count == 1)
    #expect(await Storage.code { try await again.restore(from: "/nowhere") } == .notFound)
    try scratch.write("{\"intents\": {\"a\": {\"intent_id\"", to: "cut.json")
    let cut = scratch.file("cut.json").string
    #expect(await Storage.code { try await again.restore(from: cut) } == .damaged)
    #expect(try await again.intents().count == 5)
  }

  /// Many at once, which an archive makes durable together.
  @Test(arguments: Where.intents) func manyAtOnce(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    let ids = (0..<20).map { "i\($0)" }
    for id in ids { try await storage.store(Self.intent(id)) }
    let before = Set(try await storage.intents().map(\.contentHash))
    let backup = scratch.file("backup.json").string
    try await storage.backup(to: backup)
    for id in ids { try await storage.deleteIntent(id) }
    #expect(try await storage.intents().isEmpty)
    try await storage.restore(from: backup)
    let again = try place.reopen(storage, scratch)
    #expect(Set(try await again.intents().map(\.contentHash)) == before && before.count == 20)
    #expect(try await again.findings.isEmpty)
    #expect(try scratch.run("find . -name '*.tmp'").isEmpty)
  }

  /// Random changes against a model in memory; what is stored is what the model has, at every turn.
  @Test(arguments: Where.intents) func random(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    var random = Seeded()
    var storage = try place.open(scratch)
    var model: [String: String] = [:]
    var edges: Set<String> = []
    for step in 0..<25 {
      let id = random.pick(["a", "b", "ü", "c d", "\"q\"", "\\"])
      let note: Comment = "seed \(random.seed), step \(step)"
      switch random.below(6) {
      case 0, 1, 2:
        let intent = Self.intent(id, goal: "goal \(random.below(1000))\n\"\\{[,]}")
        try await storage.store(intent)
        model[id] = intent.contentHash
      case 3:
        let code = await Storage.code { try await storage.deleteIntent(id) }
        #expect(code == (model[id] == nil ? .notFound : nil), note)
        // A deletion that is refused takes no edges with it.
        guard model.removeValue(forKey: id) != nil else { break }
        edges = edges.filter { !$0.hasPrefix("\(id)|") && !$0.hasSuffix("|\(id)") }
      case 4:
        let other = random.pick(["a", "b", "ü"])
        try await storage.store(IntentEdge(from: id, to: other, type: .enables))
        edges.insert("\(id)|\(other)")
      default: storage = try place.reopen(storage, scratch)
      }
      let found = try await storage.intents().map { ($0.id, $0.contentHash) }
      #expect(Dictionary(uniqueKeysWithValues: found) == model, note)
      #expect(Set(try await storage.edges().map { "\($0.from)|\($0.to)" }) == edges, note)
    }
    #expect(try await storage.healthCheck().isHealthy)
  }
}
