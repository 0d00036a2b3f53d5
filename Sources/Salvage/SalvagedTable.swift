import LosslessJSON

/// A table whose rows are recovered, as far as its statement or its rows tell what it is.
struct SalvagedTable {
  /// A column that the pages hold a value of.
  struct Column {
    var name: String
    var affinity: Affinity
    var isNotNull: Bool
    /// Whether a value may be written to it: not to one that SQLite computes.
    var isWritable: Bool
  }

  /// What SQLite makes of values (sqlite.org/datatype3.html, 3.1).
  enum Affinity { case text, numeric, integer, real, blob }

  var name: String
  /// In the order in which the pages hold them.
  var columns: [Column]
  /// The column that stands for the row id: its values are stored as NULL.
  var idColumn: Int?
  /// The name that the row id can be written under; nil where there is none.
  var idName: String?
  var hasRowID = true
  /// Whether it is told from its rows, without a schema.
  var isInferred = false
  /// Row ids whose pages nothing leads to.
  var gaps: [ClosedRange<Int>] = []
  /// Whether pages of it that lead to others are lost.
  var isBroken = false
  /// Row ids of stretches that were put here without a tree leading to them, in order.
  private(set) var stretches: [ClosedRange<Int>] = []

  /// Whether rows may be of this table, by the number and the storage classes of their values.
  func fits(_ rows: [PageRow]) -> Bool {
    for row in rows.prefix(20) {
      guard !row.values.isEmpty, row.values.count <= columns.count else { return false }
      guard hasRowID == (row.id != nil), !lacksKey(row) else { return false }
      for (index, value) in row.values.enumerated() where !fits(value, index) { return false }
    }
    return true
  }

  /// Whether a row has no value in the key of a table that is known: SQLite would let it be NULL.
  func lacksKey(_ row: PageRow) -> Bool {
    let keys = ["objects": "hash", "runs": "run_id"]
    return keys[name] == columns.first?.name && !columns.isEmpty && row.values.first == .null
  }

  private func fits(_ value: PageValue, _ index: Int) -> Bool {
    if index == idColumn { return value == .null }
    return value == .null ? !columns[index].isNotNull : Self.mayHold(columns[index], value)
  }

  /// Whether a row has a number in a column of texts: SQLite stores none there.
  func contradicts(_ row: PageRow) -> Bool {
    zip(columns, row.values).contains { !Self.mayHold($0, $1) }
  }

  private static func mayHold(_ column: Column, _ value: PageValue) -> Bool {
    switch (value, column.affinity) {
    case (.integer, .text), (.real, .text): false
    default: true
    }
  }

  /// Whether rows are what its columns are for: SQLite stores texts that are no numbers in any column,
  /// and hardly anyone does.
  func suits(_ rows: [PageRow]) -> Bool {
    rows.prefix(20).allSatisfy { row in
      zip(row.values, columns).allSatisfy { value, column in
        if case .text = value { return ![.integer, .real].contains(column.affinity) }
        return true
      }
    }
  }

  /// Whether rows of these ids may be missing here.
  func mayLack(_ ids: ClosedRange<Int>) -> Bool {
    gaps.contains { $0.contains(ids.lowerBound) && $0.contains(ids.upperBound) }
  }

  /// Whether the ids lie beside those of the stretches before. A table's never overlap.
  func hasRoom(_ ids: ClosedRange<Int>) -> Bool {
    let at = position(ids)
    let isFreeBefore = at == 0 || stretches[at - 1].upperBound < ids.lowerBound
    return isFreeBefore && (at == stretches.count || stretches[at].lowerBound > ids.upperBound)
  }

  mutating func take(_ ids: ClosedRange<Int>) { stretches.insert(ids, at: position(ids)) }

  private func position(_ ids: ClosedRange<Int>) -> Int {
    var low = 0
    var high = stretches.count
    while low < high {
      let middle = (low + high) / 2
      if stretches[middle].lowerBound < ids.lowerBound { low = middle + 1 } else { high = middle }
    }
    return low
  }

  static func affinity(_ type: String) -> Affinity {
    let upper = type.uppercased()
    func has(_ word: String) -> Bool {
      let letters = Array(upper.utf8)
      let wanted = Array(word.utf8)
      guard letters.count >= wanted.count else { return false }
      return (0...letters.count - wanted.count).contains {
        Array(letters[$0..<$0 + wanted.count]) == wanted
      }
    }
    if has("INT") { return .integer }
    if has("CHAR") || has("CLOB") || has("TEXT") { return .text }
    if upper.isEmpty || has("BLOB") { return .blob }
    return has("REAL") || has("FLOA") || has("DOUB") ? .real : .numeric
  }

