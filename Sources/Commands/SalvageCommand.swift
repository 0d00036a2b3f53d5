import ArgumentParser
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

      \(ExitStatus.help([.findings, .notFound, .refused, .notWritable]))
      """)

  @Argument(help: "Damaged files, or directories of them.", completion: .file())
  var paths: [String]

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The directory to write; must be new or empty.", valueName: "dir"),
    completion: .directory)
  var to: String

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    var request = SalvageRequest(
      paths: paths.map { FilePath($0) }, target: FilePath(to), time: try currentTime())
    request.kind = shared.kind
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
}
