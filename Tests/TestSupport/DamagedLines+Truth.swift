import LosslessJSON

/// What can be known of the records that stand in a damaged file whole.
///
/// A record is one for certain if it stands on its lines alone, if it is an entity or a relation,
/// or if others of its type stand alone. Not so if there is a separator on both sides of it, as
/// around a part of a torn record, unless all from the start of the line, or from bytes behind
/// which only a new value can start, are records of the same list; nor if its line, with all that
/// was written into it, is one value: then that value may be the record.
extension DamagedLines {
  /// A record as it stands in the file.
  private struct Place {
    var record: [UInt8]
    var range: Range<Int>
    var piece: Int
  }

  /// The file with where everything is.
  private struct Layout {
    var text: [UInt8] = []
    var places: [Place] = []
    /// Where each piece starts.
    var starts: [Int] = []
    /// Values that start in debris, with whole records inside.
    var covers: [Range<Int>] = []
  }

  /// The records that stand in it whole and can be told from what is around them, in order.
  package var intact: [[UInt8]] { truth.intact }

  /// Whether `line` is what several pieces of debris make together, or what a dropped run has
  /// left, or a record in a place where it may as well be a part of another: nobody could tell.
  package func isUndecidable(_ line: [UInt8]) -> Bool {
    if truth.open.contains(line) { return true }
    if undecidable.contains(where: { Self.holds($0, line) }) { return true }
    if listed.contains(where: { Self.holds($0, line) }) { return true }
    var run: [UInt8] = []
    var parts = 0
    for piece in pieces {
      switch piece {
      case .record:
        run = []
        parts = 0
        continue
      case .debris(let bytes):
        if Self.contains(bytes, line) { return false }
        run += bytes
        parts += 1
      case .mark(let bytes):
        run += bytes
        parts += 1
      case .feed: run += content(of: piece)
      }
      if Self.contains(run, line) || (parts > 1 && Self.holds(run, line)) { return true }
    }
    return false
  }

  /// Lines on which debris is a value along with what opened a list for records.
  private var listed: [[UInt8]] {
    pieces.split(whereSeparator: \.isFeed).compactMap { line in
      let bytes = line.flatMap { content(of: $0) }
      return line.contains(where: \.isMark) && Self.value(bytes) != nil ? bytes : nil
    }
  }

  private var layout: Layout {
    var layout = Layout()
    for (at, piece) in pieces.enumerated() {
      let bytes = content(of: piece)
      layout.starts.append(layout.text.count)
      if case .record(let index, _) = piece {
        let range = layout.text.count..<layout.text.count + bytes.count
        layout.places.append(Place(record: records[index], range: range, piece: at))
      }
      layout.text += bytes
    }
    for (at, piece) in pieces.enumerated() {
      guard case .debris(let bytes) = piece, bytes.first == 0x7B || bytes.first == 0x5B,
        let end = Self.valueEnd(layout.text, layout.starts[at]),
        end > layout.starts[at] + bytes.count
      else { continue }
      layout.covers.append(layout.starts[at]..<end)
    }
    return layout
  }

  private var truth: (intact: [[UInt8]], open: Set<[UInt8]>) {
    let layout = layout
    let text = layout.text
    var known: Set<[UInt8]> = [Array("entity".utf8), Array("relation".utf8)]
    var crowded: [(place: Place, line: Range<Int>)] = []
    var intact: [(start: Int, record: [UInt8])] = []
    var open: Set<[UInt8]> = []
    var nested: Set<[UInt8]> = []
    for place in layout.places {
      if let cover = layout.covers.first(where: { $0.contains(place.range.lowerBound) }) {
        open.insert(place.record)
        if let type = Self.type(of: place.record) { nested.insert(type) }
        if let whole = Self.value(Array(text[cover])) { open.insert(whole) }
        continue
      }
      let (start, end) = (place.range.lowerBound, place.range.upperBound)
      let lineStart = text[..<start].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
      let lineEnd = text[end...].firstIndex(of: 0x0A) ?? text.count
      let isAlone =
        text[lineStart..<start].allSatisfy(Self.isBlankOrMark)
        && text[end..<lineEnd].allSatisfy(Self.isBlankOrMark)
      if isAlone {
        intact.append((start, place.record))
        if let type = Self.type(of: place.record) { known.insert(type) }
      } else {
        crowded.append((place, lineStart..<lineEnd))
      }
    }
    // A value with a record inside teaches that such records occur in others; so does a line that is
    // one value.
    known.subtract(nested)
    for (place, line) in crowded where hasDebris(around: place.piece) {
      if Self.value(Array(text[line])) != nil, let type = Self.type(of: place.record) {
        known.remove(type)
      }
    }
    for (place, line) in crowded {
      guard hasDebris(around: place.piece) else {
        intact.append((place.range.lowerBound, place.record))
        continue
      }
      let before = text[line.lowerBound..<place.range.lowerBound].last { $0 != 0x20 } ?? 0
      let behind = text[place.range.upperBound..<line.upperBound].first { $0 != 0x20 } ?? 0
      let isBetween =
        [0x5B, 0x2C, 0x3A].contains(before) && [0x5D, 0x2C, 0x7D].contains(behind)
        && !isAnchored(place.piece)
      if let whole = Self.value(Array(text[line])) {
        open.formUnion([place.record, whole])
      } else if isBetween || Self.type(of: place.record).map({ !known.contains($0) }) ?? true {
        open.insert(place.record)
      } else {
        intact.append((place.range.lowerBound, place.record))
      }
    }
    return (intact.sorted { $0.start < $1.start }.map(\.record), open)
  }

  /// Whether anything between the feeds around the piece is neither a record nor what lists them.
  private func hasDebris(around piece: Int) -> Bool {
    let start = pieces[..<piece].lastIndex { $0.isFeed } ?? 0
    let end = pieces[piece...].firstIndex { $0.isFeed } ?? pieces.count
    return pieces[start..<end].contains { piece in
      guard case .debris(let bytes) = piece else { return false }
      return !bytes.allSatisfy(Self.isBlankOrMark)
    }
  }

  /// Whether all before the piece, back to a place where only a new value can start, are records
  /// of the same list.
  private func isAnchored(_ piece: Int) -> Bool {
    var at = piece
    while at > 0 {
      at -= 1
      switch pieces[at] {
      case .feed: return true
      case .record, .mark: continue
      case .debris(let bytes):
        guard let last = bytes.last else { continue }
        // What ends before a comma may be an element of a list of another kind.
        if content(of: pieces[at + 1]).first == 0x2C { return false }
        return last == 0x7D || Seeded.foreign.contains(last)
      }
    }
    return true
  }

  private static func isBlankOrMark(_ byte: UInt8) -> Bool {
    [0x20, 0x0D, 0xEF, 0xBB, 0xBF].contains(byte)
  }

  static func type(of record: [UInt8]) -> [UInt8]? {
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

  /// Where the value at `start` ends; nil where there is none.
  private static func valueEnd(_ bytes: [UInt8], _ start: Int) -> Int? {
    var index = JSONIndex()
    do throws(JSONError) {
      try index.scan(bytes.span.extracting(start..<bytes.count))
    } catch {
      guard error.reason == .trailingBytes else { return nil }
    }
    return start + Int(index.tokens[0].end)
  }

  /// Whether an object somewhere in `bytes` has the compact form `line`.
  private static func holds(_ bytes: [UInt8], _ line: [UInt8]) -> Bool {
    bytes.indices.contains { start in
      guard bytes[start] == 0x7B, let end = valueEnd(bytes, start) else { return false }
      return value(Array(bytes[start..<end])) == line
    }
  }

  private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
  }
}
