import ArgumentParser
import Database
import Disk
import LosslessJSON
import Migration
import Records
import Stores
import SystemPackage

struct MigrateCommand: Verb {
  static let verb = "migrate"
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Put stores into one SQLite database, and prove that nothing changed.",
    discussion: """
      The database holds every record with its exact bytes and hashes, tables to query, full-text \
      search, and what lies between the records, so that export writes the files again byte for \
      byte. The same stores give the same database, byte for byte. It appears under its name only \
      when it has been read back: every hash, the digest and the counts. A store with errors is \
      refused (exit 13). With --skip-damaged what cannot be read is left out, what can be read but \
      breaks a rule of its kind is in the database as it is, and both are told (exit 3).

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused, .notWritable]))
      """)

  @Argument(
    help: ArgumentHelp("Stores, or backups of them. \(RoutedStore.help)"), completion: .file())
  var stores: [String] = []

  @Option(name: .long, help: ArgumentHelp("The database.", valueName: "db"), completion: .file())
  var to: String

  @Flag(name: .long, help: "Keep what is at the target as an undo copy, and take its place.")
  var replace = false

  @Flag(
    name: .long, help: "Leave out what cannot be read, keep what is merely wrong, and list both.")
  var skipDamaged = false

  @Flag(name: .long, help: "Show which steps the database has been through; no store is named.")
  var status = false

  @Flag(
    name: .long,
    help: "Take the steps that the database lacks, on a copy; the old one stays beside it.")
  var upgrade = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where documents have their id, as a JSON pointer such as /meta/id.", valueName: "pointer"))
  var idField: String?

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if status || upgrade {
      guard stores.isEmpty else {
        throw ValidationError("--status and --upgrade are about the database alone; name no store")
      }
    }
    if let idField, JSONPointer(idField) == nil {
      throw ValidationError("--id-field is no JSON pointer; it looks like /meta/id")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    if status || upgrade { return try performOnDatabase(console) }
    let named = try stores.isEmpty ? [RoutedStore.name(nil)] : stores
    var request = MigrationRequest(
      stores: try named.map(ReadingOptions.path), target: FilePath(to), time: try currentTime())
    request.kind = shared.kind
    request.contexts = contexts.context
    request.idField = idField
    request.replaces = replace
    request.skipsDamaged = skipDamaged
    let plan = try MigrationPlan(request, formats: HoldfastCommand.formats)
    if dryRun {
      return try show(plan, console)
    }
    let progress = ProgressLine("migrating", total: plan.byteCount, console)
    let result = try plan.run { progress.add($0) }
    progress.finish()
    report(result, console)
    guard result.log.errors > 0 else { return .done }
    console.failure(
      "\(result.database): written; \(Self.outcome(of: result.log)): "
        + FindingsReport.headline(result.log))
    return .findings
  }

  /// What becomes of what is wrong with a store: its errors by whether a record came of them.
  private static func outcome(of log: FindingLog) -> String {
    let lost: Set<Finding.Code> = [.unreadable, .tornTail, .nulBytes, .empty, .missingFile]
    let places = log.counts.filter { lost.contains($0.key) }.values.reduce(0, +)
    let wrong = log.errors - places
    var parts: [String] = []
    if places > 0 {
      parts.append("\(grouped(places)) place\(places == 1 ? "" : "s") left out, unreadable")
    }
    if wrong > 0 {
      parts.append("\(grouped(wrong)) error\(wrong == 1 ? "" : "s") kept in what can be read")
    }
    return parts.joined(separator: "; ")
  }

  private func performOnDatabase(_ console: Console) throws -> ExitStatus {
    let status = try DatabaseStatus(of: FilePath(to))
    var undo: FilePath?
    if upgrade, !dryRun { undo = try status.upgrade(time: try currentTime()) }
    let missing = upgrade && !dryRun ? [] : status.missing
    let logical = try status.logicalDigest()
    console.json(Self.verb) { root in
      root.member("database", status.path.string)
      root.member("version", StoreDatabase.version - missing.count)
      root.key("steps")
      root.array(of: SchemaStep.all) { list, step in
        list.object {
          $0.member("number", step.number)
          $0.member("name", step.name)
          $0.member("sha256", step.sha256.hex)
          $0.member("taken", !missing.contains(step))
        }
      }
      root.member("logical_digest", logical.hex)
      root.member("undo", ifPresent: undo?.string)
    }
    console.result(status.path.string)
    for step in SchemaStep.all {
      console.result("  \(missing.contains(step) ? "missing" : "taken  ")  \(step.name)")
    }
    console.result("  logical  \(logical.hex)")
    if let undo { console.result("  undo     \(undo)") }
    return .done
  }

  private func show(_ plan: MigrationPlan, _ console: Console) throws -> ExitStatus {
    let (counts, log) = try plan.survey()
    console.json(Self.verb) { root in
      root.member("dry_run", true)
      root.key("plan")
      root.object {
        $0.member("database", plan.target.string)
        $0.key("stores")
        $0.array(of: plan.sources) { list, source in
          list.object {
            $0.member("path", source.path.string)
            $0.member("kind", source.format.name)
          }
        }
        $0.key("counts")
        $0.object { list in
          for kind in RecordKind.allCases { list.member(kind.rawValue, ifPresent: counts[kind]) }
        }
        $0.member("files", plan.fileCount)
        $0.member("bytes", plan.byteCount)
        $0.member("estimated_bytes", plan.estimatedSize)
        $0.member("unchanged", plan.isUnchanged)
        $0.member("undo", ifPresent: plan.undo?.string)
      }
      root.key("findings")
      root.array(of: log.findings) { $1.encode(to: &$0) }
    }
    if plan.isUnchanged {
      console.result("would change nothing: \(plan.target) holds these stores already")
      return .done
    }
    console.result("would migrate to \(plan.target)")
    for source in plan.sources {
      console.result("  store   \(source.path) (\(source.format.name))")
    }
    console.result("  records \(grouped(counts.values.reduce(0, +))) (\(describe(counts)))")
    console.result("  files   \(grouped(plan.fileCount)), \(humanBytes(plan.byteCount))")
    console.result("  size    about \(humanBytes(plan.estimatedSize))")
    if let undo = plan.undo { console.result("  undo    \(undo)") }
    FindingsReport.print(log, to: console)
    if log.errors > 0 {
      console.failure(
        skipDamaged
          ? "would be written; \(Self.outcome(of: log)): \(FindingsReport.headline(log))"
          : "would be refused (exit 13) without --skip-damaged: \(FindingsReport.headline(log))")
      return .findings
    }
    return .done
  }

  private func report(_ result: MigrationResult, _ console: Console) {
    console.json(Self.verb) {
      $0.member("database", result.database.string)
      $0.member("unchanged", result.isUnchanged)
      $0.key("counts")
      $0.object { counts in
        for kind in RecordKind.allCases {
          counts.member(kind.rawValue, ifPresent: result.counts[kind])
        }
      }
      $0.member("records", result.records)
      $0.member("digest", result.digest.hex)
      $0.member("logical_digest", ifPresent: result.logicalDigest?.hex)
      $0.member("integrity", "ok")
      $0.member("sha256", ifPresent: result.sha256?.hex)
      $0.member("bytes", result.size)
      $0.member("version", StoreDatabase.version)
      $0.member("undo", ifPresent: result.undo?.string)
      $0.key("findings")
      $0.array(of: result.log.findings) { $1.encode(to: &$0) }
    }
    if result.isUnchanged {
      console.result("unchanged: \(result.database) holds these stores already")
      return
    }
    console.result(result.database.string)
    console.result("  records   \(grouped(result.records)) (\(describe(result.counts)))")
    console.result("  digest    \(result.digest.hex)")
    console.result("  logical   \(result.logicalDigest?.hex ?? "")")
    console.result("  sha256    \(result.sha256?.hex ?? "")")
    console.result("  size      \(humanBytes(result.size))")
    if let undo = result.undo { console.result("  undo      \(undo)") }
    console.result("  findings  \(FindingsReport.summary(result.log))")
    FindingsReport.print(result.log, to: console)
  }
}
