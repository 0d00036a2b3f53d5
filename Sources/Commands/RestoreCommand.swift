import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

struct RestoreCommand: Verb {
  static let verb = "restore"
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Get a store back from a backup.",
    discussion: """
      The store's files are written beside the target, checked against the manifest and read \
      again, and only then put in place: byte for byte as they were, modes and times included. \
      What was there before is kept as an undo copy, whose name is printed. A snapshot that CCOS \
      wrote itself is restored too, and so are the records of a migrated database.

      With --select or --as the records are written anew, unchanged, and read again: a snapshot \
      becomes an archive and the other way round, a memory graph one file (memory-graph) or a \
      directory of contexts by metadata.context (contexts). Where a kind has no place for a \
      record, nothing is restored and the reason is told.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: "An archive, REPO (its newest good backup), REPO@latest or REPO@TIME.",
    completion: .file())
  var backup: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The directory that the store's files are put in; made if need be.", valueName: "path"),
    completion: .directory)
  var to: String

  @Option(
    name: .long,
    help: ArgumentHelp("The series, in a repository of several.", valueName: "series"))
  var name: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only these records: entity, entity:node_1*, intent:*; may be repeated.",
      valueName: "kind[:glob]"))
  var select: [String] = []

  @Flag(
    name: .long,
    help: "With --select: also relations and edges that start or end at what is selected.")
  var withRelations = false

  @Option(
    name: .customLong("as"),
    help: ArgumentHelp(
      "Restore as another kind of store that holds the same records: "
        + "\(HoldfastCommand.formats.forms.map(\.name).joined(separator: ", ")).",
      valueName: "kind"),
    completion: .list(HoldfastCommand.formats.forms.map(\.name)))
  var form: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "If the target is not empty: never, if-changed or always replace it.", valueName: "when"),
    completion: .list(RestoreRequest.Overwrite.allCases.map(\.rawValue)))
  var overwrite: String = RestoreRequest.Overwrite.never.rawValue

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    guard let policy = RestoreRequest.Overwrite(rawValue: overwrite) else {
      throw ValidationError("--overwrite takes never, if-changed or always, not \(overwrite)")
    }
    var request = RestoreRequest(
      source: backup, target: FilePath(to), selection: try Selection(select),
      time: try currentTime())
    request.series = name
    request.withRelations = withRelations
    request.form = form
    request.contexts = contexts.context
    request.overwrite = policy
    request.kind = shared.kind
    var plan = try RestorePlan(request, formats: HoldfastCommand.formats)
    let lock = try Repository.readingLock(for: plan.sourcePath, shared.waitLock.seconds)
    defer { withExtendedLifetime(lock) {} }
    if case .backup(let backup) = plan.source, backup.manifest.time > request.time {
      console.message(
        "holdfast: \(plan.sourcePath): was made at \(ISOTime(seconds: backup.manifest.time).text), "
          + "which is still to come: the clock was wrong then or is now; holdfast list shows others"
      )
    }
    if dryRun {
      let foreseen = try plan.rehearse()
      show(plan, foreseen, console)
      return judge(plan, foreseen, console)
    }
    let progress = ProgressLine(
      "restoring", total: plan.files.reduce(0) { $0 + $1.size }, console)
    plan.onRead = { progress.add($0) }
    defer { progress.finish() }
    let result = try plan.run(formats: HoldfastCommand.formats)
    console.json(Self.verb) {
      $0.member("backup", Disk.absolute(plan.sourcePath).string)
      $0.key("restored")
      $0.array(of: result.restored) { $0.value($1.string) }
      $0.member("kind", plan.targetFormat.name)
      $0.member("digest", result.digest.hex)
      $0.member("records", result.records)
      $0.member("unchanged", result.isUnchanged)
      $0.member("undo", ifPresent: result.undo?.string)
      $0.member("suspect", result.isSuspect)
      encode(result, to: &$0)
    }
    if result.isUnchanged {
      console.result("unchanged: \(plan.target) already holds this store")
    } else {
      for path in result.restored { console.result(path.string) }
      console.result("  from      \(plan.sourcePath)")
      console.result("  records   \(grouped(result.records))")
      console.result("  digest    \(result.digest.hex)")
      if let undo = result.undo { console.result("  undo      \(undo)") }
    }
    return judge(plan, result, console)
  }

  /// What a part of the store, or another form of it, comes to.
  private func encode(_ result: RestoreResult?, to root: inout JSONBuilder) {
    root.key("unmatched")
    root.array(of: result?.unmatched ?? []) { $0.value($1) }
    root.findings(result?.log ?? FindingLog())
  }

  /// Says on one line what is not as it was asked for or saved.
  private func judge(
    _ plan: RestorePlan, _ result: RestoreResult?, _ console: Console
  ) -> ExitStatus {
    guard let result else { return .done }
    var parts: [String] = []
    if !result.unmatched.isEmpty {
      let words = result.unmatched.map { "--select \($0)" }.joined(separator: ", ")
      parts.append(printable("\(plan.sourcePath): holds no record for \(words)"))
    }
    if result.isSuspect {
      parts.append(
        "\(plan.sourcePath): restored as it was saved, but the store was damaged or shrunken then")
    }
    let status = parts.isEmpty ? ExitStatus.done : .findings
    guard let first = result.log.findings.first else {
      if !parts.isEmpty { console.failure(parts.joined(separator: "; ")) }
      return status
    }
    parts.append(FindingsReport.line(first))
    let more = result.log.findings.count - 1
    console.failure(
      parts.joined(separator: "; ") + (more > 0 ? " (and \(more) more findings)" : ""))
    return .findings
  }

  private func show(_ plan: RestorePlan, _ result: RestoreResult?, _ console: Console) {
    let isUnchanged = plan.isUnchanged || result?.isUnchanged == true
    let undo = isUnchanged ? nil : plan.undo
    console.json(Self.verb) {
      $0.member("dry_run", true)
      $0.key("plan")
      $0.object {
        $0.member("backup", Disk.absolute(plan.sourcePath).string)
        $0.member("target", plan.target.string)
        $0.member("kind", plan.targetFormat.name)
        $0.member("unchanged", isUnchanged)
        $0.member("undo", ifPresent: undo?.string)
        $0.key("files")
        let files = plan.writesRecords ? [] : plan.files.filter { !$0.isDirectory }
        $0.array(of: files) { $0.value($1.name.string) }
      }
      encode(result, to: &$0)
    }
    console.result("would restore \(plan.sourcePath)")
    console.result("  to    \(plan.target)")
    if isUnchanged { console.result("  nothing to do: the target already holds this store") }
    if let undo { console.result("  undo  \(undo)") }
    if plan.writesRecords {
      console.result("  as    \(plan.targetFormat.name), its records written anew")
      return
    }
    for file in plan.files where !file.isDirectory {
      console.result("  file  \(file.name) (\(grouped(file.size)) bytes)")
    }
  }
}
