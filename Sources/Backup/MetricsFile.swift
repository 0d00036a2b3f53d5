import Disk
import LosslessJSON
import SystemPackage

/// What each series came to, in the text format that Prometheus reads, for the textfile collector
/// of its node exporter.
package struct MetricsFile: Sendable {
  package enum Name: String, CaseIterable, Sendable {
    case lastSuccess = "holdfast_last_success_timestamp_seconds"
    case lastAttempt = "holdfast_last_attempt_timestamp_seconds"
    case duration = "holdfast_duration_seconds"
    case records = "holdfast_records"
    case findings = "holdfast_findings"
    case bytes = "holdfast_bytes"
    case exitCode = "holdfast_exit_code"

    var help: String {
      switch self {
      case .lastSuccess: "When the series was last found backed up and good."
      case .lastAttempt: "When the series was last run."
      case .duration: "How long the last run of the series took."
      case .records: "Records in the last backup."
      case .findings: "Findings of the last backup."
      case .bytes: "Size of the archive of the last backup."
      case .exitCode: "Exit code of the last run of the series."
      }
    }
  }

  /// By name, then by series; as they are spelt.
  private(set) var values: [Name: [String: String]] = [:]

  package init() {}

  /// Reads what was written before; lines of any other form are passed over.
  init(_ text: String) {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, let brace = words[0].firstIndex(of: "{"),
        let name = Name(rawValue: String(words[0][..<brace]))
      else { continue }
      let label = words[0][words[0].index(after: brace)...]
      guard label.hasPrefix("series=\""), label.hasSuffix("\"}"), Double(words[1]) != nil else {
        continue
      }
      values[name, default: [:]][String(label.dropFirst(8).dropLast(2))] = String(words[1])
    }
  }

  /// Takes over what a run came to. Where there is no backup, what is told of the last one stays as
  /// it was, and so does the last success where there is no good one.
  package mutating func add(_ result: NightResult, exitCode: Int) {
    func set(_ name: Name, _ value: String?) { values[name, default: [:]][result.series] = value }
    set(.lastAttempt, String(result.time))
    set(.exitCode, String(exitCode))
    let milliseconds = Int((result.duration * 1000).rounded())
    let rest = String(milliseconds % 1000)
    let zeros = String(repeating: "0", count: 3 - rest.count)
    set(.duration, "\(milliseconds / 1000).\(zeros)\(rest)")
    if let backup = result.backup {
      set(.records, String(backup.manifest.recordCount))
      set(.findings, String(backup.log.total))
      if let seal = backup.seal { set(.bytes, String(seal.size)) }
    }
    if result.isGood { set(.lastSuccess, String(result.time)) }
  }

  package var text: String {
    var text = ""
    for name in Name.allCases {
      guard let series = values[name], !series.isEmpty else { continue }
      text += "# HELP \(name.rawValue) \(name.help)\n# TYPE \(name.rawValue) gauge\n"
      for (label, value) in series.sorted(by: { $0.key < $1.key }) {
        text += "\(name.rawValue){series=\"\(label)\"} \(value)\n"
      }
    }
    return text
  }

  /// Adds results to the file at `path`, which is replaced at once and whole. Runs that end at the
  /// same time wait for each other, so that none undoes what another has written.
  package static func update(
    _ path: FilePath, with results: [(result: NightResult, exitCode: Int)]
  ) throws {
    let directory = path.removingLastComponent()
    let lock = try StoreLock(
      directory: directory.isEmpty ? FilePath(".") : directory, isShared: false, waitingUpTo: 120)
    defer { withExtendedLifetime(lock) {} }
    var metrics = MetricsFile()
    if try FileFacts(at: path)?.isRegular == true {
      var bytes = ByteBuffer()
      let file = try InputFile(opening: path)
      _ = try file.read(at: 0, into: &bytes, atMost: 16 << 20)
      metrics = MetricsFile(String(decoding: bytes.array, as: UTF8.self))
    }
    for (result, exitCode) in results { metrics.add(result, exitCode: exitCode) }
    try Disk.clearLeftovers(of: path)
    // Another user, that of the exporter, has to read it.
    var output = try OutputFile(for: path, mode: 0o644)
    try output.write(Array(metrics.text.utf8).span)
    try output.publish()
  }
}
