import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `backup`.
package struct BackupRequest: Sendable {
  package var store: FilePath
  package var repository: FilePath?
  package var series: String?
  package var kind: String?
  package var contexts: [String] = []
  package var compression: Compression = .default
  package var hasRTFS = true
  package var note: String?
  package var idField: String?
  package var skipUnchanged = false
  package var verifies = true
  package var allowsEmpty = false
  package var allowsShrink = false
  /// Unix seconds: the time of the backup.
  package var time: Int
  /// Seconds to wait for another run.
  package var lockWait: Double = 0

  package init(store: FilePath, time: Int) {
    self.store = store
    self.time = time
  }
}

/// What `backup` is going to do; `--dry-run` shows it.
package struct BackupPlan {
  package let request: BackupRequest
  package let store: FilePath
  package let format: StoreFormat
  package let repository: Repository
  package let series: String
  /// Files of the store, and their bytes as they are now.
  package let fileCount: Int
  package let byteCount: Int
  /// The archive's name, unless that is taken by then.
  package let archiveName: String
  /// The last good backup of the series.
  package let parent: Catalog.Entry?

  /// Looks at everything and writes nothing.
  package init(_ request: BackupRequest, formats: [StoreFormat]) throws {
    self.request = request
    let opened: OpenedStore
    do {
      try Self.settle(request.store)
      opened = try OpenedStore(
        opening: request.store, formats: formats, kind: try BackupPlan.kind(request),
        include: BackupPlan.include(request.contexts))
    } catch let error as StoreError where !request.contexts.isEmpty {
      // Without the files of a context there is nothing left to tell the kind of store from.
      try BackupPlan.check(
        request.contexts, DiskTree(request.store), request.store.string)
      throw error
    }
    guard opened.backup == nil else {
      throw BackupError(
        .usage, "is a backup already", path: request.store.string,
        hint: "restore it first, or copy the archive and its manifest")
    }
    guard request.idField == nil || request.idField.flatMap(JSONPointer.init) != nil else {
      throw BackupError(.usage, "--id-field is no JSON pointer; it looks like /meta/id")
    }
    try BackupPlan.check(request.contexts, opened)
    store = request.store
    format = opened.format
    repository =
      request.repository.map(Repository.init)
      ?? .standard(for: request.store, isSingleFile: opened.tree.isSingleFile)
    series = request.series ?? Repository.seriesName(for: request.store)
    guard Repository.isSeriesName(series) else {
      throw BackupError(
        .usage, "\(series) is no name for a series",
        hint: "use letters, digits, '.', '_' and '-', not starting with a '.'")
    }
    let files = opened.tree.files.filter { !$0.isDirectory }
    fileCount = files.count
    byteCount = files.reduce(0) { $0 + $1.size }
    archiveName =
      "\(series)-\(ISOTime(seconds: request.time).compactText).\(request.compression.fileExtension)"
    guard let place = try FileFacts(at: repository.path) else {
      parent = nil
      return
    }
    guard place.kind == .directory else {
      throw DiskError(
        .notWritable, "is not a directory, so no backup can be put there", path: repository.path,
        hint: "name a directory with --to")
    }
    parent = try Catalog(of: repository, series: series).newestGood()
  }

  /// Waits for a moment in which nobody writes to a store of one file, two seconds at most: the
  /// kind must not be taken from a file that has just been cut down to be written anew.
  private static func settle(_ store: FilePath) throws {
    for _ in 0..<100 {
      guard let facts = try FileFacts(at: store), facts.isRegular else { return }
      let modified = Double(facts.modified.seconds) + Double(facts.modified.nanoseconds) / 1e9
      let age = Clock.wall - modified
      if age < 0 || age >= 0.06 { return }
      try Interruption.check()
      Clock.sleep(seconds: 0.02)
    }
  }

  /// The kind that was asked for. A file without a byte has none to be seen; where it is to be
  /// backed up all the same, it counts as lines.
  private static func kind(_ request: BackupRequest) throws -> String? {
    guard request.kind == nil, request.allowsEmpty, let facts = try FileFacts(at: request.store),
      facts.isRegular, facts.size == 0
    else { return request.kind }
    return StoreFormat.jsonLines.name
  }

  /// Which files of a store directory belong to the contexts named; all where none is.
  package static func include(_ contexts: [String]) -> (FilePath) -> Bool {
    if contexts.isEmpty { return { _ in true } }
    return { name in MemoryGraph.context(of: name).map(contexts.contains) ?? false }
  }

  private static func check(_ contexts: [String], _ opened: OpenedStore) throws {
    guard !contexts.isEmpty else { return }
    guard opened.format.name == StoreFormat.memoryGraph.name, !opened.tree.isSingleFile else {
      throw BackupError(
        .usage, "--context is for memory graphs that are a directory of contexts",
        path: opened.path.string)
    }
    try check(contexts, opened.tree, opened.path.string)
  }

  private static func check(_ contexts: [String], _ tree: any StoreTree, _ root: String) throws {
    let there = tree.files.compactMap { MemoryGraph.context(of: $0.name) }
    for context in contexts where !there.contains(context) {
      throw BackupError(
        .notFound, "there is no context called \(context)", path: root,
        hint: "list the files of the directory; charts-NAME.jsonl holds the context NAME")
    }
  }
}

/// What `backup` came to.
package struct BackupResult: Sendable {
  /// Nil where nothing had changed and `--skip-unchanged` was given.
  package var archive: FilePath?
  package var manifest: Manifest
  package var seal: ArchiveSeal?
  package var log: FindingLog
  /// The backup that already holds this state.
  package var unchangedSince: FilePath?
}

