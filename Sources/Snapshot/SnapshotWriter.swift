import Archive
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Takes a snapshot of a store: reads it once into nameless files, then puts the archive together.
package final class SnapshotWriter {
  package struct Settings: Sendable {
    package var compression: Compression
    package var hasRTFS: Bool
    package var idField: String?
    package var note: String?
    /// Unix seconds.
    package var time: Int

    package init(
      compression: Compression, hasRTFS: Bool, idField: String?, note: String?, time: Int
    ) {
      self.compression = compression
      self.hasRTFS = hasRTFS
      self.idField = idField
      self.note = note
      self.time = time
    }
  }

  private let settings: Settings
  private let pool: CompressionPool
  private let spill: SpillFile
  private let hybrid: MemberWriter
  private let store: MemberWriter
  private let capture: StoreCapture
  /// Of the store's own directory, if it is one.
  private let root: MemberHeader?
  private let format: StoreFormat
  package let survey: Survey
  private var hybridEntry: Manifest.Entry?

  /// Reads the store. Throws `DiskError.changed` where it changed in a way that leaves open which
  /// state was read: make a new writer and try again.
  /// - Parameter tree: the store on disk, or as its kind froze it.
  /// - Parameter place: where it lies; of a store inside a backup, what it is called.
  /// - Parameter early: files of the store that were opened before it was listed.
  /// - Parameter wholeGraph: see `Survey.wholeGraph`.
  /// - Parameter directory: where intermediate data may lie, without a name.
  package init(
    _ tree: any StoreTree, source place: FilePath, as format: StoreFormat, settings: Settings,
    openedBefore early: EarlyFiles, inside backup: BackupFile? = nil,
    wholeGraph: WholeGraph? = nil, spillingTo directory: FilePath,
    progress: @escaping (_ bytes: Int) -> Void
  ) throws {
    self.settings = settings
    self.format = format
    pool = try CompressionPool(settings.compression)
    spill = try SpillFile(in: directory)
    hybrid = MemberWriter(pool, spill: spill)
    store = MemberWriter(pool, spill: spill)
    capture = StoreCapture(tree, openedBefore: early, into: store, progress: progress)
    if let backup {
      root = backup.manifest.root
    } else {
      let facts = tree.isSingleFile ? nil : try FileFacts(at: place)
      root = facts.flatMap { $0.kind == .directory ? $0 : nil }.map {
        MemberHeader(
          path: Manifest.rootName, kind: .directory, size: 0, mode: $0.mode,
          seconds: $0.modified.seconds, nanoseconds: $0.modified.nanoseconds)
      }
    }
    survey = Survey(
      rules: true, paths: tree.files.indices.map(tree.displayPath),
      prepare: HybridWriter.preparation(hasRTFS: settings.hasRTFS))
    let writer = try HybridWriter(
      to: hybrid, time: settings.time, kinds: format.recordKinds, hasRTFS: settings.hasRTFS,
      spillingTo: directory)
    survey.wholeGraph = wholeGraph
    survey.onBatch = { try writer.add(&$0) }
    tree.notes.forEach(survey.note)
    let options = ReadOptions(idField: settings.idField.flatMap(JSONPointer.init))
    try format.read(capture, options, survey)
    try capture.captureRest()
    try survey.finish()
    survey.onBatch = nil
    // What follows sorts and merges: the hashes must not lie beside that.
    survey.seal()
    try store.finish()
    let source = place.lastComponent?.string ?? "."
    let rtfsOffset = try writer.finish(source: source, note: settings.note)
    let (size, sha256) = try hybrid.endMember()
    try hybrid.finish()
    hybridEntry = Manifest.Entry(
      header: MemberHeader(
        path: Manifest.hybridName, size: size, mode: 0o644, seconds: settings.time),
      sha256: sha256, rtfsOffset: rtfsOffset)
  }

  /// The files that had grown by the time they had been read.
  package var grownFiles: [FilePath] { capture.members.filter(\.hasGrown).map(\.file.name) }

  /// All that the manifest can say by now; series, parent and suspicions are the caller's.
  package func manifest(series: String) -> Manifest {
    var manifest = Manifest(
      time: settings.time, series: series, kind: format.name,
      isSingleFile: capture.isSingleFile, digest: survey.digest())
    manifest.counts = survey.counts
    manifest.compression = settings.compression.description
    manifest.hasRTFS = settings.hasRTFS
    manifest.note = settings.note
    manifest.idField = settings.idField
    if format.name == StoreFormat.memoryGraph.name, !capture.isSingleFile {
      manifest.contexts = capture.files.compactMap { file in
        file.isDirectory ? nil : MemoryGraph.context(of: file.name)
      }
    }
    let directories = capture.files.filter(\.isDirectory).map {
      Manifest.Entry(header: Self.header(of: $0), sha256: nil)
    }
    let root = root.map { Manifest.Entry(header: $0, sha256: nil) }
    let files = capture.members.map {
      Manifest.Entry(header: Self.header(of: $0.file), sha256: $0.sha256)
    }
    // Directories behind all files, inner ones first, so that plain tar, which sets modes and
    // times as it goes, leaves them as they were.
    manifest.entries =
      [hybridEntry].compactMap { $0 } + files + directories.reversed() + [root].compactMap { $0 }
    return manifest
  }

  private static func header(of file: StoreFile) -> MemberHeader {
    MemberHeader(
      path: Manifest.storePrefix + TreeWalk.bytes(of: file.name),
      kind: file.isDirectory ? .directory : .regular, size: file.size, mode: file.mode,
      seconds: file.modifiedSeconds, nanoseconds: file.modifiedNanoseconds)
  }

  /// Writes the archive that `manifest`, made from this writer's, describes.
  /// - Returns: size, hash and content size of the file written.
  package func write(_ manifest: Manifest, to output: ArchiveOutput) throws {
    let text = manifest.encoded()
    let sums = manifest.checksums(manifest: Hash256(of: text.span))
    let framing = FrameWriter(pool) { try output.write($0) }
    func header(_ header: MemberHeader) throws {
      let blocks: [UInt8] = try Tar.header(header)
      try framing.write(blocks)
      try framing.cut()
    }
    func small(_ name: [UInt8], _ bytes: [UInt8]) throws {
      try header(
        MemberHeader(path: name, size: bytes.count, mode: 0o644, seconds: settings.time))
      try framing.write(bytes)
      try framing.write([UInt8](repeating: 0, count: Tar.padding(after: bytes.count)))
      try framing.cut()
    }
    func copy(_ writer: MemberWriter, from start: Int, to end: Int) throws {
      try framing.finish()
      for stretch in writer.stretches(from: start, to: end) {
        try output.copy(spill, from: stretch.start, to: stretch.end)
      }
    }
    try small(Manifest.manifestName, text)
    let captured = Dictionary(
      capture.members.map { (TreeWalk.bytes(of: $0.file.name), $0) },
      uniquingKeysWith: { first, _ in first })
    for entry in manifest.entries {
      try header(entry.header)
      if entry.header.path == Manifest.hybridName {
        try copy(hybrid, from: 0, to: hybrid.contentSize)
      } else if let file = captured[Array(entry.header.path.dropFirst(Manifest.storePrefix.count))],
        file.contentEnd > file.contentStart
      {
        try copy(store, from: file.contentStart, to: file.contentEnd)
      }
    }
    try small(Manifest.sumsName, sums)
    try framing.write(Tar.endOfArchive)
    try framing.finish()
    output.contentSize = framing.contentSize + hybrid.contentSize + store.contentSize
  }
}

