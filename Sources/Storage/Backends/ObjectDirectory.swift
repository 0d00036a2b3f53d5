import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Objects by the hash of their content, wherever they lie. One owner.
package protocol ObjectShelf: AnyObject {
  var path: String? { get }
  /// In byte order.
  func hashes() throws -> [Hash256]
  /// Throws `damaged` where the object does not have the hash that it is stored under.
  func text(_ hash: Hash256) throws -> RecordText?
  func contains(_ hash: Hash256) throws -> Bool
  /// Keeps other writers out, calls `body`, and adds and removes what it returns, all or nothing.
  func update(
    waitingUpTo seconds: Double, _ body: () throws -> (adding: [RecordText], removing: [Hash256]))
    throws
}

/// Objects in memory.
final class MemoryShelf: ObjectShelf {
  let path: String? = nil
  private var objects: [Hash256: RecordText] = [:]

  func hashes() -> [Hash256] { objects.keys.sorted() }
  func text(_ hash: Hash256) -> RecordText? { objects[hash] }
  func contains(_ hash: Hash256) -> Bool { objects[hash] != nil }

  func update(
    waitingUpTo seconds: Double, _ body: () throws -> (adding: [RecordText], removing: [Hash256])
  )
    rethrows
  {
    let (adding, removing) = try body()
    for hash in removing { objects[hash] = nil }
    for text in adding { objects[text.hash] = text }
  }
}

/// One content archive on disk (FORMATS: content-archive): an object a file, and their index.
///
/// Objects are written before the index names them, and removed after it has ceased to: the index
/// is the store, and its rename the one step in which it changes.
final class ObjectDirectory: ObjectShelf {
  /// The index as it stands in its file.
  struct Index {
    /// Paths within the archive.
    var paths: [Hash256: [UInt8]] = [:]
    /// In the order of the file.
    var order: [Hash256] = []
    /// Members that name no object, which are kept.
    var others: [RecordText.Member] = []
  }

  let directory: FilePath
  private var index = Index()
  private var seen: InputFile?
  private var facts: FileFacts?
  private var isRead = false
  /// Whether what killed writers left beside the index has been cleared up.
  private var isCleared = false

  init(_ directory: FilePath) { self.directory = directory }

  var path: String? { directory.string }
  private var indexPath: FilePath { directory.appending("index.json") }

  /// The index as it is now.
  func current() throws -> Index {
    let there = try FileFacts(at: indexPath)
    if isRead, there == facts { return index }
    guard there != nil else {
      index = try listed()
      facts = nil
      seen = nil
      isRead = true
      return index
    }
    let file = try InputFile(opening: indexPath)
    let facts = try file.facts()
    let bytes = try Disk.contents(of: file)
    index = try parse(bytes.span)
    self.facts = facts
    seen = consume file
    isRead = true
    return index
  }

  private func parse(_ bytes: Span<UInt8>) throws -> Index {
    let text: RecordText
    do throws(StorageError) { text = try RecordText(bytes) } catch {
      var error = error
      error.code = .damaged
      error.path = indexPath.string
      error.hint = "holdfast salvage recovers the objects, or restore the archive from a backup"
      throw error
    }
    var index = Index()
    for member in text.members {
      guard let hash = Hash256(hex: member.key.span), let value = try? JSONText(member.value.span),
        value.kind() == .string
      else {
        index.others.append(member)
        continue
      }
      if index.paths.updateValue(value.decoded(0), forKey: hash) == nil {
        index.order.append(hash)
      }
    }
    return index
  }

  /// The objects of an archive that has no index.
  private func listed() throws -> Index {
    var index = Index()
    guard try FileFacts(at: directory) != nil else { return index }
    try TreeWalk.walk(directory) { entry in
      let name = entry.name.lastComponent?.string ?? ""
      let stem = name.hasSuffix(".json") ? String(name.dropLast(5)) : name
      if entry.facts.isRegular, let hash = Hash256(hex: stem) {
        index.paths[hash] = TreeWalk.bytes(of: entry.name)
        index.order.append(hash)
      }
      return entry.facts.kind == .directory && entry.name.components.count < 3
    }
    return index
  }

