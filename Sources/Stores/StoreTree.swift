import Disk
import LosslessJSON
import Records
import SystemPackage

/// One file or directory of a store.
package struct StoreFile: Sendable, Equatable {
  /// Path from the root of the store; for a store of one file, its name.
  package var name: FilePath
  package var isDirectory: Bool
  /// Bytes; 0 for a directory.
  package var size: Int
  /// Permission bits.
  package var mode: Int
  package var modifiedSeconds: Int
  package var modifiedNanoseconds: Int

  package init(
    name: FilePath, isDirectory: Bool, size: Int, mode: Int, modifiedSeconds: Int,
    modifiedNanoseconds: Int
  ) {
    self.name = name
    self.isDirectory = isDirectory
    self.size = size
    self.mode = mode
    self.modifiedSeconds = modifiedSeconds
    self.modifiedNanoseconds = modifiedNanoseconds
  }

  package init(name: FilePath, facts: FileFacts) {
    self.init(
      name: name, isDirectory: facts.kind == .directory,
      size: facts.kind == .directory ? 0 : facts.size, mode: facts.mode,
      modifiedSeconds: facts.modified.seconds, modifiedNanoseconds: facts.modified.nanoseconds)
  }
}

/// The files a store consists of, wherever they lie: on disk, or inside a backup.
///
/// Readers open each file at most once, front to back, so that whoever supplies the tree can
/// watch the very bytes that the records come from.
package protocol StoreTree: AnyObject {
  /// Files and directories, directories before what they hold, in byte order of names.
  var files: [StoreFile] { get }
  /// Whether the store is one file rather than a directory.
  var isSingleFile: Bool { get }
  /// What was left out, or is worth knowing, of the tree itself.
  var notes: [Finding] { get }
  /// The path of a file as the user would type it.
  func displayPath(_ index: Int) -> String
  /// The bytes of a file, from the front.
  func open(_ index: Int) throws -> ByteStream
  /// Up to `limit` bytes from the front of a file, for detection: not seen by any watcher.
  func head(_ index: Int, limit: Int) throws -> ByteBuffer
  /// Where a file can be opened by whoever cannot read from front to back, as SQLite.
  func place(_ index: Int) throws -> FilePlace
}

/// Where a file of a store lies.
package enum FilePlace: Sendable, Equatable {
  /// Under its name, where other processes may write to it.
  case live(FilePath)
  /// Under a name by which this process can open it; nobody changes it.
  case still(FilePath)
  /// Nowhere: its bytes are to be had from `open` alone.
  case stream
}

extension StoreTree {
  package func place(_ index: Int) throws -> FilePlace { .stream }
}

/// A store on disk.
package final class DiskTree: StoreTree {
  package let root: FilePath
  package let isSingleFile: Bool
  package private(set) var files: [StoreFile] = []
  package private(set) var notes: [Finding] = []

  /// Names at the top of a store directory that never belong to the store (FORMATS:
  /// memory-graph), and what writers leave for as long as they write.
  private static let outside = kept + [".archive_lock", StoreLock.directoryName]
  /// What lies in the directory of a store for as long as that is there, whatever becomes of the
  /// store: its backups and the logs of recoveries.
  package static let kept = [".backup", ".recovery"]

  /// Lists the store at `root`. Throws `notFound` where there is nothing, `notReadable` where
  /// nothing of it may be read. A part of a directory that may not be is left out, with an error
  /// among the notes.
  /// - Parameter include: which files of a directory are wanted, by name; all by default.
  package init(_ root: FilePath, include: (FilePath) -> Bool = { _ in true }) throws {
    self.root = root
    do throws(DiskError) {
      guard let facts = try FileFacts(at: root) else {
        throw DiskError(
          .notFound, "no such file or directory", path: root, hint: "check the path of the store")
      }
      isSingleFile = facts.kind != .directory
      if isSingleFile { files = [try Self.onlyFile(root, facts)] }
    } catch { throw error.ofReading }
    if isSingleFile { return }
    do { try list(include) } catch let error as DiskError { throw error.ofReading }
    let isEmpty = files.allSatisfy(\.isDirectory)
    if isEmpty, let note = notes.first(where: { $0.severity == .error }) {
      throw DiskError(.notReadable, note.message, path: note.path.map { FilePath($0) }).ofReading
    }
  }

  private static func onlyFile(_ root: FilePath, _ facts: FileFacts) throws(DiskError)
    -> StoreFile
  {
    guard facts.isRegular else {
      throw DiskError(
        .notRegular, "is neither a regular file nor a directory", path: root,
        hint: "name the store's file or directory itself")
    }
    let name = root.lastComponent ?? Disk.absolute(root).lastComponent
    return StoreFile(name: FilePath(root: nil, [name].compactMap { $0 }), facts: facts)
  }

  private func list(_ include: (FilePath) -> Bool) throws {
    try TreeWalk.walk(root) { entry in
      let name = entry.name.lastComponent?.string ?? ""
      if entry.name.components.count == 1, Self.outside.contains(name) { return false }
      if name == ".archive_lock" || OutputFile.isTemporary(name) || StoreLock.isName(name) {
        return false
      }
      let full = root.pushing(entry.name)
      switch entry.facts.kind {
      case .regular, .directory:
        let isDirectory = entry.facts.kind == .directory
        guard isDirectory || include(entry.name) else { return true }
        guard Disk.mayRead(full, isDirectory: isDirectory) else {
          notes.append(
            Finding(
              .error, .unreadable, "may not be read: permission denied", path: full.string,
              length: isDirectory ? nil : entry.facts.size))
          return false
        }
        files.append(StoreFile(name: entry.name, facts: entry.facts))
      case .symbolicLink, .other:
        let what = entry.facts.kind == .symbolicLink ? "a symbolic link" : "no regular file"
        notes.append(
          Finding(.warning, .skippedFile, "is \(what) and was left out", path: full.string))
      }
      return true
    }
  }

  package func path(_ index: Int) -> FilePath {
    isSingleFile ? root : root.pushing(files[index].name)
  }

  package func displayPath(_ index: Int) -> String { path(index).string }

  package func place(_ index: Int) -> FilePlace { .live(path(index)) }

  /// A file of the listing, opened. One that a symbolic link has taken the place of since is not
  /// read: the store's own path may be a link, nothing below it.
  package func input(_ index: Int) throws(DiskError) -> InputFile {
    isSingleFile
      ? try InputFile(opening: root) : try InputFile(opening: files[index].name, beneath: root)
  }

  package func open(_ index: Int) throws -> ByteStream {
    var source = FileSource(try input(index))
    return ByteStream { try source.read(into: &$0, atMost: $1) }
  }

  package func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    _ = try input(index).read(at: 0, into: &bytes, atMost: limit)
    return bytes
  }
}
