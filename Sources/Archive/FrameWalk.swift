import Disk
import LosslessJSON
import SystemPackage

/// Finds zstd frames by their headers and the sizes of their blocks, without decompressing.
/// Format: RFC 8878, sections 3.1.1 and 3.1.2.
struct FrameWalk: ~Copyable {
  /// What stands at an offset of the file.
  enum Piece {
    case frame(Frame)
    case skippable(length: Int)
  }

  private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
  /// The most a block may hold, compressed or not.
  private static let blockLimit = 128 << 10
  /// A frame found by searching is believed up to this many blocks, which bounds the work that
  /// each false start can cost. Frames of ours have 33 at most.
  private static let searchedBlocks = 4096

  private let file: InputFile
  private let size: Int
  private var buffer = ByteBuffer()
  /// What the search for a magic number looks at, kept from one false start to the next.
  private var window = ByteBuffer()
  private var windowStart = 0
  private(set) var frames: [Frame] = []
  private(set) var damage: [DamagedRange] = []
  /// Why there is no frame where the file ends too soon.
  static let cutOff = "the file ends inside a frame"

  init(_ file: consuming InputFile, size: Int) {
    self.file = file
    self.size = size
  }

  /// True where `start` can be the beginning of a zstd file.
  static func opens(_ start: Span<UInt8>) -> Bool {
    start.count >= 4 && (isMagic(start, 0) || isSkippable(start))
  }

  private static func isMagic(_ bytes: Span<UInt8>, _ at: Int) -> Bool {
    bytes[at] == magic[0] && bytes[at + 1] == magic[1] && bytes[at + 2] == magic[2]
      && bytes[at + 3] == magic[3]
  }

  private static func isSkippable(_ bytes: Span<UInt8>) -> Bool {
    bytes[0] & 0xF0 == 0x50 && bytes[1] == 0x2A && bytes[2] == 0x4D && bytes[3] == 0x18
  }

  /// Walks the whole file; afterwards `frames` and `damage` with the skippable frames between
  /// them cover it.
  mutating func run() throws(ArchiveError) { try run(from: 0, to: size, contentOffset: 0) }

  /// Looks inside a frame that does not decompress for frames that its broken block sizes hide.
  mutating func run(inside frame: Frame) throws(ArchiveError) {
    let start = try search(from: frame.offset + 1)
    try run(from: start, to: frame.end, contentOffset: nil)
  }

  private mutating func run(from start: Int, to limit: Int, contentOffset: Int?)
    throws(ArchiveError)
  {
    var offset = start
    var contentOffset = contentOffset
    var searching = false
    while offset < limit {
      do throws(ArchiveError) {
        switch try piece(at: offset, searching: searching) {
        case .skippable(let length): offset += length
        case .frame(var frame):
          frame.contentOffset = contentOffset
          if let start = contentOffset, let count = frame.contentSize {
            let (end, overflow) = start.addingReportingOverflow(count)
            contentOffset = overflow ? nil : end
          } else {
            contentOffset = nil
          }
          frames.append(frame)
          offset = frame.end
        }
        searching = false
      } catch {
        guard error.code == .damaged || error.code == .truncated else { throw error }
        let next = try search(from: offset + 1)
        if searching, let last = damage.last, last.offset + last.length == offset {
          damage[damage.count - 1].length += next - offset
        } else {
          damage.append(
            DamagedRange(offset: offset, length: next - offset, reason: error.message))
        }
        contentOffset = nil
        offset = next
        searching = true
      }
    }
  }

  /// The next place at or after `offset` where a plausible frame starts, or the end of the file.
  private mutating func search(from offset: Int) throws(ArchiveError) -> Int {
    var candidate = offset
    while let found = try nextMagic(from: candidate) {
      do throws(ArchiveError) {
        _ = try piece(at: found, searching: true)
        return found
      } catch {
        guard error.code == .damaged || error.code == .truncated else { throw error }
        candidate = found + 1
      }
    }
    return size
  }

  private mutating func nextMagic(from offset: Int) throws(ArchiveError) -> Int? {
    var start = offset
    while start + 4 <= size {
      if start < windowStart || start + 4 > windowStart + window.count {
        windowStart = start
        var fresh = ByteBuffer()
        swap(&fresh, &window)
        fresh.removeAll()
        try read(at: start, 64 << 10, into: &fresh)
        swap(&fresh, &window)
        if window.count < 4 { return nil }
      }
      let bytes = window.span
      for index in (start - windowStart)...(bytes.count - 4) where Self.isMagic(bytes, index) {
        return windowStart + index
      }
      start = windowStart + bytes.count - 3
    }
    return nil
  }

  /// The frame at `offset`. Throws `damaged` or `truncated` where there can be none.
  ///
  /// A broken block size can lead the walk over good frames that follow. So a frame with
  /// something else than a frame behind it is believed only if it decompresses.
  private mutating func piece(at offset: Int, searching: Bool) throws(ArchiveError) -> Piece {
    let piece = try walk(at: offset, blockCount: searching ? Self.searchedBlocks : nil)
    guard case .frame(let frame) = piece, frame.end < size else { return piece }
    let count = try read(at: frame.end, 4)
    if count == 4, Self.opens(buffer.span) { return piece }
    var reader = try FrameReader(InputFile.reopened(file.path))
    try reader.verify(frame)
    return piece
  }

