import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `replay`.
package struct ReplayRequest: Sendable {
  /// How far the log counts.
  package enum Limit: Sendable {
    case line(Int)
    /// Up to the last line before the first that was written later.
    case time(ISOTime)
  }

  package var target: FilePath
  package var limit: Limit?
  /// Whether an entity that is deleted takes the relations with it that start or end at it.
  package var withRelations = false
  /// Where documents have their id; by default `/id`.
  package var idField = JSONPointer("/id")
  /// Whether what is at the target is kept as an undo copy and replaced.
  package var replaces = false
  /// Unix seconds.
  package var time: Int

  package init(target: FilePath, time: Int) {
    self.target = target
    self.time = time
  }
}

/// What `replay` is going to do; `--dry-run` shows it.
///
/// Of the records of one id the last one counts, and none where that is a deletion. Memory is
/// bounded: a bit a record, what `StoreOutput` holds, and with relations a map of deleted names.
package struct ReplayPlan {
  package let request: ReplayRequest
  package let log: OpenedStore
  package let replacement: Replacement
  /// Records that will be written.
  package var records: Int { kept.count }
  /// Lines that were taken into account, and the number of the last of them.
  package private(set) var linesRead = 0
  package private(set) var lastLine = 0
  /// Records that a later one of their id has replaced or taken away.
  package private(set) var superseded = 0
  /// Lines that take records away.
  package private(set) var deletions = 0
  /// Lines behind the end that say that they are older than the time asked for.
  package private(set) var lateButOlder = 0
  /// Of the lines that count.
  package private(set) var findings = FindingLog()

  private(set) var kept = OrdinalSet()
  private var sequence: Hash256
  private var options: ReadOptions { ReadOptions(idField: request.idField) }

  /// Reads the log and writes nothing. Throws `refused` for what is no log. A deletion that
  /// names no record takes nothing away, and is an error among the findings.
  package init(_ request: ReplayRequest, of log: OpenedStore) throws {
    self.request = request
    let kinds = [StoreFormat.memoryGraph.name, StoreFormat.jsonLines.name]
    let isLog = kinds.contains(log.format.name)
    self.log = try isLog || !Self.hasLines(log) ? log : log.read(as: .jsonLines)
    guard kinds.contains(self.log.format.name), log.tree.isSingleFile else {
      throw BackupError(
        .refused, "is no log of one record a line", path: log.path.string,
        hint: "name a JSONL file or a backup of one; --kind jsonl takes a file as that")
    }
    replacement = try Replacement(of: request.target, time: request.time)
    guard Disk.absolute(log.path) != replacement.target else {
      throw BackupError(
        .usage, "is the log itself", path: log.path.string,
        hint: "replay it into a new place, then put it where it belongs")
    }
    try TargetPlace.check(request.target, outside: [log.path])
    guard replacement.isFree(forFile: true) || request.replaces else {
      throw BackupError(
        .exists, "is there already", path: replacement.target.string,
        hint: "choose another name, or keep what is there as an undo copy with --replace")
    }
    let history = LogHistory(request, path: log.path.string)
    let reading = try StoreReading(of: self.log, ReadOptions(idField: request.idField)) {
      record, _ in
      try history.take(&record)
    }
    sequence = reading.sequence
    if case .time = request.limit, reading.survey.total > 0, !history.hasTimes {
      throw BackupError(
        .refused, "says nowhere when a line was written", path: log.path.string,
        hint: "say with --until-line how far it counts")
    }
    for var finding in reading.survey.log.findings where counts(finding, history) {
      if finding.code == .unknownType, finding.message.contains("with the type delete,") {
        // What reads as a document of its own has been done here.
        let count = history.deletionLines
        guard count > 0 else { continue }
        finding.message =
          "\(count) record\(count == 1 ? "" : "s") with the type delete, applied as deletions"
      }
      findings.add(finding)
    }
    (linesRead, lastLine) = (history.linesRead, history.lastLine)
    (deletions, lateButOlder) = (history.deletions, history.lateButOlder)
    kept = try history.settle()
    superseded = history.linesRead - history.deletions - history.nameless.total - kept.count
    findings.add(history.nameless)
    if request.withRelations { try dropRelations(history) }
  }

  /// Whether a store that looks like one of another kind is one value a line as well: a log of one
  /// line, say.
  private static func hasLines(_ log: OpenedStore) throws -> Bool {
    let kinds: [StoreFormat] = [.json, .taskList, .intentSnapshot]
    guard log.tree.isSingleFile, kinds.contains(where: { $0.name == log.format.name }) else {
      return false
    }
    let survey = try Survey.read(log.tree, as: .jsonLines, rules: false)
    return survey.total > 0 && survey.log.errors == 0
  }

  /// Whether a finding is of what counts.
  private func counts(_ finding: Finding, _ history: LogHistory) -> Bool {
    guard request.limit != nil, let line = finding.line else { return true }
    if case .line(let last) = request.limit { return line <= last }
    return history.end.map { line < $0 } ?? true
  }

  private mutating func dropRelations(_ history: LogHistory) throws {
    var (dropped, ordinal) = ([Int](), 0)
    let kept = kept
    _ = try StoreReading(of: log, options) { record, _ in
      if kept.contains(ordinal), history.isGone(record, ordinal) { dropped.append(ordinal) }
      ordinal += 1
    }
    for ordinal in dropped { self.kept.remove(ordinal) }
    superseded += dropped.count
  }

  /// Writes the state beside the target, proves it, and puts it in place.
  package func run() throws -> MergeResult {
    try replacement.perform { staging in
      var write = WriteOptions(directory: staging)
      write.fileName = replacement.target.lastComponent.map { FilePath(root: nil, [$0]) }
      write.sourceKind = log.format.name
      write.layout = .oneFile
      let output = try StoreOutput(log.format, write)
      let mode = log.tree.files.first?.mode ?? 0o600
      var ordinal = 0
      let reading = try StoreReading(of: log, options) { record, hash in
        if kept.contains(ordinal) { try output.take(&record, hash, at: WritePlace(mode: mode)) }
        ordinal += 1
      }
      guard reading.sequence == sequence else {
        throw DiskError(
          .changed, "was changed while it was replayed", path: log.path,
          hint: "say with --until-line how far it counts, or run it again when it is quiet")
      }
      let made = try output.finish()
      let result = MergeResult(
        root: replacement.target, counts: made.counts, digest: made.digest,
        undo: replacement.undo)
      return (made.store.root, result)
    }
  }
}

