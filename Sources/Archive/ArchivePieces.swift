import Disk
import LosslessJSON
import SystemPackage

/// The content of a damaged archive, piece by piece, whatever of it can be decompressed.
package enum ArchivePieces {
  package enum Piece {
    /// Content of the archive, right by its checksum where it has one. `range` is where it is
    /// stored; empty for all but the last of several pieces of one frame.
    case content(ByteBuffer, range: Range<Int>, startsFrame: Bool)
    /// What a frame that is damaged decompresses to: any of it may be wrong, from its first byte,
    /// and nothing tells what. `isCut` where it only ends too soon, because the file does: then it
    /// is what it says unless there is other damage. The gap behind it says where it is stored.
    case unproven(ByteBuffer, isCut: Bool, startsFrame: Bool)
    /// Bytes of which nothing more can be had. `contentSize` is how much content they stand for,
    /// where that is known.
    case gap(range: Range<Int>, reason: String, contentSize: Int?)
  }

  /// Hands out all pieces in the order of the file; their ranges cover it. Damage is never an
  /// error here; throws `ContentLimitError` where the file unpacks to more than it may.
  package static func read(_ path: FilePath, _ take: (Piece) throws -> Void) throws {
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var content = 0
    func body(_ piece: Piece) throws {
      switch piece {
      case .content(let bytes, _, _), .unproven(let bytes, _, _): content += bytes.count
      case .gap: break
      }
      try ContentLimit.check(content, of: path, size: size)
      try take(piece)
    }
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 512)
    let name = path.lastComponent?.string ?? ""
    let isGzip = head.count >= 2 && head[0] == 0x1F && head[1] == 0x8B
    if isGzip || (name.hasSuffix(".gz") && !Tar.opens(head.span)) {
      return try readGzip(file, size, body)
    }
    if Self.isPlain(head.span, name) { return try readPlain(file, size, body) }
    let archive: ArchiveFile
    do throws(ArchiveError) { archive = try ArchiveFile(framesOf: path) } catch {
      guard error.code == .notArchive else { throw error }
      return try readPlain(file, size, body)
    }
    try readFrames(archive, body)
  }

  /// Whether the pieces of the file are its very bytes, by the first of them and by its name.
  package static func isPlain(_ path: FilePath) throws -> Bool {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 512)
    return isPlain(head.span, path.lastComponent?.string ?? "")
  }

  private static func isPlain(_ head: Span<UInt8>, _ name: String) -> Bool {
    let isGzip = head.count >= 2 && head[0] == 0x1F && head[1] == 0x8B
    return !isGzip && (Tar.opens(head) || (name.hasSuffix(".tar") && !FrameWalk.opens(head)))
  }

  private static func readPlain(
    _ file: borrowing InputFile, _ size: Int, _ body: (Piece) throws -> Void
  ) throws {
    var at = 0
    while at < size {
      var bytes = ByteBuffer()
      let count = try file.read(at: at, into: &bytes, atMost: min(1 << 20, size - at))
      if count == 0 { break }
      try body(.content(bytes, range: at..<at + count, startsFrame: at == 0))
      at += count
    }
  }

  // MARK: Zstandard

  private static func readFrames(_ archive: ArchiveFile, _ body: (Piece) throws -> Void) throws {
    var reader = try archive.frameReader()
    var at = 0
    func gap(_ end: Int, _ reason: String, _ contentSize: Int? = nil) throws {
      if end > at {
        try body(.gap(range: at..<end, reason: reason, contentSize: contentSize))
      }
      at = max(at, end)
    }
    /// What lies between frames: damage, or frames that say nothing.
    func skip(to offset: Int) throws {
      let reason = archive.damage.first { $0.offset < offset && $0.offset + $0.length > at }?.reason
      if let reason {
        try gap(offset, reason)
      } else if offset > at {
        try body(.content(ByteBuffer(), range: at..<offset, startsFrame: false))
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
            try body(.content(bytes, range: hidden.offset..<hidden.end, startsFrame: true))
            at = hidden.end
          } catch let error as ArchiveError {
            guard [.damaged, .truncated, .tooLarge].contains(error.code) else { throw error }
          }
        }
        let isOne = at == frame.offset
        let produced = try isOne ? decodeUnproven(frame, &reader, body) : 0
        let left =
          FrameReader.isSmall(frame) ? frame.contentSize.map { max(0, $0 - produced) } : nil
        try gap(frame.end, error.message, isOne ? left : nil)
      }
    }
    if let last = archive.damage.last, last.reason == FrameWalk.cutOff, last.offset >= at {
      try skip(to: last.offset)
      let rest = Frame(
        offset: last.offset, length: last.length, contentOffset: nil, contentSize: nil)
      try decodeUnproven(rest, &reader, body)
    }
    try skip(to: archive.size)
  }

  /// What there is of a frame whose checksum is wrong or was never reached. Returns its size.
  @discardableResult private static func decodeUnproven(
    _ frame: Frame, _ reader: inout FrameReader, _ body: (Piece) throws -> Void
  ) throws -> Int {
    let step = 64 << 10
    var sound = 0
    var isCut = false
    var bytes = ByteBuffer()
    reader.start(frame)
    do throws(ArchiveError) {
      while true {
        let count = try reader.next(into: &bytes, atMost: step)
        if count == 0 { break }
        sound += count
        bytes.removeAll()
      }
    } catch { isCut = error.code == .truncated }
    // A step that fails hands out nothing of what it did before: the last ones are short.
    reader.start(frame)
    bytes.removeAll()
    var (produced, handedOut) = (0, 0)
    while true {
      let before = bytes.count
      do throws(ArchiveError) {
        _ = try reader.next(
          into: &bytes, atMost: produced < sound ? min(step, sound - produced) : 1)
      } catch {}
      let count = bytes.count - before
      produced += count
      if count == 0 || bytes.count >= step, !bytes.isEmpty {
        try body(.unproven(bytes, isCut: isCut, startsFrame: handedOut == 0))
        handedOut += bytes.count
        bytes = ByteBuffer()
      }
      if count == 0 { return produced }
    }
  }

  private static func decode(
    _ frame: Frame, _ reader: inout FrameReader, _ body: (Piece) throws -> Void
  ) throws {
    var bytes = ByteBuffer()
    let range = frame.offset..<frame.end
    if FrameReader.isSmall(frame) {
      try reader.decode(frame, into: &bytes)
      return try body(.content(bytes, range: range, startsFrame: true))
    }
    // A large frame, of another program: read once to know whether it holds.
    try reader.verify(frame)
    reader.start(frame)
    var isFirst = true
    while true {
      bytes = ByteBuffer()
      let count = try reader.next(into: &bytes, atMost: 1 << 20)
      if count == 0 { break }
      try body(.content(bytes, range: frame.offset..<frame.offset, startsFrame: isFirst))
      isFirst = false
    }
    try body(.content(ByteBuffer(), range: range, startsFrame: false))
  }

  // MARK: Gzip

  /// Gzip members are found by their magic number and decompressed one by one; each is checked
  /// by its own CRC before any of it is handed out as content.
  private static func readGzip(
    _ file: borrowing InputFile, _ size: Int, _ body: (Piece) throws -> Void
  ) throws {
    let starts = try memberStarts(file, size)
    var at = 0
    var contentSize: Int?
    func gap(_ end: Int, _ reason: String) throws {
      if end > at {
        try body(.gap(range: at..<end, reason: reason, contentSize: contentSize))
        contentSize = nil
      }
      at = max(at, end)
    }
    for (index, start) in starts.enumerated() where start >= at {
      var found: (bytes: ByteBuffer, end: Int)?
      // What looks like a start may lie inside a member.
      for last in index + 1..<min(index + 6, starts.count + 1) {
        let end = last < starts.count ? starts[last] : size
        if let bytes = try member(file, start..<end) {
          found = (bytes, end)
          break
        }
      }
      if let found {
        try gap(start, "the gzip data is damaged")
        try body(
          .content(found.bytes, range: start..<found.end, startsFrame: true))
        at = found.end
        contentSize = nil
        continue
      }
      // Behind a member that is whole another one starts; elsewhere its header must tell.
      let isStart = try start == at || startsLikeOurs(file, start)
      if !isStart { continue }
      try gap(start, "the gzip data is damaged")
      let end = index + 1 < starts.count ? starts[index + 1] : size
      let total = try statedSize(file, start..<end)
      // Read once to know whether it holds.
      var produced = 0
      var sum = CRC32()
      var inflate = Inflate(try InputFile.reopened(file.path), start..<size)
      let outcome = try inflate.run { bytes in
        produced += bytes.count
        sum.add(bytes.span)
      }
      var wholeEnd: Int?
      if case .complete(let end) = outcome, try hasTrailer(file, end, sum, produced) {
        wholeEnd = end + 8
      }
      let isCut = try isCut(file, outcome, starts[(index + 1)...], size, produced)
      var isFirst = true
      inflate = Inflate(try InputFile.reopened(file.path), start..<size)
      _ = try inflate.run { bytes in
        try body(
          wholeEnd == nil
            ? .unproven(bytes, isCut: isCut, startsFrame: isFirst)
            : .content(bytes, range: start..<start, startsFrame: isFirst))
        isFirst = false
      }
      if let wholeEnd {
        // A long one, of another program.
        try body(.content(ByteBuffer(), range: start..<wholeEnd, startsFrame: false))
        at = wholeEnd
        continue
      }
      contentSize = total.flatMap { $0 >= produced ? $0 - produced : nil }
    }
    try gap(size, "the gzip data is damaged, or the file ends inside of it")
  }

  /// Whether a member only ends too soon. Damaged data may go on to the end of the file too: then
  /// there are other members behind it, or it ends in its length.
  private static func isCut(
    _ file: borrowing InputFile, _ outcome: Inflate.Outcome, _ starts: ArraySlice<Int>,
    _ size: Int, _ produced: Int
  ) throws -> Bool {
    switch outcome {
    case .damaged: return false
    case .complete(let end): return end + 8 > size
    case .cut: break
    }
    for (position, start) in starts.enumerated() {
      let following = Array(starts.dropFirst(position + 1).prefix(5)) + [size]
      for end in following where try member(file, start..<end) != nil { return false }
    }
    var tail = ByteBuffer()
    guard try file.read(at: max(0, size - 4), into: &tail, atMost: 4) == 4 else { return true }
    let stated = tail.span.littleEndian(at: 0, count: 4)
    return !(produced / 4...produced * 4).contains(stated)
  }

  /// Whether the checksum and the length at `offset` are those of the content.
  private static func hasTrailer(
    _ file: borrowing InputFile, _ offset: Int, _ sum: CRC32, _ count: Int
  ) throws -> Bool {
    var tail = ByteBuffer()
    guard try file.read(at: offset, into: &tail, atMost: 8) == 8 else { return false }
    return tail.span.littleEndian(at: 0, count: 4) == Int(sum.value)
      && tail.span.littleEndian(at: 4, count: 4) == count & 0xFFFF_FFFF
  }

  /// Whether a member at `start` has the header that ours have: no name, no time.
  private static func startsLikeOurs(_ file: borrowing InputFile, _ start: Int) throws -> Bool {
    var head = ByteBuffer()
    _ = try file.read(at: start, into: &head, atMost: 8)
    return head.count == 8 && (3..<8).allSatisfy { head[$0] == 0 }
  }

  /// The length of its content that a member of ours ends in, if that is what `range` is; nil where
  /// it says what cannot be.
  private static func statedSize(_ file: borrowing InputFile, _ range: Range<Int>) throws -> Int? {
    guard range.count >= 18 else { return nil }
    var tail = ByteBuffer()
    _ = try file.read(at: range.upperBound - 4, into: &tail, atMost: 4)
    let size = tail.count == 4 ? tail.span.littleEndian(at: 0, count: 4) : 0
    return size > 0 && size <= Frame.contentLimit ? size : nil
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
  /// range.
  private static func member(_ file: borrowing InputFile, _ range: Range<Int>) throws
    -> ByteBuffer?
  {
    var stored = ByteBuffer()
    if range.count > 64 << 20 { return nil }
    _ = try file.read(at: range.lowerBound, into: &stored, atMost: range.count)
    var content = ByteBuffer()
    do {
      let reader = try LibArchiveReader(BufferStream(stored))
      try reader.openGzip()
      while try reader.read(into: &content, atMost: 1 << 20) > 0 {}
      if reader.consumed != stored.count { return nil }
    } catch let error as ArchiveError {
      guard error.cause == nil else { throw error }
      return nil
    }
    var sum = CRC32()
    sum.add(content.span)
    return try hasTrailer(file, range.upperBound - 8, sum, content.count) ? content : nil
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
private struct CRC32 {
  private static let table: [UInt32] = (0..<256).map { start in
    (0..<8).reduce(UInt32(start)) { word, _ in
      word & 1 == 1 ? 0xEDB8_8320 ^ (word >> 1) : word >> 1
    }
  }

  private var sum: UInt32 = 0xFFFF_FFFF

  var value: UInt32 { ~sum }

  mutating func add(_ bytes: Span<UInt8>) {
    let table = Self.table
    var sum = sum
    for index in bytes.indices {
      sum = table[Int(truncatingIfNeeded: (sum ^ UInt32(bytes[index])) & 0xFF)] ^ (sum >> 8)
    }
    self.sum = sum
  }
}
