import Archive
import Disk
import LosslessJSON
import RTFS
import Records
import Stores
import SystemPackage

/// Writes `backup.json`: the hybrid JSON and RTFS snapshot, version 1.1, of records that arrive
/// in the order of their store.
///
/// Layout: `version`, `timestamp`, `intents` (an object, sorted by key), `edges`, then the other
/// kinds that occur (arrays in store order), `manifest`, `rtfs`; one record a line. Records of
/// the store's first kind go straight to their place; the others wait in nameless files.
final class HybridWriter {
  private let out: MemberWriter
  private let directory: FilePath
  private let time: Int
  /// The kind whose records are written as they come; nil where intents come first.
  private let direct: RecordKind?
  private var intents: RunSorter?
  private var waiting: [RecordKind: SpillFile] = [:]
  private var started: Set<RecordKind> = []
  private var lines: RunSorter?

  /// - Parameter kinds: the kinds of records that may come.
  init(
    to out: MemberWriter, time: Int, kinds: [RecordKind], hasRTFS: Bool,
    spillingTo directory: FilePath
  ) throws {
    self.out = out
    self.time = time
    self.directory = directory
    let first = kinds.min()
    direct = first == .intent || first == .edge ? nil : first
    intents = direct == nil ? RunSorter(spillingTo: directory) : nil
    lines = hasRTFS ? RunSorter(spillingTo: directory) : nil
    if direct != nil { try writeHead() }
  }

  private func writeHead() throws {
    var text = ByteBuffer("{\"version\":\"1.1\",\"timestamp\":")
    text.append(decimal: time)
    text.append(",\n\"intents\":{")
    try out.write(text.span)
    if direct != nil { try out.write("\n},\n\"edges\":[\n]") }
  }

  /// What can be made of a record without the others, for `add`: its element of the JSON, with the
  /// comma and the LF before it, and its line of the RTFS, escaped as the JSON string wants it.
  static func preparation(hasRTFS: Bool) -> Survey.Prepare {
    { batch in
      var writer = RTFSWriter(escaped: true)
      var key = ByteBuffer()
      var line = ByteBuffer()
      for index in 0..<batch.count {
        batch.prepared.append(separator)
        appendElement(&batch.records[index], to: &batch.prepared)
        batch.ends.append(batch.prepared.count)
        guard hasRTFS else { continue }
        key.removeAll()
        line.removeAll()
        appendSortKey(&batch.records[index], batch.hashes[index], to: &key)
        writer.append(&batch.records[index], to: &line)
        batch.entries.insert(key: key.span, payload: line.span)
      }
    }
  }

  private static let separator: StaticString = ",\n"

  /// Lent for writing, here and below, only so that the record is not copied.
  private static func appendElement(_ record: inout Record, to out: inout ByteBuffer) {
    if record.kind == .intent {
      ScopedRecord.appendIntent(record, to: &out)
    } else {
      ScopedRecord.append(record, to: &out)
    }
  }

  /// Kind in the order of the RTFS text, id, and half the hash to settle equal ids.
  private static func appendSortKey(
    _ record: inout Record, _ hash: Hash256, to out: inout ByteBuffer
  ) {
    out.append(UInt8(RTFSSnapshot.order.firstIndex(of: record.kind) ?? 255))
    record.appendID(to: &out)
    out.append(0)
    out.append(bytesOf: hash.a.bigEndian)
    out.append(bytesOf: hash.b.bigEndian)
  }

  /// Takes records in store order, as `preparation` left them.
  func add(_ batch: inout RecordBatch) throws {
    let prepared = batch.prepared
    let text = prepared.span
    var index = 0
    var start = 0
    while index < batch.count {
      let kind = batch.records[index].kind
      var next = index + 1
      if kind != .intent {
        while next < batch.count, batch.records[next].kind == kind { next += 1 }
      }
      let end = batch.ends[next - 1]
      let elements = text.extracting(start..<end)
      if kind == .intent {
        try addIntent(&batch.records[index], elements)
      } else {
        try add(elements, of: kind)
      }
      (index, start) = (next, end)
    }
    if lines != nil { try lines?.append(batch.entries) }
  }