/// The lines of a log, by the records that they are about.
private final class LogHistory {
  private let path: String
  private let limit: ReplayRequest.Limit?
  private let withRelations: Bool
  private var sorter: RunSorter? = RunSorter(spillingTo: SpillFile.standardDirectory)
  /// Records without an id, each of which stands for itself.
  private var kept = OrdinalSet()
  private var ordinal = 0
  private var key = ByteBuffer()
  private var payload = ByteBuffer()
  /// When each entity was deleted last, as the number of the line.
  private var gone = NameMap<UInt32>()
  private(set) var linesRead = 0
  private(set) var lastLine = 0
  private(set) var deletions = 0
  /// Those of them that say nothing else.
  private(set) var deletionLines = 0
  /// What is told of deletions that name no record.
  private(set) var nameless = FindingLog()
  private(set) var hasTimes = false
  /// The first line that does not count.
  private(set) var end: Int?
  private(set) var lateButOlder = 0

  init(_ request: ReplayRequest, path: String) {
    self.path = path
    limit = request.limit
    withRelations = request.withRelations
  }

  func take(_ record: inout Record) throws {
    defer { ordinal += 1 }
    guard counts(record) else { return }
    linesRead += 1
    lastLine = record.place.line
    if LogDeletion.isDeletion(record) {
      let deletion = LogDeletion(record)
      guard !deletion.labels.isEmpty else { return noteNameless(record) }
      deletions += 1
      deletionLines += 1
      for label in deletion.labels { try insert(label, isDeletion: true) }
      for name in deletion.entities where withRelations { gone[name.span] = UInt32(ordinal) }
      return
    }
    key.removeAll()
    if record.hasValueID {
      key.append(Array(LogDeletion.valueKind.utf8).span)
    } else {
      key.append(record.kind.word)
    }
    key.append(0x3A)
    let hasID = record.appendID(to: &key) || !record.scope.isEmpty
    let isTombstone = LogDeletion.isTombstone(record)
    if isTombstone {
      guard hasID else { return noteNameless(record) }
      deletions += 1
      if withRelations, let name = record.text.string("name", of: record.body),
        record.kind == .entity
      {
        gone[name.span] = UInt32(ordinal)
      }
    }
    guard hasID else { return kept.insert(ordinal) }
    try insert(key.array, isDeletion: isTombstone)
  }

  private func insert(_ label: [UInt8], isDeletion: Bool) throws {
    payload.removeAll()
    payload.append(word: ordinal)
    payload.append(isDeletion ? 1 : 0)
    let text = payload
    try sorter?.insert(key: label.span, payload: text.span)
  }

  private func noteNameless(_ record: borrowing Record) {
    nameless.add(
      Finding(
        .error, .missingField,
        "is a deletion that names no record, by name, by id or by from, relationType and to: it"
          + " takes nothing away", path: path,
        line: record.place.line > 0 ? record.place.line : nil, offset: record.place.offset,
        length: record.place.length))
  }

  private func counts(_ record: borrowing Record) -> Bool {
    switch limit {
    case nil: return true
    case .line(let last): return record.place.line <= last
    case .time(let time):
      let written = record.logged
      if written != nil { hasTimes = true }
      if end != nil {
        if let written, !(time < written) { lateButOlder += 1 }
        return false
      }
      guard let written, time < written else { return true }
      end = record.place.line
      return false
    }
  }

  /// The records that are left. Call once.
  func settle() throws -> OrdinalSet {
    var current: [UInt8] = []
    var last = (ordinal: 0, isDeletion: true)
    func flush() { if !last.isDeletion { kept.insert(last.ordinal) } }
    try sorter.take()?.drain { key, text in
      if !key.isEqual(to: current.span) {
        flush()
        current = (0..<key.count).map { key[$0] }
      }
      last = (Int(truncatingIfNeeded: text.word(at: 0)), text[8] == 1)
    }
    flush()
    return kept
  }

  /// Whether a relation was there when an entity that it names was deleted.
  func isGone(_ record: borrowing Record, _ ordinal: Int) -> Bool {
    guard record.kind == .relation else { return false }
    for key in ["from", "to"] as [StaticString] {
      guard let name = record.text.string(key, of: record.body), let time = gone[name.span] else {
        continue
      }
      if ordinal < Int(time) { return true }
    }
    return false
  }
}
