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
    try told { try backend.update(waitingUpTo: configuration.waitLimit, body) }
  }

  /// What is wrong with the store, as far as it has been read.
  public var findings: [StorageFinding] {
    get throws(StorageError) {
      try told { (try backend.findings + (fallback?.notes ?? [])).map(StorageFinding.init) }
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

  func all<Value>(
    _ kind: RecordKind, scope: [UInt8]? = nil, _ make: (StoredRecord) throws(StorageError) -> Value?
  ) throws(StorageError) -> [Value] {
    var found: [Value] = []
    try each(kind, scope: scope) { record in
      // A record that its kind's rules refuse is a finding of the store, and no value.
      if let value = try? make(record) { found.append(value) }
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
  }
}
