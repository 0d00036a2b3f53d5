/// The rule for all years behind the last change that a zone file names, in the form of POSIX
/// `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct CivilZoneRule: Sendable, Equatable {
  /// Seconds east of UTC.
  private var standard: Int
  private var summer: (offset: Int, start: Day, end: Day)?

  /// A day of the year, and the second in it by the clock before the change.
  private struct Day: Equatable {
    enum Form: Equatable {
      /// The n-th such weekday of a month; 5 is the last one.
      case weekday(month: Int, week: Int, weekday: Int)
      /// Counted from 1, the leap day never counted.
      case withoutLeapDay(Int)
      /// Counted from 0.
      case ofYear(Int)
    }
    var form: Form
    var second: Int

    /// In unix seconds, were the clock's offset zero.
    func time(in year: Int) -> Int {
      let first = ISOTime.daysSince1970(year: year, month: 1, day: 1)
      let day: Int
      switch form {
      case .ofYear(let number): day = first + number
      case .withoutLeapDay(let number):
        let isLeap = ISOTime.days(in: 2, of: year) == 29
        day = first + number - 1 + (isLeap && number >= 60 ? 1 : 0)
      case .weekday(let month, let week, let weekday):
        let start = ISOTime.daysSince1970(year: year, month: month, day: 1)
        // 1970-01-01 was a Thursday; Sunday is 0.
        let ahead = (weekday - (start + 4) % 7 + 14) % 7
        let length = ISOTime.days(in: month, of: year)
        var number = ahead + (week - 1) * 7
        while number >= length { number -= 7 }
        day = start + number
      }
      return day * 86_400 + second
    }
  }

  init?(_ text: [UInt8]) {
    var reader = Reader(text: text)
    guard reader.name(), let west = reader.time() else { return nil }
    standard = -west
    if reader.isAtEnd { return }
    guard reader.name() else { return nil }
    var offset = standard + 3600
    if !reader.has(0x2C) {
      guard let west = reader.time() else { return nil }
      offset = -west
    }
    guard reader.take(0x2C), let start = reader.day(), reader.take(0x2C), let end = reader.day(),
      reader.isAtEnd
    else { return nil }
    summer = (offset, start, end)
  }

  func offset(at time: Int) -> Int {
    guard let summer else { return standard }
    let local = time + standard
    let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    let year = ISOTime.date(day: day).year
    let start = summer.start.time(in: year) - standard
    let end = summer.end.time(in: year) - summer.offset
    let isSummer = start < end ? (start..<end).contains(time) : !(end..<start).contains(time)
    return isSummer ? summer.offset : standard
  }

  static func == (a: Self, b: Self) -> Bool {
    guard a.standard == b.standard else { return false }
    switch (a.summer, b.summer) {
    case (nil, nil): return true
    case (let a?, let b?): return a == b
    default: return false
    }
  }

  private struct Reader {
    let text: [UInt8]
    var at = 0

    var isAtEnd: Bool { at == text.count }
    func has(_ byte: UInt8) -> Bool { at < text.count && text[at] == byte }

    mutating func take(_ byte: UInt8) -> Bool {
      guard has(byte) else { return false }
      at += 1
      return true
    }

    /// Letters, or anything between angle brackets.
    mutating func name() -> Bool {
      let start = at
      if take(0x3C) {
        while at < text.count, text[at] != 0x3E { at += 1 }
        return take(0x3E)
      }
      while at < text.count, text[at] | 0x20 >= 0x61, text[at] | 0x20 <= 0x7A { at += 1 }
      return at >= start + 3
    }

    mutating func number() -> Int? {
      let start = at
      var value = 0
      while at < text.count, (0x30...0x39).contains(text[at]), at - start < 4 {
        value = value * 10 + Int(text[at] - 0x30)
        at += 1
      }
      return at > start ? value : nil
    }

    /// `[+-]h[:mm[:ss]]`, in seconds.
    mutating func time() -> Int? {
      let isNegative = take(0x2D)
      if !isNegative { _ = take(0x2B) }
      guard var seconds = number().map({ $0 * 3600 }) else { return nil }
      for unit in [60, 1] where take(0x3A) {
        guard let value = number() else { return nil }
        seconds += value * unit
      }
      return isNegative ? -seconds : seconds
    }

    mutating func day() -> Day? {
      let form: Day.Form
      if take(0x4D) {
        guard let month = number(), take(0x2E), let week = number(), take(0x2E),
          let weekday = number(), (1...12).contains(month), (1...5).contains(week), weekday < 7
        else { return nil }
        form = .weekday(month: month, week: week, weekday: weekday)
      } else if take(0x4A) {
        guard let number = number() else { return nil }
        form = .withoutLeapDay(number)
      } else {
        guard let number = number() else { return nil }
        form = .ofYear(number)
      }
      var second = 7200
      if take(0x2F) {
        guard let time = time() else { return nil }
        second = time
      }
      return Day(form: form, second: second)
    }
  }
}
