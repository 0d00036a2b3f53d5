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
  private var rtfs = RTFSWriter()
  private var key = ByteBuffer()
  private var line = ByteBuffer()

  /// - Parameter kinds: the kinds of records that may come.
  init(
    to out: MemberWriter, time: Int, kinds: [RecordKind], hasRTFS: Bool, spillingTo directory: FilePath
  ) throws {
    self.out = out
    self.time = time
    self.directory = directory
    let first = kinds.min()
    direct = first == .intent || first == .edge ? nil : first
    intents = direct == nil ? RunSorter(spillingTo: directory, runLimit: Self.runLimit) : nil
    lines = hasRTFS ? RunSorter(spillingTo: directory, runLimit: Self.runLimit) : nil
    if direct != nil { try writeHead() }
  }

  private static let runLimit = 8 << 20

  private func writeHead() throws {
    var text = ByteBuffer("{\"version\":\"1.1\",\"timestamp\":")
    text.append(decimal: time)
    text.append(",\n\"intents\":{")
    try out.write(text.span)
    if direct != nil { try out.write("\n},\n\"edges\":[\n]") }
  }

  func add(_ record: inout Record, _ hash: Hash256) throws {
    line.removeAll()
    if record.kind == .intent {
      try addIntent(record)
    } else {
      let isFirst = started.insert(record.kind).inserted
      line.append(isFirst ? "\n" : ",\n")
      ScopedRecord.append(record, to: &line)
      if record.kind == direct {
        if isFirst { try open(record.kind) }
        let text = line
        try out.write(text.span)
      } else {
        let file = try waiting[record.kind] ?? SpillFile(in: directory)
        waiting[record.kind] = file
        let text = line
        try file.append(text.span)
      }
    }
    if lines != nil { try addLine(&record, hash) }
  }

  private func open(_ kind: RecordKind) throws {
    var text = ByteBuffer(",\n\"")
    text.append(utf8: kind.plural)
    text.append("\":[")
    try out.write(text.span)
  }

  private func addIntent(_ record: borrowing Record) throws {
    key.removeAll()
    if record.scope.isEmpty { record.appendID(to: &key) } else { key.append(record.scope) }
    let id = key
    appendJSONString(id.span, to: &line)
    line.append(":")
    if ScopedRecord.isAmbiguousIntent(record) {
      ScopedRecord.appendWrapped(record, to: &line)
    } else {
      record.text.appendCompact(to: &line)
    }
    let (name, member) = (key, line)
    try intents?.insert(key: name.span, payload: member.span)
  }

  private func addLine(_ record: inout Record, _ hash: Hash256) throws {
    key.removeAll()
    key.append(UInt8(RTFSSnapshot.order.firstIndex(of: record.kind) ?? 255))
    record.appendID(to: &key)
    key.append(0)
    for word in [hash.a, hash.b] {
      for shift in stride(from: 56, through: 0, by: -8) {
        key.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    line.removeAll()
    rtfs.append(&record, to: &line)
    let (place, text) = (key, line)
    try lines?.insert(key: place.span, payload: text.span)
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
      try out.write(isFirst ? "\n" : ",\n")
      isFirst = false
      try out.write(member)
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
    var escaped = ByteBuffer()
    let out = out
    escaped.append(0x22)
    layout.begin(to: &text)
    func flush(over limit: Int) throws {
      guard text.count > limit else { return }
      appendJSONEscaped(text.span, to: &escaped)
      try out.write(escaped.span)
      text.removeAll()
      escaped.removeAll()
    }
    try sorted.drain { key, line in
      let rank = Int(key[0])
      if rank < RTFSSnapshot.order.count { layout.next(RTFSSnapshot.order[rank], to: &text) }
      text.append(line)
      try flush(over: 128 << 10)
    }
    layout.finish(to: &text)
    try flush(over: 0)
    try out.write("\"")
  }
}
