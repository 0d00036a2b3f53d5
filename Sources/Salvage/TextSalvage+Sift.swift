import LosslessJSON
import Records

extension TextSalvage {
  enum Scanned {
    /// A value; the index behind it.
    case value(Int)
    /// None; the offset counts in the text, not in the range.
    case failure(JSONError)
  }

  /// Parses the value at the start of `range`, whatever follows it.
  func scan(_ text: Span<UInt8>, _ range: Range<Int>) -> Scanned {
    do throws(JSONError) {
      try index.scan(text.extracting(range))
      return .value(range.lowerBound + Int(index.tokens[0].end))
    } catch {
      if error.reason == .trailingBytes {
        return .value(range.lowerBound + Int(index.tokens[0].end))
      }
      return .failure(JSONError(error.reason, at: range.lowerBound + error.offset))
    }
  }

  /// Finds the records in a stretch that is not simply one value. Returns how much was taken: up
  /// to `range.upperBound` if `isWhole`, else less where more text is needed to tell. Where that
  /// is a line, more than it if a record goes on over the next ones, and less if it may.
  func sift(
    _ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool, isFinal: Bool = true
  ) throws -> Int {
    let end = range.upperBound
    var at = range.lowerBound
    var fragment = Fragment(start: at)
    /// Where the parser failed last: what starts there is no part of what was before.
    var breaks = -1
    if isUnbroken, !isBehindRecord {
      // Of a file that was put behind another: the rest of the line is as its first one.
      while TextBytes.startsWithMark(text.extracting(at..<end)) { at += 3 }
      if at > fragment.start {
        try flush(text, &fragment, upTo: at, next: nil)
        lastWasLoss = false
        isUnbroken = true
      }
    }
    while at < end {
      if isClean {
        let next = try skipSeparators(text, at..<end, isWhole: isWhole)
        guard let next else {
          try flush(text, &fragment, upTo: at, next: nil)
          return at
        }
        if next > at {
          at = next
          fragment = Fragment(start: at)
          continue
        }
      }
      let isStart = isClean && Self.opensValue(text[at])
      guard let start = isStart ? at : nextStart(text, at..<end) else {
        // The last bytes may be the start of a record.
        let held = isWhole ? end : max(at, end - 64)
        isClean = false
        try flush(text, &fragment, upTo: held, next: nil, isEnd: isWhole)
        return held
      }
      var scanned = scan(text, start..<end)
      if case .failure(let error) = scanned, isWhole, goesOn(text, start..<end, error) {
        switch scan(text, start..<text.count) {
        case .value(let valueEnd): scanned = .value(valueEnd)
        case .failure(let error):
          if error.reason == .unexpectedEnd, !isFinal, text.count - start < 16 * Self.step {
            byteBefore = lastByte(text, range.lowerBound..<start)
            return try holdBack(text, &fragment, start)
          }
          wasted += error.offset - start
          // The index is of the line again.
          _ = scan(text, start..<end)
        }
      }
      switch scanned {
      case .value(let valueEnd):
        if !isWhole, end - valueEnd < 64, end - start < Self.valueLimit {
          return try holdBack(text, &fragment, start)
        }
        let isLast = isWhole && TextBytes.skipSpace(text, valueEnd) == text.count
        if let back = swallowed(text, start: start, end: valueEnd, isLast: isLast) {
          fragment.note(JSONError(.expectedCommaOrEnd, at: back), start: start, isPlaced: false)
          isClean = false
          at = back
          continue
        }
        let isPlaced = isClean && start == at
        let mayNest = start < breaks - 3 || start > breaks
        let lineEnd = valueEnd > end ? text.firstIndex(of: 0x0A, from: valueEnd) : end
        if isRecord(
          text, start..<valueEnd, end: lineEnd ?? text.count, isPlaced: isPlaced,
          mayNest: mayNest, fragment: &fragment)
        {
          try accept(text, start..<valueEnd, &fragment)
          if valueEnd > end { return valueEnd }
        } else {
          isClean = false
        }
        at = min(valueEnd, end)
      case .failure(let error):
        if !isWhole, error.reason == .unexpectedEnd, end - start < Self.valueLimit {
          return try holdBack(text, &fragment, start)
        }
        let isPlaced = isClean && start == at
        breaks = error.offset
        fragment.note(error, start: start, isPlaced: isPlaced)
        if isPlaced, [.invalidUTF8, .controlCharacter].contains(error.reason),
          let past = spoiledEnd(text, start..<end, error)
        {
          try flush(text, &fragment, upTo: past, next: nil)
          at = past
          continue
        }
        isClean = false
        if try openWrapper(text, start..<end, &fragment) {
          at = fragment.start
        } else if let back = swallowedRecord(text, start: start, end: error.offset) {
          at = back
        } else if !style.isContainer, isInList || endsWrapper(text, start..<end),
          let back = swallowedList(text, start: start, end: error.offset)
        {
          at = back
        } else if let inner = innerRecord(text, start: start, before: error.offset) {
          try accept(text, inner, &fragment)
          at = inner.upperBound
        } else {
          at = max(start + 1, error.offset - 3)
        }
      }
    }
    try flush(text, &fragment, upTo: end, next: nil, isEnd: isWhole)
    return end
  }

