import Disk
import LosslessJSON
import Records
import SystemPackage

/// A content archive as a store of records, each under the hash of what it says now: `intents/`,
/// `edges/`, `plans/` and `actions/`, or one archive of objects of any kind.
final class ArchiveBackend: Backend {
  let kinds: [RecordKind] = [.intent, .edge, .plan, .action]
  private let root: FilePath
  /// An archive of objects, and the kind that all of them have; nil where their fields tell it.
  private let shelves: [(objects: ObjectDirectory, kind: RecordKind?)]
  private var records: [Int: NamedList<Hash256>] = [:]
  /// Which objects `records` was made of.
  private var listed: [Int: [Hash256]] = [:]
  /// The name of each object that has been read; nil for one that cannot be.
  private var names: [Hash256: RecordName?] = [:]
  private var log: [Int: [Finding]] = [:]

  init(_ root: FilePath) throws {
    self.root = root
    let places = kinds.map { (ObjectDirectory(root.appending($0.plural)), Optional($0)) }
    let one = ObjectDirectory(root)
    let isDivided = try places.contains { try FileFacts(at: $0.0.directory) != nil }
    shelves = try isDivided || one.hashes().isEmpty ? places : [(one, nil)]
  }

  var path: String? { root.string }

  var findings: [Finding] {
    get throws {
      for shelf in shelves.indices { _ = try list(shelf) }
      return shelves.indices.flatMap { log[$0] ?? [] }
    }
  }

  private func shelf(of kind: RecordKind) -> Int? {
    shelves.firstIndex { $0.kind == nil || $0.kind == kind }
  }

  /// The records of a shelf by name, as they are now.
  private func list(_ shelf: Int) throws -> NamedList<Hash256> {
    while true {
      let index = try shelves[shelf].objects.current()
      if let list = records[shelf], listed[shelf] == index.order { return list }
      if index.order.isEmpty {
        // Its directory need not be there yet.
        (records[shelf], listed[shelf], log[shelf]) = (NamedList(), [], [])
      } else if let list = try list(
        shelf, index, in: InputDirectory(shelves[shelf].objects.directory))
      {
        return list
      }
    }
  }

  /// The records that the objects of `index` are; nil where one of them is not there, since there is
  /// another index by now.
  private func list(_ shelf: Int, _ index: ObjectDirectory.Index, in root: borrowing InputDirectory)
    throws -> NamedList<Hash256>?
  {
    let (objects, kind) = shelves[shelf]
    var list = NamedList<Hash256>()
    var found: [Finding] = []
    var record = Record()
    for hash in index.order {
      guard let entry = index.paths[hash] else { continue }
      do {
        let name = try names[hash] ?? objects.name(hash, entry, in: root, as: kind, with: &record)
        names[hash] = .some(name)
        if let name { list.append(name, hash) }
      } catch let error as StorageError where error.code == .damaged {
        found.append(
          Finding(
            .error, .hashMismatch, error.message, path: error.path, offset: error.offset))
      } catch let error as DiskError where error.code == .notFound {
        guard try objects.current().order == index.order else { return nil }
        found.append(
          Finding(
            .error, .missingFile, "the index names \(hash.hex), which does not exist",
            path: error.path?.string))
      }
    }
    records[shelf] = list
    listed[shelf] = index.order
    log[shelf] = found
    return list
  }

  func find(_ name: RecordName) throws -> RecordText? {
    guard let shelf = shelf(of: name.kind) else { return nil }
    while true {
      guard let hash = try list(shelf)[name] else { return nil }
      if let text = try shelves[shelf].objects.text(hash) { return text }
      // Another program has replaced it meanwhile, or it is not there at all.
      guard try shelves[shelf].objects.current().order != listed[shelf] else { return nil }
    }
  }

  /// The object of a record that has just been listed, or what has replaced it since.
  private func text(_ shelf: Int, _ name: RecordName, _ hash: Hash256) throws -> RecordText? {
    try shelves[shelf].objects.text(hash) ?? find(name)
  }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    guard let shelf = shelf(of: kind) else { return }
    for (name, hash) in try list(shelf).elements(of: kind, scope: scope) {
      guard let text = try text(shelf, name, hash) else { continue }
      if try !body(StoredRecord(name, text)) { return }
    }
  }

  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws -> [StoredRecord] {
    guard let shelf = shelf(of: kind) else { return [] }
    return try list(shelf).elements(of: kind, scope: scope).filter { $0.name.touches(end) }
      .compactMap { name, hash in
        try text(shelf, name, hash).map { StoredRecord(name, $0) }
      }
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    try Disk.makeDirectory(root, mode: 0o700)
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: root, isDirectory: true), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    let changes = try body()
    var byShelf: [Int: [Change]] = [:]
    for change in changes {
      let kind: RecordKind
      switch change {
      case .put(let record): kind = record.name.kind
      case .remove(let name): kind = name.kind
      }
      try check(kind)
      if let shelf = shelf(of: kind) { byShelf[shelf, default: []].append(change) }
    }
    // Edges first: killed in between, none is left without its ends by a deletion.
    let order = byShelf.keys.sorted().reversed()
    try update(order.map { ($0, byShelf[$0] ?? []) }[...], [], waitingUpTo: seconds)
  }

  /// The next state of one shelf: its objects are written, and no index names them yet.
  private struct Prepared {
    var shelf: Int
    var staged: ObjectDirectory.Staged
    var list: NamedList<Hash256>
  }

  /// Locks and prepares one shelf after the other, then publishes them all; where one fails, those
  /// before it are put back.
  private func update(
    _ rest: ArraySlice<(shelf: Int, changes: [Change])>, _ prepared: [Prepared],
    waitingUpTo seconds: Double
  ) throws {
    guard let (shelf, changes) = rest.first else { return try publish(prepared) }
    let objects = shelves[shelf].objects
    let permit = try ObjectPermit(
      objects.directory, isLocked: objects.directory == root, waitingUpTo: seconds)
    defer { withExtendedLifetime(permit) {} }
    var list = try list(shelf)
    var adding: [Hash256: RecordText] = [:]
    var removing: Set<Hash256> = []
    for change in changes {
      switch change {
      case .put(let record):
        let hash = record.text.hash
        if let before = list[record.name], before != hash {
          removing.insert(before)
          adding[before] = nil
        }
        removing.remove(hash)
        adding[hash] = record.text
        list[record.name] = hash
        names[hash] = .some(record.name)
      case .remove(let name):
        for before in list.all(name) {
          removing.insert(before)
          adding[before] = nil
        }
        list[name] = nil
      }
    }
    let staged = try objects.staged(
      adding: adding.sorted { $0.key < $1.key }.map(\.value), removing: Array(removing))
    do {
      let own = staged.map { [Prepared(shelf: shelf, staged: $0, list: list)] } ?? []
      try update(rest.dropFirst(), prepared + own, waitingUpTo: seconds)
    } catch {
      if let staged { objects.discard(staged) }
      throw error
    }
  }

  private func publish(_ prepared: [Prepared]) throws {
    var done: [(objects: ObjectDirectory, old: ObjectDirectory.Index)] = []
    do {
      for change in prepared {
        let objects = shelves[change.shelf].objects
        let old = objects.saved
        try objects.publish(change.staged)
        done.append((objects, old))
      }
    } catch {
      for (objects, old) in done.reversed() { try objects.revert(to: old) }
      throw error
    }
    for change in prepared {
      let objects = shelves[change.shelf].objects
      objects.sweep(change.staged)
      records[change.shelf] = change.list
      listed[change.shelf] = objects.saved.order
    }
  }
}
