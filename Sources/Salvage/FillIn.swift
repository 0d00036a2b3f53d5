import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Holds a recovered store against a backup of it: fills in the records that only the backup
/// still has, and names those in which the two differ.
///
/// A record that both have stays as the damaged store has it, for that may be newer; where the
/// two differ, that is told. Whether a record that is missing was destroyed or deleted since the
/// backup cannot be told, so each is named with its origin. But a file whose time of last change
/// is still the one in the backup's manifest has not been written since: then what differs was
/// altered by damage, and the backup's record takes its place; and what such a file lacks was
/// destroyed. Of a file of lines that is so all that the backup has, in that order: in a log the last
/// record of an id counts, and the same line may come many times. In one that was written since, what is
/// filled in stands behind what is there.
///
/// Each context of a memory graph, and each file of lines, has ids of its own.
///
/// The version of a record that was not taken is kept below `conflicts/`.
struct FillIn {
  let request: SalvageRequest
  let backup: FilePath
  /// Parts of the store that are not salvaged: what they hold is missing nowhere.
  var elsewhere: (any StoreTree)?
  /// Whether nothing is wrong with the store by itself: then a record that it lacks was deleted.
  var isSound = false
  /// What the backup is called where its records are named.
  var origin: String
  private(set) var filled = FilledRecords()
  /// Records that came into the store; less than 0 for those that went out of it.
  private(set) var counts: [RecordKind: Int] = [:]

  init(_ request: SalvageRequest, from backup: FilePath) {
    self.request = request
    self.backup = backup
    origin = backup.string
  }

  /// - Parameter root: the recovered store, in the directory that is being written: its file, or
  ///   the directory `recovered`.
  mutating func run(_ root: FilePath, in directory: OutputDirectory) throws {
    let whole = try OpenedStore(opening: backup, formats: request.formats, kind: nil)
    let format = whole.format
    var source = whole
    do { source = try source.restricted(to: request.contexts) } catch let error as StoreError
      where error.code == .notFound
    {
      // It was made before there was such a context.
      return
    }
    let options = ReadOptions(
      idField: source.backup?.manifest.idField.flatMap(JSONPointer.init))
    let manifest = whole.backup?.manifest
    let unwritten = try manifest.map { try UnwrittenFiles(of: request.paths[0], since: $0) }
    let place = directory.path(FilePath(".filled"))
    defer { try? Disk.remove(place) }
    try Disk.makeDirectory(place)
    var writing = WriteOptions(directory: place)
    writing.sourceKind = format.name
    writing.time = request.time
    if format.name == StoreFormat.sqlite.name {
      writing.fileName = root.lastComponent.map { FilePath(root: nil, [$0]) }
    }
    let writer = try format.recoveryWriter(writing, like: root)
    let conflicts = Conflicts(in: directory, origin: origin)
    let own = OwnRecords(writer, conflicts)
    let isOfLines = [StoreFormat.memoryGraph.name, StoreFormat.jsonLines.name].contains(format.name)
    own.isByFile =
      try isOfLines && !whole.tree.isSingleFile && FileFacts(at: root)?.isRegular != true
    if let unwritten, !unwritten.names.isEmpty {
      let saved = SavedRecords(whole.tree, isByFile: own.isByFile)
      try format.read(whole.tree, options, saved)
      own.saved = saved.known
      own.unwritten = unwritten.names
      // A part of a file has no order of its own.
      own.isInOrder = isOfLines && (request.contexts.isEmpty || !whole.tree.isSingleFile)
    }
    if try FileFacts(at: root) != nil {
      let tree = try DiskTree(root)
      own.tree = tree
      try format.read(tree, options, own)
    }
    if let elsewhere {
      own.isWriting = false
      own.tree = elsewhere
      try format.read(elsewhere, options, own)
    }
    let filler = FillSink(own, writer, source.tree, conflicts)
    filler.fills = !isSound || unwritten?.cut.isEmpty == false || conflicts.altered > 0
    do { try source.format.read(source.tree, options, filler) } catch let error as StoreError
      where error.code == .notFound && !request.contexts.isEmpty
    {
      // So it is here, for a graph of one file.
    }
    if !request.contexts.isEmpty, !own.removed.isEmpty, whole.tree.isSingleFile {
      // Those of other contexts in the same file, which were left out of it as well.
      filler.isForAltered = true
      filler.tree = whole.tree
      try format.read(whole.tree, options, filler)
    }
    try conflicts.close()
    filled = conflicts.records
    counts = filler.counts.merging(own.removed) { $0 - $1 }
    for (kind, count) in own.removed where filler.counts[kind] == nil { counts[kind] = -count }
    if filled.count == 0, filled.altered == 0 { return }
    let written = try writer.finish()
    let isFile = try FileFacts(at: root)?.isRegular ?? source.tree.isSingleFile
    if isFile {
      let only =
        written.root == place ? place.pushing(written.files.first ?? FilePath("")) : written.root
      try Disk.makeDirectory(root.removingLastComponent())
      try Disk.rename(only, to: root, replacing: true)
    } else {
      try Disk.remove(root)
      try Disk.rename(place, to: root, replacing: false)
    }
  }
}

