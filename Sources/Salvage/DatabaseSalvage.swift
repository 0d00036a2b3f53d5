import Database
import Disk
import LosslessJSON
import Records
import SystemPackage

/// Recovers a SQLite database as one that its owner can open.
///
/// What SQLite itself finds sound is copied by SQLite. Else the pages are read without it: every
/// page of a table that can be read gives its rows, whatever leads to it is still there or not.
final class DatabaseSalvage {
  let file: PageFile
  let cells: PageCells
  let sink: PieceSink
  let target: FilePath
  let path: FilePath
  let size: Int
  /// Rows that may have been altered, or that SQLite refuses.
  let suspects: RowScript
  /// Rows that were deleted, where they are asked for.
  let deleted: RowScript?
  /// Where what does not belong in the recovered store goes.
  let irregular: FilePath
  var output: DatabaseOutput?
  var tables: [SalvagedTable] = []
  /// Of tables WITHOUT ROWID that were told from their rows: the storage classes of their columns.
  var keyedClasses: [Int: [Int?]] = [:]
  /// Other things that the schema has, made behind the rows.
  var others: [String] = []
  /// The table that a page belongs to, by its number; `indexOwner` for those of no table.
  var owner: [Int: Int] = [:]
  static let indexOwner = -1
  var free: Set<Int> = []
  /// Whether all that leads to pages could be read: then others hold nothing that counts.
  var isMapped = true
  /// Whether a statement of the schema is missing or damaged: then pages may be a table's that
  /// nothing is known of.
  var lacksStatements = false
  /// Whether it is a sound database that `migrate` made.
  var isMigrated = false
  /// What the entries of indexes are that lack pages.
  var lostIndexes: [SalvagedTable] = []
  /// The tables for rows that may be of any of several, by the names of those.
  var doubtfulTables: [[String]: Int] = [:]
  /// Whether the list of the free pages is whole, and there are no pages behind those that the header
  /// knows of: a database that became shorter leaves such in its log.
  var isListed = false
  /// Pages that no tree leads to, where all that leads to pages was read.
  var strays: [Int: PageKind] = [:]
  /// Rows on each of those that indexes are asked for, and what they have of them, by tables.
  var askedIDs: [Int: [Int]] = [:]
  var entriesOfStrays: [Int: [Int: [PageValue]]] = [:]
  /// The pages of an index that has all rows of a table, by its name.
  var indexPages: [String: [Int]] = [:]
  /// Pages of tables whose heads are damaged.
  var damagedLeaves: [Int: Int] = [:]
  /// Bytes behind the end of a sound database that are no NULs.
  var lostBehind = 0
  /// What became of the rows of a page.
  var tallies: [Int: PageTally] = [:]

  struct PageTally {
    var rows = 0
    var suspect = 0
    var bad = 0
  }

  init(
    _ path: FilePath, size: Int, to target: FilePath, suspects: RowScript, deleted: RowScript?,
    irregular: FilePath, _ sink: PieceSink
  ) throws {
    self.irregular = irregular
    self.path = path
    self.size = size
    self.target = target
    self.suspects = suspects
    self.deleted = deleted
    self.sink = sink
    let verdict = try Self.verdict(path)
    usesLog = verdict.usesLog
    isLogForeign = verdict.isLogForeign
    file = try PageFile(path, usesLog: usesLog, isWhole: verdict.isSound)
    cells = PageCells(file)
    isSound = verdict.isSound
    try noteLog()
    for remark in verdict.remarks { sink.note(Finding(.note, .integrityCheck, remark)) }
  }

  /// Says of the log what SQLite does not take of it, and says nothing about.
  private func noteLog() throws {
    if file.rolledBack > 0 {
      sink.note(
        Finding(
          .warning, .leftover,
          "a transaction did not end: the journal beside it, NAME-journal, has \(file.rolledBack) "
            + "pages as they were before, and those count, as they do for SQLite; if it is not this "
            + "database's, salvage a copy of the database without it"))
    }
    if file.isJournalDamaged {
      sink.note(
        Finding(
          .error, .unreadable,
          "the journal beside it is damaged: pages are taken from it as far as they can be read"))
    }
    guard try WriteAheadLog.exists(beside: path) else { return }
    if isLogForeign {
      sink.note(
        Finding(
          .error, .leftover,
          "the log beside it, NAME-wal, has no row in common with the pages that it would replace: "
            + "it may be of another database or state, and what it has is left out"))
    } else if !usesLog {
      sink.note(
        Finding(
          .warning, .leftover,
          "the log beside it, NAME-wal, belongs to another state of it: left out"))
    } else if let log = try WriteAheadLog(of: path) {
      guard let damage = log.damage else { return }
      sink.note(
        Finding(
          .error, .unreadable,
          "the log beside it, NAME-wal, is damaged at byte \(damage): what was committed from there "
            + "on is left out"))
    } else {
      sink.note(
        Finding(
          .error, .unreadable,
          "the head of the log beside it, NAME-wal, is damaged: all of it is left out"))
    }
  }

