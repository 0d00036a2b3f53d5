import Disk
import LosslessJSON
import Records
import SystemPackage

/// A migrated database that a program keeps open, to look records up by their ids and to save
/// them. One thread at a time; several processes may have the same file open.
///
/// A record that is saved is in `records`, in the table of its kind and in the full-text index, or
/// in none of them. What it replaces stays in `objects`, as in CCOS's own archive. From then on
/// the files of its store cannot come out as they were: its digest is empty, and `export` writes
/// them anew.
package final class LiveDatabase {
  /// What became of a record.
  package enum Outcome: Sendable { case unchanged, replaced, added }

  let connection: Connection
  private let rows: RowWriter
  private let lookup: Statement
  private var maker = RecordRows()

  /// Opens the existing database `path`. Throws `foreign` where it is none of ours, or of a version
  /// that is not this program's.
  package init(_ path: FilePath) throws(DatabaseError) {
    connection = try Connection(path, .writable)
    let taken = try StoreDatabase.steps(connection).count
    guard taken == StoreDatabase.version else {
      throw DatabaseError(
        .foreign,
        "is of version \(taken), and this program writes version \(StoreDatabase.version)",
        path: path.string, hint: "upgrade it with holdfast migrate --upgrade --to \(path)")
    }
    // With EXTRA, what has been saved outlives a loss of power, the deleted journal included.
    try connection.execute("PRAGMA synchronous=EXTRA")
    rows = try RowWriter(connection)
    lookup = try Statement(
      """
      SELECT r.id, r.file, r.line, r.offset, r.content_hash, coalesce(r.payload, o.payload)
      FROM records AS r
      LEFT JOIN objects AS o ON r.payload IS NULL AND o.hash = lower(hex(r.content_hash))
      WHERE r.key = ?1 AND r.kind = ?2 AND r.scope IS ?3 ORDER BY r.id LIMIT 1
      """, on: connection)
  }

  private func seek(_ kind: RecordKind, _ key: Span<UInt8>, _ scope: [UInt8])
    throws(DatabaseError) -> Bool
  {
    lookup.reset()
    lookup.bind(1, text: key)
    lookup.bind(2, text: kind.rawValue)
    if scope.isEmpty { lookup.bind(null: 3) } else { lookup.bind(3, text: scope.span) }
    return try lookup.step()
  }

  /// The compact bytes of a record; nil where there is none. Of several with the same id, the first.
  /// - Parameter key: its id, UTF-8, as `Record.appendID` has it.
  package func find(_ kind: RecordKind, _ key: Span<UInt8>, scope: [UInt8] = [])
    throws(DatabaseError) -> [UInt8]?
  {
    defer { lookup.reset() }
    return try seek(kind, key, scope) ? lookup.bytes(5) : nil
  }

  /// Saves a record in the place of the one with its id, or behind the last one of `store`. On
  /// return it is on the disk.
  /// - Parameter store: the number of the store that a new record belongs to.
  package func save(_ record: inout Record, store: Int = 1) throws -> Outcome {
    var key = ByteBuffer()
    guard record.appendID(to: &key) else {
      throw DatabaseError(
        .failed, "a \(record.kind.rawValue) without an id cannot be saved",
        path: connection.path.string, hint: "give it the field that its kind is known by")
    }
    return try transaction { try write(&record, key.span, store) }
  }

  /// Makes all changes of `body`, or none where anything throws. On return they are on the disk.
  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try connection.execute("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try connection.execute("COMMIT")
      return result
    } catch {
      lookup.reset()
      try? connection.execute("ROLLBACK")
      throw error
    }
  }

  private func write(_ record: inout Record, _ key: Span<UInt8>, _ store: Int)
    throws(DatabaseError) -> Outcome
  {
    if try seek(record.kind, key, record.scope) {
      let place = (id: lookup.integer(0), file: lookup.integer(1))
      let isSame = lookup.withBytes(4) { Hash256(bytes: $0) } == record.contentHash()
      record.place = RecordPlace(
        file: 0, offset: lookup.integer(3), length: 0, line: lookup.integer(2))
      lookup.reset()
      if isSame { return .unchanged }
      try remove(record.kind, place.id, key)
      try insert(&record, place.id, file: place.file)
      return .replaced
    }
    lookup.reset()
    let last = try number(
      "SELECT max(r.id) FROM records AS r JOIN files AS f ON f.id = r.file WHERE f.store = ?",
      store)
    guard last > 0 else {
      throw DatabaseError(.failed, "has no store \(store)", path: connection.path.string)
    }
    record.place = RecordPlace()
    let file = try number("SELECT file FROM records WHERE id = ?", last)
    try insert(&record, try nextID(), file: file)
    try count(1, file: file)
    return .added
  }

  func nextID() throws(DatabaseError) -> Int {
    try StoreDatabase.number("SELECT coalesce(max(id), 0) + 1 FROM records", connection)
  }

  /// Writes all rows of a record under the number `id`, which is free.
  func insert(_ record: inout Record, _ id: Int, file: Int) throws(DatabaseError) {
    var made = ByteBuffer()
    maker.append(&record, record.canonicalHash(), layout: .compact, to: &made)
    var words = ByteBuffer()
    try rows.write(
      made.span, record: id, file: file, to: connection, words: &words)
    try run(
      "INSERT INTO search (rowid, title, body) SELECT id, title, body FROM searchable WHERE id = ?",
      id)
    try touch(file)
  }

  /// Says of a file that it is no longer what was migrated, and counts its store's records.
  func touch(_ file: Int) throws(DatabaseError) {
    try run("UPDATE files SET sha256 = NULL WHERE id = ?", file)
    try run(
      "UPDATE stores SET digest = '' WHERE id = (SELECT store FROM files WHERE id = ?)", file)
  }

  /// Counts one more record of the store that a file belongs to, or one less.
  func count(_ change: Int, file: Int) throws(DatabaseError) {
    try run(
      """
      UPDATE stores SET records = records + (\(change))
      WHERE id = (SELECT store FROM files WHERE id = ?)
      """, file)
  }

  /// Takes away all rows of a record but that in `objects`.
  func remove(_ kind: RecordKind, _ id: Int, _ key: Span<UInt8>) throws(DatabaseError) {
    try run(
      """
      INSERT INTO search (search, rowid, title, body)
      SELECT 'delete', id, title, body FROM searchable WHERE id = ?
      """, id)
    if let table = DataTable.of(kind) {
      if table == .runs {
        let row = try Statement("DELETE FROM runs WHERE run_id = ?", on: connection)
        row.bind(1, text: key)
        try row.run()
      } else {
        try run("DELETE FROM \(table) WHERE record = ?", id)
      }
    }
    if kind == .entity { try run("DELETE FROM observations WHERE record = ?", id) }
    try run("DELETE FROM texts WHERE record = ?", id)
    try run("DELETE FROM records WHERE id = ?", id)
  }

  func run(_ sql: String, _ value: Int) throws(DatabaseError) {
    let row = try Statement(sql, on: connection)
    row.bind(1, value)
    try row.run()
  }

  func number(_ sql: String, _ value: Int) throws(DatabaseError) -> Int {
    let row = try Statement(sql, on: connection)
    row.bind(1, value)
    return try row.step() ? row.integer(0) : 0
  }
}
