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
  private var timestamp: Place?
  private var rtfs: Place?

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

  // MARK: Changes

  /// What is put in the place of a range, and which records stand in it.
  private struct Splice {
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
  private static func folded(_ changes: [Change]) -> [Change] {
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

  private mutating func splice(_ list: [Splice]) {
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

  private mutating func put(_ name: RecordName, _ place: Place) {
    if name == Self.timestampName {
      timestamp = place
    } else if name == Self.rtfsName {
      rtfs = place
    } else {
      records[name] = place
    }
  }

  /// The new text of a record, laid out as the old one; nil where it says the same.
  private func replacement(of place: Place, by record: StoredRecord) -> Splice? {
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

  // MARK: Lines

  /// A whole line, its LF included.
  private func line(of place: Place) -> Splice {
    var (start, end) = (place.offset, place.offset + place.length)
    while start > 0, bytes[start - 1] != 0x0A { start -= 1 }
    while end < bytes.count, bytes[end] != 0x0A { end += 1 }
    return Splice(range: start..<min(end + 1, bytes.count))
  }

  /// Lines at the end of the file; one that lacks its LF gets it first.
  private func appending(_ new: [StoredRecord]) -> Splice {
    var splice = Splice(range: bytes.count..<bytes.count)
    if bytes.count > 0, bytes[bytes.count - 1] != 0x0A { splice.bytes.append(0x0A) }
    for record in new {
      let text = record.text.bytes
      splice.records.append(
        (record.name, Place(offset: splice.bytes.count, length: text.count)))
      splice.bytes.append(text)
      splice.bytes.append(0x0A)
    }
    return splice
  }

  /// Lines that are to be appended, and where their records will be.
  struct Addition {
    fileprivate(set) var bytes: ByteBuffer
    fileprivate var records: [(name: RecordName, place: Place)]
  }

  /// What changes append that only add lines; nil for others.
  func addition(for changes: [Change]) -> Addition? {
    guard hasLines else { return nil }
    var new: [StoredRecord] = []
    var names: Set<RecordName> = []
    for change in changes {
      guard case .put(let record) = change, records[record.name] == nil,
        names.insert(record.name).inserted
      else { return nil }
      new.append(record)
    }
    let splice = appending(new)
    return Addition(bytes: splice.bytes, records: splice.records)
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

  // MARK: Containers

  private func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  /// Where the element of a container starts whose value starts at `offset`: its key, in an object.
  private func elementStart(_ offset: Int) -> Int {
    var at = offset
    while at > 0, isSpace(bytes[at - 1]) { at -= 1 }
    guard at > 0, bytes[at - 1] == 0x3A else { return offset }
    at -= 1
    while at > 0, isSpace(bytes[at - 1]) { at -= 1 }
    guard at > 0, bytes[at - 1] == 0x22 else { return offset }
    at -= 1
    // Back to the quote that opens the key: the last one that nothing escapes.
    while at > 0 {
      at -= 1
      guard bytes[at] == 0x22 else { continue }
      var slashes = 0
      while at - slashes > 0, bytes[at - slashes - 1] == 0x5C { slashes += 1 }
      if slashes % 2 == 0 { return at }
    }
    return offset
  }

  /// The white space in front of an offset.
  private func lead(before offset: Int) -> [UInt8] {
    var start = offset
    while start > 0, isSpace(bytes[start - 1]) { start -= 1 }
    return (start..<offset).map { bytes[$0] }
  }

  /// Whether nothing but white space and a comma stands between two elements.
  private func isClean(_ range: Range<Int>) -> Bool {
    var commas = 0
    for at in range {
      if bytes[at] == 0x2C { commas += 1 } else if !isSpace(bytes[at]) { return false }
    }
    return commas == 1
  }

  /// Removes elements of one container and adds others at its end.
  private func change(
    _ members: [(name: RecordName, value: Place)], removing removed: Set<RecordName>,
    adding new: [StoredRecord]
  ) throws -> [Splice] {
    var splices: [Splice] = []
    let starts = members.map { elementStart($0.value.offset) }
    let ends = members.map(\.value.range.upperBound)
    let isKept = members.map { !removed.contains($0.name) }
    var at = 0
    while at < members.count {
      guard !isKept[at] else {
        at += 1
        continue
      }
      var end = at
      while end + 1 < members.count, !isKept[end + 1] { end += 1 }
      // What stands between two elements goes with the one behind it, at the start with the other.
      let gaps = at > 0 ? at..<end + 1 : 1..<min(end + 2, members.count)
      for index in gaps {
        guard isClean(ends[index - 1]..<starts[index]) else {
          throw StorageError(
            .damaged, "what stands beside the record cannot be read, and would be lost",
            path: path.string, offset: ends[index - 1],
            hint: "salvage the file, or restore it from a backup, before records are deleted")
        }
      }
      if at > 0 {
        splices.append(Splice(range: ends[at - 1]..<ends[end]))
      } else if end + 1 < members.count {
        splices.append(Splice(range: starts[at]..<starts[end + 1]))
      } else {
        let before = new.isEmpty ? lead(before: starts[at]).count : 0
        splices.append(Splice(range: starts[at] - before..<ends[end]))
      }
      at = end + 1
    }
    guard !new.isEmpty else { return splices }
    let last = isKept.lastIndex(of: true)
    var added =
      if let last {
        adding(new, behind: members[last].value)
      } else {
        elements(new, like: members[0].value, hasOthers: false)
      }
    let place = last.map { ends[$0] } ?? starts[0]
    if let index = splices.firstIndex(where: { $0.range.lowerBound == place }) {
      splices[index].bytes = added.bytes
      splices[index].records = added.records
    } else {
      added.range = place..<place
      splices.append(added)
    }
    return splices
  }

  /// Elements behind the last one of a container.
  private func adding(_ new: [StoredRecord], behind last: Place) -> Splice {
    var splice = elements(new, like: last, hasOthers: true)
    let end = last.range.upperBound
    splice.range = end..<end
    return splice
  }

  /// The text of elements, laid out as another one is.
  private func elements(_ new: [StoredRecord], like model: Place, hasOthers: Bool) -> Splice {
    let start = elementStart(model.offset)
    let space = lead(before: start)
    let layout = layout(of: model)
    var splice = Splice(range: 0..<0)
    for (index, record) in new.enumerated() {
      if index > 0 || hasOthers {
        splice.bytes.append(0x2C)
        splice.bytes.append(space)
      }
      append(record, isKeyed: start != model.offset, layout: layout, to: &splice)
    }
    return splice
  }

  private func layout(of place: Place) -> RecordLayout {
    let text = bytes.span.extracting(place.range)
    var (compact, scratch) = (ByteBuffer(), ByteBuffer())
    guard let parsed = try? JSONText(text) else { return .compact }
    parsed.appendCompact(to: &compact)
    let layout = RecordLayout(of: text, compact: compact.span, scratch: &scratch)
    return layout == .own ? .indented(unit: 2, base: 4) : layout
  }

  private func append(
    _ record: StoredRecord, isKeyed: Bool, layout: RecordLayout, to splice: inout Splice
  ) {
    if isKeyed {
      appendJSONString(record.name.key.span, to: &splice.bytes)
      splice.bytes.append(0x3A)
      if layout != .compact { splice.bytes.append(0x20) }
    }
    let start = splice.bytes.count
    layout.append(record.text.bytes.span, to: &splice.bytes)
    splice.records.append(
      (record.name, Place(offset: start, length: splice.bytes.count - start)))
  }

  // MARK: Empty containers

  /// The keys above the records of a name's kind, and whether they lie under keys of their own.
  private static func home(of name: RecordName) -> (keys: [[UInt8]], isKeyed: Bool) {
    switch name.kind {
    case .intent: return ([Array("intents".utf8)], true)
    case .user, .project: return ([Array(name.kind.plural.utf8)], true)
    case .task:
      let owner = TaskScope.keys(name.scope) ?? []
      let top: StaticString = owner.count == 1 ? "tasks_by_user" : "tasks"
      return ([ByteBuffer(top).array] + owner, false)
    default: return ([Array(name.kind.plural.utf8)], false)
    }
  }

  /// Puts the first records of a container into it, and makes it where it is missing.
  private mutating func house(_ new: [StoredRecord]) throws {
    guard let first = new.first else { return }
    let home = Self.home(of: first.name)
    let text: JSONText
    do throws(JSONError) { text = try JSONText(bytes.span) } catch {
      throw StorageError(
        .damaged, "is no JSON: \(error.reason.rawValue), so there is no place to put a record",
        path: path.string, offset: error.offset, cause: error,
        hint: "salvage the file, or restore it from a backup")
    }
    var (at, depth) = (0, 0)
    while depth < home.keys.count, text.kind(at) == .object,
      let key = text.children(of: at).last(where: { text.decoded($0) == home.keys[depth] })
    {
      at = key + 1
      depth += 1
    }
    let isThere = depth == home.keys.count
    guard text.kind(at) == .object || (isThere && text.kind(at) == .array) else {
      throw StorageError(
        .unsupported, "has something else where records of the kind \(first.name.kind) belong",
        path: path.string, offset: text.tokens[at].range.lowerBound)
    }
    var splice = Splice(range: 0..<0)
    let isKeyed = isThere ? text.kind(at) == .object : home.isKeyed
    func newLine(_ level: Int, _ out: inout ByteBuffer) {
      out.append(0x0A)
      for _ in 0..<level { out.append("  ") }
    }
    // Members that are missing, down to the container.
    let open = text.tokens[at].range
    let children = text.children(of: at)
    if let last = children.last {
      let end = text.tokens[text.kind(at) == .object ? last + 1 : last].range.upperBound
      splice.range = end..<end
      splice.bytes.append(0x2C)
    } else {
      splice.range = open.lowerBound + 1..<open.upperBound - 1
    }
    var level = depth + 1
    for key in home.keys[depth...] {
      newLine(level, &splice.bytes)
      appendJSONString(key.span, to: &splice.bytes)
      splice.bytes.append(": ")
      let isInnermost = level == home.keys.count
      splice.bytes.append(isInnermost && !isKeyed ? 0x5B : 0x7B)
      level += 1
    }
    for (index, record) in new.enumerated() {
      if index > 0 { splice.bytes.append(0x2C) }
      newLine(level, &splice.bytes)
      append(
        record, isKeyed: isKeyed, layout: .indented(unit: 2, base: 2 * level), to: &splice)
    }
    for inner in home.keys[depth...].indices.reversed() {
      level -= 1
      newLine(level, &splice.bytes)
      splice.bytes.append(inner == home.keys.count - 1 && !isKeyed ? 0x5D : 0x7D)
    }
    if children.isEmpty { newLine(depth, &splice.bytes) }
    self.splice([splice])
  }

  // MARK: The frame of a snapshot

  private static let timestampName = RecordName(.document, "timestamp")
  private static let rtfsName = RecordName(.document, "rtfs")

  private mutating func findFrame() {
    var reader = JSONReader(BytesTree(bytes, path: path).open(0))
    // Where the structure breaks, what stands behind is left as it is.
    try? {
      try reader.expect(0x7B, .unexpectedByte)
      var first = true
      while let key = try reader.nextKey(first: first) {
        first = false
        _ = try reader.peek()
        let start = reader.offset
        try reader.skip()
        let place = Place(offset: start, length: reader.offset - start)
        if key == Array("timestamp".utf8) { timestamp = place }
        if key == Array("rtfs".utf8) { rtfs = place }
      }
    }()
  }

  /// The time of this save. Records that have changed are no longer what `rtfs` says; it stays
  /// where something is damaged, for it may be the last copy.
  private func frameSplices(_ now: Int) -> [Splice] {
    var splices: [Splice] = []
    if let timestamp {
      let text = Array(String(now).utf8)
      splices.append(
        Splice(
          range: timestamp.range, bytes: ByteBuffer(text),
          records: [(Self.timestampName, Place(offset: 0, length: text.count))]))
    }
    if let rtfs, rtfs.length > 4, !isDamaged {
      splices.append(
        Splice(
          range: rtfs.range, bytes: ByteBuffer("null"),
          records: [(Self.rtfsName, Place(offset: 0, length: 4))]))
    }
    return splices
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
