import Disk
import LosslessJSON
import Records
import Synchronization
import SystemPackage

extension StoreFormat {
  /// One JSONL file, or a directory of contexts such as `.coaia/` (FORMATS: memory-graph).
  package static let memoryGraph = StoreFormat(
    name: "memory-graph",
    summary: "entities and relations, one JSON object a line; one file or a directory of contexts",
    recordKinds: [.entity, .relation, .document],
    writableKinds: [.entity, .relation],
    recognises: { tree in
      for (index, file) in tree.files.enumerated()
      where !file.isDirectory && (tree.isSingleFile || MemoryGraph.isContext(file)) {
        if MemoryGraph.isGraph(try FileHead(tree, index)) { return true }
      }
      return false
    },
    read: { tree, options, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        if tree.isSingleFile || MemoryGraph.isContext(file) {
          try MemoryGraph(tree: tree, file: index, options: options, sink: sink).read()
        } else {
          sink.note(
            Finding(
              .note, .unknownMember, "is no context of the graph; kept as it is",
              path: tree.displayPath(index)))
        }
      }
    },
    write: { options in MemoryGraphWriter(options) })
}

/// Reads one file of a memory graph in whichever of its shapes it has.
package struct MemoryGraph {
  let tree: any StoreTree
  let file: Int
  let options: ReadOptions
  let sink: any RecordSink

  /// Contexts lie at the top of the directory (FORMATS: `charts.jsonl`, `charts-<context>.jsonl`).
  static func isContext(_ file: StoreFile) -> Bool {
    file.name.components.count == 1 && !file.isDirectory
      && ["jsonl", "json"].contains(file.name.extension ?? "")
  }

  /// The context that a file of a directory holds: `charts.jsonl` is the default one.
  package static func context(of name: FilePath) -> String? {
    guard isContext(StoreFile(name: name)) else { return nil }
    let stem = name.stem ?? ""
    if stem == "charts" { return "default" }
    return stem.hasPrefix("charts-") ? String(stem.dropFirst(7)) : stem
  }

  /// The shapes seen in the wild (CORRUPTION: S11), by the first significant bytes.
  enum Shape {
    /// One value a line; the only shape that the owning applications write.
    case lines
    /// Values one after the other, each over several lines.
    case values
    /// One array of values.
    case array
    /// `{"entities":[…],"relations":[…]}`.
    case wrapper
  }

  /// Whether a file has its records a line each, as the owning applications write them.
  package static func hasLines(_ tree: any StoreTree, _ file: Int) throws -> Bool {
    try shape(of: FileHead(tree, file)) == .lines
  }

  static func shape(of head: FileHead) -> Shape {
    var firstLine: JSONText?
    head.forEachLine { line in
      firstLine = try? JSONText(line)
      return false
    }
    if let text = firstLine, text.kind() == .array {
      // An array without any graph object in it is a value of its own, as any other line is.
      return text.children(of: 0).contains { isGraphObject($0, of: text) } ? .array : .lines
    }
    if let text = firstLine {
      return isWrapper(head) && text.member("type") == nil ? .wrapper : .lines
    }
    guard let start = head.firstSignificant else { return .lines }
    if head.bytes[start] == 0x5B { return .array }
    if isWrapper(head) { return .wrapper }
    var looksPretty = false
    head.forEachTopLevelKey { _, _ in
      looksPretty = true
      return false
    }
    guard looksPretty else { return .lines }
    // A first line such as `{` or `{"type": "entity",` belongs to a value of several lines; one
    // that is merely damaged goes on after its first key.
    var lineIsOpen = false
    head.forEachLine { line in
      let last = line[line.count - 1]
      lineIsOpen = last == 0x7B || last == 0x2C || last == 0x5B
      return false
    }
    return lineIsOpen ? .values : .lines
  }

  private static func isGraphObject(_ token: Int, of text: JSONText) -> Bool {
    guard text.kind(token) == .object else { return false }
    if let type = text.member("type", of: token) {
      return text.isString(type, equalTo: "entity") || text.isString(type, equalTo: "relation")
    }
    return text.member("entityType", of: token) != nil
      || text.member("relationType", of: token) != nil
  }

  private static func isWrapper(_ head: FileHead) -> Bool {
    var found = false
    head.forEachTopLevelKey { key, byte in
      if key == Array("type".utf8) || key == Array("intents".utf8) { return false }
      found = byte == 0x5B && (key == Array("entities".utf8) || key == Array("relations".utf8))
      return !found
    }
    return found
  }

  /// Whether a file holds a graph: some line, value or element is an entity or a relation.
  static func isGraph(_ head: FileHead) -> Bool {
    switch shape(of: head) {
    case .wrapper: return true
    case .lines:
      var found = false
      head.forEachLine { line in
        if let text = try? JSONText(line), kind(of: text) != .document { found = true }
        return !found
      }
      return found || hasGraphMarks(head)
    case .values, .array: return hasGraphMarks(head)
    }
  }

  /// For damaged and for pretty-printed text: the words that only graph lines have.
  private static func hasGraphMarks(_ head: FileHead) -> Bool {
    for mark in [
      "\"type\":\"entity\"", "\"type\": \"entity\"", "\"type\":\"relation\"",
      "\"type\": \"relation\"", "\"entityType\":", "\"relationType\":",
    ] as [StaticString] where head.contains(mark) {
      return true
    }
    return false
  }

  /// What a value is by its `type`, or without one by the fields that only that kind has.
  package static func kind(of text: JSONText) -> RecordKind {
    var hasType = true
    return kind(of: text, hasType: &hasType)
  }

  fileprivate static func kind(of text: JSONText, hasType: inout Bool) -> RecordKind {
    guard text.kind() == .object else { return .document }
    let type = text.member("type")
    hasType = type != nil
    if let type {
      if text.isString(type, equalTo: "entity") { return .entity }
      if text.isString(type, equalTo: "relation") { return .relation }
      return .document
    }
    if text.member("name") != nil, text.member("entityType") != nil { return .entity }
    if text.member("relationType") != nil, text.member("from") != nil { return .relation }
    return .document
  }

  func read() throws {
    let head = try FileHead(tree, file)
    if head.isUTF16 {
      sink.note(
        Finding(
          .error, .unreadable, "is UTF-16 text, which no owner of this format reads",
          path: tree.displayPath(file), line: 1, offset: 0, length: tree.files[file].size))
      try tree.open(file).drain()
      return
    }
    let values = GraphValues(path: tree.displayPath(file), idField: options.idField)
    let shape = Self.shape(of: head)
    switch shape {
    case .lines:
      try LineReader(tree: tree, file: file, sink: sink).read { values.interpret(&$0, nil, &$1) }
    case .values, .array, .wrapper:
      var record = Record()
      var findings: [Finding] = []
      try ContainerReader(tree: tree, file: file, sink: sink, skipping: head.firstSignificant ?? 0)
        .readGraph(isWrapped: shape == .wrapper, &record) { record, implied in
          values.interpret(&record, implied, &findings)
          findings.forEach(sink.note)
          findings.removeAll()
          try sink.take(&record)
        }
    }
    for (type, count) in values.unknownTypes() {
      let name = type.isEmpty ? "no type" : "the type \(String(decoding: type, as: UTF8.self))"
      sink.note(
        Finding(
          .note, .unknownType,
          "\(count) record\(count == 1 ? "" : "s") with \(name), kept as documents",
          path: tree.displayPath(file)))
    }
  }
}

