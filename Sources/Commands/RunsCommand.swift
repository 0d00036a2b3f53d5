import ArgumentParser
import HoldfastStorage
import LosslessJSON
import Records
import Stores

struct RunsCommand: Verb {
  static let verb = "runs"
  static let configuration = CommandConfiguration(
    commandName: "runs",
    abstract: "List, show and save the runs of plans.",
    discussion: """
      list and show take any store, database or backup that holds runs; the newest run comes first. \
      save takes a run history or a migrated database, and makes a run history where nothing is \
      there; it prints the id of the run, which is on the disk by then. Results are JSON, stored \
      exactly as they are given: as they are, as @FILE, or as - for standard input.

      \(ExitStatus.help([.findings, .notFound, .locked, .refused, .notWritable]))
      """)

  enum Action: String, ExpressibleByArgument, CaseIterable, Sendable { case list, show, save }

  @Argument(help: "What is to be done: list, show or save.")
  var action: Action

  @Argument(help: "The store.", completion: .file())
  var store: String

  @Argument(help: ArgumentHelp("show: the run.", valueName: "run-id"))
  var id: String?

  @Option(name: .long, help: ArgumentHelp("list: so many runs, 100 at most.", valueName: "n"))
  var limit: Int = 20

  @Option(
    name: .long, help: ArgumentHelp("list: so many are passed over first.", valueName: "n"))
  var offset: Int = 0

  @Option(name: .long, help: ArgumentHelp("save: the plan.", valueName: "id"))
  var planId: String?

  @Option(name: .long, help: ArgumentHelp("save: what it was for.", valueName: "text"))
  var objective: String?

  @Option(name: .long, help: ArgumentHelp("save: what the plan came to.", valueName: "json"))
  var planResult: String?

  @Option(
    name: .long,
    help: ArgumentHelp("save: what carrying it out came to, if it was.", valueName: "json"))
  var executionResult: String?

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if action == .show, id == nil { throw ValidationError("name the run") }
    if action == .save, planId == nil || objective == nil || planResult == nil {
      throw ValidationError("save needs --plan-id, --objective and --plan-result")
    }
    guard (1...100).contains(limit), offset >= 0 else {
      throw ValidationError("--limit is a number from 1 to 100, --offset one from 0")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    switch action {
    case .list: return try list(console)
    case .show: try show(console)
    case .save: try save(console)
    }
    return .done
  }

  private func encode(_ run: RunSummary, to root: inout JSONBuilder) {
    root.member("run", run.id)
    root.member("plan", run.planID)
    root.member("objective", run.objective)
    root.member("success", run.success)
    root.key("created_at")
    root.raw(Array(run.createdAt.description.utf8).span)
  }

  private func list(_ console: Console) throws -> ExitStatus {
    let storage = try StorageVerb.view(store, shared)
    let (limit, offset) = (limit, offset)
    let (runs, findings) = try StorageVerb.wait {
      (try await storage.listRuns(limit: limit, offset: offset), try await storage.findings)
    }
    console.json(Self.verb) { root in
      root.key("runs")
      root.array(of: runs) { list, run in list.object { encode(run, to: &$0) } }
    }
    for run in runs {
      let time = ISOTime(seconds: Int(run.createdAt.rounded(.down))).text
      console.result(
        printable("\(time)  \(run.success ? "ok    " : "failed")  \(run.id)  \(run.objective)"))
    }
    return StorageVerb.damage(findings, console)
  }

  private func show(_ console: Console) throws {
    let storage = try StorageVerb.view(store, shared)
    let id = id ?? ""
    let run = try StorageVerb.find(in: storage) { try await $0.run(id) }
    let text = run.text.bytes
    console.json(Self.verb) {
      $0.key("value")
      $0.raw(text.span)
    }
    console.answer(bytes: (text + [0x0A]).span)
  }

  private func save(_ console: Console) throws {
    let plan = PlanResult(
      planID: planId ?? "", objective: objective ?? "",
      json: try StorageVerb.text(planResult ?? ""))
    let execution = try executionResult.map { try StorageVerb.text($0) }
    for json in [plan.json, execution].compactMap({ $0 }) {
      _ = try JSONText(Array(json.utf8).span)
    }
    guard !dryRun else {
      return StorageVerb.tell(Self.verb, console, isPlan: true, "a run of \(plan.planID) saved") {
        $0.member("plan", plan.planID)
      }
    }
    let storage = try StorageVerb.open(store, shared, otherwise: StoreFormat.runHistory.name)
    let id = try StorageVerb.wait { try await storage.saveRun(plan, execution: execution) }
    StorageVerb.tell(Self.verb, console, isPlan: false, id) {
      $0.member("plan", plan.planID)
      $0.member("run", id)
    }
  }
}
