import Database
import LosslessJSON
import Records

/// The tables of a database and the pages that belong to them.
extension DatabaseSalvage {
  private struct Entry {
    var type: String
    var name: String
    /// The table that it is, or belongs to.
    var table: String
    var root: Int
    var sql: String
  }

  func readSchema() throws {
    let tree = try PageTree(cells, root: 1) { _ in false }
    var entries: [Entry] = []
    for number in tree.pages + tree.interior { owner[number] = Self.indexOwner }
    for number in tree.pages { entries += try self.entries(on: number, isOfSchema: true) }
    if tree.lacksPages || entries.isEmpty {
      isMapped = false
      lacksStatements = true
      // The statements tell themselves from other rows, wherever they stand.
      for number in file.numbers where number > 1 && owner[number] == nil {
        guard !free.contains(number) else { continue }
        let found = try self.entries(on: number, isOfSchema: false)
        if found.isEmpty { continue }
        owner[number] = Self.indexOwner
        entries += found
      }
    }
    for entry in entries where entry.type == "table" { try addTable(entry) }
    for entry in entries where entry.type != "table" {
      if !entry.sql.isEmpty { others.append(entry.sql) }
      guard entry.type == "index" else { continue }
      let tree = try PageTree(cells, root: entry.root, isTaken: isTaken)
      // A page of a table there was written to the wrong place.
      for number in tree.pages where try !isOfTable(number) { owner[number] = Self.indexOwner }
      // One that lacks pages proves less, and still that there is more than the pages' word.
      if isOnAllRows(entry.sql), !tree.lacksPages || indexPages[entry.table] == nil {
        indexPages[entry.table] = tree.pages
      }
      if tree.isBroken {
        isMapped = false
        if let table = tables.first(where: { $0.name == entry.table }),
          let entries = try output?.entries(ofIndex: entry.name, entry.sql, on: table)
        {
          lostIndexes.append(entries)
        }
      }
    }
  }

  /// Whether a page is one of a tree that was read, or free.
  private func isTaken(_ number: Int) -> Bool { owner[number] != nil || free.contains(number) }

  /// - Parameter isOfSchema: whether it is known to be a page of the schema: then a row that tells
  ///   nothing was a statement.
  private func entries(on number: Int, isOfSchema: Bool) throws -> [Entry] {
    let page = try file.page(number)
    guard let kind = cells.kind(page.span, number), kind == .leafTable else { return [] }
    let found = try cells.rows(page.span, number, kind)
    // A statement says itself whether it is one.
    let rows = found.rows + found.suspect
    let entries = rows.compactMap { entry($0, isOfSchema: isOfSchema) }
    if isOfSchema, found.badCount > 0 { isMapped = false }
    if isOfSchema, found.badCount > 0 || entries.count < rows.count { lacksStatements = true }
    return entries
  }

  private func entry(_ row: PageRow, isOfSchema: Bool) -> Entry? {
    guard row.values.count == 5, case .text(let type) = row.values[0],
      case .text(let name) = row.values[1], case .integer(let root) = row.values[3]
    else { return nil }
    var sql = ""
    if case .text(let bytes) = row.values[4] { sql = String(decoding: bytes, as: UTF8.self) }
    let isStatement = sql.utf8.prefix(7).elementsEqual("CREATE ".utf8)
    var kind = String(decoding: type, as: UTF8.self)
    let kinds = ["table", "index", "view", "trigger"]
    if isOfSchema, isStatement, !kinds.contains(kind) {
      kind = kinds.first { sql.utf8.dropFirst(7).starts(with: $0.uppercased().utf8) } ?? kind
    }
    guard kinds.contains(kind) else { return nil }
    let isIndexOfKey = sql.isEmpty && kind == "index"
    guard isStatement || isIndexOfKey || (isOfSchema && kind == "table") else { return nil }
    var table = ""
    if case .text(let bytes) = row.values[2] { table = String(decoding: bytes, as: UTF8.self) }
    return Entry(
      type: kind, name: String(decoding: name, as: UTF8.self), table: table, root: root, sql: sql)
  }

