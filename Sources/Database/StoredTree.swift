import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A migrated store as it was named when it was migrated: its files by name, its records read from
/// the database.
///
/// Several directories of contexts in one database are one graph, as the arguments of a merge are.
final class StoredTree: StoreTree {
  let base: any StoreTree
  let files: [StoreFile]
  let isSingleFile: Bool
  let notes: [Finding]
  /// The place of each file among `files`, by its number in the database.
  let places: [Int: Int]

  private init(
    _ base: any StoreTree, isSingleFile: Bool, _ found: [(number: Int, file: StoreFile)]
  ) {
    self.base = base
    self.isSingleFile = isSingleFile
    notes = base.notes
    files = found.map(\.file)
    places = Dictionary(found.enumerated().map { ($1.number, $0) }) { first, _ in first }
  }

  func displayPath(_ index: Int) -> String {
    isSingleFile ? base.displayPath(0) : "\(base.displayPath(0)):\(files[index].name)"
  }

  func open(_ index: Int) throws -> ByteStream { throw noBytes(index) }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { throw noBytes(index) }

  private func noBytes(_ index: Int) -> StoreError {
    StoreError(
      .refused, "lies in a database as records", path: displayPath(index),
      hint: "write its files first, with export")
  }

  /// The tree that a reader has been handed, or a part of.
  private static func find(_ tree: any StoreTree) -> StoredTree? {
    tree as? StoredTree ?? (tree as? PartialTree)?.base as? StoredTree
  }

  /// The store in the database `base`, or the one of the number `store`.
  static func keptStore(
    in base: any StoreTree, store: Int?, contexts: [String]
  ) throws -> KeptStore? {
    try DatabaseReading(base, inPlace: true).use { connection in
      let stores = try StoredStore.all(in: connection).filter { store == nil || $0.number == store }
      let kinds = Set(stores.map(\.kind))
      guard let first = stores.first, kinds.count == 1,
        let own = ([.runHistory] + StoreFormat.fileFormats).first(where: { $0.name == first.kind }),
        stores.count == 1
          || (own.name == StoreFormat.memoryGraph.name && !stores.contains(where: \.isSingleFile))
      else { return nil }
      let tree = StoredTree(
        base, isSingleFile: first.isSingleFile,
        try files(connection, stores, first.isSingleFile ? [] : contexts))
      let hasBytes =
        stores.count == 1 && first.hasItsFiles && contexts.isEmpty
        && own.name
          != StoreFormat
          .runHistory.name
      return KeptStore(
        tree, as: format(own, store, contexts),
        writeFiles: !hasBytes
          ? nil
          : { directory in
            try DatabaseReading(base, inPlace: true).use {
              try StoredFiles(store: first, directory: directory).write($0)
            }
          })
    }
  }

  private static func files(
    _ connection: borrowing Connection, _ stores: [StoredStore], _ contexts: [String]
  ) throws -> [(number: Int, file: StoreFile)] {
    let rows = try Statement(
      "SELECT id, store, name, is_directory, size, context FROM files ORDER BY id", on: connection)
    let wanted = Set(stores.map(\.number))
    var found: [(number: Int, file: StoreFile)] = []
    while try rows.step() {
      guard wanted.contains(rows.integer(1)),
        contexts.isEmpty || (rows.kind(5) != .null && contexts.contains(rows.text(5)))
      else { continue }
      let name = try StoredFiles.name(rows.bytes(2), connection)
      let isDirectory = rows.integer(3) != 0
      let file = StoreFile(
        name: name, isDirectory: isDirectory, size: rows.integer(4),
        mode: isDirectory ? 0o700 : 0o600, modifiedSeconds: 0, modifiedNanoseconds: 0)
      found.append((rows.integer(0), file))
    }
    return found
  }

  /// The kind `own`, reading from the database what is kept there and from files what has been
  /// written.
  private static func format(
    _ own: StoreFormat, _ store: Int?, _ contexts: [String]
  ) -> StoreFormat {
    var format = StoreFormat(
      name: own.name, summary: own.summary, recordKinds: own.recordKinds,
      writableKinds: own.writableKinds, recognises: own.recognises,
      read: { tree, options, sink in
        guard let stored = find(tree) else { return try own.read(tree, options, sink) }
        try StoredRecords(
          path: stored.base.displayPath(0), store: store, contexts: contexts,
          places: stored.places, idField: options.idField, sink: sink
        ).read(stored.base)
      }, write: own.write)
    format.contexts = contexts
    return format
  }
}
