import Disk
import LosslessJSON
import SystemPackage

/// What the write-ahead log beside a database holds (sqlite.org/fileformat2.html, 4).
struct WriteAheadLog {
  /// Bytes of a page of the database that it belongs to.
  let pageSize: Int
  /// The newest committed version of each page: its offset in the log. Frames count up to the
  /// last commit before which salts and checksums hold, as they do for SQLite.
  let pages: [Int: Int]
  /// Pages that the database has after the last commit.
  let pageCount: Int
  /// Where a frame does not have the checksum that it should have, though it is of this log: SQLite
  /// takes nothing from there on. Nil where there is none; what a writer did not finish is none.
  let damage: Int?
  /// The newest version of each page that was committed behind the damage, in frames that are whole:
  /// each has the checksum that follows from the one stored in the frame before.
  let behind: [Int: Int]

  static func path(of database: FilePath) -> FilePath { FilePath(database.string + "-wal") }

  /// Bytes before the first frame.
  private static let headLength = 32

  /// Whether there is anything in the log of a database: no more than its head is nothing, as SQLite
  /// sees it too.
  static func exists(beside database: FilePath) throws -> Bool {
    guard let facts = try FileFacts(at: path(of: database)) else { return false }
    return facts.isRegular && facts.size > headLength
  }

  /// Whether the file is a log by its first bytes, whatever it is called.
  static func isLog(_ path: FilePath) throws -> Bool {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: headLength)
    return head.count == headLength && magic(head.span) != nil
  }

  /// The first number of a log, whose last bit tells the order of bytes in its checksums.
  private static func magic(_ head: Span<UInt8>) -> Int? {
    let magic = Bytes.number(head, 0, 4)
    return magic & ~1 == 0x377F_0682 ? magic : nil
  }

  /// Reads the log of the database at `path`. Nil where there is none, or its head is damaged.
  init?(of path: FilePath) throws {
    guard try Self.exists(beside: path) else { return nil }
    let file = try InputFile(opening: Self.path(of: path))
    var head = ByteBuffer()
    let length = try file.read(at: 0, into: &head, atMost: Self.headLength)
    guard length == Self.headLength else { return nil }
    guard let magic = Self.magic(head.span) else { return nil }
    let size = Bytes.number(head.span, 8, 4)
    guard PageFile.isSize(size) else { return nil }
    var sum = Checksum(isBigEndian: magic & 1 == 1)
    sum.add(head.span.extracting(0..<24))
    guard sum.isStored(in: head.span, at: 24) else { return nil }
    var pending: [Int: Int] = [:]
    var committed: [Int: Int] = [:]
    var count = 0
    var at = Self.headLength
    var frame = ByteBuffer()
    func read() throws -> Bool {
      frame.removeAll()
      return try file.read(at: at, into: &frame, atMost: 24 + size) == 24 + size
    }
    // Frames of the log before this one have other salts.
    func isOfThisLog() -> Bool {
      Bytes.number(frame.span, 8, 8) == Bytes.number(head.span, 16, 8)
    }
    while try read(), isOfThisLog() {
      let bytes = frame.span
      sum.add(bytes.extracting(0..<8))
      sum.add(bytes.extracting(24..<24 + size))
      guard sum.isStored(in: bytes, at: 16) else { break }
      let page = Bytes.number(bytes, 0, 4)
      if page > 0 { pending[page] = at + 24 }
      if Bytes.number(bytes, 4, 4) > 0 {
        count = Bytes.number(bytes, 4, 4)
        committed.merge(pending) { $1 }
        pending = [:]
      }
      at += 24 + size
    }
    pageSize = size
    pages = committed
    pageCount = count
    // A writer that died leaves frames that are not whole; a commit behind those says that it was
    // damage, and came later.
    let failed = at
    var lost: [Int: Int] = [:]
    while try read() {
      let bytes = frame.span
      guard isOfThisLog() else {
        sum.take(from: bytes, at: 16)
        at += 24 + size
        continue
      }
      var follows = sum
      follows.add(bytes.extracting(0..<8))
      follows.add(bytes.extracting(24..<24 + size))
      sum.take(from: bytes, at: 16)
      let isCommit = Bytes.number(bytes, 4, 4) > 0
      let page = Bytes.number(bytes, 0, 4)
      if page > 0, follows.isStored(in: bytes, at: 16) { pending[page] = at + 24 }
      if at > failed, isCommit {
        lost.merge(pending) { $1 }
        pending = [:]
      }
      at += 24 + size
    }
    damage = lost.isEmpty ? nil : failed
    behind = lost
  }

  private struct Checksum {
    var a = 0
    var b = 0
    let isBigEndian: Bool

    init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

    mutating func add(_ bytes: Span<UInt8>) {
      var at = 0
      while at + 8 <= bytes.count {
        a = (a + word(bytes, at) + b) & 0xFFFF_FFFF
        b = (b + word(bytes, at + 4) + a) & 0xFFFF_FFFF
        at += 8
      }
    }

    mutating func take(from bytes: Span<UInt8>, at: Int) {
      (a, b) = (Bytes.number(bytes, at, 4), Bytes.number(bytes, at + 4, 4))
    }

    func isStored(in bytes: Span<UInt8>, at: Int) -> Bool {
      a == Bytes.number(bytes, at, 4) && b == Bytes.number(bytes, at + 4, 4)
    }

    private func word(_ bytes: Span<UInt8>, _ at: Int) -> Int {
      let number = Bytes.number(bytes, at, 4)
      return isBigEndian ? number : Int(UInt32(truncatingIfNeeded: number).byteSwapped)
    }
  }
}
