import Archive
import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

struct VerifyCommand: Verb {
  static let verb = "verify"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove that backups, or stores, are intact.",
    discussion: """
      A backup: every member is hashed again, every record is read from the verbatim files, from \
      the JSON and from the RTFS, and the three are compared; what is damaged is named, and which \
      encodings still hold. A repository: all its backups. A store: every record must be readable. \
      With --context only what these contexts hold is proved, and told.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused]))
      """)

  @Argument(
    help: ArgumentHelp("Backups, repositories or stores. \(RoutedStore.help)"),
    completion: .file())
  var targets: [String] = []

  @Flag(name: .long, help: "Check only the manifest, the archive's hash and its structure.")
  var quick = false

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func validate() throws {
    guard !quick || contexts.context.isEmpty else {
      throw ValidationError("--quick reads no records, so it knows of no --context")
    }
  }

  private struct Outcome {
    var path: String
    var isGood: Bool
    var digest: Hash256?
    var log: FindingLog
    var failure: Failure?
  }

  func perform(_ console: Console) throws -> ExitStatus {
    var outcomes: [Outcome] = []
    for target in try targets.isEmpty ? [RoutedStore.name(nil)] : targets {
      let lock = try Repository.readingLock(for: FilePath(target), shared.waitLock.seconds)
      defer { withExtendedLifetime(lock) {} }
      let gone = try missing(target)
      let found = try gone.isEmpty || hasArchives(target) ? expand(target) : []
      for path in found {
        let outcome = try verify(path, console)
        show(outcome, console)
        outcomes.append(outcome)
      }
      for outcome in gone { show(outcome, console) }
      outcomes += gone
    }
    let bad = outcomes.first { !$0.isGood }
    console.json(Self.verb) { root in
      root.member("ok", bad == nil)
      root.key("targets")
      root.array(of: outcomes) { list, outcome in
        list.object {
          $0.member("path", outcome.path)
          $0.member("ok", outcome.isGood)
          $0.member("digest", ifPresent: outcome.digest?.hex)
          $0.key("findings")
          $0.array(of: outcome.log.findings) { $1.encode(to: &$0) }
        }
      }
      if let failure = outcomes.compactMap(\.failure).first { failure.encode(to: &root) }
    }
    if let failure = outcomes.compactMap(\.failure).first { return failure.status }
    if bad != nil { return .verificationFailed }
    let warned = outcomes.contains { $0.log.findings.contains { $0.code == .sidecarMissing } }
    return warned ? .findings : .done
  }

  /// The backups of a repository; anything else stands for itself.
  private func expand(_ target: String) throws -> [FilePath] {
    let path = FilePath(target)
    guard let facts = try FileFacts(at: path) else {
      return [try BackupReference(target).resolve()]
    }
    guard facts.kind == .directory, shared.kind == nil else { return [path] }
    let repository = Repository(path)
    let archives = try repository.archives()
    guard archives.isEmpty else { return archives.map { path.appending($0) } }
    if try repository.isBare() { return [try BackupReference(target).resolve()] }
    return [path]
  }

  private func hasArchives(_ target: String) throws -> Bool {
    try !Repository(FilePath(target)).archives().isEmpty
  }

  /// The backups of a repository of which only the manifest is left.
  private func missing(_ target: String) throws -> [Outcome] {
    guard try FileFacts(at: FilePath(target))?.kind == .directory, shared.kind == nil else {
      return []
    }
    return try Catalog(of: Repository(FilePath(target))).missing.map { entry in
      var log = FindingLog()
      log.add(
        Finding(
          .error, .missingFile, "\(entry.reason ?? ""); \(Catalog.hintForMissing)",
          path: entry.path.string))
      return Outcome(
        path: entry.path.string, isGood: false, digest: entry.manifest?.digest, log: log)
    }
  }

  private func verify(_ path: FilePath, _ console: Console) throws -> Outcome {
    let progress = ProgressLine("verifying", total: 0, console)
    defer { progress.finish() }
    do {
      if let whole = try openedStore(path) {
        let opened = try whole.restricted(to: contexts.context)
        progress.begin(total: opened.byteCount)
        let survey = try Survey.read(
          progress.watching(opened.tree), as: opened.format, rules: true,
          wholeGraph: opened.wholeGraph)
        let isEmpty = survey.total == 0
        return Outcome(
          path: path.string, isGood: !survey.hasErrors,
          digest: isEmpty && survey.hasErrors ? nil : survey.digest(), log: survey.log)
      }
      let (formats, contexts) = (HoldfastCommand.formats, contexts.context)
      let result =
        try contexts.isEmpty
        ? Verification.run(path, formats: formats, quick: quick, progress: progress.verification)
        : .run(path, formats: formats, contexts: contexts, progress: progress.verification)
      return Outcome(
        path: path.string, isGood: result.isGood, digest: result.digest, log: result.log)
    } catch {
      var failure = Failure(error).ofReading
      if ExitStatus.signals.contains(failure.status) { throw error }
      // What holds no records that anything here can read has failed the proof.
      if error is StoreError, contexts.context.isEmpty { failure.status = .verificationFailed }
      return Outcome(path: path.string, isGood: false, log: FindingLog(), failure: failure)
    }
  }

  /// The store at `path`; nil for a backup, be it one that cannot be opened.
  private func openedStore(_ path: FilePath) throws -> OpenedStore? {
    do {
      let opened = try OpenedStore(
        opening: path, formats: HoldfastCommand.formats, kind: shared.kind)
      return opened.backup == nil ? opened : nil
    } catch is SnapshotError {
      return nil
    } catch let error as ArchiveError where error.cause == nil {
      return nil
    }
  }

  private func show(_ outcome: Outcome, _ console: Console) {
    if let failure = outcome.failure {
      console.failure(failure.text)
      return
    }
    console.result("\(outcome.isGood ? "ok      " : "DAMAGED ")  \(outcome.path)")
    if !outcome.isGood {
      let holds = outcome.log.findings.last { $0.code == .encodingHolds }
      console.failure(
        FindingsReport.headline(outcome.log) + (holds.map { "; \($0.message)" } ?? ""))
    } else if let missing = outcome.log.findings.first(where: { $0.code == .sidecarMissing }) {
      console.failure(FindingsReport.line(missing))
    }
    FindingsReport.print(outcome.log, to: console)
  }
}
