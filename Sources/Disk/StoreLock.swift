import Glibc
import SystemPackage

/// A lock that the kernel releases on any death of its holder (`flock`).
package struct StoreLock: ~Copyable {
  private let descriptor: FileDescriptor

  /// The name of the lock of a store that is a directory, in that.
  package static let directoryName = ".holdfast.lock"

  /// The lock that writers of the store at `path` hold: in a directory, beside a file.
  package static func path(forStoreAt path: FilePath, isDirectory: Bool) -> FilePath {
    if isDirectory { return path.appending(directoryName) }
    let name = Disk.shortened(path.lastComponent?.string ?? "store", to: 200)
    return path.removingLastComponent().appending("\(prefix)\(name)\(ending)")
  }

  private static let prefix = ".holdfast-"
  private static let ending = ".lock"

  /// Whether a file of this name is such a lock.
  package static func isName(_ name: String) -> Bool {
    name == directoryName || (name.hasPrefix(prefix) && name.hasSuffix(ending))
  }

  /// Takes the lock on the file `path`, making it if need be; waits up to `seconds` for another
  /// holder. Throws `locked` when that time has passed.
  package init(_ path: FilePath, waitingUpTo seconds: Double = 0) throws(DiskError) {
    descriptor = try Self.acquire(path, waitingUpTo: seconds)
  }

  /// Takes the lock on the file `path` as it is; nil where there is none.
  package init?(existing path: FilePath, waitingUpTo seconds: Double) throws(DiskError) {
    guard try FileFacts(at: path, following: false) != nil else { return nil }
    descriptor = try Self.acquire(path, waitingUpTo: seconds)
  }

  /// Takes a lock on a directory itself, for which nothing is written: shared by all that read
  /// what it holds, or exclusive for who takes something away. Waits up to `seconds`, then throws
  /// `locked`. File systems that cannot lock directories are passed over: there a reader may find
  /// that a file has gone, which it reports.
  package init(directory: FilePath, isShared: Bool, waitingUpTo seconds: Double) throws(DiskError) {
    descriptor = try Self.acquire(directory: directory, isShared ? LOCK_SH : LOCK_EX, seconds)
  }

  private static func acquire(directory: FilePath, _ mode: Int32, _ seconds: Double)
    throws(DiskError) -> FileDescriptor
  {
    let opened = directory.withPlatformString {
      Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard opened >= 0 else {
      throw DiskError("cannot open the directory", directory, Errno(rawValue: errno))
    }
    let descriptor = FileDescriptor(rawValue: opened)
    do throws(DiskError) { try lock(descriptor, directory, mode, seconds) } catch {
      if let cause = error.cause, [.badFileDescriptor, .notSupported].contains(cause) {
        return descriptor
      }
      try? descriptor.close()
      throw error
    }
    return descriptor
  }

  private static func acquire(_ path: FilePath, waitingUpTo seconds: Double) throws(DiskError)
    -> FileDescriptor
  {
    let descriptor = try open(path)
    do throws(DiskError) { try lock(descriptor, path, LOCK_EX, seconds) } catch {
      try? descriptor.close()
      throw error
    }
    return descriptor
  }

  private static func lock(
    _ descriptor: FileDescriptor, _ path: FilePath, _ mode: Int32, _ seconds: Double
  ) throws(DiskError) {
    let deadline = Clock.now + seconds
    // Short naps at first: a writer that never pauses leaves gaps of less than a millisecond.
    var nap: UInt32 = 200
    while flock(descriptor.rawValue, mode | LOCK_NB) != 0 {
      let cause = Errno(rawValue: errno)
      if cause == .interrupted { continue }
      guard cause == .wouldBlock, Clock.now < deadline else {
        if cause != .wouldBlock { throw DiskError("cannot lock", path, cause) }
        throw DiskError(
          .locked, "is locked by another run", path: path,
          hint: "wait for it to end, or say how long to wait with --wait-lock")
      }
      try Interruption.check()
      usleep(nap)
      nap = min(nap + 20, 2000)
    }
  }

  private static func open(_ path: FilePath) throws(DiskError) -> FileDescriptor {
    do {
      let opened = try FileDescriptor.open(
        path, .readWrite, options: [.create, .closeOnExec, .noFollow],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      Disk.letOwnerIn(opened.rawValue)
      return opened
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

  /// Removes what runs that were killed have left beside `target`: unfinished files and directories
  /// that are named after it, of processes that are gone.
  package static func clearLeftovers(of target: FilePath) throws {
    let parent = target.removingLastComponent()
    let ending = temporaryEnding(for: target)
    for name in try TreeWalk.names(in: parent.isEmpty ? FilePath(".") : parent).map(\.string)
    where name.hasPrefix(OutputFile.temporaryPrefix) && name.hasSuffix(ending) {
      let process = name.dropFirst(OutputFile.temporaryPrefix.count).prefix { $0 != "-" }
      if let number = Int32(process), !processExists(number) { try remove(parent.appending(name)) }
    }
  }
}
