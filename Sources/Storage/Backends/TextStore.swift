import Database
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A store in one JSON or JSONL file, in memory: its bytes, and where each record lies in them.
///
/// A change is a splice: what it does not concern keeps its bytes, what cannot be read included.
/// A value, so that a change that fails is forgotten with its copy.
struct TextStore {
  struct Place {
    /// Of the record's value, in bytes.
    var offset: Int
    var length: Int

    var range: Range<Int> { offset..<offset + length }
  }

  let format: StoreFormat
  let path: FilePath
  /// The context whose file this is; empty for other kinds than graphs.
  let context: [UInt8]
  private(set) var bytes: ByteBuffer
  var records = NamedList<Place>()
  private(set) var log = FindingLog()
  /// Line feeds in `bytes`.
  private var lineCount = 0
  /// Members of a snapshot that follow its records: when it was saved, and its records as RTFS.
  var timestamp: Place?
  var rtfs: Place?

  var hasLines: Bool { format.name == StoreFormat.memoryGraph.name }
  var isDamaged: Bool { log.errors > 0 }

  /// Finds every record that can be read; what cannot is among the findings.
  init(_ bytes: ByteBuffer, as format: StoreFormat, path: FilePath, context: [UInt8]) throws {
    self.format = format
    self.path = path
    self.context = context
    self.bytes = bytes
    try index(from: 0)
    if format.name == StoreFormat.intentSnapshot.name { findFrame() }
  }

  private mutating func index(from start: Int) throws {
    var tail = ByteBuffer()
    tail.append(bytes.span.extracting(start..<bytes.count))
    let sink = Indexer(context: context, start: start, lines: lineCount)
    swap(&sink.records, &records)
    sink.log = log
    try format.read(BytesTree(tail, path: path), ReadOptions(), sink)
    swap(&sink.records, &records)
    log = sink.log
    lineCount += tail.span.occurrences(of: 0x0A)
  }

  /// Takes in what another process has appended; false where it has done anything else.
  mutating func grow(to larger: ByteBuffer) throws -> Bool {
    let old = bytes.count
    guard hasLines, larger.count > old, old > 0, bytes[old - 1] == 0x0A,
      larger.span.extracting(0..<old).isEqual(to: bytes.span)
    else { return false }
    bytes = larger
    try index(from: old)
    return true
  }

  /// The text of a record.
  func text(at place: Place) throws -> RecordText {
    try RecordText(bytes.span.extracting(place.range))
  }

  /// What is put in the place of a range, and which records stand in it.
  struct Splice {
    var range: Range<Int>
    var bytes = ByteBuffer()
    var records: [(name: RecordName, place: Place)] = []
  }

  /// Makes changes in memory.
  /// - Parameter now: unix seconds.
  mutating func apply(_ changes: [Change], now: Int) throws {
    var puts: [RecordGroup: [StoredRecord]] = [:]
    var order: [RecordGroup] = []
    var splices: [Splice] = []
    var removed: Set<RecordName> = []
    for change in Self.folded(changes) {
      switch change {
      case .remove(let name):
        guard records[name] != nil else { continue }
        removed.insert(name)
      case .put(let record):
        if let place = records[record.name] {
          if let splice = replacement(of: place, by: record) { splices.append(splice) }
        } else {
          let group = RecordGroup(record.name)
          if puts[group] == nil { order.append(group) }
          puts[group, default: []].append(record)
        }
      }
    }
    if splices.isEmpty, removed.isEmpty, puts.isEmpty { return }
    var homeless: [[StoredRecord]] = []
    for group in Set(order).union(
      removed.map { RecordGroup($0) })
    {
      let new = puts[group] ?? []
      if !hasLines, !removed.contains(where: { RecordGroup($0) == group }),
        let last = records.last(of: group)
      {
        splices.append(adding(new, behind: last))
        continue
      }
      let members = records.elements(of: group.kind, scope: group.scope)
      if hasLines {
        splices += members.filter { removed.contains($0.name) }.map { line(of: $0.value) }
      } else if members.isEmpty {
        homeless.append(new)
      } else {
        splices += try change(members, removing: removed, adding: new)
      }
    }
    if hasLines {
      let lines = order.flatMap { puts[$0] ?? [] }
      if !lines.isEmpty { splices.append(appending(lines)) }
    } else {
      splices += frameSplices(now)
    }
    for name in removed { records[name] = nil }
    splice(splices)
    for records in homeless { try house(records) }
  }

