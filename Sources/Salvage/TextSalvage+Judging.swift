import LosslessJSON
import Records

/// What is a record, and what only a part of one.
extension TextSalvage {
  func isKnown(_ signature: Int) -> Bool {
    shapes.isTop(signature) && !shapes.isInner(signature)
  }

  /// Whether the object is one that only records are: by its signature, or, in a graph, by being
  /// a whole entity or relation. Where all records say what they are, one that does not is a part.
  func isKnown(_ text: Span<UInt8>, _ range: Range<Int>, token: Int, base: Int) -> Bool {
    if opensDeeper(text, range.lowerBound) { return false }
    if shapes.isKnown(token, index, text, base) { return true }
    guard family == .graph, index.tokens[token].end > index.tokens[token].start,
      !shapes.isInner(token, index, text, base)
    else { return false }
    do throws(JSONError) { try record.text.parse(text.extracting(range)) } catch { return false }
    return isSoundGraphRecord() && (shapes.mayLackType || record.text.member("type") != nil)
  }

  /// Whether the object in `range`, just scanned, is a record rather than a part of one.
  /// - Parameter isPlaced: whether it stands where a record may start.
  /// - Parameter mayNest: whether it may be a part of what was before, as far as the parser says.
  func isRecord(
    _ text: Span<UInt8>, _ range: Range<Int>, end: Int, isPlaced: Bool, mayNest: Bool,
    fragment: inout Fragment
  ) -> Bool {
    // An empty object within a line of a graph is a part of a record, or of a text in one.
    if index.count == 1, family == .graph, style.layout == .lines { return false }
    let goesOn = continues(text, range.upperBound..<end)
    let signature = RecordShapes.signature(0, index, text, range.lowerBound)
    let isOverLines = style.layout == .lines && text.extracting(range).firstIndex(of: 0x0A) != nil
    // An object whose end stands deeper than its beginning has lost what was before that; where it
    // begins behind damage, what its line is indented by is not its own.
    if isOverLines,
      indent(text, range.upperBound - 1) > (isPlaced ? indent(text, range.lowerBound) : 0)
    {
      return isKnown(text, range, token: 0, base: range.lowerBound)
    }
    if isPlaced {
      if style.isContainer, isBehindList(text, range.lowerBound) {
        return isKnown(text, range, token: 0, base: range.lowerBound)
      }
      if startsList(text, range, end: end) { isWholeList = true }
      if isWholeList, isUnbroken, !lastWasLoss { return family == .lines || index.count > 1 }
      if isWholeList || (isOverLines && isUnbroken && isAtLeft(text, range.upperBound - 1)) {
        return index.count > 1 && (shapes.isTop(signature) || !shapes.isInner(signature))
      }
      // Behind a loss what is indented may be a part of a record over several lines.
      if style.layout == .lines, lastWasLoss || (isOverLines && family == .graph),
        !style.hasIndentedRecords,
        isIndented(text, range.lowerBound)
          || (isOverLines && opensIndented(text, range.upperBound - 1))
      {
        return isKnown(text, range, token: 0, base: range.lowerBound)
      }
      // In a list that nothing was lost of, every object is a record.
      if style.isContainer, isUnbroken { return index.count > 1 }
      // The last of a list, and a record glued to that.
      if isUnbroken, !isBehindRecord, endsListGlued(text, range.upperBound..<end) {
        return !shapes.isInner(signature) && isTyped(text, range)
      }
      // What stands at the start of a line and ends in damage may be a part of a lost record.
      if goesOn || isListed(text, range.upperBound..<end) {
        return isKnown(text, range, token: 0, base: range.lowerBound)
          || (isTyped(text, range) && isAmongRecords(text, range, end: end))
      }
      return endsCleanly(text, range.upperBound..<end)
        || (index.count > 1 && (shapes.isTop(signature) || !shapes.isInner(signature)))
    }
    if style.keyIndent != nil {
      return opensPretty(text, range.lowerBound)
        || isKnown(text, range, token: 0, base: range.lowerBound)
    }
    var before = range.lowerBound
    while before > fragment.start, TextBytes.isBlank(text[before - 1]) { before -= 1 }
    let last = before > fragment.start ? text[before - 1] : byteBefore
    let isOpened =
      last == 0x5B && before > fragment.start && opensList(text, fragment.start..<before - 1)
    if isOpened {
      isInList = true
      fragment.list = before
    }
    if range.lowerBound < fragment.memberEnd { return false }
    if last == 0x5B, !isOpened, let list = memberList(text, fragment.start..<before, range, end) {
      fragment.memberEnd = list
      return false
    }
    if isContainer(text, range), ![0x3A, 0x5B, 0x2C].contains(last) { return true }
    // What stands at the left in a container is no part of a record, however those are printed.
    let isNested =
      mayNest && !isOpened && [0x3A, 0x5B, 0x2C].contains(last) && !isAtLeft(text, range.lowerBound)
    let isLine = style.layout == .lines
    if isNested, goesOn, isLine, !isKey(text, range.upperBound..<end),
      !endsList(text, range.upperBound..<end),
      !endsInForeign(text, range.upperBound..<end),
      !(isOverLines && isAtLeft(text, range.upperBound - 1)),
      !isBehindObjects(text, fragment, range.lowerBound)
    {
      return false
    }
    // Bytes that no text has may have replaced the key of a list that is a part of a record.
    let isUnnamed =
      isOpened && !isAtLeft(text, before - 1)
      && TextBytes.isForeign(lastByte(text, fragment.start..<before - 1))
    if isNested || goesOn || isUnnamed || isListed(text, range.upperBound..<end) {
      if isKnown(text, range, token: 0, base: range.lowerBound) { return true }
      if isTyped(text, range), isAmongRecords(text, range, end: end) { return true }
      return !isNested && isLine && !shapes.isInner(signature) && isTyped(text, range)
        && closesAround(text, fragment.start, range)
    }
    if shapes.isTop(signature) || isAloneButForNULs(text, fragment.start, range, end) {
      return index.count > 1
    }
    return index.count > 1 && !shapes.isInner(signature)
      && (family == .lines || isTyped(text, range))
  }

