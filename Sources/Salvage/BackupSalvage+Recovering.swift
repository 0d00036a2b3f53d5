import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Puts the store together from what its three encodings still have.
extension BackupSalvage {
  func hash(of path: FilePath) throws -> Hash256 {
    let file = try InputFile(opening: path)
    var hasher = Hasher256()
    var bytes = ByteBuffer()
    while try file.read(at: hasher.count, into: &bytes, atMost: 1 << 20) > 0 {
      hasher.update(bytes.span)
      bytes.removeAll()
    }
    return hasher.finish()
  }

  /// Whether every file of the store is as the manifest says; without one, whether nothing of
  /// the archive is missing.
  func isVerbatimWhole() throws -> Bool {
    guard let manifest else {
      return !stretches.contains { $0.reason != nil }
        && members.members.allSatisfy { $0.isComplete || $0.name == nil }
        && members.members.contains { $0.name?.starts(with: Manifest.storePrefix) == true }
    }
    for entry in manifest.storeEntries where entry.header.kind == .regular {
      guard let inner = FilePath(bytes: entry.header.path), let wanted = entry.sha256 else {
        return false
      }
      let path = work.appending("members").pushing(inner)
      guard try FileFacts(at: path)?.isRegular == true, try hash(of: path) == wanted else {
        return false
      }
    }
    return true
  }

  var target: FilePath {
    directory.path(FilePath("recovered").pushing(input.top))
  }

  /// The store below `recovered/`: its file, or the directory that it is.
  var graph: FilePath {
    guard let manifest, manifest.isSingleFile else { return input.top }
    let entry = manifest.storeEntries.first { $0.header.kind == .regular }
    let name = entry.flatMap { FilePath(bytes: $0.header.path)?.lastComponent }
    return name.map { input.top.appending($0) } ?? input.top
  }

  func recover(_ sink: PieceSink) throws {
    try Disk.makeDirectory(target)
    let root = try storeRoot()
    if let root, try isVerbatimWhole() {
      let store = work.appending("members/store")
      let format = try format(root)
      let named = manifest.map { manifest in
        Set(
          manifest.storeEntries.compactMap {
            FilePath(bytes: $0.header.path)?.components.dropFirst().first
          })
      }
      for name in try TreeWalk.names(in: store) where named?.contains(name) ?? true {
        try Disk.rename(store.appending(name), to: target.appending(name), replacing: false)
      }
      let isFile = root != store
      let place =
        isFile ? target.appending(root.lastComponent ?? FilePath.Component("store")) : target
      let survey = try Survey.read(DiskTree(place), as: format, rules: false)
      counts = survey.counts
      return
    }
    try unite(root, sink)
  }

  func format(_ root: FilePath?) throws -> StoreFormat {
    let formats = request.formats
    if let manifest, let known = try? formats.named(manifest.kind) { return known }
    if let kind = request.kind, let known = try? formats.named(kind) { return known }
    if let root, let found = try? formats.detect(DiskTree(root), path: root.string) { return found }
    guard let path = try hybrid() else { return .jsonLines }
    let survey = SnapshotSalvage(nil, to: nil)
    var source = FileSource(try InputFile(opening: path))
    try survey.run(ByteStream { try source.read(into: &$0, atMost: $1) })
    let kinds = Set(survey.known.keys.map(\.kind))
    if kinds.contains(.entity) || kinds.contains(.relation) { return .memoryGraph }
    if kinds.contains(.intent) || kinds.contains(.edge) { return .intentSnapshot }
    return kinds.contains(.task) ? .taskList : .jsonLines
  }

  /// Puts together what the encodings still have.
  func unite(_ root: FilePath?, _ sink: PieceSink) throws {
    let format = try format(root)
    var options = WriteOptions(directory: target)
    options.sourceKind = format.name
    options.time = manifest?.time ?? request.time
    let salvaged = try root.map { try salvageVerbatim($0, format) } ?? nil
    let witness = EncodingWitness()
    if let path = try hybrid() { try readHybrid(path, witness) }
    if let salvaged {
      try format.read(DiskTree(salvaged), ReadOptions(), WitnessSink(witness))
    }
    let union = EncodingUnion(
      try format.writer(options), sink: sink, witness: witness, digest: manifest?.digest)
    union.place = try usualPlace(root, format)
    if let salvaged {
      union.encoding = .verbatim
      try format.read(DiskTree(salvaged), ReadOptions(), union.sinkOfFiles(DiskTree(salvaged)))
    }
    if let path = try hybrid() {
      union.beginHybrid()
      try readHybrid(path, union)
    }
    try union.finish()
    filled = union.filled
    counts = union.counts
  }

  private func readHybrid(_ path: FilePath, _ taker: any RecordTaker) throws {
    var source = FileSource(try InputFile(opening: path))
    try SnapshotSalvage(nil, to: taker).run(
      ByteStream { try source.read(into: &$0, atMost: $1) })
  }

  /// The file that records without a place go to: the one that is damaged.
  func usualPlace(_ root: FilePath?, _ format: StoreFormat) throws -> FilePath? {
    for entry in manifest?.storeEntries ?? [] where entry.header.kind == .regular {
      let name = FilePath(bytes: Array(entry.header.path.dropFirst(Manifest.storePrefix.count)))
      guard let inner = FilePath(bytes: entry.header.path), let wanted = entry.sha256 else {
        continue
      }
      let path = work.appending("members").pushing(inner)
      if try FileFacts(at: path)?.isRegular == true, try hash(of: path) == wanted { continue }
      return format.name == StoreFormat.contentArchive.name ? nil : name
    }
    return root?.lastComponent.map { FilePath(root: nil, [$0]) }
  }

  /// The intact records of the verbatim files, as a store of their own.
  func salvageVerbatim(_ root: FilePath, _ format: StoreFormat) throws -> FilePath? {
    let place = work.appending("salvaged")
    var inner = SalvageRequest(paths: [root], target: place, time: request.time)
    inner.kind = format.name
    let plan = try SalvagePlan(inner)
    guard !plan.inputs.isEmpty else { return nil }
    _ = try plan.run()
    let recovered = place.appending("recovered")
    guard try FileFacts(at: recovered) != nil else { return nil }
    guard root.removingLastComponent().lastComponent?.string == "store",
      let name = root.lastComponent, try FileFacts(at: root)?.isRegular == true
    else { return recovered }
    let file = recovered.appending(name)
    return try FileFacts(at: file) == nil ? nil : file
  }
}

/// Shows a witness the records of the verbatim files.
private final class WitnessSink: RecordSink {
  private let witness: EncodingWitness

  init(_ witness: EncodingWitness) { self.witness = witness }

  func take(_ record: inout Record) throws { witness.take(&record, in: .verbatim) }

  func note(_ finding: Finding) {}
}
