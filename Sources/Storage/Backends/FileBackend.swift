import Disk
import Records
import Stores
import SystemPackage

/// A store in one file: an intent snapshot, a task list, or a memory graph.
final class FileBackend: Backend {
  let kinds: [RecordKind]
  private let file: TextFile

  init(_ path: FilePath, as format: StoreFormat, now: @escaping @Sendable () -> Double) {
    kinds = format.writableKinds
    let isGraph = format.name == StoreFormat.memoryGraph.name
    file = TextFile(
      path, as: format, context: isGraph ? Storage.defaultContext : [], now: now)
  }

  var path: String? { file.path.string }
  var findings: [Finding] { get throws { try file.current().log.findings } }

  func find(_ name: RecordName) throws -> RecordText? {
    let store = try file.current()
    return try store.records[name].map { try store.text(at: $0) }
  }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    try Self.scan(try file.current(), kind, scope, body)
  }

  static func scan(
    _ store: TextStore, _ kind: RecordKind, _ scope: [UInt8]?,
    _ body: (StoredRecord) throws -> Bool
  ) throws {
    for (name, place) in store.records.elements(of: kind, scope: scope) {
      // A record need not be an object for its file to hold it.
      guard let text = try? store.text(at: place) else { continue }
      if try !body(StoredRecord(name, text)) { return }
    }
  }

  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws -> [StoredRecord] {
    let store = try file.current()
    return try store.records.elements(of: kind, scope: scope).filter { $0.name.touches(end) }
      .map { StoredRecord($0.name, try store.text(at: $0.value)) }
  }

  func contexts() throws -> [[UInt8]] {
    try file.current().records.scopes(of: [.entity, .relation])
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: file.path, isDirectory: false), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    let changes = try body()
    for case .put(let record) in changes {
      try check(record.name.kind)
      try checkScope(record.name)
    }
    if let staged = try file.staged(changes) { try file.publish(staged) }
  }

  private func checkScope(_ name: RecordName) throws(StorageError) {
    guard name.kind == .entity || name.kind == .relation, name.scope != Storage.defaultContext
    else { return }
    throw StorageError(
      .unsupported,
      "is a graph of one file, which has the context default alone", path: path,
      hint: "open a directory of contexts, or a database")
  }
}

/// A memory graph in a directory, a file for each context, which is read when it is asked for.
final class ContextsBackend: Backend {
  let kinds: [RecordKind] = [.entity, .relation]
  private let directory: FilePath
  private let now: @Sendable () -> Double
  private var files: [[UInt8]: TextFile] = [:]

  init(_ directory: FilePath, now: @escaping @Sendable () -> Double) {
    self.directory = directory
    self.now = now
  }

  var path: String? { directory.string }

  /// Of the contexts that have been read.
  var findings: [Finding] {
    get throws { try files.values.flatMap { try $0.current().log.findings } }
  }

  /// The files of the contexts that there are.
  private func names() throws -> [[UInt8]: FilePath] {
    guard try FileFacts(at: directory) != nil else { return [:] }
    var found: [[UInt8]: FilePath] = [:]
    for name in try TreeWalk.names(in: directory) {
      let path = FilePath(root: nil, [name])
      guard let context = MemoryGraph.context(of: path),
        try FileFacts(at: directory.appending(name))?.isRegular ?? false
      else { continue }
      found[Array(context.utf8)] = directory.appending(name)
    }
    return found
  }

  private func file(_ context: [UInt8]) throws -> TextFile {
    if let file = files[context] { return file }
    let path = try names()[context] ?? directory.appending(Self.name(of: context))
    let file = TextFile(path, as: .memoryGraph, context: context, now: now)
    files[context] = file
    return file
  }

  /// As COAIA names them (FORMATS: memory-graph). Throws `invalid` for a name no file can have.
  private static func name(of context: [UInt8]) throws -> String {
    if context == Storage.defaultContext { return "charts.jsonl" }
    try Storage.checkContext(context)
    return "charts-\(String(decoding: context, as: UTF8.self)).jsonl"
  }

  func find(_ name: RecordName) throws -> RecordText? {
    let store = try file(name.scope).current()
    return try store.records[name].map { try store.text(at: $0) }
  }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    var goesOn = true
    for context in try scope.map({ [$0] }) ?? contexts() where goesOn {
      try FileBackend.scan(try file(context).current(), kind, context) {
        goesOn = try body($0)
        return goesOn
      }
    }
  }

  func contexts() throws -> [[UInt8]] {
    try names().keys.sorted { $0.lexicographicallyPrecedes($1) }
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    try Disk.makeDirectory(directory, mode: 0o700)
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: directory, isDirectory: true), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    let changes = try body()
    for case .put(let record) in changes { try check(record.name.kind) }
    var byContext: [[UInt8]: [Change]] = [:]
    for change in changes {
      switch change {
      case .put(let record): byContext[record.name.scope, default: []].append(change)
      case .remove(let name): byContext[name.scope, default: []].append(change)
      }
    }
    var staged: [(file: TextFile, staged: TextFile.Staged)] = []
    for (context, changes) in byContext.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let file = try file(context)
      if let change = try file.staged(changes) { staged.append((file, change)) }
    }
    var done: [(file: TextFile, old: TextStore?)] = []
    do {
      for (file, change) in staged {
        let old = file.saved
        try file.publish(change)
        done.append((file, old))
      }
    } catch {
      for (file, old) in done.reversed() { try file.revert(to: old) }
      throw error
    }
  }
}
