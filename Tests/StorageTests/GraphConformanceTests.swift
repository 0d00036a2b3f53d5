import HoldfastStorage
import TestSupport
import Testing

/// What `GraphStorage` promises, on every backend.
struct GraphConformanceTests {
  private func found(_ stream: AsyncThrowingStream<Entity, any Error>) async throws -> [String] {
    var names: [String] = []
    for try await entity in stream { names.append(entity.name) }
    return names
  }

  @Test(arguments: Where.graphs) func keptAndRead(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    try await storage.append(
      Entity(name: "Ada", type: "person", observations: ["wrote \"notes\""]), to: "default")
    try await storage.append(Entity(name: "Engine", type: "machine"), to: "default")
    try await storage.append(
      Relation(from: "Ada", to: "Engine", type: "described"), to: "default")
    let twice = Entity(name: "Ada", type: "other")
    #expect(await Storage.code { try await storage.append(twice, to: "default") } == .exists)
    let added = try await storage.addObservations(
      ["wrote \"notes\"", "born 1815"], to: "Ada", in: "default")
    #expect(added == ["born 1815"])
    let missing = await Storage.code {
      try await storage.addObservations(["x"], to: "Nobody", in: "default")
    }
    #expect(missing == .notFound)
    let again = try place.reopen(storage, scratch)
    let graph = try await again.readGraph("default")
    #expect(graph.entities.map(\.name) == ["Ada", "Engine"])
    #expect(graph.entities[0].observations == ["wrote \"notes\"", "born 1815"])
    #expect(graph.relations.map(\.entityID) == ["Ada -described-> Engine"])
    #expect(try await again.contexts() == ["default"])
    #expect(try await again.validateIntegrity().isEmpty)
  }

  @Test(arguments: Where.graphs) func searchedAndOpened(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for number in 0..<30 {
      try await storage.append(
        Entity(
          name: "n\(number)", type: number % 2 == 0 ? "Even" : "odd",
          observations: ["seen on day \(number)"]), to: "default")
    }
    for (from, to) in [("n1", "n2"), ("n2", "n3"), ("n1", "n9")] {
      try await storage.append(Relation(from: from, to: to, type: "next"), to: "default")
    }
    #expect(try await found(storage.search("even", in: "default")).count == 15)
    #expect(try await found(storage.search("DAY 17", in: nil)) == ["n17"])
    #expect(try await found(storage.search("nothing", in: nil)).isEmpty)
    let open = try await storage.openNodes(["n1", "n2", "n3", "absent"], in: "default")
    #expect(open.entities.map(\.name) == ["n1", "n2", "n3"])
    #expect(open.relations.map(\.entityID).sorted() == ["n1 -next-> n2", "n2 -next-> n3"])
    // Whoever has seen enough ends the search.
    var seen = 0
    for try await _ in storage.search("day", in: nil) {
      seen += 1
      if seen == 3 { break }
    }
    #expect(seen == 3)
  }

  @Test(arguments: Where.graphs) func deleted(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for name in ["a", "b", "c"] {
      try await storage.append(Entity(name: name, type: "letter"), to: "default")
    }
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
      try await storage.append(Relation(from: from, to: to, type: "before"), to: "default")
    }
    try await storage.deleteEntity("b", in: "default")
    #expect(await Storage.code { try await storage.deleteEntity("b", in: "default") } == .notFound)
    let again = try place.reopen(storage, scratch)
    let graph = try await again.readGraph("default")
    #expect(graph.entities.map(\.name) == ["a", "c"])
    #expect(graph.relations.map(\.entityID) == ["c -before-> a"])
    try await again.delete(graph.relations[0], in: "default")
    #expect(try await place.reopen(again, scratch).readGraph("default").relations.isEmpty)
    let relation = graph.relations[0]
    #expect(
      await Storage.code { try await again.delete(relation, in: "default") } == .notFound)
  }

  @Test(arguments: [Where.memory, .contexts, .database])
  func keptByContext(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    for context in ["default", "plates", "wind"] {
      try await storage.append(Entity(name: "same", type: context), to: context)
    }
    try await storage.append(Entity(name: "only", type: "here"), to: "plates")
    let again = try place.reopen(storage, scratch)
    #expect(try await again.contexts() == ["default", "plates", "wind"])
    #expect(try await again.readGraph("plates").entities.map(\.name) == ["same", "only"])
    #expect(try await again.readGraph("wind").entities.map(\.type) == ["wind"])
    #expect(try await again.readGraph("none").entities.isEmpty)
    #expect(try await found(again.search("same", in: nil)).count == 3)
    try await again.deleteEntity("same", in: "plates")
    #expect(try await place.reopen(again, scratch).readGraph("wind").entities.count == 1)
    #expect(try await place.reopen(again, scratch).readGraph("plates").entities.count == 1)
  }

  @Test(arguments: Where.graphs) func validated(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try place.open(scratch)
    try await storage.append(Entity(name: "a", type: "letter"), to: "default")
    try await storage.append(Relation(from: "a", to: "nobody", type: "knows"), to: "default")
    #expect(try await storage.validateIntegrity().map(\.code) == ["dangling-end"])
  }

  @Test func aFileHasOneContext() async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try Where.graph.open(scratch)
    let entity = Entity(name: "a", type: "letter")
    #expect(await Storage.code { try await storage.append(entity, to: "b") } == .unsupported)
    let directory = try Where.contexts.open(scratch)
    for bad in ["", "a/b", "a\nb", "../x"] {
      #expect(await Storage.code { try await directory.append(entity, to: bad) } == .invalid)
    }
  }
}
