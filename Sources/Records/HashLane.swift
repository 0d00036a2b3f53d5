import Dispatch
import LosslessJSON
import Synchronization

/// SHA-256 over bytes that arrive in pieces, worked out on a thread of its own while the caller
/// goes on producing. One owner; a few pieces may wait, then `update` does.
package final class HashLane: Sendable {
  private struct State {
    var hasher = Hasher256()
    /// Pieces that have been hashed, emptied, for their memory.
    var spares: [ByteBuffer] = []
  }

  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "holdfast.hash")
  private static let limit = 4
  private let room = DispatchSemaphore(value: limit)

  package init() {}

  /// Takes in the bytes held. Returns an empty buffer to fill with the next ones.
  package func update(_ bytes: ByteBuffer) -> ByteBuffer {
    room.wait()
    let spare = state.withLock { $0.spares.popLast() } ?? ByteBuffer()
    queue.async {
      var hasher = self.state.withLock { $0.hasher }
      hasher.update(bytes.span)
      var spare = bytes
      spare.removeAll()
      self.state.withLock { state in
        state.hasher = hasher
        state.spares.append(spare)
      }
      self.room.signal()
    }
    return spare
  }

  /// Takes in the first `count` bytes of a buffer that the caller goes on using. Where it writes to
  /// it before they have been hashed, they are copied.
  package func update(sharing bytes: ByteBuffer, upTo count: Int) {
    room.wait()
    queue.async {
      var hasher = self.state.withLock { $0.hasher }
      hasher.update(bytes.span.extracting(0..<count))
      self.state.withLock { $0.hasher = hasher }
      self.room.signal()
    }
  }

  /// The hash of all bytes since the last `finish`; then starts anew.
  package func finish() -> Hash256 {
    queue.sync {
      state.withLock { state in
        let result = state.hasher.finish()
        state = State()
        return result
      }
    }
  }
}
