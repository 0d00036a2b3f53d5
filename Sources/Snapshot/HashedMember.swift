import Disk
import Dispatch
import LosslessJSON
import Records
import Synchronization

/// A member of a backup from front to back: decompressed in the background, a piece ahead of
/// whoever reads it, and hashed there too. One owner, one thread.
final class HashedMember {
  private let ahead: ReadAhead
  private let lane = HashLane()
  /// The piece that is being read.
  private var held = ByteBuffer()
  private var used = 0

  /// - Parameter stop: no piece holds bytes from both sides of it, so that damage behind it is met
  ///   only by who reads on.
  init(_ backup: BackupFile, _ entry: Int, stoppingAt stop: Int) throws {
    ahead = try ReadAhead(backup, entry, stoppingAt: stop)
  }

  /// Appends up to `limit` bytes (at least 1); returns how many, 0 only at the end.
  func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    if used == held.count, try !advance() { return 0 }
    let count = min(limit, held.count - used)
    buffer.append(held.span.extracting(used..<used + count))
    used += count
    return count
  }

  /// Has the piece held hashed, and takes the next one; false at the end.
  private func advance() throws -> Bool {
    let piece = held
    (held, used) = (ByteBuffer(), 0)
    held = try ahead.next(lane.update(piece))
    return !held.isEmpty
  }

  /// The hash of the whole member, whatever of it has been read.
  func finish() throws -> Hash256 {
    while try advance() {}
    return lane.finish()
  }
}

/// Reads the next piece of a member while the one before is used.
private final class ReadAhead: Sendable {
  private struct State {
    let source: ByteStream
    /// Bytes in front of `stop` that have not been read yet.
    var left: Int
    /// What has been read and nobody has taken yet; empty at the end.
    var piece = ByteBuffer()
    var failure: (any Error)?

    mutating func read(into spare: ByteBuffer) {
      piece = spare
      let limit = left > 0 ? min(ReadAhead.pieceLimit, left) : ReadAhead.pieceLimit
      do { left -= try source.read(into: &piece, atMost: limit) } catch { failure = error }
    }
  }

  private static let pieceLimit = 512 << 10

  private let state: Mutex<State>
  private let isRead = DispatchSemaphore(value: 0)

  init(_ backup: BackupFile, _ entry: Int, stoppingAt stop: Int) throws {
    state = Mutex(State(source: try backup.content(entry), left: stop))
    start(ByteBuffer())
  }

  private func start(_ spare: ByteBuffer) {
    WorkPool.shared.submit {
      self.state.withLock { $0.read(into: spare) }
      self.isRead.signal()
    }
  }

  /// The next piece, empty at the end; `spare` is memory for the one after it. Throws, from then on
  /// always, what kept the piece from being read.
  func next(_ spare: ByteBuffer) throws -> ByteBuffer {
    WorkPool.shared.wait(for: isRead)
    let piece = try state.withLock { state in
      if let failure = state.failure {
        isRead.signal()
        throw failure
      }
      return state.piece
    }
    if piece.isEmpty { isRead.signal() } else { start(spare) }
    return piece
  }
}
