import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

/// Rows that SQLite finds sound and that are no part of a recovered database: runs that the rules of
/// their kind refuse, and texts in which a sector of the disk is missing or noise.
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
    let count = file.isUTF16 ? RunHistory.lostBytes / 2 : RunHistory.lostBytes
    for (column, value) in zip(table.columns, row.values) {
      if case .text(let bytes) = value,
        let fault = RunHistory.lostSector(in: bytes.span, of: count, column.name)
      {
        return fault
      }
    }
    return nil
  }

  private func noise(
    _ row: PageRow, _ table: SalvagedTable, in columns: Set<Int>
  ) -> RunHistory.Fault? {
    for column in columns.sorted() {
      if case .text(let bytes) = row.values[column], TextNoise.isIn(bytes.span) {
        let name = table.columns[column].name
        return RunHistory.Fault(
          code: .unreadable,
          message: "its \(name) holds noise or ends in NULs, as of a lost sector")
      }
    }
    return nil
  }

  /// Takes the rows that are refused out of the copy of a sound database.
  /// - Returns: false where SQLite cannot take them out.
  func takeOutRefused() throws -> Bool {
    // The records of a migrated database have hashes.
    if isMigrated { return true }
    let copy = try DatabaseOutput(copyAt: target)
    var tables: [(SalvagedTable, noisy: Set<Int>)] = []
    for table in try copy.tables() {
      let noisy = isRuns(table) ? [] : try copy.columnsWithNoise(in: table)
      if try isRuns(table) || !noisy.isEmpty
        || copy.hasText(in: table, withNULs: RunHistory.lostBytes)
      {
        tables.append((table, noisy))
      }
    }
    if tables.isEmpty { return true }
    // All of them or none: else those of the first ones would be kept apart twice.
    for (table, _) in tables where !isRuns(table) {
      guard copy.allowsTakingOut(of: table) else { return false }
    }
    // A connection that writes would make a log for one that is written with a log.
    let place = 18..<20
    let versions = try bytes(place, of: target)
    let plain: [UInt8] = [1, 1]
    try StagedFile.overwrite(target, at: place.lowerBound, with: plain.span)
    for (table, noisy) in tables { guard try takeOutRefused(table, noisy) else { return false } }
    try StagedFile.overwrite(target, at: place.lowerBound, with: versions.span)
    return true
  }

  /// - Parameter noisy: the columns in whose texts noise is damage.
  private func takeOutRefused(_ table: SalvagedTable, _ noisy: Set<Int>) throws -> Bool {
    guard table.idName != nil else { return isRuns(table) }
    let kind = isRuns(table) ? RecordKind.run : .document
    let count = try DatabaseOutput.takeOut(table, of: target) { row in
      guard let fault = fault(row, in: table) ?? noise(row, table, in: noisy) else { return nil }
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
