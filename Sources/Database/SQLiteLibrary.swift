import CSQLite

/// The SQLite that this program runs with.
package enum SQLiteLibrary {
  /// As SQLite writes it, `3.40.1`.
  package static var version: String {
    let number = Int(sqlite3_libversion_number())
    return "\(number / 1_000_000).\(number / 1000 % 1000).\(number % 1000)"
  }
}
