import Disk
import LosslessJSON
import Records
import SystemPackage

/// Writes an intent snapshot of version 1.1 that upstream opens: intents by key, edges, no
/// manifest and no RTFS; other kinds, which only a snapshot of ours has, in arrays behind them.
///
/// Intents are written as they come; everything else waits in nameless files.
final class IntentSnapshotWriter: StoreWriter {
  private let options: WriteOptions
  private let files: StagedFiles
  private var output: StagedFile?
  private var name = FilePath("snapshot.json")
  private var hasIntents = false
  private var waiting: [RecordKind: SpillFile] = [:]
  /// Members of the top level that are no part of the format, `,"key":value` each.
  private var members: SpillFile?
  private var line = ByteBuffer()

  init(_ options: WriteOptions) {
    self.options = options
    files = StagedFiles(in: options.directory)
  }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.intentSnapshot.check(record, from: options.sourceKind)
    let file = try begin(place)
    line.removeAll()
    if record.kind == .intent {
      line.append(hasIntents ? ",\n" : "\n")
      hasIntents = true
      ScopedRecord.appendIntent(record, to: &line)
      let text = line
      return try file.write(text.span)
    }
    if record.kind == .document, Self.isMember(record) {
      line.append(",\n")
      appendJSONString(record.scope.span, to: &line)
      line.append(0x3A)
      record.text.appendCompact(to: &line)
      let spill = try members ?? SpillFile(in: options.directory)
      members = spill
      let text = line
      return try spill.append(text.span)
    }
    let spill = try waiting[record.kind] ?? SpillFile(in: options.directory)
    waiting[record.kind] = spill
    line.append(spill.count > 0 ? ",\n" : "\n")
    ScopedRecord.append(record, to: &line)
    let text = line
    try spill.append(text.span)
  }

  /// Whether a document reads back as it is from a member of the top level under its scope.
  private static func isMember(_ record: borrowing Record) -> Bool {
    guard !record.scope.isEmpty else { return false }
    let reserved =
      SnapshotWalk.frame.map(\.bytes) + RecordKind.allCases.map { Array($0.plural.utf8) }
    for key in reserved where key == record.scope { return false }
    return true
  }

  private func begin(_ place: WritePlace) throws -> StagedFile {
    if let output { return output }
    name = options.fileName(.intentSnapshot, place, usual: name)
    let file = try files.file(name, mode: place.mode)
    output = file
    var text = ByteBuffer("{\"version\":\"1.1\",\"timestamp\":")
    text.append(decimal: options.time)
    text.append(",\n\"intents\":{")
    try file.write(text.span)
    return file
  }

  func finish() throws -> WrittenStore {
    let file = try begin(WritePlace())
    try file.write("\n},\n\"edges\":[")
    try waiting.removeValue(forKey: .edge)?.copy(to: file)
    try file.write("\n]")
    for kind in RecordKind.allCases {
      guard let spill = waiting[kind] else { continue }
      var text = ByteBuffer(",\n\"")
      text.append(utf8: kind.plural)
      text.append("\":[")
      try file.write(text.span)
      try spill.copy(to: file)
      try file.write("\n]")
    }
    try members?.copy(to: file)
    try file.write(",\n\"manifest\":null,\n\"rtfs\":null\n}\n")
    try files.close()
    return WrittenStore(root: options.directory.pushing(name), files: files.names)
  }
}
