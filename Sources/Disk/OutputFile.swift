import Dispatch
import Glibc
import LosslessJSON
import SystemPackage

/// A file being written. Until `publish` it is not under its name: it lies beside its target as
/// `.holdfast-….tmp`, and goes away with its owner.
package struct OutputFile: ~Copyable {
  /// Names of unfinished files and directories start with this; a later run may remove them.
  package static let temporaryPrefix = ".holdfast-"

  /// Whether a file of this name is unfinished: no more than the names that are given out.
  package static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(temporaryPrefix) && name.hasSuffix(".tmp")
  }

  package let target: FilePath
  private let temporary: FilePath
  private let descriptor: FileDescriptor
  /// Bytes written so far.
  package private(set) var count = 0
  private var isPublished = false
  /// Bytes that the kernel has been told to write to the disk, for `publish` not to wait for all of
  /// a large file.
  private var handedOver = 0
  private static let stretch = 16 << 20

  /// Starts the file that `publish` will put at `target`. Its directory must exist.
  /// - Parameter mode: for its owner alone by default, since a store may be.
  package init(for target: FilePath, mode: Int = 0o600) throws(DiskError) {
    self.target = target
    temporary = Disk.temporaryPath(for: target)
    descriptor = try Disk.create(temporary, mode: mode)
  }

  deinit {
    try? descriptor.close()
    if !isPublished { _ = temporary.withPlatformString { unlink($0) } }
  }

  package mutating func write(_ bytes: Span<UInt8>) throws(DiskError) {
    try Disk.write(bytes, to: descriptor, path: target)
    count += bytes.count
    if count - handedOver >= Self.stretch {
      Disk.startWriting(descriptor)
      handedOver = count
    }
  }

  /// Makes the bytes durable, then gives them their name: data first, then the rename, then the
  /// directory. What had the name before is replaced.
  /// - Parameter replacing: if false, an existing target is an `exists` error.
  package mutating func publish(replacing: Bool = true) throws(DiskError) {
    try Disk.sync(descriptor, path: target)
    try Disk.rename(temporary, to: target, replacing: replacing)
    isPublished = true
    try Disk.syncDirectory(of: target)
  }

  /// Like `publish`, but only in the place of what was seen there; nil where nothing was. Throws
  /// `changed` where it is another file or another content by now, and leaves that as it is.
  package mutating func publish(over facts: FileFacts?) throws(DiskError) {
    guard let facts else { return try publish(replacing: false) }
    try Disk.sync(descriptor, path: target)
    guard try FileFacts(at: target) == facts else { throw changed }
    if try Disk.exchange(temporary, target) {
      guard try FileFacts(at: temporary) == facts else {
        _ = try Disk.exchange(temporary, target)
        throw changed
      }
      _ = temporary.withPlatformString { unlink($0) }
    } else {
      try Disk.rename(temporary, to: target, replacing: true)
    }
    isPublished = true
    try Disk.syncDirectory(of: target)
  }

  private var changed: DiskError {
    DiskError(
      .changed, "was changed meanwhile, and is left as it is", path: target,
      hint: "stop the program that writes to it, and run it again")
  }

  /// Gives the bytes their name without making either durable, for one of many files that
  /// `Disk.syncFileSystem` makes durable together.
  package mutating func publishLater() throws(DiskError) {
    try Disk.rename(temporary, to: target, replacing: true)
    isPublished = true
  }

  /// The unpublished bytes, opened for reading.
  package func reopen() throws(DiskError) -> InputFile { try InputFile(opening: temporary) }

  package var temporaryPath: FilePath { temporary }
}

/// A nameless file for intermediate data: it vanishes with its owner, however that ends.
package final class SpillFile {
  /// Where one belongs that stands beside no target: TMPDIR, else where large ones have room.
  package static var standardDirectory: FilePath {
    let given = getenv("TMPDIR").map { FilePath(String(cString: $0)) }
    for place in [given, FilePath("/var/tmp")].compactMap({ $0 }) {
      if place.withPlatformString({ access($0, W_OK | X_OK) }) == 0 { return place }
    }
    return FilePath("/tmp")
  }

  private let descriptor: FileDescriptor
  private let path: FilePath
  /// Bytes written so far.
  package private(set) var count = 0
  private var pending = ByteBuffer()
  /// Bytes already in the file.
  private var flushed = 0

  /// `O_TMPFILE` of Linux's fcntl.h, which the module map of Glibc leaves out.
  private static let nameless: Int32 = 0o20_000_000 | O_DIRECTORY

  /// Makes one on the file system of `directory`.
  package init(in directory: FilePath) throws(DiskError) {
    path = directory
    let opened = directory.withPlatformString {
      open($0, Self.nameless | O_RDWR | O_CLOEXEC, 0o600)
    }
    if opened >= 0 {
      Disk.letOwnerIn(opened)
      descriptor = FileDescriptor(rawValue: opened)
      return
    }
    let temporary = Disk.temporaryPath(for: directory.appending("spill"))
    descriptor = try Disk.create(temporary, mode: 0o600)
    _ = temporary.withPlatformString { unlink($0) }
  }

  /// A large file takes a while to give back the room it held: for that nobody waits.
  deinit {
    let descriptor = descriptor
    guard flushed > Self.large else {
      try? descriptor.close()
      return
    }
    DispatchQueue.global().async { try? descriptor.close() }
  }

  private static let large = 8 << 20

  /// A name by which this process, and no other, can open the file while it is held.
  package func openableName() throws(DiskError) -> FilePath {
    try flush()
    return FilePath("/proc/self/fd/\(descriptor.rawValue)")
  }

  /// Takes in what somebody else has written under `openableName`.
  package func takeSize() throws(DiskError) {
    count = try FileFacts(of: descriptor, path: path).size
    flushed = count
  }

  package func append(_ bytes: Span<UInt8>) throws(DiskError) {
    count += bytes.count
    if bytes.count >= 64 << 10 {
      try flush()
      try Disk.write(bytes, to: descriptor, path: path)
      flushed += bytes.count
      return
    }
    pending.append(bytes)
    if pending.count >= 128 << 10 { try flush() }
  }

  private func flush() throws(DiskError) {
    if pending.isEmpty { return }
    let bytes = pending
    try Disk.write(bytes.span, to: descriptor, path: path)
    flushed += bytes.count
    pending.removeAll()
  }

  /// The descriptor, for a program that is to read or write the file from its start; valid as long
  /// as this object.
  package func handOver() throws(DiskError) -> Int32 {
    try flush()
    lseek(descriptor.rawValue, 0, SEEK_SET)
    return descriptor.rawValue
  }

  /// Bytes in the file, also those that another program has written.
  package func size() throws(DiskError) -> Int {
    try FileFacts(of: descriptor, path: path).size
  }

  /// Appends exactly `length` bytes that start at `offset` to `buffer`.
  package func read(at offset: Int, into buffer: inout ByteBuffer, count length: Int)
    throws(DiskError)
  {
    if offset + length > flushed { try flush() }
    var total = 0
    while total < length {
      let position = offset + total
      let got = try buffer.append(atMost: length - total) { memory throws(DiskError) -> Int in
        while true {
          let result = pread(descriptor.rawValue, memory.baseAddress, memory.count, position)
          if result >= 0 { return result }
          if errno == EINTR { continue }
          throw DiskError("cannot read intermediate data", path, Errno(rawValue: errno))
        }
      }
      if got == 0 {
        throw DiskError(.shortRead, "intermediate data ended early", path: path, offset: position)
      }
      total += got
    }
  }
}