/// The files of a store that nothing has written since a backup, as far as their times of last change
/// tell.
struct UnwrittenFiles {
  /// By their names in the store; for a store of one file the empty name.
  private(set) var names: Set<FilePath> = []
  /// Those that are shorter than they were: where they lie.
  private(set) var cut: [FilePath] = []
  /// Files that hold nothing any more, whatever their time: a writer that empties a file before it
  /// writes it, and is stopped in between, leaves that.
  private(set) var emptied: [FilePath] = []

  init(of store: FilePath, since manifest: Manifest) throws {
    let isFile = try FileFacts(at: store)?.isRegular ?? false
    let entries = manifest.storeEntries.filter { $0.header.kind == .regular }
    guard !isFile || entries.count == 1 else { return }
    for entry in entries {
      let name = FilePath(bytes: Array(entry.header.path.dropFirst(Manifest.storePrefix.count)))
      guard let name else { continue }
      let place = isFile ? store : store.pushing(name)
      guard let facts = try FileFacts(at: place) else { continue }
      if facts.isRegular, facts.size != entry.header.size, try SalvageInput.isBlank(place),
        try !WriteAheadLog.exists(beside: place)
      {
        emptied.append(place)
      }
      guard facts.modified == (entry.header.seconds, entry.header.nanoseconds) else {
        continue
      }
      // What is written to a database may be in its log alone.
      if try WriteAheadLog.exists(beside: place),
        let log = try FileFacts(at: WriteAheadLog.path(of: place)),
        log.modified.seconds >= manifest.time
      {
        continue
      }
      names.insert(isFile ? FilePath("") : name)
      if facts.size > 0, facts.size < entry.header.size { cut.append(place) }
    }
  }
}

/// Ids of records, and ids with the content that goes with them: eight bytes of a keyed hash each.
struct KnownRecords {
  private var ids: Set<Int> = []
  /// How many there are of each content.
  private var contents: [Int: Int] = [:]

  mutating func insert(_ id: SalvagedID, _ hash: Hash256) {
    ids.insert(id.hashValue)
    contents[Self.content(id, hash), default: 0] += 1
  }

  func has(_ id: SalvagedID) -> Bool { ids.contains(id.hashValue) }

  func has(_ id: SalvagedID, _ hash: Hash256) -> Bool {
    contents[Self.content(id, hash)] != nil
  }

  /// Takes one with this content away; whether there was one.
  mutating func take(_ id: SalvagedID, _ hash: Hash256) -> Bool {
    let content = Self.content(id, hash)
    guard let count = contents[content], count > 0 else { return false }
    contents[content] = count - 1
    return true
  }

  private static func content(_ id: SalvagedID, _ hash: Hash256) -> Int {
    var hasher = Hasher()
    hasher.combine(id)
    hasher.combine(hash)
    return hasher.finalize()
  }
}

/// The records that did not go into the recovered store because another version of them did.
private final class Conflicts {
  let origin: String
  private(set) var records = FilledRecords()
  private let directory: OutputDirectory
  private var files: [FilePath: PendingFile] = [:]

  init(in directory: OutputDirectory, origin: String) {
    self.directory = directory
    self.origin = origin
  }

  var altered: Int { records.altered }

  /// Names the record, and keeps it as a version that was not taken; a filled one is only named.
  func add(_ record: inout Record, _ state: FilledRecord.State, from file: FilePath?) throws {
    records.add(FilledRecord(record: record.label, origin: origin, state: state), state)
    if state == .filled { return }
    let name = FilePath("conflicts").pushing(file ?? FilePath("records"))
    let output = files[name] ?? PendingFile(name, in: directory)
    files[name] = output
    let text = record.text
    try output.write {
      text.appendCompact(to: &$0)
      $0.append(0x0A)
    }
  }

  func close() throws { for file in files.values { try file.close() } }
}

