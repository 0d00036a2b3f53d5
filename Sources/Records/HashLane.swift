import Dispatch
import LosslessJSON
import Synchronization

/// SHA-256 over bytes that arrive in pieces, worked out on a thread of its own while the caller
/// goes on producing. One owner; a few pieces may wait, then `update` does.
package final class HashLane: Sendable {
  private let hasher = Mutex(Hasher256())
  private let queue = DispatchQueue(label: "holdfast.hash")
  private let room = DispatchSemaphore(value: 8)

  package init() {}

  /// Takes in the bytes held; they must not be changed through another copy meanwhile, which
  /// value semantics see to.
  package func update(_ bytes: ByteBuffer) {
    room.wait()
    queue.async {
      self.hasher.withLock { $0.update(bytes.span) }
      self.room.signal()
    }
  }

  /// The hash of all bytes since the last `finish`; then starts anew.
  package func finish() -> Hash256 {
    queue.sync {
      hasher.withLock { hasher in
        let result = hasher.finish()
        hasher = Hasher256()
        return result
      }
    }
  }
}
