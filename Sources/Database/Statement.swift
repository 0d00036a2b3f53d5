import CSQLite
import LosslessJSON

/// A prepared statement; finalised with its owner.
package struct Statement: ~Copyable {
  let handle: OpaquePointer
  private let connection: OpaquePointer
  private let path: String

  /// Prepares the first statement of `sql`, which must be the only one.
  package init(_ sql: String, on connection: borrowing Connection) throws(DatabaseError) {
    self.connection = connection.handle
    path = connection.path.string
    handle = try Self.prepare(sql, connection)
  }

  private static func prepare(_ sql: String, _ connection: borrowing Connection)
    throws(DatabaseError) -> OpaquePointer
  {
    var made: OpaquePointer?
    var hasMore = false
    let result = sql.withCString { text -> Int32 in
      var rest: UnsafePointer<CChar>?
      let result = sqlite3_prepare_v3(
        connection.handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, &rest)
      // Behind the end there may be white space and comments only.
      var another: OpaquePointer?
      if result == SQLITE_OK, let rest, rest.pointee != 0 {
        hasMore = sqlite3_prepare_v2(connection.handle, rest, -1, &another, nil) != SQLITE_OK
        hasMore = hasMore || another != nil
        sqlite3_finalize(another)
      }
      return result
    }
    if result != SQLITE_OK { throw connection.failure("cannot prepare", result) }
    guard let made else {
      throw DatabaseError(.sql, "there is no statement", path: connection.path.string)
    }
    if hasMore {
      sqlite3_finalize(made)
      throw DatabaseError(
        .sql, "there is more than one statement", path: connection.path.string,
        hint: "give one statement at a time")
    }
    return made
  }

  deinit { sqlite3_finalize(handle) }

  private borrowing func failure(_ result: Int32) -> DatabaseError {
    DatabaseError(result, of: connection, path)
  }

  /// Whether it can change nothing.
  package var isReadOnly: Bool { sqlite3_stmt_readonly(handle) != 0 }

  /// Moves to the next row; false behind the last one.
  package borrowing func step() throws(DatabaseError) -> Bool {
    let result = sqlite3_step(handle)
    if result == SQLITE_ROW { return true }
    if result == SQLITE_DONE { return false }
    throw failure(result)
  }

  /// Runs a statement that gives no rows, and makes it ready for the next time.
  package borrowing func run() throws(DatabaseError) {
    let result = sqlite3_step(handle)
    sqlite3_reset(handle)
    if result != SQLITE_DONE, result != SQLITE_ROW { throw failure(result) }
  }

  package borrowing func reset() { sqlite3_reset(handle) }

  /// Parameters count from 1, as in SQL.
  package borrowing func bind(_ index: Int, _ value: Int) {
    sqlite3_bind_int64(handle, Int32(index), Int64(value))
  }

  package borrowing func bind(_ index: Int, _ value: Double) {
    sqlite3_bind_double(handle, Int32(index), value)
  }

  package borrowing func bind(null index: Int) { sqlite3_bind_null(handle, Int32(index)) }

  /// Binds a copy of the bytes as TEXT, whether or not they are UTF-8.
  package borrowing func bind(_ index: Int, text: Span<UInt8>) {
    text.withUnsafeBytes { bytes in
      _ = holdfast_bind_text_copy(handle, Int32(index), bytes.baseAddress, UInt64(bytes.count))
    }
  }

  package borrowing func bind(_ index: Int, text: String) {
    bind(index, text: Array(text.utf8).span)
  }

  package borrowing func bind(_ index: Int, blob: Span<UInt8>) {
    blob.withUnsafeBytes { bytes in
      _ = holdfast_bind_blob_copy(handle, Int32(index), bytes.baseAddress, UInt64(bytes.count))
    }
  }

  /// The storage classes of SQLite.
  package enum Kind: Sendable { case integer, real, text, blob, null }

  package var columnCount: Int { Int(sqlite3_column_count(handle)) }

  /// The name of a column of the result; columns count from 0.
  package borrowing func name(_ column: Int) -> String {
    sqlite3_column_name(handle, Int32(column)).map { String(cString: $0) } ?? ""
  }

  package borrowing func kind(_ column: Int) -> Kind {
    switch sqlite3_column_type(handle, Int32(column)) {
    case SQLITE_INTEGER: .integer
    case SQLITE_FLOAT: .real
    case SQLITE_TEXT: .text
    case SQLITE_BLOB: .blob
    default: .null
    }
  }

  package borrowing func integer(_ column: Int) -> Int {
    Int(sqlite3_column_int64(handle, Int32(column)))
  }

  package borrowing func real(_ column: Int) -> Double {
    sqlite3_column_double(handle, Int32(column))
  }

  /// The bytes of a TEXT or BLOB value, in place, until the next step.
  package borrowing func withBytes<Result, Failure: Error>(
    _ column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Text comes as UTF-8 whatever the encoding of the database; bytes that are none stay so.
    let isText = sqlite3_column_type(handle, Int32(column)) == SQLITE_TEXT
    let start =
      isText
      ? UnsafeRawPointer(sqlite3_column_text(handle, Int32(column)))
      : sqlite3_column_blob(handle, Int32(column))
    let count = Int(sqlite3_column_bytes(handle, Int32(column)))
    let buffer = UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)
    return try body(Span(_unsafeBytes: buffer))
  }

  /// A copy of the bytes of a TEXT or BLOB value.
  package borrowing func bytes(_ column: Int) -> [UInt8] {
    withBytes(column) { span in (0..<span.count).map { span[$0] } }
  }

  /// A TEXT value for people.
  package borrowing func text(_ column: Int) -> String {
    String(decoding: bytes(column), as: UTF8.self)
  }
}
