import Disk
import Records
import Snapshot
import Stores
import SystemPackage

/// The health check of everything that a configuration names. Writes nothing but an empty file in
/// each repository, which it removes again.
package struct Doctor {
  package enum Level: String, Sendable { case ok, warning, error }

  package struct Check: Sendable {
    package var level: Level
    /// What was looked at: `store`, `repository`, `backup`, `lock`, `space`, `textfile`, `library`.
    package var subject: String
    package var series: String?
    package var message: String
    package var path: String?
    package var hint: String?
    /// Whether the exit code tells of it. A release of a library with a known bug is only told:
    /// nothing here does what sets it off.
    package var counts = true
  }

  package private(set) var checks: [Check] = []
  private let formats: [StoreFormat]
  /// Unix seconds.
  private let now: Int
  /// A count of bytes as people read it.
  private let byteText: (Int) -> String
  /// What an error says, without its path, and what to do.
  private let describe: (any Error) -> (message: String, hint: String?)

  package init(
    formats: [StoreFormat], now: Int, byteText: @escaping (Int) -> String,
    describe: @escaping (any Error) -> (message: String, hint: String?)
  ) {
    self.formats = formats
    self.now = now
    self.byteText = byteText
    self.describe = describe
  }

  /// Whether everything that counts is well.
  package var isWell: Bool { checks.allSatisfy { $0.level == .ok || !$0.counts } }

  private mutating func add(
    _ level: Level, _ subject: String, _ message: String, series: String? = nil,
    path: FilePath? = nil, hint: String? = nil
  ) {
    checks.append(
      Check(
        level: level, subject: subject, series: series, message: message, path: path?.string,
        hint: hint))
  }

  /// - Parameter sqlite: the release of SQLite that is linked, if any is.
  package mutating func libraries(_ versions: [(name: String, version: String)]) {
    for (name, version) in versions {
      var check = Check(level: .ok, subject: "library", message: "\(name) \(version)")
      check.counts = false
      if name == "SQLite", let bug = SQLiteRelease(version)?.bug {
        check.level = .warning
        check.message += ": \(bug.what)"
        check.hint = "use \(bug.fixedIn) or later in the programs that write your databases"
      }
      checks.append(check)
    }
  }

  package mutating func examine(_ configuration: Configuration) throws {
    add(
      .ok, "configuration", "\(configuration.series.count) series", path: configuration.path)
    if let textfile = configuration.textfile {
      let directory = textfile.removingLastComponent()
      if let problem = try Self.writingProblem(directory) {
        add(
          .error, "textfile", "cannot be written: \(problem.message)", path: textfile,
          hint: Self.hint(problem) ?? "make the directory, or let this user write to it")
      } else if try FileFacts(at: textfile, following: false)?.kind == .directory {
        add(
          .error, "textfile", "is a directory, so no file can take its place", path: textfile,
          hint: "name a file in it with textfile")
      }
    }
    var seen: Set<FilePath> = []
    func isNew(_ path: FilePath) -> Bool { seen.insert(Disk.absolute(path)).inserted }
    for series in configuration.series {
      try Interruption.check()
      let store = try examineStore(series)
      let repository: Repository
      do { repository = try series.repository() } catch {
        // Where it is depends on the store, of which this has been told.
        continue
      }
      do {
        if isNew(repository.path) { try examine(repository) }
        try examineBackups(series, repository, store)
        try examineRoom(series, repository)
      } catch let error as DiskError where error.code != .interrupted {
        add(error, repository.path, series: series.name)
      }
    }
    // What no series goes to now may hold what one went to before.
    for path in configuration.repositories where isNew(path) {
      do { try examine(Repository(path), isUsed: false) } catch let error as DiskError
        where error.code != .interrupted
      { add(error, path) }
    }
    for path in configuration.series.compactMap(\.request.fallback) where isNew(path) {
      try examineFallback(path)
    }
  }

  private mutating func add(_ error: DiskError, _ repository: FilePath, series: String? = nil) {
    add(
      .error, "repository", error.message, series: series, path: error.path ?? repository,
      hint: error.ofReading.hint ?? "check the disk")
  }

  /// Whether the directory for backups that the repository cannot take could take any.
  private mutating func examineFallback(_ path: FilePath) throws {
    var problem: DiskError?
    if try FileFacts(at: path) != nil {
      problem = try Self.writingProblem(path)
    } else {
      do throws(DiskError) { try Disk.checkWritable(path) } catch { problem = error }
    }
    guard let problem else { return }
    add(
      .error, "fallback", "cannot be written to: \(problem.message)", path: path,
      hint: Self.hint(problem) ?? "let this user write to it, or name another in fallback_to")
  }

  /// Digest and number of records of the store, where a good backup could be made of it.
  private mutating func examineStore(_ series: Configuration.Series) throws -> (
    digest: Hash256, records: Int
  )? {
    let request = series.request
    do {
      let opened = try BackupPlan.open(request, formats)
      let store = try BackupPlan.inner(of: opened, request) ?? opened
      var options = ReadOptions()
      options.idField = request.idField.flatMap(JSONPointer.init)
      let survey = try Survey.read(
        store.tree, as: store.format, options: options, rules: false)
      if let first = survey.log.findings.first(where: { $0.severity == .error }) {
        let place = first.line.map { ", line \($0)" } ?? ""
        add(
          .error, "store", "is damaged: \(first.message)\(place)", series: series.name,
          path: request.store,
          hint: "holdfast inspect names all of it, salvage recovers what is left")
        return nil
      }
      if survey.total == 0, !request.allowsEmpty {
        add(
          .error, "store", "holds no records", series: series.name, path: request.store,
          hint: "restore it, or set allow_empty = true")
        return nil
      }
      // What stands in the way at the repository is told with that.
      do { _ = try BackupPlan(request, formats: formats) } catch let error as DiskError
        where error.code != .interrupted
      {}
      add(
        .ok, "store", "\(store.format.name), \(survey.total) records", series: series.name,
        path: request.store)
      return (survey.digest(), survey.total)
    } catch let error as DiskError where error.code == .interrupted {
      throw error
    } catch {
      let (message, hint) = describe(error)
      let advice =
        error is DiskError
        ? "check the path, and that this user may read it" : "holdfast inspect tells more of it"
      add(
        .error, "store", message, series: series.name, path: request.store, hint: hint ?? advice)
      return nil
    }
  }

  /// Why nothing can be written to a directory; nil if something can.
  private static func writingProblem(_ directory: FilePath) throws -> DiskError? {
    let place = directory.isEmpty ? FilePath(".") : directory
    guard let facts = try FileFacts(at: place) else {
      return DiskError(.notFound, "there is no \(place)")
    }
    guard facts.kind == .directory else {
      return DiskError(.notWritable, "\(place) is no directory")
    }
    do {
      try probe(place)
    } catch let error as DiskError {
      if error.code == .interrupted { throw error }
      return error
    }
    return nil
  }

  /// Rights are not what a full disk lacks.
  private static func hint(_ problem: DiskError) -> String? {
    problem.code == .noSpace ? "free some space, as with purge, or move to a larger disk" : nil
  }

  /// Makes a file that never gets a name of its own and goes away at once.
  private static func probe(_ directory: FilePath) throws {
    var file = try OutputFile(for: directory.appending("probe"))
    try file.write([0].span)
  }

  private mutating func examine(_ repository: Repository, isUsed: Bool = true) throws {
    let path = repository.path
    guard try FileFacts(at: path) != nil else {
      do throws(DiskError) { try Disk.checkWritable(path) } catch {
        add(
          .error, "repository", "is not there and cannot be made: \(error.message)", path: path,
          hint: "let this user write there, or name another in [repositories]")
        return
      }
      add(
        .warning, "repository", "is not there yet", path: path,
        hint: isUsed
          ? "holdfast run makes it with the first backup"
          : "no series goes to it; give one repository = \"NAME\", or take it out of [repositories]"
      )
      return
    }
    if let problem = try Self.writingProblem(path) {
      add(
        .error, "repository", "cannot be written to: \(problem.message)", path: path,
        hint: Self.hint(problem) ?? "let this user write to it, or name another in [repositories]")
      return
    }
    examineLock(repository)
    try examineSpace(repository)
    try examineFiles(repository)
  }

  private mutating func examineLock(_ repository: Repository) {
    let path = repository.path.appending(".lock")
    do {
      guard try FileFacts(at: path, following: false) != nil else { return }
      let lock = try repository.lock(waitingUpTo: 0)
      withExtendedLifetime(lock) {}
      add(.ok, "lock", "is free", path: repository.path)
    } catch let error as DiskError where error.code == .locked {
      add(.ok, "lock", "is held: another run is at work", path: repository.path)
    } catch {
      add(
        .error, "lock", describe(error).message, path: path,
        hint: "it has to be a file that this user may write to: move away what is there")
    }
  }

  private mutating func examineSpace(_ repository: Repository) throws {
    let growth = try Growth(of: repository, now: now)
    var text = "\(byteText(growth.bytes + growth.trashBytes)), \(byteText(growth.free)) free"
    if let rate = growth.bytesPerDay, rate > 0 { text += ", grows by \(byteText(rate)) a day" }
    guard let full = growth.fullTime else {
      add(.ok, "space", text, path: repository.path)
      return
    }
    text += ": full on \(ISOTime(seconds: full).text.prefix { $0 != "T" })"
    let isSoon = full - now < 30 * 86_400
    add(
      isSoon ? .warning : .ok, "space", text, path: repository.path,
      hint: isSoon ? "purge the trash, keep fewer backups, or move to a larger disk" : nil)
  }

  /// What lies in a repository that should not.
  private mutating func examineFiles(_ repository: Repository) throws {
    let catalog = try Catalog(of: repository)
    for entry in catalog.troubled {
      let reason = entry.reason ?? ""
      let isGone = entry.state == .missing
      add(
        .error, "backup", isGone ? reason : "is damaged: \(reason)",
        series: entry.manifest?.series, path: entry.path,
        hint: isGone
          ? Catalog.hintForMissing
          : "holdfast verify tells what still holds; salvage gets it out")
    }
    for entry in catalog.entries where entry.time > now {
      add(
        .warning, "backup", "was made at \(ISOTime(seconds: entry.time).text), still to come",
        series: entry.series, path: entry.path,
        hint: "set the clock right; rotation leaves it where it is")
    }
    for name in try TreeWalk.names(in: repository.path).map(\.string) {
      let file = repository.path.appending(name)
      if OutputFile.isTemporary(name) {
        add(
          .ok, "repository", "an unfinished file of a run that was killed; the next one clears it",
          path: file)
      }
      if name == Trash.name, try FileFacts(at: file, following: false)?.kind != .directory {
        add(
          .error, "repository", "is not a directory, so nothing can be rotated", path: file,
          hint: "move it away")
      }
    }
  }

  private mutating func examineBackups(
    _ series: Configuration.Series, _ repository: Repository,
    _ store: (digest: Hash256, records: Int)?
  ) throws {
    guard try FileFacts(at: repository.path)?.kind == .directory else { return }
    let catalog = try Catalog(of: repository, series: series.name)
    let past = catalog.entries.filter { $0.time <= now }
    guard let good = try newestSound(past) else {
      add(
        .error, "backup", "there is no good backup", series: series.name, path: repository.path,
        hint: "holdfast run \(series.name)")
      return
    }
    if let newest = past.last, newest.state == .suspect { tell(newest, series, good, store) }
    let age = now - good.time
    let isCurrent =
      series.request.skipUnchanged && store != nil && store?.digest == good.manifest?.digest
    // A run takes its time, and a machine may have been off at night.
    let allowed = series.every + max(series.every / 8, 7200)
    let text = "the newest good one is \(Self.ageText(age)) old"
    if age <= allowed || isCurrent {
      add(.ok, "backup", text, series: series.name, path: good.path)
    } else {
      add(
        .error, "backup",
        "\(text), and one is due every \(RetentionSpan(seconds: series.every).text)",
        series: series.name, path: good.path,
        hint: "see why the nightly job did not run; holdfast run \(series.name) makes one now")
    }
  }

  /// The newest good backup that still is, byte for byte, what was written; each newer one that
  /// is not is told.
  private mutating func newestSound(_ entries: [Catalog.Entry]) throws -> Catalog.Entry? {
    for entry in entries.reversed() where entry.state == .verified {
      if try RotationPlan.isIntact(entry.path, formats) { return entry }
      add(
        .error, "backup", "is no longer what was written", series: entry.series, path: entry.path,
        hint: "holdfast verify tells what still holds; check the disk")
    }
    return nil
  }

  /// The newest backup is suspect; whether that still matters depends on what the store is now.
  private mutating func tell(
    _ newest: Catalog.Entry, _ series: Configuration.Series, _ good: Catalog.Entry,
    _ store: (digest: Hash256, records: Int)?
  ) {
    let before = good.manifest?.recordCount ?? 0
    if let store, !ShrinkGuard.isShrunken(store.records, since: before) {
      add(
        .ok, "backup",
        "the newest is suspect: \(newest.reason ?? ""); the store is whole again, and the next run "
          + "clears the series", series: series.name, path: newest.path)
      return
    }
    add(
      .warning, "backup",
      "the newest is suspect: \(newest.reason ?? ""); nothing is removed meanwhile",
      series: series.name, path: newest.path,
      hint: "mend the store, or if the records were meant to go: "
        + "holdfast run --allow-shrink \(series.name)")
  }

  /// Whether the next backup will fit. What else stands in its way has been told already.
  private mutating func examineRoom(_ series: Configuration.Series, _ repository: Repository)
    throws
  {
    do {
      try BackupPlan(series.request, formats: formats).room.check()
    } catch let error as DiskError {
      if error.code == .interrupted { throw error }
      guard error.code == .noSpace else { return }
      add(
        .error, "space", error.message, series: series.name, path: repository.path,
        hint: error.hint)
    } catch {}
  }

  private static func ageText(_ seconds: Int) -> String {
    if seconds < 7200 { return "\(seconds / 60) minutes" }
    return seconds < 172_800 ? "\(seconds / 3600) hours" : "\(seconds / 86_400) days"
  }
}
