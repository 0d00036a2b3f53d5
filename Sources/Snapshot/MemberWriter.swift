import Archive
import Disk
import LosslessJSON
import Records

/// Writes the content of members into a spill as frames, hashing it on the way. The archive is
/// put together from them afterwards, since a manifest that comes first must know what follows.
final class MemberWriter {
  /// A stretch of the spill: whole frames, in order.
  struct Stretch {
    var start: Int
    var end: Int
  }

  /// Half of what a frame may hold, for the sake of memory: two writers work at once.
  private static let frameLimit = 2 << 20

  private let spill: SpillFile
  private let frames: FrameWriter
  private var hasher = Hasher256()
  private var memberStart = 0
  /// Where each frame lies in the spill; several writers may share one.
  private let places: Places

  private final class Places {
    var stretches: [Stretch] = []
  }

  init(_ pool: CompressionPool, spill: SpillFile) {
    self.spill = spill
    let places = Places()
    self.places = places
    frames = FrameWriter(pool, contentLimit: Self.frameLimit) { frame in
      let start = spill.count
      try spill.append(frame)
      places.stretches.append(Stretch(start: start, end: spill.count))
    }
  }

  /// Bytes written to the member that is open.
  var count: Int { hasher.count }

  func write(_ bytes: Span<UInt8>) throws {
    hasher.update(bytes)
    try frames.write(bytes)
  }

  func write(_ text: StaticString) throws { try write(ByteBuffer(text).span) }

  /// Makes the next byte start a frame.
  func cut() throws { try frames.cut() }

  /// Ends the member: pads it as tar wants it and ends its last frame.
  func endMember() throws -> (size: Int, sha256: Hash256) {
    let result = (size: hasher.count, sha256: hasher.finish())
    let padding = [UInt8](repeating: 0, count: Tar.padding(after: result.size))
    try frames.write(padding.span)
    try frames.cut()
    hasher = Hasher256()
    return result
  }

  /// Content bytes since the first member, padding included.
  var contentSize: Int { frames.contentSize }

  /// Ends everything; then `stretches(from:to:)` knows where the frames are.
  func finish() throws { try frames.finish() }

  /// The frames that hold the content from `start` to `end`, both at a cut.
  func stretches(from start: Int, to end: Int) -> [Stretch] {
    var result: [Stretch] = []
    for (frame, place) in zip(frames.frames, places.stretches) {
      guard let at = frame.contentOffset, at >= start, at < end else { continue }
      if let last = result.last, last.end == place.start {
        result[result.count - 1].end = place.end
      } else {
        result.append(place)
      }
    }
    return result
  }
}
