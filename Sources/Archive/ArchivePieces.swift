import Disk
import LosslessJSON
import SystemPackage

/// The content of a damaged archive, piece by piece, whatever of it can be decompressed.
package enum ArchivePieces {
  package enum Piece {
    /// Content of the archive. `range` is where it is stored; empty for all but the last of
    /// several pieces of one frame. `isChecked` tells whether a checksum over it was right.
    case content(ByteBuffer, range: Range<Int>, isChecked: Bool, startsFrame: Bool)
    /// Bytes of which nothing can be had.
    case gap(range: Range<Int>, reason: String)
  }

  /// Hands out all pieces in the order of the file; their ranges cover it. Damage is never an
  /// error here.
  package static func read(_ path: FilePath, _ body: (Piece) throws -> Void) throws {
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 512)
    let name = path.lastComponent?.string ?? ""
    let isGzip = head.count >= 2 && head[0] == 0x1F && head[1] == 0x8B
    if isGzip || (name.hasSuffix(".gz") && !Tar.opens(head.span)) {
      return try readGzip(file, size, body)
    }
    if Tar.opens(head.span) || (name.hasSuffix(".tar") && !FrameWalk.opens(head.span)) {
      return try readPlain(file, size, body)
    }
    let archive: ArchiveFile
    do throws(ArchiveError) { archive = try ArchiveFile(opening: path) } catch {
      guard error.code == .notArchive else { throw error }
      return try readPlain(file, size, body)
    }
    try readFrames(archive, body)
  }

  private static func readPlain(
    _ file: borrowing InputFile, _ size: Int, _ body: (Piece) throws -> Void
  ) throws {
    var at = 0
    while at < size {
      var bytes = ByteBuffer()
      let count = try file.read(at: at, into: &bytes, atMost: min(1 << 20, size - at))
      if count == 0 { break }
      try body(.content(bytes, range: at..<at + count, isChecked: false, startsFrame: at == 0))
      at += count
    }
  }

  // MARK: Zstandard

  private static func readFrames(_ archive: ArchiveFile, _ body: (Piece) throws -> Void) throws {
    var reader = try archive.frameReader()
    var at = 0
    func gap(_ end: Int, _ reason: String) throws {
      if end > at { try body(.gap(range: at..<end, reason: reason)) }
      at = max(at, end)
    }
    /// What lies between frames: damage, or frames that say nothing.
    func skip(to offset: Int) throws {
      let reason = archive.damage.first { $0.offset < offset && $0.offset + $0.length > at }?.reason
      if let reason {
        try gap(offset, reason)
      } else if offset > at {
        try body(
          .content(ByteBuffer(), range: at..<offset, isChecked: true, startsFrame: false))
        at = offset
      }
    }
    for frame in archive.frames where frame.offset >= at {
      try skip(to: frame.offset)
      do {
        try decode(frame, &reader, body)
        at = frame.end
      } catch let error as ArchiveError {
        guard error.code == .damaged || error.code == .truncated else { throw error }
        for hidden in try archive.framesHidden(in: frame) where hidden.offset >= at {
          do {
            var bytes = ByteBuffer()
            try reader.decode(hidden, into: &bytes)
            try gap(hidden.offset, error.message)
            try body(
              .content(
                bytes, range: hidden.offset..<hidden.end, isChecked: true, startsFrame: true))
            at = hidden.end
          } catch let error as ArchiveError {
            guard [.damaged, .truncated, .tooLarge].contains(error.code) else { throw error }
          }
        }
        try gap(frame.end, error.message)
      }
    }
    if let last = archive.damage.last, last.reason == FrameWalk.cutOff, last.offset >= at {
      try skip(to: last.offset)
      try decodeStart(last, &reader, body)
    }
    try skip(to: archive.size)
  }

  /// What there is of a frame that the file ends in: sound as far as it goes, though no checksum
  /// covers it.
  private static func decodeStart(
    _ range: DamagedRange, _ reader: inout FrameReader, _ body: (Piece) throws -> Void
  ) throws {
    reader.start(
      Frame(offset: range.offset, length: range.length, contentOffset: nil, contentSize: nil))
    var isFirst = true
    while true {
      var bytes = ByteBuffer()
      do throws(ArchiveError) { _ = try reader.next(into: &bytes, atMost: 1 << 20) } catch {}
      if bytes.isEmpty { return }
      try body(
        .content(
          bytes, range: range.offset..<range.offset, isChecked: false, startsFrame: isFirst))
      isFirst = false
    }
  }

  private static func decode(
    _ frame: Frame, _ reader: inout FrameReader, _ body: (Piece) throws -> Void
  ) throws {
    var bytes = ByteBuffer()
    let range = frame.offset..<frame.end
    if FrameReader.isSmall(frame) {
      try reader.decode(frame, into: &bytes)
      return try body(.content(bytes, range: range, isChecked: true, startsFrame: true))
    }
    // A large frame, of another program: its content is handed out before it is checked whole.
    reader.start(frame)
    var isFirst = true
    while true {
      bytes = ByteBuffer()
      let count = try reader.next(into: &bytes, atMost: 1 << 20)
      if count == 0 { break }
      try body(
        .content(
          bytes, range: frame.offset..<frame.offset, isChecked: false, startsFrame: isFirst))
      isFirst = false
    }
    try body(.content(ByteBuffer(), range: range, isChecked: true, startsFrame: false))
  }

  // MARK: Gzip

  /// Gzip members are found by their magic number and decompressed one by one; each is checked
  /// by its own CRC.
  private static func readGzip(
    _ file: borrowing InputFile, _ size: Int, _ body: (Piece) throws -> Void
  ) throws {
    let starts = try memberStarts(file, size)
    var at = 0
    var index = 0
    while index < starts.count {
      let start = starts[index]
      if start < at {
        index += 1
        continue
      }
      var found: (bytes: ByteBuffer, end: Int)?
      // What looks like a start may lie inside a member.
      for last in index + 1..<min(index + 6, starts.count + 1) {
        let end = last < starts.count ? starts[last] : size
        if let bytes = try member(file, start..<end, mustBeWhole: true) {
          found = (bytes, end)
          break
        }
      }
      if found == nil, index == starts.count - 1 || starts.count == 1 {
        // The last one, cut off or of another program: as far as it goes.
        if let bytes = try member(file, start..<size, mustBeWhole: false), !bytes.isEmpty {
          if start > at { try body(.gap(range: at..<start, reason: "no gzip member is here")) }
          try body(
            .content(bytes, range: start..<start, isChecked: false, startsFrame: true))
          try body(.gap(range: start..<size, reason: "the gzip data is damaged or ends here"))
          return
        }
      }
      if let found {
        if start > at { try body(.gap(range: at..<start, reason: "no gzip member is here")) }
        try body(
          .content(found.bytes, range: start..<found.end, isChecked: true, startsFrame: true))
        at = found.end
      }
      index += 1
    }
    if at < size { try body(.gap(range: at..<size, reason: "the gzip data is damaged")) }
  }

  private static func memberStarts(_ file: borrowing InputFile, _ size: Int) throws -> [Int] {
    var starts: [Int] = []
    var at = 0
    var bytes = ByteBuffer()
    while at < size {
      bytes.removeAll()
      let count = try file.read(at: at, into: &bytes, atMost: 1 << 20)
      if count < 4 { break }
      let text = bytes.span
      var from = 0
      while let found = text.firstIndex(of: 0x1F, from: from) {
        from = found + 1
        guard found + 3 < text.count, text[found + 1] == 0x8B, text[found + 2] == 8,
          text[found + 3] < 0x20
        else { continue }
        starts.append(at + found)
      }
      if at + count >= size { break }
      at += count - 3
    }
    return starts
  }

  /// The content of the gzip member in `range`; nil where it is damaged, or is not the whole
  /// range, if that is asked for.
  private static func member(
    _ file: borrowing InputFile, _ range: Range<Int>, mustBeWhole: Bool
  ) throws -> ByteBuffer? {
    var stored = ByteBuffer()
    if range.count > 64 << 20, mustBeWhole { return nil }
    _ = try file.read(at: range.lowerBound, into: &stored, atMost: range.count)
    var content = ByteBuffer()
    do {
      let reader = try LibArchiveReader(BufferStream(stored))
      try reader.openGzip()
      while try reader.read(into: &content, atMost: 1 << 20) > 0 {}
      if mustBeWhole, reader.consumed != stored.count { return nil }
    } catch let error as ArchiveError {
      guard error.cause == nil else { throw error }
      return mustBeWhole ? nil : content
    }
    guard mustBeWhole else { return content }
    let text = stored.span
    guard text.count >= 18 else { return nil }
    let sum = text.littleEndian(at: text.count - 8, count: 4)
    let length = text.littleEndian(at: text.count - 4, count: 4)
    return sum == Int(CRC32.of(content.span)) && length == content.count & 0xFFFF_FFFF
      ? content : nil
  }
}

/// Bytes in memory as the compressed side of a stream.
private final class BufferStream: ContentStream {
  private let bytes: ByteBuffer
  private var at = 0

  init(_ bytes: ByteBuffer) { self.bytes = bytes }

  func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let held = bytes
    let count = min(limit, held.count - at)
    buffer.append(held.span.extracting(at..<at + count))
    at += count
    return count
  }

  func skip(_ count: Int) -> Int {
    let skipped = min(count, bytes.count - at)
    at += skipped
    return skipped
  }
}

/// The checksum of gzip: RFC 1952, section 8.
private enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { start in
    (0..<8).reduce(UInt32(start)) { word, _ in
      word & 1 == 1 ? 0xEDB8_8320 ^ (word >> 1) : word >> 1
    }
  }

  static func of(_ bytes: Span<UInt8>) -> UInt32 {
    var sum: UInt32 = 0xFFFF_FFFF
    let table = Self.table
    for index in bytes.indices {
      sum = table[Int(truncatingIfNeeded: (sum ^ UInt32(bytes[index])) & 0xFF)] ^ (sum >> 8)
    }
    return ~sum
  }
}
