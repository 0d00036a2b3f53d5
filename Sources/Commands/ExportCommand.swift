import ArgumentParser
import Disk
import LosslessJSON
import Migration
import Records
import Stores
import SystemPackage

struct ExportCommand: Verb {
  static let verb = "export"
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a migrated store as files again, or any store as another kind.",
    discussion: """
      The reverse of migrate: the files come out byte for byte as they were. --as another kind \
      writes the same records as that kind, where it has a place for them; jsonl writes one record \
      a line, csv one file a table, of any store; records that stand under a key that lines have no \
      place for, such as the user of a task, are a finding (exit 3). What is written is read back before it appears at its place.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp(
      "A database that migrate wrote, or any other store or backup. \(RoutedStore.help)"),
    completion: .file())
  var source: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "What to write: a kind of store, contexts, or csv. By default the kind that the store had.",
      valueName: "form"))
  var `as`: String?

  @Option(
    name: .long, help: ArgumentHelp("Where to write it.", valueName: "path"), completion: .file())
  var to: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Which store of a database that holds several, by name or number.", valueName: "name"))
  var store: String?

  @Flag(name: .long, help: "Keep what is at the target as an undo copy, and take its place.")
  var replace = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where documents have their id, as a JSON pointer such as /meta/id.", valueName: "pointer"))
  var idField: String?

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let source = try RoutedStore.name(source)
    var request = ExportRequest(
      source: try ReadingOptions.path(of: source), target: FilePath(to), time: try currentTime())
    request.form = `as`
    request.contexts = contexts.context
    request.store = store
    request.kind = shared.kind
    request.options = ReadOptions(idField: idField.flatMap(JSONPointer.init))
    request.idField = idField
    request.replaces = replace
    let plan = try ExportPlan(request, formats: HoldfastCommand.formats)
    if dryRun {
      let findings = try plan.rehearse()
      console.json(Self.verb) { root in
        root.member("dry_run", true)
        root.key("plan")
        root.object {
          $0.member("source", source)
          $0.member("as", plan.form)
          $0.member("target", plan.target.string)
          $0.member("undo", ifPresent: plan.undo?.string)
        }
        root.key("findings")
        root.array(of: findings.findings) { $1.encode(to: &$0) }
      }
      console.result("would export \(source) as \(plan.form) to \(plan.target)")
      if let undo = plan.undo { console.result("  undo    \(undo)") }
      return FindingsReport.losses(findings, console)
    }
    let result = try plan.run()
    console.json(Self.verb) { root in
      root.member("exported", result.root.string)
      root.member("as", plan.form)
      root.key("files")
      root.array(of: result.files) { $0.value($1.string) }
      root.member("records", result.records)
      root.member("digest", ifPresent: result.digest?.hex)
      root.member("identical", result.isIdentical)
      root.member("undo", ifPresent: result.undo?.string)
      root.key("findings")
      root.array(of: result.findings.findings) { $1.encode(to: &$0) }
    }
    console.result(result.root.string)
    console.result("  as        \(plan.form)\(result.isIdentical ? ", byte for byte" : "")")
    console.result("  files     \(grouped(result.files.count))")
    console.result("  records   \(grouped(result.records))")
    if let digest = result.digest { console.result("  digest    \(digest.hex)") }
    if let undo = result.undo { console.result("  undo      \(undo)") }
    return FindingsReport.losses(result.findings, console)
  }
}