/// Remembers which records a backup has.
private final class SavedRecords: RecordSink {
  private let tree: any StoreTree
  private let isByFile: Bool
  private(set) var known = KnownRecords()

  init(_ tree: any StoreTree, isByFile: Bool) {
    self.tree = tree
    self.isByFile = isByFile
  }

  func take(_ record: inout Record) throws {
    let file = isByFile ? tree.files[record.place.file].name : nil
    known.insert(SalvagedID(&record, in: file), record.canonicalHash())
  }

  func note(_ finding: Finding) {}
}

/// Passes the records of the damaged store on to a writer, without those that were altered, and
/// remembers which they were.
private final class OwnRecords: RecordSink {
  private let writer: any StoreWriter
  private let conflicts: Conflicts
  var tree: (any StoreTree)?
  /// Whether an id counts in its own file only.
  var isByFile = false
  /// Whether the records of files that were not written since are written as the backup has them, one
  /// by one, and not here.
  var isInOrder = false
  /// What the backup has, where there are files that were not written since.
  var saved = KnownRecords()
  var unwritten: Set<FilePath> = []
  /// Whether records are passed on, or only remembered.
  var isWriting = true
  var known = KnownRecords()
  private(set) var firstFile: FilePath?
  /// Altered records, which did not go into the new store.
  private(set) var removed: [RecordKind: Int] = [:]
  private(set) var altered = KnownRecords()

  init(_ writer: any StoreWriter, _ conflicts: Conflicts) {
    self.writer = writer
    self.conflicts = conflicts
  }

  func take(_ record: inout Record) throws {
    let file = tree.map { $0.files[record.place.file].name }
    let id = SalvagedID(&record, in: isByFile ? file : nil)
    let hash = record.canonicalHash()
    guard isWriting else { return known.insert(id, hash) }
    if firstFile == nil { firstFile = file }
    let isUnwritten = isUnwritten(file)
    if isUnwritten, !saved.has(id, hash) {
      removed[record.kind, default: 0] += 1
      altered.insert(id, hash)
      return try conflicts.add(&record, .altered, from: file)
    }
    known.insert(id, hash)
    if isUnwritten, isInOrder { return }
    try writer.write(&record, at: WritePlace(file: file))
  }

  func isUnwritten(_ file: FilePath?) -> Bool {
    guard let file, !unwritten.isEmpty else { return false }
    return unwritten.contains(FilePath("")) || unwritten.contains(file)
  }

  func note(_ finding: Finding) {}
}

/// Takes the records of the backup that the store lacks.
private final class FillSink: RecordSink {
  private let own: OwnRecords
  private let writer: any StoreWriter
  var tree: any StoreTree
  private let conflicts: Conflicts
  /// Whether what the store lacks is filled in, and not only what differs told.
  var fills = true
  /// Whether only what the store lacks because it was altered is taken, and was not before.
  var isForAltered = false
  private var taken = KnownRecords()
  private(set) var counts: [RecordKind: Int] = [:]

  init(
    _ own: OwnRecords, _ writer: any StoreWriter, _ tree: any StoreTree, _ conflicts: Conflicts
  ) {
    self.own = own
    self.writer = writer
    self.tree = tree
    self.conflicts = conflicts
  }

  func take(_ record: inout Record) throws {
    let file = tree.files[record.place.file].name
    let target = tree.isSingleFile ? own.firstFile : nil
    let place = WritePlace(file: target ?? file)
    let id = SalvagedID(&record, in: own.isByFile ? file : nil)
    if own.isInOrder, own.isUnwritten(file) {
      if own.known.take(id, record.canonicalHash()) { return try writer.write(&record, at: place) }
    } else if own.known.has(id) {
      if !isForAltered, !own.known.has(id, record.canonicalHash()) {
        try conflicts.add(&record, .differs, from: file)
      }
      return
    }
    if !fills || (isForAltered && (!own.altered.has(id) || taken.has(id))) { return }
    var rules = RecordRules()
    _ = rules.check(&record)
    if rules.findings.contains(where: { $0.finding.severity == .error }) { return }
    do { try writer.write(&record, at: place) } catch let error as StoreError
      where error.code == .refused
    {
      // The table of a database has what rules this one out, such as a value that may come only once.
      return try conflicts.add(&record, .differs, from: file)
    }
    counts[record.kind, default: 0] += 1
    if !isForAltered { taken.insert(id, record.canonicalHash()) }
    try conflicts.add(&record, .filled, from: file)
  }

  func note(_ finding: Finding) {}
}
