import Records

/// One change of a store.
package enum Change: Sendable {
  /// Takes the place of the record of that name, or comes behind the last one of its kind.
  case put(StoredRecord)
  /// The name of a record that is there.
  case remove(RecordName)
}

/// Where the records of a store lie. The one contract under all kinds of storage.
///
/// Owned by one actor. Every call sees what other processes have saved before it. What is damaged
/// is among `findings`, and is kept by every update.
package protocol Backend: AnyObject {
  /// The kinds of records that there is a place for.
  var kinds: [RecordKind] { get }
  /// The file or directory; nil in memory.
  var path: String? { get }
  /// What is wrong with the store, as far as it has been read.
  var findings: [Finding] { get throws }

  /// All that is wrong with the store, looked for.
  func check() throws -> [Finding]

  func find(_ name: RecordName) throws -> RecordText?

  /// Every record of a kind, in the order of the store, until `body` returns false.
  /// - Parameter scope: only those of this context, or of this owner; nil for all.
  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws

  /// The edges or relations that start or end at `end`.
  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws -> [StoredRecord]

  /// Runs, newest first.
  func newestRuns(limit: Int, offset: Int) throws -> [RecordText]

  /// The contexts of a graph.
  func contexts() throws -> [[UInt8]]

  /// Keeps all other writers out, calls `body`, and makes the changes that it returns, all of them
  /// or none. On return they are durable. Where anything throws, the store is as it was before.
  /// - Parameter seconds: how long to wait for others.
  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws
}

extension Backend {
  package func check() throws -> [Finding] {
    for kind in kinds { try scan(kind, scope: nil) { _ in true } }
    return try findings
  }

  package func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) throws
    -> [StoredRecord]
  {
    var found: [StoredRecord] = []
    try scan(kind, scope: scope) { record in
      if record.name.touches(end) { found.append(record) }
      return true
    }
    return found
  }

  package func newestRuns(limit: Int, offset: Int) throws -> [RecordText] {
    var runs: [(time: Double, text: RecordText)] = []
    try scan(.run, scope: nil) { record in
      runs.append((record.text.real("created_at") ?? 0, record.text))
      return true
    }
    // Of one time, the one that was saved last comes first.
    let sorted = runs.enumerated().sorted {
      ($0.element.time, $0.offset) > ($1.element.time, $1.offset)
    }
    return sorted.dropFirst(offset).prefix(limit).map(\.element.text)
  }

  package func contexts() throws -> [[UInt8]] { [] }

  func check(_ kind: RecordKind) throws(StorageError) {
    if kinds.contains(kind) { return }
    throw StorageError(
      .unsupported, "has no place for records of the kind \(kind.rawValue)", path: path,
      hint: "open a store that has: a database holds every kind")
  }
}

/// Records in memory, which end with the process.
final class MemoryBackend: Backend {
  let kinds: [RecordKind]
  let path: String? = nil
  let findings: [Finding]
  private var records = NamedList<RecordText>()

  init(kinds: [RecordKind] = RecordKind.allCases.filter { $0 != .document }) {
    self.kinds = kinds
    findings = []
  }

  /// What has been read of a store, documents included.
  init(_ list: [StoredRecord], findings: [Finding]) {
    kinds = RecordKind.allCases
    self.findings = findings
    for record in list {
      records.append(record.name, record.text, isLatestFound: record.name.kind.isMember)
    }
  }

  func find(_ name: RecordName) -> RecordText? { records[name] }

  func scan(_ kind: RecordKind, scope: [UInt8]?, _ body: (StoredRecord) throws -> Bool) throws {
    for (name, text) in records.elements(of: kind, scope: scope) {
      if try !body(StoredRecord(name, text)) { return }
    }
  }

  func links(_ kind: RecordKind, of end: [UInt8], scope: [UInt8]?) -> [StoredRecord] {
    records.elements(of: kind, scope: scope).filter { $0.name.touches(end) }
      .map { StoredRecord($0.name, $0.value) }
  }

  func contexts() -> [[UInt8]] { records.scopes(of: [.entity, .relation]) }

  func update(waitingUpTo seconds: Double, _ body: () throws -> [Change]) throws {
    let changes = try body()
    for case .put(let record) in changes { try check(record.name.kind) }
    for change in changes {
      switch change {
      case .put(let record): records[record.name] = record.text
      case .remove(let name): records[name] = nil
      }
    }
  }
}
