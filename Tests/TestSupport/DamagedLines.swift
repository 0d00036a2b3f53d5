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
    pieces.reduce(into: []) { out, piece in
      switch piece {
      case .record(let index): out += records[index]
      case .debris(let bytes): out += bytes
      case .feed: out.append(0x0A)
      }
    }
  }

  /// The records that stand in it whole, in order.
  package var intact: [[UInt8]] {
    pieces.compactMap { if case .record(let index) = $0 { records[index] } else { nil } }
  }

  /// Whether `line` is what several pieces of debris make together, or what a dropped run has
  /// left: nobody could tell it from a record.
  package func isUndecidable(_ line: [UInt8]) -> Bool {
    if undecidable.contains(where: { Self.contains($0, line) }) { return true }
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

  private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
  }

  /// A place among the pieces where a whole record is; nil where none is left.
  private mutating func place() -> Int? {
    let places = pieces.indices.filter { if case .record = pieces[$0] { true } else { false } }
    return places.isEmpty ? nil : random.pick(places)
  }

  private func content(_ place: Int) -> [UInt8] {
    switch pieces[place] {
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
    case .garbage: overwrite(place) { count, random in random.bytes(count) }
    case .garbageBetween:
      pieces.insert(.debris(random.bytes(512)), at: place)
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
    // A byte of a string may have become another one.
    if count < 8 { undecidable.insert(mixed) }
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
