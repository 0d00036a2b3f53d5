import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Salvage
import SystemPackage

struct SalvageCommand: Verb {
  static let verb = "salvage"
  static let configuration = CommandConfiguration(
    commandName: "salvage",
    abstract: "Recover every intact record from damaged files.",
    discussion: """
      Reads past whatever is broken and goes on at the next place where a record can start. \
      Nothing is invented and the inputs are never changed. DIR gets recovered/ (the store, every \
      intact record unchanged), irregular/ (whole JSON that the rules of the store refuse), \
      quarantine/ (every other byte, named by offset and length), ledger.json (what became of each \
      range of each input) and recovery-YYYY-MM-DD.log (the same for a person).

      With --context only the files of these contexts are looked at; where a file or a backup \
      holds others too, what is recovered of those goes to other-contexts/.

      \(ExitStatus.help([.findings, .notFound, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp("Damaged files, or directories of them. \(RoutedStore.help)"),
    completion: .file())
  var paths: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The directory to write; must be new or empty.", valueName: "dir"),
    completion: .directory)
  var to: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Fill in what the damage destroyed from this backup, or from the newest good one of this "
        + "repository; each record is named with its origin.", valueName: "backup|repo"),
    completion: .file())
  var with: String?

  @Flag(
    name: .long,
    help: "Mend records that lack only their end or hold a bad byte, into repaired/.")
  var repair = false

  @Flag(
    name: .long, help: "Take rows from the free pages of databases too, into deleted/.")
  var deleted = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let paths = try paths.isEmpty ? [RoutedStore.name(nil)] : paths
    var request = SalvageRequest(
      paths: paths.map { FilePath($0) }, target: FilePath(to), time: try currentTime())
    request.kind = shared.kind
    request.contexts = contexts.context
    request.formats = HoldfastCommand.formats
    request.repairs = repair
    request.takesDeleted = deleted
    request.backup = try with.map { try Self.backup($0, of: paths) }
    let plan = try SalvagePlan(request)
    if dryRun {
      SalvageView.show(plan, console)
      return .done
    }
    let progress = ProgressLine(
      "salvaging", total: plan.inputs.reduce(0) { $0 + $1.size }, console)
    let report = try plan.run { progress.add($0) }
    progress.finish()
    SalvageView.show(report, console)
    if report.isWhole { return .done }
    if console.isQuiet { console.failure(SalvageView.headline(report)) }
    return .findings
  }

  /// The archive meant by `text`: in a repository of several series that of the store's name.
  static func backup(_ text: String, of paths: [String]) throws -> FilePath {
    let reference = BackupReference(text)
    do { return try reference.resolve() } catch let error as BackupError where error.code == .usage
    {
      guard let path = paths.first else { throw error }
      let series = Repository.seriesName(for: FilePath(path))
      return try BackupReference(text, series: series).resolve()
    }
  }
}
