import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Writes runs as the application's own database: the table `runs` and its index.
package final class RunHistoryWriter: StoreWriter {
  private let options: WriteOptions
  private let isRecovery: Bool
  private let older: FilePath?
  private var connection: RunTable?
  private var name = FilePath("runs.db")
  private var mode = 0o600

  init(_ options: WriteOptions) {
    self.options = options
    isRecovery = false
    older = nil
  }

  /// Puts a run history together from what is left of it: runs may come from several places, each of
  /// which has its own order of columns, and may lack some.
  /// - Parameter older: a state of the database that can be opened: all that it holds stays, but for
  ///   its runs. Nil: there is none.
  package init(_ options: WriteOptions, like older: FilePath?) {
    self.options = options
    isRecovery = true
    self.older = older
  }

  private var path: FilePath { options.directory.pushing(name) }

  package func write(_ record: inout Record, at place: WritePlace) throws {
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
    do {
      try begin(RunTable.keys(of: record))
    } catch let error as DatabaseError where error.code == .sql {
      // Its members are no columns, such as two that differ in case only. The next one may do.
      try Disk.remove(path)
      throw StoreError(.refused, "\(record.label): \(error.message)")
    }
  }

  private func begin(_ keys: [[UInt8]]) throws {
    if let older {
      try Disk.makeDirectory(path.removingLastComponent())
      try Disk.copy(fileAt: older, to: path)
    } else {
      try StagedFile(path, mode: mode).close()
    }
    connection = try RunTable(path, keys: keys, isRecovery: isRecovery)
  }

  package func finish() throws -> WrittenStore {
    if connection == nil { try begin([]) }
    try connection?.finish()
    connection = nil
    return WrittenStore(root: path, files: [name])
  }
}

/// The table `runs` of a database that is being written, with the columns that it has or, where
/// there is none yet, those of its first record.
final class RunTable {
  /// How records are written whose members come in one order.
  private final class Insertion {
    let keys: [[UInt8]]
    let statement: Statement
    /// The members that are written.
    let written: [Int]

    init(_ keys: [[UInt8]], _ written: [Int], _ statement: consuming Statement) {
      self.keys = keys
      self.written = written
      self.statement = statement
    }
  }

  private let connection: Connection
  private var columns: [[UInt8]]
  /// Columns of a table that was there, which SQLite computes.
  private var computed: [[UInt8]] = []
  private let isRecovery: Bool
  /// Whether the table was there before.
  private let isOlder: Bool
  private var insertion: Insertion?
  /// Whether runs get the row ids that they had, and others those behind them.
  private var keepsIDs = false

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
  /// - Parameter isRecovery: whether there may be such a table, which loses its rows; whether records
  ///   may lack columns, or have more of them.
  init(_ path: FilePath, keys: [[UInt8]], isRecovery: Bool = false) throws {
    columns = keys.isEmpty ? Self.known.map { Array($0.name.utf8) } : keys
    self.isRecovery = isRecovery
    connection = try Connection(Disk.absolute(path), .scratch)
    guard isRecovery, try Self.isThere(connection) else {
      isOlder = false
      try connection.execute("BEGIN")
      if isRecovery { columns = Self.usualOrder(columns) }
      try make()
      return
    }
    isOlder = true
    // What the application does as it deletes and adds runs is not to be done once more. Columns and
    // indexes that are computed by functions need them; they can do no more than compute.
    connection.disableTriggers()
    try connection.execute("PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=ON")
    try readColumns()
    try connection.execute("BEGIN")
    try keepIDs()
    try connection.execute("DELETE FROM runs")
  }

  /// Remembers the row ids, which other tables may name.
  private func keepIDs() throws {
    let names = columns + computed
    if names.contains(Array("rowid".utf8)) { return }
    let own = try Statement(
      "SELECT 1 FROM pragma_table_info('runs') WHERE pk > 0 AND upper(type) = 'INTEGER'",
      on: connection)
    if try own.step() { return }
    do throws(DatabaseError) {
      try connection.execute("CREATE TEMP TABLE kept(id INTEGER PRIMARY KEY, run)")
      try connection.execute("INSERT INTO temp.kept SELECT rowid, run_id FROM main.runs")
      try connection.execute("CREATE INDEX temp.kept_by_run ON kept(run)")
      keepsIDs = true
    } catch { if error.code != .sql { throw error } }
  }

