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
  /// Where a long stretch without a record waits: the bytes from `spillStart` to `base`.
  private var spill: SpillFile?
  private var spillStart = 0
  private static let memoryLimit = 8 << 20
  /// Bytes that a gap is handed out in, and kept in.
  private static let pieceSize = 1 << 20
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
    if pending.count > Self.memoryLimit { try spillOver() }
    return count
  }

  /// Moves what is in memory to a nameless file.
  private func spillOver() throws {
    let file: SpillFile
    if let spill {
      file = spill
    } else {
      file = try SpillFile(in: SpillFile.standardDirectory)
      spillStart = base
      spill = file
    }
    let bytes = pending
    try file.append(bytes.span)
    base += bytes.count
    pending = ByteBuffer()
  }

  /// Lends the bytes of a range of the file that has been read and not yet accounted for, in
  /// pieces.
  func lend(_ range: Range<Int>, _ body: (Span<UInt8>) throws -> Void) throws {
    var at = range.lowerBound
    while at < range.upperBound {
      var end = min(range.upperBound, at + Self.pieceSize)
      if at < base, let spill {
        end = min(end, base)
        var piece = ByteBuffer()
        try spill.read(at: at - spillStart, into: &piece, count: end - at)
        try body(piece.span)
      } else {
        let bytes = pending
        try body(bytes.span.extracting(at - base..<end - base))
      }
      at = end
    }
  }

  /// What stands in front of a record.
  enum Gap: Equatable {
    /// What is expected there.
    case usual
    /// Other bytes: those of this range of the file, to be had from `lend` before the next record.
    case other(Range<Int>)
    /// The record is not behind the one before it.
    case backwards
  }

  /// Accounts for a record of `length` bytes at `offset`.
  func pass(_ offset: Int, _ length: Int) throws -> Gap {
    forgetPassed()
    let range = cursor..<max(cursor, offset)
    guard offset >= cursor, range.upperBound + length <= base + pending.count else {
      return .backwards
    }
    var gap = Gap.other(range)
    if range.count <= Self.separatorLimit {
      if records == 1 { separator = try bytes(range) }
      let usual = records == 0 ? [] : separator
      if let usual, try matches(range, usual) { gap = .usual }
    } else if records == 1 {
      separator = []
    }
    records += 1
    cursor = offset + length
    return gap
  }

  /// Gives back the memory of what has been accounted for.
  private func forgetPassed() {
    if cursor >= base, spill != nil { spill = nil }
    guard cursor - base > Self.pieceSize else { return }
    pending.removeFirst(cursor - base)
    base = cursor
  }

  private func bytes(_ range: Range<Int>) throws -> [UInt8] {
    var bytes = ByteBuffer()
    try lend(range) { bytes.append($0) }
    return bytes.array
  }

  private func matches(_ range: Range<Int>, _ wanted: [UInt8]) throws -> Bool {
    guard range.count == wanted.count else { return false }
    if range.lowerBound < base { return try bytes(range) == wanted }
    for index in wanted.indices where pending[range.lowerBound - base + index] != wanted[index] {
      return false
    }
    return true
  }

  /// Reads the file to its end; `body` borrows what lies behind the last record, in pieces.
  /// Returns the hash of the whole. Call once.
  func finish(_ body: (Span<UInt8>) throws -> Void) throws -> Hash256 {
    var scrap = ByteBuffer()
    func hand() throws {
      let end = base + pending.count
      try lend(cursor..<end, body)
      pending = ByteBuffer()
      spill = nil
      base = end
      cursor = end
    }
    try hand()
    while try read(into: &scrap, atMost: Self.pieceSize) > 0 {
      scrap.removeAll()
      try hand()
    }
    stream = nil
    return hasher.finish()
  }
}
