import Archive
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// The store inside a backup, read in place.
package final class BackupTree: StoreTree {
  package let backup: BackupFile
  package let files: [StoreFile]
  /// For each file, its entry in the manifest.
  private let entries: [Int]
  package let notes: [Finding] = []

  /// Throws `unsafePath` for names that lead out of the store.
  package init(_ backup: BackupFile) throws {
    self.backup = backup
    var found: [(file: StoreFile, entry: Int, name: [UInt8])] = []
    for (index, entry) in backup.manifest.entries.enumerated()
    where entry.header.path.starts(with: Manifest.storePrefix) {
      let bytes = try MemberPath(entry.header.path).bytes.dropFirst(Manifest.storePrefix.count)
      guard let name = FilePath(bytes: Array(bytes)), !name.isEmpty else { continue }
      let file = StoreFile(
        name: name, isDirectory: entry.header.kind == .directory, size: entry.header.size,
        mode: entry.header.mode, modifiedSeconds: entry.header.seconds,
        modifiedNanoseconds: entry.header.nanoseconds)
      found.append((file, index, Array(bytes)))
    }
    // Byte order of whole components, so that a directory comes before what it holds.
    found.sort { a, b in
      a.name.split(separator: 0x2F).lexicographicallyPrecedes(b.name.split(separator: 0x2F)) {
        $0.lexicographicallyPrecedes($1)
      }
    }
    for (outer, inner) in zip(found, found.dropFirst())
    where !outer.file.isDirectory && inner.name.starts(with: outer.name + [0x2F]) {
      throw SnapshotError(
        .damaged, "the manifest has a file and members inside it: \(outer.file.name)",
        path: backup.path.string)
    }
    files = found.map(\.file)
    entries = found.map(\.entry)
  }

  package var isSingleFile: Bool { backup.manifest.isSingleFile }

  package func displayPath(_ index: Int) -> String {
    let name = MemberPath.printable(backup.manifest.entries[entries[index]].header.path)
    return "\(backup.path):\(name)"
  }

  package func entry(_ index: Int) -> Manifest.Entry { backup.manifest.entries[entries[index]] }

  package func open(_ index: Int) throws -> ByteStream { try backup.content(entries[index]) }

  package func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    let size = min(limit, files[index].size)
    let stream = try backup.content(entries[index], count: size)
    var bytes = ByteBuffer()
    while try stream.read(into: &bytes, atMost: limit) > 0 {}
    return bytes
  }
}

