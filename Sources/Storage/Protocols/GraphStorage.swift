/// Memory graphs by context. A context is loaded when it is first asked for.
///
/// The context that has no name of its own is `default`. A call that changes something returns once
/// the change is durable; one that throws has changed nothing.
public protocol GraphStorage: Sendable {
  /// Appends an entity. Throws `exists` where the context has one of that name.
  func append(_ entity: Entity, to context: String) async throws(StorageError)
  /// Appends a relation. Throws `exists` where the context has the same.
  func append(_ relation: Relation, to context: String) async throws(StorageError)
  /// Adds those observations that the entity does not have; returns them. Throws `notFound`.
  @discardableResult
  func addObservations(_ observations: [String], to entity: String, in context: String)
    async throws(StorageError) -> [String]
  /// Deletes an entity with the relations that start or end at it. Throws `notFound`.
  func deleteEntity(_ name: String, in context: String) async throws(StorageError)
  /// Throws `notFound`.
  func delete(_ relation: Relation, in context: String) async throws(StorageError)

  func readGraph(_ context: String) async throws(StorageError) -> KnowledgeGraph
  /// Entities with `text` in their name, type or observations, as they are found, capital and small
  /// letters alike. Nil searches all contexts.
  nonisolated func search(_ text: String, in context: String?)
    -> AsyncThrowingStream<Entity, any Error>
  /// The entities of these names, and the relations between two of them.
  func openNodes(_ names: [String], in context: String) async throws(StorageError)
    -> KnowledgeGraph
  /// In byte order.
  func contexts() async throws(StorageError) -> [String]
  /// What the rules of graphs say of all contexts together: names that stand twice, relations that
  /// end nowhere, times out of order.
  func validateIntegrity() async throws(StorageError) -> [StorageFinding]
}
