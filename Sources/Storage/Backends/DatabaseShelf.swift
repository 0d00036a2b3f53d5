import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// The objects of a database in the form that `migrate` writes.
final class DatabaseShelf: ObjectShelf {
  private let database: LiveDatabase
  private let place: FilePath

  /// Opens the database, or makes it.
  init(_ path: FilePath) throws {
    try LiveDatabase.create(path)
    database = try LiveDatabase(path)
    place = path
  }

  var path: String? { place.string }

  func hashes() throws -> [Hash256] { try database.objectHashes() }
  func contains(_ hash: Hash256) throws -> Bool { try database.object(hash) != nil }

  func text(_ hash: Hash256) throws -> RecordText? {
    guard let bytes = try database.object(hash) else { return nil }
    let actual = Hash256(of: bytes.span)
    guard actual == hash else {
      throw StorageError(
        .damaged, "the object \(hash.hex) has the hash \(actual.hex)", path: place.string,
        hint: "restore it from a backup")
    }
    return try RecordText(bytes.span)
  }

  func update(
    waitingUpTo seconds: Double, _ body: () throws -> (adding: [RecordText], removing: [Hash256])
  )
    throws
  {
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: place, isDirectory: false), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    try database.transaction {
      let (adding, removing) = try body()
      for hash in removing {
        let record = try database.object(hash).flatMap {
          StoredRecord(archived: try RecordText($0.span))
        }
        try database.removeObject(hash, kind: record?.name.kind, key: record?.name.key ?? [])
      }
      for text in adding where try database.object(text.hash) == nil {
        guard let stored = StoredRecord(archived: text) else { continue }
        var record = Record()
        record.kind = stored.name.kind
        try record.text.parse(text.bytes.span)
        let file = try database.home(of: .contentArchive, context: nil, name: "archive")
        try database.put(&record, replacing: nil, file: file)
      }
    }
  }
}
