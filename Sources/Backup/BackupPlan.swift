import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `backup`.
package struct BackupRequest: Sendable {
  package var store: FilePath
  package var repository: FilePath?
  package var series: String?
  package var kind: String?
  package var contexts: [String] = []
  package var compression: Compression = .default
  package var hasRTFS = true
  package var note: String?
  package var idField: String?
  package var skipUnchanged = false
  package var verifies = true
  package var allowsEmpty = false
  package var allowsShrink = false
  /// Refuses a shrunken store instead of saving it as suspect.
  package var refusesShrink = false
  /// Where the backup goes when the repository has no room or may not be written to.
  package var fallback: FilePath?
  /// Unix seconds: the time of the backup.
  package var time: Int
  /// Seconds to wait for another run.
  package var lockWait: Double = 0

  package init(store: FilePath, time: Int) {
    self.store = store
    self.time = time
  }
}

/// What `backup` is going to do; `--dry-run` shows it.
package struct BackupPlan {
  package let request: BackupRequest
  package let store: FilePath
  package let format: StoreFormat
  /// What is backed up instead of the store's own files: the store inside a backup, or contexts that
  /// have no files of their own.
  let inner: OpenedStore?
  package private(set) var repository: Repository
  package let series: String
  /// Files of the store, and their bytes as they are now.
  package let fileCount: Int
  package let byteCount: Int
  /// The archive's name, unless that is taken by then.
  package let archiveName: String
  /// The last good backup of the series.
  package let parent: Catalog.Entry?
  /// The last backup of the series that is or was good, with which the store is compared.
  let yardstick: Catalog.Entry?
  /// What stands in the way of writing to the repository; only where there is a fallback.
  private(set) var obstacle: (any Error)?
  /// What it takes, and what there is, before anything is written.
  package let room: Room

  /// Looks at everything and writes nothing.
  package init(_ request: BackupRequest, formats: [StoreFormat]) throws {
    self.request = request
    let opened = try Self.open(request, formats)
    guard opened.backup == nil || request.repository != nil else {
      throw BackupError(
        .usage, "is a backup already", path: request.store.string,
        hint: "name with --to the repository that another one of the same store goes to")
    }
    guard request.idField == nil || request.idField.flatMap(JSONPointer.init) != nil else {
      throw BackupError(.usage, "--id-field is no JSON pointer; it looks like /meta/id")
    }
    store = request.store
    inner = try Self.inner(of: opened, request)
    format = inner?.format ?? opened.format
    repository =
      request.repository.map(Repository.init)
      ?? .standard(for: request.store, isSingleFile: opened.tree.isSingleFile)
    if !opened.tree.isSingleFile { try Self.checkOutside(repository.path, request.store) }
    series =
      request.series ?? opened.backup?.manifest.series
      ?? Repository.seriesName(for: request.store)
    guard Repository.isSeriesName(series) else {
      throw BackupError(
        .usage, "\(series) is no name for a series",
        hint: "use letters, digits, '.', '_' and '-', not starting with a '.'")
    }
    let files = (inner ?? opened).tree.files.filter { !$0.isDirectory }
    fileCount = files.count
    byteCount = files.reduce(0) { $0 + $1.size }
    archiveName =
      "\(series)-\(ISOTime(seconds: request.time).compactText).\(request.compression.fileExtension)"
    var (catalog, problem): (Catalog?, (any Error)?) = (nil, nil)
    do {
      catalog = try Self.catalog(of: repository, series)
    } catch let error as DiskError
      where request.fallback != nil && [.notWritable, .noSpace].contains(error.code)
    {
      problem = error
    }
    let found = catalog?.newestGood(notAfter: request.time)
    parent = found
    yardstick = catalog?.newestKnownGood(notAfter: request.time)
    obstacle = problem
    room = try Room(
      at: repository.path, storing: byteCount, like: found, request.compression, request.hasRTFS)
    if let catalog { try checkOrigin(catalog) }
  }

  /// The store that was asked for, of the kind and with the contexts that were.
  static func open(_ request: BackupRequest, _ formats: [StoreFormat]) throws -> OpenedStore {
    do {
      try settle(request.store)
      return try OpenedStore(
        opening: request.store, formats: formats, kind: try kind(request),
        include: include(request.contexts))
    } catch let error as StoreError where !request.contexts.isEmpty {
      // Without the files of a context there is nothing left to tell the kind of store from.
      let whole = try DiskTree(request.store)
      try check(request.contexts, whole, request.store.string)
      // Contexts may be there without a record in them.
      guard error.code == .unknownKind, request.kind == nil,
        try formats.first(where: { try $0.recognises(whole) })?.name == StoreFormat.memoryGraph.name
      else { throw error }
      return try OpenedStore(
        opening: request.store, formats: formats, kind: StoreFormat.memoryGraph.name,
        include: include(request.contexts))
    }
  }

  /// What is backed up instead of a store's own files; nil where those are.
  static func inner(of opened: OpenedStore, _ request: BackupRequest) throws -> OpenedStore? {
    let isExtracted =
      !request.contexts.isEmpty && (opened.tree.isSingleFile || opened.format.kept != nil)
    if isExtracted { return try opened.extracted(request.contexts) }
    if opened.backup != nil { return try opened.restricted(to: request.contexts) }
    try check(request.contexts, opened)
    return nil
  }

  /// A series that nobody has named goes by the store's name, which another store may have as well.
  /// Throws `usage` where the newest backup of the series is of one that lies elsewhere: rotation
  /// would thin out the two as one.
  func checkOrigin(_ catalog: Catalog) throws {
    guard request.series == nil, let origin = catalog.newestOrigin,
      let place = FilePath(bytes: origin)
    else { return }
    // Of a backup that does not say where its store lay, nothing can be said.
    guard let own = self.origin, place != own else { return }
    // A repository that lies with its store moves along with it.
    if !isOfBackup, place.lastComponent == own.lastComponent, try isBesideStore() { return }
    // The same file or directory by another way to it.
    if let there = try? FileFacts(at: place), let here = try? FileFacts(at: own),
      (there.device, there.inode) == (here.device, here.inode)
    {
      return
    }
    throw BackupError(
      .usage, "the series \(series) holds backups of another store, \(place)", path: store.string,
      hint: "give --name: \(series) if that is where this store was before, else another name")
  }

  /// Where the store lies; of one inside a backup, where it lay when that was made, if that is known.
  var origin: FilePath? {
    guard let backup = inner?.backup else { return Disk.absolute(store) }
    guard case .read(_, _, let seal) = backup.sidecar else { return nil }
    return seal.origin.flatMap { FilePath(bytes: $0) }
  }

  /// Whether the store lies in a backup.
  package var isOfBackup: Bool { inner?.backup != nil }

  private func isBesideStore() throws -> Bool {
    let isDirectory = try FileFacts(at: store)?.kind == .directory
    let standard = Repository.standard(for: store, isSingleFile: !isDirectory)
    return Disk.absolute(repository.path) == Disk.absolute(standard.path)
  }

  /// A repository among the files of its store would be part of each next backup.
  private static func checkOutside(_ repository: FilePath, _ store: FilePath) throws {
    var inner = Disk.absolute(repository)
    guard inner.removePrefix(Disk.absolute(store)) else { return }
    guard inner.components.isEmpty || !DiskTree.kept.contains(inner.components.first?.string ?? "")
    else { return }
    throw BackupError(
      .usage, "the repository lies inside the store", path: repository.string,
      hint: "leave --to out for .backup/ in the store, or name a directory outside of it")
  }

  private static func catalog(of repository: Repository, _ series: String) throws -> Catalog? {
    guard let place = try FileFacts(at: repository.path) else { return nil }
    guard place.kind == .directory else {
      throw DiskError(
        .notWritable, "is not a directory, so no backup can be put there", path: repository.path,
        hint: "name a directory with --to")
    }
    return try Catalog(of: repository, series: series)
  }

  /// The same plan for the fallback directory.
  func redirected(to directory: FilePath) -> BackupPlan {
    var plan = self
    plan.repository = Repository(directory)
    plan.obstacle = nil
    return plan
  }

  /// Waits for a moment in which nobody writes to a store of one file, two seconds at most: the
  /// kind must not be taken from a file that has just been cut down to be written anew.
  private static func settle(_ store: FilePath) throws {
    for _ in 0..<100 {
      let facts: FileFacts?
      do throws(DiskError) { facts = try FileFacts(at: store) } catch { throw error.ofReading }
      guard let facts, facts.isRegular else { return }
      let modified = Double(facts.modified.seconds) + Double(facts.modified.nanoseconds) / 1e9
      let age = Clock.wall - modified
      if age < 0 || age >= 0.06 { return }
      try Interruption.check()
      Clock.sleep(seconds: 0.02)
    }
  }

  /// The kind that was asked for. A file without a byte has none to be seen; where it is to be
  /// backed up all the same, it counts as lines.
  private static func kind(_ request: BackupRequest) throws -> String? {
    guard request.kind == nil, request.allowsEmpty, let facts = try FileFacts(at: request.store),
      facts.isRegular, facts.size == 0
    else { return request.kind }
    return StoreFormat.jsonLines.name
  }

  /// Which files of a store directory belong to the contexts named; all where none is.
  package static func include(_ contexts: [String]) -> (FilePath) -> Bool {
    if contexts.isEmpty { return { _ in true } }
    return { name in MemoryGraph.context(of: name).map(contexts.contains) ?? false }
  }

  private static func check(_ contexts: [String], _ opened: OpenedStore) throws {
    guard !contexts.isEmpty else { return }
    _ = try opened.restricted(to: contexts)
    try check(contexts, opened.tree, opened.path.string)
  }

  private static func check(_ contexts: [String], _ tree: any StoreTree, _ root: String) throws {
    let there = tree.files.compactMap { MemoryGraph.context(of: $0.name) }
    for context in contexts where !there.contains(context) {
      throw BackupError(
        .notFound, "there is no context called \(context)", path: root,
        hint: "list the files of the directory; charts-NAME.jsonl holds the context NAME")
    }
  }
}