  private func addTable(_ entry: Entry) throws {
    guard let output, !tables.contains(where: { $0.name == entry.name }) else { return }
    if entry.root == 0 {
      guard let reason = try output.declare(virtualTable: entry.name, entry.sql) else { return }
      lacksStatements = true
      let text = "\(entry.name): \(reason): \(entry.sql.prefix(80))"
      return sink.note(Finding(.error, .unreadable, text))
    }
    let isOwn = entry.name.utf8.prefix(7).elementsEqual("sqlite_".utf8)
    let tree = try PageTree(cells, root: entry.root, isTaken: isTaken)
    if isOwn, entry.name != "sqlite_sequence" {
      // Statistics, which `ANALYZE` makes anew.
      sink.note(Finding(.note, .leftover, "\(entry.name) is left out: ANALYZE makes it anew"))
      for number in tree.pages + tree.interior { owner[number] = Self.indexOwner }
      return
    }
    guard var table = try created(entry, isOwn: isOwn, in: output) else {
      lacksStatements = true
      return
    }
    // The root may be one of another tree, by its kind.
    let isForeign = try !tree.isBroken && isOfTable(entry.root) != table.hasRowID
    table.isBroken = tree.isBroken || isForeign
    table.gaps = isForeign ? [Int.min...Int.max] : tree.gaps
    var pages: [Int] = []
    for number in tree.pages {
      if try !isForeign && isOther(number, than: table) {
        table.isBroken = true
        table.gaps.append(tree.ranges[number] ?? Int.min...Int.max)
      } else {
        pages.append(number)
      }
    }
    if table.isBroken { isMapped = false }
    tables.append(table)
    for number in tree.interior { owner[number] = Self.indexOwner }
    for number in pages { cells.ranges[number] = tree.ranges[number] }
    for (number, range) in tree.damaged where table.hasRowID {
      cells.ranges[number] = range
      if try cells.assumeLeaf(number) {
        pages.append(number)
      } else {
        damagedLeaves[number] = tables.count - 1
      }
    }
    for number in pages {
      let page = try file.page(number)
      // Of an index tree where a table has row ids, nothing is the table's.
      let isRows = cells.kind(page.span, number)?.isTable == table.hasRowID
      owner[number] = isRows ? tables.count - 1 : Self.indexOwner
    }
  }

  /// Whether a page of a tree has rows that no such table can have: it is another's, which was written
  /// or moved to its place.
  private func isOther(_ number: Int, than table: SalvagedTable) throws -> Bool {
    let page = try file.page(number)
    guard let kind = cells.kind(page.span, number), kind.isTable == table.hasRowID else {
      return false
    }
    let rows = try cells.sample(page.span, number, kind)
    return !rows.isEmpty && rows.allSatisfy(table.contradicts)
  }

  private func isOfTable(_ number: Int) throws -> Bool {
    let page = try file.page(number)
    return cells.kind(page.span, number)?.isTable == true
  }

  /// Whether an index of this statement has the values of columns, of each row.
  private func isOnAllRows(_ sql: String) -> Bool {
    sql.utf8.count(where: { $0 == 0x28 }) <= 1 && !sql.uppercased().contains("WHERE")
  }

  /// Makes the table of a statement, or of what it was before it was damaged, where that is known;
  /// nil where SQLite makes none of that name of it.
  private func created(
    _ entry: Entry, isOwn: Bool, in output: DatabaseOutput
  ) throws -> SalvagedTable? {
    let reason = isOwn ? output.createSequence() : output.create(entry.sql)
    let isMigrated = file.applicationID == StoreDatabase.applicationID
    let table = try output.table(entry.name)
    let known = SalvagedTable.statement(
      insteadOf: table.columns.map(\.name), of: entry.name, isMigrated: isMigrated)
    if let known {
      try output.drop(entry.name)
      sink.note(
        Finding(.error, .unreadable, "the statement of its table \(entry.name) is damaged"))
      if output.create(known) == nil { return try output.table(entry.name) }
    } else if !table.columns.isEmpty {
      return table
    }
    let text = reason ?? "makes no table \(entry.name)"
    sink.note(Finding(.error, .unreadable, "\(text): \(entry.sql.prefix(80))"))
    return nil
  }

  // MARK: Pages that nothing leads to

