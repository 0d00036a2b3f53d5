import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `salvage`.
package struct SalvageRequest: Sendable {
  package var paths: [FilePath]
  package var target: FilePath
  package var kind: String?
  /// Only these contexts of memory graphs; all where empty.
  package var contexts: [String] = []
  package var repairs = false
  /// Whether rows of databases that were deleted are looked for.
  package var takesDeleted = false
  /// A backup of the store, for records that the damage has destroyed.
  package var backup: FilePath?
  /// Whether the recovered store is going to be swapped in: then whoever does that writes the log.
  var isForRecovery = false
  /// The kinds of stores there are.
  package var formats = StoreFormat.fileFormats
  /// Unix seconds: the time in the ledger and in the name of the log.
  package var time: Int

  package init(paths: [FilePath], target: FilePath, time: Int) {
    self.paths = paths
    self.target = target
    self.time = time
  }
}

/// What `salvage` is going to do; `--dry-run` shows it.
package struct SalvagePlan: Sendable {
  package let request: SalvageRequest
  package private(set) var inputs: [SalvageInput] = []
  /// Files of the inputs that belong to no store: left where they are.
  package private(set) var skipped: [FilePath] = []
  /// Of files in the inputs that cannot be read, links and the like: left out, and told of.
  package private(set) var notes: [Finding] = []

  /// Looks at everything and writes nothing. Throws `notFound` for a path where nothing is,
  /// `exists` where the target is not free.
  /// - Parameter folder: a directory in the store that is no part of it, for the output.
  package init(_ request: SalvageRequest, insideOf folder: FilePath? = nil) throws {
    self.request = request
    var taken: Set<FilePath> = []
    for path in request.paths {
      let tree = try DiskTree(path)
      notes += tree.notes
      let isOnly = request.paths.count == 1
      let base = tree.isSingleFile || isOnly ? FilePath("") : Self.baseName(path)
      let top = Self.free(base, &taken)
      if tree.isSingleFile {
        let name = Self.free(tree.files[0].name, &taken)
        var input = try Self.input(path, name, request.kind)
        try checkArchive(input)
        if input.kind == .backup, !isOnly { input.top = name }
        try checkContexts(of: input)
        inputs.append(input)
        continue
      }
      try checkContexts(of: tree)
      if request.kind == nil || request.kind == SalvageInput.Kind.contentArchive.rawValue,
        let layout = try ArchiveLayout(tree)
      {
        addArchive(layout, tree, top)
        continue
      }
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        // The other contexts are no part of what was named.
        if !request.contexts.isEmpty, !ContextSplit.isWanted(file.name, request.contexts) {
          continue
        }
        if Self.isStoreFile(file, in: tree) {
          let name = top.pushing(file.name)
          var input = try Self.input(tree.path(index), name, request.kind)
          if input.kind == .backup { input.top = name }
          inputs.append(input)
        } else {
          skipped.append(tree.path(index))
        }
      }
    }
    // They are read with the databases that they lie beside.
    let logs = try inputs.filter { $0.kind == .sqlite }.flatMap { try Disk.logs(of: $0.path) }
    skipped.removeAll { path in logs.contains { $0.path == path } }
    if request.backup != nil, request.paths.count != 1 {
      throw SalvageError(
        .usage, "a backup fills in one store, and \(request.paths.count) paths were named",
        hint: "salvage them one by one")
    }
    if let backup = request.backup { try takeKind(of: backup) }
    try OutputDirectory.check(request.target)
    let isInside = folder.map { Disk.absolute(request.target).starts(with: Disk.absolute($0)) }
    if isInside != true { try Self.checkPlace(request) }
    if inputs.isEmpty, notes.isEmpty, request.backup == nil {
      for path in skipped { try Self.checkLog(path) }
      throw SalvageError(
        .refused, "holds no file that could be one of a store", path: request.paths[0].string,
        hint: "name the files themselves, or a backup of the store with --with")
    }
  }

  /// Throws `refused` where the backup is of another kind than the store: the records of the one have
  /// no place in the other. What is too damaged to tell is taken for what the backup is of.
  private mutating func takeKind(of backup: FilePath) throws {
    let format = try OpenedStore(opening: backup, formats: request.formats, kind: nil).format.name
    let isRows = [StoreFormat.sqlite.name, "run-history"].contains(format)
    let wanted = isRows ? SalvageInput.Kind.sqlite : SalvageInput.Kind(rawValue: format)
    guard let wanted, !inputs.isEmpty else { return }
    let kinds = Set(inputs.map(\.kind)).subtracting([.backup])
    if kinds.isEmpty || kinds.contains(wanted) { return }
    let anything: Set<SalvageInput.Kind> = [.json, .jsonLines]
    if let other = kinds.subtracting(anything).first {
      throw SalvageError(
        .refused, "is a \(format), and the store a \(other.rawValue)", path: backup.string,
        hint: "name a backup of this store with --with, or the right --kind")
    }
    guard inputs.count == 1, !anything.contains(wanted) else { return }
    guard request.kind == nil, try SalvageInput.isBeyondTelling(inputs[0].path) else {
      throw SalvageError(
        .refused, "is a \(format), and the store holds \(inputs[0].kind.rawValue)",
        path: backup.string,
        hint: "name a backup of this store with --with, or the right --kind")
    }
    if wanted != .contentArchive { inputs[0].kind = wanted }
  }

  /// Throws `refused` where one file is called a content archive, which is a directory; a backup may
  /// be one of it.
  private func checkArchive(_ input: SalvageInput) throws {
    guard request.kind == StoreFormat.contentArchive.name, input.kind != .backup else { return }
    throw SalvageError(
      .refused, "is a file, and a content archive is a directory", path: input.path.string,
      hint: "name the directory of the archive, or leave --kind out")
  }

  /// Throws `refused` where contexts are asked for of a file that holds none.
  private func checkContexts(of input: SalvageInput) throws {
    guard !request.contexts.isEmpty, ![.memoryGraph, .backup].contains(input.kind) else { return }
    if input.kind == .sqlite {
      throw SalvageError(
        .refused, "is a database, which is salvaged as a whole", path: input.path.string,
        hint: "leave --context out, and export the context from what was recovered")
    }
    throw Self.noContexts(input.kind.rawValue, input.path)
  }

  /// Throws `notFound` for a context that a directory has no file of, `refused` for one that is no
  /// graph.
  private func checkContexts(of tree: DiskTree) throws {
    guard !request.contexts.isEmpty else { return }
    if let layout = try ArchiveLayout(tree), !layout.entries.isEmpty {
      throw Self.noContexts(StoreFormat.contentArchive.name, tree.root)
    }
    let graph = StoreFormat.memoryGraph
    guard try request.kind == graph.name || graph.recognises(tree) else {
      throw SalvageError(
        .refused, "holds nothing of a memory graph that can be read, and only those have contexts",
        path: tree.root.string,
        hint: "leave --context out, or say --kind memory-graph if it is one")
    }
    try ContextSplit.check(request.contexts, in: tree, at: tree.root)
  }

  private static func noContexts(_ kind: String, _ path: FilePath) -> SalvageError {
    SalvageError(
      .refused, "is of the kind \(kind), and only memory graphs have contexts",
      path: path.string, hint: "leave --context out")
  }

  /// The indexes first, for what they name; leftovers last, for what is there without them.
  private mutating func addArchive(_ layout: ArchiveLayout, _ tree: DiskTree, _ top: FilePath) {
    func rank(_ role: ArchiveRole) -> Int {
      role == .index ? 0 : role == .temporary ? 2 : 1
    }
    for wanted in 0...2 {
      for entry in layout.entries where rank(entry.role) == wanted {
        let file = tree.files[entry.file]
        var input = SalvageInput(
          path: tree.path(entry.file), name: top.pushing(file.name), kind: .contentArchive,
          size: file.size)
        input.role = entry.role
        input.root = entry.root
        input.inner = ArchiveLayout.split(file.name).inner
        input.missing = entry.missing
        input.top = top
        inputs.append(input)
      }
    }
    skipped += layout.skipped.map(tree.path)
  }

  /// Throws `refused` for the log of a database, whose pages are read with those of the database.
  private static func checkLog(_ path: FilePath) throws {
    guard try WriteAheadLog.isLog(path) else { return }
    let name = path.lastComponent?.string ?? ""
    let database = FilePath(String(path.string.dropLast(name.hasSuffix("-wal") ? 4 : 0)))
    let hint: String
    if database == path {
      hint = "name it NAME-wal, where NAME is the database it belongs to, and salvage NAME"
    } else if try FileFacts(at: database) != nil {
      hint = "salvage \(database), which reads it too"
    } else {
      hint = "make an empty file \(database) (touch), and salvage that, which reads the log too"
    }
    throw SalvageError(
      .refused, "is the log of a database, and no store by itself", path: path.string, hint: hint)
  }

  private static func input(_ path: FilePath, _ name: FilePath, _ kind: String?) throws
    -> SalvageInput
  {
    try checkLog(path)
    return SalvageInput(
      path: path, name: name, kind: try SalvageInput.kind(of: path, named: kind),
      size: try FileFacts(at: path)?.size ?? 0)
  }

  /// In a directory every file that may hold records is taken.
  private static func isStoreFile(_ file: StoreFile, in tree: DiskTree) -> Bool {
    let name = file.name.lastComponent?.string ?? ""
    if [".tar", ".tar.gz", ".tar.zst"].contains(where: name.hasSuffix) { return true }
    if name.hasSuffix(".manifest.json") { return false }
    return ["jsonl", "json", "ndjson", "log", "db", "sqlite", "sqlite3"].contains(
      file.name.extension ?? "")
  }

  private static func baseName(_ path: FilePath) -> FilePath {
    FilePath(Disk.absolute(path).lastComponent?.string ?? "store")
  }

  /// The name, or the name with a number where it is taken.
  private static func free(_ name: FilePath, _ taken: inout Set<FilePath>) -> FilePath {
    if name.isEmpty || taken.insert(name).inserted { return name }
    var number = 2
    while true {
      var other = name
      let last = name.lastComponent?.string ?? ""
      other.removeLastComponent()
      let candidate = other.appending("\(number)-\(last)")
      if taken.insert(candidate).inserted { return candidate }
      number += 1
    }
  }

  /// The output must not lie where it would become a part of an input.
  private static func checkPlace(_ request: SalvageRequest) throws {
    let target = Disk.absolute(request.target)
    for path in request.paths {
      if target == Disk.absolute(path) {
        throw SalvageError(
          .usage, "is the store that is to be salvaged", path: request.target.string,
          hint: "name a directory outside of it with --to")
      }
    }
    try TargetPlace.check(request.target, outside: request.paths)
  }
}
