import Disk
import LosslessJSON
import Records
import Stores

/// Records that lack an end: they take the members behind them for their own, up to the end of the
/// container, and still parse.
extension SnapshotSalvage {
  /// Reads once, to learn what the JSON holds and whether it is whole.
  /// - Parameter open: opens the input anew; it is read twice where it is not whole.
  static func survey(
    _ places: TaskPlaces?, _ open: () throws -> ByteStream
  ) throws -> SnapshotSalvage {
    let first = SnapshotSalvage(nil, to: nil)
    first.places = places
    try first.run(open())
    if first.isWhole, places != nil || !first.hasOwnMembers { return first }
    let second = SnapshotSalvage(nil, to: nil)
    second.places = first.places
    second.looksInside = true
    second.isBroken = !first.isWhole
    second.seen = first.seen
    (second.intentParts, second.intentsLearned) = (first.intentParts, first.intentsLearned)
    try second.run(open())
    return second
  }

  /// Where the first member or list starts, with its key, that the object in `index` took from
  /// what is behind it; nil where there is none. In a text that is whole there never is.
  /// - Parameter base: where the object starts, or as much of it as was read.
  func swallowed(_ text: Span<UInt8>, base: Int) throws -> Int? {
    guard looksInside, descended <= TextSalvage.valueLimit else { return nil }
    var token = 2
    while token < index.count {
      defer { token += 1 }
      guard let key = key(of: token, text, base) else { continue }
      let start = base + Int(index.tokens[token].start)
      if text[start] == 0x7B, isNamed(token, by: key, text, base) {
        return taken(key)
      }
      let name = try JSONText(text.extracting(key)).decoded(0)
      if text[start] == 0x5B, let places, try kindOfFirst(token, text, base) == .task,
        places.lists.contains(name) || record.text.string("user") == name
      {
        return taken(key)
      }
      guard let inner = container(name, text[start]) else { continue }
      if case .context(.list(let kind)) = inner {
        guard try kindOfFirst(token, text, base) == kind else { continue }
      } else if places == nil {
        continue
      }
      return taken(key)
    }
    return nil
  }

  /// What a member of the intents is, or one of the outermost object that may be one of theirs.
  enum Member {
    case intent
    /// What is left of an intent that lost a bracket, or its head, up to there.
    case torn(Int)
    case other
    case needsMore
  }

  /// Tells what the member from `key` to `end` is, in a text that is broken. An intent that lost the
  /// bracket of one of its members ends with that: the members behind stand among the intents, and
  /// its last bracket seems to end them all.
  func torn(
    _ text: Span<UInt8>, _ key: Range<Int>, _ value: Int, _ end: Int, isFinal: Bool
  ) throws -> Member {
    if context == .root {
      return text[value] == 0x7B && isNamed(0, by: key, text, value) ? .intent : .other
    }
    var at = end
    var isTorn = text[value] != 0x7B
    var own: Set<[UInt8]> = []
    if isTorn {
      let name = try JSONText(text.extracting(key)).decoded(0)
      if Self.frameKeys.contains(name) { return .other }
    } else {
      own = memberNames(text, value)
      // One that has all that others have is whole, whatever stands behind it.
      if intentParts.isSubset(of: own) { return .other }
    }
    while true {
      let next = TextBytes.skipSpace(text, at)
      let behind = next < text.count ? TextBytes.skipSpace(text, next + 1) : next
      guard behind < text.count else {
        if !isFinal { return .needsMore }
        return isTorn ? .torn(at) : .other
      }
      if text[next] == 0x7D {
        switch goesOn(text, behind, isFinal: isFinal) {
        case nil: return .needsMore
        case true?: return .torn(next + 1)
        case false?: return isTorn ? .torn(at) : .other
        }
      }
      guard text[next] == 0x2C else { return isTorn ? .torn(at) : .other }
      switch part(text, behind, isFinal: isFinal) {
      case .part(let key, let end):
        // Of a whole intent and of one behind it that has lost its head.
        if own.contains(key.map { text[$0] }) { return .other }
        at = end
        isTorn = true
      case .needsMore: return .needsMore
      case .intent, .other: return isTorn ? .torn(at) : .other
      }
    }
  }

  /// Whether the intents go on behind a bracket that seems to end them, or so does the outermost
  /// object; nil where it takes more text to tell.
  private func goesOn(_ text: Span<UInt8>, _ behind: Int, isFinal: Bool) -> Bool? {
    if text[behind] == 0x7D {
      let last = TextBytes.skipSpace(text, behind + 1)
      if last == text.count { return isFinal ? false : nil }
      return text[last] == 0x2C
    }
    guard text[behind] == 0x2C else { return false }
    switch part(text, TextBytes.skipSpace(text, behind + 1), isFinal: isFinal) {
    case .intent: return true
    case .needsMore: return nil
    default: return false
    }
  }

  private enum Part {
    case intent
    /// A member of no snapshot, which belongs to an intent: its key, and its end.
    case part(Range<Int>, Int)
    case other
    case needsMore
  }