  /// Whether an object stands in a list, behind another one, and what follows it says that it is
  /// one of its records: one that only records are like, in the same list, or the next list.
  private func isAmongRecords(_ text: Span<UInt8>, _ range: Range<Int>, end: Int) -> Bool {
    var before = range.lowerBound
    for byte in [UInt8(0x2C), 0x7D] {
      while before > 0, TextBytes.isBlank(text[before - 1]) { before -= 1 }
      guard before > 0, text[before - 1] == byte else { return false }
      before -= 1
    }
    // What is so of an object is so of those behind it that were asked for it.
    if consumed + range.upperBound > siblings.end {
      var at = range.upperBound
      siblings.areRecords = leadsToRecord(text.extracting(0..<end), &at)
      siblings.end = consumed + at
    }
    return siblings.areRecords
  }

  /// Whether behind the objects that follow at `at`, with commas between them, there is a record, or
  /// the next list of a wrapper. Goes on to where that is known.
  private func leadsToRecord(_ text: Span<UInt8>, _ at: inout Int) -> Bool {
    var isRecord = false
    while wasted <= 8 * (consumed + Self.step) {
      let mark = TextBytes.skipSpace(text, at)
      guard mark < text.count, text[mark] == 0x2C || text[mark] == 0x5D else { return false }
      if isRecord { return true }
      let next = TextBytes.skipSpace(text, mark + 1)
      if text[mark] == 0x5D {
        guard next < text.count, text[next] == 0x2C else { return false }
        let key = text.extracting(TextBytes.skipSpace(text, next + 1)..<text.count)
        return Self.listKeys.contains { TextBytes.starts(key, $0) }
      }
      guard next < text.count, text[next] == 0x7B,
        case .value(let end) = scan(text, next..<text.count)
      else { return false }
      wasted += end - next
      isRecord = isKnown(text, next..<end, token: 0, base: next)
      at = end
    }
    return false
  }

  /// Whether a list ends in front of the comma before `start`: in no container do records follow so.
  private func isBehindList(_ text: Span<UInt8>, _ start: Int) -> Bool {
    var at = start
    for byte in [UInt8(0x2C), 0x5D] {
      while at > 0, TextBytes.isBlank(text[at - 1]) { at -= 1 }
      guard at > 0, text[at - 1] == byte else { return false }
      at -= 1
    }
    return true
  }

