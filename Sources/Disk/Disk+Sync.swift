import CLinux
import Dispatch
import Glibc
import Synchronization
import SystemPackage

extension Disk {
  static func sync(_ descriptor: FileDescriptor, path: FilePath) throws(DiskError) {
    while fsync(descriptor.rawValue) != 0 {
      if errno == EINTR { continue }
      throw DiskError("cannot make durable", path, Errno(rawValue: errno))
    }
  }

  /// Makes the names in a directory durable.
  package static func syncDirectory(_ directory: FilePath) throws(DiskError) {
    let path = directory.isEmpty ? FilePath(".") : directory
    let opened = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard opened >= 0 else {
      throw DiskError("cannot open the directory", path, Errno(rawValue: errno))
    }
    let descriptor = FileDescriptor(rawValue: opened)
    defer { try? descriptor.close() }
    try sync(descriptor, path: path)
  }

  package static func syncDirectory(of path: FilePath) throws(DiskError) {
    try syncDirectory(path.removingLastComponent())
  }

  /// Makes everything below a directory durable, its own names included, before it takes the place
  /// of what somebody relies on. Symbolic links are not followed.
  ///
  /// The content of all files is sent to the disk first and waited for then: one after the other,
  /// each small file would cost the file system a commit of its own.
  package static func syncTree(_ root: FilePath) throws {
    var (files, directories) = ([FilePath](), [root])
    try TreeWalk.walk(root) { entry in
      switch entry.facts.kind {
      case .directory: directories.append(root.pushing(entry.name))
      case .regular: files.append(root.pushing(entry.name))
      default: break
      }
      return true
    }
    if files.count > 1 { try each(of: files, startWriting) }
    try each(of: files + directories) { try syncFile($0) }
  }

  /// Calls `body` with every path, some at a time where there are many. Throws what one of them has
  /// thrown, once none is at work any more.
  private static func each(
    of paths: [FilePath], _ body: @escaping @Sendable (FilePath) throws -> Void
  ) throws {
    guard paths.count > lanes else { return try paths.forEach(body) }
    let failure = Mutex<(any Error)?>(nil)
    let group = DispatchGroup()
    for lane in 0..<lanes {
      // A queue of its own has a thread of its own: all that these do is wait.
      DispatchQueue(label: "holdfast.sync").async(group: group) {
        do {
          for index in stride(from: lane, to: paths.count, by: lanes) {
            if failure.withLock({ $0 != nil }) { return }
            try Interruption.check()
            try body(paths[index])
          }
        } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
    group.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private static let lanes = 8

  @Sendable private static func startWriting(_ path: FilePath) {
    let descriptor = path.withPlatformString { open($0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
    guard descriptor >= 0 else { return }
    startWriting(FileDescriptor(rawValue: descriptor))
    close(descriptor)
  }

  /// Has the kernel begin to write what of a file is only in memory.
  static func startWriting(_ descriptor: FileDescriptor) {
    // Only a hint: what it cannot do, `sync` does, and tells what goes wrong.
    _ = sync_file_range(descriptor.rawValue, 0, 0, writeOut)
  }

  /// `SYNC_FILE_RANGE_WRITE` of Linux's fs.h.
  private static let writeOut: UInt32 = 2

  /// Makes one file or directory durable. One whose mode lets even its owner neither read nor
  /// write is so with all that the file system has to write.
  package static func syncFile(_ path: FilePath) throws(DiskError) {
    for access in [O_RDONLY, O_WRONLY] {
      let opened = path.withPlatformString { open($0, access | O_NOFOLLOW | O_CLOEXEC) }
      if opened >= 0 {
        let descriptor = FileDescriptor(rawValue: opened)
        defer { try? descriptor.close() }
        return try sync(descriptor, path: path)
      }
      guard errno == EACCES else { break }
    }
    guard errno == EACCES || errno == EISDIR else {
      throw DiskError("cannot open", path, Errno(rawValue: errno))
    }
    try syncFileSystem(of: path.removingLastComponent())
  }

  /// Makes everything durable that has been written to the file system of `path`: for many small
  /// files cheaper than each by itself.
  package static func syncFileSystem(of path: FilePath) throws(DiskError) {
    let opened = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC) }
    guard opened >= 0 else { throw DiskError("cannot open", path, Errno(rawValue: errno)) }
    defer { close(opened) }
    guard syncfs(opened) == 0 else {
      throw DiskError("cannot make durable", path, Errno(rawValue: errno))
    }
  }
}
