import Archive
import ArgumentParser
import Backup
import LosslessJSON

struct DoctorCommand: Verb {
  static let verb = "doctor"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check that the nightly job works, and say what to do where it does not.",
    discussion: """
      Every store of the configuration is read; every repository is looked through, and an unnamed \
      file is written to it and removed; the newest good backup must still be, byte for byte, what \
      was written, and not older than its schedule allows (every, and an eighth of it, two hours at \
      the least), unless nothing has changed since and skip_unchanged is set; the next backup must \
      have room. It tells the day on which the disk \
      is full at the present rate, and the releases of the libraries in use, with a warning for \
      releases of SQLite that are known to damage databases (which has no part in the exit code).

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @OptionGroup var file: ConfigOption
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let configuration = try file.read()
    var doctor = Doctor(
      formats: HoldfastCommand.formats, now: try currentTime(), byteText: humanBytes
    ) { error in
      let failure = Failure(error)
      return (failure.message, failure.hint)
    }
    try doctor.examine(configuration)
    doctor.libraries(HoldfastCommand.libraries)
    console.json(Self.verb) { root in
      root.member("ok", doctor.isWell)
      root.key("checks")
      root.array(of: doctor.checks) { list, check in
        list.object {
          $0.member("level", check.level.rawValue)
          $0.member("subject", check.subject)
          $0.member("series", ifPresent: check.series)
          $0.member("message", check.message)
          $0.member("path", ifPresent: check.path)
          $0.member("hint", ifPresent: check.hint)
        }
      }
    }
    for check in doctor.checks { console.result(printable(line(check))) }
    let bad = doctor.checks.filter { $0.level != .ok && $0.counts }
    guard let first = bad.first else { return .done }
    let more = bad.count > 1 ? " (and \(bad.count - 1) more; --json lists them)" : ""
    let text = [first.path, first.series, first.message].compactMap { $0 }.joined(separator: ": ")
    console.failure(printable("\(text)\(first.hint.map { "; \($0)" } ?? "")\(more)"))
    return .findings
  }

  private func line(_ check: Doctor.Check) -> String {
    var parts = [check.level.rawValue.padded(to: 7), check.subject]
    if let series = check.series { parts.append(series) }
    var text = parts.joined(separator: "  ") + ": "
    if let path = check.path { text += "\(path): " }
    text += check.message
    if let hint = check.hint { text += "; \(hint)" }
    return text
  }
}
