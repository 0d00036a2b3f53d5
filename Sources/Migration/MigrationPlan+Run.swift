import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What `migrate` came to.
package struct MigrationResult: Sendable {
  /// Absolute.
  package var database: FilePath
  package var counts: [RecordKind: Int]
  package var digest: Hash256
  /// SHA-256 of the database file: the same for the same stores.
  package var sha256: Hash256?
  /// `StoreDatabase.logicalDigest`: the same whatever library wrote the file.
  package var logicalDigest: Hash256?
  package var size: Int
  package var undo: FilePath?
  package var isUnchanged = false
  package var log = FindingLog()

  package var records: Int { counts.values.reduce(0, +) }
}

extension MigrationPlan {
  /// Writes the database beside its target, proves it, and gives it its name. On any failure the
  /// target is as it was.
  package func run(progress: @escaping (_ bytes: Int) -> Void = { _ in }) throws -> MigrationResult
  {
    if isUnchanged { return try unchanged() }
    try Disk.makeDirectory(target.removingLastComponent())
    try Leftovers.clear(beside: target)
    var output = try OutputFile(for: target)
    var result = try fill(output.temporaryPath, progress)
    result.logicalDigest = try prove(output.temporaryPath, result)
    let facts = try output.reopen().facts()
    result.size = facts.size
    result.sha256 = try Self.hash(output.reopen())
    if let undo { try Disk.rename(target, to: undo, replacing: false) }
    do { try output.publish(replacing: false) } catch {
      if let undo { try? Disk.rename(undo, to: target, replacing: false) }
      throw error
    }
    return result
  }

  private static func hash(_ file: consuming InputFile) throws -> Hash256 {
    var hasher = Hasher256()
    var block = ByteBuffer()
    while try file.read(at: hasher.count, into: &block, atMost: 1 << 20) > 0 {
      hasher.update(block.span)
      block.removeAll()
    }
    return hasher.finish()
  }

  private func unchanged() throws -> MigrationResult {
    let logical = BackgroundReading(target, .source, StoreDatabase.logicalDigest)
    let survey = try Survey.read(DiskTree(target), as: .sqlite, rules: false)
    var result = MigrationResult(
      database: target, counts: survey.counts, digest: survey.digest(), size: 0)
    result.size = try FileFacts(at: target)?.size ?? 0
    result.sha256 = try Self.hash(InputFile(opening: target))
    result.logicalDigest = try logical.wait()
    result.isUnchanged = true
    result.log = survey.log
    return result
  }

  /// Makes the database at `path`, an empty file.
  private func fill(_ path: FilePath, _ progress: @escaping (Int) -> Void) throws
    -> MigrationResult
  {
    let database = try FreshDatabase(path)
    var hashes = StoreDigest()
    var result = MigrationResult(
      database: target, counts: [:], digest: hashes.finish(), size: 0, undo: undo)
    var (nextFile, nextRecord) = (1, 1)
    for (index, source) in sources.enumerated() {
      let store = try StoreImport(
        source.tree, as: source.format, number: index + 1, firstFile: nextFile,
        firstRecord: nextRecord, database: database, progress: progress)
      let (options, idField) = options(source)
      let survey = try store.run(options, rules: true)
      try refuse(survey, source)
      try insert(source, survey, index + 1, idField, database)
      result.log.add(survey.log)
      result.counts.merge(survey.counts, uniquingKeysWith: +)
      if sources.count == 1 {
        result.digest = survey.digest()
      } else {
        hashes.insert(contentsOf: survey.records)
        result.digest = hashes.finish()
      }
      survey.seal()
      nextFile += source.tree.files.count
      nextRecord = store.nextRecord
    }
    try database.finish()
    return result
  }

  private func refuse(_ survey: Survey, _ source: OpenedStore) throws {
    let first = survey.log.findings.first { $0.severity == .error }
    if survey.total == 0 {
      throw MigrationError(
        .refused, first.map { "no record of it can be read: \($0.message)" } ?? "holds no records",
        path: first?.path ?? source.path.string, line: first?.line, offset: first?.offset,
        hint: "nothing was written; salvage recovers what is left of a damaged store",
        findings: survey.log.findings)
    }
    guard let first, !request.skipsDamaged else { return }
    let label = first.record.map { "\($0) " } ?? ""
    throw MigrationError(
      .refused,
      "\(label)\(first.message)\(survey.log.errors > 1 ? " (and \(survey.log.errors - 1) more errors)" : "")",
      path: first.path ?? source.path.string, line: first.line, offset: first.offset,
      hint: "nothing was written; salvage it first, or leave out what is damaged with"
        + " --skip-damaged", findings: survey.log.findings)
  }

  private func insert(
    _ source: OpenedStore, _ survey: Survey, _ number: Int, _ idField: String?,
    _ database: FreshDatabase
  ) throws {
    let row = try database.prepare("INSERT INTO stores VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    row.bind(1, number)
    row.bind(2, text: Self.name(of: source))
    row.bind(3, text: source.format.name)
    row.bind(4, source.tree.isSingleFile ? 1 : 0)
    if let idField { row.bind(5, text: idField) } else { row.bind(null: 5) }
    row.bind(6, survey.total)
    row.bind(7, survey.log.errors)
    row.bind(8, text: survey.digest().hex)
    try row.run()
  }

  /// Reads the database back: SQLite's checks, every hash, the digest and the counts. Returns the
  /// logical digest of what is there.
  private func prove(_ path: FilePath, _ result: MigrationResult) throws -> Hash256 {
    let logical = BackgroundReading(path, .immutable, StoreDatabase.logicalDigest)
    let read = Result { try Survey.read(DiskTree(path), as: .sqlite, rules: false) }
    // Waited for in any case: it reads a file that goes away if this fails.
    let answer = Result { try logical.wait() }
    let survey = try read.get()
    let first = survey.log.findings.first { $0.severity == .error }
    guard first == nil, survey.digest() == result.digest, survey.counts == result.counts else {
      throw MigrationError(
        .verificationFailed,
        "the database did not read back as it was written"
          + (first.map { ": \($0.message)" } ?? ""), path: target.string,
        hint: "nothing was kept; check the disk and run it again",
        findings: survey.log.findings)
    }
    return try answer.get()
  }
}

/// What runs that were killed have left beside a file.
enum Leftovers {
  /// Removes unfinished files of this name whose process is gone.
  static func clear(beside target: FilePath) throws {
    let parent = target.removingLastComponent()
    let ending = "-\((target.lastComponent?.string ?? "file").prefix(120)).tmp"
    for name in try TreeWalk.names(in: parent).map(\.string)
    where name.hasPrefix(OutputFile.temporaryPrefix) && name.hasSuffix(ending) {
      let process = name.dropFirst(OutputFile.temporaryPrefix.count).prefix { $0 != "-" }
      if let number = Int32(process), !Disk.processExists(number) {
        try Disk.remove(parent.appending(name))
      }
    }
  }
}