  /// Whether the object that starts in a line and does not end in it may go on over the next
  /// ones. A record that is cut off, with whole ones on the lines behind it, is none.
  private func goesOn(_ text: Span<UInt8>, _ range: Range<Int>, _ error: JSONError) -> Bool {
    guard style.layout == .lines, error.reason == .unexpectedEnd else { return false }
    let next = range.upperBound + 1
    return next < text.count && text[next] != 0x7B
      && wasted <= consumed + range.lowerBound + Self.step
  }

  /// The last byte of a stretch that is not white space; what was before it where there is none.
  func lastByte(_ text: Span<UInt8>, _ range: Range<Int>) -> UInt8 {
    var at = range.upperBound
    while at > range.lowerBound, TextBytes.isBlank(text[at - 1]) { at -= 1 }
    return at > range.lowerBound ? text[at - 1] : byteBefore
  }

  /// Takes what is before `start`, and leaves the rest until there is more text.
  private func holdBack(_ text: Span<UInt8>, _ fragment: inout Fragment, _ start: Int) throws -> Int
  {
    try flush(text, &fragment, upTo: start, next: start)
    return start
  }

  private func accept(_ text: Span<UInt8>, _ range: Range<Int>, _ fragment: inout Fragment) throws {
    try flush(text, &fragment, upTo: range.lowerBound, next: range.lowerBound)
    let body = text.extracting(range)
    // Parsed before as a part of more.
    try record.text.parse(body)
    try emit(body)
    line += body.occurrences(of: 0x0A)
    isClean = true
    isBehindRecord = true
    byteBefore = 0
    fragment = Fragment(start: range.upperBound)
  }

  private static func opensValue(_ byte: UInt8) -> Bool {
    byte == 0x7B
  }

  /// The next brace that may open a record.
  func nextStart(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var end = range.upperBound
    // The first key of a record over several lines stands on the next one.
    while style.layout == .lines, end < text.count, TextBytes.isBlank(text[end]) { end += 1 }
    let visible = text.extracting(0..<min(end + 1, text.count))
    var at = range.lowerBound
    while at < range.upperBound, let brace = visible.firstIndex(of: 0x7B, from: at) {
      if brace >= range.upperBound { return nil }
      at = brace + 1
      let key = TextBytes.skipSpace(visible, brace + 1)
      guard key < visible.count, visible[key] == 0x22 else { continue }
      if style.keyIndent == nil || opensPretty(visible, brace)
        || TextBytes.starts(visible.extracting(brace..<visible.count), "{\"type\"")
      {
        return brace
      }
    }
    return nil
  }

  /// Whether the brace opens a pretty-printed record: the first key stands alone, indented as in the
  /// other records.
  func opensPretty(_ text: Span<UInt8>, _ brace: Int) -> Bool {
    keyIndent(text, brace).map { $0 == style.keyIndent } ?? false
  }

  /// Whether the brace opens an object that is printed deeper than records are: a part of one.
  func opensDeeper(_ text: Span<UInt8>, _ brace: Int) -> Bool {
    guard let own = style.keyIndent else { return false }
    return keyIndent(text, brace).map { $0 > own } ?? false
  }

  /// White space before the first key of an object, if that stands on a line of its own.
  private func keyIndent(_ text: Span<UInt8>, _ brace: Int) -> Int? {
    let key = TextBytes.skipSpace(text, brace + 1)
    var first = key
    while first > brace + 1, TextBytes.isSpace(text[first - 1]) { first -= 1 }
    return text[first - 1] == 0x0A ? key - first : nil
  }
}
