import Disk
import LosslessJSON
import SystemPackage

/// The pages of a SQLite database as the last committed state has them, read without SQLite
/// (format: sqlite.org/fileformat2.html).
final class PageFile {
  let pageSize: Int
  /// Bytes at the end of each page that hold no cells.
  let reserved: Int
  let pageCount: Int
  /// Whether the header of the file is one.
  let hasHeader: Bool
  /// Pages that the header says there are, where the file has fewer; else 0.
  let missingPages: Int
  let isUTF16: Bool
  let isBigEndian: Bool
  private let path: FilePath
  /// Where the write-ahead log has newer versions of pages: offsets in it.
  private let newer: [Int: Int]
  private let log: FilePath

  init(_ path: FilePath) throws {
    self.path = path
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 100)
    while head.count < 100 { head.append(0) }
    let bytes = head.span
    var named = Bytes.number(bytes, 16, 2)
    if named == 1 { named = 65536 }
    let isMagic = TextBytes.starts(bytes, "SQLite format 3\0")
    let isSize = named >= 512 && named <= 65536 && named & (named - 1) == 0
    hasHeader = isMagic && isSize
    pageSize = hasHeader ? named : try Self.inferSize(path, size, hint: isSize ? named : nil)
    reserved = hasHeader ? Int(bytes[20]) : 0
    let encoding = hasHeader ? Bytes.number(bytes, 56, 4) : 1
    isUTF16 = encoding == 2 || encoding == 3
    isBigEndian = encoding == 3
    log = FilePath(path.string + "-wal")
    newer = try Self.readLog(log, pageSize)
    let stated = hasHeader ? Bytes.number(bytes, 28, 4) : 0
    missingPages = newer.isEmpty ? max(0, stated - size / pageSize) : 0
    pageCount = max((size + pageSize - 1) / pageSize, newer.keys.max() ?? 0)
  }

  var usable: Int { pageSize - reserved }

  /// The page of this number, counted from 1; short at the end of a cut file.
  func page(_ number: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    if let offset = newer[number] {
      _ = try InputFile(opening: log).read(at: offset, into: &bytes, atMost: pageSize)
    } else {
      _ = try InputFile(opening: path).read(
        at: (number - 1) * pageSize, into: &bytes, atMost: pageSize)
    }
    return bytes
  }

  /// The free pages by the list that the header names; nil where that is lost.
  func freePages() throws -> Set<Int> {
    guard hasHeader else { return [] }
    let first = try page(1)
    guard first.count >= 100 else { return [] }
    var trunk = Bytes.number(first.span, 32, 4)
    var found: Set<Int> = []
    while trunk > 0, trunk <= pageCount, found.insert(trunk).inserted {
      let bytes = try page(trunk)
      guard bytes.count >= 8 else { break }
      let count = min(Bytes.number(bytes.span, 4, 4), (bytes.count - 8) / 4)
      for index in 0..<count { found.insert(Bytes.number(bytes.span, 8 + 4 * index, 4)) }
      trunk = Bytes.number(bytes.span, 0, 4)
    }
    return found
  }

  /// The size with which most pages look like leaves of tables.
  private static func inferSize(_ path: FilePath, _ size: Int, hint: Int?) throws -> Int {
    let file = try InputFile(opening: path)
    var best = (size: hint ?? 4096, score: 0)
    for candidate in [4096, 1024, 512, 2048, 8192, 16384, 32768, 65536] {
      var score = 0
      for number in 1..<min(400, max(2, size / candidate)) {
        var page = ByteBuffer()
        _ = try file.read(at: number * candidate, into: &page, atMost: candidate)
        if fills(page.span, candidate) { score += candidate }
      }
      if score > best.score { best = (candidate, score) }
    }
    return best.size
  }

  /// Whether the cells of a page reach into its second half and none beyond its end.
  private static func fills(_ page: Span<UInt8>, _ size: Int) -> Bool {
    guard page.count == size, [0x0D, 0x05, 0x0A, 0x02].contains(page[0]) else { return false }
    let cells = Bytes.number(page, 3, 2)
    let pointers = page[0] < 0x0A ? 12 : 8
    guard cells > 0, pointers + 2 * cells <= size else { return false }
    var last = 0
    for cell in 0..<cells { last = max(last, Bytes.number(page, pointers + 2 * cell, 2)) }
    return last >= size / 2 && last < size
  }

  /// Frames of the log up to its last commit, as far as salts and checksums hold.
  private static func readLog(_ path: FilePath, _ pageSize: Int) throws -> [Int: Int] {
    guard try FileFacts(at: path)?.isRegular == true else { return [:] }
    let file = try InputFile(opening: path)
    var head = ByteBuffer()
    guard try file.read(at: 0, into: &head, atMost: 32) == 32 else { return [:] }
    let magic = Bytes.number(head.span, 0, 4)
    guard magic & ~1 == 0x377F_0682, Bytes.number(head.span, 8, 4) == pageSize else { return [:] }
    var sum = Checksum(isBigEndian: magic & 1 == 1)
    sum.add(head.span.extracting(0..<24))
    guard sum.a == Bytes.number(head.span, 24, 4), sum.b == Bytes.number(head.span, 28, 4) else {
      return [:]
    }
    var pending: [Int: Int] = [:]
    var committed: [Int: Int] = [:]
    var at = 32
    while true {
      var frame = ByteBuffer()
      guard try file.read(at: at, into: &frame, atMost: 24 + pageSize) == 24 + pageSize else {
        break
      }
      let bytes = frame.span
      guard Bytes.number(bytes, 8, 8) == Bytes.number(head.span, 16, 8) else { break }
      sum.add(bytes.extracting(0..<8))
      sum.add(bytes.extracting(24..<24 + pageSize))
      guard sum.a == Bytes.number(bytes, 16, 4), sum.b == Bytes.number(bytes, 20, 4) else { break }
      pending[Bytes.number(bytes, 0, 4)] = at + 24
      if Bytes.number(bytes, 4, 4) > 0 {
        committed.merge(pending) { $1 }
        pending = [:]
      }
      at += 24 + pageSize
    }
    return committed
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

    private func word(_ bytes: Span<UInt8>, _ at: Int) -> Int {
      let number = Bytes.number(bytes, at, 4)
      return isBigEndian ? number : Int(UInt32(truncatingIfNeeded: number).byteSwapped)
    }
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
