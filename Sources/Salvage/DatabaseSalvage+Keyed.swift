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

  private enum Sort { case table, index, doubtful }

  /// Puts the rows in tables of their own. Once the rows of all other tables are written.
  func takeKeyed(_ units: [KeyedUnit]) throws {
    // Those with the most values first: an index has none that its table lacks.
    let sorted = units.sorted { ($0.width, $0.pages.count) > ($1.width, $1.pages.count) }
    for unit in sorted {
      switch try sort(unit) {
      case .index: for number in unit.pages { owner[number] = Self.indexOwner }
      case .doubtful: try keepApart(unit.pages, "of a table WITHOUT ROWID, or of an index")
      case .table:
        guard let table = try keyedTable(for: unit) else { continue }
        for number in unit.pages {
          owner[number] = table
          try take(number, table)
        }
      }
    }
  }

  private func sort(_ unit: KeyedUnit) throws -> Sort {
    guard let output, unit.width > 1 else { return .doubtful }
    let some = unit.rows.prefix(8)
    for table in tables {
      let found = try some.count { try output.holdsEntry($0, of: table) }
      if found * 2 > some.count { return .index }
    }
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
    return leadSomewhere ? .doubtful : .table
  }

  /// Keeps the rows of pages out of the database.
  func keepApart(_ pages: [Int], _ reason: String) throws {
    for number in pages {
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number) else { continue }
      owner[number] = Self.indexOwner
      let found = try cells.rows(page.span, number, kind)
      for row in found.rows + found.suspect {
        try suspects.add(row, nil, "page \(number): \(reason)")
      }
      tallies[number] = PageTally(
        rows: 0, suspect: found.rows.count + found.suspect.count, bad: found.badCount)
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
