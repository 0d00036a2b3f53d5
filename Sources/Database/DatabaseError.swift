import SystemPackage

/// What went wrong with an SQLite database.
package struct DatabaseError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// The file is no database, or its pages do not hold together.
    case damaged = "damaged-database"
    /// Another process holds a lock that it did not give up in time.
    case busy
    /// A database of a kind or version that this command cannot take.
    case foreign
    case noSpace = "no-space"
    case notWritable = "not-writable"
    /// SQL that SQLite refuses.
    case sql
    case interrupted
    case failed = "database"
  }

  package var code: Code
  package var message: String
  package var path: String?
  /// SQLite's extended result code, where it has spoken.
  package var result: Int32?
  package var hint: String?

  package init(
    _ code: Code, _ message: String, path: String? = nil, result: Int32? = nil,
    hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.result = result
    self.hint = hint
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}