  private func addIntent(_ record: inout Record, _ element: Span<UInt8>) throws {
    var key = ByteBuffer()
    ScopedRecord.appendKey(of: record, to: &key)
    try intents?.insert(key: key.span, payload: element)
  }

  /// Takes elements of one kind, each with its separator; the comma before the first is dropped.
  private func add(_ elements: Span<UInt8>, of kind: RecordKind) throws {
    let isFirst = started.insert(kind).inserted
    let text = elements.extracting((isFirst ? 1 : 0)..<elements.count)
    if kind == direct {
      if isFirst { try open(kind) }
      try out.write(text)
      return
    }
    let file = try waiting[kind] ?? SpillFile(in: directory)
    waiting[kind] = file
    try file.append(text)
  }

  private func open(_ kind: RecordKind) throws {
    var text = ByteBuffer(",\n\"")
    text.append(utf8: kind.plural)
    text.append("\":[")
    try out.write(text.span)
  }

  /// Writes all that has waited and ends the member. Returns where in it the value of `rtfs`
  /// starts, if there is one.
  func finish(source: String, note: String?) throws -> Int? {
    if direct == nil {
      try writeHead()
      try writeIntents()
      try out.write("\n},\n\"edges\":[")
      try replay(.edge)
      try out.write("\n]")
    } else if let direct, started.contains(direct) {
      try out.write("\n]")
    }
    for kind in RecordKind.allCases where kind > .edge && waiting[kind] != nil {
      try open(kind)
      try replay(kind)
      try out.write("\n]")
    }
    var text = JSONBuilder(pretty: false)
    text.object {
      $0.member("created_by", "\(Manifest.implementation) \(Manifest.implementationVersion)")
      $0.member("source", source)
      $0.key("note")
      if let note { $0.value(note) } else { $0.null() }
    }
    try out.write(",\n\"manifest\":")
    try out.write(text.bytes.span)
    guard let sorted = lines.take() else {
      try out.write("\n}\n")
      return nil
    }
    try out.write(",\n\"rtfs\":")
    try out.cut()
    let offset = out.count
    try writeRTFS(sorted)
    try out.write("\n}\n")
    return offset
  }

  private func writeIntents() throws {
    guard let sorted = intents.take() else { return }
    var isFirst = true
    let out = out
    try sorted.drain { _, member in
      try out.write(member.extracting((isFirst ? 1 : 0)..<member.count))
      isFirst = false
    }
  }

  private func replay(_ kind: RecordKind) throws {
    guard let file = waiting.removeValue(forKey: kind) else { return }
    var block = ByteBuffer()
    var at = 0
    while at < file.count {
      block.removeAll()
      let length = min(256 << 10, file.count - at)
      try file.read(at: at, into: &block, count: length)
      try out.write(block.span)
      at += length
    }
  }

  private func writeRTFS(_ sorted: consuming RunSorter) throws {
    var layout = RTFSSnapshot()
    var text = ByteBuffer()
    var escaped = ByteBuffer("\"")
    let out = out
    layout.begin(to: &text)
    try sorted.drain { key, line in
      let rank = Int(key[0])
      if rank < RTFSSnapshot.order.count { layout.next(RTFSSnapshot.order[rank], to: &text) }
      appendJSONEscaped(text.span, to: &escaped)
      text.removeAll()
      escaped.append(line)
      if escaped.count > 64 << 10 {
        try out.write(escaped.span)
        escaped.removeAll()
      }
    }
    layout.finish(to: &text)
    appendJSONEscaped(text.span, to: &escaped)
    escaped.append(0x22)
    try out.write(escaped.span)
  }
}