  /// Whether with the object in `range`, right behind a record, a list begins that is whole and all
  /// of the rest of the line.
  private func startsList(_ text: Span<UInt8>, _ range: Range<Int>, end: Int) -> Bool {
    guard isUnbroken, isBehindRecord, !isWholeList, isListed(text, range.upperBound..<end),
      wasted <= 8 * (consumed + Self.step)
    else { return false }
    wasted += end - range.upperBound
    return isListOfObjects(text.extracting(range.lowerBound..<end))
  }

  /// Whether between the record before, on the same line, or the start of the line or of a list in the
  /// fragment, and `end` there is nothing but whole objects and commas.
  private func isBehindObjects(_ text: Span<UInt8>, _ fragment: Fragment, _ end: Int) -> Bool {
    guard isBehindRecord || isUnbroken || fragment.list != nil,
      wasted <= 8 * (consumed + Self.step)
    else { return false }
    var start = TextBytes.skipSpace(text, fragment.list ?? fragment.start)
    wasted += end - start
    if start < end, text[start] == 0x2C { start += 1 }
    var end = end
    while end > start, TextBytes.isBlank(text[end - 1]) { end -= 1 }
    return end > start && text[start] == 0x7B && isListOfObjects(text.extracting(start..<end))
  }

  /// Whether an array that starts behind `range` is no part of what stands there: nothing that goes
  /// on with an array ends in a brace, or in a byte that no text has.
  private func opensList(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var at = range.upperBound
    while at > range.lowerBound, TextBytes.isBlank(text[at - 1]) { at -= 1 }
    guard at > range.lowerBound else { return isBehindRecord }
    if text[at - 1] == 0x3A { return endsInListKey(text, range.lowerBound..<at - 1) }
    if text[at - 1] == 0x7D || TextBytes.isForeign(text[at - 1]) { return true }
    // A byte order mark, of a file that was put behind another.
    return at - 3 >= range.lowerBound && TextBytes.startsWithMark(text.extracting(at - 3..<at))
  }

  /// Where the list ends that the object in `range` is the first of, if it is whole, of several
  /// objects and nothing else, and stands between its key, which is none of a wrapper, and another
  /// one: nobody writes records so.
  /// - Parameter opening: what is before the object, up to and with the bracket.
  private func memberList(
    _ text: Span<UInt8>, _ opening: Range<Int>, _ range: Range<Int>, _ end: Int
  ) -> Int? {
    guard style.layout == .lines else { return nil }
    var colon = opening.upperBound - 1
    guard lastByte(text, opening.lowerBound..<colon) == 0x3A else { return nil }
    while colon > opening.lowerBound, text[colon - 1] != 0x3A { colon -= 1 }
    guard colon > opening.lowerBound, !endsInListKey(text, opening.lowerBound..<colon - 1),
      wasted <= 8 * (consumed + Self.step)
    else { return nil }
    let visible = text.extracting(0..<end)
    let next = TextBytes.skipSpace(visible, range.upperBound)
    guard next < end, text[next] == 0x2C else { return nil }
    wasted += end - range.lowerBound
    // The object's own tokens are wanted again.
    defer { _ = scan(text, range) }
    guard case .value(let list) = scan(text, opening.upperBound - 1..<end),
      index.isListOfObjects
    else { return nil }
    var key = TextBytes.skipSpace(visible, list)
    guard key < end, text[key] == 0x2C else { return nil }
    key = TextBytes.skipSpace(visible, key + 1)
    guard key < end, text[key] == 0x22 else { return nil }
    let rest = visible.extracting(key..<end)
    let isWrapper = Self.listKeys.contains { TextBytes.starts(rest, $0) }
    return isWrapper ? nil : list
  }

  /// The keys of the lists in a wrapper.
  static var listKeys: [StaticString] { ["\"entities\"", "\"relations\""] }

  /// Whether a stretch ends in `"entities"` or `"relations"`.
  private func endsInListKey(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var end = range.upperBound
    while end > range.lowerBound, TextBytes.isBlank(text[end - 1]) { end -= 1 }
    for name in Self.listKeys {
      let start = end - name.utf8CodeUnitCount
      if start >= range.lowerBound, TextBytes.starts(text.extracting(start..<end), name) {
        return true
      }
    }
    return false
  }