/// What the values of one file of a graph are, asked on any thread.
private final class GraphValues: Sendable {
  private let path: String
  private let idField: JSONPointer?
  /// How many there are of each type that is neither an entity's nor a relation's.
  private let unknown = Mutex<[[UInt8]: Int]>([:])

  init(path: String, idField: JSONPointer?) {
    self.path = path
    self.idField = idField
  }

  /// Says what a value is; `implied` says so without its `type`.
  func interpret(_ record: inout Record, _ implied: RecordKind?, _ findings: inout [Finding]) {
    var hasType = true
    record.kind = implied ?? MemoryGraph.kind(of: record.text, hasType: &hasType)
    if record.kind == .document {
      record.takeID(idField)
      let type = record.text.string("type") ?? []
      unknown.withLock { $0[type, default: 0] += 1 }
    } else if !hasType {
      findings.append(
        Finding(
          .warning, .missingField, "has no type, so its owner would pass over it", path: path,
          line: record.place.line, offset: record.place.offset, record: record.label))
    }
  }

  /// Sorted; complete once all values have been asked about.
  func unknownTypes() -> [(type: [UInt8], count: Int)] {
    unknown.withLock { counts in
      counts.map { (type: $0.key, count: $0.value) }
        .sorted { $0.type.lexicographicallyPrecedes($1.type) }
    }
  }
}

extension StoreFile {
  init(name: FilePath) {
    self.init(
      name: name, isDirectory: false, size: 0, mode: 0, modifiedSeconds: 0, modifiedNanoseconds: 0)
  }
}

extension Record {
  /// Takes the id of a document from where `pointer` says that it is.
  package mutating func takeID(_ pointer: JSONPointer?) {
    documentID = pointer.flatMap { $0.value(in: &text) }
    documentIDIsText = pointer?.token(in: text).map { text.kind($0) == .string } ?? true
  }
}
