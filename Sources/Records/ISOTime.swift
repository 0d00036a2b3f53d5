/// Parses the ISO 8601 dates and times that stores hold: `2026-01-03`, optionally followed by
/// `T` or a space, `00:26`, optionally `:10` and `.220`, and `Z` or an offset such as `+02:00`.
///
/// A value without an offset is taken as UTC, which is enough to compare two of one record.
package struct ISOTime: Sendable, Comparable {
  /// Seconds since 1970-01-01T00:00:00Z.
  package var seconds: Int
  package var nanoseconds: Int

  package init?(_ text: Span<UInt8>) {
    var at = 0
    func digits(_ count: Int) -> Int? {
      guard at + count <= text.count else { return nil }
      var value = 0
      for index in at..<at + count {
        let digit = text[index] &- 0x30
        guard digit <= 9 else { return nil }
        value = value * 10 + Int(digit)
      }
      at += count
      return value
    }
    func take(_ byte: UInt8) -> Bool {
      guard at < text.count, text[at] == byte else { return false }
      at += 1
      return true
    }
    if let common = Self.common(text) {
      self = common
      return
    }
    guard let year = digits(4), take(0x2D), let month = digits(2), take(0x2D),
      let day = digits(2), (1...12).contains(month),
      day >= 1, day <= Self.days(in: month, of: year)
    else { return nil }
    let midnight = Self.daysSince1970(year: year, month: month, day: day) * 86_400
    var total = midnight
    nanoseconds = 0
    if at < text.count {
      guard take(0x54) || take(0x74) || take(0x20) else { return nil }
      guard let hour = digits(2), take(0x3A), let minute = digits(2), hour <= 24, minute < 60
      else { return nil }
      total += hour * 3600 + minute * 60
      if take(0x3A) {
        guard let second = digits(2), second <= 60 else { return nil }
        total += second
        if take(0x2E) || take(0x2C) {
          var scale = 100_000_000
          let start = at
          while at < text.count, text[at] &- 0x30 <= 9 {
            nanoseconds += Int(text[at] - 0x30) * scale
            scale /= 10
            at += 1
          }
          guard at > start else { return nil }
        }
      }
      // 24:00 is the end of a day, and no later time is one of that day.
      guard hour < 24 || (total == midnight + 86_400 && nanoseconds == 0) else { return nil }
      if at < text.count, !take(0x5A), !take(0x7A) {
        let isEast = take(0x2B)
        guard isEast || take(0x2D), let hours = digits(2), hours < 24 else { return nil }
        let hasColon = take(0x3A)
        let minutes = hasColon || at < text.count ? digits(2) : 0
        guard let minutes, minutes < 60 else { return nil }
        total -= (isEast ? 1 : -1) * (hours * 3600 + minutes * 60)
      }
    }
    guard at == text.count else { return nil }
    seconds = total
  }

  /// `2026-01-03T00:26:10.220Z`, the form that JavaScript writes; nil for any other.
  private static func common(_ text: Span<UInt8>) -> ISOTime? {
    guard text.count == 24, text[4] == 0x2D, text[7] == 0x2D, text[10] == 0x54, text[13] == 0x3A,
      text[16] == 0x3A, text[19] == 0x2E, text[23] == 0x5A
    else { return nil }
    var wrong: UInt8 = 0
    @inline(__always) func digit(_ index: Int) -> Int {
      let value = text[index] &- 0x30
      wrong |= value > 9 ? 1 : 0
      return Int(value)
    }
    @inline(__always) func two(_ index: Int) -> Int { digit(index) * 10 + digit(index + 1) }
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8))
    let (hour, minute, second) = (two(11), two(14), two(17))
    let milliseconds = digit(20) * 100 + two(21)
    guard wrong == 0, (1...12).contains(month), day >= 1, day <= days(in: month, of: year),
      hour < 24, minute < 60, second < 60
    else { return nil }
    let days = daysSince1970(year: year, month: month, day: day)
    return ISOTime(
      seconds: days * 86_400 + hour * 3600 + minute * 60 + second,
      nanoseconds: milliseconds * 1_000_000)
  }

  package static func < (a: Self, b: Self) -> Bool {
    a.seconds != b.seconds ? a.seconds < b.seconds : a.nanoseconds < b.nanoseconds
  }

  package static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days from 1970-01-01 to a date of the Gregorian calendar.
  package static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    // Years are taken to begin in March, so that the leap day is the last of a year.
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// The date of a day counted from 1970-01-01.
  package static func date(day: Int) -> (year: Int, month: Int, day: Int) {
    let z = day + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let m = (5 * dayOfYear + 2) / 153
    let month = m < 10 ? m + 3 : m - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * m + 2) / 5 + 1)
  }
}

extension ISOTime {
  package init(seconds: Int, nanoseconds: Int = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Year, month, day, hour, minute, second in UTC.
  private var parts: [Int] {
    let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let rest = seconds - day * 86_400
    let date = Self.date(day: day)
    return [date.year, date.month, date.day, rest / 3600, rest / 60 % 60, rest % 60]
  }

  private static func digits(_ value: Int, _ count: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, count - text.count)) + text
  }

  /// `2026-11-20T03:15:00Z`; fractions are left out.
  package var text: String {
    let p = parts
    let two = p.dropFirst().map { Self.digits($0, 2) }
    return "\(Self.digits(p[0], 4))-\(two[0])-\(two[1])T\(two[2]):\(two[3]):\(two[4])Z"
  }

  /// `20261120T031500Z`, as in the names of backups.
  package var compactText: String {
    text.filter { $0 != "-" && $0 != ":" }
  }
}
