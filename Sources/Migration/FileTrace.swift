import Disk
import LosslessJSON
import Records
import Stores

/// The bytes of one file as a reader takes the records from them, kept until it is known which of
/// them are records and which lie between two.
final class FileTrace {
  /// Position in the tree.
  let file: Int
  private var stream: ByteStream?
  private var pending = ByteBuffer()
  /// Offset of the first byte of `pending`.
  private var base = 0
  /// What lies before this offset has been accounted for.
  private(set) var cursor = 0
  private var hasher = Hasher256()
  /// Bytes read so far.
  var size: Int { hasher.count }
  /// Records so far.
  private(set) var records = 0
  /// What stands between the first record and the second, and is expected before all others.
  private(set) var separator: [UInt8]?
  private static let separatorLimit = 64

  init(_ file: Int, _ stream: ByteStream) {
    self.file = file
    self.stream = stream
  }

  /// The stream that a reader gets.
  func tap() -> ByteStream { ByteStream { try self.read(into: &$0, atMost: $1) } }

  private func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    guard let stream else { return 0 }
    let before = buffer.count
    let count = try stream.read(into: &buffer, atMost: limit)
    let bytes = buffer.span.extracting(before..<before + count)
    hasher.update(bytes)
    pending.append(bytes)
    return count
  }

  /// What stands in front of a record.
  enum Gap: Equatable {
    /// What is expected there.
    case usual
    case other([UInt8])
    /// The record is not behind the one before it.
    case backwards
  }

  /// Accounts for a record of `length` bytes at `offset`.
  func pass(_ offset: Int, _ length: Int) -> Gap {
    let range = cursor - base..<max(cursor, offset) - base
    guard offset >= cursor, range.upperBound + length <= pending.count else { return .backwards }
    let gap: Gap
    if records > 1, let separator, matches(range, separator) {
      gap = .usual
    } else {
      let bytes = range.map { pending[$0] }
      if records == 1 { separator = bytes.count <= Self.separatorLimit ? bytes : [] }
      gap = bytes == (records == 0 ? [] : separator) ? .usual : .other(bytes)
    }
    records += 1
    cursor = offset + length
    if cursor - base > 1 << 20 {
      pending.removeFirst(cursor - base)
      base = cursor
    }
    return gap
  }

  private func matches(_ range: Range<Int>, _ bytes: [UInt8]) -> Bool {
    guard range.count == bytes.count else { return false }
    for index in bytes.indices where pending[range.lowerBound + index] != bytes[index] {
      return false
    }
    return true
  }

  /// Reads the file to its end; `body` borrows what lies behind the last record, in pieces.
  /// Returns the hash of the whole. Call once.
  func finish(_ body: (Span<UInt8>) throws -> Void) throws -> Hash256 {
    var scrap = ByteBuffer()
    func hand() throws {
      let rest = pending
      pending = ByteBuffer()
      var at = cursor - base
      while at < rest.count {
        let end = min(rest.count, at + (1 << 20))
        try body(rest.span.extracting(at..<end))
        at = end
      }
      base += rest.count
      cursor = base
    }
    try hand()
    while try read(into: &scrap, atMost: 1 << 20) > 0 {
      scrap.removeAll()
      try hand()
    }
    stream = nil
    return hasher.finish()
  }
}
