import Glibc
import LosslessJSON
import SystemPackage

extension Disk {
  /// Appends `bytes` to the file `path` and makes them durable. Where that fails the file is cut
  /// back to what it was.
  /// - Parameter facts: of the file as the caller knows it; throws `changed` where another file has
  ///   taken its name, or it is no longer as long.
  /// Returns the facts afterwards.
  package static func append(_ bytes: Span<UInt8>, to path: FilePath, knownAs facts: FileFacts)
    throws(DiskError) -> FileFacts
  {
    let opened = path.withPlatformString { open($0, O_WRONLY | O_APPEND | O_CLOEXEC) }
    guard opened >= 0 else { throw DiskError("cannot open", path, Errno(rawValue: errno)) }
    let descriptor = FileDescriptor(rawValue: opened)
    defer { try? descriptor.close() }
    let now = try FileFacts(of: descriptor, path: path)
    guard now.inode == facts.inode, now.device == facts.device, now.size == facts.size else {
      throw DiskError(
        .changed, "was changed meanwhile, and is left as it is", path: path,
        hint: "another program writes to it without its lock; run it again")
    }
    do throws(DiskError) {
      try write(bytes, to: descriptor, path: path)
      try sync(descriptor, path: path)
      return try FileFacts(of: descriptor, path: path)
    } catch {
      _ = ftruncate(opened, facts.size)
      throw error
    }
  }

  /// The whole of a file.
  package static func contents(of file: borrowing InputFile) throws(DiskError) -> ByteBuffer {
    var bytes = ByteBuffer()
    let size = file.sizeAtFirst
    bytes.reserve(size + 1)
    // One more than there should be: a file that grows meanwhile is read to its end.
    var limit = size + 1
    while try file.read(at: bytes.count, into: &bytes, atMost: limit) == limit { limit = 4096 }
    return bytes
  }
}
