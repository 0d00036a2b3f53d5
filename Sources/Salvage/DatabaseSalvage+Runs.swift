import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

/// Runs that the rules of their kind refuse: their rows are no part of a recovered run history.
extension DatabaseSalvage {
  /// Why the rules refuse a row; nil where they do not, or the table is none of theirs.
  func fault(_ row: PageRow, in table: SalvagedTable) -> RunHistory.Fault? {
    guard table.name == "runs", !isStored, file.applicationID == 0,
      RunHistory.isTable(ofColumns: table.columns.map(\.name))
    else { return nil }
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

  /// Takes the runs that the rules refuse out of the copy of a sound database.
  /// - Returns: false where SQLite cannot take them out.
  func takeOutRefused() throws -> Bool {
    guard let table = try DatabaseOutput(copyAt: target).table(named: "runs"), table.idName != nil
    else { return true }
    // A connection that writes would make a log for one that is written with a log.
    let place = 18..<20
    let versions = try bytes(place, of: target)
    let plain: [UInt8] = [1, 1]
    try StagedFile.overwrite(target, at: place.lowerBound, with: plain.span)
    let count = try DatabaseOutput.takeOut(table, of: target) { row in
      guard let fault = fault(row, in: table) else { return nil }
      return { [self] in
        try suspects.add(row, table, fault.message)
        sink.note(
          Finding(
            .error, fault.code, "a run that is in irregular/: \(fault.message)",
            record: Self.label(row, table)))
      }
    }
    try StagedFile.overwrite(target, at: place.lowerBound, with: versions.span)
    guard let count else { return false }
    if count == 0 { return true }
    tallies[0, default: PageTally()].rows -= count
    sink.count(.run, -count)
    return true
  }

  private static func label(_ row: PageRow, _ table: SalvagedTable) -> String? {
    guard let at = table.columns.firstIndex(where: { $0.name == "run_id" }),
      at < row.values.count, case .text(let id) = row.values[at]
    else { return nil }
    return "run:" + String(decoding: id, as: UTF8.self)
  }
}
