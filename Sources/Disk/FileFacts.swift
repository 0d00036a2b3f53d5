import Glibc
import SystemPackage

/// What the file system says of a file.
package struct FileFacts: Sendable, Equatable {
  package enum Kind: Sendable { case regular, directory, symbolicLink, other }

  package var kind: Kind
  /// Bytes.
  package var size: Int
  /// Permission bits, 0 to 0o7777.
  package var mode: Int
  /// Seconds since 1970, and the nanoseconds beyond them.
  package var modified: (seconds: Int, nanoseconds: Int) {
    (modifiedSeconds, modifiedNanoseconds)
  }
  package var device: UInt64
  package var inode: UInt64
  private var modifiedSeconds: Int
  private var modifiedNanoseconds: Int

  package var isRegular: Bool { kind == .regular }

  private init(_ info: stat) {
    switch info.st_mode & S_IFMT {
    case S_IFREG: kind = .regular
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .symbolicLink
    default: kind = .other
    }
    size = Int(info.st_size)
    mode = Int(info.st_mode & 0o7777)
    modifiedSeconds = info.st_mtim.tv_sec
    modifiedNanoseconds = info.st_mtim.tv_nsec
    device = UInt64(info.st_dev)
    inode = UInt64(info.st_ino)
  }

  package init(of descriptor: FileDescriptor, path: FilePath) throws(DiskError) {
    var info = stat()
    guard fstat(descriptor.rawValue, &info) == 0 else {
      throw DiskError("cannot look at", path, Errno(rawValue: errno))
    }
    self.init(info)
  }

  /// Looks at `path`; a symbolic link itself unless `following`. Nil where there is nothing, as
  /// there is under a name longer than the file system takes.
  package init?(at path: FilePath, following: Bool = true) throws(DiskError) {
    var info = stat()
    let result = path.withPlatformString { following ? stat($0, &info) : lstat($0, &info) }
    guard result == 0 else {
      let cause = Errno(rawValue: errno)
      if [.noSuchFileOrDirectory, .notDirectory, .fileNameTooLong].contains(cause) { return nil }
      throw DiskError("cannot look at", path, cause)
    }
    self.init(info)
  }
}
