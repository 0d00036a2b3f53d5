import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Told how many more bytes of the store have been read.
package typealias ProgressReport = (_ bytes: Int) -> Void

extension BackupPlan {
  /// Makes the backup. On success the archive is durable under its name, read back and found
  /// good (unless asked not to); on any failure it is absent. Where the repository has no room or
  /// may not be written to, the fallback directory takes it.
  /// - Parameter held: a repository that the caller has locked already.
  /// - Parameter after: called with the result while the repository is still locked.
  package func run(
    formats: [StoreFormat], progress: @escaping ProgressReport = { _ in },
    holding held: FilePath? = nil, after: (BackupResult) throws -> Void = { _ in }
  ) throws -> BackupResult {
    var isSaved = false
    let finish: (BackupResult) throws -> Void = { result in
      isSaved = true
      try after(result)
    }
    let reason: any Error
    do {
      if let obstacle { throw obstacle }
      return try runLocked(formats, progress, held, finish)
    } catch let error as DiskError where !isSaved && isAboutRepository(error) { reason = error }
    guard let fallback = request.fallback else { throw reason }
    let stand = redirected(to: fallback)
    do {
      return try stand.runLocked(formats, progress, held, { _ in }, obstacle: reason)
    } catch var error as DiskError where stand.isAboutRepository(error) {
      error.message += " (it was to stand in, for \(reason))"
      throw error
    }
  }

  /// No room or no right to write, and not for reading the store.
  private func isAboutRepository(_ error: DiskError) -> Bool {
    guard [.noSpace, .notWritable].contains(error.code) else { return false }
    guard let path = error.path.map(Disk.absolute) else { return true }
    let (place, source) = (Disk.absolute(repository.path), Disk.absolute(store))
    return path.starts(with: place) || !path.starts(with: source)
  }