/// Told how many more bytes of the store have been read.
package typealias ProgressReport = (_ bytes: Int) -> Void

extension BackupPlan {
  /// Makes the backup. On success the archive is durable under its name, read back and found
  /// good (unless asked not to); on any failure it is absent.
  package func run(
    formats: [StoreFormat], progress: @escaping ProgressReport = { _ in }
  ) throws -> BackupResult {
    try waitForArchiveLock()
    try Disk.makeDirectory(repository.path)
    let lock = try repository.lock(waitingUpTo: request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    try repository.clearLeftovers()
    let writer = try capture(progress)
    let survey = writer.survey
    let parent = try Catalog(of: repository, series: series).newestGood()
    var manifest = writer.manifest(series: series)
    if survey.total == 0, !request.allowsEmpty {
      let first = survey.log.findings.first { $0.severity == .error }
      throw BackupError(
        .refused,
        first == nil
          ? "holds no records" : "no record of it can be read: \(first?.message ?? "")",
        path: first?.path ?? store.string, line: first?.line, offset: first?.offset,
        hint: first == nil
          ? "nothing was written; --allow-empty backs it up all the same"
          : "nothing was written; salvage recovers what is left of it",
        findings: survey.log.findings)
    }
    describe(&manifest, survey, parent)
    if request.skipUnchanged, let parent, let last = parent.manifest,
      last.digest == manifest.digest,
      Self.sameFiles(last, manifest)
    {
      return BackupResult(
        archive: nil, manifest: last, seal: nil, log: survey.log, unchangedSince: parent.path)
    }
    let target = try freePath()
    let output = try ArchiveOutput(for: target)
    try writer.write(manifest, to: output)
    return try publish(output, at: target, manifest, survey.log, formats)
  }

  private static func sameFiles(_ a: Manifest, _ b: Manifest) -> Bool {
    a.kind == b.kind
      && Dictionary(grouping: a.storeEntries, by: \.header.path).mapValues { $0.map(\.sha256) }
        == Dictionary(grouping: b.storeEntries, by: \.header.path).mapValues { $0.map(\.sha256) }
  }

  /// A writer of a content archive holds `.archive_lock`; one older than 10 s is a dead one's
  /// (FORMATS: content-archive).
  private func waitForArchiveLock() throws {
    for directory in ["", "intents", "edges", "plans", "actions"] {
      let path = store.pushing(FilePath(directory)).appending(".archive_lock")
      while let facts = try FileFacts(at: path, following: false) {
        let age =
          Clock.wall - Double(facts.modified.seconds) - Double(facts.modified.nanoseconds) / 1e9
        if age >= 10 || age < -10 { break }
        try Interruption.check()
        Clock.sleep(seconds: 0.05)
      }
    }
  }

  /// Reads the store, again up to three times in all where it changed meanwhile.
  private func capture(_ progress: @escaping ProgressReport) throws -> SnapshotWriter {
    let settings = SnapshotWriter.Settings(
      compression: request.compression, hasRTFS: request.hasRTFS, idField: request.idField,
      note: request.note, time: request.time)
    var attempt = 1
    while true {
      do {
        let tree = try DiskTree(store, include: Self.include(request.contexts))
        let writer = try SnapshotWriter(
          tree, as: format, settings: settings, spillingTo: repository.path, progress: progress)
        guard writer.survey.log.counts[.tornTail] != nil else { return writer }
        // A writer may have been in the middle of a line: it will have gone on a moment later.
        Clock.sleep(seconds: 0.3)
        let now = try DiskTree(store, include: Self.include(request.contexts))
        if now.files == tree.files, writer.grownFiles.isEmpty { return writer }
        if attempt == 3 {
          writer.survey.markTornTailsAsLive()
          return writer
        }
      } catch let error as DiskError where error.code == .changed && attempt < 3 {
        Clock.sleep(seconds: 0.1 * Double(attempt))
      } catch let error as DiskError where error.code == .changed {
        throw BackupError(
          .refused, "changed each of the three times it was read", path: error.path?.string,
          offset: error.offset, hint: "stop what writes to it, or try again when it is quiet")
      } catch let error as DiskError where error.code == .notFound && attempt < 3 {
        // A file that vanished between being listed and being read.
        guard try FileFacts(at: store) != nil else { throw error }
      }
      attempt += 1
    }
  }

  /// Findings, parent and suspicions.
  private func describe(_ manifest: inout Manifest, _ survey: Survey, _ parent: Catalog.Entry?) {
    let log = survey.log
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
    if let last = parent?.manifest, !request.allowsShrink, last.recordCount > 0,
      survey.total * 5 < last.recordCount * 4
    {
      manifest.suspicions.append(
        "the store has \(survey.total) records, \(last.recordCount) at the last good backup")
    }
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
    let seal = output.seal(isVerified: request.verifies)
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

  /// The planned name, or with `-2`, `-3` … where a backup of the same second has it.
  private func freePath() throws -> FilePath {
    let ending = request.compression.fileExtension
    let stem = archiveName.dropLast(ending.count + 1)
    var number = 1
    while true {
      let name = number == 1 ? String(stem) : "\(stem)-\(number)"
      let path = repository.path.appending("\(name).\(ending)")
      let isTaken = try Repository.endings.contains {
        try FileFacts(at: repository.path.appending(name + $0), following: false) != nil
      }
      if !isTaken { return path }
      number += 1
    }
  }
}
