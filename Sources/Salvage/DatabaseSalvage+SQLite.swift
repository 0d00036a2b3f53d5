import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

extension DatabaseSalvage {
  /// What SQLite says of a database, and whether the log beside it is a part of it.
  struct Verdict {
    var isSound: Bool
    var usesLog: Bool
    /// Whether the log may be of another database.
    var isLogForeign = false
    /// What SQLite could not check of a sound one.
    var remarks: [String] = []
  }

  static func verdict(_ path: FilePath) throws -> Verdict {
    let hasLog = try WriteAheadLog.exists(beside: path)
    let isOlder = try hasLog && isLogOlder(path)
    // SQLite takes an empty file for a database without tables, whatever its log has.
    if try hasLog && FileFacts(at: path)?.size == 0 {
      return Verdict(isSound: false, usesLog: true)
    }
    // One that is shorter than a header is an empty one to it as well.
    if try !hasLog && 1..<100 ~= FileFacts(at: path)?.size ?? 0 {
      return Verdict(isSound: false, usesLog: false)
    }
    // SQLite takes NULs for what is missing of the last page.
    if try !hasLog && endsInAPage(path) { return Verdict(isSound: false, usesLog: false) }
    // SQLite rolls back as far as it can be read, to a state that never was.
    if try RollbackJournal(of: path)?.isDamaged == true {
      return Verdict(isSound: false, usesLog: !isOlder)
    }
    if !isOlder, let found = try? DatabaseSource.read(path, { try $0.integrity(limit: 1) }),
      found.problems.isEmpty
    {
      return Verdict(isSound: true, usesLog: true, remarks: found.remarks)
    }
    if hasLog,
      let found = try? Connection(Disk.absolute(path), .immutable).integrity(limit: 1),
      found.problems.isEmpty
    {
      return Verdict(isSound: true, usesLog: false, remarks: found.remarks)
    }
    let isForeign = try !isOlder && isLogForeign(path)
    return Verdict(isSound: false, usesLog: !isOlder && !isForeign, isLogForeign: isForeign)
  }

  /// Whether the log has no row in common with the pages that it would replace: a program changes some
  /// rows of a page, or, as VACUUM does, all pages. SQLite takes any log for the database's own.
  private static func isLogForeign(_ path: FilePath) throws -> Bool {
    guard let log = try WriteAheadLog(of: path), log.pages.count < log.pageCount else {
      return false
    }
    let (alone, together) = (try PageFile(path, usesLog: false), try PageFile(path))
    guard alone.pageSize == log.pageSize, alone.rolledBack == 0 else { return false }
    let (own, logged) = (PageCells(alone), PageCells(together))
    let fewest = 8
    var count = 0
    for number in log.pages.keys.sorted() where number > 1 && number <= alone.pageCount {
      let rows = try leafRows(own, number)
      let others = try leafRows(logged, number)
      if !Set(rows).isDisjoint(with: others) { return false }
      if !others.isEmpty { count += rows.count }
    }
    return count >= fewest
  }

  /// The rows of a leaf, each by its id and its first value; entries of an index whole.
  private static func leafRows(_ cells: PageCells, _ number: Int) throws -> [PageRow] {
    let page = try cells.file.page(number)
    guard let kind = cells.kind(page.span, number), kind.isLeaf else { return [] }
    return try cells.rows(page.span, number, kind).rows.map { row in
      // A program may change a column of every row, hardly the first one, by which it finds them.
      guard row.id != nil, let first = row.values.first(where: { $0 != .null }) else { return row }
      return PageRow(id: row.id, values: [first])
    }
  }

  /// Whether the file ends in the middle of one of the pages that its header says there are.
  private static func endsInAPage(_ path: FilePath) throws -> Bool {
    let file = try PageFile(path, usesLog: false)
    return file.hasHeader && file.rolledBack == 0 && file.statedPages == file.numbers.count
      && file.isShort(file.pageCount)
  }