  private func part(_ text: Span<UInt8>, _ start: Int, isFinal: Bool) -> Part {
    guard start < text.count else { return isFinal ? .other : .needsMore }
    guard text[start] == 0x22 else { return .other }
    let keyEnd: Int
    switch scan(text, start, isFinal: isFinal) {
    case .needsMore: return .needsMore
    case .failure: return .other
    case .value(let end): keyEnd = end
    }
    let colon = TextBytes.skipSpace(text, keyEnd)
    let value = colon < text.count ? TextBytes.skipSpace(text, colon + 1) : colon
    guard value < text.count else { return isFinal ? .other : .needsMore }
    guard text[colon] == 0x3A,
      let name = try? JSONText(text.extracting(start..<keyEnd)).decoded(0),
      container(name, text[value]) == nil, !Self.frameKeys.contains(name)
    else { return .other }
    switch scan(text, value, isFinal: isFinal) {
    case .needsMore: return .needsMore
    case .failure: return .other
    case .value(let end):
      if text[value] == 0x7B {
        if isNamed(0, by: start..<keyEnd, text, value) { return .intent }
        if (try? kind(of: text.extracting(value..<end))) == .intent { return .other }
      }
      return endsMember(text, end) ? .part(start..<keyEnd, end) : .other
    }
  }

  /// Learns which members of intents are objects, from the one in `index`.
  func learnIntent(_ text: Span<UInt8>, _ base: Int) {
    guard sink == nil, intentsLearned < 64 else { return }
    intentsLearned += 1
    intentParts.formUnion(memberNames(text, base, onlyObjects: true))
  }

  /// The names of the members of the object in `index`, as spelt.
  private func memberNames(
    _ text: Span<UInt8>, _ base: Int, onlyObjects: Bool = false
  ) -> Set<[UInt8]> {
    var names: Set<[UInt8]> = []
    var key = 1
    while key + 1 < index.count {
      let range = base + Int(index.tokens[key].start)..<base + Int(index.tokens[key].end)
      if !onlyObjects || index.tokens[key + 1].kind == .object {
        names.insert(range.map { text[$0] })
      }
      key = Int(index.tokens[key + 1].next)
    }
    return names
  }

  private func taken(_ key: Range<Int>) -> Int {
    // All that was read is read again.
    descended += Int(
      index.tokens[0].end > 0 ? index.tokens[0].end : index.tokens[index.count - 1].end)
    return key.lowerBound
  }

  /// What the value in `index` is the container of, whose key is lost; nil where it is none.
  func containerByContent(_ text: Span<UInt8>, _ start: Int) throws -> Context? {
    guard looksInside, places == nil, index.count > 2 else { return nil }
    if text[start] == 0x7B, !seen.contains(.intent), let key = key(of: 2, text, start),
      isNamed(2, by: key, text, start)
    {
      return .intents
    }
    guard text[start] == 0x5B, let kind = try kindOfFirst(0, text, start), !seen.contains(kind)
    else { return nil }
    return .list(kind)
  }

  /// What the first element of the list `token` is by its own fields.
  private func kindOfFirst(_ token: Int, _ text: Span<UInt8>, _ base: Int) throws -> RecordKind? {
    guard token + 1 < index.count else { return nil }
    let first = index.tokens[token + 1]
    guard first.kind == .object, first.end > first.start else { return nil }
    return try kind(of: text.extracting(base + Int(first.start)..<base + Int(first.end)))
  }

  /// Where the key of the value `token` stands in `text`, its quotes with it; nil for an element of
  /// a list.
  private func key(of token: Int, _ text: Span<UInt8>, _ base: Int) -> Range<Int>? {
    let entry = index.tokens[token - 1]
    guard index.tokens[token].kind == .object || index.tokens[token].kind == .array,
      entry.kind == .string, entry.end > entry.start
    else { return nil }
    let range = base + Int(entry.start)..<base + Int(entry.end)
    let colon = TextBytes.skipSpace(text, range.upperBound)
    return colon < text.count && text[colon] == 0x3A ? range : nil
  }

  /// Whether the object is a record whose id is the key that it stands under.
  private func isNamed(
    _ token: Int, by key: Range<Int>, _ text: Span<UInt8>, _ base: Int
  ) -> Bool {
    let name: StaticString = places == nil ? "\"intent_id\"" : "\"username\""
    let object = index.tokens[token]
    let isOpen = object.end == object.start
    var member = token + 1
    while member + 1 < (isOpen ? index.count : Int(object.next)) {
      let (own, value) = (index.tokens[member], index.tokens[member + 1])
      if own.kind == .string, value.kind == .string,
        own.range.count == name.utf8CodeUnitCount,
        TextBytes.starts(text.extracting(base + Int(own.start)..<text.count), name)
      {
        return text.extracting(base + Int(value.start)..<base + Int(value.end))
          .isEqual(to: text.extracting(key))
      }
      let isValueOpen =
        (value.kind == .object || value.kind == .array) && value.end == value.start
      if isValueOpen { return false }
      member = Int(value.next)
    }
    return false
  }
}