/// The file that an archive is written to, hashed on the way; published by its owner.
package final class ArchiveOutput {
  private var file: OutputFile
  private let lane = HashLane()
  /// Bytes of content, decompressed; known once the archive has been written.
  package internal(set) var contentSize = 0

  package init(for target: FilePath) throws { file = try OutputFile(for: target) }

  func write(_ bytes: Span<UInt8>) throws {
    // Small pieces are framing; a copy of those costs nothing.
    _ = lane.update(ByteBuffer((0..<bytes.count).map { bytes[$0] }))
    try file.write(bytes)
  }

  func copy(_ spill: SpillFile, from start: Int, to end: Int) throws {
    var block = ByteBuffer()
    var at = start
    while at < end {
      let length = min(256 << 10, end - at)
      try spill.read(at: at, into: &block, count: length)
      try file.write(block.span)
      block = lane.update(block)
      at += length
    }
  }

  /// Where the bytes lie until they are published, for reading them back.
  package var temporaryPath: FilePath { file.temporaryPath }

  /// - Parameter origin: where the store lies.
  package func seal(isVerified: Bool, origin: FilePath? = nil) -> ArchiveSeal {
    ArchiveSeal(
      file: file.target.lastComponent?.string ?? "", size: file.count, sha256: lane.finish(),
      contentSize: contentSize, isVerified: isVerified,
      origin: origin.map { TreeWalk.bytes(of: Disk.absolute($0)) })
  }

  /// Gives the archive its name, durably; fails where the name is taken.
  package func publish() throws { try file.publish(replacing: false) }
}
