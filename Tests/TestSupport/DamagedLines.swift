import LosslessJSON

/// A file of records, one a line, damaged in the ways in which such files are, along with the
/// truth: which records still stand in it whole.
package struct DamagedLines {
  /// The shapes that can be mixed in one file of lines (S9's UTF-16 changes all of it).
  package enum Shape: String, CaseIterable, Sendable {
    case splice, join, tornTail, nulLine, nulBefore, nulBehind, nulHole, nulTail, orphanLine,
      orphanGlued, interleaved, conflict, markAndCRLF, invalidByte, control, comment, garbage,
      garbageBetween, dropped, brackets, pretty, allPretty, array, wrapper, commas
  }

  /// The shapes that put records into other forms than a line each (S11).
  package static let layouts: [Shape] = [.pretty, .allPretty, .array, .wrapper, .commas]

  enum Piece {
    case record(Int, isPretty: Bool)
    case debris([UInt8])
    /// What stands between records in a list, or around it.
    case mark([UInt8])
    case feed

    var isMark: Bool { if case .mark = self { true } else { false } }
    var isFeed: Bool { if case .feed = self { true } else { false } }
  }

  var pieces: [Piece] = []
  let records: [[UInt8]]
  private var random: Seeded
  /// Records that damage may have made of others, so that nobody could tell.
  var undecidable: Set<[UInt8]> = []
  private var feed: [UInt8] = [0x0A]

  /// - Parameter records: the bytes of each, without LF.
  package init(_ records: [[UInt8]], _ random: Seeded) {
    self.records = records
    self.random = random
    for index in records.indices {
      if index > 0 { pieces.append(.feed) }
      pieces.append(.record(index, isPretty: false))
    }
    if self.random.chance(2) { pieces.append(.feed) }
  }

  /// The file.
  package var bytes: [UInt8] {
    pieces.flatMap { content(of: $0) }
  }

  /// A place among the pieces where a whole record is; nil where none is left.
  private mutating func place() -> Int? {
    let places = pieces.indices.filter { if case .record = pieces[$0] { true } else { false } }
    return places.isEmpty ? nil : random.pick(places)
  }

  private func content(_ place: Int) -> [UInt8] { content(of: pieces[place]) }

  func content(of piece: Piece) -> [UInt8] {
    switch piece {
    case .record(let index, let isPretty):
      isPretty ? PrettyJSON.text(records[index]) : records[index]
    case .debris(let bytes), .mark(let bytes): bytes
    case .feed: feed
    }
  }

  /// The records from `place` on that follow each other, a line each; no more than `limit`.
  private func run(from place: Int, atMost limit: Int) -> [Piece] {
    var run: [Piece] = []
    var at = place
    while at < pieces.count, run.count < limit, case .record = pieces[at] {
      run.append(pieces[at])
      guard at + 1 < pieces.count, pieces[at + 1].isFeed else { break }
      at += 2
    }
    return run
  }

  /// Where a piece can be put right before the record at `place`, or before the list it is first in.
  private mutating func front(of place: Int) -> Int {
    var at = place
    if random.chance(2) { while at > 0, pieces[at - 1].isMark { at -= 1 } }
    return at
  }

  /// Puts several records into one list on a line, with something between, before and behind.
  private mutating func list(_ place: Int, _ shape: Shape) {
    let all = run(from: place, atMost: 1 + random.below(4))
    let end = place + all.count * 2 - 1
    let isListed =
      (place > 0 && pieces[place - 1].isMark) || (end < pieces.count && pieces[end].isMark)
    if isListed { return }
    let comma = Piece.mark(Array((random.chance(3) ? ", " : ",").utf8))
    func listed(_ run: [Piece]) -> [Piece] { Array(run.map { [$0] }.joined(separator: [comma])) }
    func mark(_ text: String) -> Piece { .mark(Array(text.utf8)) }
    var inner = listed(all)
    switch shape {
    case .array: inner = [mark("[")] + inner + [mark("]")]
    case .wrapper:
      let relations = all.filter { has($0, "relation") }
      let entities = all.filter { has($0, "entity") }
      guard entities.count + relations.count == all.count else { return }
      inner = [mark(#"{"entities":["#)] + listed(entities) + [mark(#"],"relations":["#)]
      inner += listed(relations) + [mark("]}")]
    default: if random.chance(2) { inner.append(mark(",")) }
    }
    pieces.replaceSubrange(place..<end, with: inner)
  }

  private func has(_ piece: Piece, _ type: String) -> Bool {
    guard case .record(let index, _) = piece else { return false }
    return Self.type(of: records[index]) == Array(type.utf8)
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
      pieces.insert(
        .debris([UInt8](repeating: 0, count: 1 + random.below(600))), at: front(of: place))
    case .nulBehind:
      pieces.insert(.debris([UInt8](repeating: 0, count: 1 + random.below(600))), at: place + 1)
    case .nulTail:
      pieces.append(.debris([UInt8](repeating: 0, count: 1024)))
    case .nulHole: overwrite(place) { count, _ in [UInt8](repeating: 0, count: count) }
    case .garbage: overwrite(place) { count, random in random.noise(count) }
    case .garbageBetween:
      pieces.insert(.debris(random.noise(512)), at: front(of: place))
    case .orphanLine:
      pieces.insert(.debris(Array(own[cut(own)...])), at: place)
      pieces.insert(.feed, at: place + 1)
    case .orphanGlued:
      pieces.insert(.debris(Array(own[cut(own)...])), at: front(of: place))
    case .interleaved:
      let other = random.below(records.count)
      let at = cut(own)
      pieces[place] = .debris(Array(own[..<at]))
      pieces.insert(.record(other, isPretty: false), at: place + 1)
      pieces.insert(.debris(Array(own[at...])), at: place + 2)
    case .conflict:
      let other = random.below(records.count)
      pieces.replaceSubrange(
        place...place,
        with: [
          .feed, .debris(Array("<<<<<<< HEAD".utf8)), .feed, pieces[place], .feed,
          .debris(Array("=======".utf8)), .feed,
          .record(other, isPretty: false), .feed,
          .debris(Array(">>>>>>> other branch".utf8)), .feed,
        ])
    case .markAndCRLF:
      feed = [0x0D, 0x0A]
      pieces.insert(.debris([0xEF, 0xBB, 0xBF]), at: 0)
    case .invalidByte: spoil(place, with: 0xC3)
    case .control: spoil(place, with: 0x01)
    case .comment:
      pieces.insert(.feed, at: place)
      pieces.insert(.debris(Array("# a remark {type: of mine".utf8)), at: place)
      pieces.insert(.feed, at: place)
    case .dropped: drop(place)
    case .pretty:
      for at in place..<min(pieces.count, place + 1 + random.below(6)) {
        if case .record(let index, _) = pieces[at] { pieces[at] = .record(index, isPretty: true) }
      }
    case .allPretty:
      for at in pieces.indices {
        if case .record(let index, _) = pieces[at] { pieces[at] = .record(index, isPretty: true) }
      }
    case .array, .wrapper, .commas: list(place, shape)
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
