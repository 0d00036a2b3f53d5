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
  private var connection: Connection
  /// Whether the tables are there already.
  private let isCopy: Bool
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

  /// What the entries of an index of a table are, that which leads to its row among them, as a table
  /// without row ids; nil where SQLite makes no index of the statement.
  /// - Parameter sql: empty for one that its table's statement makes.
  func entries(
    ofIndex name: String, _ sql: String, on table: SalvagedTable
  ) throws -> SalvagedTable? {
    if isCopy { return nil }
    var entries = SalvagedTable(name: name, columns: [])
    entries.hasRowID = false
    if sql.isEmpty {
      entries.columns = try columns(ofIndex: name, on: table)
    } else {
      let heads = ["CREATE INDEX ", "CREATE UNIQUE INDEX "]
      guard heads.contains(where: { sql.utf8.starts(with: $0.utf8) }), create(sql) == nil else {
        return nil
      }
      // A damaged statement may have given it another name.
      let made = try lastMade()
      entries.columns = try columns(ofIndex: made, on: table)
      try connection.execute("DROP INDEX \(SQLText.name(made))")
    }
    return entries.columns.isEmpty ? nil : entries
  }

  private func lastMade() throws -> String {
    let last = try Statement(
      "SELECT name FROM sqlite_schema ORDER BY rowid DESC LIMIT 1", on: connection)
    return try last.step() ? last.text(0) : ""
  }

  private func columns(
    ofIndex name: String, on table: SalvagedTable
  ) throws -> [SalvagedTable.Column] {
    var columns: [SalvagedTable.Column] = []
    let info = try Statement(
      "SELECT cid, coalesce(name, '') FROM pragma_index_xinfo(?) ORDER BY seqno", on: connection)
    info.bind(1, text: name)
    while try info.step() {
      let column = table.columns.first { $0.name == info.text(1) }
      let isID = info.integer(0) == -1
      columns.append(
        SalvagedTable.Column(
          name: info.text(1), affinity: isID ? .integer : column?.affinity ?? .blob,
          isNotNull: isID || column?.isNotNull == true, isWritable: true))
    }
    return columns
  }

  /// Looks into a database that was copied as it is; nothing is made in it. It may be one that is
  /// written with a log, which a connection for writing would want.
  init(copyAt path: FilePath) throws {
    self.path = path
    isCopy = true
    connection = try Connection(Disk.absolute(path), .immutable)
    connection.allowUnknownCollations()
  }

  /// Runs a statement of a schema that is not to be trusted: one CREATE, or nothing. Returns why
  /// SQLite refuses it. A table may need collations and functions that only its own program has.
  func create(_ sql: String) -> String? {
    if isCopy { return nil }
    guard sql.utf8.prefix(7).elementsEqual("CREATE ".utf8) else {
      return "is no statement of a schema"
    }
    var missing = 0
    while true {
      do throws(DatabaseError) {
        let statement = try Statement(sql, on: connection)
        try statement.run()
        return nil
      } catch {
        // Each time another one.
        guard missing < 100, connection.makeFunction(missingIn: error) else { return error.message }
        missing += 1
        // What the function would say of the rows cannot be known.
        try? connection.execute("PRAGMA ignore_check_constraints=ON")
      }
    }
  }

  /// Makes the indexes, views and triggers, once all rows are there. Nothing stands in for what is
  /// unknown any more: in an index that is put in order by another collation than its program's, that
  /// would miss rows. Returns what is left out, and which indexes of keys are in such an order.
  func create(others: [String]) throws -> [Finding] {
    try endRows()
    var found: [Finding] = []
    for sql in others {
      guard sql.utf8.prefix(7).elementsEqual("CREATE ".utf8) else { continue }
      do throws(DatabaseError) { try Statement(sql, on: connection).run() } catch {
        found.append(Finding(.error, .unreadable, "\(error.message): \(sql.prefix(80))"))
      }
    }
    let keys = try Statement(
      "SELECT DISTINCT m.name, x.coll FROM sqlite_schema AS m, pragma_index_list(m.name) AS l, "
        + "pragma_index_xinfo(l.name) AS x WHERE m.type = 'table' "
        + "AND upper(x.coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM')", on: connection)
    while try keys.step() {
      found.append(
        Finding(
          .error, .integrityCheck,
          "a key of its table \(keys.text(0)) is in the order of bytes: let its own program copy the "
            + "rows to a new table, or REINDEX \(keys.text(1))"))
    }
    return found
  }

  private func endRows() throws {
    insertions = [:]
    searches = [:]
    for name in helpers { try connection.execute("DROP INDEX \(name)") }
    helpers = []
    try writeSequences()
    try connection.execute("COMMIT")
    connection = try Connection(path, .scratch)
    try connection.execute("BEGIN")
  }

  /// Makes the table that SQLite itself makes with the first one that never gives a row id twice.
  func createSequence() -> String? {
    let name = SQLText.name("of \(Self.sequence)")
    let reason = create("CREATE TABLE \(name)(a INTEGER PRIMARY KEY AUTOINCREMENT)")
    if let reason { return reason }
    try? connection.execute("DROP TABLE \(name)")
    return nil
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

  /// Takes back a table that has no rows yet.
  func drop(_ name: String) throws {
    if isCopy { return }
    try connection.execute("DROP TABLE IF EXISTS \(SQLText.name(name))")
  }

  /// A virtual table is put in the schema as it was: its rows are in tables of their own. Returns
  /// why SQLite would not read it there.
  func declare(virtualTable name: String, _ sql: String) throws -> String? {
    if isCopy { return nil }
    // SQLite keeps the name as it was written.
    let names = [name, SQLText.name(name), "[\(name)]", "`\(name)`", "'\(name)'"]
    let isOfName = names.contains { name in
      let head = "CREATE VIRTUAL TABLE \(name)"
      guard sql.utf8.starts(with: head.utf8) else { return false }
      return sql.utf8.dropFirst(head.utf8.count).first.map(TextBytes.isBlank) == true
    }
    guard isOfName else { return "is no statement of a virtual table" }
    do throws(DatabaseError) { _ = try Statement(sql, on: connection) } catch {
      return error.message
    }
    try connection.execute("PRAGMA writable_schema=ON")
    let row = try Statement(
      "INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) VALUES('table',?1,?1,0,?2)",
      on: connection)
    row.bind(1, text: name)
    row.bind(2, text: sql)
    try row.run()
    try connection.execute("PRAGMA writable_schema=OFF")
    return nil
  }

  /// The table of this name; nil where there is none.
  func table(named name: String) throws -> SalvagedTable? {
    let table = try table(name)
    return table.columns.isEmpty ? nil : table
  }

  /// Takes rows out of a table of a finished database, without what triggers would do meanwhile.
  /// - Parameter refused: nil for a row that stays, else what to do as it goes.
  /// - Returns: how many; nil where SQLite cannot take one out. Then nothing was changed or done.
  static func takeOut(
    _ table: SalvagedTable, of path: FilePath, _ refused: (PageRow) -> (() throws -> Void)?
  ) throws -> Int? {
    let connection = try Connection(path, .scratch)
    connection.disableTriggers()
    let (name, id) = (SQLText.name(table.name), table.idName ?? "rowid")
    let columns = table.columns.map { SQLText.name($0.name) }.joined(separator: ", ")
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

  private static func value(_ rows: borrowing Statement, _ column: Int) -> PageValue {
    switch rows.kind(column) {
    case .null: .null
    case .integer: .integer(rows.integer(column))
    case .real: .real(rows.real(column))
    case .text: .text(rows.bytes(column))
    case .blob: .blob(rows.bytes(column))
    }
  }

  /// What SQLite makes of a table that was created.
  func table(_ name: String) throws -> SalvagedTable {
    var columns: [SalvagedTable.Column] = []
    var keys: [Int] = []
    var types: [String] = []
    let info = try Statement(
      "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?)", on: connection)
    info.bind(1, text: name)
    var positions: [Int: Int] = [:]
    var number = 0
    while try info.step() {
      defer { number += 1 }
      let hidden = info.integer(4)
      // Computed when read: no page holds it.
      if hidden == 2 { continue }
      if info.integer(3) > 0 { keys.append(columns.count) }
      positions[number] = columns.count
      types.append(info.text(1).uppercased())
      columns.append(
        SalvagedTable.Column(
          name: info.text(0), affinity: SalvagedTable.affinity(info.text(1)),
          isNotNull: info.integer(2) != 0, isWritable: hidden == 0))
    }
    let kind = try Statement(
      "SELECT wr FROM pragma_table_list(?) WHERE schema='main'", on: connection)
    kind.bind(1, text: name)
    var table = SalvagedTable(name: name, columns: columns)
    table.hasRowID = try !(kind.step() && kind.integer(0) != 0)
    guard table.hasRowID else {
      table.columns = try storedOrder(name, positions).map { columns[$0] }
      return table
    }
    // With DESC behind it the key has an index of its own and is no row id (sqlite.org/lang_createtable.html).
    if keys.count == 1, types[keys[0]] == "INTEGER" {
      let own = try Statement(
        "SELECT 1 FROM pragma_index_list(?) WHERE origin='pk'", on: connection)
      own.bind(1, text: name)
      if try !own.step() { table.idColumn = keys[0] }
    }
    let names = columns.map { $0.name.lowercased() }
    table.idName = ["rowid", "_rowid_", "oid"].first { !names.contains($0) }
    return table
  }

  /// The columns of a table WITHOUT ROWID as its pages hold them: those of the key come first.
  private func storedOrder(_ name: String, _ positions: [Int: Int]) throws -> [Int] {
    let order = try Statement(
      "SELECT x.cid FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x "
        + "WHERE l.origin='pk' ORDER BY x.seqno", on: connection)
    order.bind(1, text: name)
    var found: [Int] = []
    while try order.step() { if let at = positions[order.integer(0)] { found.append(at) } }
    return found
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
    let names = table.columns.filter(\.isWritable).map { SQLText.name($0.name) }
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
      "SELECT 1 FROM \(SQLText.name(table.name)) WHERE \(tests.joined(separator: " AND ")) LIMIT 1",
      on: connection)
    for (index, value) in values.enumerated() { Self.bind(value, index + 1, search) }
    return try search.step()
  }

  /// Lets rows of the table be found by any of their values, until the end.
  func indexAllColumns(of table: SalvagedTable) {
    for column in table.columns {
      let name = SQLText.name("\(table.name)_by_\(column.name)")
      let sql = "CREATE INDEX \(name) ON \(SQLText.name(table.name))(\(SQLText.name(column.name)))"
      if create(sql) == nil { helpers.append(name) }
    }
  }

  /// Whether the table has a row of this id.
  func holds(rowID id: Int, of table: SalvagedTable) throws -> Bool {
    guard let name = table.idName else { return false }
    let search = try Statement(
      "SELECT 1 FROM \(SQLText.name(table.name)) WHERE \(name)=\(id)", on: connection)
    return try search.step()
  }

  /// The columns that a row of `count` values is written to.
  private static func targets(_ table: SalvagedTable, _ count: Int) -> [String] {
    var names = table.columns.prefix(count).filter(\.isWritable).map { SQLText.name($0.name) }
    if table.hasRowID, table.idColumn == nil, let id = table.idName { names.append(id) }
    return names
  }

  private static func insertion(_ table: SalvagedTable, _ count: Int) -> String {
    let names = targets(table, count)
    let marks = Array(repeating: "?", count: names.count).joined(separator: ",")
    return "INSERT INTO \(SQLText.name(table.name))(\(names.joined(separator: ","))) "
      + "VALUES(\(marks))"
  }

  private static func search(_ table: SalvagedTable, _ count: Int) -> String {
    let tests = targets(table, count).map { "\($0) IS ?" }.joined(separator: " AND ")
    return "SELECT 1 FROM \(SQLText.name(table.name)) WHERE \(tests)"
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
