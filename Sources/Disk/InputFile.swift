import Glibc
import LosslessJSON
import SystemPackage

/// A file opened for reading only; closed with its owner. Never writes, never follows the file
/// position of anyone else: every read names its offset.
package struct InputFile: ~Copyable {
  package let path: FilePath
  let descriptor: FileDescriptor

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
    descriptor = try InputFile.regular(opened, path)
  }

  /// Opens the regular file `name` below the directory `root`, following no symbolic link on the
  /// way from there: throws `changed` for one, since a listing that left them out named the file.
  package init(opening name: FilePath, beneath root: FilePath) throws(DiskError) {
    path = root.pushing(name)
    descriptor = try InputFile.regular(try InputFile.open(name, beneath: root), path)
  }

  private static func open(_ name: FilePath, beneath root: FilePath) throws(DiskError)
    -> FileDescriptor
  {
    let whole = root.pushing(name)
    let top = root.isEmpty ? FilePath(".") : root
    var directory = top.withPlatformString { Glibc.open($0, pathOnly | O_DIRECTORY | O_CLOEXEC) }
    guard directory >= 0 else {
      throw DiskError("cannot open", whole, Errno(rawValue: errno)).ofReading
    }
    defer { close(directory) }
    let components = Array(name.components)
    for (index, component) in components.enumerated() {
      let isLast = index == components.count - 1
      let flags = isLast ? O_RDONLY | O_NONBLOCK : pathOnly | O_DIRECTORY
      let opened = component.withPlatformString {
        openat(directory, $0, flags | O_NOFOLLOW | O_CLOEXEC)
      }
      guard opened >= 0 else {
        let cause = Errno(rawValue: errno)
        if cause == .tooManySymbolicLinkLevels || cause == .notDirectory {
          throw DiskError(
            .changed, "was replaced by a symbolic link, or a directory above it was", path: whole,
            cause: cause)
        }
        throw DiskError("cannot open", whole, cause).ofReading
      }
      if isLast { return FileDescriptor(rawValue: opened) }
      close(directory)
      directory = opened
    }
    throw DiskError(.notRegular, "is not a regular file", path: whole)
  }

  /// `O_PATH` of Linux's fcntl.h: a directory to look things up in, which need not be readable.
  private static let pathOnly: Int32 = 0o10_000_000

  private static func regular(_ opened: FileDescriptor, _ path: FilePath) throws(DiskError)
    -> FileDescriptor
  {
    do throws(DiskError) {
      guard try FileFacts(of: opened, path: path).isRegular else {
        throw DiskError(.notRegular, "is not a regular file", path: path)
      }
    } catch {
      try? opened.close()
      throw error
    }
    return opened
  }

  deinit { try? descriptor.close() }

  /// Size, mode, times and identity, as they are now.
  package func facts() throws(DiskError) -> FileFacts { try FileFacts(of: descriptor, path: path) }

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
