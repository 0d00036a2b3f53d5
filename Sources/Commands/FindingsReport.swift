import LosslessJSON
import Records

/// Findings as people and programs see them.
enum FindingsReport {
  /// At most this many are shown to people; `--json` shows all that were kept.
  private static let shown = 50

  /// A table on a terminal, `path:line: …` lines elsewhere.
  static func print(_ log: FindingLog, to console: Console) {
    guard log.total > 0, !console.isQuiet, !console.isJSON else { return }
    let sorted = log.findings.enumerated().sorted {
      ($0.element.severity, $0.offset) < ($1.element.severity, $1.offset)
    }.map(\.element)
    let rows = sorted.prefix(shown)
    if Console.isTerminal {
      table(Array(rows), console)
    } else {
      for finding in rows { console.result(line(finding)) }
    }
    if log.total > rows.count {
      let more = grouped(log.total - rows.count)
      // Of each code only so many are kept; the rest are counted and nothing more.
      let place =
        log.total == log.findings.count
        ? "--json lists them" : "--json lists the first \(grouped(FindingLog.limit)) of each code"
      console.result("… and \(more) more findings; \(place)")
    }
  }

  /// One finding on one line: place, severity, code, message, record.
  static func line(_ finding: Finding) -> String {
    var text = ""
    if let place = place(finding) { text += "\(place): " }
    text += "\(finding.severity.rawValue): \(finding.code.rawValue): "
    if let record = finding.record { text += "\(record) " }
    return printable(text + finding.message)
  }

  static func place(_ finding: Finding) -> String? {
    guard let path = finding.path else { return nil }
    var text = path
    if let line = finding.line { text += ":\(line)" }
    if let offset = finding.offset { text += ": byte \(offset)" }
    return text
  }

  private static func table(_ findings: [Finding], _ console: Console) {
    let colours: [Finding.Severity: String] = [.error: "31", .warning: "33", .note: "36"]
    let width = findings.map(\.code.rawValue.count).max() ?? 0
    for finding in findings {
      let severity = finding.severity.rawValue.padded(to: 7)
      let colour = Console.hasColour ? colours[finding.severity] : nil
      let shown = colour.map { "\u{1B}[\($0)m\(severity)\u{1B}[0m" } ?? severity
      let subject = finding.record.map { "\($0) " } ?? ""
      console.result(
        "  \(shown)  \(finding.code.rawValue.padded(to: width))  "
          + printable(subject + finding.message))
      if let place = place(finding) { console.result("           \(printable(place))") }
    }
  }

  /// "2 errors, 1 warning"; "none".
  static func summary(_ log: FindingLog) -> String {
    let parts = [Finding.Severity.error, .warning, .note].compactMap { severity in
      log.severities[severity].flatMap { count in
        count == 0 ? nil : "\(count) \(severity.rawValue)\(count == 1 ? "" : "s")"
      }
    }
    return parts.isEmpty ? "none" : parts.joined(separator: ", ")
  }

  /// What a store made of another one does not say any more: the first in the line that a failure
  /// has, the others below it.
  static func losses(_ log: FindingLog, _ console: Console) -> ExitStatus {
    guard let first = log.findings.first else { return .done }
    let more = log.findings.count - 1
    console.failure(
      printable(
        line(first)
          + (more > 0 ? " (and \(grouped(more)) more finding\(more == 1 ? "" : "s"))" : "")))
    for finding in log.findings.dropFirst().prefix(shown) { console.message(line(finding)) }
    return .findings
  }
}

extension String {
  func padded(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }

  func leftPadded(to width: Int) -> String {
    count >= width ? self : String(repeating: " ", count: width - count) + self
  }
}

/// "425,000 entities, 75,000 relations".
func describe(_ counts: [RecordKind: Int]) -> String {
  let parts = RecordKind.allCases.compactMap { kind in
    counts[kind].map { $0 == 1 ? "1 \(kind.rawValue)" : "\(grouped($0)) \(kind.plural)" }
  }
  return parts.isEmpty ? "none" : parts.joined(separator: ", ")
}

func grouped(_ number: Int) -> String {
  var text = String(number)
  var at = text.count - 3
  while at > (number < 0 ? 1 : 0) {
    text.insert(",", at: text.index(text.startIndex, offsetBy: at))
    at -= 3
  }
  return text
}

/// A count of bytes for people: "17.2 MiB".
func humanBytes(_ count: Int) -> String {
  let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
  var value = Double(count)
  var unit = 0
  while value >= 1024, unit < units.count - 1 {
    value /= 1024
    unit += 1
  }
  if unit == 0 { return "\(count) B" }
  let tenths = Int((value * 10).rounded())
  return "\(tenths / 10).\(tenths % 10) \(units[unit])"
}
