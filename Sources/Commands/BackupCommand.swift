import Archive
import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

struct BackupCommand: Verb {
  static let verb = "backup"
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Write one verified backup of a store.",
    discussion: """
      The archive holds the store's files byte for byte, every record as JSON, and every record \
      as RTFS; plain tar and sha256sum can restore and check it. It appears under its name only \
      when every byte has been read back, every hash checked and the digest taken anew from it; \
      verify also compares the three encodings record by record. The backup of a damaged store is written too, \
      marked suspect (exit 3); a store without records is refused (exit 13). The store may lie in \
      a backup: then --to says where another backup of it goes.

      \(ExitStatus.help([.findings, .notFound, .locked, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp("The store to back up. \(RoutedStore.help)"), completion: .file())
  var store: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The repository. By default .backup/ in the store's directory, or beside its file.",
      valueName: "repo"), completion: .directory)
  var to: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The series. By default the store's name, unless another store has that in the repository.",
      valueName: "series"))
  var name: String?

  @Option(
    name: .long,
    help: ArgumentHelp("zstd[:-7…19], gzip[:1…9] or none.", valueName: "compression"))
  var compression: String = "zstd"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "full: every record also as RTFS; none: leave that out of very large backups.",
      valueName: "rtfs"), completion: .list(["full", "none"]))
  var rtfs: RTFSChoice = .full

  @Option(name: .long, help: ArgumentHelp("A note kept in the manifest.", valueName: "text"))
  var note: String?

  @Flag(name: .long, help: "Write nothing if the last good backup holds the same files.")
  var skipUnchanged = false

  @Flag(name: .long, help: "Do not read the archive back; it is listed as unverified.")
  var noVerify = false

  @Flag(name: .long, help: "Back up a store without records as well, marked suspect.")
  var allowEmpty = false

  @Flag(
    name: .long,
    help: "Do not mark the backup suspect because the store has lost a fifth of its records.")
  var allowShrink = false

  @Flag(
    name: .long,
    help: "Refuse a store that has lost a fifth of its records, instead of saving it as suspect.")
  var strict = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where the backup goes when the repository has no room or may not be written to (exit 3).",
      valueName: "dir"), completion: .directory)
  var fallbackTo: String?

  @Flag(name: .long, help: "Read the store, show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  enum RTFSChoice: String, ExpressibleByArgument, CaseIterable { case full, none }

  func perform(_ console: Console) throws -> ExitStatus {
    let store = try RoutedStore.name(store)
    var request = BackupRequest(
      store: try ReadingOptions.path(of: store), time: try currentTime())
    request.repository = to.map { FilePath($0) }
    request.series = name
    request.kind = shared.kind
    request.contexts = reading.context
    request.compression = try Compression(parsing: compression)
    request.hasRTFS = rtfs == .full
    request.note = note
    request.idField = reading.idField
    request.skipUnchanged = skipUnchanged
    request.verifies = !noVerify
    request.allowsEmpty = allowEmpty
    request.allowsShrink = allowShrink
    request.refusesShrink = strict
    request.fallback = fallbackTo.map { FilePath($0) }
    request.lockWait = shared.waitLock.seconds
    let plan = try BackupPlan(request, formats: HoldfastCommand.formats)
    let lock = try plan.isOfBackup ? Repository.readingLock(for: plan.store, 0) : nil
    defer { withExtendedLifetime(lock) {} }
    if dryRun {
      let result = try plan.foresee(formats: HoldfastCommand.formats)
      show(plan, result, console)
      return judge(result, console)
    }
    let progress = ProgressLine("backing up", total: plan.byteCount, console)
    let result = try plan.run(formats: HoldfastCommand.formats) { progress.add($0) }
    progress.finish()
    report(result, plan, console)
    return judge(result, console)
  }

  /// Says what is wrong, on one line, whether it was done or only found out.
  private func judge(_ result: BackupResult, _ console: Console) -> ExitStatus {
    let would = dryRun ? "would be " : ""
    let place = (result.archive ?? result.unchangedSince)?.string ?? ""
    var parts: [String] = []
    if let obstacle = result.obstacle {
      let what = result.archive == nil ? "unchanged" : "\(would)written"
      parts.append("\(place): \(what) here, not in the repository: \(Failure(obstacle).text)")
    }
    if result.archive != nil, result.manifest.isSuspect {
      let reason = result.manifest.suspicions.joined(separator: ", ")
      let first = result.log.errors > 0 ? ": \(FindingsReport.headline(result.log))" : ""
      parts.append(
        "\(place): \(would)saved, but suspect: \(reason)\(first); holdfast inspect tells more")
    }
    if !parts.isEmpty {
      console.failure(parts.joined(separator: "; "))
      return .findings
    }
    // Part of what looks like the store is not in the backup: nobody must take it for whole.
    if result.log.counts[.skippedFile] != nil, !result.manifest.isSuspect {
      let what = FindingsReport.headline(result.log, of: .skippedFile)
      console.failure("\(what); put the file itself there, or back up its directory as well")
      return .findings
    }
    return .done
  }

  private func show(_ plan: BackupPlan, _ result: BackupResult, _ console: Console) {
    let archive = result.archive?.string
    console.json(Self.verb) {
      $0.member("dry_run", true)
      $0.key("plan")
      $0.object {
        $0.member("store", Disk.absolute(plan.store).string)
        $0.member("kind", plan.format.name)
        $0.member("series", plan.series)
        $0.member("files", plan.fileCount)
        $0.member("bytes", plan.byteCount)
        $0.member("backup", ifPresent: archive)
        $0.member("unchanged_since", ifPresent: result.unchangedSince?.string)
        $0.member("state", state(result))
        $0.member("records", result.manifest.recordCount)
        $0.member("digest", result.manifest.digest.hex)
        $0.member("parent", ifPresent: plan.parent?.path.string)
        $0.member("bytes_needed", plan.room.needed)
        $0.member("bytes_free", plan.room.free)
      }
      $0.key("findings")
      $0.array(of: result.log.findings) { $1.encode(to: &$0) }
    }
    if let since = result.unchangedSince {
      console.result("unchanged since \(since)")
      return
    }
    console.result("would back up \(plan.store) (\(plan.format.name))")
    console.result("  files   \(grouped(plan.fileCount)), \(humanBytes(plan.byteCount))")
    console.result("  series  \(plan.series)")
    console.result("  records \(grouped(result.manifest.recordCount)), \(state(result))")
    console.result("  to      \(archive ?? "")")
    console.result(
      "  room    about \(humanBytes(plan.room.needed)) of \(humanBytes(plan.room.free)) free")
    if let parent = plan.parent { console.result("  after   \(parent.path)") }
  }

  private func report(_ result: BackupResult, _ plan: BackupPlan, _ console: Console) {
    console.json(Self.verb) {
      $0.member("backup", ifPresent: result.archive?.string)
      $0.member("unchanged_since", ifPresent: result.unchangedSince?.string)
      $0.member("digest", result.manifest.digest.hex)
      $0.member("state", state(result))
      $0.key("manifest")
      $0.raw(result.manifest.encoded(archive: result.seal).span.trimmed)
      $0.key("findings")
      $0.array(of: result.log.findings) { $1.encode(to: &$0) }
    }
    if let since = result.unchangedSince {
      console.result("unchanged since \(since)")
      return
    }
    guard let archive = result.archive, let seal = result.seal else { return }
    console.result(archive.string)
    console.result("  kind      \(result.manifest.kind), series \(result.manifest.series)")
    console.result(
      "  records   \(grouped(result.manifest.recordCount)) (\(describe(result.manifest.counts)))")
    console.result("  digest    \(result.manifest.digest.hex)")
    console.result("  size      \(humanBytes(seal.size)) from \(humanBytes(plan.byteCount))")
    console.result("  state     \(state(result))")
    console.result("  findings  \(FindingsReport.summary(result.log))")
    FindingsReport.print(result.log, to: console)
  }

  private func state(_ result: BackupResult) -> String {
    if result.manifest.isSuspect { return "suspect" }
    return result.unchangedSince != nil || result.isVerified ? "verified" : "unverified"
  }
}

extension Span<UInt8> {
  /// Without the line feed at the end.
  fileprivate var trimmed: Span<UInt8> {
    @_lifetime(copy self)
    get { count > 0 && self[count - 1] == 0x0A ? extracting(0..<count - 1) : self }
  }
}
