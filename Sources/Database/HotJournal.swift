import Disk
import LosslessJSON
import SystemPackage

/// The rollback journal of a transaction that died (sqlite.org/fileformat2.html, 3): the pages as
/// they were before it.
struct HotJournal {
  /// Bytes of a page.
  let pageSize: Int
  /// Pages of the database before the transaction.
  let pageCount: Int
  /// Where in the journal the content of a page lies, by its number.
  private var places: [UInt32: Int] = [:]
  private let path: FilePath

  private static let magic: [UInt8] = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]

  /// Reads what the journal at `path` holds, as far as SQLite itself would play it back. Nil
  /// where there is nothing to be made of it.
  init?(_ path: FilePath) throws {
    self.path = path
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var head = ByteBuffer()
    guard try file.read(at: 0, into: &head, atMost: 28) == 28, Self.isHeader(head) else {
      return nil
    }
    let sector = Self.number(head, 20)
    pageCount = Self.number(head, 16)
    pageSize = Self.number(head, 24)
    guard (512...65_536).contains(pageSize), (32...65_536).contains(sector),
      try !Self.namesOther(file, size)
    else { return nil }
    var at = 0
    var page = ByteBuffer()
    while at + sector <= size {
      head.removeAll()
      _ = try file.read(at: at, into: &head, atMost: 28)
      guard head.count == 28, Self.isHeader(head) else { break }
      at += sector
      let nonce = UInt32(truncatingIfNeeded: Self.number(head, 12))
      var count = Self.number(head, 8)
      // What a program writes that does not wait for the disk.
      if count == 0xFFFF_FFFF { count = (size - at) / (pageSize + 8) }
      for _ in 0..<count {
        page.removeAll()
        guard try file.read(at: at, into: &page, atMost: pageSize + 8) == pageSize + 8 else {
          return
        }
        let sum = UInt32(truncatingIfNeeded: Self.number(page, pageSize + 4))
        guard Self.checksum(page, nonce, pageSize) == sum else { return }
        let number = UInt32(truncatingIfNeeded: Self.number(page, 0))
        if places[number] == nil { places[number] = at + 4 }
        at += pageSize + 8
      }
      at = (at + sector - 1) / sector * sector
    }
  }

  private static func isHeader(_ head: ByteBuffer) -> Bool {
    (0..<8).allSatisfy { head[$0] == magic[$0] }
  }

  private static func number(_ bytes: ByteBuffer, _ at: Int) -> Int {
    (0..<4).reduce(0) { $0 << 8 | Int(bytes[at + $1]) }
  }

  /// Every two hundredth byte of the page, from its end.
  private static func checksum(_ record: ByteBuffer, _ nonce: UInt32, _ pageSize: Int) -> UInt32 {
    var sum = nonce
    for at in stride(from: pageSize - 200, to: 0, by: -200) { sum &+= UInt32(record[4 + at]) }
    return sum
  }

  /// Whether the transaction spans several databases: then it takes more than this journal to say
  /// whether it was finished.
  private static func namesOther(_ file: borrowing InputFile, _ size: Int) throws -> Bool {
    guard size >= 8 else { return false }
    var tail = ByteBuffer()
    _ = try file.read(at: size - 8, into: &tail, atMost: 8)
    return size > 512 && tail.count == 8 && isHeader(tail)
  }

  /// Appends the database `main`, as it was before the transaction, to `spill`.
  func restore(_ main: FilePath, into spill: SpillFile) throws {
    let database = try InputFile(opening: main)
    let journal = try InputFile(opening: path)
    var page = ByteBuffer()
    for index in 0..<pageCount {
      page.removeAll()
      let place = places[UInt32(truncatingIfNeeded: index + 1)]
      let count =
        try place.map { try journal.read(at: $0, into: &page, atMost: pageSize) }
        ?? database.read(at: index * pageSize, into: &page, atMost: pageSize)
      guard count == pageSize else {
        throw DatabaseError(
          .damaged, "ends before the \(pageCount) pages that its journal names",
          path: main.string)
      }
      try spill.append(page.span)
    }
  }
}
