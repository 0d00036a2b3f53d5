import Disk
import LosslessJSON
import Records
import SystemPackage

/// Which backups of a series are to be kept. The rules are ORed.
package struct RetentionPolicy: Sendable, Equatable {
  /// A rule that keeps the newest backup of each of the newest periods that have one.
  package enum Tier: String, Sendable, CaseIterable {
    case last, hourly, daily, weekly, monthly, yearly
  }

  /// How many of each tier; 0 is no rule.
  package var counts: [Tier: Int] = [:]
  /// Seconds back from the newest good backup that is not in the future.
  package var within: Int?
  /// Whose hours, days, weeks, months and years.
  package var zone: CivilZone = .utc

  package init() {}

  /// Whether there is no rule at all, so that it would keep next to nothing.
  package var isEmpty: Bool { within == nil && counts.values.allSatisfy { $0 <= 0 } }

  /// Throws `usage` for a policy without a rule.
  package func check() throws(BackupError) {
    guard isEmpty else { return }
    throw BackupError(
      .usage, "the retention policy has no rule",
      hint: "name at least one, as --keep-daily 7 or --keep-within 14d")
  }

  /// The bucket that a time falls in; two backups of one bucket are of one period of the tier.
  /// `last` has a bucket for each backup.
  package func bucket(_ tier: Tier, of time: Int) -> String {
    let offset = zone.offset(at: time)
    let local = ISOTime(seconds: time + offset)
    let date = local.text.prefix { $0 != "T" }
    switch tier {
    case .last: return ""
    case .hourly:
      // An hour that the clocks go through twice is two hours.
      let place = zone == .utc ? "" : Self.offsetText(offset)
      return local.text.prefix { $0 != ":" } + place
    case .daily: return String(date)
    case .weekly: return Self.week(of: time + offset)
    case .monthly: return String(date.prefix { $0 != "-" } + date.drop { $0 != "-" }.prefix(3))
    case .yearly: return String(date.prefix { $0 != "-" })
    }
  }

  private static func offsetText(_ seconds: Int) -> String {
    let minutes = abs(seconds) / 60
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(seconds < 0 ? "-" : "+")\(two(minutes / 60)):\(two(minutes % 60))"
  }

  /// The ISO 8601 week: weeks begin on Monday, and belong to the year of their Thursday.
  private static func week(of local: Int) -> String {
    let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    // 1970-01-01 was a Thursday.
    let weekday = ((day + 3) % 7 + 7) % 7
    let thursday = day - weekday + 3
    let year = ISOTime.date(day: thursday).year
    let number = (thursday - ISOTime.daysSince1970(year: year, month: 1, day: 1)) / 7 + 1
    return "\(year)-W\(number < 10 ? "0" : "")\(number)"
  }
}

extension CivilZone {
  /// The directories in which systems keep their compiled zones.
  private static let places = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"]

  /// `UTC`, an offset such as `+02:00`, or a zone of the system such as `Europe/Berlin`.
  /// Throws `usage` for a name that there is no zone for.
  package static func named(_ name: String) throws -> CivilZone {
    if let fixed = CivilZone(offset: name) { return fixed }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let isPlain = parts.allSatisfy { part in
      !part.isEmpty && part.first != "."
        && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x5C }
    }
    if isPlain {
      for place in places {
        let path = FilePath(place).pushing(FilePath(name))
        guard try FileFacts(at: path)?.isRegular == true else { continue }
        var bytes = ByteBuffer()
        _ = try InputFile(opening: path).read(at: 0, into: &bytes, atMost: 1 << 20)
        if let zone = CivilZone(name: name, file: bytes.span) { return zone }
      }
    }
    throw BackupError(
      .usage, "there is no time zone \(name) on this system",
      hint: "use UTC, an offset such as +02:00, or a name such as Europe/Berlin (package tzdata)")
  }
}

/// A length of time in a policy or a configuration: `36h`, `7d`, `2w`. A unit is required: a
/// number alone would be seconds to one reader and days to another.
package struct RetentionSpan: Sendable, Equatable {
  package let seconds: Int

  package init(seconds: Int) { self.seconds = seconds }

  private static let units: [Character: Int] = [
    "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800,
  ]

  /// At least one second and at most some three hundred years; nil for anything else.
  package init?(_ text: String) {
    guard let unit = text.last.flatMap({ Self.units[$0] }),
      text.utf8.dropLast().allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(text.dropLast()), number > 0
    else { return nil }
    let (seconds, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow, seconds < 10_000_000_000 else { return nil }
    self.seconds = seconds
  }

  /// As it would be written: in the largest unit that gives a whole number.
  package var text: String {
    for (name, size) in [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)]
    where seconds % size == 0 && (name != "w" || seconds > 604_800) {
      return "\(seconds / size)\(name)"
    }
    return "\(seconds)s"
  }
}
