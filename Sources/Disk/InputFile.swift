import CLinux
import Glibc
import LosslessJSON
import Records
import SystemPackage

/// A directory that many files beneath it are opened in; closed with its owner.
package struct InputDirectory: ~Copyable {
  package let path: FilePath
  fileprivate let descriptor: Int32

  /// Throws `notFound`, or the system's own reason.
  package init(_ path: FilePath) throws(DiskError) {
    self.path = path
    descriptor = try InputFile.openDirectory(path, for: path)
  }

  deinit { close(descriptor) }
}

/// A file opened for reading only; closed with its owner. Never writes, never follows the file
/// position of anyone else: every read names its offset.
package struct InputFile: ~Copyable {
  package let path: FilePath
  let descriptor: FileDescriptor
  /// Bytes in it when it was opened.
  let sizeAtFirst: Int

  /// Opens a regular file. Throws `notFound`, `notRegular` (a directory, FIFO, socket or
  /// device, none of which is waited for), `notReadable`, or the system's own reason.
  package init(opening path: FilePath) throws(DiskError) {
    self.path = path
    let opened: FileDescriptor
    do {
      opened = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
    } catch let error as Errno {
      throw DiskError("cannot open", path, error).ofReading
    } catch { throw DiskError(.failed, "cannot open: \(error)", path: path) }
    sizeAtFirst = try InputFile.regular(opened, path)
    descriptor = opened
  }

  /// Opens the regular file `name` below the directory `root`, following no symbolic link on the
  /// way from there: throws `changed` for one, since a listing that left them out named the file.
  package init(opening name: FilePath, beneath root: FilePath) throws(DiskError) {
    path = root.pushing(name)
    let opened = try InputFile.open(name, beneath: root)
    sizeAtFirst = try InputFile.regular(opened, path)
    descriptor = opened
  }

  /// The same for one of many files of a directory: with one system call, where the kernel has it.
  package init(opening name: FilePath, in root: borrowing InputDirectory) throws(DiskError) {
    path = root.path.pushing(name)
    let opened = try InputFile.open(name, in: root)
    sizeAtFirst = try InputFile.regular(opened, path)
    descriptor = opened
  }

  private static func open(_ name: FilePath, in root: borrowing InputDirectory) throws(DiskError)
    -> FileDescriptor
  {
    let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
    let opened = name.withPlatformString { holdfast_open_beneath(root.descriptor, $0, flags) }
    if opened >= 0 { return FileDescriptor(rawValue: opened) }
    let cause = Errno(rawValue: errno)
    // An older kernel, or one that lets programs in containers do less.
    if [.noFunction, .notPermitted, .resourceTemporarilyUnavailable].contains(cause) {
      return try open(name, beneath: root.path)
    }
    throw unopened(root.path.pushing(name), cause)
  }

  fileprivate static func openDirectory(_ root: FilePath, for path: FilePath) throws(DiskError)
    -> Int32
  {
    let top = root.isEmpty ? FilePath(".") : root
    let directory = top.withPlatformString {
      Glibc.open($0, pathOnly | O_DIRECTORY | O_CLOEXEC)
    }
    guard directory >= 0 else {
      throw DiskError("cannot open", path, Errno(rawValue: errno)).ofReading
    }
    return directory
  }

  private static func unopened(_ path: FilePath, _ cause: Errno) -> DiskError {
    if cause == .tooManySymbolicLinkLevels || cause == .notDirectory {
      return DiskError(
        .changed, "was replaced by a symbolic link, or a directory above it was", path: path,
        cause: cause)
    }
    return DiskError("cannot open", path, cause).ofReading
  }

  private static func open(_ name: FilePath, beneath root: FilePath) throws(DiskError)
    -> FileDescriptor
  {
    let whole = root.pushing(name)
    var directory = try openDirectory(root, for: whole)
    defer { close(directory) }
    let components = Array(name.components)
    for (index, component) in components.enumerated() {
      let isLast = index == components.count - 1
      let flags = isLast ? O_RDONLY | O_NONBLOCK : pathOnly | O_DIRECTORY
      let opened = component.withPlatformString {
        openat(directory, $0, flags | O_NOFOLLOW | O_CLOEXEC)
      }
      guard opened >= 0 else { throw unopened(whole, Errno(rawValue: errno)) }
      if isLast { return FileDescriptor(rawValue: opened) }
      close(directory)
      directory = opened
    }
    throw DiskError(.notRegular, "is not a regular file", path: whole)
  }

  /// `O_PATH` of Linux's fcntl.h: a directory to look things up in, which need not be readable.
  private static let pathOnly: Int32 = 0o10_000_000

  /// The size of a file that has been opened; closes one that is not regular.
  private static func regular(_ opened: FileDescriptor, _ path: FilePath) throws(DiskError) -> Int {
    do throws(DiskError) {
      let facts = try FileFacts(of: opened, path: path)
      guard facts.isRegular else {
        throw DiskError(.notRegular, "is not a regular file", path: path)
      }
      return facts.size
    } catch {
      try? opened.close()
      throw error
    }
  }

  deinit { try? descriptor.close() }

  /// Size, mode, times and identity, as they are now.
  package func facts() throws(DiskError) -> FileFacts { try FileFacts(of: descriptor, path: path) }

  /// The hash of the whole file.
  /// - Parameter onRead: told of each block as it is read, in bytes.
  package func hash(onRead: ((Int) -> Void)? = nil) throws(DiskError) -> Hash256 {
    var hasher = Hasher256()
    var block = ByteBuffer()
    while try read(at: hasher.count, into: &block, atMost: 1 << 20) > 0 {
      hasher.update(block.span)
      onRead?(block.count)
      block.removeAll()
    }
    return hasher.finish()
  }

  /// Appends up to `limit` bytes that start at `offset`; returns how many, 0 only at the end.
  /// Interrupted and short reads are continued until `limit` or the end of the file.
  package func read(at offset: Int, into buffer: inout ByteBuffer, atMost limit: Int)
    throws(DiskError) -> Int
  {
    var total = 0
    while total < limit {
      try Interruption.check()
      let wanted = limit - total
      let position = offset + total
      let count = try buffer.append(atMost: wanted) { memory throws(DiskError) -> Int in
        do {
          return try descriptor.read(fromAbsoluteOffset: Int64(position), into: memory)
        } catch let error as Errno {
          var failure = DiskError("cannot read", path, error).ofReading
          failure.offset = position
          throw failure
        } catch { throw DiskError(.failed, "cannot read: \(error)", path: path, offset: position) }
      }
      if count == 0 { break }
      total += count
    }
    return total
  }
}

/// A file read from front to back.
package struct FileSource: ByteSource, ~Copyable {
  package let file: InputFile
  package private(set) var offset: Int

  package init(_ file: consuming InputFile, from offset: Int = 0) {
    self.file = file
    self.offset = offset
  }

  package mutating func read(into buffer: inout ByteBuffer, atMost limit: Int)
    throws(DiskError) -> Int
  {
    let count = try file.read(at: offset, into: &buffer, atMost: limit)
    offset += count
    return count
  }
}
