import LosslessJSON
import Records

/// Tables WITHOUT ROWID of which no statement tells.
///
/// Their rows lie on the pages of index trees, and the entries of indexes look the same: some values
/// of a row, and what leads to it. What can be found again in the rows of another table is taken
/// for an index. What might be the entries of an index on rows that are lost is kept apart.
extension DatabaseSalvage {
  /// A stretch of an index tree without a table.
  struct KeyedUnit {
    var pages: [Int]
    /// The first rows.
    var rows: [PageRow]
  }

  private enum Sort {
    case table, index, doubtful
    case known(Int)
  }

  /// Puts the rows in tables of their own. Once the rows of all other tables are written.
  func takeKeyed(_ units: [KeyedUnit]) throws {
    // Those with the most values first: an index has none that its table lacks.
    let sorted = units.sorted { ($0.width, $0.pages.count) > ($1.width, $1.pages.count) }
    let shapes = try Set(sorted.filter { try likeness(of: $0) != nil }.map(\.classes))
    for unit in sorted {
      switch try sort(unit, shapes) {
      case .index: for number in unit.pages { owner[number] = Self.indexOwner }
      case .doubtful: try keepApart(unit.pages, "of a table WITHOUT ROWID, or of an index")
      case .known(let table): try take(unit, table)
      case .table:
        guard let table = try keyedTable(for: unit) else { continue }
        try take(unit, table)
      }
    }
  }

  private func take(_ unit: KeyedUnit, _ table: Int) throws {
    for number in unit.pages {
      owner[number] = table
      try take(number, table)
    }
  }

  /// - Parameter shapes: what entries of indexes look like that are known for such.
  private func sort(_ unit: KeyedUnit, _ shapes: Set<[Int?]>) throws -> Sort {
    guard let output, unit.width > 1 else { return .doubtful }
    let strayed = try strayTables(for: unit)
    if strayed.count == 1 { return .known(strayed[0]) }
    if let likeness = try likeness(of: unit) { return likeness }
    let isLost = lostIndexes.contains { $0.columns.count == unit.width && $0.fits(unit.rows) }
    if isLost || !lacksStatements { return .doubtful }
    let last = unit.rows.compactMap { row -> Int? in
      if case .integer(let id) = row.values.last { return id }
      return nil
    }
    guard last.count == unit.rows.count, Set(last).count == last.count else { return .table }
    // As an index on an expression has it, or one on a table that is lost.
    let owners = tables.filter(\.hasRowID)
    if owners.isEmpty { return .doubtful }
    let leadSomewhere = try owners.contains { table in
      try last.allSatisfy { try output.holds(rowID: $0, of: table) }
    }
    if leadSomewhere { return .doubtful }
    // Most of its rows may be lost.
    let mayBeIndex =
      try shapes.contains(unit.classes)
      && owners.contains { table in
        try zip(unit.rows, last).allSatisfy {
          try !output.holds(rowID: $1, of: table) || output.holdsEntry($0, of: table)
        }
      }
    return mayBeIndex ? .doubtful : .table
  }

  /// Whether the rows are entries of an index on one of the tables, as far as its rows are still there;
  /// nil where nothing says so.
  private func likeness(of unit: KeyedUnit) throws -> Sort? {
    guard let output, unit.width > 1 else { return nil }
    let all = try samples(of: unit)
    var isLike = false
    for table in tables {
      var (found, telling, leading) = (0, 0, 0)
      // Without a row id to go by each takes a look at the whole table.
      let rows = table.hasRowID ? all : Array(all.prefix(8))
      for row in rows {
        if table.hasRowID, case .integer(let id)? = row.values.last,
          try output.holds(rowID: id, of: table)
        {
          leading += 1
        }
        guard try output.holdsEntry(row, of: table) else { continue }
        found += 1
        if row.values.dropLast(table.hasRowID ? 1 : 0).contains(where: \.isTelling) { telling += 1 }
      }
      if found * 2 > rows.count || (telling >= 4 && telling * 2 > leading && table.hasRowID) {
        return .index
      }
      if telling > 0 { isLike = true }
    }
    return isLike ? .doubtful : nil
  }

  /// Rows from all over a stretch.
  private func samples(of unit: KeyedUnit) throws -> [PageRow] {
    var rows = Array(unit.rows.prefix(8))
    for number in stride(from: 0, to: unit.pages.count, by: max(1, unit.pages.count / 16)) {
      let page = try file.page(unit.pages[number])
      guard let kind = cells.kind(page.span, unit.pages[number]) else { continue }
      let found = try cells.rows(page.span, unit.pages[number], kind).rows
      rows += stride(from: 0, to: found.count, by: max(1, found.count / 4)).map { found[$0] }
    }
    return rows.filter { $0.values.count == unit.width }
  }

  /// Keeps the rows of pages out of the database.
  /// - Parameter places: tables that they may be of; what one of those has is left out.
  func keepApart(_ pages: [Int], _ reason: String, _ places: [Int] = []) throws {
    for number in pages {
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number) else { continue }
      owner[number] = Self.indexOwner
      let found = try cells.rows(page.span, number, kind)
      var tally = PageTally(rows: 0, suspect: 0, bad: found.badCount)
      for row in found.rows + found.suspect {
        if try places.contains(where: { try output?.holds(row, tables[$0], $0) == true }) {
          continue
        }
        tally.suspect += 1
        let table = places.count == 1 ? tables[places[0]] : nil
        try suspects.add(row, table, "page \(number): \(reason)")
      }
      tallies[number] = tally
    }
  }

  /// A table for rows of this shape: the storage classes of their values tell tables apart.
  private func keyedTable(for unit: KeyedUnit) throws -> Int? {
    if let known = tables.indices.first(where: {
      tables[$0].isInferred && !tables[$0].hasRowID && tables[$0].columns.count == unit.width
        && unit.classes == keyedClasses[$0]
    }) {
      return known
    }
    guard let table = try inferTable(width: unit.width) else { return nil }
    tables[table].hasRowID = false
    keyedClasses[table] = unit.classes
    output?.indexAllColumns(of: tables[table])
    return table
  }
}

extension DatabaseSalvage.KeyedUnit {
  /// Values in a row.
  var width: Int { rows.first?.values.count ?? 0 }

  /// The storage class of each column; nil where it has several.
  var classes: [Int?] {
    (0..<width).map { column in
      let found = Set(rows.map { $0.values[column].storageClass })
      return found.count == 1 ? found.first : nil
    }
  }
}

extension PageValue {
  /// Whether hardly two rows have it by chance.
  fileprivate var isTelling: Bool {
    switch self {
    case .null: false
    case .integer(let number): number.magnitude > 65535
    case .real: true
    case .text(let bytes), .blob(let bytes): bytes.count > 3
    }
  }

  fileprivate var storageClass: Int {
    switch self {
    case .null: 0
    case .integer: 1
    case .real: 2
    case .text: 3
    case .blob: 4
    }
  }
}
