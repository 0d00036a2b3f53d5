import LosslessJSON

/// A text line by line: what is simply one value, a comment or a marker, and records over several
/// lines. Everything else is sifted.
extension TextSalvage {
  /// Takes what can be taken of `text`; returns how many bytes. All of it if `isFinal`.
  func take(_ text: Span<UInt8>, isFinal: Bool) throws -> Int {
    if style.layout == .stream {
      return try sift(text, 0..<text.count, isWhole: isFinal)
    }
    var at = 0
    while at < text.count {
      guard let end = text.firstIndex(of: 0x0A, from: at) else {
        if !isFinal, text.count - at < 8 * Self.step { return at }
        return try takePart(text, at..<text.count, isWhole: isFinal)
      }
      let next = isLineStart ? try takeLine(text, at..<end, isFinal: isFinal) : nil
      if let next {
        if next == at { return at }
        at = next
        continue
      }
      let taken = try sift(text, at..<end, isWhole: true, isFinal: isFinal)
      if taken < end { return taken }
      at = taken
      // What stands behind a record over several lines is looked at as a line of its own.
      if taken > end { continue }
      try endLine(text, end)
      at = end + 1
    }
    return at
  }

  /// A stretch without a line feed: the last line, or a part of a very long one.
  private func takePart(_ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool) throws -> Int {
    if isWhole, isLineStart {
      if let next = try takeLine(text, range, isFinal: true) { return next }
    }
    isLineStart = false
    return try sift(text, range, isWhole: isWhole)
  }

  private func endLine(_ text: Span<UInt8>, _ end: Int) throws {
    try sink.insignificant(text.extracting(end..<end + 1))
    line += 1
    isLineStart = true
    isClean = true
    isBehindRecord = false
    isInList = false
    isWholeList = false
    isUnbroken = true
    byteBefore = 0
  }

  /// A whole line that is one value, blank, a comment or a marker. Returns where the next line
  /// starts, `range.lowerBound` where more text is needed to tell, nil where it is none of these.
  private func takeLine(_ text: Span<UInt8>, _ range: Range<Int>, isFinal: Bool) throws -> Int? {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, TextBytes.isSpace(text[start]) { start += 1 }
    while end > start, TextBytes.isSpace(text[end - 1]) { end -= 1 }
    func finish() throws -> Int {
      try sink.insignificant(text.extracting(end..<range.upperBound))
      if range.upperBound == text.count { return range.upperBound }
      try endLine(text, range.upperBound)
      return range.upperBound + 1
    }
    if start == end {
      try sink.insignificant(text.extracting(range.lowerBound..<start))
      return try finish()
    }
    let body = text.extracting(start..<end)
    do throws(JSONError) { try record.text.parse(body) } catch {
      let isComment = TextBytes.isComment(body) && Self.isRemark(text, start..<end)
      // A record may be glued to a marker.
      let isMarker =
        TextBytes.isConflictMarker(body) && nextStart(text, start..<end) == nil
      if isComment || isMarker {
        try sink.insignificant(text.extracting(range.lowerBound..<start))
        try sink.quarantine(
          body, shape: isComment ? .commentLine : .conflictMarker, line: line)
        return try finish()
      }
      if error.reason == .unexpectedEnd, body[0] == 0x5B, range.upperBound < text.count,
        let next = try takeLines(text, range, from: start, isFinal: isFinal)
      {
        return next
      }
      if family == .lines, body[0] == 0x5B, !lastWasLoss || start == range.lowerBound,
        let values = joinedValues(text, start..<end)
      {
        try sink.insignificant(text.extracting(range.lowerBound..<start))
        for (at, value) in values.enumerated() {
          let previous = at > 0 ? values[at - 1].upperBound : start
          try sink.insignificant(text.extracting(previous..<value.lowerBound))
          try record.text.parse(text.extracting(value))
          try emit(text.extracting(value))
        }
        return try finish()
      }
      var first = start
      while TextBytes.startsWithMark(text.extracting(first..<end)) { first += 3 }
      let mayList =
        error.reason == .trailingBytes || first > start || body[0] == 0x5B
        || (body[0] == 0x2C && start == range.lowerBound)
      isWholeList = mayList && first < end && isList(text.extracting(first..<end))
      return nil
    }
    let next = range.upperBound + 1
    let isLast = next < text.count ? text[next] == 0x7B : isFinal
    if lastWasLoss {
      if !isBelievable(indent: start - range.lowerBound, isLast: isLast) { return nil }
      if body.count < 3, record.text.kind() == .number, !style.hasScalars {
        if next >= text.count, !isFinal { return range.lowerBound }
        if isFollowedByNoise(text, next) { return nil }
      }
    }
    try sink.insignificant(text.extracting(range.lowerBound..<start))
    try emit(body)
    return try finish()
  }

  /// Whether the line that starts at `start` is no text: between two of those a digit is one by chance.
  private func isFollowedByNoise(_ text: Span<UInt8>, _ start: Int) -> Bool {
    guard start < text.count else { return false }
    let end = text.firstIndex(of: 0x0A, from: start) ?? text.count
    return Fragment.isNoise(text.extracting(start..<end))
  }

  /// The lists and objects that a line consists of, one right behind the other; nil where anything
  /// else is on it.
  private func joinedValues(_ text: Span<UInt8>, _ line: Range<Int>) -> [Range<Int>]? {
    let visible = text.extracting(0..<line.upperBound)
    var values: [Range<Int>] = []
    var at = line.lowerBound
    while at < line.upperBound {
      guard text[at] == 0x5B || text[at] == 0x7B,
        case .value(let end) = scan(text, at..<line.upperBound)
      else { return nil }
      values.append(at..<end)
      at = TextBytes.skipSpace(visible, end)
    }
    return values
  }

