import Database
import Records

/// What the recovered database is made of beside its rows, by statements of a schema that is not to be
/// trusted.
extension DatabaseOutput {
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
    // What they are of may be a view.
    found += try rebuildTextIndexes()
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

  /// Makes full-text indexes anew from the texts that they are of: one that lacks a page finds nothing
  /// and says nothing (sqlite.org/fts5.html, 6.10; fts3.html, 7). Returns those that cannot be made.
  private func rebuildTextIndexes() throws -> [Finding] {
    var found: [Finding] = []
    let tables = try Statement(
      "SELECT name, sql LIKE '%USING fts5%' FROM sqlite_schema WHERE type='table' AND rootpage=0 "
        + "AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts%' ORDER BY name", on: connection)
    var names: [(name: String, isFTS5: Bool)] = []
    while try tables.step() { names.append((tables.text(0), tables.integer(1) != 0)) }
    tables.reset()
    for (name, isFTS5) in names {
      let table = Connection.quoted(name)
      do throws(DatabaseError) {
        // Without its row, SQLite takes the index for one of a format that it does not know.
        if isFTS5 {
          try? connection.execute(
            "INSERT OR IGNORE INTO \(Connection.quoted(name + "_config")) VALUES('version', 4)")
        }
        try connection.execute("INSERT INTO \(table)(\(table)) VALUES('rebuild')")
      } catch {
        found.append(
          Finding(
            .error, .integrityCheck,
            "its full-text index \(name) may not find all that is there, and cannot be made anew "
              + "from here: \(error.message)"))
      }
    }
    return found
  }

  /// Makes the table that SQLite itself makes with the first one that never gives a row id twice.
  func createSequence() -> String? {
    let name = Connection.quoted("of \(Self.sequence)")
    let reason = create("CREATE TABLE \(name)(a INTEGER PRIMARY KEY AUTOINCREMENT)")
    if let reason { return reason }
    try? connection.execute("DROP TABLE \(name)")
    return nil
  }

  /// Takes back a table that has no rows yet.
  func drop(_ name: String) throws {
    if isCopy { return }
    try connection.execute("DROP TABLE IF EXISTS \(Connection.quoted(name))")
  }

  /// A virtual table is put in the schema as it was: its rows are in tables of their own. Returns
  /// why SQLite would not read it there.
  func declare(virtualTable name: String, _ sql: String) throws -> String? {
    if isCopy { return nil }
    // SQLite keeps the name as it was written.
    let names = [name, Connection.quoted(name), "[\(name)]", "`\(name)`", "'\(name)'"]
    let isOfName = names.contains { name in
      let head = "CREATE VIRTUAL TABLE \(name)"
      guard sql.utf8.starts(with: head.utf8) else { return false }
      return sql.utf8.dropFirst(head.utf8.count).first.map(TextBytes.isBlank) == true
    }
    guard isOfName else { return "is no statement of a virtual table" }
    do throws(DatabaseError) { _ = try Statement(sql, on: connection) } catch {
      return error.message
    }
    try connection.declare(virtualTable: name, sql)
    return nil
  }

  /// The owner's tables, those that only SQLite's own modules write left out.
  func tables() throws -> [SalvagedTable] {
    let names = try Statement(
      "SELECT name FROM pragma_table_list WHERE schema='main' AND type='table' "
        + "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name", on: connection)
    var found: [SalvagedTable] = []
    while try names.step() { found.append(try table(names.text(0))) }
    return found
  }

  /// Whether a text in a table holds as many NULs in a row.
  func hasText(in table: SalvagedTable, withNULs count: Int) throws -> Bool {
    let holds = table.columns.map {
      let name = Connection.quoted($0.name)
      return "typeof(\(name))='text' AND instr(CAST(\(name) AS BLOB), zeroblob(\(count)))"
    }
    if holds.isEmpty { return false }
    return try Statement(
      "SELECT 1 FROM \(Connection.quoted(table.name)) WHERE \(holds.joined(separator: " OR ")) LIMIT 1",
      on: connection
    ).step()
  }

  /// The columns of which a text has noise in it that most have not: those are in no other encoding. And
  /// those of which fewer than most end in NULs, with how many do.
  /// - Parameter mayBeLost: whether the end of the text in a column may be lost, by the row.
  func damagedColumns(
    of table: SalvagedTable, mayBeLost: (PageRow, Int) -> Bool
  ) throws -> (noisy: Set<Int>, cut: [Int: Int]) {
    if table.columns.isEmpty { return ([], [:]) }
    var counts = table.columns.map { _ in (noisy: 0, cut: 0, others: 0) }
    let names = table.columns.map { Connection.quoted($0.name) }.joined(separator: ", ")
    let rows = try Statement(
      "SELECT \(names) FROM \(Connection.quoted(table.name))", on: connection)
    while try rows.step() {
      for column in counts.indices where rows.kind(column) == .text {
        switch rows.withBytes(column, { TextNoise.damage(to: $0) }) {
        case .noise: counts[column].noisy += 1
        case .cut where mayBeLost(Self.row(rows, table), column): counts[column].cut += 1
        case .cut, nil: counts[column].others += 1
        }
      }
    }
    let noisy = counts.indices.filter { (1..<max(1, counts[$0].others)).contains(counts[$0].noisy) }
    let cut = counts.indices.filter { (1..<max(1, counts[$0].others)).contains(counts[$0].cut) }
    return (
      Set(noisy), Dictionary(uniqueKeysWithValues: cut.map { ($0, counts[$0].cut) })
    )
  }

  private static func row(_ rows: borrowing Statement, _ table: SalvagedTable) -> PageRow {
    PageRow(id: nil, values: table.columns.indices.map { value(rows, $0) })
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
      try connection.execute("DROP INDEX \(Connection.quoted(made))")
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
}
