import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Takes the contexts that were not asked for out of a recovered memory graph, and keeps them
/// apart: nothing that was recovered is dropped.
struct ContextSplit {
  /// Below the output directory, beside `recovered`.
  static let folder = FilePath("other-contexts")

  let contexts: [String]
  let directory: OutputDirectory

  /// - Parameter name: of the recovered graph below `recovered/`, a file or a directory.
  /// - Returns: the records taken out, by kind. Throws `notFound` where a context has no record.
  func run(_ name: FilePath) throws -> [RecordKind: Int] {
    let root = directory.path(FilePath("recovered").pushing(name))
    let isFile = try FileFacts(at: root)?.isRegular == true
    return try isFile ? splitFile(root, name) : splitDirectory(root, name)
  }

  /// Throws `notFound` for a context that has no file in a directory.
  static func check(_ contexts: [String], in tree: any StoreTree, at path: FilePath)
    throws(StoreError)
  {
    let there = tree.files.compactMap { MemoryGraph.context(of: $0.name) }
    guard let missing = contexts.first(where: { !there.contains($0) }) else { return }
    throw StoreError(
      .notFound, "there is no context called \(missing)", path: path.string,
      hint: "holdfast contexts lists them")
  }

  /// Whether a file of a directory is that of a context in `contexts`.
  static func isWanted(_ name: FilePath, _ contexts: [String]) -> Bool {
    MemoryGraph.context(of: name).map(contexts.contains) ?? false
  }

  private func splitDirectory(_ root: FilePath, _ name: FilePath) throws -> [RecordKind: Int] {
    guard try FileFacts(at: root) != nil else {
      throw StoreError(
        .notFound, "no context called \(contexts[0]) was recovered", path: name.string,
        hint: "salvage it whole, without --context")
    }
    let tree = try DiskTree(root)
    let files = tree.files.filter { !$0.isDirectory }
    // Without its manifest, the backup of a graph of one file comes back as a directory.
    if files.count == 1, let own = MemoryGraph.context(of: files[0].name), !contexts.contains(own) {
      return try splitFile(root.pushing(files[0].name), name.pushing(files[0].name))
    }
    try Self.check(contexts, in: tree, at: name)
    let others = PartialTree(tree) {
      MemoryGraph.context(of: $0.name).map { !contexts.contains($0) } ?? false
    }
    let survey = try Survey.read(others, as: .memoryGraph, rules: false)
    let apart = directory.path(Self.folder.pushing(name))
    for entry in try TreeWalk.names(in: root)
    where !Self.isWanted(FilePath(root: nil, [entry]), contexts) {
      try Disk.makeDirectory(apart)
      try Disk.rename(root.appending(entry), to: apart.appending(entry), replacing: false)
    }
    return survey.counts
  }

  private func splitFile(_ root: FilePath, _ name: FilePath) throws -> [RecordKind: Int] {
    let tree = try DiskTree(root)
    let format = StoreFormat.memoryGraph
    let sink = try SplittingSink(
      ContextFilter(ContextRouter(reading: tree, as: format), contexts),
      kept: writer("kept", root), others: writer("others", root))
    try format.read(tree, ReadOptions(), sink)
    try sink.filter.checkAllFound(path: name.string)
    if !sink.counts.isEmpty {
      let apart = directory.path(Self.folder.pushing(name))
      try Disk.makeDirectory(apart.removingLastComponent())
      try Disk.rename(try sink.others.finish().root, to: apart, replacing: false)
      try Disk.rename(try sink.kept.finish().root, to: root, replacing: true)
    }
    try Disk.remove(directory.path(FilePath(".split")))
    return sink.counts
  }

  private func writer(_ part: String, _ root: FilePath) throws -> any StoreWriter {
    let place = directory.path(FilePath(".split")).appending(part)
    try Disk.makeDirectory(place)
    var options = WriteOptions(directory: place)
    options.sourceKind = StoreFormat.memoryGraph.name
    options.fileName = root.lastComponent.map { FilePath(root: nil, [$0]) }
    return try StoreFormat.memoryGraph.writer(options)
  }
}

/// Writes the records of some contexts to one store and those of the others to another.
private final class SplittingSink: RecordSink {
  let filter: ContextFilter
  let kept: any StoreWriter
  let others: any StoreWriter
  /// Of the others.
  private(set) var counts: [RecordKind: Int] = [:]

  init(_ filter: ContextFilter, kept: any StoreWriter, others: any StoreWriter) {
    self.filter = filter
    self.kept = kept
    self.others = others
  }

  func take(_ record: inout Record) throws {
    if filter.passes(record) { return try kept.write(&record, at: WritePlace()) }
    counts[record.kind, default: 0] += 1
    try others.write(&record, at: WritePlace())
  }

  func note(_ finding: Finding) {}
}
