import Database
import Disk
import LosslessJSON
import SystemPackage

/// The pages of a SQLite database as the last committed state has them, read without SQLite
/// (format: sqlite.org/fileformat2.html).
final class PageFile {
  let pageSize: Int
  /// Bytes at the end of each page that hold no cells.
  private(set) var reserved: Int
  /// The greatest number of a page.
  let pageCount: Int
  /// The numbers of the pages that there are, in order: between them a log may leave out many.
  let numbers: [Int]
  /// Whether the header of the file is one.
  let hasHeader: Bool
  /// Whether it has what each must have behind the size of a page and its unused bytes.
  let hasFractions: Bool
  /// Pages that the header says there are, where the file has fewer; else 0.
  let missingPages: Int
  /// Pages that the header says there are; 0 where there is none.
  let statedPages: Int
  /// Whether that is where the database ends, to SQLite too (fileformat2.html, 1.3.8).
  private let endsWhereStated: Bool
  private(set) var isUTF16: Bool
  private(set) var isBigEndian: Bool
  /// Whether the header says how texts are stored.
  let hasEncoding: Bool
  /// What the header says that is no page: `user_version` and `application_id`.
  let userVersion: Int
  let applicationID: Int
  /// Counts the commits that wrote the first page.
  let changeCounter: Int
  /// Whether pages say where each page belongs (`auto_vacuum`).
  let hasPointerMap: Bool
  /// Where its pages lie in the file.
  let grid: PageGrid
  private let torn: Set<Int>
  private let file: InputFile
  /// Where the write-ahead log has newer versions of pages, or the rollback journal those that count:
  /// offsets in it.
  private var newer: [Int: Int]
  private let log: FilePath
  /// Pages of which the rollback journal has what counts.
  let rolledBack: Int
  /// Whether the rollback journal does not read back as it was written.
  let isJournalDamaged: Bool
  /// The last page, where the file ends in it; else 0. How much of it there is.
  private let shortPage: Int
  private let shortCount: Int

