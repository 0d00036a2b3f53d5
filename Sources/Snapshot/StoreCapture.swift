import Archive
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A store on disk whose every byte, while a reader takes the records from it, goes into the
/// members `store/…` as well: records and verbatim copy come from one and the same reading.
///
/// Each file is read once, up to the size it had when it was opened, and is looked at again
/// behind that. One file at a time: opening the next one completes the one before.
final class StoreCapture: StoreTree {
  private let base: any StoreTree
  /// Set unless the tree stands still already.
  private let disk: DiskTree?
  private let early: EarlyFiles
  private let out: MemberWriter
  private let progress: (_ bytes: Int) -> Void
  /// A member for each file read so far, in the order of reading.
  private(set) var members: [Captured] = []
  private var current: Reading?
  private var isDone: [Bool]
  /// Seconds that may still be spent on waiting for writers to pause.
  private var patience = 2.0

  struct Captured {
    var file: StoreFile
    var sha256: Hash256
    /// Where its content starts among that of the writer.
    var contentStart: Int
    var contentEnd: Int
    /// Whether the file had bytes behind those captured when it was looked at again.
    var hasGrown: Bool
  }

  private final class Reading {
    let index: Int
    let opened: OpenedFile
    let facts: FileFacts
    /// Whether the name may stand for another file by now.
    let isEarly: Bool
    let contentStart: Int
    var offset = 0

    init(index: Int, _ opened: OpenedFile, facts: FileFacts, isEarly: Bool, contentStart: Int) {
      self.index = index
      self.opened = opened
      self.facts = facts
      self.isEarly = isEarly
      self.contentStart = contentStart
    }
  }

  init(
    _ base: any StoreTree, openedBefore early: EarlyFiles, into out: MemberWriter,
    progress: @escaping (_ bytes: Int) -> Void
  ) {
    self.progress = progress
    self.base = base
    self.early = early
    disk = base as? DiskTree
    self.out = out
    isDone = [Bool](repeating: false, count: base.files.count)
  }

