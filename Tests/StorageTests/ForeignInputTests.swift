import Glibc
import HoldfastStorage
import SystemPackage
import TestSupport
import Testing

/// Stores as other programs and accidents leave them: a save keeps what its views do not show.
struct ForeignInputTests {
  private func text(_ scratch: Scratch, _ name: String) throws -> String {
    String(decoding: try scratch.read(name), as: UTF8.self)
  }

  /// Escapes, lone surrogates and what is no string stay as they are beside a new observation.
  @Test func observationsOfAnyShape() async throws {
    let scratch = try Scratch(inMemory: true)
    let lines = [
      #"{"type":"entity","name":"A","entityType":"t","observations":["caf\u00e9",null,3,"\ud83d"]}"#,
      #"{"type":"entity","name":"B","entityType":"t","observations":"one text"}"#,
      #"{"type":"entity","data":{"name":"C","entityType":"t","observations":["x"]}}"#,
      #"{"type":"entity","name":"D","entityType":"t"}"#,
    ]
    try scratch.write(lines.joined(separator: "\n") + "\n", to: Where.graph.name)
    let graph = try Where.graph.open(scratch)
    for name in ["A", "C", "D"] {
      #expect(try await graph.addObservations(["new"], to: name, in: "default") == ["new"])
    }
    #expect(
      await Storage.code { try await graph.addObservations(["new"], to: "B", in: "default") }
        == .invalid)
    let after = try text(scratch, Where.graph.name).split(separator: "\n")
    #expect(
      after == [
        lines[0].replacing("\"\\ud83d\"]", with: "\"\\ud83d\",\"new\"]")[...], lines[1][...],
        lines[2].replacing("\"x\"]", with: "\"x\",\"new\"]")[...],
        lines[3].replacing("\"t\"}", with: "\"t\",\"observations\":[\"new\"]}")[...],
      ])
    #expect(try await graph.readGraph("default").entities.map(\.name) == ["A", "B", "C", "D"])
    #expect(try await graph.healthCheck().findings.isEmpty)
  }

  /// A view shows the strings of lists and maps; what else is in them stays.
  @Test(arguments: [Where.snapshot, .archive, .database, .memory])
  func listsAndMapsOfAnyShape(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    try await storage.store(
      StorableIntent(
        json: #"{"intent_id":"a","child_intents":["k",4,"l"],"#
          + #""metadata":{"n":3,"s":"\u0078","t":"y"},"constraints":{"bad":7,"c":"(> 1 0)"}}"#))
    var intent = try #require(try await storage.intent("a"))
    intent.metadata["t"] = nil
    intent.metadata["u"] = "z"
    intent.children = ["l", "m"]
    var runtime = try RuntimeIntent(intent)
    runtime.constraints["d"] = try .init("(< 1 2)")
    try await storage.update(runtime.storable)
    let json = try #require(try await place.reopen(storage, scratch).intent("a")).json
    #expect(
      json == #"{"intent_id":"a","child_intents":[4,"l","m"],"#
        + #""metadata":{"n":3,"s":"\u0078","u":"z"},"#
        + #""constraints":{"bad":7,"c":"(> 1 0)","d":"(< 1 2)"},"preferences":{}}"#)
  }

  /// Letters that look alike are different ones, as ids and as values.
  @Test(arguments: Where.intents)
  func lettersThatLookAlike(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    let forms = ["caf\u{e9}", "cafe\u{301}"]
    for id in forms + ["a\u{0}b"] {
      try await storage.store(StorableIntent(id: id, goal: id, createdAt: 0))
    }
    var intent = try #require(try await storage.intent(forms[0]))
    intent.metadata = ["key": forms[0]]
    intent.children = [forms[0]]
    try await storage.update(intent)
    intent = try #require(try await storage.intent(forms[0]))
    intent.metadata = ["key": forms[1]]
    intent.children = [forms[1]]
    try await storage.update(intent)
    let anew = try place.reopen(storage, scratch)
    intent = try #require(try await anew.intent(forms[0]))
    let wanted = Array(forms[1].utf8)
    #expect(intent.metadata["key"].map { Array($0.utf8) } == wanted)
    #expect(intent.children.map { Array($0.utf8) } == [wanted])
    #expect(try await anew.intents().count == 3)
    #expect(try await anew.intent("a\u{0}b")?.goal == "a\u{0}b")
    #expect(try await anew.intent("a") == nil)
  }

  /// A name that stands twice goes as a whole, and nothing else with it.
  @Test func namesThatStandTwice() async throws {
    let scratch = try Scratch(inMemory: true)
    func line(_ name: String, _ text: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["\#(text)"]}"# + "\n"
    }
    try scratch.write(
      line("B", "b") + line("A", "first") + line("C", "c") + line("A", "second"),
      to: Where.graph.name)
    let graph = try Where.graph.open(scratch)
    #expect(try await graph.openNodes(["A"], in: "default").entities[0].observations == ["first"])
    try await graph.deleteEntity("A", in: "default")
    #expect(try await graph.readGraph("default").entities.map(\.name) == ["B", "C"])
    try await graph.append(Entity(name: "D", type: "t", observations: ["d"]), to: "default")
    #expect(
      try text(scratch, Where.graph.name) == line("B", "b") + line("C", "c") + line("D", "d"))

    try scratch.write(
      #"{"intents":{"b":{"intent_id":"b"},"a":{"intent_id":"a","goal":"first"},"#
        + #""c":{"intent_id":"c"},"a":{"intent_id":"a","goal":"second"}},"edges":[]}"#,
      to: Where.snapshot.name)
    let intents = try Where.snapshot.open(scratch)
    // The owner of the format takes the last one.
    var intent = try #require(try await intents.intent("a"))
    #expect(intent.goal == "second")
    intent.goal = "third"
    try await intents.update(intent)
    #expect(try text(scratch, Where.snapshot.name).contains(#""goal":"first"},"c""#))
    try await intents.deleteIntent("a")
    try await intents.store(StorableIntent(json: #"{"intent_id":"d"}"#))
    #expect(
      try text(scratch, Where.snapshot.name)
        == #"{"intents":{"b":{"intent_id":"b"},"c":{"intent_id":"c"},"d":{"intent_id":"d"}},"#
        + #""edges":[]}"#)
    #expect(try await intents.intents().map(\.id) == ["b", "c", "d"])
  }

  /// What would make the file unreadable to its owner is refused, or written as its owner does.
  @Test(arguments: Where.intents)
  func valuesThatAFormatDoesNotHave(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for (id, weight) in [("n", Double.nan), ("i", .infinity), ("m", -.infinity)] {
      try await storage.store(IntentEdge(from: id, to: "x", type: .enables, weight: weight))
    }
    #expect(
      try await place.reopen(storage, scratch).edges().map { $0.text.json.contains(":null}") }
        == [true, true, true])
    for intent in [
      StorableIntent(id: "", goal: "g", createdAt: 0),
      StorableIntent(id: "a", goal: "g", priority: -1, createdAt: 0),
      StorableIntent(id: "a", goal: "g", priority: 1 << 32, createdAt: 0),
      StorableIntent(id: "a", goal: "g", createdAt: -1),
    ] {
      #expect(await Storage.code { try await storage.store(intent) } == .invalid)
    }
    #expect(try await storage.intents().isEmpty)
  }

  /// A program without our lock saves while a change is being made: what it saved stays, and the
  /// change is told to have failed.
  @Test func savedMeanwhileByAnother() async throws {
    let scratch = try Scratch(inMemory: true)
    let first = try Where.snapshot.open(scratch)
    try await first.store(StorableIntent(id: "a", goal: "g", createdAt: 0))
    let path = scratch.file(Where.snapshot.name).string
    let theirs = #"{"intents":{"theirs":{"intent_id":"theirs"}},"edges":[]}"#
    let storage = try StorageFactory.open(
      StorageConfiguration(
        .snapshot(path),
        now: {
          // Called when the file has been read, and before it is written.
          let stream = fopen("\(path).new", "wb")
          _ = theirs.withCString { fputs($0, stream) }
          fclose(stream)
          rename("\(path).new", path)
          return 1
        }))
    let new = StorableIntent(id: "b", goal: "g", createdAt: 0)
    #expect(await Storage.code { try await storage.store(new) } == .failed)
    #expect(try text(scratch, Where.snapshot.name) == theirs)
    #expect(try await storage.intents().map(\.id) == ["theirs"])
  }

  /// A link stays one, and what it leads to has one lock, whatever name it is opened by.
  @Test func aFileBehindALink() async throws {
    let scratch = try Scratch(inMemory: true)
    let entity = #"{"type":"entity","name":"A","entityType":"t","observations":[]}"# + "\n"
    try scratch.write(entity, to: "real/memory.jsonl")
    let link = scratch.file(Where.graph.name).string
    symlink("real/memory.jsonl", link)
    let graph = try Where.graph.open(scratch)
    try await graph.addObservations(["x"], to: "A", in: "default")
    #expect(try text(scratch, "real/memory.jsonl") == entity.replacing("[]", with: "[\"x\"]"))
    var info = stat()
    #expect(lstat(link, &info) == 0 && info.st_mode & S_IFMT == S_IFLNK)
    #expect(
      !scratch.exists(".holdfast-memory.jsonl.lock")
        && scratch.exists("real/.holdfast-memory.jsonl.lock"))
    symlink("nothing", scratch.file("dangling").string)
    let nowhere = StorageFactory.openOrFallBack(
      StorageConfiguration(.graph(scratch.file("dangling").string)))
    #expect(nowhere.fallback?.code == .unsupported)
  }

  /// Places where nothing can be kept, also those that permissions do not tell of.
  @Test(arguments: ["", "/proc/none/store", "/sys/store", "/dev/null", "/dev/null/store"])
  func placesThatTakeNothing(_ path: String) async throws {
    let places: [StorageConfiguration.Place] = [
      .snapshot(path), .archive(path), .graph(path), .contexts(path), .tasks(path), .runs(path),
      .database(path),
    ]
    for place in places {
      let opened = StorageFactory.openOrFallBack(StorageConfiguration(place))
      #expect(opened.fallback != nil, "\(place)")
      #expect(try await opened.storage.contexts().isEmpty)
    }
  }

  /// A directory that is missing is made, whatever is to be kept in it.
  @Test(arguments: Where.allCases)
  func placesThatAreMade(_ place: Where) async throws {
    let outer = try Scratch(inMemory: true)
    if place == .memory { return }
    let path = outer.file("one/two/\(place.name)").string
    let at: StorageConfiguration.Place =
      switch place {
      case .memory: .memory
      case .snapshot: .snapshot(path)
      case .archive: .archive(path)
      case .graph: .graph(path)
      case .contexts: .contexts(path)
      case .tasks: .tasks(path)
      case .runs: .runs(path)
      case .database: .database(path)
      }
    let storage = try StorageFactory.open(StorageConfiguration(at))
    switch place {
    case .graph, .contexts: try await storage.append(Entity(name: "A", type: "t"), to: "default")
    case .tasks: _ = try await storage.createTask("t")
    case .runs:
      _ = try await storage.saveRun(
        PlanResult(planID: "p", objective: "o", json: "{}"), execution: nil)
    default: try await storage.store(StorableIntent(id: "a", goal: "g", createdAt: 0))
    }
    #expect(outer.exists("one/two/\(place.name)"))
  }

  @Test(arguments: Where.taskLists)
  func tasksWhoseOwnersHaveOddNames(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for user in ["a/b~c", "~", "", "x~1y", "ü"] {
      let owner = TaskOwner(user: user, project: "p/q~0")
      let task = try await storage.createTask("d", title: nil, owner: owner)
      #expect(task.id == "1" && task.owner == owner)
      let anew = try place.reopen(storage, scratch)
      #expect(try await anew.completeTask("1", owner: owner).completed)
      #expect(try await anew.tasks(of: owner).map(\.completed) == [true])
    }
    #expect(try await storage.tasks().count == 5)
    // Its owner would look for the projects of a user there.
    for owner in [nil, TaskOwner(user: "ü")] {
      #expect(
        await Storage.code { _ = try await storage.createTask("d", title: nil, owner: owner) }
          == .invalid)
    }
  }

  @Test func theLastNumber() async throws {
    let scratch = try Scratch(inMemory: true)
    let list =
      #"{"users":{"m":{"username":"m"}},"tasks_by_user":{"m":[{"id":9223372036854775807,"#
      + #""title":"t","completed":false}]}}"#
    try scratch.write(list, to: Where.tasks.name)
    let storage = try Where.tasks.open(scratch)
    #expect(
      await Storage.code {
        _ = try await storage.createTask("d", title: nil, owner: TaskOwner(user: "m"))
      } == .invalid)
    #expect(try text(scratch, Where.tasks.name) == list)
  }

  /// A line that is no record is never left behind in silence.
  @Test func migratingWhatIsNoRecord() async throws {
    let scratch = try Scratch(inMemory: true)
    let entity = #"{"type":"entity","name":"A","entityType":"t","observations":[]}"#
    try scratch.write("\(entity)\n42\n", to: Where.graph.name)
    let database = try Where.database.open(scratch)
    do {
      try await StorageFactory.migrateFromFile(
        scratch.file(Where.graph.name).string, to: database)
      Issue.record("it was taken")
    } catch {
      #expect(error.code == .damaged && error.line == 2 && error.offset == entity.utf8.count + 1)
    }
    #expect(try await database.healthCheck().counts.isEmpty)
  }

  /// A backup of a store that cannot give all would pass for the whole one.
  @Test func backingUpADamagedStore() async throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.write(
      #"{"intents":{"a":{"intent_id":"a"},"b":{"intent_id": !}},"edges":[]}"#,
      to: Where.snapshot.name)
    let storage = try Where.snapshot.open(scratch)
    #expect(try await storage.intents().map(\.id) == ["a"])
    let target = scratch.file("backup.json").string
    #expect(await Storage.code { try await storage.backup(to: target) } == .damaged)
    #expect(!scratch.exists("backup.json"))
  }

  @Test(arguments: Where.graphs)
  func whatIntegritySays(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    try await storage.append(Entity(name: "A", type: "t"), to: "default")
    try await storage.append(Relation(from: "A", to: "Ghost", type: "sees"), to: "default")
    let findings = try await storage.validateIntegrity()
    #expect(findings.count == 1 && findings[0].offset == nil)
    #expect(findings[0].record == "relation:A -sees-> Ghost")
    // Only what is there has a relation to it.
    #expect(try await storage.openNodes(["A", "Ghost"], in: "default").relations.isEmpty)
    for name in ["", "a/b", "a\u{0}b", String(repeating: "x", count: 201)] {
      #expect(
        await Storage.code { try await storage.append(Entity(name: "B", type: "t"), to: name) }
          == .invalid || place == .graph)
    }
  }
}
