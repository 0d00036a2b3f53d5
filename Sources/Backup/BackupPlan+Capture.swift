import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Reading the store while others may write to it.
extension BackupPlan {
  /// A writer of a content archive holds `.archive_lock`; one older than 10 s is a dead one's
  /// (FORMATS: content-archive). Writers that take it again and again are not waited for any
  /// longer than that either.
  func waitForArchiveLock() throws {
    let deadline = Clock.now + 10
    for directory in ["", "intents", "edges", "plans", "actions"] {
      let path = store.pushing(FilePath(directory)).appending(".archive_lock")
      while Clock.now < deadline, let facts = try FileFacts(at: path, following: false) {
        let age =
          Clock.wall - Double(facts.modified.seconds) - Double(facts.modified.nanoseconds) / 1e9
        if age >= 10 || age < -10 { break }
        try Interruption.check()
        Clock.sleep(seconds: 0.05)
      }
    }
  }

  /// Reads the store, again up to three times in all where it changed meanwhile.
  func capture(_ progress: @escaping ProgressReport, _ directory: FilePath) throws
    -> SnapshotWriter
  {
    var attempt = 1
    // The files that were seen to change from one attempt to the next, as findings name them.
    var live: Set<String> = []
    while true {
      do {
        try waitForArchiveLock()
        if let inner { return try capture(inner, progress, directory) }
        let (writer, tree) = try captureOnce(progress, directory)
        let torn = writer.survey.tornFiles
        if torn.isEmpty { return writer }
        // A writer may have been in the middle of a line: it will have gone on a moment later.
        Clock.sleep(seconds: 0.3)
        live.formUnion(try changedFiles(since: tree, writer))
        if torn.isDisjoint(with: live) { return writer }
        if attempt == 3 {
          writer.survey.markTornTailsAsLive(in: live)
          return writer
        }
      } catch let error as DiskError where error.code == .changed || isVanished(error) {
        guard try FileFacts(at: store) != nil else { throw error }
        guard attempt < 3 else {
          throw BackupError(
            .refused, "changed each of the three times it was read", path: error.path?.string,
            offset: error.offset, hint: "stop what writes to it, or try again when it is quiet")
        }
        Clock.sleep(seconds: 0.1 * Double(attempt))
      }
      attempt += 1
    }
  }

  /// Whether a file of the store was there when that was listed, and then was not.
  private func isVanished(_ error: DiskError) -> Bool {
    error.code == .notFound && error.path?.starts(with: store) ?? false
  }

  /// Reads the store inside a backup, or what was taken out of one, which nobody changes. Throws
  /// `verificationFailed` where the backup's files are not what it says.
  private func capture(
    _ inner: OpenedStore, _ progress: @escaping ProgressReport, _ directory: FilePath
  ) throws -> SnapshotWriter {
    let backup = inner.backup
    let settings = SnapshotWriter.Settings(
      compression: request.compression, hasRTFS: request.hasRTFS,
      idField: request.idField ?? backup?.manifest.idField, note: request.note, time: request.time)
    let writer = try SnapshotWriter(
      inner.tree, source: backup.map { FilePath($0.manifest.series) } ?? store, as: format,
      settings: settings, openedBefore: EarlyFiles(of: store, []), inside: backup,
      wholeGraph: inner.wholeGraph, spillingTo: directory, progress: progress)
    guard let backup, inner.keepsFiles else { return writer }
    let known = Dictionary(
      backup.manifest.storeEntries.map { ($0.header.path, $0.sha256) }, uniquingKeysWith: { $1 })
    for entry in writer.manifest(series: series).storeEntries
    where entry.header.kind == .regular && known[entry.header.path] != entry.sha256 {
      throw BackupError(
        .verificationFailed, "does not have the hash that the manifest names",
        path: "\(store):\(MemberPath.printable(entry.header.path))",
        hint: "nothing was written; holdfast verify tells which encodings still hold")
    }
    return writer
  }

  /// One reading of the store, and the listing it went by. An index that is replaced meanwhile does
  /// no harm: it was opened before the listing, and what it names had been written before it.
  private func captureOnce(_ progress: @escaping ProgressReport, _ directory: FilePath) throws -> (
    SnapshotWriter, DiskTree
  ) {
    let settings = SnapshotWriter.Settings(
      compression: request.compression, hasRTFS: request.hasRTFS, idField: request.idField,
      note: request.note, time: request.time)
    let isArchive = format.name == StoreFormat.contentArchive.name
    let early = try EarlyFiles(of: store, isArchive ? ContentArchive.indexNames : [])
    let tree = try DiskTree(store, include: Self.include(request.contexts))
    let writer = try SnapshotWriter(
      try format.freeze?(tree) ?? tree, source: store, as: format, settings: settings,
      openedBefore: early, wholeGraph: wholeGraph(), spillingTo: directory, progress: progress)
    // Objects are only ever taken away after the index has ceased to name them.
    if writer.survey.log.counts[.missingFile] != nil, let path = try early.replaced() {
      throw DiskError(.changed, "was replaced while the archive was read", path: path)
    }
    return (writer, tree)
  }

  /// Reads all contexts of the store, where only some are backed up.
  private func wholeGraph() -> WholeGraph? {
    if request.contexts.isEmpty { return nil }
    return WholeGraph { [store, format] sink in
      try format.read(DiskTree(store), ReadOptions(), sink)
    }
  }

  /// The files that have grown behind what `writer` read of them, or are no longer as they were
  /// listed in `tree`.
  private func changedFiles(since tree: DiskTree, _ writer: SnapshotWriter) throws -> Set<String> {
    let now = try DiskTree(store, include: Self.include(request.contexts))
    let before = Dictionary(tree.files.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let grown = Set(writer.grownFiles)
    var paths: Set<String> = []
    for (index, file) in now.files.enumerated()
    where grown.contains(file.name) || before[file.name] != file {
      paths.insert(now.displayPath(index))
    }
    return paths
  }
}
