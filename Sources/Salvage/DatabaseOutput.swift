import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

/// The recovered database while it is written: made by SQLite, so that its owner can open it.
final class DatabaseOutput {
  /// What became of a row.
  enum Outcome: Equatable {
    case written
    /// The very row is there already.
    case known
    /// Why SQLite refuses it.
    case refused(String)
  }

  private final class Insertion {
    let statement: Statement
    init(_ statement: consuming Statement) { self.statement = statement }
  }

  private struct Shape: Hashable {
    var table: Int
    var count: Int
  }

  private let path: FilePath
  private(set) var connection: Connection
  /// Whether the tables are there already.
  let isCopy: Bool
  private var insertions: [Shape: Insertion] = [:]
  private var searches: [Shape: Insertion] = [:]
  /// The highest row ids that were given in tables that never give one twice, as far as pages say so.
  private var sequences: [[UInt8]: Int] = [:]
  static let sequence = "sqlite_sequence"
  /// Indexes that are not to stay.
  private var helpers: [String] = []

  /// - Parameter path: where nothing is yet.
  init(_ path: FilePath, like file: PageFile) throws {
    self.path = path
    isCopy = false
    try StagedFile(path).close()
    connection = try Connection(path, .scratch)
    connection.allowUnknownCollations()
    try connection.execute("PRAGMA page_size=\(file.pageSize)")
    let encoding = !file.isUTF16 ? "UTF-8" : file.isBigEndian ? "UTF-16be" : "UTF-16le"
    try connection.execute("PRAGMA encoding='\(encoding)'")
    try connection.execute("PRAGMA cache_size=-32768")
    try connection.execute("BEGIN")
    try connection.execute("PRAGMA user_version=\(file.userVersion)")
    try connection.execute("PRAGMA application_id=\(file.applicationID)")
  }

  /// Looks into a database that was copied as it is; nothing is made in it. It may be one that is
  /// written with a log, which a connection for writing would want.
  init(copyAt path: FilePath) throws {
    self.path = path
    isCopy = true
    connection = try Connection(Disk.absolute(path), .immutable)
    connection.allowUnknownCollations()
  }

  func endRows() throws {
    insertions = [:]
    searches = [:]
    for name in helpers { try connection.execute("DROP INDEX \(name)") }
    helpers = []
    try writeSequences()
    try connection.execute("COMMIT")
    connection = try Connection(path, .scratch)
    try connection.execute("BEGIN")
  }

