import Glibc
import SystemPackage

/// A lock that the kernel releases on any death of its holder (`flock`).
package struct StoreLock: ~Copyable {
  private let descriptor: FileDescriptor

  /// Takes the lock on the file `path`, making it if need be; waits up to `seconds` for another
  /// holder. Throws `locked` when that time has passed.
  package init(_ path: FilePath, waitingUpTo seconds: Double = 0) throws(DiskError) {
    descriptor = try Self.acquire(path, waitingUpTo: seconds)
  }

  private static func acquire(_ path: FilePath, waitingUpTo seconds: Double) throws(DiskError)
    -> FileDescriptor
  {
    let descriptor = try open(path)
    let deadline = Clock.now + seconds
    while flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0 {
      let cause = Errno(rawValue: errno)
      if cause == .interrupted { continue }
      guard cause == .wouldBlock, Clock.now < deadline else {
        try? descriptor.close()
        if cause != .wouldBlock { throw DiskError("cannot lock", path, cause) }
        throw DiskError(
          .locked, "is locked by another run", path: path,
          hint: "wait for it to end, or say how long to wait with --wait-lock")
      }
      do throws(DiskError) { try Interruption.check() } catch {
        try? descriptor.close()
        throw error
      }
      usleep(20_000)
    }
    return descriptor
  }

  private static func open(_ path: FilePath) throws(DiskError) -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        path, .readWrite, options: [.create, .closeOnExec, .noFollow],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch let error as Errno {
      throw DiskError("cannot open the lock", path, error)
    } catch { throw DiskError(.failed, "cannot open the lock: \(error)", path: path) }
  }

  deinit { try? descriptor.close() }
}

/// Monotonic time, for waiting only; never part of a result.
package enum Clock {
  /// Seconds since an arbitrary start.
  package static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Seconds since 1970, for comparing with the times of files.
  package static var wall: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  package static func sleep(seconds: Double) { usleep(UInt32(max(0, seconds) * 1e6)) }
}

extension Disk {
  /// Whether a process with this number runs, as far as this one may know.
  package static func processExists(_ number: Int32) -> Bool {
    kill(number, 0) == 0 || errno == EPERM
  }
}
