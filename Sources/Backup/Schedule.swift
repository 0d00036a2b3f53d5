import SystemPackage

/// The nightly job as cron and systemd are told of it.
package struct Schedule: Sendable {
  /// Absolute: of this program, and of the configuration.
  package var program: FilePath
  package var configuration: FilePath
  /// Of a day, in the local time of the machine.
  package var hour: Int
  package var minute: Int
  /// Seconds: an hour, a day, a week, or a number of hours that a day can be divided by.
  package var every: Int

  package init(program: FilePath, configuration: Configuration) {
    self.program = program
    self.configuration = configuration.path
    hour = configuration.hour
    minute = configuration.minute
    every = configuration.every
  }

  /// Each part as cron has it: minute, hour, weekday.
  private func parts() throws -> (hours: String, weekday: String, calendar: String) {
    let clock = "\(two(hour)):\(two(minute)):00"
    switch every {
    case 86_400: return ("\(hour)", "*", "*-*-* \(clock)")
    case 604_800: return ("\(hour)", "0", "Sun *-*-* \(clock)")
    case 3600: return ("*", "*", "*-*-* *:\(two(minute)):00")
    default:
      let hours = every / 3600
      guard every % 3600 == 0, hours > 0, hours < 24, 24 % hours == 0 else {
        throw BackupError(
          .usage, "no schedule runs every \(RetentionSpan(seconds: every).text)",
          path: configuration.string,
          hint: "every takes 1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d or 7d in [schedule]")
      }
      let first = hour % hours
      let all = stride(from: first, to: 24, by: hours).map(String.init).joined(separator: ",")
      return (all, "*", "*-*-* \(all):\(two(minute)):00")
    }
  }

  private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

  private var words: [String] {
    [program.string, "run", "--quiet", "--wait-lock", "5m", "--config", configuration.string]
  }

  private func check() throws {
    for path in [program, configuration]
    where path.string.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
      throw BackupError(
        .usage, "no schedule can name a path with control characters", path: path.string,
        hint: "rename it")
    }
  }

  /// A line for a crontab of a user.
  package func cronLine() throws -> String {
    try check()
    let parts = try parts()
    let command = words.map(Self.shellQuoted).joined(separator: " ")
    // cron takes a % for the end of the line, also within quotes.
    let escaped = command.split(separator: "%", omittingEmptySubsequences: false)
      .joined(separator: "\\%")
    return "\(minute) \(parts.hours) * * \(parts.weekday) \(escaped)"
  }

  private static func shellQuoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
        || [0x2F, 0x2E, 0x2D, 0x5F, 0x2B, 0x3A, 0x2C, 0x3D].contains(byte)
    }
    if plain, !word.isEmpty { return word }
    let inner = word.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + inner.joined(separator: "'\\''") + "'"
  }

  /// `holdfast.service`.
  package func service() throws -> String {
    try check()
    return """
      [Unit]
      Description=Holdfast: back up, verify and rotate

      [Service]
      Type=oneshot
      ExecStart=\(words.map(Self.unitQuoted).joined(separator: " "))
      Nice=10
      IOSchedulingClass=idle

      """
  }

  /// `holdfast.timer`.
  package func timer() throws -> String {
    """
    [Unit]
    Description=Holdfast, every night

    [Timer]
    OnCalendar=\(try parts().calendar)
    Persistent=true

    [Install]
    WantedBy=timers.target

    """
  }

  /// systemd expands % and $, and takes backslashes for escapes.
  private static func unitQuoted(_ word: String) -> String {
    var quoted = ""
    for character in word {
      switch character {
      case "%": quoted += "%%"
      case "$": quoted += "$$"
      case "\"", "\\": quoted += "\\\(character)"
      default: quoted.append(character)
      }
    }
    let isPlain = !word.contains { " \"'\\;".contains($0) }
    return isPlain ? quoted : "\"\(quoted)\""
  }
}