  private mutating func walk(at offset: Int, blockCount: Int?) throws(ArchiveError) -> Piece {
    func truncated() -> ArchiveError {
      ArchiveError(.truncated, Self.cutOff, path: file.path, offset: offset)
    }
    func damaged(_ reason: String) -> ArchiveError {
      ArchiveError(.damaged, reason, path: file.path, offset: offset)
    }
    guard try read(at: offset, 18) >= 8 else { throw truncated() }
    if Self.isSkippable(buffer.span) {
      let length = 8 + buffer.span.littleEndian(at: 4, count: 4)
      guard offset + length <= size else { throw truncated() }
      return .skippable(length: length)
    }
    guard Self.isMagic(buffer.span, 0) else { throw damaged("no frame starts here") }
    guard let header = FrameHeader(buffer.span) else { throw damaged("broken frame header") }
    var position = offset + header.length
    var remaining = blockCount
    let blockLimit = min(header.windowSize, Self.blockLimit)
    // The most that the blocks can hold, which bounds what the frame may claim to hold.
    var mostContent = 0
    while true {
      guard try read(at: position, 3) == 3 else { throw truncated() }
      let block = buffer.span.littleEndian(at: 0, count: 3)
      let length = block >> 3
      guard length <= blockLimit else { throw damaged("a block of impossible size") }
      switch block >> 1 & 3 {
      case 0:
        position += 3 + length
        mostContent += length
      case 1:
        position += 4
        mostContent += length
      case 2:
        position += 3 + length
        mostContent += blockLimit
      default: throw damaged("a block of impossible type")
      }
      if block & 1 == 1 { break }
      if let left = remaining {
        guard left > 1 else { throw damaged("more blocks than are believed after damage") }
        remaining = left - 1
      }
    }
    if header.hasChecksum { position += 4 }
    guard position <= size else { throw truncated() }
    guard header.contentSize ?? 0 <= mostContent else {
      throw damaged("a frame that claims more content than its blocks can hold")
    }
    return .frame(
      Frame(
        offset: offset, length: position - offset, contentOffset: nil,
        contentSize: header.contentSize))
  }

  private mutating func read(at offset: Int, _ count: Int) throws(ArchiveError) -> Int {
    var fresh = ByteBuffer()
    swap(&fresh, &buffer)
    fresh.removeAll()
    try read(at: offset, count, into: &fresh)
    swap(&fresh, &buffer)
    return buffer.count
  }

  private borrowing func read(at offset: Int, _ count: Int, into buffer: inout ByteBuffer)
    throws(ArchiveError)
  {
    let wanted = max(0, min(count, size - offset))
    do throws(DiskError) {
      _ = try file.read(at: offset, into: &buffer, atMost: wanted)
    } catch { throw ArchiveError(error) }
  }
}

/// The header of a zstd frame: RFC 8878, section 3.1.1.1.
struct FrameHeader {
  /// Bytes, magic number included.
  let length: Int
  let hasChecksum: Bool
  /// No block is larger, compressed or not.
  let windowSize: Int
  /// Nil where the frame does not say, or names a size beyond `Int.max`.
  let contentSize: Int?

  /// Nil where `bytes` cannot be a header, or end too soon.
  init?(_ bytes: Span<UInt8>) {
    guard bytes.count > 4 else { return nil }
    let descriptor = bytes[4]
    let isSingleSegment = descriptor & 0x20 != 0
    if descriptor & 0x08 != 0 { return nil }  // reserved, must be zero
    hasChecksum = descriptor & 0x04 != 0
    let dictionaryLength = [0, 1, 2, 4][Int(descriptor & 3)]
    let sizeLength = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    let sizeStart = 5 + (isSingleSegment ? 0 : 1) + dictionaryLength
    length = sizeStart + sizeLength
    guard length <= bytes.count else { return nil }
    if sizeLength == 8, bytes[sizeStart + 7] >= 0x80 { return nil }
    let stored = bytes.littleEndian(at: sizeStart, count: sizeLength)
    let size = stored + (sizeLength == 2 ? 256 : 0)
    contentSize = sizeLength == 0 ? nil : size
    let base = 1 << (10 + Int(bytes[5] >> 3))
    windowSize = isSingleSegment ? size : base + base / 8 * Int(bytes[5] & 7)
  }
}

extension Span<UInt8> {
  /// The number in `count` bytes, up to 8, the lowest first.
  func littleEndian(at start: Int, count: Int) -> Int {
    var number: UInt64 = 0
    for index in 0..<count { number |= UInt64(self[start + index]) << (8 * UInt64(index)) }
    return Int(truncatingIfNeeded: number)
  }
}

extension InputFile {
  /// The file at `path`, opened once more, for a second reader.
  static func reopened(_ path: FilePath) throws(ArchiveError) -> InputFile {
    do throws(DiskError) { return try InputFile(opening: path) } catch {
      throw ArchiveError(error)
    }
  }
}
