import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// One question to a migrated database or a run history, which cannot change it.
package enum Query {
  /// Runs one statement; `body` sees it after each step to a row, first of all before any.
  /// Throws `usage` for a statement that would write.
  package static func run(
    _ sql: String, on path: FilePath, _ body: (borrowing Statement, _ isRow: Bool) throws -> Void
  ) throws {
    guard try FileFacts(at: path) != nil else {
      throw DiskError(
        .notFound, "no such file or directory", path: path,
        hint: "check the path of the database")
    }
    let tree = try DiskTree(path)
    let isHistory = try StoreFormat.runHistory.recognises(tree)
    guard try isHistory || StoreFormat.sqlite.recognises(tree) else {
      throw MigrationError(
        .refused, "is no database that holdfast migrate wrote", path: path.string,
        hint: "put the store into one first, with holdfast migrate")
    }
    try DatabaseReading(tree, inPlace: !isHistory).use { connection in
      if !isHistory { _ = try StoreDatabase.steps(connection) }
      let statement = try Statement(sql, on: connection)
      guard statement.isReadOnly else {
        throw MigrationError(
          .usage, "the statement would change the database", path: path.string,
          hint: "query only reads; use SELECT")
      }
      try body(statement, false)
      while try statement.step() {
        try Interruption.check()
        try body(statement, true)
      }
    }
  }
}
