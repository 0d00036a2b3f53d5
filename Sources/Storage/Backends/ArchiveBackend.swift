import Disk
import LosslessJSON
import Records
import SystemPackage

/// A content archive as a store of records: `intents/`, `edges/`, `plans/` and `actions/`, each
/// record under the hash of what it says now.
final class ArchiveBackend: Backend {
  let kinds: [RecordKind] = [.intent, .edge, .plan, .action]
  private let root: FilePath
  private let shelves: [RecordKind: ObjectDirectory]
  private var records: [RecordKind: NamedList<Hash256>] = [:]
  /// Which objects `records` was made of.
  private var listed: [RecordKind: [Hash256]] = [:]
  /// The name of each object that has been read; nil for one that cannot be.
  private var names: [Hash256: RecordName?] = [:]
  private var log: [RecordKind: [Finding]] = [:]

  init(_ root: FilePath) {
    self.root = root
    shelves = Dictionary(
      uniqueKeysWithValues: [RecordKind.intent, .edge, .plan, .action].map {
        ($0, ObjectDirectory(root.appending($0.plural)))
      })
  }

  var path: String? { root.string }

  var findings: [Finding] {
    get throws {
      for kind in kinds { _ = try list(kind) }
      return kinds.flatMap { log[$0] ?? [] }
    }
  }

  /// The records of a kind by name, as they are now.
  private func list(_ kind: RecordKind) throws -> NamedList<Hash256> {
    guard let shelf = shelves[kind] else { return NamedList() }
    let order = try shelf.current().order
    if let list = records[kind], listed[kind] == order { return list }
    var list = NamedList<Hash256>()
    var found: [Finding] = []
    var record = Record()
    for hash in order {
      do {
        let name = try names[hash] ?? shelf.name(hash, as: kind, with: &record)
        names[hash] = .some(name)
        if let name { list.append(name, hash) }
      } catch let error as StorageError where error.code == .damaged {
        found.append(
          Finding(
            .error, .hashMismatch, error.message, path: error.path, offset: error.offset))
      } catch let error as DiskError where error.code == .notFound {
        found.append(
          Finding(
            .error, .missingFile, "the index names \(hash.hex), which does not exist",
            path: error.path?.string))
      }
    }
    records[kind] = list
    listed[kind] = order
    log[kind] = found
    return list
  }

  func find(_ name: RecordName) throws -> RecordText? {
    guard let shelf = shelves[name.kind] else { return nil }
    for _ in 0..<3 {
      guard let hash = try list(name.kind)[name] else { return nil }
      if let text = try shelf.text(hash) { return text }
    }
    return nil
  }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    guard let shelf = shelves[kind] else { return }
    for (name, hash) in try list(kind).elements(of: kind, scope: scope) {
      guard let text = try shelf.text(hash) else { continue }
      if try !body(StoredRecord(name, text)) { return }
    }
  }

  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws -> [StoredRecord] {
    guard let shelf = shelves[kind] else { return [] }
    return try list(kind).elements(of: kind, scope: scope).filter { $0.name.touches(end) }
      .compactMap { name, hash in try shelf.text(hash).map { StoredRecord(name, $0) } }
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    try Disk.makeDirectory(root, mode: 0o700)
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: root, isDirectory: true), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    let changes = try body()
    var byKind: [RecordKind: [Change]] = [:]
    for change in changes {
      switch change {
      case .put(let record):
        try check(record.name.kind)
        byKind[record.name.kind, default: []].append(change)
      case .remove(let name): byKind[name.kind, default: []].append(change)
      }
    }
    // Edges first: killed in between, none is left without its ends by a deletion.
    let order = byKind.keys.sorted().reversed()
    try update(order.map { ($0, byKind[$0] ?? []) }[...], [], waitingUpTo: seconds)
  }

  /// The next state of one kind: its objects are written, and no index names them yet.
  private struct Prepared {
    var kind: RecordKind
    var shelf: ObjectDirectory
    var staged: ObjectDirectory.Staged
    var list: NamedList<Hash256>
  }

  /// Locks and prepares one kind after the other, then publishes them all; where one fails, those
  /// before it are put back.
  private func update(
    _ rest: ArraySlice<(kind: RecordKind, changes: [Change])>, _ prepared: [Prepared],
    waitingUpTo seconds: Double
  ) throws {
    guard let (kind, changes) = rest.first, let shelf = shelves[kind] else {
      return try publish(prepared)
    }
    let permit = try ObjectPermit(shelf.directory, waitingUpTo: seconds)
    defer { withExtendedLifetime(permit) {} }
    var list = try list(kind)
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
        if let before = list[name] {
          removing.insert(before)
          adding[before] = nil
        }
        list[name] = nil
      }
    }
    let staged = try shelf.staged(
      adding: adding.sorted { $0.key < $1.key }.map(\.value), removing: Array(removing))
    do {
      let own = staged.map { [Prepared(kind: kind, shelf: shelf, staged: $0, list: list)] } ?? []
      try update(rest.dropFirst(), prepared + own, waitingUpTo: seconds)
    } catch {
      if let staged { shelf.discard(staged) }
      throw error
    }
  }

  private func publish(_ prepared: [Prepared]) throws {
    var done: [(shelf: ObjectDirectory, old: ObjectDirectory.Index)] = []
    do {
      for change in prepared {
        let old = change.shelf.saved
        try change.shelf.publish(change.staged)
        done.append((change.shelf, old))
      }
    } catch {
      for (shelf, old) in done.reversed() { try shelf.revert(to: old) }
      throw error
    }
    for change in prepared {
      change.shelf.sweep(change.staged)
      records[change.kind] = change.list
      listed[change.kind] = change.shelf.saved.order
    }
  }
}