  var files: [StoreFile] { base.files }
  var isSingleFile: Bool { base.isSingleFile }
  var notes: [Finding] { base.notes }
  func displayPath(_ index: Int) -> String { base.displayPath(index) }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try base.head(index, limit: limit) }

  /// For a file of a frozen tree, which has been captured whole by the time it is opened.
  func place(_ index: Int) throws -> FilePlace {
    guard disk == nil else { return .stream }
    _ = try open(index)
    return try base.place(index)
  }

  func open(_ index: Int) throws -> ByteStream {
    try complete()
    guard let disk else { return try openStill(index) }
    let path = disk.path(index)
    let held = early.file(files[index].name)
    let opened = try held ?? settled(disk, index)
    let facts = try opened.input.facts()
    if held != nil, facts != early.facts(files[index].name) {
      throw DiskError(.changed, "was changed while the store was listed", path: path)
    }
    isDone[index] = true
    let reading = Reading(
      index: index, opened, facts: facts, isEarly: held != nil, contentStart: out.contentSize)
    current = reading
    return ByteStream { [out, progress] buffer, limit in
      let wanted = min(limit, facts.size - reading.offset)
      guard wanted > 0 else { return 0 }
      let before = buffer.count
      let count = try reading.opened.input.read(at: reading.offset, into: &buffer, atMost: wanted)
      guard count > 0 else {
        throw DiskError(
          .changed, "became shorter while it was read", path: path, offset: reading.offset)
      }
      try out.write(buffer.span.extracting(before..<buffer.count))
      reading.offset += count
      progress(count)
      return count
    }
  }

  /// A file that nobody changes: captured whole at once, then read.
  private func openStill(_ index: Int) throws -> ByteStream {
    if isDone[index] { return try base.open(index) }
    isDone[index] = true
    let stream = try base.open(index)
    let start = out.contentSize
    var file = files[index]
    file.size = 0
    var block = ByteBuffer()
    while case let count = try stream.read(into: &block, atMost: 256 << 10), count > 0 {
      try out.write(block.span)
      block.removeAll()
      file.size += count
      progress(count)
    }
    let end = out.contentSize
    let (_, sha256) = try out.endMember()
    members.append(
      Captured(
        file: file, sha256: sha256, contentStart: start, contentEnd: end, hasGrown: false))
    return try base.open(index)
  }

  /// Opens a file once nobody has written to it for a moment, so that a later write changes its
  /// time.
  private func settled(_ disk: DiskTree, _ index: Int) throws -> OpenedFile {
    while true {
      let file = OpenedFile(try disk.input(index))
      if !isFresh(try file.input.facts()) { return file }
    }
  }

  /// Whether another write may leave the time of a file as it is, for times move in steps of some
  /// milliseconds. Waits for a moment where it may, until patience is at its end.
  private func isFresh(_ facts: FileFacts) -> Bool {
    let modified = Double(facts.modified.seconds) + Double(facts.modified.nanoseconds) / 1e9
    let age = Clock.wall - modified
    guard age >= 0, age < 0.06, patience > 0 else { return false }
    Clock.sleep(seconds: 0.02)
    patience -= 0.02
    return true
  }

  /// Ends the member of the file that is open. Throws `changed` where other bytes may have been
  /// captured than the file had at one time.
  private func complete() throws {
    guard let reading = current, let disk else { return }
    let path = disk.path(reading.index)
    var block = ByteBuffer()
    while reading.offset < reading.facts.size {
      block.removeAll()
      let wanted = min(256 << 10, reading.facts.size - reading.offset)
      let count = try reading.opened.input.read(at: reading.offset, into: &block, atMost: wanted)
      if count == 0 {
        throw DiskError(
          .changed, "became shorter while it was read", path: path, offset: reading.offset)
      }
      try out.write(block.span)
      reading.offset += count
    }
    current = nil
    let contentEnd = out.contentSize
    let (_, sha256) = try out.endMember()
    let hasGrown = try checkUnchanged(reading, path, sha256)
    var file = files[reading.index]
    file.size = reading.facts.size
    file.mode = reading.facts.mode
    file.modifiedSeconds = reading.facts.modified.seconds
    file.modifiedNanoseconds = reading.facts.modified.nanoseconds
    members.append(
      Captured(
        file: file, sha256: sha256, contentStart: reading.contentStart, contentEnd: contentEnd,
        hasGrown: hasGrown))
  }

  /// Whether the file has grown since, its start unchanged. A time that changed tells nothing: a write
  /// changes it before it changes bytes and size. Then the file has to hold still while it is read
  /// again: of bytes that change to and fro, two readings may find the same mixture. One that is
  /// appended to all the time never does; three more readings have to find the same then.
  private func checkUnchanged(_ reading: Reading, _ path: FilePath, _ sha256: Hash256) throws
    -> Bool
  {
    func facts() throws -> FileFacts? {
      reading.isEarly ? try reading.opened.input.facts() : try FileFacts(at: path)
    }
    let size = reading.facts.size
    if try facts() == reading.facts { return false }
    var hasGrown = false
    for _ in 0..<3 {
      var before = try facts()
      while let now = before, isFresh(now) { before = try facts() }
      guard let before, before.inode == reading.facts.inode,
        before.device == reading.facts.device, before.size >= size
      else {
        throw DiskError(.changed, "was changed or replaced while it was read", path: path)
      }
      guard try hash(reading) == sha256 else {
        throw DiskError(.changed, "was changed while it was read", path: path)
      }
      hasGrown = before.size > size
      if try facts() == before { return hasGrown }
    }
    if hasGrown { return true }
    throw DiskError(.changed, "was changed while it was read", path: path)
  }

  /// The hash of what the file holds by now of as many bytes as were captured.
  private func hash(_ reading: Reading) throws -> Hash256 {
    var hasher = Hasher256()
    var block = ByteBuffer()
    while hasher.count < reading.facts.size {
      block.removeAll()
      let wanted = min(256 << 10, reading.facts.size - hasher.count)
      if try reading.opened.input.read(at: hasher.count, into: &block, atMost: wanted) == 0 {
        break
      }
      hasher.update(block.span)
    }
    return hasher.finish()
  }

  /// Captures what no reader has opened, so that every file of the store is in the archive. What
  /// has gone since the listing, as unfinished files of writers do, is no part of the store any
  /// more: no record came from it.
  func captureRest() throws {
    try complete()
    for (index, file) in files.enumerated() where !file.isDirectory && !isDone[index] {
      do { _ = try open(index) } catch let error as DiskError where error.code == .notFound {
        isDone[index] = true
      }
      try complete()
    }
  }
}

/// The owner of an open file, for those who share it.
final class OpenedFile {
  let input: InputFile

  init(_ input: consuming InputFile) { self.input = input }
}

/// Files of a store that are opened before the store is listed, so that whatever they name is in
/// the listing, though they be replaced meanwhile.
package final class EarlyFiles {
  private let root: FilePath
  private var files: [FilePath: (opened: OpenedFile, facts: FileFacts)] = [:]

  /// Opens those of `names` that there are.
  package init(of root: FilePath, _ names: [FilePath]) throws {
    self.root = root
    for name in names where try FileFacts(at: root.pushing(name), following: false) != nil {
      // What is no regular file, or may not be read, is for the listing to tell.
      guard let input = try? InputFile(opening: name, beneath: root) else { continue }
      let opened = OpenedFile(input)
      files[name] = (opened, try opened.input.facts())
    }
  }

  func file(_ name: FilePath) -> OpenedFile? { files[name]?.opened }

  /// As it was when it was opened.
  func facts(_ name: FilePath) -> FileFacts? { files[name]?.facts }

  /// One whose name stands for another file by now, or for none.
  package func replaced() throws -> FilePath? {
    try files.first { name, file in
      try FileFacts(at: root.pushing(name), following: false) != file.facts
    }.map { root.pushing($0.key) }
  }
}