  // MARK: Without a schema

  /// The columns of a run history (FORMATS: run-history), any prefix of the last four.
  private static let runColumns = [
    "run_id TEXT PRIMARY KEY", "plan_id TEXT NOT NULL", "objective TEXT NOT NULL",
    "plan_result TEXT NOT NULL", "execution_result TEXT", "created_at REAL NOT NULL",
    "approval_status TEXT DEFAULT 'pending'", "approval_reason TEXT", "approved_at REAL",
    "approved_by TEXT",
  ]

  /// What tells the tables of a migrated database that its records are made of.
  static let storedTables = [
    """
    CREATE TABLE records (
      id INTEGER PRIMARY KEY, file INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
      scope TEXT, line INTEGER, offset INTEGER NOT NULL, layout INTEGER NOT NULL,
      content_hash BLOB NOT NULL, canonical_hash BLOB NOT NULL, payload TEXT)
    """,
    """
    CREATE TABLE objects (
      hash TEXT PRIMARY KEY, payload TEXT NOT NULL, stored_at INTEGER NOT NULL,
      size INTEGER NOT NULL)
    """,
    """
    CREATE TABLE stores (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,
      single_file INTEGER NOT NULL, id_field TEXT, records INTEGER NOT NULL,
      findings INTEGER NOT NULL, digest TEXT NOT NULL)
    """,
    """
    CREATE TABLE files (
      id INTEGER PRIMARY KEY, store INTEGER NOT NULL, name TEXT NOT NULL,
      is_directory INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT, context TEXT,
      separator BLOB)
    """,
  ]

  static let knownTables = ["records", "objects", "stores", "files", "runs"]

  /// The statement of a table whose own is damaged, where it is known what it was: of the tables
  /// above in a migrated database, and of a run history with one column by another name.
  /// - Parameter columns: what its columns are called; empty where no table was made of it.
  static func statement(
    insteadOf columns: [String], of name: String, isMigrated: Bool
  ) -> String? {
    var sql = storedTables.first { isMigrated && $0.hasPrefix("CREATE TABLE \(name) ") }
    if name == "runs", !isMigrated, (6...10).contains(columns.count) { sql = runs(columns.count) }
    guard let sql, let list = sql.split(separator: "(", maxSplits: 1).last else { return nil }
    let known = list.split(separator: ",").compactMap {
      $0.split(whereSeparator: { $0 == " " || $0 == "\n" }).first.map(String.init)
    }
    let others = zip(known, columns).count { $0 != $1.lowercased() }
    let isDamaged = isMigrated ? known != columns : others == 1
    return isDamaged ? sql : nil
  }

  private static func runs(_ count: Int) -> String {
    "CREATE TABLE runs (\n  \(runColumns.prefix(count).joined(separator: ",\n  "))\n)"
  }

  /// The statement of a table that is known by its rows alone: a run history, an archive of
  /// objects, or one of a migrated database. Nil for all others.
  static func statement(for rows: [PageRow]) -> (name: String, sql: String)? {
    guard let count = rows.first?.values.count, count > 0 else { return nil }
    if (6...10).contains(count), rows.allSatisfy(isRun) {
      return ("runs", runs(count))
    }
    for (index, name) in knownTables.dropLast().enumerated()
    where rows.allSatisfy({ isStored($0, storedShapes[index]) }) {
      return (name, storedTables[index])
    }
    return nil
  }

  /// The storage classes of the tables above: N null, I integer, T text, B blob, a small letter
  /// where it may be null too; H a hash of 32 bytes, X one in hex.
  private static let storedShapes = ["NITTtiIIHHt", "XTII", "NTTItIIT", "NITIIttb"]

  private static func isStored(_ row: PageRow, _ shape: String) -> Bool {
    guard row.values.count == shape.utf8.count else { return false }
    for (value, letter) in zip(row.values, shape) {
      let isRight =
        switch (value, letter) {
        case (.null, "N"), (.null, "t"), (.null, "i"), (.null, "b"): true
        case (.integer, "I"), (.integer, "i"), (.text, "T"), (.text, "t"), (.blob, "b"): true
        case (.blob(let bytes), "H"): bytes.count == 32
        case (.text(let text), "X"): text.count == 64 && text.allSatisfy { hexValue($0) != nil }
        default: false
        }
      if !isRight { return false }
    }
    return true
  }

  private static func isRun(_ row: PageRow) -> Bool {
    guard row.values.count > 5 else { return false }
    for index in 0..<4 {
      guard case .text = row.values[index] else { return false }
    }
    switch row.values[5] {
    case .real, .integer: return true
    default: return false
    }
  }
}