  private func writeSequences() throws {
    for (name, last) in sequences.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let change = try Statement(
        "UPDATE \(Self.sequence) SET seq = max(seq, ?2) WHERE name = ?1", on: connection)
      change.bind(1, text: name.span)
      change.bind(2, last)
      try change.run()
      if connection.changes > 0 { continue }
      let row = try Statement("INSERT INTO \(Self.sequence) VALUES(?1, ?2)", on: connection)
      row.bind(1, text: name.span)
      row.bind(2, last)
      try row.run()
    }
  }

  /// Whether SQLite could take a row out of a table: not where there are no row ids, or an index needs a
  /// function that its program has.
  func allowsTakingOut(of table: SalvagedTable) -> Bool {
    guard let id = table.idName else { return false }
    // As they are when it is done.
    connection.disableTriggers()
    do {
      _ = try Statement(
        "DELETE FROM \(Connection.quoted(table.name)) WHERE \(id) = ?", on: connection)
      return true
    } catch { return false }
  }

  /// Takes rows out of a table of a finished database, without what triggers would do meanwhile.
  /// - Parameter refused: nil for a row that stays, else what to do as it goes.
  /// - Returns: how many; nil where SQLite cannot take one out. Then nothing was changed or done.
  static func takeOut(
    _ table: SalvagedTable, of path: FilePath, _ refused: (PageRow) -> (() throws -> Void)?
  ) throws -> Int? {
    let connection = try Connection(path, .scratch)
    connection.disableTriggers()
    let (name, id) = (Connection.quoted(table.name), table.idName ?? "rowid")
    let columns = table.columns.map { Connection.quoted($0.name) }.joined(separator: ", ")
    var ids: [Int] = []
    do {
      let rows = try Statement("SELECT \(id), \(columns) FROM \(name) ORDER BY 1", on: connection)
      while try rows.step() {
        let values = table.columns.indices.map { value(rows, $0 + 1) }
        let row = PageRow(id: rows.integer(0), values: values)
        guard let act = refused(row) else { continue }
        if ids.isEmpty {
          do { _ = try Statement("DELETE FROM \(name) WHERE \(id) = ?", on: connection) } catch {
            return nil
          }
        }
        ids.append(rows.integer(0))
        try act()
      }
    }
    if ids.isEmpty { return 0 }
    try connection.execute("BEGIN")
    let removal = try Statement("DELETE FROM \(name) WHERE \(id) = ?", on: connection)
    for id in ids {
      removal.bind(1, id)
      try removal.run()
    }
    try connection.execute("COMMIT")
    return ids.count
  }

  static func value(_ rows: borrowing Statement, _ column: Int) -> PageValue {
    switch rows.kind(column) {
    case .null: .null
    case .integer: .integer(rows.integer(column))
    case .real: .real(rows.real(column))
    case .text: .text(rows.bytes(column))
    case .blob: .blob(rows.bytes(column))
    }
  }

  /// Writes a row once.
  /// - Parameter number: of the table, for the statements that are kept.
  func insert(_ row: PageRow, into table: SalvagedTable, _ number: Int) throws -> Outcome {
    if table.name == Self.sequence, row.values.count == 2,
      case (.text(let name), .integer(let last)) = (row.values[0], row.values[1])
    {
      // SQLite writes such a row itself, with the rows of the table.
      sequences[name] = max(sequences[name] ?? last, last)
      return .known
    }
    let shape = Shape(table: number, count: row.values.count)
    do throws(DatabaseError) {
      if insertions[shape] == nil {
        insertions[shape] = Insertion(
          try Statement(Self.insertion(table, shape.count), on: connection))
      }
      guard let insertion = insertions[shape] else { return .refused("no statement") }
      Self.bind(row, table, insertion.statement)
      try insertion.statement.run()
      return .written
    } catch {
      guard error.code == .sql else { throw error }
      return try holds(row, table, number) ? .known : .refused(error.message)
    }
  }

  /// Whether the very row is there.
  func holds(_ row: PageRow, _ table: SalvagedTable, _ number: Int) throws -> Bool {
    let shape = Shape(table: number, count: row.values.count)
    if Self.targets(table, shape.count).isEmpty { return false }
    if searches[shape] == nil {
      searches[shape] = Insertion(try Statement(Self.search(table, shape.count), on: connection))
    }
    guard let search = searches[shape] else { return false }
    Self.bind(row, table, search.statement)
    defer { search.statement.reset() }
    return try search.statement.step()
  }

  /// Whether what an index would have of a row of the table is what the row says: values of it, and
  /// behind them what leads to it, its row id or more of its values.
  func holdsEntry(_ entry: PageRow, of table: SalvagedTable) throws -> Bool {
    var values = entry.values[...]
    var tests: [String] = []
    let names = table.columns.filter(\.isWritable).map { Connection.quoted($0.name) }
    if table.hasRowID {
      guard case .integer(let id)? = values.popLast(), let name = table.idName else { return false }
      tests.append("\(name)=\(id)")
    } else if values.count > names.count {
      return false
    }
    for index in values.indices {
      tests.append("(" + names.map { "\($0) IS ?\(index + 1)" }.joined(separator: " OR ") + ")")
    }
    if names.isEmpty || values.isEmpty { return false }
    let search = try Statement(
      "SELECT 1 FROM \(Connection.quoted(table.name)) WHERE \(tests.joined(separator: " AND ")) LIMIT 1",
      on: connection)
    for (index, value) in values.enumerated() { Self.bind(value, index + 1, search) }
    return try search.step()
  }

  /// Lets rows of the table be found by any of their values, until the end.
  func indexAllColumns(of table: SalvagedTable) {
    for column in table.columns {
      let name = Connection.quoted("\(table.name)_by_\(column.name)")
      let sql =
        "CREATE INDEX \(name) ON \(Connection.quoted(table.name))(\(Connection.quoted(column.name)))"
      if create(sql) == nil { helpers.append(name) }
    }
  }

  /// Whether the table has a row of this id.
  func holds(rowID id: Int, of table: SalvagedTable) throws -> Bool {
    guard let name = table.idName else { return false }
    let search = try Statement(
      "SELECT 1 FROM \(Connection.quoted(table.name)) WHERE \(name)=\(id)", on: connection)
    return try search.step()
  }

  /// The columns that a row of `count` values is written to.
  private static func targets(_ table: SalvagedTable, _ count: Int) -> [String] {
    var names = table.columns.prefix(count).filter(\.isWritable).map { Connection.quoted($0.name) }
    if table.hasRowID, table.idColumn == nil, let id = table.idName { names.append(id) }
    return names
  }

  private static func insertion(_ table: SalvagedTable, _ count: Int) -> String {
    let names = targets(table, count)
    let marks = Array(repeating: "?", count: names.count).joined(separator: ",")
    return "INSERT INTO \(Connection.quoted(table.name))(\(names.joined(separator: ","))) "
      + "VALUES(\(marks))"
  }

  private static func search(_ table: SalvagedTable, _ count: Int) -> String {
    let tests = targets(table, count).map { "\($0) IS ?" }.joined(separator: " AND ")
    return "SELECT 1 FROM \(Connection.quoted(table.name)) WHERE \(tests)"
  }

  private static func bind(
    _ row: PageRow, _ table: SalvagedTable, _ statement: borrowing Statement
  ) {
    var index = 1
    for (number, column) in table.columns.prefix(row.values.count).enumerated()
    where column.isWritable {
      var value = row.values[number]
      if number == table.idColumn, value == .null, let id = row.id { value = .integer(id) }
      bind(value, index, statement)
      index += 1
    }
    if table.hasRowID, table.idColumn == nil, table.idName != nil {
      if let id = row.id { statement.bind(index, id) } else { statement.bind(null: index) }
    }
  }

  private static func bind(
    _ value: PageValue, _ index: Int, _ statement: borrowing Statement
  ) {
    switch value {
    case .null: statement.bind(null: index)
    case .integer(let number): statement.bind(index, number)
    case .real(let number): statement.bind(index, number)
    case .text(let bytes): statement.bind(index, text: bytes.span)
    case .blob(let bytes): statement.bind(index, blob: bytes.span)
    }
  }

  /// - Parameter isStored: whether it is a migrated database: then what is lost of its header and of
  ///   the tables that its records need is made up for.
  func finish(isStored: Bool) throws {
    if isStored {
      for sql in SalvagedTable.storedTables {
        try connection.execute(sql.replacing("CREATE TABLE ", with: "CREATE TABLE IF NOT EXISTS "))
      }
      try connection.execute("PRAGMA application_id=\(StoreDatabase.applicationID)")
      try connection.execute("PRAGMA user_version=\(StoreDatabase.version)")
    }
    try connection.execute("COMMIT")
  }
}
