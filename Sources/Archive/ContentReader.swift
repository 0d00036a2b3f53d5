import LosslessJSON
import SystemPackage

/// A stretch of an archive's content, decompressed while it is read; memory is bounded by one
/// frame of 4 MiB, or by the window of a larger one (128 MiB at most).
///
/// Frames of up to 4 MiB are verified before any byte of them comes out. A larger frame is
/// verified only when the stretch reaches its end, and gzip data is not verified at all beyond
/// what its decompressor notices.
package struct ContentReader: ByteSource, ~Copyable {
  private let stream: any ContentStream
  private let path: FilePath
  private let start: Int
  private let count: Int?
  private var isAtStart = false
  private var delivered = 0

  init(_ stream: any ContentStream, path: FilePath, from start: Int, count: Int?) {
    self.stream = stream
    self.path = path
    self.start = start
    self.count = count
  }

  /// Throws `damaged` with the frame's offset in the file, `truncated` where the content ends
  /// before the stretch does.
  package mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let wanted = count.map { min(limit, $0 - delivered) } ?? limit
    if wanted <= 0 { return 0 }
    do {
      if !isAtStart {
        isAtStart = true
        if try stream.skip(start) < start { throw ended() }
      }
      let received = try stream.read(into: &buffer, atMost: wanted)
      if received == 0, count != nil { throw ended() }
      delivered += received
      return received
    } catch var error as ArchiveError where error.path == nil {
      error.path = path
      throw error
    }
  }

  private func ended() -> ArchiveError {
    ArchiveError(
      .truncated, "the content ends before byte \(start + (count ?? 0)) of it", path: path)
  }
}
