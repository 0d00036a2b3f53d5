import Records

/// A content-addressed archive over any shelf of objects. `StorageFactory` opens one.
public actor Archive<Entity: Archivable>: ContentAddressableArchive {
  private let shelf: any ObjectShelf
  private let configuration: StorageConfiguration

  init(_ shelf: sending any ObjectShelf, _ configuration: StorageConfiguration) {
    self.shelf = shelf
    self.configuration = configuration
  }

  private func told<Result>(_ body: () throws -> Result) throws(StorageError) -> Result {
    do { return try body() } catch { throw StorageError(error, path: shelf.path) }
  }

  private func hash(_ text: String) throws(StorageError) -> Hash256 {
    if let hash = Hash256(hex: text) { return hash }
    throw StorageError(
      .invalid, "\(text) is no content hash", hint: "it has 64 hexadecimal digits")
  }

  public func store(_ entity: Entity) throws(StorageError) -> String {
    guard StoredRecord(archived: entity.text) != nil else {
      throw StorageError(
        .invalid,
        "\(entity.entityType) \(entity.entityID) is nothing that an archive tells by "
          + "its fields", hint: "an archive holds intents, edges, plans and actions")
    }
    try told {
      try shelf.update(waitingUpTo: configuration.waitLimit) { ([entity.text], []) }
    }
    return entity.contentHash
  }

  public func retrieve(_ hash: String) throws(StorageError) -> Entity? {
    let wanted = try self.hash(hash)
    guard let text = try told({ try shelf.text(wanted) }) else { return nil }
    return try Entity(text: text)
  }

  public func exists(_ hash: String) throws(StorageError) -> Bool {
    let wanted = try self.hash(hash)
    return try told { try shelf.contains(wanted) }
  }

  public func delete(_ hash: String) throws(StorageError) {
    let wanted = try self.hash(hash)
    try told {
      try shelf.update(waitingUpTo: configuration.waitLimit) {
        guard try shelf.contains(wanted) else {
          throw StorageError(.notFound, "there is no object \(hash)", path: shelf.path)
        }
        return ([], [wanted])
      }
    }
  }

  public func stats() throws(StorageError) -> ArchiveStats {
    try told {
      var stats = ArchiveStats(entities: 0, bytes: 0)
      for hash in try shelf.hashes() {
        stats.entities += 1
        // One that cannot be read counts, and weighs nothing; `verifyIntegrity` tells of it.
        stats.bytes += (try? shelf.text(hash))?.bytes.count ?? 0
      }
      return stats
    }
  }

  public func verifyIntegrity() throws(StorageError) -> [StorageFinding] {
    try told {
      var found: [StorageFinding] = []
      for hash in try shelf.hashes() {
        do { _ = try shelf.text(hash) } catch {
          let error = StorageError(error, path: shelf.path)
          let code: Finding.Code = error.code == .notFound ? .missingFile : .hashMismatch
          found.append(
            StorageFinding(
              Finding(.error, code, error.message, path: error.path, offset: error.offset)))
        }
      }
      return found
    }
  }

  public func listHashes() throws(StorageError) -> [String] {
    try told { try shelf.hashes().map(\.hex) }
  }
}