  private func runLocked(
    _ formats: [StoreFormat], _ progress: @escaping ProgressReport, _ held: FilePath?,
    _ after: (BackupResult) throws -> Void, obstacle: (any Error)? = nil
  ) throws -> BackupResult {
    try waitForArchiveLock()
    try (obstacle == nil ? room : room.moved(to: repository.path)).check()
    let lock =
      held == repository.path
      ? nil : try HeldRepository(repository, waitingUpTo: request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    try repository.clearLeftovers()
    let (unchanged, writer, manifest, log) = try assess(
      formats, progress, spillingTo: repository.path)
    var result = unchanged
    if result == nil {
      let target = try freePath()
      let output = try write(manifest, of: consume writer, to: target)
      result = try publish(output, at: target, manifest, log, formats)
    }
    guard var result else { throw BackupError(.failed, "there is no result of the backup") }
    result.note(obstacle)
    try after(result)
    return result
  }

  /// Puts the archive together. What the store was read into is given back while others go on.
  private func write(
    _ manifest: Manifest, of writer: consuming SnapshotWriter, to target: FilePath
  ) throws -> ArchiveOutput {
    let output = try ArchiveOutput(for: target)
    try writer.write(manifest, to: output)
    return output
  }

  /// What `run` would come to now. The store is read as it would be, and nothing is written but
  /// nameless files in the directory for temporary ones. The archive's size is not known.
  package func foresee(formats: [StoreFormat]) throws -> BackupResult {
    do {
      if let obstacle { throw obstacle }
      try room.check()
      try Disk.checkWritable(repository.path)
      try repository.checkUnlocked(waitingUpTo: request.lockWait)
    } catch let error as DiskError where isAboutRepository(error) {
      guard let fallback = request.fallback else { throw error }
      try Disk.checkWritable(fallback)
      try Repository(fallback).checkUnlocked(waitingUpTo: request.lockWait)
      return try redirected(to: fallback).foreseeHere(formats, obstacle: error)
    }
    return try foreseeHere(formats, obstacle: nil)
  }

  private func foreseeHere(_ formats: [StoreFormat], obstacle: (any Error)?) throws
    -> BackupResult
  {
    let found = try assess(formats, { _ in }, spillingTo: SpillFile.standardDirectory)
    var result =
      try found.unchanged
      ?? BackupResult(
        archive: Disk.absolute(freePath()), manifest: found.manifest, seal: nil, log: found.log,
        isForeseenVerified: request.verifies)
    result.note(obstacle)
    return result
  }

  /// The last good backup of the series, and the last that is or was good, here or in the repository
  /// that this stands in for.
  private func lastGood() throws -> (parent: Catalog.Entry?, yardstick: Catalog.Entry?) {
    guard try FileFacts(at: repository.path) != nil else { return (parent, yardstick) }
    let here = try Catalog(of: repository, series: series)
    try checkOrigin(here)
    func newer(_ a: Catalog.Entry?, _ b: Catalog.Entry?, _ isFit: Bool) -> Catalog.Entry? {
      guard let a, let b else { return a ?? b }
      return a.time < b.time && isFit ? b : a
    }
    return (
      newer(here.newestGood(notAfter: request.time), parent, parent?.state == .verified),
      newer(
        here.newestKnownGood(notAfter: request.time), yardstick, yardstick?.state != .unverified)
    )
  }

  /// Whether the series has a suspect backup that is newer: then the store has come back to what
  /// it was, and only a good backup of that clears the series.
  private func isFollowedBySuspect(_ parent: Catalog.Entry?) throws -> Bool {
    guard let parent, try FileFacts(at: repository.path) != nil else { return false }
    return try Catalog(of: repository, series: series).entries.contains {
      $0.state == .suspect && ($0.time, $0.number) > (parent.time, parent.number)
    }
  }

  /// What the store is, read whole: either a good backup holds it unchanged, or what the next one
  /// is to be made of. Throws `refused` where there is to be none.
  private func assess(
    _ formats: [StoreFormat], _ progress: @escaping ProgressReport,
    spillingTo directory: FilePath
  ) throws -> (
    unchanged: BackupResult?, writer: SnapshotWriter, manifest: Manifest, log: FindingLog
  ) {
    let writer = try capture(progress, directory)
    let survey = writer.survey
    var log = survey.log
    let (parent, yardstick) = try lastGood()
    var manifest = writer.manifest(series: series)
    if survey.total == 0, !request.allowsEmpty { throw Self.refusal(survey, store) }
    try describe(&manifest, survey, parent, yardstick)
    if request.skipUnchanged, try !isFollowedBySuspect(parent), let parent,
      let last = parent.manifest,
      last.digest == manifest.digest, Self.sameFiles(last, manifest),
      parent.state == .verified || !request.verifies
    {
      // What is not to be written again must still be there, byte for byte.
      if try RotationPlan.isIntact(parent.path, formats) {
        let unchanged = BackupResult(
          archive: nil, manifest: last, seal: nil, log: survey.log,
          unchangedSince: Disk.absolute(parent.path))
        return (unchanged, writer, last, survey.log)
      }
      log.add(
        Finding(
          .warning, .damagedMember,
          "holds the same records, but is no longer what was written; it was backed up again",
          path: parent.path.string))
    }
    return (nil, writer, manifest, log)
  }

  private static func refusal(_ survey: Survey, _ store: FilePath) -> BackupError {
    let first = survey.log.findings.first { $0.severity == .error }
    return BackupError(
      .refused,
      first == nil ? "holds no records" : "no record of it can be read: \(first?.message ?? "")",
      path: first?.path ?? store.string, line: first?.line, offset: first?.offset,
      hint: first == nil
        ? "nothing was written; --allow-empty backs it up all the same"
        : "nothing was written; salvage recovers what is left of it",
      findings: survey.log.findings)
  }

  private static func sameFiles(_ a: Manifest, _ b: Manifest) -> Bool {
    a.kind == b.kind
      && Dictionary(grouping: a.storeEntries, by: \.header.path).mapValues { $0.map(\.sha256) }
        == Dictionary(grouping: b.storeEntries, by: \.header.path).mapValues { $0.map(\.sha256) }
  }

  /// Findings, parent and suspicions.
  private func describe(
    _ manifest: inout Manifest, _ survey: Survey, _ parent: Catalog.Entry?,
    _ yardstick: Catalog.Entry?
  ) throws {
    let log = survey.log
    manifest.onlyContexts = onlyContexts
    manifest.parent = parent?.manifest?.digest
    manifest.findings = Array(
      log.findings.sorted { $0.severity < $1.severity }.prefix(Manifest.findingLimit))
    manifest.findingCounts = Dictionary(
      log.counts.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: +)
    if log.errors > 0 {
      manifest.suspicions.append(
        "the store has \(log.errors) error\(log.errors == 1 ? "" : "s")")
    }
    if survey.total == 0 { manifest.suspicions.append("the store holds no records") }
    if log.errors == 0, survey.total > 0, inner?.backup?.manifest.isSuspect == true {
      manifest.suspicions.append("so was the backup that it was made from")
    }
    guard let last = yardstick?.manifest, !request.allowsShrink,
      let reason = Self.contextsMissing(in: onlyContexts, since: last)
        ?? Self.loss(to: survey.total, since: last)
    else { return }
    if request.refusesShrink {
      throw BackupError(
        .refused, reason, path: store.string,
        hint: "nothing was written; if the records were meant to go, use --allow-shrink")
    }
    manifest.suspicions.append(reason)
  }

  /// The contexts that alone are asked for, or were when the backup was made that this is one of.
  private var onlyContexts: [String] {
    let asked = Set(request.contexts)
    return asked.isEmpty ? inner?.backup?.manifest.onlyContexts ?? [] : asked.sorted()
  }

  private static func loss(to count: Int, since last: Manifest) -> String? {
    guard ShrinkGuard.isShrunken(count, since: last.recordCount) else { return nil }
    return "the store has \(count) records, \(last.recordCount) at the last good backup"
  }

  /// Some contexts of a store cannot stand for all of them, however many records they have.
  private static func contextsMissing(in own: [String], since last: Manifest) -> String? {
    guard !own.isEmpty else { return nil }
    let before = last.onlyContexts.isEmpty ? last.contexts : last.onlyContexts
    if !before.isEmpty, Set(before).isSubset(of: own) { return nil }
    let what =
      last.onlyContexts.isEmpty ? "all contexts" : last.onlyContexts.joined(separator: ", ")
    return "only \(own.joined(separator: ", ")) was asked for, and the last good backup of the "
      + "series has \(what): give it a series of its own with --name"
  }

  /// Verifies what was written, then gives it its name.
  private func publish(
    _ output: ArchiveOutput, at target: FilePath, _ manifest: Manifest, _ log: FindingLog,
    _ formats: [StoreFormat]
  ) throws -> BackupResult {
    if request.verifies {
      let check = try Verification.run(
        output.temporaryPath, formats: formats, quick: false, unpublished: true)
      guard check.isGood, check.digest == manifest.digest else {
        throw BackupError(
          .verificationFailed, "the archive did not read back as it was written",
          path: target.string, hint: "nothing was kept; check the disk and run it again",
          findings: check.log.findings)
      }
    }
    let seal = output.seal(isVerified: request.verifies, origin: origin)
    // The manifest first: an archive under its name always has its manifest beside it.
    let sidecar = BackupFile.sidecarPath(of: target)
    do {
      var beside = try OutputFile(for: sidecar)
      try beside.write(manifest.encoded(archive: seal).span)
      try beside.publish()
      try output.publish()
    } catch {
      // A name can have been given and only its directory not been synced: what is reported as a
      // failure must be absent. A name that somebody else has taken is left alone.
      if (error as? DiskError)?.code != .exists { try? Disk.remove(target) }
      try? Disk.remove(sidecar)
      throw error
    }
    return BackupResult(
      archive: Disk.absolute(target), manifest: manifest, seal: seal, log: log,
      unchangedSince: nil)
  }

  /// The planned name, or behind backups of the same second with `-2`, `-3` …: above them all, for
  /// a number that was free again would make this one the older of two. Those in the trash count,
  /// so that they can come back.
  private func freePath() throws -> FilePath {
    let ending = request.compression.fileExtension
    let stem = String(archiveName.dropLast(ending.count + 1))
    let isThere = try FileFacts(at: repository.path) != nil
    let here = try isThere ? TreeWalk.names(in: repository.path).map(\.string) : []
    // A trash that cannot be looked into is no reason not to back up.
    let gone = (try? Trash(of: repository).items().map(\.name)) ?? []
    let last = (here + gone).compactMap { Self.number(of: $0, stem) }.max() ?? 0
    let name = last == 0 ? stem : "\(stem)-\(last + 1)"
    return repository.path.appending("\(name).\(ending)")
  }

  /// 1 for `stem.…`, 2 for `stem-2.…` and so on; nil for other names.
  private static func number(of name: String, _ stem: String) -> Int? {
    guard name.hasPrefix(stem) else { return nil }
    let rest = name.dropFirst(stem.count)
    if rest.hasPrefix(".") { return 1 }
    guard rest.hasPrefix("-") else { return nil }
    return Int(rest.dropFirst().prefix { $0 != "." })
  }
}
