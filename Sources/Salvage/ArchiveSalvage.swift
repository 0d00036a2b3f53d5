import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// What a file of a content archive is (FORMATS: content-archive).
package enum ArchiveRole: Sendable, Equatable {
  /// An object, with the hashes that its name and the index give it.
  case object(claims: [Hash256], isListed: Bool)
  case index
  /// What may be an object, for no index can be read that would say.
  case unnamed
  /// What an interrupted writer left.
  case temporary
  /// An index by id, which can be made anew.
  case sidecar
}

/// The files of a content archive and what they are, without a file being trusted.
struct ArchiveLayout {
  struct Entry {
    var file: Int
    /// The archive of the store: "", `intents`, `edges`, `plans`, `actions`.
    var root: FilePath
    var role: ArchiveRole
    /// For an index: what it names that is not there.
    var missing: [String] = []
  }

  private(set) var entries: [Entry] = []
  private(set) var skipped: [Int] = []

  private static let roots = ["intents", "edges", "plans", "actions"]

  /// Nil where the tree is no content archive.
  init?(_ tree: DiskTree) throws {
    guard !tree.isSingleFile else { return nil }
    var listed: [FilePath: [Hash256]] = [:]
    var named: [FilePath: [Hash256: String]] = [:]
    var absent: [FilePath: [Hash256: String]] = [:]
    // Archives with an index or an object, and those of them with an index that can be read.
    var archives: Set<FilePath> = []
    var sound: Set<FilePath> = []
    var strays: [Entry] = []
    var objects = 0
    var indexes = 0
    for (position, file) in tree.files.enumerated() where !file.isDirectory {
      let stem = file.name.lastComponent?.stem ?? ""
      if stem == "index" || Hash256(hex: stem) != nil {
        archives.insert(Self.split(file.name).root)
      }
      guard Self.split(file.name).inner == FilePath("index.json") else { continue }
      guard let text = try JSONText(readingAll: tree.path(position)), text.kind() == .object else {
        continue
      }
      let root = Self.split(file.name).root
      let found = Self.entries(of: text)
      sound.insert(root)
      if !found.isEmpty { indexes += 1 }
      for entry in found {
        named[root, default: [:]][entry.hash] = entry.text
        if let path = entry.path { listed[root.pushing(path), default: []].append(entry.hash) }
      }
    }
    absent = named
    for (position, file) in tree.files.enumerated() where !file.isDirectory {
      let (root, inner) = Self.split(file.name)
      let name = inner.lastComponent?.string ?? ""
      let own = Hash256(hex: name.hasSuffix(".json") ? String(name.dropLast(5)) : name)
      var claims = listed[file.name] ?? []
      var isListed = !claims.isEmpty
      var isStray = false
      if let own, !claims.contains(own) { claims.append(own) }
      // Any name may have been given to an object that an index has the hash of.
      if claims.isEmpty, inner != FilePath("index.json"), !name.hasSuffix(".tmp"),
        let hashes = named[root],
        let hash = try Self.contentHash(tree.path(position)), hashes[hash] != nil
      {
        claims = [hash]
        isStray = true
      }
      // An index that has the hash, but leads elsewhere, names the object all the same.
      for hash in claims where named[root]?[hash] != nil {
        isListed = true
        absent[root]?[hash] = nil
      }
      let role: ArchiveRole
      if inner == FilePath("index.json") {
        role = .index
      } else if !claims.isEmpty {
        role = .object(claims: claims, isListed: isListed)
        objects += 1
      } else if name.hasSuffix(".tmp") {
        role = .temporary
      } else if name == "plan_index.json" || name == "intent_index.json" {
        role = .sidecar
      } else if archives.contains(root), !sound.contains(root), name.hasSuffix(".json") {
        // Any path may be an object's, and no index says whether this one is.
        role = .unnamed
      } else {
        skipped.append(position)
        continue
      }
      let entry = Entry(file: position, root: root, role: role)
      if isStray { strays.append(entry) } else { entries.append(entry) }
    }
    // Behind those that lie where they belong.
    entries += strays
    guard objects > 0 || indexes > 0 else { return nil }
    for at in entries.indices where entries[at].role == .index {
      entries[at].missing = (absent[entries[at].root] ?? [:]).values.sorted()
    }
  }

