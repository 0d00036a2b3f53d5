import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A database in the form that `migrate` writes.
final class DatabaseBackend: Backend {
  let kinds = RecordKind.allCases.filter { $0 != .document }
  private let database: LiveDatabase
  private let place: FilePath

  /// Opens the database, or makes it.
  init(_ path: FilePath) throws {
    try LiveDatabase.create(path)
    database = try LiveDatabase(path)
    place = path
  }

  var path: String? { place.string }
  /// What a database is damaged in, it fails on: SQLite says so when a page is read.
  let findings: [Finding] = []

  func check() throws -> [Finding] {
    try database.problems().map { Finding(.error, .integrityCheck, $0, path: path) }
  }

  private func isGraph(_ kind: RecordKind) -> Bool { kind == .entity || kind == .relation }

  private func record(
    _ kind: RecordKind, _ row: LiveDatabase.Row, _ contexts: [Int: [UInt8]?]
  ) throws -> StoredRecord {
    var record = Record()
    record.kind = kind
    record.scope = row.scope
    try record.text.parse(row.payload.span)
    let context = (contexts[row.file] ?? nil) ?? Storage.defaultContext
    return StoredRecord(
      record.name(context: isGraph(kind) ? context : []), RecordText(record.text))
  }

  private func contexts(for kind: RecordKind) throws -> [Int: [UInt8]?] {
    isGraph(kind) ? try database.contexts() : [:]
  }

  /// The row of a name, and its record.
  private func row(_ name: RecordName) throws -> (row: LiveDatabase.Row, text: RecordText)? {
    let contexts = try contexts(for: name.kind)
    for row in try database.rows(name.kind, key: name.shown) {
      let record = try record(name.kind, row, contexts)
      if record.name == name { return (row, record.text) }
    }
    return nil
  }

  func find(_ name: RecordName) throws -> RecordText? { try row(name)?.text }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    let contexts = try contexts(for: kind)
    try database.each(kind) { row in
      let record = try record(kind, row, contexts)
      return try scope == nil || record.name.scope == scope ? body(record) : true
    }
  }

  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws -> [StoredRecord] {
    let contexts = try contexts(for: kind)
    return try database.links(kind, of: end).map { try record(kind, $0, contexts) }
      .filter { $0.name.touches(end) && (scope == nil || $0.name.scope == scope) }
  }

  func newestRuns(limit: Int, offset: Int) throws -> [RecordText] {
    try database.newestRuns(limit: limit, offset: offset).map { try RecordText($0.span) }
  }

  func contexts() throws -> [[UInt8]] {
    let known = try database.contexts().values.map { $0 ?? Storage.defaultContext }
    return Set(known).sorted { $0.lexicographicallyPrecedes($1) }
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    // SQLite's own lock keeps everyone out; this one has the time limit.
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: place, isDirectory: false), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    try database.transaction {
      for change in try body() {
        switch change {
        case .put(let record):
          try check(record.name.kind)
          try put(record)
        case .remove(let name):
          if let found = try row(name) { try database.remove(name.kind, found.row) }
        }
      }
    }
  }

  private func put(_ stored: StoredRecord) throws {
    let old = try row(stored.name)
    if let old, old.text == stored.text { return }
    var record = Record()
    record.kind = stored.name.kind
    record.scope = stored.name.kind == .task ? stored.name.scope : old?.row.scope ?? []
    try record.text.parse(stored.text.bytes.span)
    try database.put(&record, replacing: old?.row, file: old?.row.file ?? home(of: stored.name))
  }

  /// The file that a new record belongs to, named as its owner would name it.
  private func home(of name: RecordName) throws -> Int {
    switch name.kind {
    case .intent, .edge:
      return try database.home(of: .intentSnapshot, context: nil, name: "snapshot.json")
    case .plan, .action:
      return try database.home(of: .contentArchive, context: nil, name: "archive")
    case .run: return try database.home(of: .runHistory, context: nil, name: "runs.db")
    case .task, .user, .project:
      return try database.home(of: .taskList, context: nil, name: "tasks.json")
    case .entity, .relation, .document:
      let single = try database.contexts().first { $0.value == nil }
      if name.scope == Storage.defaultContext, let single { return single.key }
      let label = String(decoding: name.scope, as: UTF8.self)
      return try database.home(
        of: .memoryGraph, context: name.scope,
        name: name.scope == Storage.defaultContext ? "charts.jsonl" : "charts-\(label).jsonl")
    }
  }
}

/// A run history as its own application keeps it.
final class RunHistoryBackend: Backend {
  let kinds: [RecordKind] = [.run]
  private let runs: LiveRuns
  private let place: FilePath

  /// Opens the history, or makes it.
  init(_ path: FilePath) throws {
    try LiveRuns.create(path)
    runs = try LiveRuns(path)
    place = path
  }

  var path: String? { place.string }
  let findings: [Finding] = []

  func check() throws -> [Finding] {
    try runs.problems().map { Finding(.error, .integrityCheck, $0, path: path) }
  }

  func find(_ name: RecordName) throws -> RecordText? {
    guard name.kind == .run else { return nil }
    return try runs.find(name.key).map { try RecordText($0.span) }
  }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    guard kind == .run else { return }
    try runs.each { bytes in
      guard let record = StoredRecord(.run, try RecordText(bytes.span)) else { return true }
      return try body(record)
    }
  }

  func newestRuns(limit: Int, offset: Int) throws -> [RecordText] {
    try runs.newest(limit: limit, offset: offset).map { try RecordText($0.span) }
  }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    let lock = try StoreLock(
      StoreLock.path(forStoreAt: place, isDirectory: false), waitingUpTo: seconds)
    defer { withExtendedLifetime(lock) {} }
    try runs.transaction {
      for change in try body() {
        switch change {
        case .put(let record):
          try check(record.name.kind)
          try runs.put(JSONText(record.text.bytes.span))
        case .remove(let name): try runs.remove(name.key)
        }
      }
    }
  }
}
