import Disk
import LosslessJSON
import SystemPackage

/// An archive on disk, and what its outer form says of it. A value: every reader made from it
/// opens the file anew, so that several can work at once on threads of their own.
package struct ArchiveFile: Sendable {
  package enum Format: Sendable, Equatable { case zstd, gzip, tar }

  package let path: FilePath
  /// What the file is, by its content.
  package let format: Format
  /// Bytes of the file.
  package let size: Int
  /// The zstd frames in order; empty for gzip and plain tar, which have none that can be found
  /// without reading everything.
  package let frames: [Frame]
  /// The stretches of a zstd file between and behind `frames` where no frame can be. Damage
  /// inside a frame shows only when it is decoded. Empty for gzip and plain tar.
  package let damage: [DamagedRange]
  private let facts: FileFacts
  private let isOwn: Bool

  /// Opens an archive and, for zstd, finds its frames without decompressing them. A damaged
  /// zstd file opens as long as one frame can be found. Throws `notArchive` for a file that is
  /// no archive, `failed` with the cause where it cannot be read.
  /// - Parameter isOwn: this run has written it, so that `ContentLimit` is not for it.
  package init(opening path: FilePath, isOwn: Bool = false) throws(ArchiveError) {
    try self.init(path, isFrames: false, isOwn: isOwn)
  }

  /// Opens what is known to be zstd frames, be its start whatever it is: NULs too, which would pass
  /// for an empty tar file.
  init(framesOf path: FilePath) throws(ArchiveError) {
    try self.init(path, isFrames: true, isOwn: false)
  }

  private init(_ path: FilePath, isFrames: Bool, isOwn: Bool) throws(ArchiveError) {
    self.isOwn = isOwn
    let file = try InputFile.reopened(path)
    var start = ByteBuffer()
    do throws(DiskError) {
      facts = try file.facts()
      _ = try file.read(at: 0, into: &start, atMost: 2 * Tar.blockSize)
    } catch { throw ArchiveError(error) }
    self.path = path
    size = facts.size
    if !isFrames, start.count >= 2, start[0] == 0x1F, start[1] == 0x8B {
      (format, frames, damage) = (.gzip, [], [])
      return
    }
    if !isFrames, Tar.opens(start.span) {
      (format, frames, damage) = (.tar, [], [])
      return
    }
    // Neither: then zstd, be it damaged at the start.
    var walk = FrameWalk(file, size: facts.size)
    try walk.run()
    guard !walk.frames.isEmpty || FrameWalk.opens(start.span) else {
      throw ArchiveError(
        .notArchive, facts.size == 0 ? "is empty" : "is neither zstd, gzip nor tar", path: path)
    }
    (format, frames, damage) = (.zstd, walk.frames, walk.damage)
  }

  /// How many bytes the whole archive decompresses to, where that is known without doing it:
  /// not for gzip, not for a damaged file, not where a frame does not say.
  package var contentSize: Int? {
    switch format {
    case .tar: return size
    case .gzip: return nil
    case .zstd:
      guard damage.isEmpty else { return nil }
      guard let last = frames.last else { return 0 }
      guard let start = last.contentOffset, let count = last.contentSize else { return nil }
      let (end, overflow) = start.addingReportingOverflow(count)
      return overflow ? nil : end
    }
  }

  /// The first damage that starts in `range`.
  func damage(in range: Range<Int>) -> DamagedRange? {
    var low = 0
    var high = damage.count
    while low < high {
      let middle = (low + high) / 2
      if damage[middle].offset < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    guard low < damage.count, range.contains(damage[low].offset) else { return nil }
    return damage[low]
  }

  /// The file, opened once more; throws `changed` where it is not the same any more.
  private func reopened() throws(ArchiveError) -> InputFile {
    let file = try InputFile.reopened(path)
    let now: FileFacts
    do throws(DiskError) { now = try file.facts() } catch { throw ArchiveError(error) }
    guard now == facts else {
      throw ArchiveError(.changed, "was changed or replaced while it was read", path: path)
    }
    return file
  }

  /// Throws `ContentLimitError` at once where it is known that the archive unpacks to more than it
  /// may, else when it has.
  func stream() throws -> any ContentStream {
    let file = try reopened()
    let stream: any ContentStream
    switch format {
    case .tar: return PlainStream(file, size: size)
    case .gzip: stream = try GzipStream(file, size: size)
    case .zstd: stream = try ZstandardStream(self, file)
    }
    if isOwn { return stream }
    guard let contentSize else { return LimitedStream(stream, of: path, size: size) }
    try ContentLimit.check(contentSize, of: path, size: size)
    return stream
  }

  /// The content from byte `start` on, `count` bytes of it, or all to the end. Nothing is read
  /// before the reader's first `read`.
  package func content(from start: Int = 0, count: Int? = nil) throws -> ContentReader {
    precondition(start >= 0 && count ?? 0 >= 0)
    do { return ContentReader(try stream(), path: path, from: start, count: count) } catch {
      throw located(error)
    }
  }

  /// A reader for single frames of a zstd file, to be used by one thread.
  package func frameReader() throws(ArchiveError) -> FrameReader {
    try FrameReader(try reopened())
  }

  /// The verified content of one frame of up to 4 MiB; see `FrameReader.decode`.
  package func decode(_ frame: Frame) throws(ArchiveError) -> ByteBuffer {
    var reader = try frameReader()
    var content = ByteBuffer()
    try reader.decode(frame, into: &content)
    return content
  }

  /// The frames that start inside a frame that does not decode: where a size in it is broken,
  /// the search for frames may have stepped over them. None has a known content offset.
  package func framesHidden(in frame: Frame) throws(ArchiveError) -> [Frame] {
    var walk = FrameWalk(try reopened(), size: size)
    try walk.run(inside: frame)
    return walk.frames
  }

  /// Names this file in an error of the room that names none.
  func located(_ error: any Error) -> any Error {
    guard var error = error as? ArchiveError, error.path == nil else { return error }
    error.path = path
    return error
  }
}

extension Tar {
  /// True for a tar header with the right checksum, and for the end mark of an empty archive.
  static func opens(_ start: Span<UInt8>) -> Bool {
    guard start.count >= blockSize else { return false }
    var sum = 0
    var any: UInt8 = 0
    for index in 0..<blockSize {
      any |= start[index]
      sum += (148..<156).contains(index) ? 0x20 : Int(start[index])
    }
    if any == 0 { return start.count == 2 * blockSize }
    var stored = 0
    for index in 148..<156 where (0x30...0x37).contains(start[index]) {
      stored = stored * 8 + Int(start[index] - 0x30)
    }
    return stored == sum
  }
}