  /// The archive that a file belongs to, and its path in that.
  static func split(_ name: FilePath) -> (root: FilePath, inner: FilePath) {
    let components = Array(name.components)
    guard components.count > 1, let first = components.first, roots.contains(first.string) else {
      return (FilePath(""), name)
    }
    return (FilePath(root: nil, [first]), FilePath(root: nil, components.dropFirst()))
  }

  /// What an index names, each with its path if that lies inside the archive.
  static func entries(of text: JSONText) -> [(path: FilePath?, hash: Hash256, text: String)] {
    text.children(of: 0).compactMap { key in
      guard let hash = Hash256(hex: text.decoded(key).span), text.kind(key + 1) == .string
      else { return nil }
      let bytes = text.decoded(key + 1)
      var path = FilePath(bytes: bytes)
      if path?.root != nil || path?.isEmpty == true { path = nil }
      if path?.components.allSatisfy({ $0.kind == .regular }) == false { path = nil }
      return (path, hash, String(decoding: bytes, as: UTF8.self))
    }
  }

  /// Nil for what is no JSON object.
  private static func contentHash(_ path: FilePath) throws -> Hash256? {
    var record = Record()
    guard let text = try JSONText(readingAll: path), text.kind() == .object else { return nil }
    record.text = text
    return record.contentHash()
  }
}

extension JSONText {
  /// The value that a file is; nil where it is none.
  fileprivate init?(readingAll path: FilePath) throws {
    let file = try InputFile(opening: path)
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: min(try file.facts().size, 1 << 30))
    guard let text = try? JSONText(bytes.span) else { return nil }
    self = text
  }
}

/// Recovers the objects of content archives and makes their indexes anew.
final class ArchiveSalvage {
  private let directory: OutputDirectory
  private var indexes: [FilePath: [String: FilePath]] = [:]
  /// What the indexes named that were read whole: only that is a record.
  private var named: [FilePath: [Hash256: FilePath?]] = [:]
  /// Their own text, with what it says.
  private var originals: [FilePath: (text: ByteBuffer, entries: [String: String])] = [:]
  private var written: Set<FilePath> = []

  init(in directory: OutputDirectory) { self.directory = directory }

  /// - Parameter top: where the archive's files go, below `recovered/`.
  func take(_ input: SalvageInput, _ stream: ByteStream, _ sink: PieceSink) throws {
    guard let role = input.role else { return }
    var bytes = ByteBuffer()
    while try stream.read(into: &bytes, atMost: 1 << 20) > 0 {}
    let text = bytes.span
    let root = input.root
    if indexes[root] == nil { indexes[root] = [:] }
    var record = Record()
    do throws(JSONError) { try record.text.parse(text) } catch {
      if case .object(let claims, let isListed) = role,
        let range = try Self.findNamed(&record, text, claims.contains)
          ?? Self.findNamed(&record, text, { isNamed($0, in: root) })
      {
        try quarantine(text, 0..<range.lowerBound, sink)
        try takeObject(
          &record, text.extracting(range), input, claims, isListed: isListed, sink)
        return try quarantine(text, range.upperBound..<text.count, sink)
      }
      var fragment = Fragment(start: 0)
      fragment.note(error, start: 0, isPlaced: true)
      let shape = fragment.shape(of: text, hasNext: false, isEnd: true, isBehind: false)
      try sink.quarantine(
        text, shape: shape, reason: "\(error.reason.rawValue), at byte \(error.offset)", line: 1)
      if role == .index {
        sink.note(Finding(.warning, .badIndex, "was made anew from the objects there are"))
      }
      return
    }
    switch role {
    case .index:
      guard record.text.kind() == .object else {
        sink.note(Finding(.warning, .badIndex, "was made anew from the objects there are"))
        return try sink.irregular(text, reason: "is no index", line: 1)
      }
      takeIndex(record.text, root)
      for name in input.missing {
        sink.note(Finding(.error, .missingFile, "names \(name), which is not in the archive"))
      }
      try sink.redundant(text)
    case .sidecar:
      try keep(text, FilePath("recovered").pushing(input.name))
      try sink.redundant(text)
    case .object(let claims, let isListed):
      try takeObject(&record, text, input, claims, isListed: isListed, sink)
    case .unnamed:
      guard ContentArchive.kind(of: record.text) != .document else {
        return try sink.irregular(text, reason: "in no index, and no record", line: 1)
      }
      try takeObject(&record, text, input, [], isListed: true, sink)
    case .temporary: try takeTemporary(&record, text, input, sink)
    }
  }

