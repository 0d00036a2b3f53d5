import Dispatch
import Glibc
import Synchronization

/// Threads for work that is to be done beside the caller's: as many as there are cores left.
///
/// More would not make it faster. Threads that take turns on one core stay there for a while when
/// another core has run out of work. So that no core is idle, whoever needs what is not there yet
/// works too: see `wait`.
package final class WorkPool: Sendable {
  package typealias Work = @Sendable () -> Void

  private struct State {
    /// The oldest first.
    var waiting: [Work] = []
    var threads = 0
  }

  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "holdfast.work", attributes: .concurrent)
  private let limit: Int

  package static let shared = WorkPool(threads: sysconf(Int32(_SC_NPROCESSORS_ONLN)) - 1)

  /// - Parameter threads: how many work at most, beside those that wait; at least one does.
  package init(threads: Int) { limit = max(1, threads) }

  /// Has `work` done on some thread; it must not wait for other work.
  package func submit(_ work: @escaping Work) {
    let needsThread = state.withLock { state in
      state.waiting.append(work)
      guard state.threads < limit else { return false }
      state.threads += 1
      return true
    }
    if needsThread { queue.async { self.run() } }
  }

  private func run() {
    while let work = next(isWorker: true) { work() }
  }

  private func next(isWorker: Bool) -> Work? {
    state.withLock { state in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
      if isWorker { state.threads -= 1 }
      return nil
    }
  }

  /// Waits for `semaphore`, and until then does the work that nobody has begun.
  package func wait(for semaphore: DispatchSemaphore) {
    while semaphore.wait(timeout: .now()) == .timedOut {
      guard let work = next(isWorker: false) else { return semaphore.wait() }
      work()
    }
  }
}
