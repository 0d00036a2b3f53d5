import Disk
import LosslessJSON

/// The content of an archive from front to back, whatever compresses it. One owner, one thread.
protocol ContentStream: AnyObject {
  /// Appends up to `limit` bytes (at least 1); returns how many, 0 only at the end.
  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int
  /// Moves on by `count` bytes, or fewer at the end; returns by how many.
  func skip(_ count: Int) throws -> Int
}

extension ContentStream {
  func skipByReading(_ count: Int) throws -> Int {
    var scratch = ByteBuffer()
    var skipped = 0
    while skipped < count {
      scratch.removeAll()
      let read = try read(into: &scratch, atMost: min(128 << 10, count - skipped))
      if read == 0 { break }
      skipped += read
    }
    return skipped
  }
}

/// A file that is its own content, or the compressed side of a `GzipStream`.
final class PlainStream: ContentStream {
  private let file: InputFile
  private let size: Int
  private var offset = 0

  init(_ file: consuming InputFile, size: Int) {
    self.file = file
    self.size = size
  }

  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let wanted = min(limit, size - offset)
    let count: Int
    do throws(DiskError) {
      count = try file.read(at: offset, into: &buffer, atMost: wanted)
    } catch { throw ArchiveError(error) }
    guard count == wanted else {
      throw ArchiveError(
        .changed, "the file became shorter while it was read", path: file.path,
        offset: offset + count)
    }
    offset += count
    return count
  }

  func skip(_ count: Int) -> Int {
    let skipped = min(count, size - offset)
    offset += skipped
    return skipped
  }
}

/// The content of a gzip file, through libarchive. Its decompressor does not compare the
/// checksum of a gzip member: whoever needs certainty compares hashes of the content.
final class GzipStream: ContentStream {
  private let reader: LibArchiveReader
  private let size: Int

  /// `size`: of the compressed file.
  init(_ file: consuming InputFile, size: Int) throws {
    self.size = size
    reader = try LibArchiveReader(PlainStream(file, size: size))
    try reader.openGzip()
  }

  /// The most bytes that a gzip file without content has, a name in its header aside.
  private static let emptyLimit = 64

  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    // libarchive takes data that break off in the first block it decompresses for no data.
    if reader.isEmpty, size > Self.emptyLimit {
      throw ArchiveError(.damaged, "the gzip data are damaged before any of them can be read")
    }
    let count = reader.isEmpty ? 0 : try reader.read(into: &buffer, atMost: limit)
    // libarchive takes whatever is no gzip header for the end.
    if count == 0, reader.consumed != size {
      throw ArchiveError(
        .damaged, "something that is not gzip follows the gzip data", offset: reader.consumed)
    }
    return count
  }

  func skip(_ count: Int) throws -> Int { try skipByReading(count) }
}

/// The content of a zstd file, frame by frame. Small frames are verified before any byte of
/// them is handed out, large ones when their end is reached.
final class ZstandardStream: ContentStream {
  private let archive: ArchiveFile
  private var reader: FrameReader
  /// The next frame to open.
  private var index = 0
  /// Where in the content the next byte stands.
  private var position = 0
  private var held = ByteBuffer()
  private var taken = 0
  private var isStreaming = false

  init(_ archive: ArchiveFile, _ file: consuming InputFile) throws(ArchiveError) {
    self.archive = archive
    reader = try FrameReader(file)
  }

  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    while true {
      if taken < held.count {
        let count = min(limit, held.count - taken)
        buffer.append(held.span.extracting(taken..<(taken + count)))
        taken += count
        position += count
        return count
      }
      if isStreaming {
        let count = try reader.next(into: &buffer, atMost: limit)
        position += count
        if count > 0 { return count }
        isStreaming = false
      }
      guard try open() else { return 0 }
    }
  }

  func skip(_ count: Int) throws -> Int {
    let (target, overflow) = position.addingReportingOverflow(count)
    guard !overflow else { return try skipByReading(count) }
    let start = position
    if target - position > held.count - taken { leap(to: target) }
    let leaped = position - start
    return leaped + (try skipByReading(count - leaped))
  }

  /// Leaves out whole frames, as far as it is known what they hold.
  private func leap(to target: Int) {
    var low = index
    var high = archive.frames.count
    // The last frame known to start at or before the target; unknown ones come last.
    while low < high {
      let middle = (low + high) / 2
      if let start = archive.frames[middle].contentOffset, start <= target {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low - 1 >= index, let start = archive.frames[low - 1].contentOffset else { return }
    index = low - 1
    position = start
    held.removeAll()
    taken = 0
    isStreaming = false
  }

  /// Opens the next frame; false at the end of the archive. Throws where damage comes first.
  private func open() throws(ArchiveError) -> Bool {
    let isLast = index == archive.frames.count
    let limit = isLast ? archive.size : archive.frames[index].offset
    let start = index == 0 ? 0 : archive.frames[index - 1].end
    if let damage = archive.damage(in: start..<limit) {
      throw ArchiveError(
        .damaged, damage.reason, path: archive.path, offset: damage.offset)
    }
    if isLast { return false }
    let frame = archive.frames[index]
    held.removeAll()
    taken = 0
    if FrameReader.isSmall(frame) {
      try reader.decode(frame, into: &held)
    } else {
      reader.start(frame)
      isStreaming = true
    }
    index += 1
    return true
  }
}