  /// Where in a file that is more or other than one value the object stands that has the hash which
  /// the file's name and the index tell: then it is whole, whatever is around it. It is in `record`.
  private static func findNamed(
    _ record: inout Record, _ text: Span<UInt8>, _ isKnown: (Hash256) -> Bool
  ) throws -> Range<Int>? {
    var index = JSONIndex()
    var at = 0
    while let start = text.firstIndex(of: 0x7B, from: at) {
      var failure: JSONError?
      do throws(JSONError) { try index.scan(text.extracting(start..<text.count)) } catch {
        if error.reason != .trailingBytes { failure = error }
      }
      // Of what is cut off, the outermost objects that are whole: one may have been written into it.
      var token = 0
      while token < index.count {
        let entry = index.tokens[token]
        guard entry.kind == .object, entry.end > entry.start else {
          token += 1
          continue
        }
        let range = start + Int(entry.start)..<start + Int(entry.end)
        try record.text.parse(text.extracting(range))
        if isKnown(record.contentHash()) { return range }
        token = max(token + 1, Int(entry.next))
      }
      at = failure.map { max(start + 1, start + $0.offset - 3) } ?? start + Int(index.tokens[0].end)
    }
    return nil
  }

  /// What stands before or behind the object of a file.
  private func quarantine(_ text: Span<UInt8>, _ range: Range<Int>, _ sink: PieceSink) throws {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, TextBytes.isBlank(text[start]) { start += 1 }
    while end > start, TextBytes.isBlank(text[end - 1]) { end -= 1 }
    try sink.insignificant(text.extracting(range.lowerBound..<start))
    let core = text.extracting(start..<end)
    if !core.isEmpty {
      let shape = Fragment(start: 0).shape(
        of: core, hasNext: false, isEnd: end == text.count, isBehind: false)
      let line = 1 + text.extracting(0..<start).occurrences(of: 0x0A)
      try sink.quarantine(
        core, shape: shape, reason: "is no part of the object that the file's name tells",
        line: line)
    }
    try sink.insignificant(text.extracting(end..<range.upperBound))
  }

  private func takeObject(
    _ record: inout Record, _ text: Span<UInt8>, _ input: SalvageInput, _ claims: [Hash256],
    isListed: Bool, _ sink: PieceSink
  ) throws {
    let hash = record.contentHash()
    let isNamed = isNamed(hash, in: input.root)
    // What a file is called and what an index calls it may both be wrong; either proves its content.
    guard claims.isEmpty || claims.contains(hash) || isNamed else {
      try sink.irregular(
        text, shape: .hashMismatch,
        reason: "its content has the hash \(hash.hex), not \(claims[0].hex)", line: 1)
      return
    }
    if !isNamed, !isListed, named[input.root] != nil {
      sink.note(
        Finding(.note, .orphan, "is not named by the index: its file is kept, but it is no record"))
      try keep(text, FilePath("recovered").pushing(input.name))
      try sink.redundant(text)
      return
    }
    for wrong in claims where wrong != hash {
      sink.note(
        Finding(
          .error, .hashMismatch,
          "is what has the hash \(hash.hex), and not \(wrong.hex), as its name or the index says"))
    }
    // The same content in two places is one record.
    if indexes[input.root]?[hash.hex] != nil { return try sink.redundant(text) }
    let inner = place(of: hash, claims, input)
    indexes[input.root]?[hash.hex] = inner
    let place = FilePath("recovered").pushing(input.top).pushing(input.root).pushing(inner)
    try recover(&record, text, place, sink)
  }

