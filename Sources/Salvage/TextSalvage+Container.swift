import LosslessJSON
import Records

/// The arrays and wrappers around records, and records that took what follows for their own.
extension TextSalvage {
  /// Passes over what may stand between records. Returns where it ends; nil where that takes
  /// more text to tell.
  func skipSeparators(
    _ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool
  ) throws -> Int? {
    var at = range.lowerBound
    let end = range.upperBound
    loop: while at < end {
      switch text[at] {
      case 0x20, 0x09, 0x0D, 0x0A, 0x2C: at += 1
      case 0x5B where style.isContainer, 0x5D where style.isContainer || isInList,
        0x7D where style.isContainer || isInList:
        if text[at] == 0x5D { isWholeList = false }
        at += 1
      case 0x5B where family == .graph && opensList(text, at..<end):
        isInList = true
        if !isWholeList { isWholeList = isWhole && isWholeList(text, at..<end) }
        at += 1
      case 0x7B where style.isContainer && opensWrapper(text, at..<end): at += 1
      case 0x7B where !style.isContainer && family == .graph:
        guard let list = wrapperOpening(text, at..<end) else { break loop }
        isInList = true
        at = list
      case 0x22 where isInList && !style.isContainer:
        guard case .list(let next) = wrapperMember(text, at..<end) else { break loop }
        at = next
      case 0x22 where style.isContainer:
        switch wrapperMember(text, at..<end) {
        case .list(let next): at = next
        case .other(let next):
          try pass(text, range.lowerBound..<at)
          try sink.irregular(
            text.extracting(at..<next), reason: "a member of the wrapper that is no record",
            line: line)
          return next
        case .needsMore:
          if isWhole || end - at > Self.valueLimit { break loop }
          try pass(text, range.lowerBound..<at)
          return at == range.lowerBound ? nil : at
        case .none: break loop
        }
      default: break loop
      }
    }
    try pass(text, range.lowerBound..<at)
    return at
  }

  /// Whether the bracket opens a list of objects on its line.
  private func opensList(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let brace = TextBytes.skipSpace(visible, range.lowerBound + 1)
    guard brace < range.upperBound, text[brace] == 0x7B else { return false }
    // The first key of a record over several lines stands on the next one.
    let key = TextBytes.skipSpace(text, brace + 1)
    return key < text.count && text[key] == 0x22
  }

  /// Whether the list is whole, and nothing behind it says that it is a part of more. Behind a loss
  /// it must be one of records, at the left.
  private func isWholeList(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard style.layout == .lines, wasted <= consumed + range.lowerBound + Self.step
    else { return false }
    guard case .value(let end) = scan(text, range) else {
      wasted += range.count
      return false
    }
    wasted += end - range.lowerBound
    if lastWasLoss {
      let list = text.extracting(range.lowerBound..<end)
      guard range.lowerBound == 0 ? isLineStart : isAtLeft(text, range.lowerBound) else {
        return false
      }
      do throws(JSONError) { try record.text.parse(list) } catch { return false }
      guard isListOfRecords() else { return false }
    }
    let next = TextBytes.skipSpace(text.extracting(0..<range.upperBound), end)
    return next == range.upperBound || text[next] == 0x7B
  }

  /// Where the first list of a wrapper, `{"entities":[`, starts, if its brace is one of those.
  func wrapperOpening(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    let visible = text.extracting(0..<range.upperBound)
    let key = TextBytes.skipSpace(visible, range.lowerBound + 1)
    for name in Self.listKeys {
      guard TextBytes.starts(visible.extracting(min(key, visible.count)..<visible.count), name)
      else { continue }
      let colon = TextBytes.skipSpace(visible, key + name.utf8CodeUnitCount)
      guard colon < visible.count, text[colon] == 0x3A else { return nil }
      let list = TextBytes.skipSpace(visible, colon + 1)
      return list < visible.count && text[list] == 0x5B ? list + 1 : nil
    }
    return nil
  }