  private static func isThere(_ connection: borrowing Connection) throws -> Bool {
    let table = try Statement(
      "SELECT 1 FROM sqlite_schema WHERE type='table' AND name='runs'", on: connection)
    return try table.step()
  }

  private func readColumns() throws {
    let info = try Statement("SELECT name, hidden FROM pragma_table_xinfo('runs')", on: connection)
    columns = []
    while try info.step() {
      if info.integer(1) == 0 {
        columns.append(info.bytes(0))
      } else {
        computed.append(info.bytes(0))
      }
    }
  }

  private static func usualOrder(_ keys: [[UInt8]]) -> [[UInt8]] {
    let usual = known.map { Array($0.name.utf8) }
    return usual.filter(keys.contains) + keys.filter { !usual.contains($0) }
  }

  private func make() throws {
    let definitions = columns.map(Self.definition)
    try connection.execute("CREATE TABLE runs (\n  \(definitions.joined(separator: ",\n  "))\n)")
    if columns.contains(Array("created_at".utf8)) {
      try connection.execute("CREATE INDEX idx_runs_created_at ON runs (created_at DESC)")
    }
  }

  private static func quoted(_ column: [UInt8]) -> String {
    let name = String(decoding: column, as: UTF8.self)
    return "\""
      + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }

  private static func definition(_ column: [UInt8]) -> String {
    let name = String(decoding: column, as: UTF8.self)
    let type = known.first { $0.name == name }?.type
    return type.map { "\(name) \($0)" } ?? quoted(column)
  }

  /// Throws `StoreError.refused` for a record that has other columns.
  func insert(_ record: borrowing Record) throws {
    let text = record.text
    let members = text.children(of: 0)
    let keys = members.map { text.decoded($0) }
    guard text.kind() == .object,
      isRecovery || keys == columns
        || (keys.count == columns.count && Set(keys) == Set(columns))
    else {
      throw StoreError(
        .refused, "\(record.label): has other columns than the runs before it",
        hint: "write it into a run history of its own")
    }
    let insertion = try insertion(keys)
    for (index, member) in insertion.written.enumerated() {
      try bind(index + 1, members[member] + 1, record, insertion.statement)
    }
    try insertion.statement.run()
  }

  private func insertion(_ keys: [[UInt8]]) throws -> Insertion {
    if let insertion, insertion.keys == keys { return insertion }
    let written = keys.indices.filter { !computed.contains(keys[$0]) }
    for index in written where !columns.contains(keys[index]) {
      try connection.execute("ALTER TABLE runs ADD COLUMN \(Self.definition(keys[index]))")
      columns.append(keys[index])
    }
    var names = written.map { Self.quoted(keys[$0]) }
    var values = Array(repeating: "?", count: names.count)
    // An application that has given its table more columns since has said what older runs have there.
    for column in columns where !isOlder && !keys.contains(column) {
      names.append(Self.quoted(column))
      values.append("NULL")
    }
    if keepsIDs, let run = written.firstIndex(where: { keys[$0] == Array("run_id".utf8) }) {
      names.append("rowid")
      values.append(
        "coalesce((SELECT id FROM temp.kept WHERE run IS ?\(run + 1)), "
          + "max(coalesce((SELECT max(rowid) FROM main.runs), 0), "
          + "coalesce((SELECT max(id) FROM temp.kept), 0)) + 1)")
    }
    let list = "\(names.joined(separator: ", "))) VALUES (\(values.joined(separator: ", "))"
    let made = Insertion(
      keys, written, try Statement("INSERT INTO runs (\(list))", on: connection))
    insertion = made
    return made
  }

  private func bind(
    _ index: Int, _ token: Int, _ record: borrowing Record, _ insertion: borrowing Statement
  ) throws {
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