/// A store that was named on the command line: a store on disk, or one inside a backup.
package struct OpenedStore {
  package let path: FilePath
  package let tree: any StoreTree
  package let format: StoreFormat
  /// Set where the store lies in a backup.
  package let backup: BackupFile?
  /// The graph that this is a part of, where only some contexts are meant, or were backed up.
  package private(set) var wholeGraph: WholeGraph?

  /// Opens what lies at `path`: a backup by its content, else a store of the kind `kind`, else
  /// of the kind that the content shows.
  package init(
    opening path: FilePath, formats: [StoreFormat], kind: String?,
    include: (FilePath) -> Bool = { _ in true }
  ) throws {
    do { try self.init(reading: path, formats, kind, include) } catch let error as DiskError {
      throw error.ofReading
    }
  }

  private init(
    reading path: FilePath, _ formats: [StoreFormat], _ kind: String?,
    _ include: (FilePath) -> Bool
  ) throws {
    self.path = path
    if kind == nil, let backup = try Self.backup(at: path) {
      self.backup = backup
      tree = try BackupTree(backup)
      format = try Self.format(of: backup, formats)
      if !backup.manifest.onlyContexts.isEmpty { wholeGraph = WholeGraph(isHere: false, nil) }
      return
    }
    backup = nil
    let disk = try DiskTree(path, include: include)
    tree = disk
    format = try kind.map { try formats.named($0) } ?? formats.detect(disk, path: path.string)
  }

  private init(
    _ path: FilePath, _ tree: any StoreTree, _ format: StoreFormat, _ backup: BackupFile? = nil
  ) {
    (self.path, self.tree, self.format, self.backup) = (path, tree, format, backup)
  }

  /// The same store, read from another tree of it.
  package func replacing(_ tree: any StoreTree, inside backup: BackupFile? = nil) -> OpenedStore {
    var store = OpenedStore(path, tree, format, backup)
    store.wholeGraph = wholeGraph
    return store
  }

  /// The store that a database keeps, in place of the database; the same where this is none, or
  /// holds several that do not make one.
  package func keptStore() throws -> OpenedStore {
    guard let kept = try format.kept?(tree) else { return self }
    var store = OpenedStore(path, kept.tree, kept.format, backup)
    store.wholeGraph = wholeGraph
    return store
  }

  /// The same store, taken for one of another kind.
  package func read(as format: StoreFormat) -> OpenedStore {
    var store = OpenedStore(path, tree, format, backup)
    store.wholeGraph = wholeGraph
    return store
  }

  /// The part of a memory graph that lies in some contexts: files of a directory, or records of
  /// one file. Throws `notFound` for a context that is not there, `refused` for other stores.
  package func restricted(to contexts: [String]) throws -> OpenedStore {
    if contexts.isEmpty { return self }
    var part = try self.part(contexts)
    part.wholeGraph = WholeGraph(isHere: wholeGraph?.isHere ?? true) { [tree, format] sink in
      try format.read(tree, ReadOptions(), sink)
    }
    return part
  }

  private func part(_ contexts: [String]) throws -> OpenedStore {
    if let restrict = format.restrict { return OpenedStore(path, tree, restrict(contexts), backup) }
    guard format.name == StoreFormat.memoryGraph.name else {
      throw StoreError(
        .refused, "is of the kind \(format.name), and only memory graphs have contexts",
        path: path.string, hint: "leave --context out")
    }
    if tree.isSingleFile {
      return OpenedStore(path, tree, format.restricted(to: contexts), backup)
    }
    let there = tree.files.compactMap { MemoryGraph.context(of: $0.name) }
    if let missing = contexts.first(where: { !there.contains($0) }) {
      throw StoreError(
        .notFound, "there is no context called \(missing)", path: path.string,
        hint: "holdfast contexts lists them")
    }
    let part = PartialTree(tree) { file in
      MemoryGraph.context(of: file.name).map(contexts.contains) ?? false
    }
    return OpenedStore(path, part, format, backup)
  }

  /// The same, taken for a store of one file where one file of a directory is left.
  package var ofOneFile: OpenedStore {
    if !format.contexts.isEmpty, !tree.isSingleFile, tree.files.count == 1 {
      let single = PartialTree(tree, isSingleFile: true) { !$0.isDirectory }
      return OpenedStore(path, single, format, backup)
    }
    guard let part = tree as? PartialTree, part.files.count == 1, let file = part.places.first
    else { return self }
    let name = part.base.files[file].name
    let single = PartialTree(part.base, isSingleFile: true) { $0.name == name }
    return OpenedStore(path, single, format, backup)
  }

  private static func format(of backup: BackupFile, _ formats: [StoreFormat]) throws
    -> StoreFormat
  {
    do throws(StoreError) { return try formats.named(backup.manifest.kind) } catch {
      throw SnapshotError(
        .badManifest,
        "is the backup of a kind of store that this Holdfast does not know: "
          + backup.manifest.kind, path: backup.path.string, hint: "use a newer Holdfast")
    }
  }

  /// The backup at `path`, if that is an archive by its first bytes.
  private static func backup(at path: FilePath) throws -> BackupFile? {
    guard let facts = try FileFacts(at: path), facts.isRegular else { return nil }
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 512)
    let isZstd =
      head.count >= 4 && head[0] == 0x28 && head[1] == 0xB5 && head[2] == 0x2F && head[3] == 0xFD
    let isGzip = head.count >= 2 && head[0] == 0x1F && head[1] == 0x8B
    let isTar =
      head.count == 512
      && zip(257..<262, "ustar".utf8).allSatisfy { head[$0] == $1 }
    // A name that only backups have is one more hint, for an archive damaged at its very start.
    let hasSidecar = try FileFacts(at: BackupFile.sidecarPath(of: path)) != nil
    let isNamed =
      hasSidecar && [".tar.zst", ".tar.gz", ".tar"].contains { path.string.hasSuffix($0) }
    return isZstd || isGzip || isTar || isNamed ? try BackupFile(opening: path) : nil
  }
}
