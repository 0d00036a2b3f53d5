import LosslessJSON
import Synchronization
import SystemPackage

/// How much an archive may unpack to: one that somebody has made to fill a disk, or to keep a
/// processor busy for days, is refused before it does.
///
/// Zstandard makes 32,768 bytes of one at most, where a run of one byte is all that a file is. What is
/// not over a thousand times its archive is never refused, however large.
package enum ContentLimit {
  /// Bytes of content, of an archive of which they are more than `ratio` times the size.
  package static let standard = 8 << 30
  static let ratio = 1000
  private static let most = Atomic<Int>(standard)

  /// Sets the limit for the whole process.
  package static func set(_ bytes: Int) { most.store(bytes, ordering: .relaxed) }

  /// - Parameter size: of the archive, in bytes.
  static func check(_ content: Int, of path: FilePath, size: Int) throws(ContentLimitError) {
    let most = Self.most.load(ordering: .relaxed)
    let (expected, overflow) = max(size, 1).multipliedReportingOverflow(by: ratio)
    guard content > most, overflow || content > expected else { return }
    throw ContentLimitError(path: path, size: size, limit: max(most, overflow ? .max : expected))
  }
}

/// An archive unpacks to more than `ContentLimit` lets it.
package struct ContentLimitError: Error, CustomStringConvertible {
  package var path: FilePath
  /// Of the archive, in bytes.
  package var size: Int
  /// The bytes of content that it may have.
  package var limit: Int

  package var message: String {
    "unpacks to more than \(limit) bytes, though it has only \(size) itself"
  }
  package var hint: String { "where that is as it should be, allow more with --max-unpacked" }
  package var description: String { "\(path): \(message)" }
}

/// The content of an archive of which nothing says how much it is.
final class LimitedStream: ContentStream {
  private let stream: any ContentStream
  private let path: FilePath
  private let size: Int
  private var position = 0

  /// - Parameter size: of the archive, in bytes.
  init(_ stream: any ContentStream, of path: FilePath, size: Int) {
    self.stream = stream
    self.path = path
    self.size = size
  }

  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    try moved(stream.read(into: &buffer, atMost: limit))
  }

  /// In steps, so that what lies beyond the limit is not unpacked to be skipped.
  func skip(_ count: Int) throws -> Int {
    var skipped = 0
    while skipped < count {
      let step = try moved(stream.skip(min(1 << 30, count - skipped)))
      if step == 0 { break }
      skipped += step
    }
    return skipped
  }

  private func moved(_ count: Int) throws -> Int {
    position += count
    try ContentLimit.check(position, of: path, size: size)
    return count
  }
}
