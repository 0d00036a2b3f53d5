import ArgumentParser
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores

struct InspectCommand: Verb {
  static let verb = "inspect"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Tell what a store holds and whether it is sound.",
    discussion: """
      Reads every record, hashes it, and checks the rules of its kind: names that occur twice, \
      ends that do not exist, times that run backwards, unknown values, missing fields. Every \
      byte that cannot be read is an error with file, line and byte offset. Nothing is written.

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @Argument(
    help: ArgumentHelp("A store, or a backup of one. \(RoutedStore.help)"), completion: .file())
  var store: String?

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let store = try RoutedStore.name(store)
    let opened = try reading.open(store, kind: shared.kind)
    let progress = ProgressLine("reading", total: opened.byteCount, console)
    let survey = try Survey.read(
      progress.watching(opened.tree), as: opened.format, options: reading.options(), rules: true,
      wholeGraph: opened.wholeGraph)
    progress.finish()
    let digest = survey.digest()
    let logBytes = try opened.logByteCount()
    let status: ExitStatus = survey.hasErrors ? (survey.total == 0 ? .refused : .findings) : .done
    console.json(Self.verb) {
      $0.member("path", store)
      $0.member("kind", opened.format.name)
      $0.member("counts", survey.counts)
      $0.member("records", survey.total)
      $0.member("files", opened.tree.files.count { !$0.isDirectory })
      $0.member("bytes", opened.byteCount + logBytes)
      if logBytes > 0 { $0.member("log_bytes", logBytes) }
      $0.member("digest", ifPresent: status == .refused ? nil : digest.hex)
      $0.key("finding_counts")
      $0.object { counts in
        for (code, count) in survey.log.counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
          counts.member(code.rawValue, count)
        }
      }
      $0.key("findings")
      $0.array(of: survey.log.findings) { $1.encode(to: &$0) }
      if status == .refused { Failure(unreadable: survey.log).encodeError(to: &$0) }
    }
    console.result(store)
    console.result("  kind      \(opened.format.name)")
    console.result("  records   \(grouped(survey.total)) (\(describe(survey.counts)))")
    let ofLog = logBytes > 0 ? ", \(grouped(logBytes)) of them in its write-ahead log" : ""
    console.result("  bytes     \(grouped(opened.byteCount + logBytes))\(ofLog)")
    console.result("  digest    \(status == .refused ? "none: nothing could be read" : digest.hex)")
    console.result("  findings  \(FindingsReport.summary(survey.log))")
    FindingsReport.print(survey.log, to: console)
    if status != .done, console.isQuiet { console.failure(FindingsReport.headline(survey.log)) }
    return status
  }
}

extension OpenedStore {
  /// Bytes of all files.
  var byteCount: Int { tree.files.reduce(0) { $0 + $1.size } }

  /// Bytes of the write-ahead log beside a database, which counts as a part of it.
  func logByteCount() throws -> Int {
    guard let disk = tree as? DiskTree, disk.isSingleFile, format.freeze != nil,
      let name = disk.root.lastComponent?.string
    else { return 0 }
    let log = disk.root.removingLastComponent().appending("\(name)-wal")
    guard let facts = try FileFacts(at: log), facts.isRegular else { return 0 }
    return facts.size
  }
}

extension FindingsReport {
  /// The first finding of a code, and how many more there are.
  static func headline(_ log: FindingLog, of code: Finding.Code) -> String {
    guard let first = log.findings.first(where: { $0.code == code }) else { return "no findings" }
    let more = (log.counts[code] ?? 1) - 1
    return line(first) + (more > 0 ? " (and \(more) more)" : "")
  }

  /// The first error, and how many more there are.
  static func headline(_ log: FindingLog) -> String {
    guard let first = log.findings.first(where: { $0.severity == .error }) ?? log.findings.first
    else { return "no findings" }
    let more = log.errors > 1 ? " (and \(log.errors - 1) more errors)" : ""
    return line(first) + more
  }
}
