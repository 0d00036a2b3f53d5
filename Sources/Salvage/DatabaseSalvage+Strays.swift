import LosslessJSON

/// Pages of rows that no tree leads to, though every page that leads to others was read and none of
/// them is free: what led to them was written over by a page that is a sound one, an older one or one
/// of another tree.
extension DatabaseSalvage {
  /// Finds them, once all trees were read. Not where a statement is missing: then any page may be of
  /// a table that nothing is known of.
  func noteStrays() throws {
    if file.hasHeader, !isListed {
      // What leads to the list is damaged, or a part of it: others may be there still.
      free.formUnion(try cells.likelyFree().filter { owner[$0] == nil })
    }
    if lacksStatements { return }
    for number in file.numbers where number > 1 && owner[number] == nil && !free.contains(number) {
      let page = try file.page(number)
      if let kind = cells.kind(page.span, number) { strays[number] = kind }
    }
    if strays.isEmpty { return }
    // The header may be of a state with another list of free pages.
    for number in try cells.likelyFree() { strays[number] = nil }
    if !strays.isEmpty { isMapped = false }
  }

  /// Whether a stretch is of such pages, and the list of the free ones is beyond doubt.
  func isStray(_ pages: [Int]) -> Bool {
    isListed && pages.contains { strays[$0] != nil }
  }

  /// The table that rows on such pages are live ones of; nil where nothing proves that they are. An
  /// index that has them, or has not, does. Without one a page by itself may be a free one that a
  /// damaged list leaves out; several are a tree that lost its root.
  /// - Parameter places: tables that the rows may be of, by what they look like.
  func strayTable(for pages: [Int], among places: [Int]) throws -> [Int] {
    guard pages.contains(where: { strays[$0] != nil }) else { return [] }
    var (live, likely): ([Int], [Int]) = ([], [])
    for table in places {
      switch try isIndexed(pages, table) {
      case true?: live.append(table)
      case false?: break
      case nil: likely.append(table)
      }
    }
    let leaves = strays.values.count { $0 == .leafTable }
    return !live.isEmpty || !isListed || leaves < 2 ? live : likely
  }

  /// Whether an index of the table has most of the rows on these pages; nil where it has none that
  /// would have all of them.
  private func isIndexed(_ pages: [Int], _ table: Int) throws -> Bool? {
    guard let entries = try strayEntries(of: table) else { return nil }
    var (asked, found) = (0, 0)
    for number in stride(from: 0, to: pages.count, by: max(1, pages.count / 16)) {
      for row in try rows(on: pages[number])
      where row.id.map({ askedIDs[pages[number]]?.contains($0) == true }) == true {
        asked += 1
        if let id = row.id, let entry = entries[id],
          entry.allSatisfy({ value in row.values.contains { $0.isSame(as: value) } })
        {
          found += 1
        }
      }
    }
    return found * 2 > asked
  }

  private func rows(on number: Int) throws -> [PageRow] {
    let page = try file.page(number)
    guard let kind = cells.kind(page.span, number), kind == .leafTable else { return [] }
    return try cells.rows(page.span, number, kind).rows
  }

  /// The first, the middle and the last row of a leaf, of those that no table has: a free page may
  /// have rows that were moved from it and others that were deleted.
  private func samples(on number: Int) throws -> [Int] {
    let ids = try rows(on: number).filter { row in
      try !tables.indices.contains {
        try tables[$0].hasRowID && output?.holds(row, tables[$0], $0) == true
      }
    }.compactMap(\.id)
    return ids.isEmpty ? [] : [ids[0], ids[ids.count / 2], ids[ids.count - 1]]
  }

  /// What an index of the table has of the rows that are asked for, by their ids.
  private func strayEntries(of table: Int) throws -> [Int: [PageValue]]? {
    if let known = entriesOfStrays[table] { return known }
    guard let pages = indexPages[tables[table].name] else { return nil }
    if askedIDs.isEmpty {
      for number in strays.keys { askedIDs[number] = try samples(on: number) }
    }
    let asked = Set(askedIDs.values.joined())
    var entries: [Int: [PageValue]] = [:]
    for number in pages {
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number), !kind.isTable else { continue }
      for row in try cells.rows(page.span, number, kind).rows {
        guard case .integer(let id)? = row.values.last, asked.contains(id) else { continue }
        entries[id] = row.values.dropLast()
      }
    }
    entriesOfStrays[table] = entries
    return entries
  }

  /// The tables WITHOUT ROWID that a stretch of an index tree may be of: not where its rows are in a
  /// table already, by other columns than their own.
  func strayTables(for unit: KeyedUnit) throws -> [Int] {
    let mayBeIndex = lostIndexes.contains {
      $0.columns.count == unit.width && $0.fits(unit.rows)
    }
    guard let output, isStray(unit.pages), !mayBeIndex,
      strays.values.count(where: { !$0.isTable }) > 1
    else { return [] }
    let places = tables.indices.filter {
      !tables[$0].hasRowID && tables[$0].columns.count == unit.width && tables[$0].fits(unit.rows)
    }
    let isEntry = try unit.rows.prefix(8).count { row in
      if try places.contains(where: { try output.holds(row, tables[$0], $0) }) { return false }
      return try tables.contains { try output.holdsEntry(row, of: $0) }
    }
    return isEntry * 2 > min(8, unit.rows.count) ? [] : places
  }
}

extension PageValue {
  /// Whether an index may have the one for the other: it has whole numbers as integers where the
  /// table does not, and the other way round.
  fileprivate func isSame(as other: PageValue) -> Bool {
    switch (self, other) {
    case (.integer(let whole), .real(let number)), (.real(let number), .integer(let whole)):
      Double(whole) == number
    default: self == other
    }
  }
}
