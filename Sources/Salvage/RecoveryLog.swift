import Disk
import LosslessJSON
import Records
import SystemPackage

/// The account of a salvage for a person: what came back, what was lost and where, what to do.
struct RecoveryLog {
  private var text = ""
  private let name: FilePath

  /// The name of the log of a day: FORMATS, memory-graph, `.recovery/recovery-YYYY-MM-DD.log`.
  static func name(at time: Int) -> String {
    "recovery-\(ISOTime(seconds: time).text.prefix(10)).log"
  }

  init(_ report: SalvageReport, _ request: SalvageRequest, skipped: [FilePath]) {
    name = FilePath(Self.name(at: request.time))
    text += "Salvage of \(ISOTime(seconds: request.time).text)\n"
    for input in report.inputs { describe(input) }
    if !skipped.isEmpty {
      text += "\nNot looked at, for they belong to no store that holdfast knows:\n"
      for path in skipped { text += "  \(path)\n" }
    }
    describe(report.filled)
    if report.otherContexts > 0 {
      text += "\nIn other contexts than those asked for\n"
      text += "  \(report.otherContexts) records, kept in \(ContextSplit.folder)/\n"
    }
    text += "\nWhat to do next\n"
    for step in Self.advice(report) { text += "  - \(step)\n" }
  }

  private mutating func describe(_ input: InputReport) {
    let account = input.account
    text += "\n\(input.path)\n"
    text += "  kind           \(input.kind)\n"
    text += "  bytes          \(input.size)\n"
    for fate in Fate.allCases {
      let tally = account[fate]
      let name = fate.rawValue + String(repeating: " ", count: 15 - fate.rawValue.count)
      switch fate {
      case .insignificant: text += "  \(name)\(tally.bytes) bytes\n"
      case .quarantined: text += "  \(name)\(tally.bytes) bytes in \(tally.ranges) ranges\n"
      default: text += "  \(name)\(tally.records) records, \(tally.bytes) bytes\n"
      }
    }
    if input.unproven.bytes > 0 {
      text +=
        "  unproven       \(input.unproven.records) records, \(input.unproven.bytes) bytes in "
      text += "unproven/\n"
    }
    for note in input.notes {
      var line = "  note: "
      if let number = note.line { line += "line \(number): " }
      if let record = note.record { line += "\(record): " }
      text += line + note.message + "\n"
    }
    if input.notesLeftOut > 0 { text += "  and \(input.notesLeftOut) more notes\n" }
    for loss in input.losses { describe(loss) }
    let total =
      account[.quarantined].ranges + account[.irregular].ranges + account[.repaired].ranges
    if total > input.losses.count {
      text += "  and \(total - input.losses.count) more ranges: ledger.json has all of them\n"
    }
  }

  private mutating func describe(_ range: LedgerRange) {
    var line = "  bytes \(range.offset) to \(range.end - 1)"
    if let number = range.line { line += " (line \(number))" }
    line += ": \(range.fate.rawValue)"
    if let shape = range.shape { line += ", \(shape.rawValue): \(shape.explanation)" }
    text += line + "\n"
    if let reason = range.reason { text += "    \(reason)\n" }
    if let file = range.file { text += "    kept in \(file)\n" }
    if let repair = range.repair {
      text += "    \(repair.done); the record made of it is in \(repair.file)\n"
    }
  }

  private mutating func describe(_ filled: FilledRecords) {
    if filled.named.isEmpty { return }
    text += "\nFrom elsewhere\n"
    for record in filled.named {
      switch record.state {
      case .filled: text += "  \(record.record): from \(record.origin)\n"
      case .differs:
        text +=
          "  \(record.record): differs in \(record.origin); the damaged store's own was kept\n"
      case .altered:
        text += "  \(record.record): altered by damage, for nothing has written its file since "
        text += "\(record.origin) was made; left out\n"
      }
    }
    if filled.leftOut > 0 { text += "  and \(filled.leftOut) more\n" }
  }

  /// What a person should do next.
  static func advice(_ report: SalvageReport) -> [String] {
    var steps: [String] = []
    if report.total(.quarantined).bytes > 0 {
      steps.append(
        "keep the damaged files and quarantine/ until you are sure that nothing in them is missed")
      steps.append("records that the damage destroyed may be in a backup: salvage --with REPO")
    }
    if report.total(.irregular).records > 0 {
      steps.append("look at irregular/: records that are whole, but that their owner would refuse")
    }
    if report.total(.repaired).records > 0 {
      steps.append(
        "look at repaired/ before you use it: those records are not as they were written")
    }
    if report.filled.conflicts + report.filled.altered > 0 {
      steps.append(
        "look at conflicts/: the other version of each record that is not the same twice")
    }
    if report.inputs.contains(where: { $0.unproven.bytes > 0 }) {
      steps.append(
        "look through unproven/: no checksum and no digest says that it is what was written")
    }
    if report.inputs.contains(where: { input in input.notes.contains { $0.code == .unproven } }),
      !report.counts.isEmpty
    {
      steps.append("what a note calls unproven may be wrong: compare it with another copy")
    }
    if report.total(.recovered).records > 0 || !report.counts.isEmpty {
      steps.append("check recovered/ with holdfast inspect, then put it in place")
    }
    return steps.isEmpty ? ["nothing: no record was found"] : steps
  }

  func write(in directory: OutputDirectory) throws {
    let file = PendingFile(name, in: directory)
    try file.append(Array(text.utf8).span)
    try file.close()
  }
}
