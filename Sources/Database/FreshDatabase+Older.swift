import SystemPackage

extension FreshDatabase {
  /// Takes over what an older state of the database has beside what this program makes: tables with
  /// their rows, and indexes, views and triggers. What SQLite refuses is left out.
  static func takeOver(
    from older: FilePath, to connection: borrowing Connection
  ) throws(DatabaseError) {
    try connection.attach(older, as: "older", isImmutable: true)
    let found = try Statement(
      """
      SELECT type, name, sql FROM older.sqlite_schema
      WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'
        AND name NOT IN (SELECT name FROM main.sqlite_schema)
      ORDER BY sql LIKE 'CREATE VIRTUAL%', type = 'trigger', type <> 'table', type, rowid
      """, on: connection)
    var objects: [(isTable: Bool, name: String, sql: String)] = []
    while try found.step() {
      objects.append((found.text(0) == "table", found.text(1), found.text(2)))
    }
    found.reset()
    for object in objects {
      do throws(DatabaseError) {
        if object.isTable, object.sql.uppercased().hasPrefix("CREATE VIRTUAL") {
          try connection.declare(virtualTable: object.name, object.sql)
        } else {
          try Statement(object.sql, on: connection).run()
          if object.isTable { try copyRows(of: object.name, connection) }
        }
      } catch { if error.code != .sql { throw error } }
    }
    // No row id that was given is given again.
    do throws(DatabaseError) {
      try connection.execute(
        "INSERT INTO main.sqlite_sequence SELECT name, 0 FROM older.sqlite_sequence WHERE name IN "
          + "(SELECT name FROM main.sqlite_schema) "
          + "AND name NOT IN (SELECT name FROM main.sqlite_sequence)")
      try connection.execute(
        "UPDATE main.sqlite_sequence SET seq = max(seq, coalesce((SELECT o.seq FROM "
          + "older.sqlite_sequence AS o WHERE o.name = main.sqlite_sequence.name), 0))")
    } catch { if error.code != .sql { throw error } }
  }

  private static func copyRows(
    of table: String, _ connection: borrowing Connection
  ) throws(DatabaseError) {
    let info = try Statement(
      "SELECT name, hidden FROM pragma_table_xinfo(?, 'older')", on: connection)
    info.bind(1, text: table)
    var (names, all): ([String], [String]) = ([], [])
    while try info.step() {
      all.append(info.text(0).lowercased())
      // Those that SQLite computes cannot be written.
      if info.integer(1) == 0 { names.append(Connection.quoted(info.text(0))) }
    }
    let kind = try Statement(
      "SELECT wr FROM pragma_table_list(?) WHERE schema='older'", on: connection)
    kind.bind(1, text: table)
    let hasRowID = try kind.step() && kind.integer(0) == 0
    if hasRowID, let id = ["rowid", "_rowid_", "oid"].first(where: { !all.contains($0) }) {
      names.append(id)
    }
    let list = names.joined(separator: ", ")
    try connection.execute(
      "INSERT INTO main.\(Connection.quoted(table)) (\(list)) SELECT \(list) FROM older.\(Connection.quoted(table))"
    )
  }
}
