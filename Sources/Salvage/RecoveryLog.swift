import Archive
import Disk
import LosslessJSON
import Records
import SystemPackage

/// The account of a salvage for a person: what came back, what was lost and where, what to do.
struct RecoveryLog {
  private var text = ""
  private let name: FilePath
  /// What the names of files of the output begin with.
  private let root: FilePath

  /// The name of the log of a day: FORMATS, memory-graph, `.recovery/recovery-YYYY-MM-DD.log`.
  static func name(at time: Int) -> String {
    "recovery-\(ISOTime(seconds: time).text.prefix(10)).log"
  }

  /// What a recovery has done with what was salvaged.
  struct Swap {
    /// Files of the store that were replaced.
    var replaced: [FilePath]
    /// The directory that has them as they were.
    var undo: FilePath
    /// What is in it, and where each file was.
    var kept: [(copy: FilePath, place: FilePath)]
    /// Files that the store did not have before.
    var added: [FilePath]
  }

  /// - Parameter swap: nil for a salvage that leaves the store as it is.
  init(_ report: SalvageReport, at time: Int, swap: Swap? = nil) {
    name = FilePath(Self.name(at: time))
    // Whoever reads the log of a salvage stands in its directory; that of a store is elsewhere.
    root = swap == nil ? FilePath("") : Disk.absolute(report.output)
    add("\(swap == nil ? "Salvage" : "Recovery") of \(ISOTime(seconds: time).text)")
    for input in report.inputs { describe(input) }
    if !report.skipped.isEmpty {
      add("")
      add("Not looked at, for they belong to no store that holdfast knows:")
      for path in report.skipped { add("  \(Self.shown(path))") }
    }
    describe(report.filled)
    if report.otherContexts > 0 {
      add("")
      add("In other contexts than those asked for")
      add("  \(report.otherContexts) records, kept in \(folder(ContextSplit.folder.string))")
    }
    if let swap {
      add("")
      add("Put in place")
      for path in swap.replaced { add("  \(Self.shown(Disk.absolute(path)))") }
      add("")
      add("As it was before; these commands undo the recovery")
      for (copy, place) in swap.kept {
        add("  cp -p \(Self.quoted(Disk.absolute(copy))) \(Self.quoted(Disk.absolute(place)))")
      }
      for place in swap.added { add("  rm \(Self.quoted(Disk.absolute(place)))") }
    }
    add("")
    add("What to do next")
    for step in advice(report, swap) { add("  - \(step)") }
  }

  /// Adds a line: what would break it, or means something to a terminal, is escaped.
  private mutating func add(_ line: String) {
    text += MemberPath.printable(Array(line.utf8)) + "\n"
  }

  /// A path as shells take it.
  private static func quoted(_ path: FilePath) -> String {
    let text = path.string
    let isPlain = text.utf8.allSatisfy {
      (0x61...0x7A).contains($0 | 0x20) || (0x2B...0x3A).contains($0) || $0 == 0x5F
    }
    if isPlain { return text }
    let parts = text.split(separator: "'", omittingEmptySubsequences: false)
    return "'\(parts.joined(separator: "'\\''"))'"
  }

  private static func shown(_ path: FilePath) -> String {
    MemberPath.printable(TreeWalk.bytes(of: path))
  }

  /// A folder of the output.
  private func folder(_ name: String) -> String { Self.shown(root.pushing(FilePath(name))) + "/" }

  private mutating func describe(_ input: InputReport) {
    let account = input.account
    add("")
    add(Self.shown(input.path))
    add("  kind           \(input.kind)")
    add("  bytes          \(input.size)")
    for fate in Fate.allCases {
      let tally = account[fate]
      let name = fate.rawValue + String(repeating: " ", count: 15 - fate.rawValue.count)
      switch fate {
      case .insignificant: add("  \(name)\(tally.bytes) bytes")
      case .quarantined: add("  \(name)\(tally.bytes) bytes in \(tally.ranges) ranges")
      default: add("  \(name)\(tally.records) records, \(tally.bytes) bytes")
      }
    }
    if input.unproven.bytes > 0 {
      add(
        "  unproven       \(input.unproven.records) records, \(input.unproven.bytes) bytes in "
          + folder("unproven"))
    }
    for note in input.notes {
      var line = "  note: "
      if let number = note.line { line += "line \(number): " }
      if let record = note.record { line += "\(record): " }
      add(line + note.message)
    }
    if input.notesLeftOut > 0 { add("  and \(input.notesLeftOut) more notes") }
    for loss in input.losses { describe(loss) }
    let total =
      account[.quarantined].ranges + account[.irregular].ranges + account[.repaired].ranges
    if total > input.losses.count {
      add("  and \(total - input.losses.count) more ranges: ledger.json has all of them")
    }
  }

