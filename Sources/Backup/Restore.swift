import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `restore`.
package struct RestoreRequest: Sendable {
  /// What happens to something that is already where the restored store goes.
  package enum Overwrite: String, Sendable, CaseIterable {
    case never
    case ifChanged = "if-changed"
    case always
  }

  /// An archive, `REPO`, `REPO@latest`, `REPO@TIME`, or a snapshot file.
  package var source: String
  package var target: FilePath
  package var series: String?
  package var selection: Selection
  /// Whether relations and edges come along that start or end at what is selected.
  package var withRelations = false
  /// What to restore it as, a word of `--as`; nil: as it is.
  package var form: String?
  /// The kind that the backup must be of; nil: any.
  package var kind: String?
  /// Only these contexts of a memory graph; all where empty.
  package var contexts: [String] = []
  package var overwrite: Overwrite = .never
  /// Unix seconds, for the name of the undo copy.
  package var time: Int

  package init(source: String, target: FilePath, selection: Selection, time: Int) {
    self.source = source
    self.target = target
    self.selection = selection
    self.time = time
  }
}

/// What `restore` is going to do; `--dry-run` shows it.
package struct RestorePlan {
  package enum Source {
    case backup(BackupFile)
    /// A store that is its own backup: a snapshot that CCOS wrote, or a migrated database.
    case snapshot(any StoreTree, StoreFormat)
  }

  package let request: RestoreRequest
  package let source: Source
  /// The file that was chosen.
  package let sourcePath: FilePath
  /// Absolute.
  package let target: FilePath
  /// Files that will be written, by name.
  package let files: [StoreFile]
  package let format: StoreFormat
  /// What is at the target and stays there (`DiskTree.kept`), and where the rest of it will go.
  let replacement: Replacement
  /// Where what is at the target now will go; nil where there is nothing worth keeping.
  package var undo: FilePath? { isUnchanged ? nil : replacement.undo }
  /// Set where only a part is wanted, or another kind of store: then records are written anew.
  let copy: StoreCopy?
  /// What is selected, where not all of it is.
  let tally: SelectionTally?
  /// Whether records are written one by one, not the store's own files.
  package var writesRecords: Bool { copy != nil }
  /// The kind that will be at the target.
  package var targetFormat: StoreFormat { copy?.target ?? format }
  /// The target already holds this very store, and `--overwrite if-changed` was given.
  package let isUnchanged: Bool
  /// The store that a database keeps, where that is what is wanted.
  let kept: KeptStore?
  /// Writes its files as they were, where they are to be had.
  var writeFiles: ((FilePath) throws -> [FilePath])? { copy == nil ? kept?.writeFiles : nil }
  /// Told how many more bytes of the backup have been read.
  package var onRead: (@Sendable (_ bytes: Int) -> Void)?

  package init(_ request: RestoreRequest, formats: [StoreFormat]) throws {
    self.request = request
    let path = try BackupReference(request.source, series: request.series).resolve()
    sourcePath = path
    var opened = try Self.open(path, formats, request.contexts)
    if let kind = request.kind, kind != opened.format.name,
      try kind != opened.format.sourceKind(of: opened.tree)
    {
      throw BackupError(
        .usage, "holds a store of the kind \(opened.format.name), not \(kind)",
        path: path.string, hint: "--as restores it as another kind, where that holds its records")
    }
    kept = try Self.kept(request, opened)
    if let kept {
      if case .snapshot = opened.source { opened.source = .snapshot(kept.tree, kept.format) }
      (opened.tree, opened.format) = (kept.tree, kept.format)
    }
    source = opened.source
    format = opened.format
    files = opened.tree.files
    target = Disk.absolute(request.target)
    try TargetPlace.check(request.target, outside: [path], keeping: DiskTree.kept)
    tally = request.selection.isEmpty ? nil : SelectionTally(request.selection)
    copy = try Self.copy(
      request, path, opened, formats, tally, hasFiles: kept.map { $0.writeFiles != nil } ?? true)
    replacement = try Replacement(of: target, time: request.time, keeping: DiskTree.kept)
    let occupied = replacement.undo != nil
    var same = false
    if occupied, request.overwrite == .ifChanged, copy == nil, kept == nil {
      same = try Self.holds(target, opened.tree)
    }
    isUnchanged = same
    if occupied, request.overwrite == .never {
      throw BackupError(
        .exists, "is not empty", path: target.string,
        hint: "choose another target, or keep what is there as an undo copy with --overwrite always"
      )
    }
  }

  /// What must be written record by record; nil where the store's own files will do. Throws
  /// `refused` where the kind asked for has no place for what the backup holds.
  private static func copy(
    _ request: RestoreRequest, _ path: FilePath,
    _ opened: (source: Source, tree: any StoreTree, format: StoreFormat),
    _ formats: [StoreFormat], _ tally: SelectionTally?, hasFiles: Bool
  ) throws -> StoreCopy? {
    guard !request.withRelations || !request.selection.isEmpty else {
      throw BackupError(
        .usage, "--with-relations goes with --select: without it, everything is restored")
    }
    var copy = StoreCopy(opened.tree, as: opened.format)
    copy.time = request.time
    let selection = request.selection
    if let tally { copy.isWanted = { tally.contains($0) } }
    copy.takesRelations = request.withRelations
    // Of a file only some records are wanted, so it is written anew, as what it is.
    let isPart = !opened.format.contexts.isEmpty
    if request.form == nil, let origin = opened.format.origin, case .snapshot = opened.source {
      guard let origin = try origin(opened.tree) else {
        throw BackupError(
          .usage, "holds stores of several kinds", path: path.string,
          hint: "say with --as what to make of them, or take one of them out with export --store")
      }
      let isDirectory = origin.kind == StoreFormat.memoryGraph.name && !origin.isSingleFile
      copy.form = try formats.form(isDirectory ? StoreForm.contextsName : origin.kind)
    } else if isPart, request.form == nil, opened.tree.isSingleFile {
      copy.form = try formats.form(opened.format.name)
    }
    do throws(StoreError) {
      if let name = request.form { copy.form = try formats.form(name) }
    } catch { throw BackupError(.usage, error.message, hint: error.hint) }
    if case .backup(let backup) = opened.source {
      copy.time = backup.manifest.time
      copy.options.idField = backup.manifest.idField.flatMap(JSONPointer.init)
      let kinds = backup.manifest.counts.keys.filter {
        selection.isEmpty || selection.mayContain($0)
          || (request.withRelations && ($0 == .relation || $0 == .edge))
      }
      if !copy.keepsFiles,
        var error = copy.target.refusal(of: kinds, from: opened.format.name)
      {
        error.path = path.string
        throw error
      }
    }
    return copy.keepsFiles && !isPart && hasFiles ? nil : copy
  }

  /// The store that lies in a database: of the backup of one that is wanted as it is, none.
  private static func kept(
    _ request: RestoreRequest,
    _ opened: (source: Source, tree: any StoreTree, format: StoreFormat)
  ) throws -> KeptStore? {
    let isWhole = request.form == nil && request.selection.isEmpty && request.contexts.isEmpty
    if case .backup = opened.source, isWhole { return nil }
    return try opened.format.kept?(opened.tree)
  }

  private static func open(
    _ path: FilePath, _ formats: [StoreFormat], _ contexts: [String]
  ) throws -> (source: Source, tree: any StoreTree, format: StoreFormat) {
    let opened: OpenedStore
    do {
      opened = try OpenedStore(opening: path, formats: formats, kind: nil)
    } catch is StoreError {
      throw SnapshotError(
        .notBackup, "is no backup", path: path.string,
        hint: "name an archive that holdfast backup wrote")
    }
    if let backup = opened.backup {
      let part = try opened.restricted(to: contexts)
      return (.backup(backup), part.tree, part.format)
    }
    guard opened.format.name == StoreFormat.intentSnapshot.name || opened.format.origin != nil,
      let tree = opened.tree as? DiskTree
    else {
      throw SnapshotError(
        .notBackup, "is a store of the kind \(opened.format.name), not a backup",
        path: path.string, hint: "name an archive that holdfast backup wrote")
    }
    let format = try opened.restricted(to: contexts).format
    return (.snapshot(tree, format), tree, format)
  }

  /// Whether `target` holds just the files of `tree`, byte for byte.
  /// - Parameter withFacts: whether their modes and times count too.
  static func holds(_ target: FilePath, _ tree: any StoreTree, withFacts: Bool = true) throws
    -> Bool
  {
    guard try FileFacts(at: target)?.kind == .directory else { return false }
    var there: Set<FilePath> = []
    try TreeWalk.walk(target) { entry in
      if DiskTree.kept.contains(entry.name.string) { return false }
      there.insert(entry.name)
      return true
    }
    guard there == Set(tree.files.map(\.name)) else { return false }
    for (index, file) in tree.files.enumerated() {
      let path = target.pushing(file.name)
      guard let facts = try FileFacts(at: path, following: false),
        !withFacts
          || (facts.mode == file.mode
            && facts.modified == (file.modifiedSeconds, file.modifiedNanoseconds))
      else { return false }
      if file.isDirectory {
        if facts.kind != .directory { return false }
        continue
      }
      guard facts.isRegular, facts.size == file.size else { return false }
      let mine = FileSource(try InputFile(opening: path))
      if try tree.open(index).hash() != boxed(mine).hash() { return false }
    }
    return true
  }

  private static func boxed(_ source: consuming FileSource) -> ByteStream {
    var source = source
    return ByteStream { try source.read(into: &$0, atMost: $1) }
  }
}

/// What `restore` came to.
package struct RestoreResult: Sendable {
  /// Absolute paths of the files restored.
  package var restored: [FilePath]
  package var digest: Hash256
  package var records: Int
  package var undo: FilePath?
  package var isUnchanged = false
  /// Whether the backup was of a damaged store.
  package var isSuspect = false
  /// Parts of the selection that have selected nothing, as they were written.
  package var unmatched: [String] = []
  /// What the new form of the store does not say any more.
  package var log = FindingLog()
}
