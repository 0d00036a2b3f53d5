import LosslessJSON
import SystemPackage

/// A new file in a directory that is not under its final name yet, so that the file needs no
/// temporary name of its own. Directories above it are made.
package final class StagedFile {
  package let path: FilePath
  private let descriptor: FileDescriptor
  private var isOpen = true

  /// Throws `exists` where the path is taken.
  /// - Parameter mode: for its owner alone by default, since a store may be.
  package init(_ path: FilePath, mode: Int = 0o600) throws(DiskError) {
    self.path = path
    try Disk.makeDirectory(path.removingLastComponent())
    descriptor = try Disk.create(path, mode: mode)
  }

  deinit { if isOpen { try? descriptor.close() } }

  package func write(_ bytes: Span<UInt8>) throws(DiskError) {
    try Disk.write(bytes, to: descriptor, path: path)
  }

  /// Makes the content durable and closes the file.
  package func close() throws(DiskError) {
    guard isOpen else { return }
    isOpen = false
    defer { try? descriptor.close() }
    try Disk.sync(descriptor, path: path)
  }
}
