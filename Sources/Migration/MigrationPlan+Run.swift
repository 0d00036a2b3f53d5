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
  /// Writes the database beside its target, proves it, and puts it in its place. On any failure
  /// the target is as it was.
  package func run(progress: @escaping (_ bytes: Int) -> Void = { _ in }) throws -> MigrationResult
  {
    guard let replacement else { return try unchanged() }
    return try replacement.perform { staging in
      let path = staging.appending(target.lastComponent ?? "store.db")
      try StagedFile(path).close()
      var (result, hashes) = try fill(path, progress)
      try prove(path, &result, hashes)
      return (path, result)
    }
  }

  private func unchanged() throws -> MigrationResult {
    try Disk.clearLeftovers(of: target)
    let logical = BackgroundWork { [target] in
      try StoreDatabase.logicalDigest(Connection(target, .source, isLenient: true))
    }
    let survey = try Survey.read(DiskTree(target), as: .sqlite, rules: false)
    var result = MigrationResult(
      database: target, counts: survey.counts, digest: survey.digest(), size: 0)
    result.size = try FileFacts(at: target)?.size ?? 0
    result.sha256 = try InputFile(opening: target).hash()
    result.logicalDigest = try logical.result().get()
    result.isUnchanged = true
    result.log = survey.log
    return result
  }

  /// Makes the database at `path`, an empty file.
  private func fill(_ path: FilePath, _ progress: @escaping (Int) -> Void) throws
    -> (MigrationResult, RecordChain)
  {
    let database = try FreshDatabase(path)
    var hashes = StoreDigest()
    var result = MigrationResult(
      database: target, counts: [:], digest: hashes.finish(), size: 0, undo: replacement?.undo)
    var (nextFile, nextRecord) = (1, 1)
    for (index, source) in sources.enumerated() {
      let store = try StoreImport(
        source.tree, as: source.format, number: index + 1, firstFile: nextFile,
        firstRecord: nextRecord, database: database, progress: progress)
      let (options, idField) = options(source)
      let survey = try store.run(
        options, rules: true, wholeGraph: source.wholeGraph, batchLimit: request.batchLimit)
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
    return (result, database.hashes)
  }

  private func refuse(_ survey: Survey, _ source: OpenedStore) throws {
    let first = survey.log.findings.first { $0.severity == .error }
    if survey.total == 0 {
      throw MigrationError(
        .refused, first.map { "no record of it can be read: \($0.message)" } ?? "holds no records",
        path: first?.path ?? source.path.string, line: first?.line, offset: first?.offset,
        hint: first == nil
          ? "nothing was written; there is nothing to migrate"
          : "nothing was written; salvage recovers what is left of a damaged store",
        findings: survey.log.findings)
    }
    guard let first, !request.skipsDamaged else { return }
    let label = first.record.map { "\($0) " } ?? ""
    throw MigrationError(
      .refused,
      "\(label)\(first.message)\(survey.log.errors > 1 ? " (and \(survey.log.errors - 1) more errors)" : "")",
      path: first.path ?? source.path.string, line: first.line, offset: first.offset,
      hint: "nothing was written; salvage it first, or migrate what can be read of it with"
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

  /// Reads the database back: SQLite's checks, every row, the hashes and the counts. Notes what
  /// there is.
  private func prove(
    _ path: FilePath, _ result: inout MigrationResult, _ hashes: RecordChain
  ) throws {
    let checks = BackgroundWork {
      try StoreDatabase.problems(Connection(path, .immutable, isLenient: true))
    }
    let file = BackgroundWork { try InputFile(opening: path).hash() }
    let reading = Result { try ReadBack(of: Connection(path, .immutable, isLenient: true)) }
    // Waited for in any case: they read a file that goes away if this fails.
    let (problems, sha256) = (checks.result(), file.result())
    let back = try reading.get()
    var complaint = try problems.get().first ?? back.complaint
    if back.counts != result.counts { complaint = complaint ?? "it does not hold every record" }
    if back.hashes.finish() != hashes.finish() {
      complaint = complaint ?? "its records are not those of the store"
    }
    if let complaint {
      throw MigrationError(
        .verificationFailed, "the database did not read back as it was written: \(complaint)",
        path: target.string, hint: "nothing was kept; check the disk and run it again")
    }
    result.sha256 = try sha256.get()
    result.logicalDigest = back.logicalDigest
    result.size = try FileFacts(at: path)?.size ?? 0
  }
}
