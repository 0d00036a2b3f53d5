import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `migrate`.
package struct MigrationRequest: Sendable {
  package var stores: [FilePath]
  package var target: FilePath
  package var kind: String?
  /// Only these contexts of memory graphs; all where empty.
  package var contexts: [String] = []
  package var options = ReadOptions()
  /// As text, kept in the database.
  package var idField: String?
  package var replaces = false
  package var skipsDamaged = false
  /// How many records are hashed and made rows of in one go; the database is the same in any case.
  package var batchLimit = RecordBatch.standardLimit
  /// Unix seconds, for the name of the undo copy only.
  package var time: Int

  package init(stores: [FilePath], target: FilePath, time: Int) {
    self.stores = stores
    self.target = target
    self.time = time
  }
}

/// What `migrate` is going to do; `--dry-run` shows it.
package struct MigrationPlan {
  package let request: MigrationRequest
  package let sources: [OpenedStore]
  /// Absolute.
  package let target: FilePath
  /// How the target takes its place; nil where it holds just these stores, of this version, already.
  let replacement: Replacement?
  package var isUnchanged: Bool { replacement == nil }
  /// Where what is at the target now will go.
  package var undo: FilePath? { replacement?.undo }

  /// Files of all stores, and their bytes.
  package var fileCount: Int {
    sources.reduce(0) { $0 + $1.tree.files.count { !$0.isDirectory } }
  }
  package var byteCount: Int {
    sources.reduce(0) { $0 + $1.tree.files.reduce(0) { $0 + $1.size } }
  }
  /// Bytes that the database will have, about.
  package var estimatedSize: Int { 360_448 + byteCount * 9 / 4 }

  /// Reads the stores, as `--dry-run` does, to say what is in them.
  package func survey() throws -> (counts: [RecordKind: Int], log: FindingLog) {
    var counts: [RecordKind: Int] = [:]
    var log = FindingLog()
    for source in sources {
      let survey = try Survey.read(
        source.tree, as: source.format, options: options(source).read, rules: true,
        wholeGraph: source.wholeGraph)
      counts.merge(survey.counts, uniquingKeysWith: +)
      log.add(survey.log)
    }
    return (counts, log)
  }

  /// How a store is read: where its documents have their ids.
  func options(_ source: OpenedStore) -> (read: ReadOptions, idField: String?) {
    var options = request.options
    let idField = source.backup?.manifest.idField ?? request.idField
    options.idField = idField.flatMap(JSONPointer.init)
    return (options, idField)
  }

  /// Looks at everything and writes nothing.
  package init(_ request: MigrationRequest, formats: [StoreFormat]) throws {
    self.request = request
    target = Disk.absolute(request.target)
    var sources: [OpenedStore] = []
    for store in request.stores {
      let whole = try OpenedStore(
        opening: Self.root(of: store), formats: formats, kind: request.kind)
      let opened = try whole.extracted(request.contexts)
      if Disk.absolute(store) == target {
        throw MigrationError(
          .usage, "is the database to be written as well", path: store.string,
          hint: "name another one with --to")
      }
      sources.append(opened)
    }
    try TargetPlace.check(request.target, outside: sources.map(\.path))
    self.sources = try sources.map { source in
      guard let disk = source.tree as? DiskTree, let freeze = source.format.freeze else {
        return source
      }
      return source.replacing(try freeze(disk))
    }
    let facts = try FileFacts(at: target, following: false)
    if let facts, facts.isRegular, try Self.holds(target, self.sources, request.idField) {
      replacement = nil
      return
    }
    if facts != nil, !request.replaces {
      throw MigrationError(
        .exists, "is there already, and holds something else", path: target.string,
        hint: "choose another name, or keep what is there as an undo copy with --replace")
    }
    replacement = try Replacement(of: target, time: request.time)
  }

  /// The store that is meant: for the index of a content archive by itself, its archive.
  private static func root(of store: FilePath) throws -> FilePath {
    guard store.lastComponent?.string == "index.json", let facts = try FileFacts(at: store),
      facts.isRegular
    else { return store }
    let parent = store.removingLastComponent()
    let directory = parent.isEmpty ? FilePath(".") : parent
    let tree = try DiskTree(directory)
    return try StoreFormat.contentArchive.recognises(tree) ? directory : store
  }

  /// Whether the database at `path` is of these stores, file by file and byte by byte.
  private static func holds(
    _ path: FilePath, _ sources: [OpenedStore], _ idField: String?
  ) throws -> Bool {
    do {
      let tree = try DiskTree(path)
      guard try StoreFormat.sqlite.recognises(tree) else { return false }
      let connection = try Connection(path, .source)
      guard try StoreDatabase.steps(connection).count == StoreDatabase.version else { return false }
      let stores = try Statement(
        "SELECT id, name, kind, id_field FROM stores ORDER BY id", on: connection)
      for source in sources {
        guard try stores.step(), stores.text(1) == name(of: source),
          stores.text(2) == source.format.name,
          (stores.kind(3) == .null ? nil : stores.text(3)) == idField,
          try sameFiles(stores.integer(0), source.tree, connection)
        else { return false }
      }
      return try !stores.step()
    } catch is DatabaseError {
      return false
    } catch is StoreError {
      return false
    }
  }

  private static func sameFiles(
    _ store: Int, _ tree: any StoreTree, _ connection: borrowing Connection
  ) throws -> Bool {
    let rows = try Statement(
      "SELECT name, is_directory, size, sha256 FROM files WHERE store = ? ORDER BY id",
      on: connection)
    rows.bind(1, store)
    for (index, file) in tree.files.enumerated() {
      guard try rows.step(), rows.bytes(0) == TreeWalk.bytes(of: file.name),
        rows.integer(1) == (file.isDirectory ? 1 : 0)
      else { return false }
      if file.isDirectory { continue }
      guard rows.integer(2) == file.size else { return false }
      guard try tree.open(index).hash().hex == rows.text(3) else { return false }
    }
    return try !rows.step()
  }

  /// The last component of a store's path, or what a backup calls the store.
  static func name(of source: OpenedStore) -> String {
    if source.tree.isSingleFile, let file = source.tree.files.first(where: { !$0.isDirectory }) {
      return file.name.string
    }
    if let backup = source.backup { return backup.manifest.series }
    return Disk.absolute(source.path).lastComponent?.string ?? "store"
  }
}