  private func isNamed(_ hash: Hash256, in root: FilePath) -> Bool { named[root]?[hash] != nil }

  /// Where in its archive an object goes: where it lies, unless that is the place of another one.
  private func place(
    of hash: Hash256, _ claims: [Hash256], _ input: SalvageInput
  ) -> FilePath {
    let name = input.inner.lastComponent?.string ?? ""
    let own = Hash256(hex: name.hasSuffix(".json") ? String(name.dropLast(5)) : name)
    if own == hash || (own == nil && claims.allSatisfy { $0 == hash }) { return input.inner }
    return (named[input.root]?[hash] ?? nil) ?? Self.usualPlace(hash)
  }

  private static func usualPlace(_ hash: Hash256) -> FilePath {
    let hex = hash.hex
    return FilePath("\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).json")
  }

  private func takeIndex(_ text: JSONText, _ root: FilePath) {
    var paths: [Hash256: FilePath?] = [:]
    var entries: [String: String] = [:]
    for entry in ArchiveLayout.entries(of: text) {
      paths[entry.hash] = entry.path
      entries[entry.hash.hex] = entry.text
    }
    named[root] = paths
    if entries.count == text.children(of: 0).count {
      originals[root] = (text.bytes, entries)
    }
  }

  /// A whole file that its writer did not come to rename: an object of its own, unless there is
  /// one with the same content.
  private func takeTemporary(
    _ record: inout Record, _ text: Span<UInt8>, _ input: SalvageInput, _ sink: PieceSink
  ) throws {
    let hex = record.contentHash().hex
    let kind = ContentArchive.kind(of: record.text)
    guard kind != .document else {
      try sink.irregular(text, reason: "a temporary file that holds no record", line: 1)
      return
    }
    if indexes[input.root]?[hex] != nil { return try sink.redundant(text) }
    let inner = Self.usualPlace(record.contentHash())
    indexes[input.root]?[hex] = inner
    sink.note(
      Finding(.note, .leftover, "was complete, so it is recovered as \(hex).json"))
    let place = FilePath("recovered").pushing(input.top).pushing(input.root).pushing(inner)
    try recover(&record, text, place, sink)
  }

  private func recover(
    _ record: inout Record, _ text: Span<UInt8>, _ place: FilePath, _ sink: PieceSink
  ) throws {
    record.kind = ContentArchive.kind(of: record.text)
    try keep(text, place)
    try sink.recovered(text, record.kind)
  }

  private func keep(_ text: Span<UInt8>, _ place: FilePath) throws {
    guard written.insert(place).inserted else { return }
    let file = PendingFile(place, in: directory)
    try file.append(text)
    try file.close(evenIfEmpty: true)
  }

  /// Writes the indexes of what was recovered.
  func finish(top: FilePath) throws {
    for (root, entries) in indexes {
      var builder = JSONBuilder(pretty: true)
      builder.object {
        for (hash, path) in entries.sorted(by: { $0.key < $1.key }) {
          $0.key(hash)
          $0.value(path: TreeWalk.bytes(of: path))
        }
      }
      let place = FilePath("recovered").pushing(top).pushing(root).appending("index.json")
      if let original = originals[root], original.entries == entries.mapValues(\.string) {
        try keep(original.text.span, place)
        continue
      }
      try keep(builder.bytes.span, place)
    }
  }
}
