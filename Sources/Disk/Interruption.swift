import CLinux
import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as this process takes them: a flag that every read and write looks at, so
/// that work stops between two system calls and clears up behind itself.
package enum Interruption {
  private static let pending = Atomic<Int32>(0)
  private static let last = Atomic<Int32>(0)
  private static let status = Atomic<Bool>(false)

  /// Makes SIGINT, SIGTERM and SIGHUP interrupt the work, the last unless it is ignored already, as
  /// by nohup; and SIGUSR1 ask for a line of status. A reader
  /// of the output that went away, or a limit on the size of files, is an error of the write
  /// concerned: by default it would end the process with its unfinished files left behind.
  package static func install() {
    let hangUp = holdfast_is_ignored(SIGHUP) == 0 ? [SIGHUP] : []
    for number in [SIGINT, SIGTERM] + hangUp {
      signal(number) {
        Interruption.pending.store($0, ordering: .relaxed)
        Interruption.last.store($0, ordering: .relaxed)
      }
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGUSR1) { _ in Interruption.status.store(true, ordering: .relaxed) }
  }

  /// The signal that asked to stop; 0 if none has.
  package static var signalNumber: Int32 { pending.load(ordering: .relaxed) }

  /// The same, also while work goes on that is done all the same.
  package static var lastSignal: Int32 { last.load(ordering: .relaxed) }

  /// Throws `interrupted` once a signal has asked to stop.
  package static func check() throws(DiskError) {
    guard signalNumber != 0 else { return }
    throw DiskError(
      .interrupted, "stopped by signal \(signalNumber)", hint: "nothing was left half done")
  }

  /// Does something that must be done although a signal has asked to stop; that is remembered, and
  /// a signal that comes meanwhile interrupts this as well.
  package static func postponed<Value>(_ body: () throws -> Value) rethrows -> Value {
    let asked = pending.exchange(0, ordering: .relaxed)
    defer {
      if asked != 0 {
        _ = pending.compareExchange(expected: 0, desired: asked, ordering: .relaxed)
      }
    }
    return try body()
  }

  /// Whether a line of status was asked for since the last call.
  package static func takeStatusRequest() -> Bool { status.exchange(false, ordering: .relaxed) }
}