  func hashes() throws -> [Hash256] { try current().order.sorted() }
  func contains(_ hash: Hash256) throws -> Bool { try current().paths[hash] != nil }

  func text(_ hash: Hash256) throws -> RecordText? {
    for attempt in 0..<3 {
      guard let path = try current().paths[hash] else { return nil }
      let name = try place(of: hash, path)
      let bytes: ByteBuffer
      do throws(DiskError) {
        let file = try InputFile(opening: name, in: InputDirectory(directory))
        bytes = try Disk.contents(of: file)
      } catch {
        // Another process may have removed it just now, and the index names it no more.
        guard error.code == .notFound, attempt < 2 else { throw error }
        isRead = false
        continue
      }
      return try checked(bytes, hash, directory.pushing(name))
    }
    return nil
  }

  private func checked(_ bytes: ByteBuffer, _ hash: Hash256, _ path: FilePath) throws -> RecordText
  {
    let text: RecordText
    do throws(StorageError) { text = try RecordText(bytes.span) } catch {
      throw StorageError(
        .damaged, error.message, path: path.string, offset: error.offset, cause: error,
        hint: "restore it from a backup")
    }
    let actual = text.hash
    if actual == hash { return text }
    throw StorageError(
      .damaged, "its content has the hash \(actual.hex), not \(hash.hex)", path: path.string,
      offset: 0, hint: "restore it from a backup")
  }

  /// The file of an object, from its entry in the index.
  private func place(of hash: Hash256, _ entry: [UInt8]) throws(StorageError) -> FilePath {
    guard let name = FilePath(bytes: entry), name.root == nil, !name.isEmpty,
      name.components.allSatisfy({ $0.kind == .regular })
    else {
      throw StorageError(
        .damaged, "the entry \(hash.hex) leads out of the archive", path: indexPath.string)
    }
    return name
  }

  /// The name of an object, its content checked; nil where it has none.
  /// - Parameters:
  ///   - entry: of the index.
  ///   - kind: nil where its own fields tell it.
  func name(
    _ hash: Hash256, _ entry: [UInt8], in root: borrowing InputDirectory, as kind: RecordKind?,
    with record: inout Record
  ) throws -> RecordName? {
    let name = try place(of: hash, entry)
    let file = try InputFile(opening: name, in: root)
    let bytes = try Disk.contents(of: file)
    do throws(JSONError) { try record.text.parse(bytes.span) } catch {
      throw StorageError(
        .damaged, "is no JSON: \(error.reason.rawValue)",
        path: directory.pushing(name).string, offset: error.offset,
        hint: "restore it from a backup")
    }
    record.kind = kind ?? ContentArchive.kind(of: record.text)
    let actual = record.contentHash()
    guard actual == hash else {
      throw StorageError(
        .damaged, "its content has the hash \(actual.hex), not \(hash.hex)",
        path: directory.pushing(name).string, offset: 0, hint: "restore it from a backup")
    }
    var id = ByteBuffer()
    return record.appendID(to: &id) ? record.name() : nil
  }

  // MARK: Changes

  func update(
    waitingUpTo seconds: Double, _ body: () throws -> (adding: [RecordText], removing: [Hash256])
  )
    throws
  {
    let permit = try ObjectPermit(directory, waitingUpTo: seconds)
    defer { withExtendedLifetime(permit) {} }
    let (adding, removing) = try body()
    guard let staged = try staged(adding: adding, removing: removing) else { return }
    do { try publish(staged) } catch {
      discard(staged)
      throw error
    }
    sweep(staged)
  }

  struct Staged {
    fileprivate var index: Index
    fileprivate var gone: [[UInt8]]
    /// New objects, which a failure takes away again.
    fileprivate var made: [FilePath]
  }