  /// Whether a line that is no value is a list of whole objects: then they are records. Some may lack
  /// the comma between them; the list may have been opened on a line before, or go on over the next
  /// ones, in the middle of a record or not. No record ends in a bracket; a record may be glued to one.
  private func isList(_ line: Span<UInt8>) -> Bool {
    let isOpened = line[0] == 0x5B
    var isBehindComma = line[0] == 0x2C
    var commas = isBehindComma ? 1 : 0
    var at = isOpened || isBehindComma ? TextBytes.skipSpace(line, 1) : 0
    while at < line.count {
      if line[at] == 0x5D {
        at += 1
        if at == line.count { return true }
        guard !isOpened, commas > 0, line[at] == 0x7B,
          case .value(let end) = scan(line, at..<line.count)
        else { return false }
        return end == line.count
      }
      guard line[at] == 0x7B else { return false }
      if at + 1 == line.count { return isBehindComma }
      guard case .value(let end) = scan(line, at..<line.count) else { return false }
      at = TextBytes.skipSpace(line, end)
      isBehindComma = at < line.count && line[at] == 0x2C
      if isBehindComma {
        commas += 1
        at = TextBytes.skipSpace(line, at + 1)
      }
    }
    return isOpened ? isBehindComma : commas > 0
  }

  /// Whether what looks like a comment is one, with no record glued to it. A record that was
  /// commented out stands right behind the mark.
  private static func isRemark(_ text: Span<UInt8>, _ line: Range<Int>) -> Bool {
    if Fragment.isNoise(text.extracting(line)) { return false }
    let visible = text.extracting(0..<line.upperBound)
    var at = line.lowerBound
    while at < line.upperBound, [0x23, 0x2F, 0x20, 0x09].contains(text[at]) { at += 1 }
    while let brace = visible.firstIndex(of: 0x7B, from: at) {
      // The first key of a record over several lines stands on the next one.
      let key = brace + 1 < line.upperBound ? brace + 1 : TextBytes.skipSpace(text, brace + 1)
      if key < text.count, text[key] == 0x22 { return brace == at }
      at = brace + 1
    }
    return true
  }

  /// Whether a line behind a loss is a record, and not a part of a record over several lines.
  /// - Parameter isLast: whether a record starts with the next line, or none is there: then what is
  ///   indented here may be so for the white space of a torn one.
  private func isBelievable(indent: Int, isLast: Bool = false) -> Bool {
    guard record.text.kind() == .object else {
      if family == .lines, indent == 0 { return true }
      return style.hasScalars || (indent == 0 && isListOfRecords())
    }
    if indent == 0 || style.hasIndentedRecords { return true }
    return looksLikeRecord(0, isKnown: !isLast)
  }

  /// Whether the value in `record.text` is an array of nothing but objects that look like records,
  /// or like no part of one that was seen and say what they are.
  func isListOfRecords() -> Bool {
    guard family == .graph, record.text.kind() == .array else { return false }
    let elements = record.text.children(of: 0)
    return !elements.isEmpty && elements.allSatisfy { looksLikeRecord($0, isKnown: false) }
  }

  /// Whether an object in `record.text` looks like records that were seen; where it need not be known,
  /// whether it looks like no part of one, and says what it is.
  private func looksLikeRecord(_ token: Int, isKnown: Bool) -> Bool {
    let text = record.text
    guard text.kind(token) == .object else { return false }
    if shapes.isKnown(token, text.index, text.bytes.span, 0) { return true }
    if isKnown || shapes.isInner(token, text.index, text.bytes.span, 0) { return false }
    return text.member("type", of: token).map { text.kind($0) == .string } ?? false
  }

  /// Whether `line` is objects with commas between them, perhaps with one behind the last.
  func isListOfObjects(_ line: Span<UInt8>) -> Bool {
    guard line[0] == 0x7B else { return false }
    var list = ByteBuffer()
    list.append(0x5B)
    list.append(line.extracting(0..<line.count - (line[line.count - 1] == 0x2C ? 1 : 0)))
    list.append(0x5D)
    do throws(JSONError) { try record.text.parse(list.span) } catch { return false }
    let text = record.text
    return text.children(of: 0).allSatisfy { text.kind($0) == .object }
  }

  /// A list over several lines among records of one line each. Nil where there is none.
  private func takeLines(
    _ text: Span<UInt8>, _ range: Range<Int>, from start: Int, isFinal: Bool
  ) throws -> Int? {
    // A record that is cut off, with whole ones on the lines behind it, is none.
    let second = range.upperBound + 1
    guard second < text.count else { return isFinal ? nil : range.lowerBound }
    if text[second] != 0x7B, wasted <= consumed + range.lowerBound + Self.step {
      switch scan(text, start..<text.count) {
      case .value(let end):
        let body = text.extracting(start..<end)
        do throws(JSONError) { try record.text.parse(body) } catch { return nil }
        if lastWasLoss, !isBelievable(indent: start - range.lowerBound) { return nil }
        if indent(text, end - 1) > start - range.lowerBound { return nil }
        try sink.insignificant(text.extracting(range.lowerBound..<start))
        let lines = body.occurrences(of: 0x0A)
        try emit(body)
        line += lines
        // What stands behind it on its last line is looked at as a line of its own.
        return end
      case .failure(let error):
        if error.reason == .unexpectedEnd, error.offset == text.count, !isFinal,
          text.count - start < 16 * Self.step
        {
          return range.lowerBound
        }
        wasted += error.offset - start
      }
    }
    return nil
  }
}
