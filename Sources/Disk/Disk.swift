import CLinux
import Glibc
import LosslessJSON
import Synchronization
import SystemPackage

/// The system calls that change the file system, each in one place.
package enum Disk {
  private static let counter = Counter()

  /// A name beside `target` that no other run uses.
  package static func temporaryPath(for target: FilePath) -> FilePath {
    let number = counter.next()
    return target.removingLastComponent().appending(
      "\(OutputFile.temporaryPrefix)\(getpid())-\(number)\(temporaryEnding(for: target))")
  }

  /// How the name of every temporary file for `target` ends, whatever process makes it.
  package static func temporaryEnding(for target: FilePath) -> String {
    "-\(shortened(target.lastComponent?.string ?? "file", to: 120)).tmp"
  }

  /// The most bytes that a name in a directory may have (`NAME_MAX`).
  package static let nameLimit = 255

  /// The start of `name`, cut between two characters where it has more than `limit` bytes.
  package static func shortened(_ name: String, to limit: Int) -> String {
    guard name.utf8.count > limit else { return name }
    var short = ""
    var count = 0
    for character in name {
      count += character.utf8.count
      if count > limit { break }
      short.append(character)
    }
    return short
  }

  /// Creates a new file, or fails if it exists.
  static func create(_ path: FilePath, mode: Int) throws(DiskError) -> FileDescriptor {
    do {
      let descriptor = try FileDescriptor.open(
        path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: FilePermissions(rawValue: CModeT(mode)))
      letOwnerIn(descriptor.rawValue)
      return descriptor
    } catch let error as Errno {
      throw DiskError("cannot create a file here", path.removingLastComponent(), error)
    } catch { throw DiskError(.failed, "cannot create: \(error)", path: path) }
  }

  /// Gives the owner what a mask such as 0277 has taken away: SQLite, for one, opens what we have
  /// made once more, by its name.
  static func letOwnerIn(_ descriptor: Int32) {
    var facts = stat()
    guard fstat(descriptor, &facts) == 0, facts.st_mode & 0o600 != 0o600 else { return }
    _ = fchmod(descriptor, facts.st_mode & 0o777 | 0o600)
  }

  /// The same for a directory that we have made.
  private static func letOwnerIn(_ directory: FilePath) {
    var facts = stat()
    directory.withPlatformString { path in
      guard stat(path, &facts) == 0, facts.st_mode & 0o700 != 0o700 else { return }
      _ = chmod(path, facts.st_mode & 0o777 | 0o700)
    }
  }

  /// Writes all of `bytes`; short and interrupted writes are continued.
  static func write(_ bytes: Span<UInt8>, to descriptor: FileDescriptor, path: FilePath)
    throws(DiskError)
  {
    var done = 0
    while done < bytes.count {
      try Interruption.check()
      let result = bytes.withUnsafeBytes { memory -> Int in
        guard let base = memory.baseAddress else { return 0 }
        return Glibc.write(descriptor.rawValue, base + done, memory.count - done)
      }
      if result < 0 {
        if errno == EINTR { continue }
        throw DiskError("cannot write", path, Errno(rawValue: errno))
      }
      done += result
    }
  }

  /// Renames within one file system. Does not make the directory durable.
  /// - Parameter replacing: if false, an existing target is an `exists` error, atomically.
  /// - Parameter linking: if false, the file never has two names on the way, whatever the file
  ///   system can do; where it cannot rename to a free name alone, the name is only looked at before,
  ///   so the caller must hold a lock.
  package static func rename(
    _ source: FilePath, to target: FilePath, replacing: Bool, linking: Bool = true
  ) throws(DiskError) {
    if !replacing, !linking, try FileFacts(at: target, following: false) != nil {
      throw DiskError("cannot rename into place", target, .fileExists)
    }
    // A directory takes the place of an empty one, but never of a file or of a filled one.
    let isDirectory = try FileFacts(at: source, following: false)?.kind == .directory
    let result = source.withPlatformString { from in
      target.withPlatformString { to in
        guard !replacing, !isDirectory else { return Glibc.rename(from, to) }
        if renameat2(AT_FDCWD, from, AT_FDCWD, to, noReplaceFlag) == 0 { return 0 }
        guard [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else { return -1 }
        return linking ? takeByLink(from, to) : Glibc.rename(from, to)
      }
    }
    if result != 0 { throw DiskError("cannot rename into place", target, Errno(rawValue: errno)) }
  }

  /// Takes a name only if it is free, on a file system that cannot rename so.
  private static func takeByLink(_ from: UnsafePointer<CChar>, _ to: UnsafePointer<CChar>) -> Int32
  {
    if Glibc.link(from, to) == 0 { return unlink(from) }
    // Some file systems have no hard links either; there a look before the rename has to do.
    guard [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(errno) else { return -1 }
    guard access(to, F_OK) != 0 else {
      errno = EEXIST
      return -1
    }
    return Glibc.rename(from, to)
  }

  /// Makes two names of one file system change places, in one step: at no moment is there nothing
  /// under either. Does not make the directories durable. Returns false where the file system
  /// cannot do that.
  package static func exchange(_ a: FilePath, _ b: FilePath) throws(DiskError) -> Bool {
    let result = a.withPlatformString { a in
      b.withPlatformString { b in renameat2(AT_FDCWD, a, AT_FDCWD, b, exchangeFlag) }
    }
    if result == 0 { return true }
    let cause = Errno(rawValue: errno)
    if [.noFunction, .invalidArgument, .notSupported].contains(cause) { return false }
    throw DiskError("cannot rename into place", b, cause)
  }

  /// `RENAME_NOREPLACE` and `RENAME_EXCHANGE` of Linux's fs.h.
  private static let noReplaceFlag: UInt32 = 1
  private static let exchangeFlag: UInt32 = 2

  /// Gives every file below `source` a second name below `target`, a new directory, which gets
  /// the modes of the first. Symbolic links are given one themselves, never what they point to.
  package static func link(treeAt source: FilePath, to target: FilePath) throws {
    try makeDirectory(target)
    var directories = [FilePath("")]
    try TreeWalk.walk(source) { entry in
      let place = target.pushing(entry.name)
      if entry.facts.kind == .directory {
        try makeDirectory(place)
        directories.append(entry.name)
      } else {
        let result = source.pushing(entry.name).withPlatformString { from in
          place.withPlatformString { Glibc.link(from, $0) }
        }
        if result != 0 { throw DiskError("cannot link", place, Errno(rawValue: errno)) }
      }
      return true
    }
    for name in directories.reversed() {
      guard let facts = try FileFacts(at: source.pushing(name)) else { continue }
      try setFacts(target.pushing(name), mode: facts.mode, modified: facts.modified)
      try syncDirectory(target.pushing(name))
    }
  }

  /// Makes a directory and those above it; one that exists is fine.
  /// - Parameter durably: false in a tree that is made durable as a whole.
  package static func makeDirectory(
    _ path: FilePath, mode: Int = 0o755, durably: Bool = true
  ) throws(DiskError) {
    var missing: [FilePath] = []
    var at = path
    while !at.isEmpty, try FileFacts(at: at) == nil {
      missing.append(at)
      let parent = at.removingLastComponent()
      if parent == at { break }
      at = parent
    }
    if missing.isEmpty, let facts = try FileFacts(at: path), facts.kind != .directory {
      throw notDirectory(path)
    }
    for directory in missing.reversed() {
      let result = directory.withPlatformString { mkdir($0, mode_t(mode)) }
      if result != 0, errno != EEXIST {
        let cause = Errno(rawValue: errno)
        if cause == .notDirectory { throw notDirectory(directory) }
        // All above it is there by now: a file system, such as /proc, that takes nothing in.
        if cause == .noSuchFileOrDirectory {
          throw DiskError(
            .notWritable, "cannot make the directory: nothing can be put there", path: directory,
            cause: cause, hint: "choose another place")
        }
        throw DiskError("cannot make the directory", directory, cause)
      }
      if result == 0 { letOwnerIn(directory) }
      if durably { try syncDirectory(of: directory) }
    }
  }

  /// Nothing is missing that one could look for: the place cannot be written to.
  private static func notDirectory(_ path: FilePath) -> DiskError {
    DiskError(
      .notWritable, "cannot make the directory: a file is in its place", path: path,
      cause: .notDirectory, hint: "choose another place")
  }

  /// Removes a file, or a directory with all that it holds; nothing there is fine.
  /// Symbolic links are removed, never followed.
  package static func remove(_ path: FilePath) throws {
    guard let facts = try FileFacts(at: path, following: false) else { return }
    guard facts.kind == .directory else { return try unlinkFile(path) }
    var directories = [path]
    try TreeWalk.walk(path) { entry in
      let full = path.pushing(entry.name)
      if entry.facts.kind == .directory { directories.append(full) } else { try unlinkFile(full) }
      return true
    }
    for directory in directories.reversed() {
      let result = directory.withPlatformString { rmdir($0) }
      if result != 0, errno != ENOENT {
        throw DiskError("cannot remove", directory, Errno(rawValue: errno))
      }
    }
  }

  package static func removeEmptyDirectory(_ path: FilePath) throws(DiskError) {
    let result = path.withPlatformString { rmdir($0) }
    if result != 0 { throw DiskError("cannot remove", path, Errno(rawValue: errno)) }
  }

  private static func unlinkFile(_ path: FilePath) throws(DiskError) {
    let result = path.withPlatformString { unlink($0) }
    if result != 0, errno != ENOENT {
      throw DiskError("cannot remove", path, Errno(rawValue: errno))
    }
  }

  /// Throws `notWritable` where nothing may be put into a directory, or where it could not be made.
  /// Asks the file system for the rights alone and writes nothing.
  package static func checkWritable(_ directory: FilePath) throws(DiskError) {
    var place = directory.isEmpty ? FilePath(".") : directory
    while try FileFacts(at: place) == nil {
      let parent = place.removingLastComponent()
      if parent == place { break }
      place = parent.isEmpty ? FilePath(".") : parent
    }
    guard try FileFacts(at: place)?.kind == .directory else { throw notDirectory(place) }
    let result = place.withPlatformString { faccessat(AT_FDCWD, $0, W_OK | X_OK, AT_EACCESS) }
    guard result == 0 else { throw DiskError("cannot write to", place, Errno(rawValue: errno)) }
  }

  /// Whether this process may read a file, or list a directory and look into it.
  package static func mayRead(_ path: FilePath, isDirectory: Bool) -> Bool {
    path.withPlatformString {
      faccessat(AT_FDCWD, $0, isDirectory ? R_OK | X_OK : R_OK, AT_EACCESS) == 0
        || errno != EACCES
    }
  }

  /// Sets permission bits and the time of last change of a file or directory.
  package static func setFacts(
    _ path: FilePath, mode: Int, modified: (seconds: Int, nanoseconds: Int)
  ) throws(DiskError) {
    let opened = path.withPlatformString {
      open($0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    }
    guard opened >= 0 else { throw DiskError("cannot open", path, Errno(rawValue: errno)) }
    let descriptor = FileDescriptor(rawValue: opened)
    defer { try? descriptor.close() }
    guard fchmod(opened, mode_t(mode)) == 0 else {
      throw DiskError("cannot set the mode", path, Errno(rawValue: errno))
    }
    let time = timespec(tv_sec: modified.seconds, tv_nsec: modified.nanoseconds)
    guard futimens(opened, [time, time]) == 0 else {
      throw DiskError("cannot set the time", path, Errno(rawValue: errno))
    }
  }

  /// Sets the permission bits of a file or directory, whatever the umask says.
  package static func setMode(_ path: FilePath, _ mode: Int) throws(DiskError) {
    guard path.withPlatformString({ chmod($0, mode_t(mode)) }) == 0 else {
      throw DiskError("cannot set the mode", path, Errno(rawValue: errno))
    }
  }

  /// The absolute path, symbolic links resolved as far as it exists; `path` where the working directory
  /// itself is gone.
  package static func absolute(_ path: FilePath) -> FilePath {
    let resolved = path.withPlatformString { text -> FilePath? in
      guard let real = realpath(text, nil) else { return nil }
      defer { free(real) }
      return FilePath(platformString: real)
    }
    if let resolved { return resolved }
    guard let last = path.lastComponent, path != "." else { return path }
    if path.removingLastComponent().isEmpty {
      return absolute(FilePath(".")).appending(last).lexicallyNormalized()
    }
    return absolute(path.removingLastComponent()).appending(last).lexicallyNormalized()
  }
}

/// Numbers for temporary names, one after the other, from any thread.
private final class Counter: Sendable {
  private let value = Atomic(0)
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}