  /// A stretch of a table that lost what led to it.
  private struct Unit {
    var pages: [Int]
    var rows: [PageRow]
    var ids: ClosedRange<Int>?
  }

  /// Finds a table for the pages that no tree leads to. Where everything that leads to pages was
  /// read, they are not looked at: what is on them does not count any more.
  func takeOthers() throws {
    if isMapped, !lacksStatements { return }
    if !file.hasHeader || tables.isEmpty { lacksStatements = true }
    var keyed: [KeyedUnit] = []
    defer { cells.isAlone = false }
    let (units, refused) = try units()
    for unit in units {
      guard let table = try table(for: unit) else {
        let isKeyed =
          lacksStatements || isStray(unit.pages)
          || tables.contains { $0.isBroken && !$0.hasRowID }
        if unit.ids == nil, isKeyed { keyed.append(contentsOf: keyedUnits(unit)) }
        if unit.ids != nil, isStray(unit.pages) {
          let places = tables.indices.filter { tables[$0].hasRowID && tables[$0].fits(unit.rows) }
          try keepApart(unit.pages, "nothing leads to its page, or says that it is free", places)
        }
        continue
      }
      if let ids = unit.ids { tables[table].take(ids) }
      cells.isAlone = isAlone(unit.pages)
      for number in unit.pages {
        owner[number] = table
        try take(number, table)
      }
    }
    cells.isAlone = false
    // What a migrated database has beside its records can be made anew.
    if !isStored { try takeKeyed(keyed) }
    if lacksStatements || tables.contains(where: \.isBroken) {
      let pages = refused.filter { !cells.overflow.contains($0) }
      try keepApart(pages, "nothing on its page is beyond doubt, and its table is not known")
    }
  }

