import Disk
import LosslessJSON

/// Decompresses frames of one zstd file, in any order. One owner, one thread; a second thread
/// takes a reader of its own.
package struct FrameReader: ~Copyable {
  private let file: InputFile
  private let decompressor: ZstandardDecompressor
  private var input = ByteBuffer()
  private var taken = 0
  private var current: Frame?
  private var fetched = 0
  private var produced = 0

  init(_ file: consuming InputFile) throws(ArchiveError) {
    do throws(ZstandardError) {
      decompressor = try ZstandardDecompressor()
    } catch { throw ArchiveError(.failed, error.message, path: file.path) }
    self.file = file
  }

  /// True where a frame is small enough to be checked whole before a byte of it is used.
  static func isSmall(_ frame: Frame) -> Bool {
    guard let size = frame.contentSize, size <= Frame.contentLimit else { return false }
    return frame.length <= 2 * Frame.contentLimit
  }

  /// Appends the whole content of a frame, checksum and size verified; `output` is as it was
  /// before when this throws. Throws `damaged` with the frame's offset in the file, `tooLarge`
  /// for a frame that is not known to hold 4 MiB at most: such a frame is read by `content`.
  package mutating func decode(_ frame: Frame, into output: inout ByteBuffer) throws(ArchiveError) {
    guard Self.isSmall(frame), let contentSize = frame.contentSize else {
      throw ArchiveError(
        .tooLarge, "a frame of more than \(Frame.contentLimit) bytes, or of unknown size",
        path: file.path, offset: frame.offset)
    }
    current = nil
    input.removeAll()
    guard try fill(from: frame.offset, atMost: frame.length) == frame.length else {
      throw damaged(frame, .truncated, "the file ends inside a frame")
    }
    do throws(ZstandardError) {
      try decompressor.decompress(input.span, contentSize: contentSize, into: &output)
    } catch { throw damaged(frame, .damaged, error.message) }
  }

  /// Decompresses a frame of any size and keeps nothing of it: throws `damaged` unless its
  /// content comes to the size it says and has the checksum it says.
  package mutating func verify(_ frame: Frame) throws(ArchiveError) {
    var scratch = ByteBuffer()
    start(frame)
    while try next(into: &scratch, atMost: 128 << 10) > 0 { scratch.removeAll() }
  }

  /// Begins to stream a frame of any size.
  mutating func start(_ frame: Frame) {
    decompressor.reset()
    input.removeAll()
    taken = 0
    current = frame
    fetched = 0
    produced = 0
  }

  /// Appends up to `limit` (at least 1) further bytes of the frame that was started; 0 only at
  /// its end, when size and checksum are verified.
  mutating func next(into output: inout ByteBuffer, atMost limit: Int) throws(ArchiveError) -> Int {
    while let frame = current {
      if taken == input.count, fetched < frame.length {
        input.removeAll()
        taken = 0
        let wanted = min(128 << 10, frame.length - fetched)
        guard try fill(from: frame.offset + fetched, atMost: wanted) == wanted else {
          throw damaged(frame, .truncated, "the file ends inside a frame")
        }
        fetched += wanted
      }
      let step: (consumed: Int, produced: Int, atEnd: Bool)
      do throws(ZstandardError) {
        step = try decompressor.step(
          input.span.extracting(taken..<input.count), into: &output, atMost: limit)
      } catch { throw damaged(frame, .damaged, error.message) }
      taken += step.consumed
      produced += step.produced
      if step.atEnd {
        guard taken == input.count, fetched == frame.length else {
          throw damaged(frame, .damaged, "the content ends before the frame does")
        }
        if let size = frame.contentSize, size != produced {
          throw damaged(frame, .damaged, "content of another size than the frame says")
        }
        current = nil
      } else if step.consumed == 0, step.produced == 0, fetched == frame.length {
        throw damaged(frame, .truncated, "the frame ends before its content does")
      }
      if step.produced > 0 { return step.produced }
    }
    return 0
  }

  private mutating func fill(from offset: Int, atMost limit: Int) throws(ArchiveError) -> Int {
    do throws(DiskError) {
      return try file.read(at: offset, into: &input, atMost: limit)
    } catch { throw ArchiveError(error) }
  }

  private func damaged(_ frame: Frame, _ code: ArchiveError.Code, _ reason: String) -> ArchiveError
  {
    ArchiveError(
      code, "cannot decompress the frame: \(reason.lowercased())", path: file.path,
      offset: frame.offset)
  }
}