  /// Writes new objects, durably, and the index that will name them; nil where all is as it is to
  /// be. The caller holds the lock.
  func staged(adding: [RecordText], removing: [Hash256]) throws -> Staged? {
    var next = try current()
    var staged = Staged(index: next, gone: [], made: [])
    let added = Set(adding.map(\.hash))
    let removed = Set(removing).subtracting(added)
    for hash in removed {
      if let path = next.paths.removeValue(forKey: hash) { staged.gone.append(path) }
    }
    if !staged.gone.isEmpty { next.order.removeAll { removed.contains($0) } }
    let new = adding.filter { next.paths[$0.hash] == nil }
    if staged.gone.isEmpty, new.isEmpty, facts != nil { return nil }
    do {
      for text in new {
        let hash = text.hash
        let hex = hash.hex
        let name = FilePath("\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).json")
        if next.paths.updateValue(TreeWalk.bytes(of: name), forKey: hash) == nil {
          next.order.append(hash)
        }
        try write(text, to: directory.pushing(name), isOneOfMany: new.count > 16)
        staged.made.append(directory.pushing(name))
      }
      if new.count > 16 { try Disk.syncFileSystem(of: directory) }
    } catch {
      discard(staged)
      throw error
    }
    staged.index = next
    return staged
  }

  /// An object as its owner writes it: indented.
  private func write(_ text: RecordText, to path: FilePath, isOneOfMany: Bool) throws {
    try Disk.makeDirectory(path.removingLastComponent(), mode: 0o700)
    var bytes = ByteBuffer()
    RecordLayout.indented(unit: 2, base: 0).append(text.bytes.span, to: &bytes)
    try Disk.clearLeftovers(of: path)
    var file = try OutputFile(for: path)
    try file.write(bytes.span)
    if isOneOfMany { try file.publishLater() } else { try file.publish() }
  }

  func discard(_ staged: Staged) {
    for path in staged.made { try? Disk.remove(path) }
  }

  /// Writes the index: from here on the change is there.
  func publish(_ staged: Staged) throws { try write(staged.index) }

  /// Removes the objects that the index no longer names. One that stays does no harm.
  func sweep(_ staged: Staged) {
    for path in staged.gone {
      if let name = FilePath(bytes: path) { try? Disk.remove(directory.pushing(name)) }
    }
  }

  private func write(_ next: Index) throws {
    var text = ByteBuffer("{")
    var isFirst = true
    func member(_ key: [UInt8], _ value: [UInt8]) {
      text.append(isFirst ? "\n  " : ",\n  ")
      isFirst = false
      text.append(key)
      text.append(": ")
      text.append(value)
    }
    for other in next.others { member(other.quotedKey, other.value) }
    for hash in next.order {
      guard let path = next.paths[hash] else { continue }
      text.append(isFirst ? "\n  \"" : ",\n  \"")
      isFirst = false
      hash.appendHex(to: &text)
      text.append("\": ")
      appendJSONString(path.span, to: &text)
    }
    text.append(isFirst ? "}" : "\n}")
    if !isCleared { try Disk.clearLeftovers(of: indexPath) }
    isCleared = true
    var file = try OutputFile(for: indexPath)
    try file.write(text.span)
    let written = try file.reopen()
    try file.publish()
    index = next
    facts = try written.facts()
    seen = consume written
    isRead = true
  }

  /// The index before a change, for taking it back where another part of it fails.
  var saved: Index { index }

  /// Puts an index back. The objects that it names must still be there.
  func revert(to old: Index) throws { try write(old) }
}

/// Both locks of an archive: ours, and the one that its owner's programs respect.
struct ObjectPermit: ~Copyable {
  private let lock: StoreLock?
  private let foreign: ForeignLock

  /// - Parameter isLocked: whether the caller holds the lock of the directory already.
  init(_ directory: FilePath, isLocked: Bool = false, waitingUpTo seconds: Double) throws {
    try Disk.makeDirectory(directory, mode: 0o700)
    let own: StoreLock? =
      isLocked
      ? nil
      : try StoreLock(
        StoreLock.path(forStoreAt: directory, isDirectory: true), waitingUpTo: seconds)
    // Upstream takes one older than 10 s for stale (FORMATS: content-archive).
    let other = try ForeignLock(
      directory.appending(".archive_lock"), waitingUpTo: seconds, staleAfter: 10)
    lock = own
    foreign = other
  }
}
