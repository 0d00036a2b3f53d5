import CSQLite
import LosslessJSON

/// Writes rows as `RowBuffer` has them, in place. Beside `Connection`, `Statement` and
/// `SourceVFS` the one file of this room that touches raw memory: what it binds lies in the
/// buffer until the row has been written.
package final class RowWriter {
  private let statements: StatementList
  /// The hashes of the records written.
  package private(set) var hashes = RecordChain()

  /// One statement for each table. Owned together, for an array cannot hold what is not copied.
  private struct StatementList: ~Copyable {
    var handles: [OpaquePointer] = []

    init(_ connection: borrowing Connection) throws(DatabaseError) {
      for table in DataTable.allCases {
        var made: OpaquePointer?
        let result = sqlite3_prepare_v3(
          connection.handle, table.sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
        guard result == SQLITE_OK, let made else {
          throw connection.failure("cannot prepare", result)
        }
        handles.append(made)
      }
    }

    deinit { for handle in handles { sqlite3_finalize(handle) } }
  }

  package init(_ connection: borrowing Connection) throws(DatabaseError) {
    statements = try StatementList(connection)
  }

  /// Writes the rows in `rows` for the record number `record` of the file number `file`; appends
  /// what `SearchIndexer` wants of it to `words`.
  package func write(
    _ rows: Span<UInt8>, record: Int, file: Int, to connection: borrowing Connection,
    words: inout ByteBuffer
  ) throws(DatabaseError) {
    var result = SQLITE_OK
    rows.withUnsafeBytes { bytes in
      var at = 0
      while at < bytes.count, result == SQLITE_OK {
        let table = Int(bytes[at])
        at += 1
        if table == RowBuffer.words {
          SearchIndexer.begin(record, &words)
          words.append(rows.extracting(at..<bytes.count))
          break
        }
        let statement = statements.handles[table]
        let count = DataTable.allCases[table].columnCount
        for column in 1...Int32(count) {
          if table == DataTable.records.rawValue, column == RowBuffer.contentColumn {
            hashes.add(
              rows.extracting(RowBuffer.hash(at: at)),
              rows.extracting(RowBuffer.hash(at: at + RowBuffer.hashSize)))
          }
          at = bind(bytes, at, statement, column, record: record, file: file)
        }
        let step = sqlite3_step(statement)
        result = sqlite3_reset(statement)
        if step != SQLITE_DONE, result == SQLITE_OK { result = step }
      }
    }
    if result != SQLITE_OK { throw connection.failure("cannot write", result) }
  }

  /// Binds the cell at `at`; returns where the next one is.
  @inline(__always)
  private func bind(
    _ bytes: UnsafeRawBufferPointer, _ at: Int, _ statement: OpaquePointer, _ column: Int32,
    record: Int, file: Int
  ) -> Int {
    let start = at + 1
    switch RowBuffer.Cell(rawValue: bytes[at]) {
    case .integer:
      let value = bytes.loadUnaligned(fromByteOffset: start, as: Int64.self)
      sqlite3_bind_int64(statement, column, value)
      return start + 8
    case .real:
      let bits = bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
      sqlite3_bind_double(statement, column, Double(bitPattern: bits))
      return start + 8
    case .text, .blob:
      let count = Int(bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self))
      let value = UnsafeRawBufferPointer(rebasing: bytes[start + 4..<start + 4 + count])
      if bytes[at] == RowBuffer.Cell.text.rawValue {
        _ = holdfast_bind_text(statement, column, value.baseAddress, UInt64(count))
      } else {
        _ = holdfast_bind_blob(statement, column, value.baseAddress, UInt64(count))
      }
      return start + 4 + count
    case .record: sqlite3_bind_int64(statement, column, Int64(record))
    case .file: sqlite3_bind_int64(statement, column, Int64(file))
    case .null, nil: sqlite3_bind_null(statement, column)
    }
    return start
  }
}
