import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Every record of a store, a database or a backup, read once.
final class StoreContents: RecordSink {
  let path: String
  private(set) var records: [StoredRecord] = []
  private(set) var log = FindingLog()
  private var contexts: [[UInt8]] = []
  /// The paths of the store's files.
  private var files: [String] = []

  /// Throws `notFound`, or `unsupported` for what is no store.
  init(_ path: String, formats: [StoreFormat]) throws(StorageError) {
    self.path = path
    do {
      // An index stands for the archive that it is the index of.
      var place = FilePath(path)
      if place.lastComponent?.string == "index.json" {
        place = place.removingLastComponent()
        if let name = place.lastComponent?.string,
          ["intents", "edges", "plans", "actions"].contains(name)
        {
          place = place.removingLastComponent()
        }
        if place.isEmpty { place = FilePath(".") }
      }
      try read(try OpenedStore(opening: place, formats: formats, kind: nil))
    } catch { throw StorageError(error, path: path) }
  }

  /// Reads a store that has been opened already.
  init(_ store: OpenedStore) throws {
    path = store.path.string
    try read(store)
  }

  private func read(_ opened: OpenedStore) throws {
    var store = opened
    if let disk = store.tree as? DiskTree, let freeze = store.format.freeze {
      store = store.replacing(try freeze(disk))
    }
    store = try store.keptStore()
    contexts = store.tree.files.map { file in
      store.tree.isSingleFile
        ? Storage.defaultContext
        : MemoryGraph.context(of: file.name).map { Array($0.utf8) } ?? Storage.defaultContext
    }
    files = store.tree.files.indices.map { store.tree.displayPath($0) }
    for note in store.tree.notes { log.add(note) }
    try store.format.read(store.tree, ReadOptions(), self)
  }

  func take(_ record: inout Record) throws {
    let isGraph = record.kind == .entity || record.kind == .relation
    let context = contexts.indices.contains(record.place.file) ? contexts[record.place.file] : []
    guard record.text.kind() == .object else {
      log.add(
        Finding(
          .error, .wrongType, "is no JSON object, and is left out",
          path: files.indices.contains(record.place.file) ? files[record.place.file] : path,
          line: record.place.line > 0 ? record.place.line : nil, offset: record.place.offset))
      return
    }
    records.append(
      StoredRecord(record.name(context: isGraph ? context : []), RecordText(record.text)))
  }

  func note(_ finding: Finding) { log.add(finding) }

  /// Throws `damaged` where a part could not be read.
  func refuseDamage() throws(StorageError) {
    guard let first = log.findings.first(where: { $0.severity == .error }) else { return }
    throw StorageError(
      .damaged, first.message, path: first.path ?? path, offset: first.offset, line: first.line,
      hint: "salvage it first, or take another backup")
  }
}