  private mutating func describe(_ range: LedgerRange) {
    var line = "  bytes \(range.offset) to \(range.end - 1)"
    if let number = range.line { line += " (line \(number))" }
    line += ": \(range.fate.rawValue)"
    if let shape = range.shape { line += ", \(shape.rawValue): \(shape.explanation)" }
    add(line)
    if let reason = range.reason { add("    \(reason)") }
    if let file = range.file { add("    kept in \(Self.shown(root.pushing(FilePath(file))))") }
    if let repair = range.repair {
      let file = Self.shown(root.pushing(FilePath(repair.file)))
      add("    \(repair.done); the record made of it is in \(file)")
    }
  }

  private mutating func describe(_ filled: FilledRecords) {
    if filled.named.isEmpty { return }
    add("")
    add("From elsewhere")
    for record in filled.named {
      switch record.state {
      case .filled: add("  \(record.record): from \(record.origin)")
      case .differs:
        add("  \(record.record): differs in \(record.origin); the damaged store's own was kept")
      case .altered:
        add(
          "  \(record.record): altered by damage, for nothing has written its file since "
            + "\(record.origin) was made; left out")
      }
    }
    if filled.leftOut > 0 { add("  and \(filled.leftOut) more") }
  }

  /// What a person should do next.
  private func advice(_ report: SalvageReport, _ swap: Swap?) -> [String] {
    var steps: [String] = []
    if swap != nil {
      steps.append("inspect the store; what it was before is kept, and can be put back as above")
    }
    let quarantined = report.total(.quarantined).bytes > 0
    if quarantined {
      let damaged =
        swap.map { Self.shown(Disk.absolute($0.undo)) + "/" } ?? "the damaged files"
      steps.append(
        "keep \(damaged) and \(folder("quarantine")) until you are sure that nothing in them is "
          + "missed")
    }
    let isCut = report.inputs.contains { input in input.notes.contains { $0.code == .badJSON } }
    if quarantined || isCut, report.backup == nil {
      let what =
        swap.map { "salvage \(Self.shown(Disk.absolute($0.undo))) --to DIR" } ?? "salvage"
      steps.append(
        "records that the damage destroyed may be in a backup: \(what) --with REPO")
    }
    if report.total(.irregular).records > 0 {
      steps.append(
        "look at \(folder("irregular")): records that are whole, but that their owner would refuse")
    }
    if report.total(.repaired).records > 0 {
      steps.append(
        "look at \(folder("repaired")) before you use it: those records are not as they were written"
      )
    }
    if report.filled.conflicts + report.filled.altered > 0 {
      steps.append(
        "look at \(folder("conflicts")): the other version of each record that is not the same twice"
      )
    }
    if report.inputs.contains(where: { $0.unproven.bytes > 0 }) {
      steps.append(
        "look through \(folder("unproven")): no checksum and no digest says that it is what was "
          + "written")
    }
    if report.inputs.contains(where: { input in input.notes.contains { $0.code == .unproven } }),
      !report.counts.isEmpty
    {
      steps.append("what a note calls unproven may be wrong: compare it with another copy")
    }
    if swap == nil, report.total(.recovered).records > 0 || !report.counts.isEmpty {
      steps.append("check recovered/ with holdfast inspect, then put it in place")
    }
    return steps.isEmpty ? ["nothing: no record was found"] : steps
  }

  func write(in directory: OutputDirectory) throws {
    let file = PendingFile(name, in: directory)
    try file.append(Array(text.utf8).span)
    try file.close()
  }

  /// Appends it to the log of the day in `folder`; returns where that is.
  func append(in folder: FilePath) throws -> FilePath {
    let target = folder.pushing(name)
    let file =
      try FileFacts(at: target) == nil ? StagedFile(target) : StagedFile(reopening: target)
    try file.write(Array(text.utf8).span)
    try file.close(durably: true)
    return target
  }
}
