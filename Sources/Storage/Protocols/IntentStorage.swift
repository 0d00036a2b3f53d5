/// Intents and the edges between them. A call that changes something returns once the change is
/// durable; one that throws has changed nothing.
public protocol IntentStorage: Sendable {
  /// Stores a new intent; one that is there already is replaced. Throws `conflict` where the store
  /// holds it in another form than `revision` says.
  func store(_ intent: StorableIntent) async throws(StorageError)
  /// Nil where there is none.
  func intent(_ id: String) async throws(StorageError) -> StorableIntent?
  /// Replaces an intent. Throws `notFound`, or `conflict` as `store` does.
  func update(_ intent: StorableIntent) async throws(StorageError)
  /// Deletes an intent with the edges that start or end at it. Throws `notFound`.
  func deleteIntent(_ id: String) async throws(StorageError)
  /// In the order of the store.
  func intents(_ filter: IntentFilter) async throws(StorageError) -> [StorableIntent]

  /// Stores an edge; one with the same ends and type is replaced.
  func store(_ edge: IntentEdge) async throws(StorageError)
  func edges() async throws(StorageError) -> [IntentEdge]
  /// The edges that start or end at an intent.
  func edges(of id: String) async throws(StorageError) -> [IntentEdge]
  /// Throws `notFound`.
  func delete(_ edge: IntentEdge) async throws(StorageError)

  /// The intents at the other ends of an intent's edges, whatever their type.
  func related(to id: String) async throws(StorageError) -> [StorableIntent]
  /// The intents that depend on this one.
  func dependents(of id: String) async throws(StorageError) -> [StorableIntent]
  /// The intents whose parent this one is, and those that are a subgoal of it by an edge.
  func subgoals(of id: String) async throws(StorageError) -> [StorableIntent]
  /// The intents that it conflicts with, in either direction.
  func conflicts(of id: String) async throws(StorageError) -> [StorableIntent]

  /// Writes all intents and edges to a new snapshot of version 1.1. Throws `exists`; and `damaged` where
  /// the store cannot give all, and no backup is there to give the rest.
  func backup(to path: String) async throws(StorageError)
  /// Puts the intents and edges of a snapshot, an archive or a backup in the place of those in the
  /// store, in one step. Throws `damaged` where a part of it cannot be read.
  func restore(from path: String) async throws(StorageError)
  func healthCheck() async throws(StorageError) -> StorageHealth
  /// Deletes all intents and edges.
  func clearAll() async throws(StorageError)
}

extension IntentStorage {
  public func intents() async throws(StorageError) -> [StorableIntent] {
    try await intents(IntentFilter())
  }
}

/// What a store says of itself.
public struct StorageHealth: Sendable, Hashable {
  /// Records by their kind: `intent`, `edge` and so on.
  public var counts: [String: Int]
  public var findings: [StorageFinding]
  /// Whether nothing is lost: there are no errors among the findings.
  public var isHealthy: Bool { findings.allSatisfy { $0.severity != .error } }
}
