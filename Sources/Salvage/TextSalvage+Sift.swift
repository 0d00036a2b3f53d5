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
  /// to `range.upperBound` if `isWhole`, else less where more text is needed to tell.
  func sift(_ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool) throws -> Int {
    let end = range.upperBound
    var at = range.lowerBound
    var fragment = Fragment(start: at)
    /// Where the parser failed last: what starts there is no part of what was before.
    var breaks = -1
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
      switch scan(text, start..<end) {
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
        if isRecord(
          text, start..<valueEnd, end: end, isPlaced: isPlaced, mayNest: mayNest,
          fragment: fragment.start)
        {
          try accept(text, start..<valueEnd, &fragment)
        } else {
          isClean = false
        }
        at = valueEnd
      case .failure(let error):
        if !isWhole, error.reason == .unexpectedEnd, end - start < Self.valueLimit {
          return try holdBack(text, &fragment, start)
        }
        let isPlaced = isClean && start == at
        breaks = error.offset
        fragment.note(error, start: start, isPlaced: isPlaced)
        isClean = false
        if let back = swallowedRecord(text, start: start, end: error.offset) {
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
    if style.layout == .stream { line += body.occurrences(of: 0x0A) }
    isClean = true
    isBehindRecord = true
    fragment = Fragment(start: range.upperBound)
  }

  private static func opensValue(_ byte: UInt8) -> Bool {
    byte == 0x7B
  }

  /// Passes over what may stand between records. Returns where it ends; nil where that takes
  /// more text to tell.
  private func skipSeparators(
    _ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool
  ) throws -> Int? {
    var at = range.lowerBound
    let end = range.upperBound
    loop: while at < end {
      switch text[at] {
      case 0x20, 0x09, 0x0D, 0x0A, 0x2C: at += 1
      case 0x5B where style.isContainer, 0x5D where style.isContainer,
        0x7D where style.isContainer:
        at += 1
      case 0x7B where style.isContainer && opensWrapper(text, at..<end): at += 1
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
    if TextBytes.starts(rest, "\"entities\"") || TextBytes.starts(rest, "\"relations\"") {
      return true
    }
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
    let isList = TextBytes.starts(key, "\"entities\"") || TextBytes.starts(key, "\"relations\"")
    if isList, text[value] == 0x5B { return .list(value + 1) }
    switch scan(text, value..<range.upperBound) {
    case .value(let end): return end == range.upperBound ? .needsMore : .other(end)
    case .failure(let error): return error.reason == .unexpectedEnd ? .needsMore : .none
    }
  }

  /// The next brace that may open a record.
  private func nextStart(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    let visible = text.extracting(0..<range.upperBound)
    var at = range.lowerBound
    while let brace = visible.firstIndex(of: 0x7B, from: at) {
      at = brace + 1
      let key = TextBytes.skipSpace(visible, brace + 1)
      guard key < visible.count, visible[key] == 0x22 else { continue }
      guard let indent = style.keyIndent else { return brace }
      // A pretty-printed record's first key stands alone, indented as in the other records.
      var first = key
      while first > brace + 1, TextBytes.isSpace(visible[first - 1]) { first -= 1 }
      if visible[first - 1] == 0x0A, key - first == indent { return brace }
    }
    return nil
  }

  // MARK: What is a record

  func isKnown(_ signature: Int) -> Bool {
    shapes.isTop(signature) && !shapes.isInner(signature)
  }

  /// Whether the object is one that only records are: by its signature, or, in a graph, by being
  /// a whole entity or relation.
  private func isKnown(_ text: Span<UInt8>, _ range: Range<Int>, token: Int, base: Int) -> Bool {
    let signature = RecordShapes.signature(token, index, text, base)
    if shapes.isInner(signature) { return false }
    if shapes.isTop(signature) { return true }
    guard family == .graph else { return false }
    do throws(JSONError) { try record.text.parse(text.extracting(range)) } catch { return false }
    return isSoundGraphRecord()
  }

  /// Whether the object in `range`, just scanned, is a record rather than a part of one.
  /// - Parameter isPlaced: whether it stands where a record may start.
  /// - Parameter mayNest: whether it may be a part of what was before, as far as the parser says.
  private func isRecord(
    _ text: Span<UInt8>, _ range: Range<Int>, end: Int, isPlaced: Bool, mayNest: Bool,
    fragment: Int
  ) -> Bool {
    let goesOn = continues(text, range.upperBound..<end)
    let signature = RecordShapes.signature(0, index, text, range.lowerBound)
    if isPlaced {
      // What stands at the start of a line and ends in damage may be a part of a lost record.
      if !goesOn, !endsCleanly(text, range.upperBound..<end),
        index.count == 1 || (shapes.isInner(signature) && !shapes.isTop(signature))
      {
        return false
      }
      return !goesOn || isKnown(text, range, token: 0, base: range.lowerBound)
    }
    if style.keyIndent != nil { return true }
    var before = range.lowerBound
    while before > fragment, TextBytes.isBlank(text[before - 1]) { before -= 1 }
    let isNested =
      mayNest && before > fragment && [0x3A, 0x5B, 0x2C].contains(text[before - 1])
    if isNested, goesOn, style.layout == .lines { return false }
    if isNested || goesOn { return isKnown(text, range, token: 0, base: range.lowerBound) }
    return index.count > 1 && (shapes.isTop(signature) || !shapes.isInner(signature))
  }

  /// Whether the line ends behind a value, or another record starts. What follows a comma may be
  /// the next element of a list whose beginning is lost.
  private func endsCleanly(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    if at == range.upperBound || text[at] == 0x7B { return true }
    guard text[at] == 0x2C else { return false }
    return style.isContainer || TextBytes.skipSpace(visible, at + 1) == range.upperBound
  }

  /// Whether what follows a value makes it a part of another one.
  private func continues(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    guard at < range.upperBound else { return false }
    switch text[at] {
    case 0x7D, 0x5D: return !style.isContainer
    case 0x3A: return true
    case 0x2C:
      let next = TextBytes.skipSpace(visible, at + 1)
      return next < range.upperBound && text[next] != 0x7B
    default: return false
    }
  }

  /// A record that was cut off before a value, so that the next record took that value's place:
  /// the object that ends where the parser failed.
  private func innerRecord(_ text: Span<UInt8>, start: Int, before offset: Int) -> Range<Int>? {
    var end = min(offset, text.count)
    while end > start, TextBytes.isBlank(text[end - 1]) || text[end - 1] == 0x2C { end -= 1 }
    guard end > start, text[end - 1] == 0x7D else { return nil }
    guard let token = index.objectEnding(at: end - start) else { return nil }
    let range = start + Int(index.tokens[token].start)..<end
    if isKnown(text, range, token: token, base: start) { return range }
    return closesAround(text, start, range) ? range : nil
  }

  /// Whether what stands before and behind an object on its line is one value without it: then
  /// another writer put it there.
  private func closesAround(_ text: Span<UInt8>, _ start: Int, _ inner: Range<Int>) -> Bool {
    guard style.layout == .lines, index.count > 1, wasted <= 8 * (consumed + Self.step) else {
      return false
    }
    let end = text.firstIndex(of: 0x0A, from: inner.upperBound) ?? text.count
    // Of two objects side by side either may be the other writer's.
    let next = TextBytes.skipSpace(text, inner.upperBound)
    guard next < end, text[next] != 0x7B else { return false }
    wasted += end - start
    var around = ByteBuffer()
    around.append(text.extracting(start..<inner.lowerBound))
    around.append(text.extracting(inner.upperBound..<end))
    do throws(JSONError) { try record.text.parse(around.span) } catch { return false }
    return record.text.kind() == .object
  }

  /// In a container, a record that lacks only its last brace takes the list behind it, up to the
  /// end of the container, for a member of its own: the start of the first record in that.
  private func swallowedList(_ text: Span<UInt8>, start: Int, end: Int) -> Int? {
    guard style.isContainer, index.count > 1 else { return nil }
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
      for name in ["\"relations\"", "\"entities\""] as [StaticString] {
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
  private func swallowed(_ text: Span<UInt8>, start: Int, end: Int, isLast: Bool) -> Int? {
    // The first key of a pretty-printed record stands no deeper than that of any other.
    if style.keyIndent != nil || (isLast && style.isContainer),
      let record = swallowedRecord(text, start: start, end: end)
    {
      return record
    }
    guard let list = swallowedList(text, start: start, end: end) else { return nil }
    return swallowedRecord(text, start: start, end: list) ?? list
  }

  /// In a container, a record that was cut off inside an array takes all that follow for its
  /// elements: the start of the first of them. Bounded, for the text is read again from there.
  private func swallowedRecord(_ text: Span<UInt8>, start: Int, end: Int) -> Int? {
    guard style.layout == .stream, wasted <= 8 * (consumed + Self.step) else { return nil }
    // An object of the record that is whole may have got its end from the container.
    for token in index.objects() {
      let entry = index.tokens[token]
      let at = start + Int(entry.start)
      if at >= end { break }
      let isWhole = entry.end > entry.start
      let isRecord: Bool
      if style.keyIndent != nil {
        isRecord = nextStart(text, at..<end) == at
      } else if isWhole {
        isRecord = isKnown(text, at..<start + Int(entry.end), token: token, base: start)
      } else {
        isRecord = isKnown(RecordShapes.signature(token, index, text, start))
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

extension JSONIndex {
  /// The nested object that ends at `end`, in the text or in what of it was read.
  func objectEnding(at end: Int) -> Int? {
    let tokens = tokens.span
    var token = count - 1
    while token > 0 {
      let entry = tokens[token]
      if entry.kind == .object, entry.end > entry.start, Int(entry.end) == end { return token }
      token -= 1
    }
    return nil
  }

  /// The nested objects, in source order.
  func objects() -> [Int] {
    let tokens = tokens.span
    var found: [Int] = []
    var token = 1
    while token < count {
      if tokens[token].kind == .object { found.append(token) }
      token += 1
    }
    return found
  }
}
