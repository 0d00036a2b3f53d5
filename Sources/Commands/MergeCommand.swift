import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

struct MergeCommand: Verb {
  static let verb = "merge"
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put several stores together into a new one.",
    discussion: """
      Records are the same by id and canonical hash, and are written once; those without an id, \
      such as the lines of a log, as often as the store has them that has most. The same id with \
      different content is a conflict: by default nothing is merged and both are listed; \
      --on-conflict newest takes the version with the latest updated_at or updatedAt, first that \
      of the store named first, keep-both all of them. Records come out unchanged, in the order of \
      the stores; what is written is read back before it appears at its place. A directory of \
      contexts among memory graphs makes the result one. Run histories of different columns become \
      one with all of them, NULL where a run's own history lacks the column.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(help: "Stores, migrated databases or backups: two or more.", completion: .file())
  var stores: [String]

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where to write it: a file, or a directory for stores of several files.", valueName: "path"),
    completion: .file())
  var to: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "What to keep of the same id with different content: newest, first, keep-both, or fail.",
      valueName: "policy"),
    completion: .list(MergeRequest.Policy.allCases.map(\.rawValue)))
  var onConflict: MergeRequest.Policy = .fail

  @Flag(
    name: .long,
    help: "Unite the observations of an entity; of its other fields one version is kept.")
  var unionObservations = false

  @Option(
    name: .customLong("as"),
    help: ArgumentHelp(
      "What to write: a kind of store, or contexts. By default what the stores are.",
      valueName: "kind"),
    completion: .list(HoldfastCommand.formats.forms.map(\.name)))
  var form: String?

  @Flag(name: .long, help: "Keep what is at the target as an undo copy, and take its place.")
  var replace = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  func validate() throws {
    guard stores.count > 1 else { throw ValidationError("name two stores or more") }
    guard !unionObservations || onConflict != .keepBoth else {
      throw ValidationError(
        "--on-conflict keep-both keeps entities apart, --union-observations unites them: leave one"
          + " of them out")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    var request = MergeRequest(target: FilePath(to), time: try currentTime())
    request.policy = onConflict
    request.unitesObservations = unionObservations
    request.form = form
    request.options = try reading.options()
    request.replaces = replace
    let opened = try stores.map { try reading.open($0, kind: shared.kind) }
    let plan = try MergePlan(request, of: opened, formats: HoldfastCommand.formats)
    if plan.unresolvedCount > 0 { return try refuse(plan, console) }
    let view = PlanView(
      verb: Self.verb, console: console, encode: { encode(plan, to: &$0) }, rows: rows(plan),
      width: 12)
    if dryRun {
      let foreseen = try plan.rehearse()
      view.planned("would merge \(stores.count) stores to \(plan.replacement.target)", foreseen.log)
      return FindingsReport.losses(foreseen.log, console)
    }
    let result = try plan.run()
    view.made(
      "merged", result.root.string, digest: result.digest, counts: result.counts,
      result.log)
    return FindingsReport.losses(result.log, console)
  }

  private func rows(_ plan: MergePlan) -> [(name: String, text: String)] {
    var rows = plan.sources.map {
      (name: "from", text: "\($0.path) (\(grouped($0.records)) records)")
    }
    rows.append(("as", plan.form.name))
    rows.append(("records", grouped(plan.records)))
    rows.append(("duplicates", grouped(plan.duplicates)))
    if plan.conflictCount > 0 {
      rows.append(("conflicts", "\(grouped(plan.conflictCount)), settled:"))
      rows += PlanView.list(plan.conflicts.map(line), of: plan.conflictCount)
    }
    for (path, columns) in lacking(plan) {
      rows.append(("columns", "\(path) lacks \(columns.joined(separator: ", ")): NULL there"))
    }
    if let undo = plan.replacement.undo { rows.append(("undo", undo.string)) }
    return rows
  }

  /// The columns that some of the run histories lack, by the path of each.
  private func lacking(_ plan: MergePlan) -> [(path: String, columns: [String])] {
    guard let columns = plan.columns else { return [] }
    return plan.sources.enumerated().map { ($1.path, columns.lacking($0)) }
      .filter { !$0.columns.isEmpty }
  }

  private func line(_ conflict: MergeConflict) -> String {
    let versions = conflict.versions
    let told: String
    switch conflict.outcome {
    case .kept(let index): told = "kept \(versions[index].place)"
    case .keptAll: told = "kept all \(versions.count)"
    case .united(let index): told = "observations united, the rest from \(versions[index].place)"
    case .unresolved(let reason): told = reason
    }
    return "\(conflict.record)  \(told)"
  }

  /// Lists what stands in the way, each with both its places and the fields that differ.
  private func refuse(_ plan: MergePlan, _ console: Console) throws -> ExitStatus {
    do { _ = try plan.run() } catch let error as BackupError where error.code == .conflict {
      let failure = Failure(error)
      let unresolved = plan.conflicts.filter(\.isUnresolved)
      for conflict in unresolved.prefix(PlanView.listed) {
        console.message(printable("~ \(conflict.record)"))
        for version in conflict.versions {
          let time = version.updated.map { "  updated \($0.text)" } ?? ""
          console.message(printable("    \(version.place)  \(version.hash.hex.prefix(12))\(time)"))
        }
        for field in conflict.fields { console.message(ChangedField(field).line) }
      }
      if plan.unresolvedCount > PlanView.listed {
        console.message("… and \(grouped(plan.unresolvedCount - PlanView.listed)) more conflicts")
      }
      console.failure(failure.text)
      console.json(Self.verb) { root in
        failure.encode(to: &root)
        root.key("plan")
        root.object { encode(plan, to: &$0) }
      }
      return failure.status
    }
    return .done
  }

  private func encode(_ plan: MergePlan, to root: inout JSONBuilder) {
    root.member("target", plan.replacement.target.string)
    root.member("as", plan.form.name)
    root.member("records", plan.records)
    root.member("duplicates", plan.duplicates)
    root.key("sources")
    root.array(of: Array(plan.sources.enumerated())) { list, item in
      let (number, source) = item
      list.object {
        $0.member("path", source.path)
        $0.member("kind", source.kind)
        $0.member("records", source.records)
        $0.member("digest", source.digest.hex)
        if let columns = plan.columns?.lacking(number), !columns.isEmpty {
          $0.key("lacking")
          $0.array(of: columns) { $0.value($1) }
        }
      }
    }
    root.member("conflict_count", plan.conflictCount)
    root.member("unresolved_count", plan.unresolvedCount)
    root.key("conflicts")
    root.array(of: plan.conflicts) { list, conflict in
      list.object { conflict.encode(to: &$0) }
    }
    root.member("undo", ifPresent: plan.replacement.undo?.string)
  }
}

extension MergeRequest.Policy: ExpressibleByArgument {}

extension MergeConflict {
  fileprivate func encode(to root: inout JSONBuilder) {
    root.member("record", record)
    switch outcome {
    case .kept(let index):
      root.member("outcome", "kept")
      root.member("version", index)
    case .keptAll: root.member("outcome", "kept-all")
    case .united(let index):
      root.member("outcome", "united")
      root.member("version", index)
    case .unresolved(let reason):
      root.member("outcome", "unresolved")
      root.member("reason", reason)
    }
    root.key("versions")
    root.array(of: versions) { list, version in
      list.object {
        $0.member("path", version.path)
        if version.line > 0 { $0.member("line", version.line) }
        $0.member("offset", version.offset)
        $0.member("hash", version.hash.hex)
        $0.member("updated", ifPresent: version.updated?.text)
      }
    }
    root.key("fields")
    root.array(of: fields) { $1.encode(to: &$0) }
  }
}
