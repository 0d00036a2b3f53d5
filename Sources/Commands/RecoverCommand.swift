import ArgumentParser
import Backup
import Disk
import Glibc
import LosslessJSON
import Records
import Salvage
import SystemPackage

struct RecoverCommand: Verb {
  static let verb = "recover"
  static let configuration = CommandConfiguration(
    commandName: "recover",
    abstract: "Make a damaged store whole again, in its place.",
    discussion: """
      Inspects the store. If it is sound, nothing is done. If it is damaged, every intact record \
      is salvaged, what the damage destroyed is filled in from the newest good backup, and the \
      outcome is shown. With --yes the recovered store is swapped in; the damaged files are kept \
      as they are under .recovery/, with everything that belongs to no record and a log. Running \
      it again changes nothing. With --context only the files of these contexts are looked at and \
      replaced; contexts that share one file are recovered with it.

      \(ExitStatus.help([
        .findings, .notFound, .locked, .verificationFailed, .refused, .notWritable,
      ]))
      """)

  @Argument(help: ArgumentHelp("The store. \(RoutedStore.help)"), completion: .file())
  var store: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Fill in from this backup or repository; by default from .backup/ of the store.",
      valueName: "backup|repo"),
    completion: .file())
  var with: String?

  @Flag(name: .long, help: "Swap the recovered store in.")
  var yes = false

  @Flag(name: .long, help: "Show what would be done, and write nothing; so it is without --yes.")
  var dryRun = false

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let store = try RoutedStore.name(self.store)
    var request = RecoveryRequest(store: FilePath(store), time: try currentTime())
    request.kind = shared.kind
    request.contexts = contexts.context
    request.formats = HoldfastCommand.formats
    request.lockWait = shared.waitLock.seconds
    let plan = try RecoveryPlan(request)
    let saved = plan.isSound ? try? backup(of: store, isSingleFile: plan.isSingleFile) : nil
    if plan.isSound, try plan.losses(since: saved).isEmpty {
      if yes, !dryRun { try plan.clearLeftovers() }
      console.json(Self.verb) {
        $0.member("path", store)
        $0.member("sound", true)
      }
      let part =
        contexts.context.isEmpty ? "" : " (\(contexts.context.joined(separator: ", ")))"
      console.result("\(store)\(part) is sound: nothing to do")
      return .done
    }
    request.backup = try backup(of: store, isSingleFile: plan.isSingleFile)
    let damaged = try RecoveryPlan(request)
    if !yes || dryRun { return try show(damaged, request, console) }
    let result = try damaged.run()
    console.json(Self.verb) {
      $0.member("path", store)
      $0.member("sound", false)
      $0.member("recovered", true)
      $0.member("backup", ifPresent: request.backup?.string)
      $0.key("replaced")
      $0.array(of: result.replaced) { $0.value($1.string) }
      $0.member("undo", Disk.absolute(result.undo).string)
      $0.member("log", Disk.absolute(result.log).string)
      SalvageView.encode(result.report, to: &$0)
    }
    for path in result.replaced { console.result("replaced  \(path)") }
    tell(result.report, request, console)
    console.result("  undo      \(result.undo)")
    console.result("  log       \(result.log)")
    if console.isQuiet { console.failure(SalvageView.headline(result.report)) }
    return .findings
  }

  /// The backup to fill in from; nil where none was named and the store has none. One that is there
  /// but cannot be relied on is not passed over in silence: what it could fill in would be lost.
  private func backup(of store: String, isSingleFile: Bool) throws -> FilePath? {
    if let with { return try SalvageCommand.backup(with, of: [store]) }
    let standard = Repository.standard(for: FilePath(store), isSingleFile: isSingleFile)
    guard try FileFacts(at: standard.path) != nil else { return nil }
    do { return try SalvageCommand.backup(standard.path.string, of: [store]) } catch let error
      as BackupError where error.code == .notFound
    {
      return nil
    } catch var error as BackupError {
      error.hint =
        "name the backup to fill in from with --with, or use salvage, which needs none"
      throw error
    }
  }

  private func tell(_ report: SalvageReport, _ request: RecoveryRequest, _ console: Console) {
    console.result("  records   \(describe(report.counts))")
    let filled = report.filled.count
    if let backup = request.backup {
      console.result("  filled    \(grouped(filled)) from \(backup)")
    } else {
      console.result("  filled    none: the store has no backup")
    }
    let lost = report.total(.quarantined)
    console.result(
      "  set aside \(grouped(lost.bytes)) bytes in \(grouped(lost.ranges)) ranges, "
        + "\(grouped(report.total(.irregular).records)) irregular records")
  }

  private func show(
    _ plan: RecoveryPlan, _ request: RecoveryRequest, _ console: Console
  ) throws -> ExitStatus {
    let store = request.store.string
    let report = try plan.preview(
      in: Disk.temporaryDirectory.appending("holdfast-recover-\(getpid())"))
    console.json(Self.verb) {
      $0.member("path", store)
      $0.member("sound", false)
      $0.member("recovered", false)
      $0.member("dry_run", true)
      $0.member("backup", ifPresent: request.backup?.string)
      $0.key("findings")
      $0.array(of: plan.findings) { $1.encode(to: &$0) }
      SalvageView.encode(report, to: &$0)
    }
    for finding in plan.findings.prefix(20) { console.result(FindingsReport.line(finding)) }
    if plan.findings.count > 20 { console.result("… and \(plan.findings.count - 20) more") }
    console.result("would recover \(store)")
    tell(report, request, console)
    console.result("run it again with --yes to swap that in; the damaged files are kept")
    if console.isQuiet { console.failure("\(store): is damaged; recover --yes makes it whole") }
    return .findings
  }
}