  /// The last change of each name, in the place of the first.
  static func folded(_ changes: [Change]) -> [Change] {
    var last = NamedList<Change>()
    var names: [RecordName] = []
    for change in changes {
      let name: RecordName
      switch change {
      case .put(let record): name = record.name
      case .remove(let removed): name = removed
      }
      if last[name] == nil { names.append(name) }
      last[name] = change
    }
    return names.compactMap { last[$0] }
  }

  mutating func splice(_ list: [Splice]) {
    let sorted = list.sorted { $0.range.lowerBound < $1.range.lowerBound }
    var out = ByteBuffer()
    out.reserve(bytes.count + sorted.reduce(0) { $0 + $1.bytes.count })
    var at = 0
    /// By how much everything from an offset on moves.
    var moves: [(from: Int, by: Int)] = []
    var placed: [(RecordName, Place)] = []
    var shift = 0
    for splice in sorted {
      out.append(bytes.span.extracting(at..<splice.range.lowerBound))
      for (name, place) in splice.records {
        placed.append((name, Place(offset: out.count + place.offset, length: place.length)))
      }
      out.append(splice.bytes.span)
      at = splice.range.upperBound
      shift += splice.bytes.count - splice.range.count
      moves.append((at, shift))
    }
    out.append(bytes.span.extracting(at..<bytes.count))
    bytes = out
    func move(_ place: inout Place) {
      // The last move that begins at or before the place.
      var (low, high) = (0, moves.count)
      while low < high {
        let middle = (low + high) / 2
        if moves[middle].from <= place.offset { low = middle + 1 } else { high = middle }
      }
      if low > 0 { place.offset += moves[low - 1].by }
    }
    records.mapValues { move(&$0) }
    if var place = timestamp {
      move(&place)
      timestamp = place
    }
    if var place = rtfs {
      move(&place)
      rtfs = place
    }
    for (name, place) in placed { put(name, place) }
  }

  mutating func put(_ name: RecordName, _ place: Place) {
    if name == Self.timestampName {
      timestamp = place
    } else if name == Self.rtfsName {
      rtfs = place
    } else {
      records[name] = place
    }
  }

  /// The new text of a record, laid out as the old one; nil where it says the same.
  func replacement(of place: Place, by record: StoredRecord) -> Splice? {
    let old = bytes.span.extracting(place.range)
    let compact = record.text.bytes
    var (scratch, before) = (ByteBuffer(), ByteBuffer())
    guard let text = try? JSONText(old) else { return nil }
    text.appendCompact(to: &before)
    if before.span.isEqual(to: compact.span) { return nil }
    var layout = RecordLayout(of: old, compact: before.span, scratch: &scratch)
    if layout == .own { layout = hasLines ? .compact : .indented(unit: 2, base: 4) }
    var out = ByteBuffer()
    layout.append(compact.span, to: &out)
    return Splice(
      range: place.range, bytes: out,
      records: [(record.name, Place(offset: 0, length: out.count))])
  }

  /// Takes in what has been appended to the file.
  mutating func add(_ addition: Addition) {
    let start = bytes.count
    let added = addition.bytes
    bytes.append(added.span)
    lineCount += added.span.occurrences(of: 0x0A)
    for (name, place) in addition.records {
      records[name] = Place(offset: start + place.offset, length: place.length)
    }
  }
}

/// Notes where each record of a text lies.
private final class Indexer: RecordSink {
  var records = NamedList<TextStore.Place>()
  var log = FindingLog()
  private let context: [UInt8]
  private let start: Int
  private let lines: Int

  /// - Parameters:
  ///   - start: where the text that is read starts in its file.
  ///   - lines: line feeds before that.
  init(context: [UInt8], start: Int, lines: Int) {
    self.context = context
    self.start = start
    self.lines = lines
  }

  func take(_ record: inout Record) {
    let range = record.text.tokens[0].range
    records.append(
      record.name(context: context),
      TextStore.Place(
        offset: start + record.place.offset + range.lowerBound, length: range.count),
      isLatestFound: record.kind.isMember)
  }

  func note(_ finding: Finding) {
    var finding = finding
    finding.offset = finding.offset.map { $0 + start }
    finding.line = finding.line.map { $0 + lines }
    log.add(finding)
  }
}