  /// Whether the log is of an earlier state than the database, which SQLite does not ask. A commit
  /// never takes back the counter of changes in the first page (fileformat2.html, 1.3.7), and a
  /// database only becomes shorter by what writes all of its pages or, with `auto_vacuum`, moves some.
  private static func isLogOlder(_ path: FilePath) throws -> Bool {
    guard let log = try WriteAheadLog(of: path), let first = log.pages[1] else { return false }
    let alone = try PageFile(path, usesLog: false)
    guard alone.hasHeader, alone.pageSize == log.pageSize else { return false }
    if alone.statedPages > log.pageCount, !alone.hasPointerMap, log.pages.count < log.pageCount {
      return true
    }
    var logged = ByteBuffer()
    let file = try InputFile(opening: WriteAheadLog.path(of: path))
    guard try file.read(at: first + 24, into: &logged, atMost: 4) == 4 else { return false }
    return alone.changeCounter > Bytes.number(logged.span, 0, 4)
  }

  /// Copies the database through SQLite; false where that fails after all.
  func copySound() throws -> Bool {
    var counts: [RecordKind: Int] = [:]
    // Only its statements are damaged: it lacks columns that its records are read from.
    var lacksColumns: Bool
    do {
      try makeCopy()
      // As in `DatabaseOutput.init(copyAt:)`.
      let copy = try Connection(Disk.absolute(target), .immutable)
      copy.allowUnknownCollations()
      isMigrated =
        try StoreDatabase.number("PRAGMA application_id", copy) == StoreDatabase.applicationID
      lacksColumns = try hasOtherColumns(copy)
      if !isMigrated, !lacksColumns { counts = try rowCounts(copy) }
    } catch is DatabaseError {
      try Disk.remove(target)
      return false
    }
    if isMigrated, !lacksColumns { lacksColumns = try !settleStored() }
    if !lacksColumns, try takeOutRefused() {
      for (kind, rows) in counts {
        tallies[0, default: PageTally()].rows += rows
        sink.count(kind, rows)
      }
      return true
    }
    // Its pages are in order, and its statements or texts are not.
    reason =
      lacksColumns
      ? "its tables lack what records are made of"
      : "texts in it hold damage that SQLite does not see"
    isSound = false
    try Disk.remove(target)
    return false
  }

  private func makeCopy() throws {
    try StagedFile(target).close()
    do {
      let copy = try Connection(target, .scratch)
      if try usesLog || !WriteAheadLog.exists(beside: path) {
        try DatabaseSource.read(path) { try copy.copy(from: $0) }
      } else {
        try copy.copy(from: Connection(Disk.absolute(path), .immutable))
      }
    }
    // SQLite counts its copying as a change: counters of the database's own make the copy the same.
    for field in Self.counters {
      let own = try bytes(field, of: path)
      if own.count == field.count {
        try StagedFile.overwrite(target, at: field.lowerBound, with: own.span)
      }
    }
  }

  /// The counters of changes and of the schema; the first again, and the library that counted
  /// (fileformat2.html, 1.3).
  private static let counters = [24..<28, 40..<44, 92..<100]

  func bytes(_ field: Range<Int>, of path: FilePath) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    _ = try InputFile(opening: path).read(
      at: field.lowerBound, into: &bytes, atMost: field.count)
    return bytes
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

  /// The rows of the tables that are the owner's.
  private func rowCounts(_ copy: borrowing Connection) throws -> [RecordKind: Int] {
    let names = try Statement(
      "SELECT name FROM pragma_table_list WHERE schema='main' AND type='table' "
        + "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", on: copy)
    var counts: [RecordKind: Int] = [:]
    while try names.step() {
      let name = names.text(0)
      let rows = try Statement("SELECT count(*) FROM \(Connection.quoted(name))", on: copy)
      guard try rows.step() else { continue }
      counts[name == "runs" ? .run : .document, default: 0] += rows.integer(0)
    }
    return counts
  }
}
