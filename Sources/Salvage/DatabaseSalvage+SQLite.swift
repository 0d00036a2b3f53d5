import Database
import Disk
import Records
import SystemPackage

extension DatabaseSalvage {
  /// What SQLite says of a database.
  enum Verdict {
    case sound
    /// Without the log beside it, which belongs to another state of it.
    case soundAlone
    case damaged
  }

  static func verdict(_ path: FilePath) throws -> Verdict {
    if (try? DatabaseSource.read(path) { try isSound($0) }) == true { return .sound }
    let log = try FileFacts(at: FilePath(path.string + "-wal"))
    guard let log, log.size > 0 else { return .damaged }
    let alone = try? isSound(try Connection(Disk.absolute(path), .immutable))
    return alone == true ? .soundAlone : .damaged
  }

  private static func isSound(_ connection: borrowing Connection) throws -> Bool {
    let check = try Statement("PRAGMA integrity_check(1)", on: connection)
    guard try check.step() else { return false }
    return check.text(0) == "ok"
  }

  /// Copies the database through SQLite; false where that fails after all.
  func copySound() throws -> Bool {
    do {
      try StagedFile(target).close()
      let copy = try Connection(target, .scratch)
      if file.usesLog || !Self.hasLog(path) {
        try DatabaseSource.read(path) { try copy.copy(from: $0) }
      } else {
        try copy.copy(from: Connection(Disk.absolute(path), .immutable))
      }
      isMigrated =
        try StoreDatabase.number("PRAGMA application_id", copy) == StoreDatabase.applicationID
      lacksColumns = try hasOtherColumns(copy)
      if !isMigrated, !lacksColumns { try count(copy) }
    } catch is DatabaseError {
      try Disk.remove(target)
      return false
    }
    if isMigrated, !lacksColumns { lacksColumns = try !settleStored() }
    if !lacksColumns { return true }
    // Its pages are in order and its statements are not: what they lost is known otherwise.
    isSound = false
    try Disk.remove(target)
    return false
  }

  private static func hasLog(_ path: FilePath) -> Bool {
    ((try? FileFacts(at: FilePath(path.string + "-wal"))) ?? nil).map { $0.size > 0 } ?? false
  }

  /// Whether a table that is known has columns by other names: then its statement is damaged.
  private func hasOtherColumns(_ copy: borrowing Connection) throws -> Bool {
    let names = try Statement("SELECT name FROM pragma_table_info(?)", on: copy)
    for table in SalvagedTable.knownTables {
      names.bind(1, text: table)
      var columns: [String] = []
      while try names.step() { columns.append(names.text(0)) }
      names.reset()
      let known = SalvagedTable.statement(
        insteadOf: columns, of: table, isMigrated: isMigrated)
      if known != nil { return true }
    }
    return false
  }

  /// Counts the rows of the tables that are the owner's.
  private func count(_ copy: borrowing Connection) throws {
    let names = try Statement(
      "SELECT name FROM pragma_table_list WHERE schema='main' AND type='table' "
        + "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", on: copy)
    while try names.step() {
      let name = names.text(0)
      let rows = try Statement("SELECT count(*) FROM \(SQLText.name(name))", on: copy)
      guard try rows.step() else { continue }
      let found = rows.integer(0)
      tallies[0, default: PageTally()].rows += found
      sink.count(name == "runs" ? .run : .document, found)
    }
  }
}
