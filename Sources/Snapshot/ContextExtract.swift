import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

extension OpenedStore {
  /// The contexts that are meant, as files of their own, where they share a file with others or lie
  /// in a database as records: what is then backed up or migrated is just these. The same where
  /// they have files. Throws `refused` for a record that a line cannot hold, and for a database of
  /// several stores that do not make one.
  /// - Parameter contexts: as for `restricted(to:)`.
  package func extracted(_ contexts: [String]) throws -> OpenedStore {
    guard !contexts.isEmpty, format.kept != nil || tree.isSingleFile else {
      return try restricted(to: contexts)
    }
    var attempt = 1
    while true {
      do {
        let still = try standingStill()
        let part = try still.restricted(to: contexts).keptStore()
        guard part.format.name == StoreFormat.memoryGraph.name else {
          throw StoreError(
            .refused, "keeps several stores, and only a memory graph has contexts",
            path: path.string, hint: "export the one that is meant first, and name that")
        }
        let files = try ExtractedTree(part)
        return part.read(as: .memoryGraph).replacing(files, inside: backup)
      } catch let error as DiskError where error.code == .changed && attempt < 3 {
        Clock.sleep(seconds: 0.1 * Double(attempt))
        attempt += 1
      }
    }
  }

  /// Whether its files are those that were named, byte for byte, and no extract of them.
  package var keepsFiles: Bool { !(tree is ExtractedTree) }

  /// The store as it is at one moment, if others may write to it.
  private func standingStill() throws -> OpenedStore {
    guard let disk = tree as? DiskTree else { return self }
    return replacing(try format.freeze?(disk) ?? StillTree(disk))
  }
}

/// The bytes of some files, put aside in one that has no name.
private struct PutAside {
  let spill: SpillFile
  var start: Int
  var count: Int

  func stream() -> ByteStream {
    var at = 0
    return ByteStream { [self] buffer, limit in
      let length = min(limit, count - at)
      try spill.read(at: start + at, into: &buffer, count: length)
      at += length
      return length
    }
  }

  func head(_ limit: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    try spill.read(at: start, into: &bytes, count: min(limit, count))
    return bytes
  }
}

/// A store of one file as it was at one moment.
private final class StillTree: StoreTree {
  private let disk: DiskTree
  private let bytes: PutAside
  let files: [StoreFile]

  /// Throws `changed` where the file changed meanwhile.
  init(_ disk: DiskTree) throws {
    self.disk = disk
    let spill = try SpillFile(in: SpillFile.standardDirectory)
    let before = try Self.settled(disk.root)
    let stream = try disk.open(0)
    var block = ByteBuffer()
    while try stream.read(into: &block, atMost: 256 << 10) > 0 {
      try spill.append(block.span)
      block.removeAll()
    }
    guard let before, before == (try FileFacts(at: disk.root)), before.size == spill.count else {
      throw DiskError(.changed, "was changed while it was read", path: disk.root)
    }
    bytes = PutAside(spill: spill, start: 0, count: spill.count)
    files = disk.files
  }

  /// What the file is once nobody has written to it for a moment, so that a later write changes its
  /// time, which moves in steps of some milliseconds; after two seconds as it is.
  private static func settled(_ path: FilePath) throws -> FileFacts? {
    var facts = try FileFacts(at: path)
    for _ in 0..<100 {
      guard let modified = facts?.modified else { break }
      let age = Clock.wall - Double(modified.seconds) - Double(modified.nanoseconds) / 1e9
      if age < 0 || age >= 0.06 { break }
      try Interruption.check()
      Clock.sleep(seconds: 0.02)
      facts = try FileFacts(at: path)
    }
    return facts
  }

  var isSingleFile: Bool { true }
  var notes: [Finding] { disk.notes }
  func displayPath(_ index: Int) -> String { disk.displayPath(index) }
  func open(_ index: Int) -> ByteStream { bytes.stream() }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try bytes.head(limit) }
}

/// The records of some contexts of a memory graph, a line each, in the files that they are in.
private final class ExtractedTree: StoreTree {
  private let base: any StoreTree
  let files: [StoreFile]
  private let places: [Int]
  private let parts: [PutAside]
  /// What cannot be read where they come from: it may have been of these contexts.
  let notes: [Finding]

  init(_ store: OpenedStore) throws {
    let tree = store.tree
    base = tree
    let spill = try SpillFile(in: SpillFile.standardDirectory)
    let sink = LineSink(tree, spill)
    tree.notes.forEach(sink.note)
    try store.format.read(tree, ReadOptions(), sink)
    notes = sink.notes
    let isSingle = tree.isSingleFile
    places = tree.files.indices.filter {
      !tree.files[$0].isDirectory
        && (isSingle || MemoryGraph.context(of: tree.files[$0].name) != nil)
    }
    parts = places.map { sink.parts[$0] ?? PutAside(spill: spill, start: 0, count: 0) }
    // A database does not say when the files that it keeps were written.
    let modified = try FileFacts(at: store.path)?.modified
    files = zip(places, parts).map { place, part in
      var file = tree.files[place]
      file.size = part.count
      if file.modifiedSeconds == 0, let modified {
        file.modifiedSeconds = modified.seconds
        file.modifiedNanoseconds = modified.nanoseconds
      }
      return file
    }
  }

  var isSingleFile: Bool { base.isSingleFile }
  func displayPath(_ index: Int) -> String { base.displayPath(places[index]) }
  func open(_ index: Int) -> ByteStream { parts[index].stream() }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try parts[index].head(limit) }

  /// Puts each record aside as a line. Records come file by file.
  private final class LineSink: RecordSink {
    private let tree: any StoreTree
    private let spill: SpillFile
    private(set) var parts: [Int: PutAside] = [:]
    private(set) var notes: [Finding] = []
    private var line = ByteBuffer()

    init(_ tree: any StoreTree, _ spill: SpillFile) { (self.tree, self.spill) = (tree, spill) }

    func note(_ finding: Finding) { if finding.severity == .error { notes.append(finding) } }

    func take(_ record: inout Record) throws {
      guard record.scope.isEmpty, MemoryGraph.kind(of: record.text) == record.kind else {
        var error = StoreError.refusal(
          of: record, "is no line that reads back as the same kind of record",
          hint: "leave --context out, and restore the context from what is written then")
        error.path = tree.displayPath(record.place.file)
        throw error
      }
      let file = record.place.file
      if parts[file] == nil {
        parts[file] = PutAside(spill: spill, start: spill.count, count: 0)
      }
      guard let part = parts[file], part.start + part.count == spill.count else {
        throw StoreError(
          .refused, "has its records not file by file", path: tree.displayPath(file))
      }
      line.removeAll()
      record.text.appendCompact(to: &line)
      line.append(0x0A)
      let text = line
      try spill.append(text.span)
      parts[file]?.count += text.count
    }
  }
}
