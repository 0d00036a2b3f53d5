import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Writes runs as the application's own database: the table `runs` and its index.
final class RunHistoryWriter: StoreWriter {
  private let options: WriteOptions
  private var connection: RunTable?
  private var name = FilePath("runs.db")
  private var mode = 0o600

  init(_ options: WriteOptions) { self.options = options }

  private var path: FilePath { options.directory.pushing(name) }

  func write(_ record: inout Record, at place: WritePlace) throws {
    guard record.kind == .run, record.scope.isEmpty else {
      throw StoreError(
        .refused, "\(record.label): a run history holds nothing but runs",
        hint: "leave the others out, or choose another kind")
    }
    if connection == nil { try begin(place, record) }
    do {
      try connection?.insert(record)
    } catch let error as DatabaseError where error.code == .sql {
      throw StoreError(.refused, "\(record.label): \(error.message)")
    }
  }

  private func begin(_ place: WritePlace?, _ record: borrowing Record) throws {
    name =
      options.fileName ?? (options.sourceKind == StoreFormat.runHistory.name ? place?.file : nil)
      ?? FilePath("runs.db")
    mode = place?.mode ?? 0o600
    try StagedFile(path, mode: mode).close()
    do {
      connection = try RunTable(path, keys: RunTable.keys(of: record))
    } catch let error as DatabaseError where error.code == .sql {
      // Its members are no columns, such as two that differ in case only. The next one may do.
      try Disk.remove(path)
      throw StoreError(.refused, "\(record.label): \(error.message)")
    }
  }

  func finish() throws -> WrittenStore {
    if connection == nil {
      try StagedFile(path, mode: mode).close()
      connection = try RunTable(path, keys: [])
    }
    try connection?.finish()
    connection = nil
    return WrittenStore(root: path, files: [name])
  }
}

/// The table `runs` of a new database, with the columns that its first record has.
final class RunTable {
  private let connection: Connection
  private let columns: [[UInt8]]
  private let insertion: Statement

  /// The first version's columns, then those of later ones in their order.
  private static let known: [(name: String, type: String)] = [
    ("run_id", "TEXT PRIMARY KEY"), ("plan_id", "TEXT NOT NULL"), ("objective", "TEXT NOT NULL"),
    ("plan_result", "TEXT NOT NULL"), ("execution_result", "TEXT"),
    ("created_at", "REAL NOT NULL"), ("approval_status", "TEXT DEFAULT 'pending'"),
    ("approval_reason", "TEXT"), ("approved_at", "REAL"), ("approved_by", "TEXT"),
  ]

  static func keys(of record: borrowing Record) -> [[UInt8]] {
    record.text.children(of: 0).map { record.text.decoded($0) }
  }

  /// - Parameter keys: the columns in their order; none for those of the newest version.
  init(_ path: FilePath, keys: [[UInt8]]) throws {
    columns = keys.isEmpty ? Self.known.map { Array($0.name.utf8) } : keys
    connection = try Connection(Disk.absolute(path), .scratch)
    let names = columns.map { String(decoding: $0, as: UTF8.self) }
    let definitions = names.map { name in
      let quoted =
        "\""
        + name.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\"\"") + "\""
      let type = Self.known.first { $0.name == name }?.type
      return type.map { "\(name) \($0)" } ?? quoted
    }
    try connection.execute("BEGIN")
    try connection.execute("CREATE TABLE runs (\n  \(definitions.joined(separator: ",\n  "))\n)")
    if names.contains("created_at") {
      try connection.execute("CREATE INDEX idx_runs_created_at ON runs (created_at DESC)")
    }
    let marks = Array(repeating: "?", count: columns.count).joined(separator: ", ")
    insertion = try Statement("INSERT INTO runs VALUES (\(marks))", on: connection)
  }

  /// Throws `StoreError.refused` for a record that has other columns.
  func insert(_ record: borrowing Record) throws {
    let text = record.text
    let keys = text.children(of: 0)
    guard text.kind() == .object, keys.map({ text.decoded($0) }) == columns else {
      throw StoreError(
        .refused, "\(record.label): has other columns than the runs before it",
        hint: "write it into a run history of its own")
    }
    for (index, key) in keys.enumerated() { try bind(index + 1, key + 1, record) }
    try insertion.run()
  }

  private func bind(_ index: Int, _ token: Int, _ record: borrowing Record) throws {
    switch record.text.kind(token) {
    case .null: insertion.bind(null: index)
    case .string: insertion.bind(index, text: record.text.bytes(ofPath: token).span)
    case .number:
      let source = record.text.source(of: token)
      let text = String(decoding: (0..<source.count).map { source[$0] }, as: UTF8.self)
      if let whole = Int(text) {
        insertion.bind(index, whole)
      } else {
        insertion.bind(index, Double(text) ?? 0)
      }
    case .object:
      guard let hex = record.text.string("blob", of: token), let bytes = Self.bytes(hex) else {
        fallthrough
      }
      insertion.bind(index, blob: bytes.span)
    default:
      throw StoreError(
        .refused, "\(record.label): holds a value that no column of a database can hold")
    }
  }

  private static func bytes(_ hex: [UInt8]) -> [UInt8]? {
    guard hex.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for at in stride(from: 0, to: hex.count, by: 2) {
      guard let high = hexValue(hex[at]), let low = hexValue(hex[at + 1]) else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return bytes
  }

  func finish() throws { try connection.execute("COMMIT") }
}
