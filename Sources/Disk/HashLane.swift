import Dispatch
import LosslessJSON
import Records
import Synchronization

/// SHA-256 over bytes that arrive in pieces, worked out on another thread while the caller goes on
/// producing. One owner; a few pieces may wait, then `update` does.
package final class HashLane: Sendable {
  private struct Piece {
    var bytes: ByteBuffer
    var count: Int
    /// Whether the caller goes on using the buffer.
    var isShared: Bool
  }

  private struct State {
    var hasher = Hasher256()
    var waiting: [Piece] = []
    /// Whether a thread hashes what is waiting, or will.
    var isBusy = false
    /// Pieces that have been hashed, emptied, for their memory.
    var spares: [ByteBuffer] = []
  }

  private let state = Mutex(State())
  private static let limit = 4
  private let room = DispatchSemaphore(value: limit)

  package init() {}

  /// Takes in the bytes held. Returns an empty buffer to fill with the next ones.
  package func update(_ bytes: ByteBuffer) -> ByteBuffer {
    WorkPool.shared.wait(for: room)
    let spare = state.withLock { $0.spares.popLast() } ?? ByteBuffer()
    add(Piece(bytes: bytes, count: bytes.count, isShared: false))
    return spare
  }

  /// Takes in the first `count` bytes of a buffer that the caller goes on using. Where it writes to
  /// it before they have been hashed, they are copied.
  package func update(sharing bytes: ByteBuffer, upTo count: Int) {
    WorkPool.shared.wait(for: room)
    add(Piece(bytes: bytes, count: count, isShared: true))
  }

  private func add(_ piece: Piece) {
    let isIdle = state.withLock { state in
      state.waiting.append(piece)
      defer { state.isBusy = true }
      return !state.isBusy
    }
    if isIdle { WorkPool.shared.submit { self.run() } }
  }

  private func run() {
    while let (piece, hasher) = next() { hash(piece, with: hasher) }
  }

  private func next() -> (Piece, Hasher256)? {
    state.withLock { state in
      state.isBusy = !state.waiting.isEmpty
      return state.isBusy ? (state.waiting.removeFirst(), state.hasher) : nil
    }
  }

  private func hash(_ piece: consuming Piece, with hasher: consuming Hasher256) {
    hasher.update(piece.bytes.span.extracting(0..<piece.count))
    var spare = piece.isShared ? nil : piece.bytes
    spare?.removeAll()
    state.withLock { state in
      state.hasher = hasher
      if let spare { state.spares.append(spare) }
    }
    room.signal()
  }

  /// The hash of all bytes since the last `finish`; then starts anew.
  package func finish() -> Hash256 {
    // Room for all that may wait is there once nothing does.
    for _ in 0..<Self.limit { WorkPool.shared.wait(for: room) }
    defer { for _ in 0..<Self.limit { room.signal() } }
    return state.withLock { state in
      state.spares = []
      let result = state.hasher.finish()
      state.hasher = Hasher256()
      return result
    }
  }
}
