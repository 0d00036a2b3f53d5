import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import SystemPackage

struct MoveCommand: Verb {
  static let verb = "move"
  static let configuration = CommandConfiguration(
    commandName: "move",
    abstract: "Move records of a memory graph from one context to another.",
    discussion: """
      All or nothing: the store is written anew beside itself, read back, and put in place in one \
      step; what was there is kept as an undo copy. Relations follow the entity that they start \
      from. In a directory of contexts records change files and all other bytes stay as they are; \
      in a graph of one file they change their metadata.context, as they do elsewhere where they \
      have one. A context that is not there yet is made.

      \(ExitStatus.help([.notFound, .locked, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp(
      "A memory graph: a directory of contexts, or one file. \(RoutedStore.help)"),
    completion: .file())
  var store: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The records: entity, entity:node_1*, document:*; may be repeated.",
      valueName: "kind[:glob]"))
  var select: [String]

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The context that they go to; default for the default one.",
      valueName: "context"))
  var into: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only records that are in this context now; may be repeated.", valueName: "context"))
  var context: [String] = []

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    var request = MoveRequest(
      store: FilePath(try RoutedStore.name(store)), selection: try Selection(select), context: into,
      time: try currentTime())
    request.sources = context
    request.kind = shared.kind
    request.lockWait = shared.waitLock.seconds
    let plan = try MovePlan(request, formats: HoldfastCommand.formats)
    let view = PlanView(
      verb: Self.verb, console: console, encode: { encode(plan, to: &$0) }, rows: rows(plan),
      width: 10)
    if dryRun {
      view.planned(
        "would move \(grouped(plan.total)) record\(plan.total == 1 ? "" : "s") to the context \(into)"
      )
      return .done
    }
    let result = try plan.run()
    view.made(
      "store", plan.store.string, digest: result.digest,
      nothing: plan.total > 0 ? nil : "nothing to do: all of it is in the context \(into)")
    return .done
  }

  private func rows(_ plan: MovePlan) -> [(name: String, text: String)] {
    var rows = [(name: "into", text: "\(into) (\(plan.targetFile))")]
    rows.append(("moved", "\(grouped(plan.total)) (\(describe(plan.counts)))"))
    if plan.followers > 0 { rows.append(("followed", "\(grouped(plan.followers)) relations")) }
    rows += PlanView.list(plan.moved, of: plan.total)
    if plan.total > 0, let undo = plan.replacement.undo { rows.append(("undo", undo.string)) }
    return rows
  }

  private func encode(_ plan: MovePlan, to root: inout JSONBuilder) {
    root.member("context", into)
    root.member("file", plan.targetFile.string)
    root.member("records", plan.total)
    root.member("followers", plan.followers)
    root.member("counts", plan.counts)
    root.key("moved")
    root.array(of: plan.moved) { $0.value($1) }
    root.member("digest_before", plan.digest.hex)
    root.member("undo", ifPresent: plan.total > 0 ? plan.replacement.undo?.string : nil)
  }
}