  /// Opens the wrapper that starts a damaged stretch of a line, unless it is a part of a record;
  /// whether it did.
  func openWrapper(
    _ text: Span<UInt8>, _ range: Range<Int>, _ fragment: inout Fragment
  ) throws -> Bool {
    guard family == .graph, !style.isContainer, let list = wrapperOpening(text, range),
      ![0x3A, 0x5B, 0x2C].contains(lastByte(text, fragment.start..<range.lowerBound))
    else { return false }
    try flush(text, &fragment, upTo: range.lowerBound, next: range.lowerBound)
    try pass(text, range.lowerBound..<list)
    fragment = Fragment(start: list)
    isInList = true
    isClean = true
    return true
  }

  private func pass(_ text: Span<UInt8>, _ range: Range<Int>) throws {
    let bytes = text.extracting(range)
    if style.layout == .stream { line += bytes.occurrences(of: 0x0A) }
    try sink.insignificant(bytes)
  }

  private enum WrapperMember {
    case list(Int)
    case other(Int)
    case needsMore
    case none
  }

  /// Whether the brace opens a wrapper and no record: its first key is not one of a record.
  private func opensWrapper(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let key = TextBytes.skipSpace(text.extracting(0..<range.upperBound), range.lowerBound + 1)
    guard key < range.upperBound, text[key] == 0x22 else { return false }
    let rest = text.extracting(key..<range.upperBound)
    if Self.listKeys.contains(where: { TextBytes.starts(rest, $0) }) { return true }
    // At the very start of a wrapper other members may come first.
    return sink.position <= 3 && !style.hasRecordFirst(rest)
  }

  /// `"entities": [` and other members of a wrapper.
  private func wrapperMember(_ text: Span<UInt8>, _ range: Range<Int>) -> WrapperMember {
    guard case .value(let keyEnd) = scan(text, range) else { return .needsMore }
    let visible = text.extracting(0..<range.upperBound)
    let colon = TextBytes.skipSpace(visible, keyEnd)
    guard colon < range.upperBound else { return .needsMore }
    guard text[colon] == 0x3A else { return .none }
    let value = TextBytes.skipSpace(visible, colon + 1)
    guard value < range.upperBound else { return .needsMore }
    let key = text.extracting(range.lowerBound..<keyEnd)
    let isList = Self.listKeys.contains { TextBytes.starts(key, $0) }
    if isList, text[value] == 0x5B { return .list(value + 1) }
    switch scan(text, value..<range.upperBound) {
    case .value(let end): return end == range.upperBound ? .needsMore : .other(end)
    case .failure(let error): return error.reason == .unexpectedEnd ? .needsMore : .none
    }
  }

  /// Whether the line ends as a wrapper does, whose beginning may be lost. Bounded, for each record
  /// of the line that is torn asks.
  func endsWrapper(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard wasted <= 8 * (consumed + Self.step) else { return false }
    var end = range.upperBound
    defer { wasted += range.upperBound - end }
    for byte in [UInt8(0x7D), 0x5D] {
      while end > range.lowerBound, TextBytes.isBlank(text[end - 1]) { end -= 1 }
      guard end > range.lowerBound, text[end - 1] == byte else { return false }
      end -= 1
    }
    return true
  }

  /// In a wrapper, a record that lacks its end takes the list behind it, up to the end of the wrapper,
  /// for a member of its own: the start of the first record in that.
  func swallowedList(_ text: Span<UInt8>, start: Int, end: Int) -> Int? {
    guard index.count > 1 else { return nil }
    for token in index.objects() {
      let at = start + Int(index.tokens[token].start)
      var before = at
      for byte in [UInt8(0x5B), 0x3A] {
        while before > start, TextBytes.isBlank(text[before - 1]) { before -= 1 }
        guard before > start, text[before - 1] == byte else {
          before = start
          break
        }
        before -= 1
      }
      while before > start, TextBytes.isBlank(text[before - 1]) { before -= 1 }
      for name in Self.listKeys {
        let key = before - name.utf8CodeUnitCount
        guard key > start, TextBytes.starts(text.extracting(key..<before), name) else { continue }
        wasted += end - at
        return wasted <= 8 * (consumed + Self.step) ? at : nil
      }
    }
    return nil
  }