  /// Whether the value is a wrapper around records.
  private func isContainer(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard family == .graph, style.layout == .lines, index.count > 1 else { return false }
    do throws(JSONError) { try record.text.parse(text.extracting(range)) } catch { return false }
    return Self.isContainer(&record.text)
  }

  private func isIndented(_ text: Span<UInt8>, _ start: Int) -> Bool {
    start > 0 && TextBytes.isSpace(text[start - 1])
  }

  /// Whether the byte is the first on its line that is not white space, with some before it.
  func opensIndented(_ text: Span<UInt8>, _ at: Int) -> Bool {
    var start = at
    while start > 0, TextBytes.isSpace(text[start - 1]) { start -= 1 }
    return start < at && start > 0 && text[start - 1] == 0x0A
  }

  /// White space at the start of the line that a byte stands on. Takes time in proportion to what is
  /// before it on that line: not to be asked of each record of a line.
  func indent(_ text: Span<UInt8>, _ at: Int) -> Int {
    var start = at
    while start > 0, text[start - 1] != 0x0A { start -= 1 }
    var end = start
    while end < at, TextBytes.isSpace(text[end]) { end += 1 }
    return end - start
  }

  /// Whether the byte is the first of its line.
  func isAtLeft(_ text: Span<UInt8>, _ at: Int) -> Bool { at > 0 && text[at - 1] == 0x0A }

  /// Whether it says what it is: a record of a type that is not known does that too.
  private func isTyped(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard family == .graph else { return false }
    do throws(JSONError) { try record.text.parse(text.extracting(range)) } catch { return false }
    guard record.text.kind() == .object, let type = record.text.member("type") else { return false }
    return record.text.kind(type) == .string
  }

  /// Whether an object ends its line, and NULs are all there is in front of it: behind a part of a
  /// record there would be more of that.
  private func isAloneButForNULs(
    _ text: Span<UInt8>, _ start: Int, _ range: Range<Int>, _ end: Int
  ) -> Bool {
    guard style.layout == .lines, range.lowerBound > start,
      start > 0 ? text[start - 1] == 0x0A : isLineStart,
      wasted <= 8 * (consumed + Self.step)
    else { return false }
    let next = TextBytes.skipSpace(text.extracting(0..<end), range.upperBound)
    guard next == end else { return false }
    wasted += range.lowerBound - start
    return TextBytes.isAll(text.extracting(start..<range.lowerBound), 0)
  }

  /// Whether the line ends behind a value, or another record starts. What follows a comma may be
  /// the next element of a list whose beginning is lost.
  private func endsCleanly(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    if at == range.upperBound || text[at] == 0x7B { return true }
    // NULs stand where nothing was written yet.
    if text[at] == 0, TextBytes.isAll(visible.extracting(at..<visible.count), 0) { return true }
    guard text[at] == 0x2C else { return false }
    return style.isContainer || TextBytes.skipSpace(visible, at + 1) == range.upperBound
  }

  /// Whether more follows behind a comma on a line of a graph: nobody writes records so.
  private func isListed(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard style.layout == .lines, family == .graph else { return false }
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    guard at < range.upperBound, text[at] == 0x2C else { return false }
    return TextBytes.skipSpace(visible, at + 1) < range.upperBound
  }

  /// Whether a bracket is behind a value, and a record with its type behind that.
  private func endsListGlued(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    guard style.layout == .lines, at < range.upperBound, text[at] == 0x5D else { return false }
    let next = TextBytes.skipSpace(visible, at + 1)
    return TextBytes.starts(visible.extracting(next..<visible.count), "{\"type\"")
  }

  /// Whether a colon follows an object, which is no key: what is behind it does not go on with it.
  private func isKey(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let at = TextBytes.skipSpace(text.extracting(0..<range.upperBound), range.lowerBound)
    return at < range.upperBound && text[at] == 0x3A
  }

  /// Whether the line ends in the bracket behind a value. No record does: there is a brace behind
  /// the last list in one.
  private func endsList(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    return at < range.upperBound && text[at] == 0x5D
      && TextBytes.skipSpace(visible, at + 1) == range.upperBound
  }

