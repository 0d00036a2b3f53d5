import Disk
import LosslessJSON
import SystemPackage

/// What the rollback journal beside a database holds: pages as they were before a transaction that
/// did not end (sqlite.org/fileformat2.html, 3).
struct RollbackJournal {
  /// Bytes of a page of the database that it belongs to.
  let pageSize: Int
  /// Where each page stands in the journal.
  let pages: [Int: Int]
  /// Pages that the database had before the transaction.
  let pageCount: Int
  /// Whether what was written durably does not read back as it was written. SQLite takes nothing from
  /// there on; here a page counts as far as it can be read, for what lies in the database instead was
  /// never committed.
  let isDamaged: Bool

  static func path(of database: FilePath) -> FilePath { FilePath(database.string + "-journal") }

  private static let magic: [UInt8] = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]

  /// Reads the journal of the database at `path`. Nil where there is none, or its transaction has
  /// ended: then its head is gone.
  init?(of path: FilePath) throws {
    let place = Self.path(of: path)
    guard let facts = try FileFacts(at: place), facts.isRegular, facts.size > 28 else { return nil }
    let file = try InputFile(opening: place)
    var found: [Int: Int] = [:]
    var size = 0
    var count = 0
    var at = 0
    var isDamaged = false
    while at + 28 <= facts.size {
      var head = ByteBuffer()
      guard try file.read(at: at, into: &head, atMost: 28) == 28,
        head.array.prefix(8).elementsEqual(Self.magic)
      else { break }
      let sector = Bytes.number(head.span, 20, 4)
      let named = Bytes.number(head.span, 24, 4)
      guard PageFile.isSize(named), sector >= 28, sector <= 65536 else { break }
      if at == 0 { (size, count) = (named, Bytes.number(head.span, 16, 4)) }
      guard named == size, count > 0 else { break }
      let stated = Bytes.number(head.span, 8, 4)
      at += sector
      var left = stated == 0xFFFF_FFFF ? Int.max : stated
      while left > 0 {
        var record = ByteBuffer()
        guard try file.read(at: at, into: &record, atMost: size + 8) == size + 8 else { break }
        let bytes = record.span
        var sum = Bytes.number(head.span, 12, 4)
        for place in stride(from: size - 200, to: 0, by: -200) { sum += Int(bytes[4 + place]) }
        if sum & 0xFFFF_FFFF != Bytes.number(bytes, 4 + size, 4) {
          // Where the head does not count the pages, they may not have been written to their end.
          if stated == 0xFFFF_FFFF { break }
          isDamaged = true
        }
        let page = Bytes.number(bytes, 0, 4)
        // The first version is the oldest.
        if page > 0, page <= count, found[page] == nil { found[page] = at + 4 }
        at += size + 8
        left -= 1
      }
      if left > 0 {
        isDamaged = isDamaged || stated != 0xFFFF_FFFF
        break
      }
      at = (at + sector - 1) / sector * sector
    }
    guard !found.isEmpty else { return nil }
    pageSize = size
    pages = found
    pageCount = count
    self.isDamaged = isDamaged
  }
}
