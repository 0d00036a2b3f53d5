import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

struct ReplayCommand: Verb {
  static let verb = "replay"
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Write the state that an append-only log describes.",
    discussion: """
      Of the lines with one id the last one counts; {"type":"delete",...} takes away the record that \
      it names (by name, by from, relationType and to, or by id), and "deleted":true its own. Lines \
      without an id all stay. Up to a line, or up to the first line that says that it was written \
      later than a time (timestamp, updated_at, created_at and the like). The log is not changed; \
      lines that cannot be read, and deletions that name nothing, are findings (exit 3).

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp("A JSONL file, or a backup of one. \(RoutedStore.help)"),
    completion: .file())
  var log: String?

  @Option(
    name: .long, help: ArgumentHelp("The file to write.", valueName: "path"), completion: .file())
  var to: String

  @Option(
    name: .long, help: ArgumentHelp("The last line that counts, from 1.", valueName: "n"))
  var untilLine: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The time up to which lines count: 2026-11-20, or 2026-11-20T03:15:00Z.", valueName: "time"))
  var until: String?

  @Flag(
    name: .long,
    help: "An entity that is deleted takes the relations with it that start or end at it.")
  var withRelations = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where documents have their id, as a JSON pointer such as /meta/id. (default: /id)",
      valueName: "pointer"))
  var idField: String?

  @Flag(name: .long, help: "Keep what is at the target as an undo copy, and take its place.")
  var replace = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @Option(
    name: .long,
    help: ArgumentHelp("The context that is the log, of a directory of them.", valueName: "context")
  )
  var context: String?

  @OptionGroup var shared: SharedOptions

  func validate() throws { _ = try request() }

  private func request() throws -> ReplayRequest {
    var request = ReplayRequest(target: FilePath(to), time: try currentTime())
    guard untilLine == nil || until == nil else {
      throw ValidationError("--until-line and --until do not go together")
    }
    if let untilLine {
      guard untilLine >= 0 else { throw ValidationError("--until-line is a number from 0") }
      request.limit = .line(untilLine)
    }
    if let until {
      guard let time = MomentText.parse(until) else {
        throw ValidationError("\(until) is no time: 2026-11-20, or 2026-11-20T03:15:00Z")
      }
      let exact = ISOTime(Array(until.utf8).span)
      // A day, or a second, counts to its end.
      let end = ISOTime(seconds: time, nanoseconds: 999_999_999)
      let isExact = exact.map { $0.seconds == time && $0.nanoseconds > 0 } ?? false
      request.limit = .time(isExact ? exact ?? end : end)
    }
    if let idField {
      guard let pointer = JSONPointer(idField) else {
        throw ValidationError("--id-field is no JSON pointer; it looks like /meta/id")
      }
      request.idField = pointer
    }
    request.withRelations = withRelations
    request.replaces = replace
    return request
  }

  func perform(_ console: Console) throws -> ExitStatus {
    let request = try request()
    let log = try RoutedStore.name(log)
    let opened = try ReadingOptions.open(
      log, kind: shared.kind, contexts: context.map { [$0] } ?? []
    )
    .keptStore().ofOneFile
    let plan = try ReplayPlan(request, of: opened)
    let view = PlanView(
      verb: Self.verb, console: console, encode: { encode(plan, to: &$0) }, rows: rows(plan, log),
      width: 11)
    if dryRun {
      view.planned("would replay \(log) to \(plan.replacement.target)")
      return status(plan, log, console)
    }
    let result = try plan.run()
    view.made("replayed", result.root.string, digest: result.digest, counts: result.counts)
    return status(plan, log, console)
  }

  private func status(
    _ plan: ReplayPlan, _ log: String, _ console: Console
  ) -> ExitStatus {
    if plan.lateButOlder > 0 {
      console.message(
        "holdfast: \(log): \(grouped(plan.lateButOlder)) lines behind line \(plan.lastLine) say "
          + "that they are older than \(until ?? ""), and do not count; --until-line is exact")
    }
    guard plan.findings.errors > 0 else { return .done }
    console.failure(
      FindingsReport.headline(plan.findings) + "; what could be read has been replayed")
    return .findings
  }

  private func rows(_ plan: ReplayPlan, _ log: String) -> [(name: String, text: String)] {
    var rows = [(name: "from", text: "\(log), lines up to \(grouped(plan.lastLine))")]
    rows.append(("records", grouped(plan.records)))
    rows.append(("replaced", grouped(plan.superseded)))
    rows.append(("deletions", grouped(plan.deletions)))
    if let undo = plan.replacement.undo { rows.append(("undo", undo.string)) }
    return rows
  }

  private func encode(_ plan: ReplayPlan, to root: inout JSONBuilder) {
    root.member("target", plan.replacement.target.string)
    root.member("kind", plan.log.format.name)
    root.member("records", plan.records)
    root.member("lines_read", plan.linesRead)
    root.member("last_line", plan.lastLine)
    root.member("replaced", plan.superseded)
    root.member("deletions", plan.deletions)
    root.member("older_lines_behind", plan.lateButOlder)
    root.member("undo", ifPresent: plan.replacement.undo?.string)
    root.key("findings")
    root.array(of: plan.findings.findings) { $1.encode(to: &$0) }
  }
}
