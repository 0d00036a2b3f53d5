import Disk
import LosslessJSON
import SystemPackage

/// The directory that a salvage writes. Until `publish` it lies beside its target under a name of
/// its own, and it goes away with its owner.
package final class OutputDirectory {
  package let target: FilePath
  let staged: FilePath
  private var isPublished = false

  /// Throws `exists` where the target is there and not empty.
  package init(for target: FilePath) throws {
    self.target = Disk.absolute(target)
    try Self.check(target)
    staged = Disk.temporaryPath(for: self.target)
    try Disk.makeDirectory(self.target.removingLastComponent())
    try Disk.clearLeftovers(of: self.target)
    try Disk.makeDirectory(staged, mode: 0o700, durably: false)
  }

  /// Throws `exists` unless the target can be made, or is an empty directory.
  package static func check(_ target: FilePath) throws {
    guard let facts = try FileFacts(at: target) else { return }
    let isFree = try facts.kind == .directory && TreeWalk.names(in: target).isEmpty
    guard !isFree else { return }
    throw SalvageError(
      .exists, "exists and is not empty", path: target.string,
      hint: "name a new directory with --to: salvage never writes over anything")
  }

  deinit { if !isPublished { try? Disk.remove(staged) } }

  func path(_ name: FilePath) -> FilePath { staged.pushing(name) }

  /// Makes all of it durable and gives it its name.
  package func publish() throws {
    try Disk.syncTree(staged)
    try Disk.rename(staged, to: target, replacing: true)
    isPublished = true
    try Disk.syncDirectory(of: target)
  }
}

/// A file of the output, made when the first byte of it is written.
final class PendingFile {
  private let directory: OutputDirectory
  let name: FilePath
  private var file: StagedFile?
  private var buffer = ByteBuffer()
  private static let bufferSize = 1 << 20
  /// Bytes written so far.
  private(set) var count = 0

  init(_ name: FilePath, in directory: OutputDirectory) {
    self.name = name
    self.directory = directory
  }

  func append(_ bytes: Span<UInt8>) throws {
    count += bytes.count
    if bytes.count >= Self.bufferSize {
      try flush()
      try opened().write(bytes)
      return
    }
    buffer.append(bytes)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  func append(_ byte: UInt8) throws {
    count += 1
    buffer.append(byte)
  }

  /// Lets `body` append to what is going to be written; returns how many bytes it added.
  func write(_ body: (inout ByteBuffer) -> Void) throws {
    let before = buffer.count
    body(&buffer)
    count += buffer.count - before
    if buffer.count >= Self.bufferSize { try flush() }
  }

  private func opened() throws -> StagedFile {
    if let file { return file }
    let made = try StagedFile(directory.path(name))
    file = made
    return made
  }

  private func flush() throws {
    if buffer.isEmpty { return }
    let pending = buffer
    try opened().write(pending.span)
    buffer.removeAll()
  }

  /// Writes what is left.
  /// - Parameter evenIfEmpty: whether to make the file without a byte in it too.
  func close(evenIfEmpty: Bool = false) throws {
    try flush()
    if evenIfEmpty { _ = try opened() }
    try file?.close()
    file = nil
  }
}

/// The bytes that belong to no record, each range in a file named by its offset and length.
final class Quarantine {
  private let directory: OutputDirectory
  private let folder: FilePath
  private var current: (file: PendingFile, offset: Int)?
  private var rest: PendingFile?
  private var made = 0
  /// Ranges beyond this many share one file, in the order of the ledger.
  static let fileLimit = 1000

  init(_ name: FilePath, in directory: OutputDirectory) {
    self.directory = directory
    folder = FilePath("quarantine").pushing(name)
  }

  /// Where the bytes of a range that starts at `offset` go: the folder, until its length is known.
  func begin(_ offset: Int) {
    if made >= Self.fileLimit {
      if rest == nil { rest = PendingFile(folder.appending("rest"), in: directory) }
      return
    }
    made += 1
    current = (PendingFile(folder.appending("\(offset)"), in: directory), offset)
  }

  func append(_ bytes: Span<UInt8>) throws {
    if let current { try current.file.append(bytes) } else { try rest?.append(bytes) }
  }

  /// Ends the range; returns the file that holds it.
  func end(length: Int) throws -> String {
    guard let current else { return folder.appending("rest").string }
    self.current = nil
    try current.file.close()
    let name = folder.appending("\(padded(current.offset))-\(length).bin")
    try Disk.rename(
      directory.path(current.file.name), to: directory.path(name), replacing: true)
    return name.string
  }

  func close() throws { try rest?.close() }

  /// Twelve digits, so that names sort by offset.
  private func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 12 - digits.count)) + digits
  }
}
