import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What became of one series in a run.
package struct NightResult: Sendable {
  package var series: String
  package var store: FilePath
  /// Unix seconds.
  package var time: Int
  /// Seconds.
  package var duration: Double = 0
  package var backup: BackupResult?
  package var rotation: RotationPlan?
  /// What rotation removed, and where it is now.
  package var removed: [FilePath: FilePath] = [:]
  package var purged: [FilePath] = []
  /// Why there is no backup, or none that may be relied on.
  package var error: (any Error)?
  /// What went wrong beside a backup that was saved: a rotation that had to wait, a hook.
  package var troubles: [any Error] = []

  package init(series: String, store: FilePath, time: Int) {
    self.series = series
    self.store = store
    self.time = time
  }
}

/// What a result is worth, as those that are told of it need it.
package struct NightVerdict: Sendable {
  package var exitCode: Int
  /// The result as one JSON object.
  package var json: [UInt8]
  /// One line, if something is wrong.
  package var message: String?

  package init(exitCode: Int, json: [UInt8], message: String?) {
    self.exitCode = exitCode
    self.json = json
    self.message = message
  }
}

/// The nightly job for one series: back up, verify, rotate, tell.
package struct Night {
  package let series: Configuration.Series
  package let formats: [StoreFormat]
  /// Unix seconds.
  package let time: Int
  /// Turns results into what hooks are given.
  package let judge: (NightResult) -> NightVerdict

  package init(
    _ series: Configuration.Series, formats: [StoreFormat], time: Int,
    judge: @escaping (NightResult) -> NightVerdict
  ) {
    var series = series
    series.request.time = time
    self.series = series
    self.formats = formats
    self.time = time
    self.judge = judge
  }

  /// The plans, with nothing done: for the backup, and for the rotation that would follow it.
  package func plan() throws -> (backup: BackupPlan, rotation: RotationPlan?) {
    let backup = try BackupPlan(series.request, formats: formats)
    guard let policy = series.retention else { return (backup, nil) }
    let planned = Retention.Candidate(
      name: backup.archiveName, time: time, number: .max, state: .verified,
      records: backup.parent?.manifest?.recordCount ?? 0)
    guard try FileFacts(at: backup.repository.path) != nil else { return (backup, nil) }
    let rotation = try RotationPlan(
      backup.repository, series: series.name, policy: policy, now: time, planned: planned,
      formats: formats)
    return (backup, rotation)
  }

  /// Does it all. Only an interruption is thrown; whatever else goes wrong is in the result.
  /// The backup and the rotation that rests on it happen under one lock; the hook `before` runs
  /// once that is held, `after` and `failed` when it has been given up.
  package func run() throws -> (result: NightResult, verdict: NightVerdict) {
    let start = Clock.now
    var result = NightResult(series: series.name, store: series.request.store, time: time)
    do {
      let plan = try BackupPlan(series.request, formats: formats)
      let backup = try plan.run(
        formats: formats, before: { try hook("before", series.hooks.before, result) },
        after: { backup in
          result.backup = backup
          try verify(backup)
          try rotate(plan.repository, backup, &result)
        })
      result.backup = backup
    } catch let error as DiskError where error.code == .interrupted {
      throw error
    } catch { result.error = error }
    result.duration = Clock.now - start
    var verdict = judge(result)
    let (event, command) =
      verdict.exitCode == 0 ? ("after", series.hooks.after) : ("failed", series.hooks.failed)
    do { try hook(event, command, result) } catch let error as DiskError
      where error.code == .interrupted
    { throw error } catch {
      result.troubles.append(error)
      verdict = judge(result)
    }
    return (result, verdict)
  }

  private func hook(_ event: String, _ command: HookCommand?, _ result: NightResult) throws {
    guard let command else { return }
    let verdict = judge(result)
    var variables = [
      "HOLDFAST_SERIES": result.series, "HOLDFAST_STORE": result.store.string,
      "HOLDFAST_EXIT_CODE": event == "before" ? "" : String(verdict.exitCode),
      "HOLDFAST_MESSAGE": verdict.message ?? "",
    ]
    variables["HOLDFAST_REPOSITORY"] = try series.repository().path.string
    if let backup = result.backup {
      variables["HOLDFAST_BACKUP"] = (backup.archive ?? backup.unchangedSince)?.string
      variables["HOLDFAST_DIGEST"] = backup.manifest.digest.hex
      variables["HOLDFAST_RECORDS"] = String(backup.manifest.recordCount)
    }
    try command.run(
      event, input: verdict.json + [0x0A], variables: variables, limit: series.hooks.timeLimit)
  }

  /// Compares the encodings of a new backup. One that fails is no longer called verified.
  private func verify(_ backup: BackupResult) throws {
    guard series.verifiesFully, let archive = backup.archive, var seal = backup.seal else { return }
    let check = try Verification.run(archive, formats: formats, quick: false)
    guard !check.isGood else { return }
    seal.isVerified = false
    var beside = try OutputFile(for: BackupFile.sidecarPath(of: archive))
    try beside.write(backup.manifest.encoded(archive: seal).span)
    try beside.publish()
    throw BackupError(
      .verificationFailed,
      "the new backup does not verify: "
        + (check.log.findings.first { $0.severity == .error }?.message ?? ""),
      path: archive.string, hint: "it is marked unverified and nothing was removed; check the disk",
      findings: check.log.findings)
  }

  /// Rotates where tonight's backup is good; else what is there stays as it is. Called with the
  /// repository locked.
  private func rotate(
    _ repository: Repository, _ backup: BackupResult, _ result: inout NightResult
  ) throws {
    guard backup.isGood else { return }
    do {
      let removal = try repository.removalLock(waitingUpTo: series.request.lockWait)
      defer { withExtendedLifetime(removal) {} }
      if let policy = series.retention {
        let plan = try RotationPlan(
          repository, series: series.name, policy: policy, now: time,
          allowsShrink: series.request.allowsShrink, formats: formats)
        result.rotation = plan
        result.troubles += plan.series.flatMap(\.rotten).map {
          BackupError(
            .verificationFailed, "is not what its manifest says and displaced nothing",
            path: $0.string, hint: "holdfast verify tells what is left of it")
        }
        result.removed = Dictionary(zip(plan.removals, try plan.run())) { $1 }
      }
      if let age = series.purgeAfter {
        let plan = try PurgePlan(
          repository, series: series.name, olderThan: age, now: time, formats: formats)
        try plan.run()
        result.purged = plan.items.map(\.path)
      }
    } catch let error as DiskError where error.code == .interrupted {
      throw error
    } catch { result.troubles.append(error) }
  }
}
