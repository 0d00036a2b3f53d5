import LosslessJSON

/// A file of records, one a line, damaged in the ways in which such files are, along with the
/// truth: which records still stand in it whole.
package struct DamagedLines {
  /// The shapes that can be mixed in one file of lines (S9's UTF-16 and S11 change all of it).
  package enum Shape: String, CaseIterable, Sendable {
    case splice, join, tornTail, nulLine, nulBefore, nulBehind, nulHole, nulTail, orphanLine,
      orphanGlued, interleaved, conflict, markAndCRLF, invalidByte, control, comment, garbage,
      garbageBetween, dropped, brackets
  }

  private enum Piece {
    case record(Int)
    case debris([UInt8])
    case feed
  }

  private var pieces: [Piece] = []
  private var records: [[UInt8]]
  private var random: Seeded
  /// Records that damage may have made of others, so that nobody could tell.
  private var undecidable: Set<[UInt8]> = []

  /// - Parameter records: the bytes of each, without LF.
  package init(_ records: [[UInt8]], _ random: Seeded) {
    self.records = records
    self.random = random
    for index in records.indices {
      if index > 0 { pieces.append(.feed) }
      pieces.append(.record(index))
    }
    if self.random.chance(2) { pieces.append(.feed) }
  }

  /// The file.
  package var bytes: [UInt8] {
    pieces.flatMap { content(of: $0) }
  }

  /// The records that stand in it whole and can be told from what is around them, in order.
  package var intact: [[UInt8]] { truth.intact }

  /// Whether `line` is what several pieces of debris make together, or what a dropped run has
  /// left, or a record in a place where it may as well be a part of another: nobody could tell.
  package func isUndecidable(_ line: [UInt8]) -> Bool {
    if truth.open.contains(line) { return true }
    if undecidable.contains(where: { Self.holds($0, line) }) { return true }
    var run: [UInt8] = []
    for piece in pieces {
      if case .debris(let bytes) = piece {
        if Self.contains(bytes, line) { return false }
        run += bytes
        if Self.contains(run, line) { return true }
      } else {
        run = []
      }
    }
    return false
  }

  /// What can be known of the records that stand in the file whole.
  ///
  /// A record is one for certain if it stands on its line alone, if it is an entity or a relation,
  /// or if others of its type stand alone. Not so if there is a separator on both sides of it, as
  /// around a part of a torn record; nor if its line, with all that was written into it, is one
  /// value: then that value may be the record.
  private var truth: (intact: [[UInt8]], open: Set<[UInt8]>) {
    var text: [UInt8] = []
    var places: [(record: Int, start: Int)] = []
    for piece in pieces {
      if case .record(let index) = piece { places.append((index, text.count)) }
      text += content(of: piece)
    }
    var known: Set<[UInt8]> = [Array("entity".utf8), Array("relation".utf8)]
    var crowded: [(record: [UInt8], start: Int, line: Range<Int>)] = []
    var intact: [(start: Int, record: [UInt8])] = []
    for (index, start) in places {
      let record = records[index]
      let end = start + record.count
      let lineStart = text[..<start].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
      let lineEnd = text[end...].firstIndex(of: 0x0A) ?? text.count
      let isAlone =
        text[lineStart..<start].allSatisfy(Self.isBlankOrMark)
        && text[end..<lineEnd].allSatisfy(Self.isBlankOrMark)
      if isAlone {
        intact.append((start, record))
        if let type = Self.type(of: record) { known.insert(type) }
      } else {
        crowded.append((record, start, lineStart..<lineEnd))
      }
    }
    // A line that is one value teaches that such records occur inside others.
    for (record, _, line) in crowded where Self.value(Array(text[line])) != nil {
      if let type = Self.type(of: record) { known.remove(type) }
    }
    var open: Set<[UInt8]> = []
    for (record, start, line) in crowded {
      let before = text[line.lowerBound..<start].last { $0 != 0x20 } ?? 0
      let behind = text[(start + record.count)..<line.upperBound].first { $0 != 0x20 } ?? 0
      let isBetween = [0x5B, 0x2C, 0x3A].contains(before) && [0x5D, 0x2C, 0x7D].contains(behind)
      if let whole = Self.value(Array(text[line])) {
        open.formUnion([record, whole])
      } else if isBetween || Self.type(of: record).map({ !known.contains($0) }) ?? true {
        open.insert(record)
      } else {
        intact.append((start, record))
      }
    }
    return (intact.sorted { $0.start < $1.start }.map(\.record), open)
  }

  private static func isBlankOrMark(_ byte: UInt8) -> Bool {
    [0x20, 0x0D, 0xEF, 0xBB, 0xBF].contains(byte)
  }

  private static func type(of record: [UInt8]) -> [UInt8]? {
    guard let text = try? JSONText(record.span), text.kind() == .object else { return nil }
    return text.string("type")
  }

  /// The compact bytes of the only value on a line; nil where there is none.
  private static func value(_ line: [UInt8]) -> [UInt8]? {
    guard let text = try? JSONText(line.span) else { return nil }
    var out = ByteBuffer()
    text.appendCompact(to: &out)
    return out.array
  }

  /// Whether an object somewhere in `bytes` has the compact form `line`.
  private static func holds(_ bytes: [UInt8], _ line: [UInt8]) -> Bool {
    var index = JSONIndex()
    return bytes.indices.contains { start in
      guard bytes[start] == 0x7B else { return false }
      let rest = bytes.span.extracting(start..<bytes.count)
      do throws(JSONError) { try index.scan(rest) } catch {
        guard error.reason == .trailingBytes else { return false }
      }
      let end = start + Int(index.tokens[0].end)
      return value(Array(bytes[start..<end])) == line
    }
  }

  private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
  }

  /// A place among the pieces where a whole record is; nil where none is left.
  private mutating func place() -> Int? {
    let places = pieces.indices.filter { if case .record = pieces[$0] { true } else { false } }
    return places.isEmpty ? nil : random.pick(places)
  }

  private func content(_ place: Int) -> [UInt8] { content(of: pieces[place]) }

  private func content(of piece: Piece) -> [UInt8] {
    switch piece {
    case .record(let index): records[index]
    case .debris(let bytes): bytes
    case .feed: [0x0A]
    }
  }

  /// A cut inside a record: behind its first byte, before its last.
  private mutating func cut(_ bytes: [UInt8]) -> Int { 1 + random.below(max(1, bytes.count - 2)) }

  package mutating func apply(_ shape: Shape) {
    guard let place = place() else { return }
    let own = content(place)
    switch shape {
    case .splice:
      guard place + 1 < pieces.count else { return }
      pieces[place] = .debris(Array(own[..<cut(own)]))
      if case .feed = pieces[place + 1] { pieces.remove(at: place + 1) }
    case .join:
      if place + 1 < pieces.count, case .feed = pieces[place + 1] { pieces.remove(at: place + 1) }
    case .tornTail:
      pieces.removeSubrange((place + 1)...)
      pieces[place] = .debris(Array(own[..<cut(own)]))
    case .nulLine:
      pieces.insert(.debris([UInt8](repeating: 0, count: 159)), at: place)
      pieces.insert(.feed, at: place + 1)
    case .nulBefore:
      pieces.insert(.debris([UInt8](repeating: 0, count: 1 + random.below(600))), at: place)
    case .nulBehind:
      pieces.insert(.debris([UInt8](repeating: 0, count: 1 + random.below(600))), at: place + 1)
    case .nulTail:
      pieces.append(.debris([UInt8](repeating: 0, count: 1024)))
    case .nulHole: overwrite(place) { count, _ in [UInt8](repeating: 0, count: count) }
    case .garbage: overwrite(place) { count, random in random.noise(count) }
    case .garbageBetween:
      pieces.insert(.debris(random.noise(512)), at: place)
    case .orphanLine:
      pieces.insert(.debris(Array(own[cut(own)...])), at: place)
      pieces.insert(.feed, at: place + 1)
    case .orphanGlued:
      pieces.insert(.debris(Array(own[cut(own)...])), at: place)
    case .interleaved:
      let other = random.below(records.count)
      let at = cut(own)
      pieces[place] = .debris(Array(own[..<at]))
      pieces.insert(.record(other), at: place + 1)
      pieces.insert(.debris(Array(own[at...])), at: place + 2)
    case .conflict:
      let other = random.below(records.count)
      pieces.replaceSubrange(
        place...place,
        with: [
          .feed, .debris(Array("<<<<<<< HEAD".utf8)), .feed, pieces[place], .feed,
          .debris(Array("=======".utf8)), .feed, .record(other), .feed,
          .debris(Array(">>>>>>> other branch".utf8)), .feed,
        ])
    case .markAndCRLF:
      for at in pieces.indices {
        if case .feed = pieces[at] { pieces[at] = .debris([0x0D, 0x0A]) }
      }
      pieces.insert(.debris([0xEF, 0xBB, 0xBF]), at: 0)
    case .invalidByte: spoil(place, with: 0xC3)
    case .control: spoil(place, with: 0x01)
    case .comment:
      pieces.insert(.feed, at: place)
      pieces.insert(.debris(Array("# a remark {type: of mine".utf8)), at: place)
      pieces.insert(.feed, at: place)
    case .dropped: drop(place)
    case .brackets:
      pieces.insert(.feed, at: place)
      pieces.insert(.debris([UInt8](repeating: 0x5B, count: 20_000)), at: place)
      pieces.insert(.feed, at: place)
    }
  }

  /// Overwrites a stretch from the middle of a record to the middle of a later one.
  private mutating func overwrite(_ place: Int, _ fill: (Int, inout Seeded) -> [UInt8]) {
    let own = content(place)
    let from = cut(own)
    let (count, last) = reach(place, from, 1 + random.below(own.count * 3))
    let all = (place...last).flatMap { content($0) }
    let mixed = Array(all[..<from]) + fill(count, &random) + Array(all[(from + count)...])
    pieces.replaceSubrange(place...last, with: [.debris(mixed)])
  }

  /// How many of `wanted` bytes there are behind the first `from` of a piece, and the piece in
  /// which they end.
  private func reach(_ place: Int, _ from: Int, _ wanted: Int) -> (count: Int, last: Int) {
    var last = place
    var held = content(place).count - from
    while held < wanted, last + 1 < pieces.count {
      last += 1
      held += content(last).count
    }
    return (min(held, wanted), last)
  }

  /// Puts a byte that no string may hold into a string of the record.
  private mutating func spoil(_ place: Int, with byte: UInt8) {
    var own = content(place)
    guard let quote = own.lastIndex(of: 0x22), quote > 0 else { return }
    own.insert(byte, at: quote)
    pieces[place] = .debris(own)
  }

  /// Takes a run of 1 to 300 bytes out that starts inside a record.
  private mutating func drop(_ place: Int) {
    let from = cut(content(place))
    let (count, last) = reach(place, from, 1 + random.below(300))
    let all = (place...last).flatMap { content($0) }
    let mixed = Array(all[..<from]) + Array(all[(from + count)...])
    pieces.replaceSubrange(place...last, with: [.debris(mixed)])
    undecidable.insert(mixed)
  }
}