  /// - Parameter usesLog: whether the write-ahead log beside it belongs to it.
  /// - Parameter isWhole: false where pages may not lie where they should, and are to be looked for.
  init(_ path: FilePath, usesLog: Bool = true, isWhole: Bool = true) throws {
    file = try InputFile(opening: path)
    let size = try file.facts().size
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 100)
    var start = 0
    if !isWhole, !TextBytes.starts(head.span, "SQLite format 3\0"),
      let header = try Self.displacedHeader(file)
    {
      start = header
      head.removeAll()
      _ = try file.read(at: start, into: &head, atMost: 100)
    }
    var named = Self.namedSize(head.span)
    var beside: (pages: [Int: Int], pageSize: Int)?
    if usesLog, let found = try WriteAheadLog(of: path), (named ?? found.pageSize) == found.pageSize
    {
      beside = (found.pages, found.pageSize)
    }
    var journal: RollbackJournal?
    if beside == nil, let found = try RollbackJournal(of: path),
      (named ?? found.pageSize) == found.pageSize
    {
      journal = found
      beside = (found.pages, found.pageSize)
    }
    log = journal == nil ? WriteAheadLog.path(of: path) : RollbackJournal.path(of: path)
    rolledBack = journal?.pages.count ?? 0
    isJournalDamaged = journal?.isDamaged ?? false
    // The version of the first page that counts may be there, and the only one.
    if let first = beside?.pages[1] {
      head.removeAll()
      _ = try InputFile(opening: log).read(at: first, into: &head, atMost: 100)
      named = Self.namedSize(head.span)
    }
    while head.count < 100 { head.append(0) }
    let bytes = head.span
    hasHeader = named != nil && TextBytes.starts(bytes, "SQLite format 3\0")
    // SQLite writes these three bytes into every header, and nothing else there.
    hasFractions = hasHeader && bytes[21] == 64 && bytes[22] == 32 && bytes[23] == 32
    // The header says twice how long the database is: where the two agree, both are what was written.
    let stated = Bytes.number(bytes, 28, 4)
    // Without it, the first page may have lost its beginning.
    let displaced = try isWhole || hasHeader ? nil : Self.displacedPages(file, size)
    pageSize =
      if let beside { beside.pageSize } else if let displaced {
        displaced.pageSize
      } else if let named, hasHeader,
        start > 0 || stated * named == size
      { named } else { try Self.inferSize(file, size, hint: named, isIntact: hasFractions) }
    // SQLite wants 480 bytes of each page at the least.
    reserved = hasFractions ? min(Int(bytes[20]), pageSize - 480) : 0
    userVersion = hasHeader ? Int(Int32(truncatingIfNeeded: Bytes.number(bytes, 60, 4))) : 0
    applicationID = hasHeader ? Int(Int32(truncatingIfNeeded: Bytes.number(bytes, 68, 4))) : 0
    changeCounter = hasHeader ? Bytes.number(bytes, 24, 4) : 0
    hasPointerMap = hasHeader && Bytes.number(bytes, 52, 4) > 0
    // Nothing else stands there by chance, be the rest of the header damaged.
    let encoding = Bytes.number(bytes, 56, 4)
    isUTF16 = encoding == 2 || encoding == 3
    isBigEndian = encoding == 3
    hasEncoding = (1...3).contains(encoding)
    newer = beside?.pages ?? [:]
    statedPages = hasHeader ? stated : 0
    // SQLite goes by the size of the file where the number was written by a version that knew none.
    endsWhereStated = stated > 0 && Bytes.number(bytes, 24, 4) == Bytes.number(bytes, 92, 4)
    var pages =
      isWhole
      ? PageGrid(size: size, pageSize: pageSize)
      : try PageGrid(
        aligning: file, size: size, pageSize: pageSize,
        usable: hasFractions ? pageSize - reserved : nil, start: displaced?.start ?? start,
        first: displaced == nil ? 1 : 2, stated: statedPages)
    if !isWhole {
      let links = try PageLinks(file, pages, fileSize: size, stated: hasHeader ? statedPages : nil)
      pages = links.numbered()
    }
    grid = pages
    torn = pages.torn
    let inFile = pages.last
    shortCount = pages.pieces.last.map { ($0.end - $0.offset) % pages.pageSize } ?? 0
    missingPages = newer.isEmpty ? max(0, statedPages - inFile + (shortCount > 0 ? 1 : 0)) : 0
    let last = max(inFile, newer.keys.max() ?? 0)
    // What the journal says of it is under no checksum; the first page says it too, if it is there.
    let before = journal?.pageCount ?? last
    let isBelieved = before == statedPages || (!hasHeader && journal?.isDamaged == false)
    pageCount = isBelieved ? min(last, before) : last
    let greatest = pageCount
    let logged = newer.keys.filter { [pages] in $0 > inFile || pages.offset(of: $0) == nil }
    let stored = pages.pieces.flatMap { [pages] in
      Array(pages.numbers($0).prefix { $0 <= greatest })
    }
    numbers = logged.isEmpty ? stored : (stored + logged).sorted()
    shortPage = shortCount > 0 && newer[inFile] == nil ? inFile : 0
  }

  /// The page size that the header of a database names; nil where that is none.
  static func namedSize(_ head: Span<UInt8>) -> Int? {
    guard head.count >= 18 else { return nil }
    let number = Bytes.number(head, 16, 2)
    let size = number == 1 ? 65536 : number
    return isSize(size) ? size : nil
  }

  /// Whether pages may have this many bytes.
  static func isSize(_ size: Int) -> Bool {
    size >= 512 && size <= 65536 && size & (size - 1) == 0
  }

  var usable: Int { pageSize - reserved }

  /// Whether there are pages behind the last one that the header knows of.
  var goesOn: Bool { statedPages > 0 && pageCount > statedPages }

  /// Whether the page lies behind the end of the database, in a file that has no log.
  func isBehindEnd(_ number: Int) -> Bool {
    endsWhereStated && newer.isEmpty && number > statedPages
  }

  /// Whether the page never holds cells: a pointer map, or the one at the byte that locks use. What says
  /// that there are maps may be damaged: a page that starts like one of a tree must read as a map.
  func isSpecial(_ number: Int, _ page: Span<UInt8>) -> Bool {
    let lockPage = 0x4000_0000 / pageSize + 1
    if number == lockPage { return true }
    guard hasPointerMap, number >= 2, (number - 2) % (usable / 5 + 1) == 0 else { return false }
    guard page.count >= usable, PageKind(rawValue: page[0]) != nil else { return true }
    // A type and a page for each page that follows (fileformat2.html, 1.8).
    return stride(from: 0, through: usable - 5, by: 5).allSatisfy {
      page[$0] <= 5 && Bytes.number(page, $0 + 1, 4) <= max(pageCount, statedPages)
    }
  }

  /// From here on these versions of pages stand for all others: offsets in the log.
  func take(_ pages: [Int: Int]) { newer.merge(pages) { $1 } }

  /// Where the cells of a page must end.
  func limit(_ number: Int) -> Int { number == shortPage ? min(shortCount, usable) : usable }

  /// Whether the file ends in the page.
  func isShort(_ number: Int) -> Bool { number == shortPage }

  /// Where the header does not say it, or is not to be believed: how many bytes at the end of each page
  /// hold no cells.
  func setReserved(_ count: Int) { reserved = count }

  /// For a database without a header: texts are in UTF-16.
  func setUTF16(isBigEndian: Bool) {
    isUTF16 = true
    self.isBigEndian = isBigEndian
  }

  /// Whether bytes may have been lost or put in within the page.
  func isTorn(_ number: Int) -> Bool { newer[number] == nil && torn.contains(number) }

  /// Where in the file the page of this number lies, or would.
  func offset(of number: Int) -> Int { grid.offset(of: number) ?? 0 }

  /// The page of this number, counted from 1; behind the end of a file that ends in it, NULs. Empty for
  /// one that was lost.
  func page(_ number: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    if let offset = newer[number] {
      _ = try InputFile(opening: log).read(at: offset, into: &bytes, atMost: pageSize)
    } else if let offset = grid.offset(of: number) {
      _ = try file.read(at: offset, into: &bytes, atMost: pageSize)
      if number == shortPage { while bytes.count < pageSize { bytes.append(0) } }
    }
    return bytes
  }

  /// The number that a page starts with; 0 where it has no such.
  func number(in page: Int) throws -> Int {
    let bytes = try self.page(page)
    return bytes.count < 4 ? 0 : Bytes.number(bytes.span, 0, 4)
  }

  /// The bytes of the file from here to there.
  func bytes(_ range: Range<Int>) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    _ = try file.read(at: range.lowerBound, into: &bytes, atMost: range.count)
    return bytes
  }

  /// Pages that look like a part of the list of free ones, with the free pages that each names: for
  /// a database whose header is lost.
  func likelyTrunks() throws -> [Int: [Int]] {
    var found: [Int: [Int]] = [:]
    for number in numbers where number > 1 {
      let bytes = try page(number)
      if let leaves = trunk(bytes.span), !leaves.isEmpty { found[number] = leaves }
    }
    return found
  }

  /// The free pages, by the list that the header names. `isWhole` tells whether all of the list was
  /// read, and has as many as the header says.
  func freePages() throws -> (pages: Set<Int>, isWhole: Bool) {
    var found: Set<Int> = []
    let first = try page(1)
    guard first.count >= 100 else { return ([], false) }
    var next = Bytes.number(first.span, 32, 4)
    while next > 0 {
      guard next <= pageCount, !found.contains(next) else { return (found, false) }
      let bytes = try page(next)
      guard let leaves = trunk(bytes.span) else { return (found, false) }
      found.insert(next)
      found.formUnion(leaves)
      next = Bytes.number(bytes.span, 0, 4)
    }
    return (found, found.count == Bytes.number(first.span, 36, 4))
  }

  /// The free pages that a trunk of the list names; nil where the page is none.
  private func trunk(_ page: Span<UInt8>) -> [Int]? {
    guard page.count == pageSize, Bytes.number(page, 0, 4) <= pageCount else { return nil }
    let count = Bytes.number(page, 4, 4)
    guard count <= usable / 4 - 2 else { return nil }
    var leaves: Set<Int> = []
    for index in 0..<count {
      let leaf = Bytes.number(page, 8 + 4 * index, 4)
      guard leaf >= 2, leaf <= pageCount, leaves.insert(leaf).inserted else { return nil }
    }
    return Array(leaves)
  }
}

/// Numbers as SQLite stores them: the highest byte first.
enum Bytes {
  static func number(_ bytes: Span<UInt8>, _ at: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for index in at..<at + count { value = value << 8 | UInt64(bytes[index]) }
    return Int(truncatingIfNeeded: value)
  }

  /// A number of 1 to 9 bytes, 7 bits each, and where it ends; nil where the bytes end first.
  static func varint(_ bytes: Span<UInt8>, _ start: Int) -> (value: Int, end: Int)? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard start + index < bytes.count else { return nil }
      let byte = bytes[start + index]
      if index == 8 { return (Int(truncatingIfNeeded: value << 8 | UInt64(byte)), start + 9) }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte < 0x80 { return (Int(truncatingIfNeeded: value), start + index + 1) }
    }
    return nil
  }
}
