import LosslessJSON
import SystemPackage

/// A new file in a directory that is not under its final name yet, so that the file needs no
/// temporary name of its own; it becomes durable with that directory. Directories above it are
/// made. Small writes are gathered.
package final class StagedFile {
  package let path: FilePath
  private let descriptor: FileDescriptor
  private var isOpen = true
  private var pending = ByteBuffer()

  /// Throws `exists` where the path is taken.
  /// - Parameter mode: for its owner alone by default, since a store may be.
  package init(_ path: FilePath, mode: Int = 0o600) throws(DiskError) {
    self.path = path
    try Disk.makeDirectory(path.removingLastComponent(), durably: false)
    descriptor = try Disk.create(path, mode: mode)
  }

  /// Goes on behind what a closed one has written to `path`.
  package init(reopening path: FilePath) throws(DiskError) {
    self.path = path
    do {
      descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.append, .closeOnExec, .noFollow])
    } catch let error as Errno {
      throw DiskError("cannot open", path, error)
    } catch { throw DiskError(.failed, "cannot open: \(error)", path: path) }
  }

  /// Puts bytes in the place of others in a file that a closed one has written.
  package static func overwrite(
    _ path: FilePath, at offset: Int, with bytes: Span<UInt8>
  ) throws(DiskError) {
    do {
      let descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.closeOnExec, .noFollow])
      defer { try? descriptor.close() }
      try descriptor.seek(offset: Int64(offset), from: .start)
      try Disk.write(bytes, to: descriptor, path: path)
    } catch let error as DiskError { throw error } catch let error as Errno {
      throw DiskError("cannot write", path, error)
    } catch { throw DiskError(.failed, "cannot write: \(error)", path: path) }
  }

  deinit { if isOpen { try? descriptor.close() } }

  package func write(_ bytes: Span<UInt8>) throws(DiskError) {
    if bytes.count >= 64 << 10 {
      try flush()
      try Disk.write(bytes, to: descriptor, path: path)
      return
    }
    pending.append(bytes)
    if pending.count >= 64 << 10 { try flush() }
  }

  package func write(_ text: StaticString) throws(DiskError) {
    try write(ByteBuffer(text).span)
  }

  private func flush() throws(DiskError) {
    if pending.isEmpty { return }
    let bytes = pending
    pending.removeAll()
    try Disk.write(bytes.span, to: descriptor, path: path)
  }

  /// Ends the file. What was written is lost without it.
  /// - Parameter durably: for a file in a directory that people look into already.
  package func close(durably: Bool = false) throws(DiskError) {
    guard isOpen else { return }
    isOpen = false
    defer { try? descriptor.close() }
    try flush()
    if durably { try Disk.sync(descriptor, path: path) }
  }
}
