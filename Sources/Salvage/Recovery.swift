import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `recover`.
package struct RecoveryRequest: Sendable {
  package var store: FilePath
  package var kind: String?
  /// Only these contexts of a memory graph; all where empty.
  package var contexts: [String] = []
  /// The newest good backup of the store, if there is one.
  package var backup: FilePath?
  package var formats = StoreFormat.fileFormats
  /// Unix seconds.
  package var time: Int
  /// Seconds to wait for another run.
  package var lockWait: Double = 0

  package init(store: FilePath, time: Int) {
    self.store = store
    self.time = time
  }
}

/// What `recover` is going to do with a store: nothing, if it is sound.
package struct RecoveryPlan {
  package let request: RecoveryRequest
  package let isSingleFile: Bool
  /// What is wrong with the store; empty if it is sound.
  package private(set) var findings: [Finding]
  let facts: [FilePath: FileFacts]
  private let inspection: Inspection

  package var isSound: Bool { findings.isEmpty }

  /// `.recovery/` in a store directory or beside a store file (FORMATS: memory-graph).
  package var folder: FilePath {
    if !isSingleFile { return request.store.appending(".recovery") }
    let parent = request.store.removingLastComponent()
    return parent.isEmpty ? FilePath(".recovery") : parent.appending(".recovery")
  }

  /// Inspects the store and writes nothing. Throws `notFound` where there is none.
  package init(_ request: RecoveryRequest) throws {
    self.request = request
    let tree = try DiskTree(request.store)
    isSingleFile = tree.isSingleFile
    var facts: [FilePath: FileFacts] = [:]
    for (index, file) in tree.files.enumerated() where !file.isDirectory {
      if !isSingleFile, !request.contexts.isEmpty,
        !ContextSplit.isWanted(file.name, request.contexts)
      {
        continue
      }
      facts[tree.path(index)] = try FileFacts(at: tree.path(index))
    }
    self.facts = facts
    inspection = try Self.inspect(request)
    findings = inspection.errors
    if findings.isEmpty { findings = try losses(since: request.backup) }
    for (_, place) in try takenLogs() {
      findings.append(
        Finding(
          .error, .leftover, "was taken away by a recovery that was cut short", path: place.string))
    }
  }

  /// What a store that is sound by itself has lost as a backup knows it; nothing where that cannot be
  /// read. Throws `refused` where it is of another kind by now, with fewer records.
  package func losses(since backup: FilePath?) throws -> [Finding] {
    guard let backup,
      let manifest = try? OpenedStore(opening: backup, formats: request.formats, kind: nil).backup?
        .manifest, manifest.digest != inspection.digest
    else { return [] }
    let files = try UnwrittenFiles(of: request.store, since: manifest)
    func isText(_ kind: String) -> Bool {
      [StoreFormat.json.name, StoreFormat.jsonLines.name].contains(kind)
    }
    if request.kind == nil, files.cut.isEmpty, files.emptied.isEmpty, let kind = inspection.kind,
      kind != manifest.kind, !(isText(kind) && isText(manifest.kind)),
      inspection.count < manifest.recordCount
    {
      throw SalvageError(
        .refused,
        "is sound, of the kind \(kind) and with \(inspection.count) records; in its newest backup it is of "
          + "the kind \(manifest.kind) and has \(manifest.recordCount)", path: request.store.string,
        hint: "if something has replaced it, restore \(backup) with --overwrite; if not, back it up"
      )
    }
    func note(_ code: Finding.Code, _ message: String, _ path: FilePath) -> Finding? {
      facts[path].map { _ in Finding(.error, code, message, path: path.string) }
    }
    let cut =
      "is shorter than in its newest backup, though by its time nothing has written it since"
    return files.cut.compactMap { note(.tornTail, cut, $0) }
      + files.emptied.compactMap { note(.empty, "is empty, and is not in its newest backup", $0) }
  }

  private struct Inspection {
    var errors: [Finding] = []
    /// Those of a store that can be read.
    var kind: String?
    var count = 0
    var digest: Hash256?
  }

  private static func inspect(_ request: RecoveryRequest) throws -> Inspection {
    let whole: OpenedStore
    do {
      whole = try OpenedStore(
        opening: request.store, formats: request.formats, kind: request.kind)
    } catch let error as StoreError {
      return Inspection(errors: [damage(error.message, request)])
    } catch let error as DatabaseError where error.code == .damaged {
      return Inspection(errors: [damage(error.message, request)])
    }
    guard whole.backup == nil else {
      throw SalvageError(
        .usage, "is a backup and no store", path: request.store.string,
        hint: "restore it, or salvage it if it is damaged")
    }
    let store = try whole.restricted(to: request.contexts)
    let survey = Survey(rules: true, paths: store.tree.files.indices.map(store.tree.displayPath))
    store.tree.notes.forEach(survey.note)
    var missing: StoreError?
    do { try store.format.read(store.tree, ReadOptions(), survey) } catch let error as StoreError {
      // All of a context may be what the damage of a graph of one file has destroyed.
      guard !request.contexts.isEmpty, error.code == .notFound else {
        return Inspection(errors: [damage(error.message, request)])
      }
      missing = error
    }
    try survey.finish()
    let errors = survey.log.findings.filter { $0.severity == .error }
    if let missing, errors.isEmpty { throw missing }
    return Inspection(
      errors: errors, kind: store.format.name, count: survey.counts.values.reduce(0, +),
      digest: request.contexts.isEmpty ? survey.digest() : nil)
  }

  /// Whether a recovered file has what is in its place by now, which nothing is wrong with: then that
  /// stays, byte by byte.
  private func isSound(_ place: FilePath, in report: SalvageReport, as recovered: FilePath) -> Bool
  {
    guard report.inputs.contains(where: { $0.path == place && $0.isWhole }) else { return false }
    func digest(_ path: FilePath) throws -> Hash256 {
      let store = try OpenedStore(opening: path, formats: request.formats, kind: nil)
      let survey = Survey(rules: false)
      try store.format.read(store.tree, ReadOptions(), survey)
      try survey.finish()
      return survey.digest()
    }
    guard let now = try? digest(place), let then = try? digest(recovered) else { return false }
    return now == then
  }

  private static func damage(_ message: String, _ request: RecoveryRequest) -> Finding {
    Finding(.error, .unreadable, message, path: request.store.string)
  }

  private func salvage(into target: FilePath) throws -> SalvageReport {
    var inner = SalvageRequest(paths: [request.store], target: target, time: request.time)
    inner.kind = request.kind
    // Contexts that share a file are recovered with it.
    if !isSingleFile { inner.contexts = request.contexts }
    inner.backup = request.backup
    inner.formats = request.formats
    inner.isForRecovery = true
    let report = try SalvagePlan(inner, insideOf: folder).run()
    // An empty store in its place would look sound.
    guard report.total(.recovered).records > 0 || report.filled.count > 0 else {
      throw SalvageError(
        .refused, "nothing of it can be recovered, so it is left as it is",
        path: request.store.string,
        hint: request.backup == nil
          ? "name a backup of it with --with; salvage keeps its bytes and says what they are"
          : "restore the backup to get what that holds; salvage keeps the bytes of the store")
    }
    return report
  }

  /// What recovering would come to; nothing of it is kept.
  /// - Parameter scratch: a directory that does not exist yet, and will not afterwards.
  package func preview(in scratch: FilePath) throws -> SalvageReport {
    defer { try? Disk.remove(scratch) }
    return try salvage(into: scratch)
  }

  /// What was done.
  package struct Result: Sendable {
    package var report: SalvageReport
    /// Files of the store that were replaced.
    package var replaced: [FilePath]
    /// The damaged files as they were.
    package var undo: FilePath
    package var log: FilePath
  }

  /// Salvages the store and swaps the recovered files in, each by one rename; a store behind a
  /// symbolic link stays behind it. The damaged ones are copied first, and of a database its logs.
  /// Throws `changed` where a writer was at work meanwhile: then nothing has been replaced, or of
  /// several files those before the one that was changed. Throws `refused` where nothing can be
  /// recovered.
  package func run() throws -> Result {
    if try FileFacts(at: folder, following: false)?.kind == .symbolicLink {
      throw SalvageError(
        .refused, "is a symbolic link, and what is kept there must not leave the store",
        path: folder.string, hint: "put a directory in its place, or salvage to one of your own")
    }
    try Disk.makeDirectory(folder, mode: 0o700)
    let lock = try StoreLock(folder.appending(".lock"), waitingUpTo: request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    for name in try TreeWalk.names(in: folder) where OutputFile.isTemporary(name.string) {
      try Disk.remove(folder.appending(name))
    }
    try undoInterrupted()
    let stamp = ISOTime(seconds: request.time).compactText
    let output = try free("salvage-\(stamp)")
    let undo = try free("undo-\(stamp)")
    let report: SalvageReport
    do { report = try salvage(into: output) } catch let error as SalvageError {
      try Disk.remove(output)
      throw error
    }
    let recovered = try DiskTree(output.appending("recovered"))
    try checkUnchanged()
    let places = recovered.files.map {
      isSingleFile ? request.store : request.store.pushing($0.name)
    }
    let changed = try recovered.files.indices.filter {
      try !recovered.files[$0].isDirectory
        && (!Self.isSame(recovered.path($0), places[$0])
          || WriteAheadLog.finding(of: places[$0]) != nil)
        && !isSound(places[$0], in: report, as: recovered.path($0))
    }
    if changed.isEmpty {
      try Disk.remove(output)
      throw SalvageError(
        .refused, "what is wrong with it cannot be mended from here, so it is left as it is",
        path: request.store.string, hint: "inspect says what it is")
    }
    // Its name is durable from the start, what it holds before anything is replaced.
    try Disk.makeDirectory(undo)
    var replaced: [FilePath] = []
    var kept: [(copy: FilePath, place: FilePath)] = []
    var added: [FilePath] = []
    var swaps: [(source: FilePath, target: FilePath, before: FileFacts?)] = []
    for index in changed {
      let (file, place) = (recovered.files[index], places[index])
      let target = isSingleFile ? Disk.absolute(place) : place
      let before = try FileFacts(at: target)
      if let seen = facts[place], seen != before { try checkUnchanged() }
      swaps.append((recovered.path(index), target, before))
      if before != nil {
        try Disk.copy(fileAt: target, to: undo.pushing(file.name), durably: true)
        kept.append((undo.pushing(file.name), target))
      } else {
        added.append(target)
      }
      for (log, ending) in try Disk.logs(of: target) {
        let copy = undo.pushing(file.name).followed(by: ending)
        try Disk.copy(fileAt: log, to: copy, durably: true)
        kept.append((copy, log))
      }
    }
    try Disk.syncTree(undo)
    let mark = folder.appending(Self.markName)
    if try swaps.contains(where: { try !Disk.logs(of: $0.target).isEmpty }) {
      let file = try StagedFile(mark)
      try file.write(Array((undo.lastComponent?.string ?? "").utf8).span)
      try file.close(durably: true)
      try Disk.syncDirectory(folder)
    }
    for swap in swaps {
      // What they hold has been recovered with the rest: SQLite would write them into the new file.
      for (log, _) in try Disk.logs(of: swap.target) { try Disk.remove(log) }
      try Self.swapIn(swap.source, at: swap.target, over: swap.before)
      replaced.append(isSingleFile ? request.store : swap.target)
    }
    try Disk.remove(mark)
    let swap = RecoveryLog.Swap(replaced: replaced, undo: undo, kept: kept, added: added)
    let log = try RecoveryLog(report, at: request.time, swap: swap).append(in: folder)
    return Result(report: report, replaced: replaced, undo: undo, log: log)
  }

  private func free(_ name: String) throws -> FilePath {
    var path = folder.appending(name)
    var number = 2
    while try FileFacts(at: path) != nil {
      path = folder.appending("\(name)-\(number)")
      number += 1
    }
    return path
  }

  private func checkUnchanged() throws {
    for (path, before) in facts where try FileFacts(at: path) != before {
      throw DiskError(
        .changed, "was changed while it was salvaged", path: path,
        hint: "stop the program that writes it, and run recover again")
    }
  }
}
