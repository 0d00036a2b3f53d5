import CSQLite
import Glibc
import LosslessJSON

/// Databases that need collations or functions which only their own program has.
///
/// What stands in for them lets statements be prepared; it is not what put the rows in order, so
/// nothing that an index of theirs says is to be relied on.
extension Connection {
  /// Takes every unknown collation for one that compares bytes.
  package borrowing func allowUnknownCollations() {
    _ = sqlite3_collation_needed(handle, nil) { _, database, encoding, name in
      _ = sqlite3_create_collation_v2(
        database, name, encoding, nil,
        { _, leftCount, left, rightCount, right in
          let common = Int(min(leftCount, rightCount))
          if common > 0, let left, let right {
            let order = memcmp(left, right, common)
            if order != 0 { return order }
          }
          return leftCount - rightCount
        }, nil)
    }
  }

  /// Makes a function that gives NULL where that is the one that `error` says is missing; false where it
  /// says something else.
  package borrowing func makeFunction(missingIn error: DatabaseError) -> Bool {
    guard error.code == .sql else { return false }
    let words: [UInt8] = Array("no such function: ".utf8)
    let message = Array(error.message.utf8)
    guard
      let at = message.indices.first(where: { message[$0...].starts(with: words) })
    else { return false }
    let name = String(decoding: message[(at + words.count)...], as: UTF8.self)
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
    return sqlite3_create_function_v2(
      handle, name, -1, flags, nil, { context, _, _ in sqlite3_result_null(context) }, nil, nil,
      nil) == SQLITE_OK
  }

  /// What SQLite says of a database as a whole.
  package struct Integrity: Sendable {
    /// What is wrong; nothing where all is well.
    package var problems: [String] = []
    /// What could not be checked.
    package var remarks: [String] = []
  }

  /// Has SQLite check the whole database. Where that needs collations or functions that are unknown
  /// here, each table as far as it goes; the connection then takes those collations.
  /// - Parameter limit: how many problems are told, or a few more.
  package borrowing func integrity(limit: Int) throws(DatabaseError) -> Integrity {
    do {
      return Integrity(problems: try problems("integrity_check(\(limit))"))
    } catch { if error.code != .sql { throw error } }
    var found = Integrity()
    let tables = try Statement(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name", on: self
    )
    while try tables.step() {
      let name = tables.text(0)
      let quoted = name.split(separator: "'", omittingEmptySubsequences: false)
      do {
        found.problems += try problems("integrity_check('\(quoted.joined(separator: "''"))')")
      } catch {
        guard error.code == .sql else { throw error }
        found.remarks.append(
          "the indexes and constraints of its table \(name) were not checked: they need what only its "
            + "own program has (\(error.message))")
      }
    }
    allowUnknownCollations()
    try execute("PRAGMA ignore_check_constraints=ON")
    // The pages of all trees, without the content of indexes.
    for problem in try problems("quick_check(\(limit))") where !found.problems.contains(problem) {
      found.problems.append(problem)
    }
    return found
  }

  private borrowing func problems(_ check: String) throws(DatabaseError) -> [String] {
    let statement = try Statement("PRAGMA \(check)", on: self)
    var found: [String] = []
    while try statement.step() {
      let text = statement.text(0)
      if text != "ok" { found.append(text) }
    }
    return found
  }
}
