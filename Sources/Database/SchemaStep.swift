import LosslessJSON
import Records

/// One step of the form that stores have in SQLite (see migrations/README.md).
package struct SchemaStep: Sendable, Equatable {
  /// From 1.
  package let number: Int
  /// As the file in `migrations/` is called, without `.sql`.
  package let name: String
  /// Statements that bring a database of the step before, records and all, to this one.
  package let sql: String

  /// SHA-256 of the text.
  package var sha256: Hash256 { Hash256(of: Array(sql.utf8).span) }
}
