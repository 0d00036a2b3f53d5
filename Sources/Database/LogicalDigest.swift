import LosslessJSON
import Records

extension StoreDatabase {
  /// A hash of what a database says, whatever its page size, the order in which its rows came,
  /// the room that deleted ones have left, and the version of SQLite that wrote it: SHA-256 over
  ///
  /// - the schema: type, name and text of each of our tables, indexes and views, by type and name;
  /// - each table by name, the number of its columns, and its rows in the order of the primary key.
  ///
  /// A value is a letter for its storage class (`N`, `I`, `R`, `T`, `B`), then nothing, 8 bytes of
  /// the number, or 8 bytes of the length and the bytes; numbers are big-endian. Left out are the
  /// tables that SQLite keeps for itself, those of the full-text index among them: what that holds
  /// follows from the others.
  package static func logicalDigest(_ connection: borrowing Connection) throws(DatabaseError)
    -> Hash256
  {
    try logicalDigest(connection) { _, _ in }
  }

  /// - Parameter seeing: is shown each row of each table, by the name of the table.
  static func logicalDigest(
    _ connection: borrowing Connection, seeing: (DataTable?, borrowing Statement) -> Void
  ) throws(DatabaseError) -> Hash256 {
    var digest = RowDigest()
    let schema = try Statement(
      """
      SELECT type, name, sql FROM sqlite_schema
      WHERE name NOT GLOB 'sqlite_*' AND name NOT GLOB 'search_*' ORDER BY type, name
      """, on: connection)
    try digest.add(schema) { _ in }
    let tables = try Statement(
      """
      SELECT t.name, (
        SELECT group_concat('"' || replace(name, '"', '""') || '"') FROM (
          SELECT name FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk))
      FROM sqlite_schema AS t
      WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'search_*'
        AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name
      """, on: connection)
    while try tables.step() {
      let name = tables.text(0)
      let key = tables.kind(1) == .null ? "rowid" : tables.text(1)
      digest.begin(table: name)
      let quoted = name.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\"\"")
      let table = DataTable.allCases.first { "\($0)" == name }
      try digest.add(Statement("SELECT * FROM \"\(quoted)\" ORDER BY \(key)", on: connection)) {
        seeing(table, $0)
      }
    }
    return digest.finish()
  }
}

/// The hash behind `StoreDatabase.logicalDigest`.
private struct RowDigest: ~Copyable {
  private var hasher = Hasher256()
  private var pending = ByteBuffer()
  private static let limit = 64 << 10

  mutating func begin(table name: String) {
    append(0x54, Array(name.utf8).span)
  }

  mutating func add(
    _ rows: borrowing Statement, seeing: (borrowing Statement) -> Void
  ) throws(DatabaseError) {
    let columns = rows.columnCount
    append(0x49, UInt64(columns))
    while try rows.step() {
      seeing(rows)
      for column in 0..<columns {
        switch rows.kind(column) {
        case .null: pending.append(0x4E)
        case .integer: append(0x49, UInt64(bitPattern: Int64(rows.integer(column))))
        case .real: append(0x52, rows.real(column).bitPattern)
        case .text: rows.withBytes(column) { append(0x54, $0) }
        case .blob: rows.withBytes(column) { append(0x42, $0) }
        }
      }
      if pending.count > Self.limit { flush() }
    }
    flush()
  }

  private mutating func append(_ letter: UInt8, _ bytes: Span<UInt8>) {
    append(letter, UInt64(bytes.count))
    pending.append(bytes)
  }

  @inline(__always)
  private mutating func append(_ letter: UInt8, _ number: UInt64) {
    pending.append(letter, bigEndian: number)
  }

  private mutating func flush() {
    let bytes = pending
    hasher.update(bytes.span)
    pending.removeAll()
  }

  consuming func finish() -> Hash256 { hasher.finish() }
}
