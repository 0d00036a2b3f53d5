import LosslessJSON
import Records

/// What became of each byte of a database.
extension DatabaseSalvage {
  /// Says of every page what became of it.
  func account() throws {
    var end = 0
    for piece in file.grid.pieces {
      try accountBetween(end..<piece.offset)
      for number in file.grid.numbers(piece) {
        let page = try file.page(number)
        // A page that the log has anew is kept as it lies in the file.
        let start = piece.offset + (number - piece.first) * file.pageSize
        let stored = try file.bytes(start..<min(piece.end, start + file.pageSize))
        try account(number, page.span, stored.span)
      }
      end = piece.end
    }
    try accountBetween(end..<max(end, size))
    if lostBehind > 0 {
      sink.note(
        Finding(
          .warning, .leftover,
          "the file goes on behind the end of the database, \(lostBehind) bytes: rows in that may be of "
            + "another state, and --deleted lists them",
          offset: file.statedPages * file.pageSize))
    }
    // Pages that only the log has.
    if isSound { return }
    for (page, tally) in tallies where file.grid.offset(of: page) == nil || page > file.grid.last {
      sink.creditAll(tally.rows)
    }
  }

  /// Keeps apart the bytes between pages, and says why they are none.
  private func accountBetween(_ range: Range<Int>) throws {
    if range.isEmpty { return }
    let isInFront = range.lowerBound == 0
    sink.note(
      Finding(
        .error, .unreadable,
        isInFront
          ? "\(range.count) bytes in front of its pages: those are read behind them"
          : "bytes were lost or put in here: the pages behind are read where they lie now",
        offset: range.lowerBound, length: range.count))
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
      let bytes = try file.bytes(start..<min(start + 1 << 20, range.upperBound))
      try sink.quarantine(
        bytes.span, shape: isInFront ? .garbage : .damagedPage,
        reason: isInFront ? "in front of its pages" : "a page that lost bytes, or was put some in",
        line: nil)
    }
  }

  private func account(_ number: Int, _ page: Span<UInt8>, _ stored: Span<UInt8>) throws {
    if isSound {
      if file.isBehindEnd(number), !TextBytes.isAll(stored, 0) {
        lostBehind += stored.count
        return try sink.quarantine(
          stored, shape: .garbage, reason: "behind the end of the database", line: nil)
      }
      return try accountSound(number, stored)
    }
    let kind = cells.kind(page, number)
    guard let kind else {
      let isUsed =
        cells.overflow.contains(number) || free.contains(number) || file.isSpecial(number, page)
      if isUsed, page.count == file.pageSize { return try sink.redundant(stored) }
      let shape: DamageShape = TextBytes.isAll(stored, 0) ? .nulRun : .damagedPage
      return try sink.quarantine(stored, shape: shape, line: nil)
    }
    let tally = tallies[number] ?? PageTally()
    guard tally.bad > 0 || tally.suspect > 0 else {
      try sink.redundant(stored)
      return sink.credit(tally.rows)
    }
    let bad = try cells.rows(page, number, kind).bad
    var at = 0
    for bytes in bad where bytes.lowerBound >= at && bytes.lowerBound < stored.count {
      let range = bytes.clamped(to: 0..<stored.count)
      try sink.redundant(stored.extracting(at..<range.lowerBound))
      try sink.quarantine(
        stored.extracting(range), shape: .damagedPage, reason: "a row of page \(number)", line: nil)
      at = range.upperBound
    }
    try sink.redundant(stored.extracting(at..<stored.count))
    sink.credit(tally.rows)
    var parts: [String] = []
    if tally.bad > 0 { parts.append("\(tally.bad) rows of it cannot be read") }
    if tally.suspect > 0 { parts.append("\(tally.suspect) rows of it are in irregular/") }
    sink.note(
      Finding(
        .error, .unreadable, "page \(number): \(parts.joined(separator: "; "))",
        offset: file.offset(of: number), length: file.pageSize))
  }

  private func accountSound(_ number: Int, _ stored: Span<UInt8>) throws {
    try sink.redundant(stored)
    if number == 1 { sink.credit(tallies.values.reduce(0) { $0 + $1.rows }) }
  }
}
