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
    if first.isWhole { return first }
    let second = SnapshotSalvage(nil, to: nil)
    second.places = first.places
    second.looksInside = true
    second.seen = first.seen
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
      if text[start] == 0x5B, places?.lists.contains(name) == true,
        try kindOfFirst(token, text, base) == .task
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