  /// - Returns: also the pages of rows in no unit.
  private func units() throws -> (units: [Unit], refused: [Int]) {
    var interior: [Int] = []
    var keyed: [Int] = []
    var below: Set<Int> = []
    var leaves: [Int] = []
    for number in file.numbers where number > 1 {
      guard owner[number] == nil, !free.contains(number) else { continue }
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number) else { continue }
      guard !kind.isLeaf else {
        leaves.append(number)
        continue
      }
      guard let children = cells.children(page.span, number, kind) else { continue }
      if kind.isTable { interior.append(number) } else { keyed.append(number) }
      for child in children { below.insert(child.page) }
    }
    var taken = Set(owner.keys).union(free)
    var found: [Unit] = []
    var refused: [Int] = []
    func add(_ pages: [Int]) throws {
      if let unit = try unit(pages) { found.append(unit) } else { refused += pages }
    }
    for root in interior + keyed where !below.contains(root) {
      let tree = try PageTree(cells, root: root) { taken.contains($0) }
      for number in tree.interior { owner[number] = Self.indexOwner }
      taken.formUnion(tree.pages + tree.interior)
      try add(tree.pages)
    }
    for number in leaves where !taken.contains(number) {
      try add([number])
    }
    return (found.sorted { $0.pages.count > $1.pages.count }, refused)
  }

  /// Whether these are no tree, but a page that may have been in no use any more.
  private func isAlone(_ pages: [Int]) -> Bool { pages.count == 1 }

  /// Nil for pages without a row that can be read.
  private func unit(_ pages: [Int]) throws -> Unit? {
    cells.isAlone = isAlone(pages)
    var unit = Unit(pages: pages, rows: [], ids: nil)
    var low: Int?
    var high: Int?
    for (position, number) in pages.enumerated() {
      // The first pages show what the rows are, the last one which was the last.
      guard unit.rows.count < 20 || position == pages.count - 1 else { continue }
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number) else { continue }
      let found = try cells.rows(page.span, number, kind)
      // What only looks like a page has hardly a cell that holds together.
      if pages.count == 1, found.badCount > found.rows.count + found.suspect.count { return nil }
      if unit.rows.count < 20 { unit.rows += found.rows.prefix(20) }
      for row in found.rows {
        guard let id = row.id else { continue }
        low = min(low ?? id, id)
        high = max(high ?? id, id)
      }
    }
    if let low, let high { unit.ids = low...high }
    return unit.rows.isEmpty ? nil : unit
  }

  private func table(for unit: Unit) throws -> Int? {
    let isTable = unit.ids != nil
    let fitting = tables.indices.filter {
      tables[$0].hasRowID == isTable && tables[$0].fits(unit.rows)
    }
    let count = unit.rows.first?.values.count ?? 0
    func best(_ places: [Int]) -> Int? {
      places.first { tables[$0].columns.count == count } ?? places.first
    }
    guard let ids = unit.ids else {
      // An index looks the same: only what a table lacks is taken for its rows, where no index lacks
      // as much.
      let lacking = fitting.filter { tables[$0].isBroken && tables[$0].columns.count == count }
      let mayBeIndex = lostIndexes.contains { $0.columns.count == count && $0.fits(unit.rows) }
      return mayBeIndex || lacking.count > 1 ? nil : lacking.first
    }
    let lacking = fitting.filter {
      !tables[$0].isInferred && tables[$0].mayLack(ids) && tables[$0].hasRoom(ids)
    }
    let alike = lacking.filter { tables[$0].columns.count == count }
    if alike.count > 1 {
      let suited = alike.filter { tables[$0].suits(unit.rows) }
      return suited.count == 1 ? suited[0] : try doubtfulTable(unit, alike)
    }
    if let table = best(lacking) { return table }
    if !lacksStatements {
      let places = fitting.filter { !tables[$0].isInferred && tables[$0].hasRoom(ids) }
      let own = places.filter { tables[$0].columns.count == count }
      let live = try strayTable(for: unit.pages, among: own.isEmpty ? places : own)
      if !live.isEmpty { return live.count == 1 ? live[0] : try doubtfulTable(unit, live) }
      // Every statement was read, and no table lacks these rows: they were deleted.
      if !tables.contains(where: { $0.isBroken && $0.mayLack(ids) }) { return nil }
    }
    let known = SalvagedTable.statement(for: unit.rows)?.name
    let inferred = fitting.filter { tables[$0].isInferred && tables[$0].hasRoom(ids) }
    if let table = inferred.first(where: { tables[$0].name == known }) { return table }
    if known == nil || tables.contains(where: { $0.name == known }), let table = best(inferred) {
      return table
    }
    return try infer(unit)
  }

  /// A table of its own for rows that may be of any of several: nothing on them says of which.
  private func doubtfulTable(_ unit: Unit, _ places: [Int]) throws -> Int? {
    let names = places.map { tables[$0].name }
    if let table = doubtfulTables[names], tables[table].hasRoom(unit.ids ?? 0...0) { return table }
    let table = try inferTable(width: unit.rows.map(\.values.count).max() ?? 0)
    guard let table else { return nil }
    doubtfulTables[names] = table
    sink.note(
      Finding(
        .error, .unreadable,
        "rows that may be of \(names.joined(separator: " or ")) are in \(tables[table].name)"))
    return table
  }

  /// Stretches of index trees: rows of one width each.
  private func keyedUnits(_ unit: Unit) -> [KeyedUnit] {
    let width = unit.rows.first?.values.count ?? 0
    guard unit.rows.allSatisfy({ $0.values.count == width }) else { return [] }
    return [KeyedUnit(pages: unit.pages, rows: unit.rows)]
  }

  /// A table of its own for rows of which no statement tells.
  private func infer(_ unit: Unit) throws -> Int? {
    try inferTable(
      width: unit.rows.map(\.values.count).max() ?? 0,
      known: SalvagedTable.statement(for: unit.rows))
  }

  /// - Parameter known: name and statement, where it is known which it was.
  func inferTable(width count: Int, known: (name: String, sql: String)? = nil) throws -> Int? {
    var name = "lost_\(count)"
    var number = 2
    while tables.contains(where: { $0.name == name }) {
      name = "lost_\(count)_\(number)"
      number += 1
    }
    let columns = (0..<count).map { "c\($0)" }.joined(separator: ", ")
    var sql = "CREATE TABLE \(name) (\(columns))"
    if let known, !tables.contains(where: { $0.name == known.name }) {
      (name, sql) = known
    }
    guard let output, output.create(sql) == nil else { return nil }
    var table = try output.table(name)
    table.isInferred = true
    tables.append(table)
    return tables.count - 1
  }
}
