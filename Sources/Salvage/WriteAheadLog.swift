import Disk
import LosslessJSON
import SystemPackage

/// What the write-ahead log of a database holds (sqlite.org/fileformat2.html, 4).
enum WriteAheadLog {
  /// The newest committed version of each page: its offset in the log. Frames count up to the
  /// last commit before which salts and checksums hold.
  static func pages(_ path: FilePath, pageSize: Int) throws -> [Int: Int] {
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
      let page = Bytes.number(bytes, 0, 4)
      if page > 0 { pending[page] = at + 24 }
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
