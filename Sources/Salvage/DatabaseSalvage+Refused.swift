import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

/// Rows that SQLite finds sound and that are no part of a recovered database: runs that the rules of
/// their kind refuse, and texts in which a sector of the disk, or a page, is missing or noise.
extension DatabaseSalvage {
  /// Why a row is refused; nil where it is not.
  func fault(_ row: PageRow, in table: SalvagedTable) -> RunHistory.Fault? {
    guard isRuns(table) else { return lostSector(row, table) }
    let none: [UInt8] = []
    for (column, value) in zip(table.columns, row.values) {
      let fault =
        switch value {
        case .null: RunHistory.fault(column.name, .null, none.span)
        case .integer: RunHistory.fault(column.name, .integer, none.span)
        case .real: RunHistory.fault(column.name, .real, none.span)
        case .text(let bytes): RunHistory.fault(column.name, .text, bytes.span)
        case .blob(let bytes): RunHistory.fault(column.name, .blob, bytes.span)
        }
      if let fault { return fault }
    }
    return nil
  }

  private func isRuns(_ table: SalvagedTable) -> Bool {
    table.name == "runs" && !isStored && file.applicationID == 0
      && RunHistory.isTable(ofColumns: table.columns.map(\.name))
  }

  private func lostSector(_ row: PageRow, _ table: SalvagedTable) -> RunHistory.Fault? {
    // In UTF-16 two bytes are one NUL.
    let count = file.isUTF16 ? TextNoise.leastNULs / 2 : TextNoise.leastNULs
    for (column, value) in zip(table.columns, row.values) {
      if case .text(let bytes) = value,
        let fault = RunHistory.lostSector(in: bytes.span, of: count, column.name)
      {
        return fault
      }
    }
    return nil
  }

  /// - Parameters:
  ///   - noisy: the columns in whose texts noise is damage.
  ///   - cut: those in whose texts NULs at the end are.
  private func noise(
    _ row: PageRow, _ table: SalvagedTable, noisy: Set<Int>, cut: Set<Int>
  ) -> RunHistory.Fault? {
    for column in noisy.union(cut).sorted() {
      guard case .text(let bytes) = row.values[column] else { continue }
      guard let damage = TextNoise.damage(to: bytes.span) else { continue }
      let isCounted =
        damage == .cut
        ? cut.contains(column) && mayBeLost(column, of: row, table) : noisy.contains(column)
      if isCounted {
        return RunHistory.Fault(
          code: damage == .noise ? .unreadable : .nulBytes,
          message: "its \(table.columns[column].name) \(damage.rawValue)")
      }
    }
    return nil
  }

  /// Whether the end of the text in a column may lie on another page than the row begins on.
  private func mayBeLost(_ column: Int, of row: PageRow, _ table: SalvagedTable) -> Bool {
    let most = PageCells.mostLocal(inTable: table.idName != nil, usable: file.usable)
    let least = PageCells.leastLocal(usable: file.usable)
    // Texts come in UTF-8, which may have half the bytes.
    let factor = file.isUTF16 ? 2 : 1
    return row.mostBytes(row.values.count) * factor > most
      && row.mostBytes(column + 1) * factor > least
  }

  /// How many pages that are in use hold nothing but NULs: SQLite finds nothing wrong with one that is
  /// the last of those that a row goes on in, for it names no other.
  private func blankPages() throws -> Int {
    try file.numbers.count { number in
      if number == 1 || free.contains(number) { return false }
      let page = try file.page(number)
      return TextBytes.isAll(page.span, 0) && !file.isSpecial(number, page.span)
    }
  }

  /// Takes the rows that are refused out of the copy of a sound database.
  /// - Returns: false where SQLite cannot take them out.
  func takeOutRefused() throws -> Bool {
    // The records of a migrated database have hashes.
    if isMigrated { return true }
    let copy = try DatabaseOutput(copyAt: target)
    var tables: [(SalvagedTable, noisy: Set<Int>, cut: Set<Int>)] = []
    var blank: Int?
    for table in try copy.tables() {
      let (noisy, ends) =
        isRuns(table)
        ? ([], [:]) : try copy.damagedColumns(of: table) { mayBeLost($1, of: $0, table) }
      var cut: Set<Int> = []
      if !ends.isEmpty {
        let blankPages = try blank ?? blankPages()
        blank = blankPages
        // Where there are more, they are filled up.
        cut = Set(ends.filter { $0.value <= blankPages }.keys)
      }
      if try isRuns(table) || !noisy.isEmpty || !cut.isEmpty
        || copy.hasText(in: table, withNULs: TextNoise.leastNULs)
      {
        tables.append((table, noisy, cut))
      }
    }
    if tables.isEmpty { return true }
    // All of them or none: else those of the first ones would be kept apart twice. Of runs, which come
    // first, there may be none to take out.
    tables.sort { isRuns($0.0) && !isRuns($1.0) }
    for (table, _, _) in tables where !isRuns(table) {
      guard copy.allowsTakingOut(of: table) else { return false }
    }
    // A connection that writes would make a log for one that is written with a log.
    let place = 18..<20
    let versions = try bytes(place, of: target)
    let plain: [UInt8] = [1, 1]
    try StagedFile.overwrite(target, at: place.lowerBound, with: plain.span)
    for (table, noisy, cut) in tables {
      guard try takeOutRefused(table, noisy: noisy, cut: cut) else { return false }
    }
    try StagedFile.overwrite(target, at: place.lowerBound, with: versions.span)
    return true
  }

  private func takeOutRefused(
    _ table: SalvagedTable, noisy: Set<Int>, cut: Set<Int>
  ) throws -> Bool {
    guard table.idName != nil else { return isRuns(table) }
    let kind = isRuns(table) ? RecordKind.run : .document
    let count = try DatabaseOutput.takeOut(table, of: target) { row in
      guard
        let fault = fault(row, in: table) ?? noise(row, table, noisy: noisy, cut: cut)
      else { return nil }
      return { [self] in
        try suspects.add(row, table, fault.message)
        sink.note(
          Finding(
            .error, fault.code,
            "a \(kind == .run ? "run" : "row of \(table.name)") that is in irregular/: \(fault.message)",
            record: Self.label(row, table)))
      }
    }
    guard let count else { return false }
    tallies[0, default: PageTally()].rows -= count
    sink.count(kind, -count)
    return true
  }

  private static func label(_ row: PageRow, _ table: SalvagedTable) -> String? {
    guard let at = table.columns.firstIndex(where: { $0.name == "run_id" }),
      at < row.values.count, case .text(let id) = row.values[at]
    else { return nil }
    return "run:" + String(decoding: id, as: UTF8.self)
  }
}
