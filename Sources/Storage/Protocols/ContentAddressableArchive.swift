/// Entities by the hash of their content.
public protocol ContentAddressableArchive<Entity>: Sendable {
  associatedtype Entity: Archivable

  /// Stores an entity and returns its content hash. One that is there already is left as it is.
  func store(_ entity: Entity) async throws(StorageError) -> String
  /// The entity of that hash, its content checked against it; nil where there is none.
  func retrieve(_ hash: String) async throws(StorageError) -> Entity?
  func exists(_ hash: String) async throws(StorageError) -> Bool
  /// Throws `notFound` where there is none.
  func delete(_ hash: String) async throws(StorageError)
  func stats() async throws(StorageError) -> ArchiveStats
  /// What does not have the hash that it is stored under, or cannot be read; empty where all is
  /// well.
  func verifyIntegrity() async throws(StorageError) -> [StorageFinding]
  /// In byte order.
  func listHashes() async throws(StorageError) -> [String]
}

/// How much an archive holds.
public struct ArchiveStats: Sendable, Hashable {
  public var entities: Int
  /// Of the compact JSON.
  public var bytes: Int
}

/// Something that is wrong with a store, and where.
public struct StorageFinding: Sendable, Hashable, CustomStringConvertible {
  public enum Severity: String, Sendable { case error, warning, note }

  public var severity: Severity
  public var code: String
  public var message: String
  public var path: String?
  /// From 1.
  public var line: Int?
  /// Bytes from the start of the file.
  public var offset: Int?
  /// The record that it is about, as `kind:id`.
  public var record: String?

  public var description: String {
    let place = [path, line.map { "line \($0)" }, offset.map { "byte \($0)" }, record]
      .compactMap { $0 }
    return (place.isEmpty ? "" : place.joined(separator: ", ") + ": ") + message
  }
}
