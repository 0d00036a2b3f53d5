import Disk
import LosslessJSON
import Records
import Salvage

/// Plans and reports of salvages, as people and programs see them.
enum SalvageView {
  static func show(_ plan: SalvagePlan, _ console: Console) {
    console.json(SalvageCommand.verb) {
      $0.member("dry_run", true)
      $0.key("plan")
      $0.object {
        $0.member("output", Disk.absolute(plan.request.target).string)
        $0.key("inputs")
        $0.array(of: plan.inputs) { builder, input in
          builder.object {
            $0.member("path", input.path.string)
            $0.member("kind", input.kind.rawValue)
            $0.member("bytes", input.size)
            $0.member("recovered", "recovered/\(input.name)")
          }
        }
        $0.key("skipped")
        $0.array(of: plan.skipped) { $0.value($1.string) }
      }
    }
    console.result("would salvage into \(plan.request.target)")
    for input in plan.inputs {
      console.result("  \(input.path) (\(input.kind.rawValue), \(grouped(input.size)) bytes)")
    }
    for path in plan.skipped { console.result("  left alone: \(path)") }
  }

  static func show(_ report: SalvageReport, _ console: Console) {
    console.json(SalvageCommand.verb) { encode(report, to: &$0) }
    for input in report.inputs {
      console.result(printable(input.path.string))
      for line in bar(input) { console.result("  \(line)") }
      console.result("  kind           \(input.kind)")
      for fate in Fate.allCases { row(fate, input.account[fate], console) }
      if input.unproven.bytes > 0 {
        let (records, bytes) = (input.unproven.records, grouped(input.unproven.bytes))
        console.result("  unproven       \(grouped(records)) records, \(bytes) bytes in unproven/")
      }
      for note in input.notes.prefix(10) {
        let place = note.line.map { "line \($0): " } ?? ""
        let record = note.record.map { "\($0): " } ?? ""
        console.result("  note           \(printable(place + record + note.message))")
      }
      let more = input.notes.count + input.notesLeftOut - 10
      if more > 0 { console.result("                 and \(grouped(more)) more notes") }
      for loss in input.losses.prefix(10) { console.result("  \(lossLine(loss))") }
      let lost =
        input.account[.quarantined].ranges + input.account[.irregular].ranges
        + input.account[.repaired].ranges
      if lost > 10 { console.result("  … and \(grouped(lost - 10)) more ranges") }
    }
    console.result("recovered        \(describe(report.counts))")
    for (name, count) in [
      ("filled in", report.filled.count), ("conflicts", report.filled.conflicts),
      ("other contexts", report.otherContexts),
      ("altered", report.filled.altered),
    ] {
      if count > 0 { console.result("\(name.padded(to: 17))\(grouped(count)) records") }
    }
    console.result("written to       \(report.output)")
    if !report.isWhole { console.result("every range is in ledger.json; start with the log") }
  }

  static func encode(_ report: SalvageReport, to builder: inout JSONBuilder) {
    builder.key("inputs")
    builder.array(of: report.inputs) { builder, input in
      builder.object {
        $0.key("path")
        $0.value(path: TreeWalk.bytes(of: input.path))
        $0.member("kind", input.kind)
        $0.member("bytes", input.size)
        input.encodeTally(to: &$0)
        $0.key("notes")
        $0.array(of: input.notes) { $1.encode(to: &$0) }
      }
    }
    builder.member("output", report.output.string)
    builder.member("counts", report.counts)
    builder.member("filled", report.filled.count)
    builder.member("conflicts", report.filled.conflicts)
    if report.otherContexts > 0 { builder.member("other_contexts", report.otherContexts) }
    builder.member("altered", report.filled.altered)
  }

  private static func row(_ fate: Fate, _ tally: InputAccount.Tally, _ console: Console) {
    guard tally.bytes > 0 || fate == .recovered else { return }
    let what: String
    switch fate {
    case .insignificant: what = ""
    case .quarantined: what = "\(grouped(tally.ranges)) range\(tally.ranges == 1 ? "" : "s"), "
    default: what = "\(grouped(tally.records)) record\(tally.records == 1 ? "" : "s"), "
    }
    console.result("  \(fate.rawValue.padded(to: 15))\(what)\(grouped(tally.bytes)) bytes")
  }

  private static func lossLine(_ range: LedgerRange) -> String {
    var text = "\(range.fate.rawValue.padded(to: 15))byte \(range.offset)"
    if let line = range.line { text += ", line \(line)" }
    text += ", \(grouped(range.length)) bytes"
    if let shape = range.shape { text += ": \(shape.rawValue)" }
    if let reason = range.repair?.done ?? range.reason { text += ": \(reason)" }
    return printable(text)
  }

  /// On a terminal, the file from its first to its last byte: where most of each stretch was
  /// recovered, where something was irregular, where something was lost.
  private static func bar(_ input: InputReport) -> [String] {
    guard Console.isTerminal, input.size > 0 else { return [] }
    let width = 60
    var cells = [Int](repeating: 0, count: width)
    for loss in input.losses {
      let first = loss.offset * width / input.size
      let last = (loss.end - 1) * width / input.size
      let rank = loss.fate == .quarantined ? 2 : 1
      for cell in first...max(first, last) where cell < width {
        cells[cell] = max(cells[cell], rank)
      }
    }
    let colours = ["32", "33", "31"]
    let marks = ["█", "▒", "×"]
    let text = cells.map { cell in
      Console.hasColour ? "\u{1B}[\(colours[cell])m\(marks[cell])\u{1B}[0m" : marks[cell]
    }
    return [text.joined(), "█ recovered  ▒ irregular or repaired  × quarantined"]
  }

  /// What was lost, on one line.
  static func headline(_ report: SalvageReport) -> String {
    let lost = report.total(.quarantined)
    let odd = report.total(.irregular).records
    guard let path = report.inputs.first(where: { !$0.isWhole }) else {
      return printable(
        "\(grouped(report.filled.altered)) records were altered by damage and "
          + "\(grouped(report.filled.conflicts)) differ from the backup; see "
          + "\(report.output)/ledger.json and conflicts/")
    }
    let offset = path.losses.first.map { ": byte \($0.offset)" } ?? ""
    return printable(
      "\(path.path)\(offset): \(grouped(lost.bytes)) bytes in \(lost.ranges) ranges "
        + "belong to no record, \(odd) records are irregular; see \(report.output)/ledger.json")
  }
}
