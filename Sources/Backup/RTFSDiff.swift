import Disk
import LosslessJSON
import RTFS
import Records
import Snapshot
import Stores

/// A unified diff of the RTFS snapshots of two stores, as `diff -u` prints one of texts: what
/// `backup` writes as `rtfs`, sorted by kind and id, one record a line.
///
/// The texts are never held whole: records of both are sorted together, so that each meets its
/// counterpart. Memory is bounded by the records that share an id.
package struct RTFSDiff {
  private var hunks: HunkWriter
  private var layouts = (RTFSSnapshot(), RTFSSnapshot())
  private var texts = (ByteBuffer(), ByteBuffer())
  private let counts: ([RecordKind: Int], [RecordKind: Int])
  private var kind: RecordKind?
  private var id: [UInt8] = []
  private var removed: [[UInt8]] = []
  private var added: [[UInt8]] = []
  private var key: [UInt8] = []
  private var same = (0, 0)
  private var line: [UInt8] = []

  /// Bytes behind the id in a sort key: a zero, half the hash, the side.
  private static let tail = 18

  /// Writes the diff to `out`, nothing where the texts are the same.
  /// - Parameter names: what the two are called, for the `---` and `+++` lines.
  package static func write(
    _ a: OpenedStore, _ b: OpenedStore, names: (String, String),
    options: ReadOptions = ReadOptions(), to out: @escaping (Span<UInt8>) throws -> Void
  ) throws {
    var sorter = RunSorter(spillingTo: Disk.temporaryDirectory)
    let left = try insert(a, 0, options, &sorter)
    let right = try insert(b, 1, options, &sorter)
    var diff = RTFSDiff(
      hunks: HunkWriter(names: names, to: out), counts: (left.counts, right.counts))
    diff.layouts.0.begin(to: &diff.texts.0)
    diff.layouts.1.begin(to: &diff.texts.1)
    try sorter.drain { key, line in try diff.take(key, line) }
    try diff.finish()
  }

  private init(hunks: HunkWriter, counts: ([RecordKind: Int], [RecordKind: Int])) {
    self.hunks = hunks
    self.counts = counts
  }

  private static func insert(
    _ store: OpenedStore, _ side: UInt8, _ options: ReadOptions, _ sorter: inout RunSorter
  ) throws -> Survey {
    let survey = Survey(rules: false)
    var writer = RTFSWriter()
    let box = SorterBox(sorter)
    sorter = RunSorter(spillingTo: Disk.temporaryDirectory)
    var (key, line) = (ByteBuffer(), ByteBuffer())
    survey.onRecord = { record, hash in
      key.removeAll()
      line.removeAll()
      key.append(UInt8(RTFSSnapshot.order.firstIndex(of: record.kind) ?? 255))
      record.appendID(to: &key)
      key.append(0)
      for word in [hash.a, hash.b] {
        for shift in stride(from: 56, through: 0, by: -8) {
          key.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
        }
      }
      key.append(side)
      writer.append(&record, to: &line)
      try box.insert(key, line)
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
    if let filled = box.take() { sorter = filled }
    return survey
  }

  private mutating func take(_ key: Span<UInt8>, _ line: Span<UInt8>) throws {
    let side = key[key.count - 1]
    let whole = Self.array(key.extracting(0..<key.count - 1))
    if whole != self.key {
      try settle()
      let id = Array(whole.dropLast(Self.tail - 1))
      if id != self.id { try flush() }
      self.id = id
      self.key = whole
      self.line = Self.array(line)
      let rank = Int(whole[0])
      if rank < RTFSSnapshot.order.count { try enter(RTFSSnapshot.order[rank]) }
    }
    if side == 0 { same.0 += 1 } else { same.1 += 1 }
  }

  private static func array(_ span: Span<UInt8>) -> [UInt8] { span.indices.map { span[$0] } }

  /// The lines of one hash are complete: those that both have are common, the others wait.
  private mutating func settle() throws {
    let (left, right) = same
    same = (0, 0)
    let text = Array("    ".utf8) + line
    if min(left, right) > 0 {
      try flush()
      for _ in 0..<min(left, right) { try hunks.common(text) }
    }
    if left > right { removed += Array(repeating: text, count: left - right) }
    if right > left { added += Array(repeating: text, count: right - left) }
  }

  private mutating func flush() throws {
    for line in removed { try hunks.removed(line) }
    for line in added { try hunks.added(line) }
    removed = []
    added = []
  }

  /// Writes the lists around the records up to those of this kind.
  private mutating func enter(_ kind: RecordKind) throws {
    guard kind != self.kind else { return }
    try flush()
    self.kind = kind
    // The list of edges is always there, the others only where they hold records.
    if kind == .edge || counts.0[kind] != nil { layouts.0.next(kind, to: &texts.0) }
    if kind == .edge || counts.1[kind] != nil { layouts.1.next(kind, to: &texts.1) }
    try writeLists()
  }

  private mutating func writeLists() throws {
    let old = Self.lines(&texts.0)
    let new = Self.lines(&texts.1)
    var start = 0
    while start < min(old.count, new.count), old[start] == new[start] { start += 1 }
    var end = 0
    while end < min(old.count, new.count) - start,
      old[old.count - 1 - end] == new[new.count - 1 - end]
    { end += 1 }
    for line in old[..<start] { try hunks.common(line) }
    for line in old[start..<old.count - end] { try hunks.removed(line) }
    for line in new[start..<new.count - end] { try hunks.added(line) }
    for line in old[(old.count - end)...] { try hunks.common(line) }
  }

  /// The whole lines of a text, without the indentation that stands before a record; emptied.
  private static func lines(_ text: inout ByteBuffer) -> [[UInt8]] {
    defer { text.removeAll() }
    return text.array.split(separator: 0x0A).map(Array.init).filter {
      !$0.allSatisfy { $0 == 0x20 }
    }
  }

  private mutating func finish() throws {
    try settle()
    try flush()
    layouts.0.finish(to: &texts.0)
    layouts.1.finish(to: &texts.1)
    try writeLists()
    try hunks.finish()
  }
}

/// Holds a sorter for a closure.
private final class SorterBox {
  private var sorter: RunSorter?

  init(_ sorter: consuming RunSorter) { self.sorter = consume sorter }

  func insert(_ key: ByteBuffer, _ payload: ByteBuffer) throws {
    try sorter?.insert(key: key.span, payload: payload.span)
  }

  func take() -> RunSorter? { sorter.take() }
}