  /// Whether bytes that no text has follow the comma behind a value: they do not tell what it is.
  private func endsInForeign(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    guard at < range.upperBound, text[at] == 0x2C else { return false }
    let next = TextBytes.skipSpace(visible, at + 1)
    return next < range.upperBound && TextBytes.isForeign(text[next])
  }

  /// Whether what follows a value makes it a part of another one.
  private func continues(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let visible = text.extracting(0..<range.upperBound)
    let at = TextBytes.skipSpace(visible, range.lowerBound)
    guard at < range.upperBound else { return false }
    switch text[at] {
    case 0x7D: return !style.isContainer
    case 0x5D:
      let next = TextBytes.skipSpace(visible, at + 1)
      // A container has no member behind its brace.
      if style.isContainer { return endsInside(visible, next) }
      if !isInList { return true }
      // Behind a list of records there is nothing, or what follows one in a wrapper.
      return next < range.upperBound && [0x7D, 0x2C, 0x3A].contains(text[next])
    case 0x3A: return true
    case 0x2C:
      let next = TextBytes.skipSpace(visible, at + 1)
      // No value starts as a conflict marker does.
      return next < range.upperBound && ![0x7B, 0x3C, 0x3D, 0x3E].contains(text[next])
    default: return false
    }
  }

  /// Whether a brace is at `at`, and another member behind it.
  private func endsInside(_ text: Span<UInt8>, _ at: Int) -> Bool {
    guard at < text.count, text[at] == 0x7D else { return false }
    let comma = TextBytes.skipSpace(text, at + 1)
    guard comma < text.count, text[comma] == 0x2C else { return false }
    let key = TextBytes.skipSpace(text, comma + 1)
    return key < text.count && text[key] == 0x22
  }

  /// A record that was cut off before a value, so that the next record took that value's place:
  /// the object that ends where the parser failed.
  func innerRecord(_ text: Span<UInt8>, start: Int, before offset: Int) -> Range<Int>? {
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
    // Of two objects side by side, or an object and a list of them, either may be the other
    // writer's, unless only one has a type. No record has a wrapper in it.
    var next = TextBytes.skipSpace(text, inner.upperBound)
    if next < end, text[next] == 0x5B { next = TextBytes.skipSpace(text, next + 1) }
    guard next < end else { return false }
    if text[next] == 0x7B, wrapperOpening(text, inner) == nil {
      let rest = text.extracting(next..<end)
      guard isTyped(text, inner), !TextBytes.starts(rest, "{\"type\""),
        wrapperOpening(text, next..<end) == nil
      else { return false }
    }
    wasted += end - start
    var around = ByteBuffer()
    around.append(text.extracting(start..<inner.lowerBound))
    around.append(text.extracting(inner.upperBound..<end))
    do throws(JSONError) { try record.text.parse(around.span) } catch { return false }
    return record.text.kind() == .object && !endsTypedList(at: inner.lowerBound - start)
  }

  /// Whether a list of objects that say what they are ends at a byte of `record.text`.
  private func endsTypedList(at end: Int) -> Bool {
    let text = record.text
    var end = end
    while end > 0, TextBytes.isBlank(text.bytes.span[end - 1]) { end -= 1 }
    guard end > 0, text.bytes.span[end - 1] == 0x5D else { return false }
    let list = text.tokens.indices.first {
      text.kind($0) == .array && text.tokens[$0].range.upperBound == end
    }
    guard let list else { return false }
    let elements = text.children(of: list)
    return !elements.isEmpty
      && elements.allSatisfy {
        text.kind($0) == .object && text.member("type", of: $0).map { text.kind($0) } == .string
      }
  }
}

extension JSONIndex {
  /// Whether it is a list, whole, of objects and nothing else.
  var isListOfObjects: Bool {
    let tokens = tokens.span
    guard count > 1, tokens[0].kind == .array, tokens[0].end > tokens[0].start else { return false }
    var token = 1
    while token < count {
      guard tokens[token].kind == .object else { return false }
      let end = tokens[token].end
      repeat { token += 1 } while token < count && tokens[token].start < end
    }
    return true
  }

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
