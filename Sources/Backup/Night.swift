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
  /// The archives that `troubles` tells of.
  fileprivate var told: Set<FilePath> = []
  /// Whether it was only found out what would become of it.
  package fileprivate(set) var isForeseen = false
  /// Whether a good backup holds the store's state now, whatever went wrong after that.
  package fileprivate(set) var isGood = false
  /// Whether it ended because somebody asked to stop.
  package var isInterrupted: Bool { (error as? DiskError)?.code == .interrupted }

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
  /// Seconds that rotation waits at the least for those that read backups: at night nobody is kept
  /// waiting by that, and most are done by then.
  private static let patience = 30.0

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

  /// What `run` would come to now, with nothing done: hooks are not run, and what the repository
  /// holds is only read.
  package func foresee() throws -> (result: NightResult, verdict: NightVerdict) {
    var result = NightResult(series: series.name, store: series.request.store, time: time)
    result.isForeseen = true
    do {
      let plan = try BackupPlan(series.request, formats: formats)
      let backup = try plan.foresee(formats: formats)
      result.backup = backup
      result.isGood = backup.isGood
      if backup.obstacle == nil { try foresee(plan.repository, backup, &result) }
    } catch let error as DiskError where error.code == .interrupted {
      throw error
    } catch { result.error = error }
    return (result, judge(result))
  }

  private func foresee(
    _ repository: Repository, _ backup: BackupResult, _ result: inout NightResult
  ) throws {
    let lock = try Repository.readingLock(for: repository.path, series.request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    try noteDamage(repository, &result)
    guard backup.isGood else { return }
    try collectingTroubles(&result) { result in
      let planned = backup.archive.map { archive in
        Retention.Candidate(
          name: archive.lastComponent?.string ?? "", time: time,
          number: Catalog.nameParts(archive.lastComponent?.string ?? "").number, state: .verified,
          records: backup.manifest.recordCount)
      }
      if let plan = try rotationPlan(repository, planned) { result.take(plan) }
      let plan = try purgePlan(repository, sound: planned == nil ? [] : [series.name])
      result.purged = plan?.items.map(\.path) ?? []
    }
  }

  /// Does it all. Whatever goes wrong is in the result, an interruption too. The backup and the
  /// rotation that rests on it happen under one lock; the hook `before` runs once that is held and
  /// before the store is looked at, which it may make; `after` and `failed` run when the lock has
  /// been given up, `failed` also where `after` is what went wrong.
  package func run() throws -> (result: NightResult, verdict: NightVerdict) {
    let start = Clock.now
    var result = NightResult(series: series.name, store: series.request.store, time: time)
    do { try backUp(&result) } catch { result.error = Self.reason(error) }
    result.duration = Clock.now - start
    if judge(result).exitCode == 0 { tell("after", series.hooks.after, &result) }
    if judge(result).exitCode != 0 { tell("failed", series.hooks.failed, &result) }
    return (result, judge(result))
  }

  /// Who asked to stop is obeyed once somebody has been told; asking twice ends that too.
  private func tell(_ event: String, _ command: HookCommand?, _ result: inout NightResult) {
    do {
      try Interruption.postponed { try hook(event, command, verdict: judge(result), result) }
    } catch let error as DiskError where error.code == .interrupted && result.error == nil {
      result.error = error
    } catch { result.troubles.append(error) }
  }

  private func backUp(_ result: inout NightResult) throws {
    let held = try series.hooks.before == nil ? nil : prepare(result)
    defer { withExtendedLifetime(held) {} }
    let plan = try BackupPlan(series.request, formats: formats)
    result.backup = try plan.run(
      formats: formats, holding: held?.path,
      after: { backup in
        result.backup = backup
        try noteDamage(plan.repository, &result)
        try verify(backup)
        result.isGood = backup.isGood
        try rotate(plan.repository, backup, &result)
      })
    result.isGood = result.backup?.isGood ?? false
  }

  /// Runs the hook `before` under the lock of the repository that the backup will go to. Which one
  /// that is may be for the hook to decide: where no repository is named and there is no store
  /// yet, it runs without.
  private func prepare(_ result: NightResult) throws -> HeldRepository? {
    var held: HeldRepository?
    if try series.request.repository != nil || FileFacts(at: series.request.store) != nil {
      do {
        held = try HeldRepository(
          try series.repository(), waitingUpTo: series.request.lockWait)
      } catch let error as DiskError where [.notWritable, .noSpace].contains(error.code) {
        guard let fallback = series.request.fallback else { throw error }
        held = try HeldRepository(
          Repository(fallback), waitingUpTo: series.request.lockWait)
      }
    }
    try hook("before", series.hooks.before, verdict: nil, result)
    return held
  }

  /// - Parameter verdict: nil as long as nothing has happened that could be judged.
  private func hook(
    _ event: String, _ command: HookCommand?, verdict: NightVerdict?, _ result: NightResult
  ) throws {
    guard let command else { return }
    let repository = try series.repository().path
    var variables = [
      "HOLDFAST_SERIES": result.series, "HOLDFAST_STORE": result.store.string,
      "HOLDFAST_REPOSITORY": repository.string,
      "HOLDFAST_EXIT_CODE": verdict.map { String($0.exitCode) } ?? "",
      "HOLDFAST_MESSAGE": verdict?.message ?? "",
    ]
    if let backup = result.backup {
      variables["HOLDFAST_BACKUP"] = (backup.archive ?? backup.unchangedSince)?.string
      variables["HOLDFAST_DIGEST"] = backup.manifest.digest.hex
      variables["HOLDFAST_RECORDS"] = String(backup.manifest.recordCount)
    }
    let input = verdict?.json ?? Self.announcement(result, repository)
    try command.run(
      event, input: input + [0x0A], variables: variables, limit: series.hooks.timeLimit)
  }

  /// What `before` is given: there is no result yet.
  private static func announcement(_ result: NightResult, _ repository: FilePath) -> [UInt8] {
    var builder = JSONBuilder(pretty: false)
    builder.object {
      $0.member("series", result.series)
      $0.member("store", Disk.absolute(result.store).string)
      $0.member("repository", Disk.absolute(repository).string)
      $0.member("time", ISOTime(seconds: result.time).text)
      $0.member("state", "starting")
    }
    return builder.bytes.array
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

  /// Tells of archives of the series that are no longer as they were written, or no longer there.
  private func noteDamage(_ repository: Repository, _ result: inout NightResult) throws {
    try collectingTroubles(&result) { result in
      guard try FileFacts(at: repository.path) != nil else { return }
      result.take(damaged: try Catalog(of: repository, series: series.name).troubled)
    }
  }

  /// Rotates where tonight's backup is good; else what is there stays as it is. Called with the
  /// repository locked.
  private func rotate(
    _ repository: Repository, _ backup: BackupResult, _ result: inout NightResult
  ) throws {
    guard backup.isGood else { return }
    try collectingTroubles(&result) { result in
      let removal = try repository.removalLock(
        waitingUpTo: max(series.request.lockWait, Self.patience))
      defer { withExtendedLifetime(removal) {} }
      if let plan = try rotationPlan(repository) {
        result.take(plan)
        result.removed = Dictionary(zip(plan.removals, try plan.run())) { $1 }
      }
      if let plan = try purgePlan(repository) {
        try plan.run()
        result.purged = plan.items.map(\.path)
      }
    }
  }

  private func rotationPlan(_ repository: Repository, _ planned: Retention.Candidate? = nil) throws
    -> RotationPlan?
  {
    guard let policy = series.retention else { return nil }
    return try RotationPlan(
      repository, series: series.name, policy: policy, now: time,
      allowsShrink: series.request.allowsShrink, planned: planned, formats: formats)
  }

  private func purgePlan(_ repository: Repository, sound: Set<String> = []) throws -> PurgePlan? {
    guard let age = series.purgeAfter else { return nil }
    return try PurgePlan(
      repository, series: series.name, olderThan: age, now: time, sound: sound, formats: formats)
  }

  /// What goes wrong beside a backup that is saved does not make it a failure.
  private func collectingTroubles(
    _ result: inout NightResult, _ body: (inout NightResult) throws -> Void
  ) throws {
    do { try body(&result) } catch let error as DiskError where error.code == .interrupted {
      throw error
    } catch {
      try Interruption.check()
      result.troubles.append(error)
    }
  }

  /// What went wrong after somebody asked to stop may have gone wrong because of that.
  private static func reason(_ error: any Error) -> any Error {
    do throws(DiskError) { try Interruption.check() } catch { return error }
    return error
  }
}

extension NightResult {
  fileprivate mutating func take(damaged: [Catalog.Entry]) {
    let new = damaged.filter { told.insert($0.path).inserted }
    troubles += [RotationPlan.trouble(new)].compactMap { $0 }
  }

  fileprivate mutating func take(_ plan: RotationPlan) {
    rotation = plan
    // One that could be read a moment ago.
    take(damaged: plan.damaged)
    troubles += plan.series.flatMap(\.rotten).map {
      BackupError(
        .verificationFailed, "is not what its manifest says and displaced nothing",
        path: $0.string, hint: "holdfast verify tells what is left of it")
    }
  }
}
