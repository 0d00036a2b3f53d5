import Disk
import LosslessJSON
import Records
import SystemPackage

/// A run history that a program keeps open, in any version of its table. One thread at a time;
/// other processes, the application's own included, may have the same file open.
package final class LiveRuns {
  private let connection: Connection
  private let columns: [[UInt8]]
  private let names: String

  /// Makes a history of the newest version where there is nothing, as `StoreDatabase.create` does.
  package static func create(_ path: FilePath) throws {
    try StoreDatabase.create(path) { try RunTable($0, keys: []).finish() }
  }

  /// Opens the existing database `path`. Throws `foreign` where it has no table of runs.
  package init(_ path: FilePath) throws(DatabaseError) {
    connection = try Connection(path, .writable)
    try connection.execute("PRAGMA synchronous=EXTRA")
    let table = try Statement("PRAGMA table_info(runs)", on: connection)
    var found: [[UInt8]] = []
    while try table.step() { found.append(table.bytes(1)) }
    guard found.contains(Array("run_id".utf8)) else {
      throw DatabaseError(.foreign, "has no table of runs", path: path.string)
    }
    columns = found
    names = found.map { name in
      "\""
        + String(decoding: name, as: UTF8.self).split(
          separator: "\"", omittingEmptySubsequences: false
        ).joined(separator: "\"\"") + "\""
    }.joined(separator: ", ")
  }

  /// Makes all changes of `body`, or none where anything throws. On return they are on the disk.
  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try connection.execute("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try connection.execute("COMMIT")
      return result
    } catch {
      try? connection.execute("ROLLBACK")
      throw error
    }
  }

  /// A row as the JSON object of its columns.
  private func json(_ statement: borrowing Statement) -> [UInt8] {
    var out = ByteBuffer()
    for (index, column) in columns.enumerated() {
      out.append(index == 0 ? 0x7B : 0x2C)
      appendJSONString(column.span, to: &out)
      out.append(0x3A)
      ColumnText.append(statement, index, to: &out)
    }
    out.append(0x7D)
    return out.array
  }

  /// What SQLite's own checks say: nothing where all is well.
  package func problems() throws -> [String] { try StoreDatabase.problems(connection) }

  package func find(_ id: [UInt8]) throws -> [UInt8]? {
    let statement = try Statement(
      "SELECT \(names) FROM runs WHERE run_id = ?", on: connection)
    statement.bind(1, text: id.span)
    return try statement.step() ? json(statement) : nil
  }

  /// Every run in the order of the table, until `body` returns false.
  package func each(_ body: ([UInt8]) throws -> Bool) throws {
    let statement = try Statement("SELECT \(names) FROM runs ORDER BY rowid", on: connection)
    while try statement.step() {
      if try !body(json(statement)) { return }
    }
  }

  /// Newest first; of one time, the one that was saved last.
  package func newest(limit: Int, offset: Int) throws -> [[UInt8]] {
    let statement = try Statement(
      "SELECT \(names) FROM runs ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?",
      on: connection)
    statement.bind(1, limit)
    statement.bind(2, offset)
    var found: [[UInt8]] = []
    while try statement.step() { found.append(json(statement)) }
    return found
  }

  /// Saves a run in the place of the one with its id. Within a transaction. Throws `sql` for a field
  /// that the table has no column for, and for a value that the column does not take.
  package func put(_ run: JSONText) throws {
    let keys = run.children(of: 0)
    var marks: [String] = []
    for key in keys {
      guard let column = columns.firstIndex(of: run.decoded(key)) else {
        // A field that says nothing needs no column.
        if run.kind(key + 1) == .null { continue }
        throw DatabaseError(
          .sql,
          "the table of runs has no column \(String(decoding: run.decoded(key), as: UTF8.self))",
          path: connection.path.string)
      }
      marks.append("?\(column + 1)")
    }
    let used = keys.filter { columns.contains(run.decoded($0)) }
    let list = used.map { key in
      "\"\(String(decoding: run.decoded(key), as: UTF8.self))\""
    }.joined(separator: ", ")
    let statement = try Statement(
      "INSERT OR REPLACE INTO runs (\(list)) VALUES (\(marks.joined(separator: ", ")))",
      on: connection)
    for key in used {
      guard let column = columns.firstIndex(of: run.decoded(key)) else { continue }
      switch run.kind(key + 1) {
      case .null: statement.bind(null: column + 1)
      case .string: statement.bind(column + 1, text: run.bytes(ofPath: key + 1).span)
      case .number:
        let source = run.source(of: key + 1)
        let text = String(decoding: (0..<source.count).map { source[$0] }, as: UTF8.self)
        if let whole = Int(text) {
          statement.bind(column + 1, whole)
        } else {
          statement.bind(column + 1, Double(text) ?? 0)
        }
      default:
        throw DatabaseError(
          .sql, "a run holds a value that no column can hold", path: connection.path.string)
      }
    }
    try statement.run()
  }

  package func remove(_ id: [UInt8]) throws {
    let statement = try Statement("DELETE FROM runs WHERE run_id = ?", on: connection)
    statement.bind(1, text: id.span)
    try statement.run()
  }
}
