import Disk
import LosslessJSON
import Records
import SystemPackage

/// Writes a memory graph: one record a line, in one file or a file for each context.
///
/// What a line cannot say (an entity that is one only because it stood under `entities`, a value
/// under a key of its own) goes into a `{"entities":[…],"relations":[…]}` object at the front of
/// its file, as it came; a store of another layout than the source's refuses it.
final class MemoryGraphWriter: StoreWriter {
  private let options: WriteOptions
  private let files: StagedFiles
  private var oneFile: FilePath?
  private var line = ByteBuffer()
  private var wrapped: [FilePath: WrappedPart] = [:]
  private var modes: [FilePath: Int] = [:]

  static let usualName = FilePath("memory.jsonl")

  init(_ options: WriteOptions) {
    self.options = options
    files = StagedFiles(in: options.directory)
  }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.memoryGraph.check(record, from: options.sourceKind)
    let name = try self.name(record, place)
    if record.scope.isEmpty, MemoryGraph.kind(of: record.text) == record.kind {
      line.removeAll()
      record.text.appendCompact(to: &line)
      line.append(0x0A)
      let text = line
      return try files.file(name, mode: place.mode).write(text.span)
    }
    guard options.layout != .contexts, options.sourceKind == StoreFormat.memoryGraph.name else {
      try record.refuseScope("lines have")
      throw StoreError.refusal(
        of: record, "is no line that reads back as the same kind of record",
        hint: StoreError.leavingOut)
    }
    var part = try wrapped[name] ?? WrappedPart(in: options.directory)
    try part.add(record)
    wrapped[name] = part
    modes[name] = place.mode
  }

  private func name(_ record: borrowing Record, _ place: WritePlace) throws -> FilePath {
    switch options.layout {
    case .contexts:
      guard let name = MemoryGraph.fileName(ofContext: place.context ?? []) else {
        let shown = String(decoding: place.context ?? [], as: UTF8.self)
        throw StoreError.refusal(
          of: record, "its context, \(shown), cannot be part of a file name",
          hint: "rename the context first, or \(StoreError.leavingOut)")
      }
      return name
    case .files:
      if options.fileName == nil, let file = place.file { return file }
      fallthrough
    case .oneFile:
      let name = oneFile ?? options.fileName ?? Self.usualName
      oneFile = name
      return name
    }
  }

  func finish() throws -> WrittenStore {
    if files.names.isEmpty, wrapped.isEmpty {
      let isDirectory = options.layout == .contexts
      let name = isDirectory ? FilePath("charts.jsonl") : options.fileName ?? Self.usualName
      if !isDirectory { oneFile = name }
      _ = try files.file(name, mode: 0o600)
    }
    for name in wrapped.keys { _ = try files.file(name, mode: modes[name] ?? 0o600) }
    try files.close()
    for (name, part) in wrapped {
      try part.prepend(to: options.directory.pushing(name), mode: modes[name] ?? 0o600)
    }
    let isOne = oneFile != nil && files.names.count == 1
    return WrittenStore(
      root: isOne ? options.directory.pushing(files.names[0]) : options.directory,
      files: files.names)
  }
}

/// The records of a file that stand in an object of arrays.
private struct WrappedPart {
  private var parts: [String: SpillFile] = [:]
  private let directory: FilePath

  init(in directory: FilePath) throws { self.directory = directory }

  mutating func add(_ record: borrowing Record) throws {
    let key = record.kind == .document ? "" : record.kind.plural
    guard record.kind != .document || !record.scope.isEmpty else {
      throw StoreError.refusal(
        of: record, "is no line that reads back as the same kind of record",
        hint: StoreError.leavingOut)
    }
    let file = try parts[key] ?? SpillFile(in: directory)
    parts[key] = file
    var text = ByteBuffer()
    if key.isEmpty {
      text.append(0x2C)
      appendJSONString(record.scope.span, to: &text)
      text.append(0x3A)
    } else if file.count > 0 {
      text.append(0x2C)
    }
    record.text.appendCompact(to: &text)
    try file.append(text.span)
  }

  /// Puts the object before what `path` holds already.
  func prepend(to path: FilePath, mode: Int) throws {
    let directory = path.removingLastComponent()
    let temporary = Disk.temporaryPath(for: directory.appending("wrapped"))
    let output = try StagedFile(temporary, mode: 0o600)
    try output.write("{\"entities\":[")
    try parts["entities"]?.copy(to: output)
    try output.write("],\"relations\":[")
    try parts["relations"]?.copy(to: output)
    try output.write("]")
    try parts[""]?.copy(to: output)
    try output.write("}\n")
    var block = ByteBuffer()
    var at = 0
    do {
      let rest = try InputFile(opening: path)
      while try rest.read(at: at, into: &block, atMost: 256 << 10) > 0 {
        try output.write(block.span)
        at += block.count
        block.removeAll()
      }
    }
    try output.close()
    try Disk.rename(temporary, to: path, replacing: true)
    try Disk.setMode(path, mode)
  }
}

extension SpillFile {
  /// Writes all of its bytes to `output`.
  func copy(to output: StagedFile) throws {
    var block = ByteBuffer()
    var at = 0
    while at < count {
      block.removeAll()
      let length = min(256 << 10, count - at)
      try read(at: at, into: &block, count: length)
      try output.write(block.span)
      at += length
    }
  }
}

extension MemoryGraph {
  /// The name of the file that holds a context, the reverse of `context(of:)`; the default one
  /// for an empty name or `default`. Nil for a name that no file can have.
  package static func fileName(ofContext context: [UInt8]) -> FilePath? {
    if context.isEmpty || context == Array("default".utf8) { return FilePath("charts.jsonl") }
    // The archive across contexts has a name of its own (FORMATS: memory-graph).
    if context == Array("completed-charts".utf8) { return FilePath("completed-charts.jsonl") }
    guard context.count <= 240, !context.contains(0x2F) else { return nil }
    return FilePath(bytes: Array("charts-".utf8) + context + Array(".jsonl".utf8))
  }
}
