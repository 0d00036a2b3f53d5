import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// One thing to be salvaged, and how.
package struct SalvageInput: Sendable {
  /// What an input is taken for. The raw value stands in ledgers and in `--json`.
  package enum Kind: String, Sendable {
    case memoryGraph = "memory-graph"
    case intentSnapshot = "intent-snapshot"
    case contentArchive = "content-archive"
    case taskList = "task-list"
    case jsonLines = "jsonl"
    case json
    case backup
    case sqlite
  }

  package var path: FilePath
  /// Its name in the output directory.
  package var name: FilePath
  package var kind: Kind
  /// Bytes.
  package var size: Int
  /// For a file of a content archive: what it is, which of the archives of the store it belongs
  /// to, and its path in that.
  var role: ArchiveRole?
  var root = FilePath("")
  var inner = FilePath("")
  /// For an index: what it names that is not there.
  var missing: [String] = []
  /// Where the store's files go below `recovered/`.
  var top = FilePath("")
}

extension SalvageInput {
  /// Whether there is nothing in the file, or white space, with or without a byte order mark.
  static func isBlank(_ path: FilePath) throws -> Bool {
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    if size > 64 << 10 { return false }
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: size)
    let text = bytes.span
    let start = TextBytes.startsWithMark(text) ? 3 : 0
    return TextBytes.skipSpace(text, start) >= text.count
  }

  /// Bytes looked at in each of the places that the kind is told from.
  private static let sampleSize = 256 << 10
  private static let samples = 8

  /// What the file holds, by its content, be it damaged anywhere.
  static func kind(of path: FilePath, named kind: String?) throws -> Kind {
    if try isArchive(path) { return .backup }
    if kind == "run-history" { return .sqlite }
    if kind == nil, try isDatabase(path) { return .sqlite }
    // A file that is not known for one of an archive is taken for what it holds.
    if let kind, let known = Kind(rawValue: kind), known != .contentArchive { return known }
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var hasGraph = false
    var (hasIntents, hasEdges) = (false, false)
    var tasks = TaskWords()
    for sample in 0..<samples {
      let offset = size / samples * sample
      if sample > 0, offset < sampleSize * sample { continue }
      let text = try self.sample(path, at: offset)
      if snapshotMarks.contains(where: { contains(text.span, $0) }) { hasIntents = true }
      // Lines of another program may have it too.
      if contains(text.span, "\"edge_type\":") { hasEdges = true }
      if marks.contains(where: { contains(text.span, $0) }) { hasGraph = true }
      tasks.look(in: text.span)
    }
    if hasIntents, try !startsWithLine(path) { return .intentSnapshot }
    if hasGraph { return .memoryGraph }
    if hasEdges, !tasks.hasLines, try !startsWithLine(path) { return .intentSnapshot }
    let tree = try DiskTree(path)
    if try StoreFormat.taskList.recognises(tree) { return .taskList }
    if tasks.areOfTaskList, try isBeyondTelling(path) { return .taskList }
    let formats: [StoreFormat] = [.memoryGraph, .jsonLines]
    for format in formats where try format.recognises(tree) {
      return Kind(rawValue: format.name) ?? .jsonLines
    }
    return try isDocument(path) ? .json : .jsonLines
  }

  /// Whether the file is an archive by its first bytes or, where those are damaged, by its name.
  private static func isArchive(_ path: FilePath) throws -> Bool {
    let name = path.lastComponent?.string ?? ""
    if [".tar.zst", ".tar.gz", ".tar"].contains(where: name.hasSuffix) { return true }
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 512)
    let bytes = head.span
    if bytes.count >= 4, bytes[0] == 0x28, bytes[1] == 0xB5, bytes[2] == 0x2F, bytes[3] == 0xFD {
      return true
    }
    if bytes.count >= 3, bytes[0] == 0x1F, bytes[1] == 0x8B, bytes[2] == 8 { return true }
    return TarHeader.isHeader(bytes)
  }

  /// Whether the file is a database by its first bytes or, where those are damaged, by its name.
  private static func isDatabase(_ path: FilePath) throws -> Bool {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 16)
    if TextBytes.starts(head.span, "SQLite format 3\0") { return true }
    return ["db", "sqlite", "sqlite3"].contains(path.extension ?? "")
  }

  /// The words that only the lines of a graph have.
  private static let marks: [StaticString] = [
    "\"type\":\"entity\"", "\"type\": \"entity\"", "\"type\":\"relation\"",
    "\"type\": \"relation\"", "\"entityType\":", "\"relationType\":",
  ]

  /// The words that snapshots have, which are one JSON object.
  private static let snapshotMarks: [StaticString] = [
    "\"rtfs_intent_source\":", "\"intents\": {", "\"intents\":{", "(intent-graph",
  ]

  /// Which words of task lists (FORMATS) were seen in a file. What is beyond telling as a whole is
  /// one by several of them, for any of them may be what is damaged and others have each of them.
  private struct TaskWords {
    private static let words: [StaticString] = [
      "\"completed\":", "\"tasks\":", "\"tasks_by_user\":", "\"title\":", "\"description\":",
      "\"username\":", "\"version\":", "\"created_at\":", "\"updated_at\":",
    ]
    private var seen: Set<Int> = []
    /// Whether objects follow each other without a comma, line by line.
    private(set) var hasLines = false

    mutating func look(in text: Span<UInt8>) {
      for (number, word) in Self.words.enumerated() where !seen.contains(number) {
        if SalvageInput.contains(text, word) { seen.insert(number) }
      }
      hasLines =
        hasLines || SalvageInput.contains(text, "}\n{") || SalvageInput.contains(text, "}\r\n{")
    }

    private func has(_ words: ClosedRange<Int>) -> Bool { !seen.isDisjoint(with: words) }

    var areOfTaskList: Bool {
      guard has(0...0), !hasLines else { return false }
      if has(1...2) { return true }
      // The key above the tasks is gone: the users beside them tell, or the other fields.
      guard has(3...4) else { return false }
      return has(5...5) || Set([7, 8]).isSubset(of: seen)
    }
  }

  /// Whether the file neither starts with a line that is a value, nor is one.
  static func isBeyondTelling(_ path: FilePath) throws -> Bool {
    if try startsWithLine(path) { return false }
    let file = try InputFile(opening: path)
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: try file.facts().size)
    return (try? JSONText(bytes.span)) == nil
  }

  /// Whether the first line is a value of its own, as in a file of lines. A scalar, and an object or
  /// list without content, may as well be a part of what lost its head.
  private static func startsWithLine(_ path: FilePath) throws -> Bool {
    let head = try sample(path, at: 0)
    guard let feed = head.span.firstIndex(of: 0x0A) else { return false }
    guard let text = try? JSONText(head.span.extracting(0..<feed)) else { return false }
    guard text.kind() == .object || text.kind() == .array, text.index.count > 1 else {
      return false
    }
    return text.member("intents") == nil
  }

  /// Text of the file around `offset`; UTF-16 is read as such at the start only.
  private static func sample(_ path: FilePath, at offset: Int) throws -> ByteBuffer {
    var source = FileSource(try InputFile(opening: path), from: offset)
    let stream = ByteStream { try source.read(into: &$0, atMost: $1) }
    var text = ByteBuffer()
    if offset > 0 {
      _ = try stream.read(into: &text, atMost: sampleSize)
      return text
    }
    var reader = try TextSource(stream)
    while text.count < sampleSize, try reader.read(into: &text, atMost: sampleSize) > 0 {}
    return text
  }

  static func contains(_ text: Span<UInt8>, _ word: StaticString) -> Bool {
    var at = 0
    while let found = text.firstIndex(of: word.utf8Start[0], from: at) {
      if TextBytes.starts(text.extracting(found..<text.count), word) { return true }
      at = found + 1
    }
    return false
  }

  /// Whether more than the value that the text starts with is in it.
  private static func isFollowed(_ text: Span<UInt8>) -> Bool {
    do throws(JSONError) {
      _ = try JSONText(text)
      return false
    } catch { return error.reason == .trailingBytes }
  }

  /// Whether the text starts like one value over several lines, or has only one line.
  private static func isDocument(_ path: FilePath) throws -> Bool {
    let head = try sample(path, at: 0)
    let text = head.span
    let start = TextBytes.skipSpace(text, 0)
    guard start < text.count, text[start] == 0x7B || text[start] == 0x5B else { return false }
    guard let feed = text.firstIndex(of: 0x0A, from: start) else {
      return !isFollowed(text.extracting(start..<text.count))
    }
    var last = feed
    while last > start, TextBytes.isSpace(text[last - 1]) { last -= 1 }
    return [0x7B, 0x5B, 0x2C].contains(text[last - 1])
  }
}
