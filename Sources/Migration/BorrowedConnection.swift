import Database
import LosslessJSON
import SystemPackage

/// A connection that several objects of one migration use in turn; closed with the last of them.
final class BorrowedConnection {
  private let connection: Connection

  init(_ path: FilePath, _ mode: Connection.Mode) throws {
    connection = try Connection(path, mode)
  }

  func prepare(_ sql: String) throws -> Statement { try Statement(sql, on: connection) }

  func use<Result>(_ body: (borrowing Connection) throws -> Result) rethrows -> Result {
    try body(connection)
  }

  func rows() throws -> RowWriter { try RowWriter(connection) }

  func write(_ writer: RowWriter, _ rows: Span<UInt8>, record: Int, file: Int) throws {
    try writer.write(rows, record: record, file: file, to: connection)
  }
}