  /// Whether the write-ahead log beside it is a part of it.
  let usesLog: Bool
  /// Whether it may be of another database.
  private let isLogForeign: Bool
  /// Whether SQLite's copy of it is what is recovered.
  var isSound: Bool
  /// Why it is written anew where that is not what is recovered.
  var reason = "SQLite finds it damaged"

  func run() throws {
    if !isSound, !file.hasFractions || !file.hasEncoding || file.reserved > 0 {
      try cells.inferLayout()
    }
    if file.hasHeader {
      (free, isMapped) = try file.freePages()
      isListed = isMapped && !file.goesOn
    } else {
      free = try cells.likelyFree()
      isMapped = false
    }
    if isSound, try copySound() {
      if deleted != nil {
        output = try DatabaseOutput(copyAt: target)
        try readSchema()
        try takeDeleted()
        output = nil
      }
      try account()
    } else {
      try scan()
    }
    try takeBehindDamage()
    try deleted?.close()
    try suspects.close()
    sink.creditAll(suspects.count, .irregular)
  }

  /// Keeps apart the rows that were committed behind damage to the log: SQLite does not take them,
  /// and a page that was lost with the damage may have had others in their place. So it does those of a
  /// log that may be of another database.
  private func takeBehindDamage() throws {
    guard usesLog || isLogForeign, let log = try WriteAheadLog(of: path),
      log.pageSize == file.pageSize
    else { return }
    let pages = isLogForeign ? log.pages : log.behind
    if pages.isEmpty { return }
    let reason = isLogForeign ? "which may be another database's" : "behind damage to it"
    output = try DatabaseOutput(copyAt: target)
    defer { output = nil }
    if tables.isEmpty { try readSchema() }
    file.take(pages)
    var count = 0
    for number in pages.keys.sorted() {
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number), kind == .leafTable else { continue }
      for row in try cells.rows(page.span, number, kind).rows {
        let table = owner[number] ?? tables.firstIndex { $0.fits([row]) }
        guard let table, table >= 0 else { continue }
        if try output?.holds(row, tables[table], table) == true { continue }
        try suspects.add(row, tables[table], "page \(number) of the log, \(reason)")
        count += 1
      }
    }
    if count == 0 { return }
    sink.note(
      Finding(
        .error, .unreadable,
        isLogForeign
          ? "\(count) rows of the log are in irregular/"
          : "\(count) rows from behind the damage to the log are in irregular/"))
  }

  private func scan() throws {
    output = try DatabaseOutput(target, like: file)
    try readSchema()
    try noteStrays()
    try claimOverflow()
    try takeOwned()
    try takeOthers()
    try takeDamaged()
    if deleted != nil { try takeDeleted() }
    for finding in try output?.create(others: others) ?? [] { sink.note(finding) }
    let isStored = isStored
    try output?.finish(isStored: isStored)
    output = nil
    if isStored, try !settleStored() {
      sink.note(
        Finding(
          .error, .unreadable,
          "no records can be made of its tables: their rows are as they were found"))
    }
    try account()
    noteState()
  }

  private func noteState() {
    sink.note(
      Finding(
        .error, .unreadable, "\(reason): it was written anew from what its pages hold"))
    if size == 0 {
      sink.note(Finding(.error, .empty, "is empty: what was recovered is from the log beside it"))
    }
    if file.missingPages > 0 {
      sink.note(Finding(.error, .tornTail, "\(file.missingPages) pages are missing at its end"))
    }
    if tables.isEmpty { sink.note(Finding(.error, .unreadable, "no table was found")) }
    if !file.hasHeader {
      sink.note(
        Finding(
          .error, .unreadable,
          "its header is lost: pages of \(file.pageSize) bytes by what they hold"))
    }
    for table in tables where table.isInferred {
      let columns =
        table.hasRowID
        ? "" : ", which had no row ids; its columns are those of its key, then the others"
      sink.note(
        Finding(.warning, .unknownType, "the table \(table.name) is told from its rows\(columns)"))
    }
  }

  // MARK: Rows

  /// Notes which pages the rows go on in, those of trees before others.
  private func claimOverflow() throws {
    cells.treePages = Set(owner.keys)
    for number in owner.keys.sorted() { try cells.claim(number, isOfTree: true) }
    if isMapped, !lacksStatements { return }
    for number in file.numbers
    where number > 1 && owner[number] == nil && !free.contains(number) {
      try cells.claim(number, isOfTree: false)
    }
  }

  /// Keeps apart what is left of the rows on pages whose heads are damaged.
  private func takeDamaged() throws {
    for (number, table) in damagedLeaves.sorted(by: { $0.key < $1.key }) where owner[number] == nil
    {
      var count = 0
      for row in try cells.carved(number, tables[table]) {
        if try output?.holds(row, tables[table], table) == true { continue }
        try suspects.add(row, tables[table], "page \(number): its head is damaged")
        count += 1
      }
      if count == 0 { continue }
      sink.note(
        Finding(
          .error, .unreadable,
          "the head of page \(number) is damaged: \(count) rows of it are in irregular/",
          offset: file.offset(of: number), length: file.pageSize))
    }
  }

  /// The rows of the pages that a tree leads to.
  private func takeOwned() throws {
    for number in owner.keys.sorted() {
      guard let table = owner[number], table >= 0 else { continue }
      try take(number, table)
    }
  }

  /// Writes the rows of a page.
  func take(_ number: Int, _ table: Int) throws {
    let page = try file.page(number)
    guard let kind = cells.kind(page.span, number) else { return }
    let found = try cells.rows(page.span, number, kind)
    var tally = PageTally(rows: 0, suspect: found.suspect.count, bad: found.badCount)
    let torn = file.isTorn(number) ? Self.torn(found, page.span, kind) : nil
    for (index, row) in found.rows.enumerated() {
      if row.values.count > tables[table].columns.count || tables[table].lacksKey(row) {
        tally.suspect += 1
        try suspects.add(row, nil, "page \(number): is no row of the table \(tables[table].name)")
        continue
      }
      if let torn, torn.contains(index) {
        tally.suspect += 1
        try suspects.add(row, tables[table], "page \(number): bytes were lost or put in at its end")
        continue
      }
      if let fault = fault(row, in: tables[table]) {
        tally.suspect += 1
        try suspects.add(row, tables[table], "page \(number): \(fault.message)")
        continue
      }
      switch try output?.insert(row, into: tables[table], table) {
      case .written where isStored:
        // Each record has a row there, and others elsewhere.
        if tables[table].name == "records" { tally.rows += 1 }
      case .written:
        tally.rows += 1
        sink.count(tables[table].name == "runs" ? .run : .document)
      case .refused(let reason):
        tally.suspect += 1
        try suspects.add(row, tables[table], "page \(number): \(reason)")
      case .known, nil: break
      }
    }
    for row in found.suspect {
      let isWide = row.values.count > tables[table].columns.count
      try suspects.add(
        row, isWide ? nil : tables[table],
        "page \(number): altered, or beside bytes that cannot be read")
    }
    if found.unlisted > 0 {
      sink.note(
        Finding(
          .error, .unreadable,
          "page \(number) does not point at all of its rows: \(found.unlisted) were found without",
          offset: file.offset(of: number), length: file.pageSize))
    }
    tallies[number] = tally
  }

  /// Which rows may not be as they were on a page that may have another one's bytes at its end: the one
  /// that ends last in any case. More of them would not be in order, or no rows.
  private static func torn(_ found: CellRows, _ page: Span<UInt8>, _ kind: PageKind) -> Range<Int> {
    let ids = found.rows.compactMap(\.id)
    let head = kind.isLeaf ? 8 : 12
    let count = Bytes.number(page, 3, 2)
    guard found.suspect.isEmpty, found.badCount == 0, found.rows.count == count, ids.count == count,
      head + 2 * count <= page.count, zip(ids, ids.dropFirst()).allSatisfy({ $0 < $1 })
    else { return found.rows.indices }
    let places = (0..<count).map { Bytes.number(page, head + 2 * $0, 2) }
    let last = places.indices.max { places[$0] < places[$1] } ?? 0
    return last..<last + 1
  }
}
