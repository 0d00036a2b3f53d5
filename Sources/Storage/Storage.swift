import Disk
import LosslessJSON
import Records
import Stores

/// A store that an application keeps open: every protocol of this library over any backend.
///
/// Calls are carried out one at a time; each sees what other processes have saved before it. A call
/// waits for the disk, and for other writers up to the time limit, on the thread that runs it.
/// `StorageFactory` opens one.
public actor Storage {
  let backend: any Backend
  let configuration: StorageConfiguration
  /// The newest backup, read when a damaged store lacks something that is asked for.
  var fallback: BackupFallback?
  /// Records that a list has left out since their kind's type does not take them.
  private var omitted: [RecordName: Finding] = [:]

  init(_ backend: sending any Backend, _ configuration: StorageConfiguration) {
    self.backend = backend
    self.configuration = configuration
    fallback = configuration.backups.map(BackupFallback.init)
  }

  /// The context of a graph that has no name of its own.
  static let defaultContext = Array("default".utf8)

  /// Runs `body` and tells its failures as errors of this library.
  func told<Result>(_ body: () throws -> Result) throws(StorageError) -> Result {
    do { return try body() } catch { throw StorageError(error, path: backend.path) }
  }

  /// Changes the store: see `Backend.update`.
  func update(_ body: () throws -> [Change]) throws(StorageError) {
    var made: [Change] = []
    try told {
      try backend.update(waitingUpTo: configuration.waitLimit) {
        made = try body()
        return made
      }
    }
    for change in made { fallback?.follow(change) }
  }

  /// What is wrong with the store, as far as it has been read; also the records that lists have left
  /// out.
  public var findings: [StorageFinding] {
    get throws(StorageError) {
      try told {
        for name in omitted.keys {
          omitted[name] = nil
          if let text = try backend.find(name) { checkType(StoredRecord(name, text)) }
        }
        return (try backend.findings + ownFindings).map(StorageFinding.init)
      }
    }
  }

  /// What this actor knows of that its backend does not.
  var ownFindings: [Finding] {
    (fallback?.notes ?? [])
      + omitted.values.sorted { ($0.record ?? "") < ($1.record ?? "") }
  }

  /// What `make` makes of a record; nil where the type of its kind does not take it, which is a
  /// finding from then on, until it does.
  func value<Value: Sendable>(
    _ record: StoredRecord, _ make: (StoredRecord) throws(StorageError) -> Value?
  ) -> Value? {
    do throws(StorageError) {
      let value = try make(record)
      omitted[record.name] = nil
      return value
    } catch {
      omitted[record.name] = Finding(
        .error, .missingField, "left out of lists: \(error.message)", path: backend.path,
        record: "\(record.name.kind.rawValue):\(record.name.label)")
      return nil
    }
  }

  /// Finds out whether the type of its kind takes a record.
  func checkType(_ record: StoredRecord) {
    _ = value(record) { record throws(StorageError) -> (any Archivable)? in
      switch record.name.kind {
      case .intent: try StorableIntent(text: record.text)
      case .edge: try IntentEdge(text: record.text)
      case .entity: try Entity(text: record.text)
      case .relation: try Relation(text: record.text)
      case .run: try Run(text: record.text)
      case .task: try TaskItem(text: record.text)
      default: nil
      }
    }
  }

  /// A record; where the store is damaged and lacks it, as the newest backup has it.
  func find(_ name: RecordName) throws(StorageError) -> RecordText? {
    try told {
      do {
        if let text = try backend.find(name) { return text }
        guard fallback != nil, try isDamaged else { return nil }
      } catch {
        guard fallback != nil, StorageError(error).code == .damaged else { throw error }
      }
      return fallback?.find(name)
    }
  }

  var isDamaged: Bool { get throws { try backend.findings.contains { $0.severity == .error } } }

  /// All records of a kind; where the store is damaged, those that the newest backup has beside
  /// them.
  func each(_ kind: RecordKind, scope: [UInt8]? = nil, _ body: (StoredRecord) throws -> Bool)
    throws(StorageError)
  {
    try told {
      var names: Set<RecordName>? = fallback == nil ? nil : []
      var goesOn = true
      do {
        try backend.scan(kind, scope: scope) { record in
          names?.insert(record.name)
          goesOn = try body(record)
          return goesOn
        }
        guard goesOn, names != nil, try isDamaged else { return }
      } catch {
        guard names != nil, StorageError(error).code == .damaged else { throw error }
      }
      guard let names else { return }
      for record in fallback?.records(kind, scope: scope) ?? []
      where !names.contains(record.name) {
        if try !body(record) { return }
      }
    }
  }

  func all<Value: Sendable>(
    _ kind: RecordKind, scope: [UInt8]? = nil, _ make: (StoredRecord) throws(StorageError) -> Value?
  ) throws(StorageError) -> [Value] {
    var found: [Value] = []
    try each(kind, scope: scope) { record in
      if let value = value(record, make) { found.append(value) }
      return true
    }
    return found
  }

  func missing(_ what: String) -> StorageError {
    StorageError(.notFound, "there is no \(what)", path: backend.path)
  }
}

extension StorageFinding {
  package init(_ finding: Finding) {
    severity = Severity(rawValue: finding.severity.rawValue) ?? .error
    code = finding.code.rawValue
    message = finding.message
    path = finding.path
    line = finding.line
    offset = finding.offset
    record = finding.record
  }
}
