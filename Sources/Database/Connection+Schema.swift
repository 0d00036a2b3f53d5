/// What a schema is written with.
extension Connection {
  /// The name of a table, column or index as statements take it.
  package static func quoted(_ name: String) -> String {
    let parts = name.split(separator: "\"", omittingEmptySubsequences: false)
    return "\"\(parts.joined(separator: "\"\""))\""
  }

  /// Puts a virtual table in the schema by the statement `sql`, without running it: its rows are in
  /// tables of their own, which are there already.
  package borrowing func declare(
    virtualTable name: String, _ sql: String
  ) throws(DatabaseError) {
    try execute("PRAGMA writable_schema=ON")
    let row = try Statement(
      "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',?1,?1,0,?2)",
      on: self)
    row.bind(1, text: name)
    row.bind(2, text: sql)
    try row.run()
    try execute("PRAGMA writable_schema=OFF")
  }
}
