import Glibc
import HoldfastStorage
import SystemPackage
import TestSupport
import Testing

/// Runs programs that write to a store, and says what must be in it afterwards.
struct Worker {
  let place: Where
  let scratch: Scratch

  static let shared: [Where] = [
    .snapshot, .archive, .database, .graph, .contexts, .tasks, .runs,
  ]

  /// HOLDFAST_STORAGE_WRITES and so on: how long the long form is.
  static func count(_ variable: String, else usual: Int) -> Int {
    getenv(variable).flatMap { Int(String(cString: $0)) } ?? usual
  }

  /// The program that HOLDFAST_STORAGE_WORKER names, else the one that is built along with the tests.
  static var program: String {
    getenv("HOLDFAST_STORAGE_WORKER").map { String(cString: $0) } ?? binary("StorageWorker")
  }

  /// A product, as it was built along with the tests.
  static func binary(_ name: String) -> String {
    let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
      .removingLastComponent().removingLastComponent()
    #if DEBUG
      return root.appending(".build/debug/\(name)").string
    #else
      return root.appending(".build/release/\(name)").string
    #endif
  }

  init(_ place: Where) async throws {
    self.place = place
    scratch = try Scratch(inMemory: true)
    guard Where.intents.contains(place) else { return }
    let storage = try place.open(scratch)
    for number in 0..<4 {
      try await storage.store(
        StorableIntent(id: "counter-\(number)", goal: "count", createdAt: 1_700_000_000))
    }
  }

  var path: String { scratch.file(place.name).string }

  /// What a worker has printed: each line stands for a change that was durable.
  func acknowledged(_ log: String) throws -> [String] {
    let lines = try scratch.read(log).split(separator: 0x0A, omittingEmptySubsequences: false)
    return lines.dropLast().map { String(decoding: $0, as: UTF8.self) }
  }

  /// Checks that the store holds every change that was acknowledged, and nothing that was not made.
  /// - Parameter atMost: changes that may have been made without being acknowledged.
  func check(_ acknowledged: [String], atMost extra: Int) async throws {
    let storage = try place.open(scratch)
    let health = try await storage.healthCheck()
    #expect(health.findings.isEmpty, "\(health.findings)")
    let made: Int
    switch place {
    case .snapshot, .archive, .database:
      let counters = try await storage.intents()
      #expect(counters.count == 4)
      made = counters.reduce(0) { $0 + $1.priority }
    case .graph, .contexts:
      var names: [String] = []
      for context in try await storage.contexts() {
        names += try await storage.readGraph(context).entities.map(\.name)
      }
      #expect(Set(names).isSuperset(of: acknowledged))
      #expect(Set(names).count == names.count)
      made = names.count
    case .tasks:
      let tasks = try await storage.tasks().map(\.description)
      #expect(Set(tasks).isSuperset(of: acknowledged))
      made = tasks.count
    case .runs:
      for id in acknowledged { _ = try await storage.run(id) }
      made = health.counts["run"] ?? 0
    case .memory: made = 0
    }
    let range = acknowledged.count...acknowledged.count + extra
    #expect(range.contains(made), "\(made) made, \(range) expected")
  }
}