  /// What parses, but is a record that was cut off and took records behind it, and the ends of
  /// what is around them all, for its own: the start of the first of those records.
  /// - Parameter isLast: whether the text ends behind it, although a container is open.
  func swallowed(_ text: Span<UInt8>, start: Int, end: Int, isLast: Bool) -> Int? {
    // The first key of a pretty-printed record stands no deeper than that of any other.
    if style.keyIndent != nil || (isLast && style.isContainer),
      let record = swallowedRecord(text, start: start, end: end)
    {
      return record
    }
    guard style.isContainer, let list = swallowedList(text, start: start, end: end) else {
      return nil
    }
    return swallowedRecord(text, start: start, end: list) ?? list
  }

  /// In a container, where the record ends that only has bytes in its strings that none may have: what
  /// is behind it stands where a record may start. Leaves the index as it was.
  func spoiledEnd(_ text: Span<UInt8>, _ range: Range<Int>, _ error: JSONError) -> Int? {
    guard style.isContainer else { return nil }
    defer { _ = scan(text, range) }
    var limit = min(range.upperBound, error.offset + Self.spoiledStep)
    while true {
      switch mended(text.extracting(range.lowerBound..<limit), error.offset - range.lowerBound) {
      case .value(let end):
        let past = range.lowerBound + end
        let next = TextBytes.skipSpace(text, past)
        let isBetween = next < range.upperBound && (text[next] == 0x2C || text[next] == 0x5D)
        let isWhole = isBetween && swallowedRecord(text, start: range.lowerBound, end: past) == nil
        return isWhole ? past : nil
      case .failure(let next):
        guard next.reason == .unexpectedEnd, limit < range.upperBound,
          limit - range.lowerBound < Self.spoiledLimit
        else { return nil }
        limit = min(range.upperBound, limit + 4 * (limit - range.lowerBound))
      }
    }
  }

  /// Parses the value at the start of a text as if the bytes in its strings that none may have, the
  /// first of them at `offset`, were others.
  private func mended(_ text: Span<UInt8>, _ offset: Int) -> Scanned {
    var copy = ByteBuffer()
    copy.append(text)
    var bytes = copy.array
    wasted += bytes.count
    var error = JSONError(.controlCharacter, at: offset)
    for _ in 0..<Self.spoiledRuns where wasted <= 8 * (consumed + Self.step) {
      var at = error.offset
      while at < bytes.count, bytes[at] < 0x20 || bytes[at] >= 0x7F, bytes[at] != 0x0A {
        bytes[at] = 0x3F
        at += 1
      }
      if at == error.offset { break }
      guard case .failure(let next) = scan(bytes.span, 0..<bytes.count) else {
        return .value(Int(index.tokens[0].end))
      }
      error = next
      guard [.controlCharacter, .invalidUTF8].contains(error.reason) else { break }
      wasted += error.offset
    }
    return .failure(error)
  }

  /// In a container, a record that was cut off inside an array takes all that follow for its
  /// elements: the start of the first of them. Bounded, for the text is read again from there.
  func swallowedRecord(_ text: Span<UInt8>, start: Int, end: Int) -> Int? {
    guard style.layout == .stream, wasted <= 8 * (consumed + Self.step) else { return nil }
    // An object of the record that is whole may have got its end from the container.
    for token in index.objects() {
      let entry = index.tokens[token]
      let at = start + Int(entry.start)
      if at >= end { break }
      let isWhole = entry.end > entry.start
      let isRecord: Bool
      if style.keyIndent != nil, opensPretty(text, at) {
        isRecord = true
      } else if isWhole {
        isRecord = isKnown(text, at..<start + Int(entry.end), token: token, base: start)
      } else {
        isRecord =
          !opensDeeper(text, at) && isKnown(RecordShapes.signature(token, index, text, start))
      }
      guard isRecord else { continue }
      wasted += max(0, end - at)
      return at
    }
    return nil
  }
}

extension TextStyle {
  /// Whether the first key is one that records have.
  func hasRecordFirst(_ key: Span<UInt8>) -> Bool {
    for name in [
      "\"type\"", "\"name\"", "\"from\"", "\"to\"", "\"entityType\"", "\"relationType\"",
    ]
      as [StaticString] where TextBytes.starts(key, name)
    {
      return true
    }
    return false
  }
}
