import Glibc
import HoldfastStorage
import SystemPackage
import TestSupport
import Testing

/// The examples of the tutorial: what it shows is what is compiled and run here.
struct TutorialTests {
  // example: ten-lines
  func keepNotes(in directory: String) async throws {
    let storage = try StorageFactory.open(
      StorageConfiguration(
        .contexts("\(directory)/.coaia"), backups: "\(directory)/.coaia/.backup"))
    try await storage.append(
      Entity(name: "Ada", type: "person", observations: ["wrote the notes"]), to: "default")
    try await storage.addObservations(["born in 1815"], to: "Ada", in: "default")
    for try await entity in storage.search("notes", in: nil) {
      print(entity.name, entity.observations)
    }
  }
  // end

  // example: conflict
  func finish(_ id: String, in storage: some IntentStorage) async throws {
    while var intent = try await storage.intent(id) {
      intent.status = .completed
      do {
        return try await storage.update(intent)
      } catch {
        guard error.code == .conflict else { throw error }
      }
    }
  }
  // end

  // example: fallback
  func openOrSay(_ path: String) -> Storage {
    let opened = StorageFactory.openOrFallBack(StorageConfiguration(.snapshot(path)))
    if let reason = opened.fallback { print("nothing will be kept: \(reason)") }
    return opened.storage
  }
  // end

  @Test func theyDoWhatTheySay() async throws {
    let scratch = try Scratch(inMemory: true)
    try await keepNotes(in: scratch.path.string)
    let storage = try StorageFactory.open(
      StorageConfiguration(.contexts(scratch.file(".coaia").string)))
    let notes = try await storage.readGraph("default").entities.map(\.observations)
    #expect(notes == [["wrote the notes", "born in 1815"]])
    let intents = openOrSay(scratch.file("snapshot.json").string)
    try await intents.store(StorableIntent(id: "i", goal: "g", createdAt: 0))
    try await finish("i", in: intents)
    #expect(try await intents.intent("i")?.status == .completed)
    let none = openOrSay("/proc/none/snapshot.json")
    try await none.store(StorableIntent(id: "i", goal: "g", createdAt: 0))
    #expect(try await none.intents().count == 1)
  }

  /// Every example of the tutorial stands here, word for word.
  @Test func theTutorialShowsWhatIsCompiled() throws {
    let here = FilePath(#filePath)
    let own = String(decoding: try Scratch.read(here), as: UTF8.self)
    var examples: [String] = []
    for part in own.split(separator: "  // example: ").dropFirst() {
      guard let end = part.range(of: "\n  // end\n"), let start = part.firstIndex(of: "\n") else {
        continue
      }
      // Less the indentation of the type around it.
      let lines = part[part.index(after: start)..<end.lowerBound].split(
        separator: "\n", omittingEmptySubsequences: false)
      examples.append(
        lines.map { $0.hasPrefix("  ") ? $0.dropFirst(2) : $0 }.joined(separator: "\n"))
    }
    let tutorial = here.removingLastComponent().removingLastComponent().removingLastComponent()
      .pushing(FilePath("Sources/Storage/HoldfastStorage.docc/AStoreInTenLines.md"))
    let text = String(decoding: try Scratch.read(tutorial), as: UTF8.self)
    let shown = text.split(separator: "```swift\n").dropFirst().compactMap { block in
      block.range(of: "\n```").map { String(block[..<$0.lowerBound]) }
    }
    #expect(examples.count == 3 && shown == examples)
  }
}

extension Substring {
  fileprivate func range(of part: String) -> Range<Substring.Index>? {
    ranges(of: part).first
  }
}
