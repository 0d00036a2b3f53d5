import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A database that `migrate` wrote, and the steps it has been through.
package struct DatabaseStatus: Sendable {
  /// Absolute.
  package let path: FilePath
  package let taken: [StoreDatabase.TakenStep]

  /// Steps that this program knows and the database has not been through.
  package var missing: [SchemaStep] { SchemaStep.all.filter { $0.number > taken.count } }

  /// Throws `DatabaseError.foreign` for a database that is not ours or too new.
  package init(of path: FilePath) throws {
    self.path = Disk.absolute(path)
    guard try FileFacts(at: path) != nil else {
      throw DiskError(
        .notFound, "no such file or directory", path: path,
        hint: "check the path of the database")
    }
    taken = try DatabaseReading(DiskTree(path), inPlace: true).use { try StoreDatabase.steps($0) }
  }

  /// What the database says, as `StoreDatabase.logicalDigest`.
  package func logicalDigest() throws -> Hash256 {
    try DatabaseReading(DiskTree(path), inPlace: true).use {
      try StoreDatabase.logicalDigest($0)
    }
  }

  /// Takes the missing steps on a copy, proves that its records are the same, and puts it in the
  /// place of the database, which stays beside it under the name that is returned. Nil where
  /// there is nothing to do.
  package func upgrade(time: Int) throws -> FilePath? {
    if missing.isEmpty { return nil }
    let before = try Survey.read(DiskTree(path), as: .sqlite, rules: false)
    if let first = before.log.findings.first(where: { $0.severity == .error }) {
      throw MigrationError(
        .refused, "is damaged: \(first.message)", path: path.string,
        hint: "nothing was written; migrate the store anew", findings: before.log.findings)
    }
    let replacement = try Replacement(of: path, time: time)
    try replacement.perform { staging in
      let copy = staging.appending(path.lastComponent ?? "store.db")
      try StagedFile(copy).close()
      try DatabaseReading(DiskTree(path), inPlace: true).use { source in
        let connection = try Connection(copy, .scratch)
        try connection.copy(from: source)
        try connection.execute("BEGIN IMMEDIATE")
        try StoreDatabase.finish(connection, from: taken.count)
      }
      let after = try Survey.read(DiskTree(copy), as: .sqlite, rules: false)
      guard after.digest() == before.digest(), after.log.errors == 0 else {
        throw MigrationError(
          .verificationFailed, "the upgraded copy does not hold the same records",
          path: path.string, hint: "nothing was changed", findings: after.log.findings)
      }
      return (copy, ())
    }
    return replacement.undo
  }
}
