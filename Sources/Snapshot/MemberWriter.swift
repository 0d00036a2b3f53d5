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

  /// A quarter of what a frame may hold, for the sake of memory: two writers work at once.
  private static let frameLimit = 1 << 20

  private let spill: SpillFile
  private let frames: FrameWriter
  private let lane = HashLane()
  /// Bytes that neither the hash nor the frames have seen yet.
  private var pending = ByteBuffer()
  /// Bytes written to the member that is open.
  private(set) var count = 0
  /// Where each frame lies in the spill; several writers may share one.
  private let places: Places

  private final class Places {
    /// In the order of the writer's own bytes; `offset` counts those before.
    private(set) var pieces: [(offset: Int, stretch: Stretch)] = []
    private var count = 0

    /// Uncompressed content arrives in any number of pieces a frame.
    func add(_ start: Int, _ end: Int) {
      if let last = pieces.last, last.stretch.end == start {
        pieces[pieces.count - 1].stretch.end = end
      } else {
        pieces.append((count, Stretch(start: start, end: end)))
      }
      count += end - start
    }
  }

  init(_ pool: CompressionPool, spill: SpillFile) {
    self.spill = spill
    let places = Places()
    self.places = places
    frames = FrameWriter(pool) { frame in
      let start = spill.count
      try spill.append(frame)
      places.add(start, spill.count)
    }
  }

  func write(_ bytes: Span<UInt8>) throws {
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Self.frameLimit - pending.count)
      // Doubling would overshoot the limit; a buffer that is not small gets all of its room at once.
      if pending.count + end - start > 256 << 10 {
        pending.reserve(Self.frameLimit - pending.count)
      }
      pending.append(bytes.extracting(start..<end))
      start = end
      if pending.count == Self.frameLimit { try cut() }
    }
    count += bytes.count
  }

  func write(_ text: StaticString) throws {
    try write(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).span)
  }

  /// Makes the next byte start a frame.
  func cut() throws {
    if pending.isEmpty { return }
    lane.update(sharing: pending, upTo: pending.count)
    pending = try frames.write(frame: pending)
  }

  /// Ends the member: pads it as tar wants it and ends its last frame.
  func endMember() throws -> (size: Int, sha256: Hash256) {
    let (size, held) = (count, pending.count)
    count = 0
    pending.append([UInt8](repeating: 0, count: Tar.padding(after: size)))
    // To wake another thread for a small file would cost more than its hash.
    if size == held, size <= Self.smallMember {
      let sha256 = Hash256(of: pending.span.extracting(0..<held))
      pending = try frames.write(frame: pending)
      return (size, sha256)
    }
    if held > 0 { lane.update(sharing: pending, upTo: held) }
    pending = try frames.write(frame: pending)
    return (size, lane.finish())
  }

  private static let smallMember = 64 << 10

  /// Content bytes since the first member, padding included.
  var contentSize: Int { frames.contentSize + pending.count }

  /// Ends everything; then `stretches(from:to:)` knows where the frames are.
  func finish() throws { try frames.finish() }

  /// The frames that hold the content from `start` to `end`, both at a cut.
  func stretches(from start: Int, to end: Int) -> [Stretch] {
    let frames = frames.frames
    func frame(from content: Int) -> Int {
      Self.first(frames.count) { (frames[$0].contentOffset ?? .max) >= content }
    }
    let (low, high) = (frame(from: start), frame(from: end))
    guard low < high else { return [] }
    let from = frames[low].offset
    let to = frames[high - 1].offset + frames[high - 1].length
    let pieces = places.pieces
    func length(_ index: Int) -> Int { pieces[index].stretch.end - pieces[index].stretch.start }
    var index = Self.first(pieces.count) { pieces[$0].offset + length($0) > from }
    var result: [Stretch] = []
    while index < pieces.count, pieces[index].offset < to {
      let (offset, place) = pieces[index]
      result.append(
        Stretch(
          start: place.start + max(from - offset, 0),
          end: place.start + min(to - offset, length(index))))
      index += 1
    }
    return result
  }

  /// The first index of `count` for which `holds`, which then holds for all that follow.
  private static func first(_ count: Int, _ holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
