import Disk
import LosslessJSON
import Records
import SystemPackage

/// What the write-ahead log beside a database holds (sqlite.org/fileformat2.html, 4).
package struct WriteAheadLog {
  /// Bytes of a page of the database that it belongs to.
  package let pageSize: Int
  /// The newest committed version of each page: its offset in the log. Frames count up to the
  /// last commit before which salts and checksums hold, as they do for SQLite.
  package let pages: [Int: Int]
  /// Pages that the database has after the last commit.
  package let pageCount: Int
  /// Where a frame does not have the checksum that it should have, though it is of this log: SQLite
  /// takes nothing from there on. Nil where there is none; what a writer did not finish is none. 0
  /// where the head is what is damaged.
  package let damage: Int?
  /// The newest version of each page that was committed behind the damage, in frames that are whole:
  /// each has the checksum that follows from the one stored in the frame before.
  package let behind: [Int: Int]

  package static func path(of database: FilePath) -> FilePath { FilePath(database.string + "-wal") }

  /// Bytes before the first frame.
  private static let headLength = 32

  /// Whether there is anything in the log of a database: no more than its head is nothing, as SQLite
  /// sees it too.
  package static func exists(beside database: FilePath) throws -> Bool {
    guard let facts = try FileFacts(at: path(of: database)) else { return false }
    return facts.isRegular && facts.size > headLength
  }

  /// Whether the file is a log by its first bytes, whatever it is called.
  package static func isLog(_ path: FilePath) throws -> Bool {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: headLength)
    return head.count == headLength && magic(head.span) != nil
  }

  private static func isSize(_ size: Int) -> Bool {
    (512...65_536).contains(size) && size & (size - 1) == 0
  }

  /// The first number of a log, whose last bit tells the order of bytes in its checksums.
  private static func magic(_ head: Span<UInt8>) -> Int? {
    let magic = BigEndian.number(head, 0, 4)
    return magic & ~1 == 0x377F_0682 ? magic : nil
  }

  /// What the head of a log says of its frames.
  private struct Head {
    var pageSize: Int
    /// In each frame of this log, and in none of one before it.
    var salts: Int
    /// What the checksum of the first frame goes on from; nil where the head is damaged.
    var sum: Checksum?
    var isBigEndian: Bool

    /// Nil for a damaged one.
    init?(_ head: Span<UInt8>) {
      guard head.count == headLength, let magic = magic(head) else { return nil }
      pageSize = BigEndian.number(head, 8, 4)
      salts = BigEndian.number(head, 16, 8)
      isBigEndian = magic & 1 == 1
      var sum = Checksum(isBigEndian: isBigEndian)
      sum.add(head.extracting(0..<24))
      guard isSize(pageSize), sum.isStored(in: head, at: 24) else { return nil }
      self.sum = sum
    }

    /// What the frames tell of a damaged head: of the first ones, two have one salt, and the checksum
    /// of the second follows from that of the first. Nil where none do.
    init?(framesOf file: borrowing InputFile) throws {
      for shift in 9...16 {
        for isBigEndian in [false, true] {
          let length = 24 + 1 << shift
          var before = ByteBuffer()
          for index in 0..<Self.frameLimit {
            var frame = ByteBuffer()
            let at = headLength + index * length
            guard try file.read(at: at, into: &frame, atMost: length) == length else { break }
            let salts = BigEndian.number(frame.span, 8, 8)
            if !before.isEmpty, salts != 0, salts == BigEndian.number(before.span, 8, 8) {
              var sum = Checksum(isBigEndian: isBigEndian)
              sum.take(from: before.span, at: 16)
              sum.add(frame: frame.span)
              if sum.isStored(in: frame.span, at: 16) {
                (pageSize, self.salts, self.isBigEndian) = (1 << shift, salts, isBigEndian)
                return
              }
            }
            before = frame
          }
        }
      }
      return nil
    }

    /// Frames that are asked for a damaged head: more than one sector holds heads of.
    private static let frameLimit = 8
  }

  /// Reads the log of the database at `path`. Nil where there is none, or its head is damaged and no
  /// frames tell what was in it.
  package init?(of path: FilePath) throws {
    guard try Self.exists(beside: path) else { return nil }
    let file = try InputFile(opening: Self.path(of: path))
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: Self.headLength)
    guard let head = try Head(bytes.span) ?? Head(framesOf: file) else { return nil }
    let size = head.pageSize
    var sum = head.sum ?? Checksum(isBigEndian: head.isBigEndian)
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
      BigEndian.number(frame.span, 8, 8) == head.salts
    }
    while head.sum != nil, try read(), isOfThisLog() {
      let bytes = frame.span
      sum.add(frame: bytes)
      guard sum.isStored(in: bytes, at: 16) else { break }
      let page = BigEndian.number(bytes, 0, 4)
      if page > 0 { pending[page] = at + 24 }
      if BigEndian.number(bytes, 4, 4) > 0 {
        count = BigEndian.number(bytes, 4, 4)
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
      follows.add(frame: bytes)
      sum.take(from: bytes, at: 16)
      let isCommit = BigEndian.number(bytes, 4, 4) > 0
      let page = BigEndian.number(bytes, 0, 4)
      if page > 0, follows.isStored(in: bytes, at: 16) { pending[page] = at + 24 }
      if at > failed, isCommit {
        lost.merge(pending) { $1 }
        pending = [:]
      }
      at += 24 + size
    }
    damage = head.sum == nil ? 0 : lost.isEmpty ? nil : failed
    behind = lost
  }

  /// What a database lacks for damage to the log beside it, which SQLite says nothing about; nil where
  /// there is no such damage. A log that is being written may look so for a moment: it is asked again.
  package static func finding(of path: FilePath) throws -> Finding? {
    var place: Int?
    for attempt in 0..<3 {
      guard try exists(beside: path) else { return nil }
      let log: WriteAheadLog?
      do { log = try WriteAheadLog(of: path) } catch let error as DiskError
        where error.code == .notFound
      {
        // The last program that had it open has taken it away.
        return nil
      }
      // One that no head and no frames tell anything of.
      guard let now = log.map({ $0.damage }) ?? 0, place == nil || now == place else { return nil }
      place = now
      if attempt < 2 { Clock.sleep(seconds: 0.05) }
    }
    return Finding(
      .error, .unreadable,
      "the log beside it, NAME-wal, is damaged at byte \(place ?? 0): SQLite takes nothing of what was "
        + "committed from there on; holdfast salvage keeps apart what it can read of it",
      path: path.string)
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

    /// The parts of a frame that its checksum goes over.
    mutating func add(frame: Span<UInt8>) {
      add(frame.extracting(0..<8))
      add(frame.extracting(24..<frame.count))
    }

    mutating func take(from bytes: Span<UInt8>, at: Int) {
      (a, b) = (BigEndian.number(bytes, at, 4), BigEndian.number(bytes, at + 4, 4))
    }

    func isStored(in bytes: Span<UInt8>, at: Int) -> Bool {
      a == BigEndian.number(bytes, at, 4) && b == BigEndian.number(bytes, at + 4, 4)
    }

    private func word(_ bytes: Span<UInt8>, _ at: Int) -> Int {
      let value = BigEndian.number(bytes, at, 4)
      return isBigEndian ? value : Int(UInt32(truncatingIfNeeded: value).byteSwapped)
    }
  }
}

/// The numbers in a log.
private enum BigEndian {
  static func number(_ bytes: Span<UInt8>, _ at: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for index in at..<at + count { value = value << 8 | UInt64(bytes[index]) }
    return Int(truncatingIfNeeded: value)
  }
}
