import HoldfastStorage
import TestSupport
import Testing

/// What `ContentAddressableArchive` promises, on every backend.
struct ArchiveConformanceTests {
  static func open(_ place: Where, _ scratch: Scratch) throws -> Archive<ArchivedEntity> {
    try StorageFactory.archive(
      of: ArchivedEntity.self, StorageConfiguration(place.place(scratch)))
  }

  @Test(arguments: Where.archives) func storedByHash(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let archive = try Self.open(place, scratch)
    let plan = try ArchivedEntity(json: "{\"plan_id\": \"p\", \"n\": 1.0, \"t\": \"\\u00e9\"}")
    let hash = try await archive.store(plan)
    #expect(hash == plan.contentHash && hash.count == 64)
    #expect(try await archive.store(plan) == hash)
    let other = try ArchivedEntity(json: "{\"plan_id\":\"p\",\"n\":2}")
    let second = try await archive.store(other)
    let again = place == .memory ? archive : try Self.open(place, scratch)
    #expect(try await again.listHashes() == [hash, second].sorted())
    #expect(try await again.retrieve(hash)?.json == plan.json)
    #expect(try await again.retrieve(hash)?.entityID == "p")
    #expect(try await again.exists(second))
    #expect(try await again.retrieve(String(repeating: "0", count: 64)) == nil)
    let stats = try await again.stats()
    #expect(stats.entities == 2 && stats.bytes == plan.json.utf8.count + other.json.utf8.count)
    #expect(try await again.verifyIntegrity().isEmpty)
    try await again.delete(hash)
    #expect(await Storage.code { try await again.delete(hash) } == .notFound)
    #expect(await Storage.code { _ = try await again.exists("abc") } == .invalid)
    #expect(try await again.listHashes() == [second])
  }

  @Test func damageIsFound() async throws {
    let scratch = try Scratch(inMemory: true)
    let archive = try Self.open(.archive, scratch)
    let hash = try await archive.store(ArchivedEntity(json: "{\"plan_id\":\"p\"}"))
    let name = "archive/\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash).json"
    try scratch.write("{\"plan_id\":\"q\"}", to: name)
    #expect(await Storage.code { _ = try await archive.retrieve(hash) } == .damaged)
    let findings = try await archive.verifyIntegrity()
    #expect(findings.map(\.code) == ["hash-mismatch"])
    #expect(findings.first?.path == scratch.file(name).string)
  }
}
