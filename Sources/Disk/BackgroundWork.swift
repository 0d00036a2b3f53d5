import Dispatch
import Synchronization
import SystemPackage

/// Work on a thread of its own while the caller does something else.
package final class BackgroundWork<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, any Error>?>(nil)
  private let done = DispatchSemaphore(value: 0)

  /// Begins. What it works on must stay where it is, unchanged, until `result` has returned.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    DispatchQueue.global().async {
      let result = Result { try work() }
      self.outcome.withLock { $0 = result }
      self.done.signal()
    }
  }

  /// Waits for the end. Call once.
  package func result() -> Result<Value, any Error> {
    done.wait()
    return outcome.withLock { $0 }
      ?? .failure(DiskError(.failed, "work in the background gave no answer", path: FilePath()))
  }
}
