import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Writes records as a migrated database: for one that was damaged, in its place.
///
/// Each record belongs to the store and the file that it has in the older state, else to the usual
/// ones of its kind. What the files looked like is not known any more, as after
/// `LiveDatabase.save`: the digests of the stores are empty, and `export` writes the files anew.
/// Whatever else the older state holds, such as tables of somebody else's, is taken over.
package final class StoredWriter: StoreWriter {
  private struct Store {
    var name: String
    var kind: String
    var isSingleFile: Bool
    var idField: String?
  }
  private struct File {
    var store: Int
    var name: [UInt8]
    var isDirectory: Bool
    var size: Int
    var context: String?
  }

  private let directory: FilePath
  private let name: FilePath
  /// The older state, where it can be opened.
  private var older: FilePath?
  private let database: FreshDatabase
  private var stores: [Int: Store] = [:]
  private var files: [Int: File] = [:]
  /// The file of each record of the older state, by a hash of its kind, id and scope.
  private var places: [Int: Int] = [:]
  private var counts: [Int: Int] = [:]
  private var usual: [String: Int] = [:]
  private var maker = RecordRows()
  private var count = 0

  /// - Parameter older: a state of the database that can be opened, whatever it lacks; nil: there
  ///   is none.
  package init(_ options: WriteOptions, like older: FilePath?) throws {
    directory = options.directory
    name = options.fileName ?? FilePath("store.db")
    let path = directory.pushing(name)
    try StagedFile(path).close()
    database = try FreshDatabase(path)
    // Of tables that are lost nothing is known.
    guard let older, let opened = try? Connection(older, .immutable, isLenient: true) else {
      return
    }
    self.older = Disk.absolute(older)
    try? read(opened)
  }

  private func read(_ connection: borrowing Connection) throws(DatabaseError) {
    let rows = try Statement(
      "SELECT id, name, kind, single_file, id_field FROM stores", on: connection)
    while try rows.step() {
      stores[rows.integer(0)] = Store(
        name: rows.text(1), kind: rows.text(2), isSingleFile: rows.integer(3) == 1,
        idField: rows.kind(4) == .null ? nil : rows.text(4))
    }
    let found = try Statement(
      "SELECT id, store, name, is_directory, size, context FROM files", on: connection)
    while try found.step() {
      guard stores[found.integer(1)] != nil else { continue }
      files[found.integer(0)] = File(
        store: found.integer(1), name: found.bytes(2), isDirectory: found.integer(3) == 1,
        size: found.integer(4), context: found.kind(5) == .null ? nil : found.text(5))
    }
    let records = try Statement("SELECT kind, key, scope, file FROM records", on: connection)
    while try records.step() {
      guard let kind = RecordKind(rawValue: records.text(0)), files[records.integer(3)] != nil
      else { continue }
      let scope = records.kind(2) == .null ? [] : records.bytes(2)
      places[Self.place(kind, records.bytes(1), scope)] = records.integer(3)
    }
  }

  private static func place(_ kind: RecordKind, _ key: [UInt8], _ scope: [UInt8]) -> Int {
    var hasher = Hasher()
    hasher.combine(kind)
    hasher.combine(key)
    hasher.combine(scope)
    return hasher.finalize()
  }

  package func write(_ record: inout Record, at place: WritePlace) throws {
    var key = ByteBuffer()
    _ = record.appendID(to: &key)
    let file = places[Self.place(record.kind, key.array, record.scope)] ?? usualFile(record.kind)
    record.place = RecordPlace(file: 0, offset: 0, length: 0, line: record.place.line)
    var made = ByteBuffer()
    maker.append(&record, record.canonicalHash(), layout: .compact, to: &made)
    count += 1
    try database.write(made.span, record: count, file: file)
    if let store = files[file]?.store { counts[store, default: 0] += 1 }
  }

  /// The first file of a store that holds such records, or one that is made for them.
  private func usualFile(_ kind: RecordKind) -> Int {
    let (format, fileName): (StoreFormat, String) =
      switch kind {
      case .entity, .relation: (.memoryGraph, "memory.jsonl")
      case .intent, .edge: (.intentSnapshot, "snapshot.json")
      case .plan, .action: (.contentArchive, "archive")
      case .run: (.runHistory, "runs.db")
      case .task, .user, .project: (.taskList, "tasks.json")
      case .document: (.jsonLines, "records.jsonl")
      }
    if let known = usual[format.name] { return known }
    let holders = files.filter { entry in
      guard let store = stores[entry.value.store], !entry.value.isDirectory else { return false }
      let isFamily = kind == .intent || kind == .edge
      return store.kind == format.name
        || (isFamily && store.kind == StoreFormat.contentArchive.name)
    }
    if let first = holders.keys.min() {
      usual[format.name] = first
      return first
    }
    let store = (stores.keys.max() ?? 0) + 1
    let file = (files.keys.max() ?? 0) + 1
    stores[store] = Store(name: fileName, kind: format.name, isSingleFile: true, idField: nil)
    files[file] = File(
      store: store, name: Array(fileName.utf8), isDirectory: false, size: 0, context: nil)
    usual[format.name] = file
    return file
  }

  package func finish() throws -> WrittenStore {
    for (id, store) in stores.sorted(by: { $0.key < $1.key }) {
      let row = try database.prepare("INSERT INTO stores VALUES (?, ?, ?, ?, ?, ?, 0, '')")
      row.bind(1, id)
      row.bind(2, text: store.name)
      row.bind(3, text: store.kind)
      row.bind(4, store.isSingleFile ? 1 : 0)
      if let field = store.idField { row.bind(5, text: field) } else { row.bind(null: 5) }
      row.bind(6, counts[id] ?? 0)
      try row.run()
    }
    for (id, file) in files.sorted(by: { $0.key < $1.key }) {
      let row = try database.prepare(
        "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, NULL, ?, NULL)")
      row.bind(1, id)
      row.bind(2, file.store)
      row.bind(3, text: file.name.span)
      row.bind(4, file.isDirectory ? 1 : 0)
      row.bind(5, file.size)
      if let context = file.context { row.bind(6, text: context) } else { row.bind(null: 6) }
      try row.run()
    }
    try database.finish(keepingOthersOf: older)
    let path = directory.pushing(name)
    return WrittenStore(root: path, files: [name])
  }
}
