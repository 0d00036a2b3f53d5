import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Fills a recovered store up with the records that only a backup of it still has.
///
/// A record that both have stays as the damaged store has it, for that may be newer; where the
/// two differ, that is told. Whether a record that is missing was destroyed or deleted since the
/// backup cannot be told, so each is named with its origin.
struct FillIn {
  let request: SalvageRequest
  let backup: FilePath
  /// Parts of the store that are not salvaged: what they hold is missing nowhere.
  var elsewhere: (any StoreTree)?
  private(set) var filled = FilledRecords()
  private(set) var counts: [RecordKind: Int] = [:]

  init(_ request: SalvageRequest, from backup: FilePath) {
    self.request = request
    self.backup = backup
  }

  /// - Parameter root: the recovered store, in the directory that is being written: its file, or
  ///   the directory `recovered`.
  mutating func run(_ root: FilePath, in directory: OutputDirectory) throws {
    var source = try OpenedStore(opening: backup, formats: request.formats, kind: nil)
    let format = source.format
    do { source = try source.restricted(to: request.contexts) } catch let error as StoreError
      where error.code == .notFound
    {
      // It was made before there was such a context.
      return
    }
    let place = directory.path(FilePath(".filled"))
    defer { try? Disk.remove(place) }
    try Disk.makeDirectory(place)
    var options = WriteOptions(directory: place)
    options.sourceKind = format.name
    options.time = request.time
    let writer = try format.writer(options)
    let own = IDSink(writer)
    if try FileFacts(at: root) != nil {
      let tree = try DiskTree(root)
      own.tree = tree
      try format.read(tree, ReadOptions(), own)
    }
    if let elsewhere {
      own.isWriting = false
      try format.read(elsewhere, ReadOptions(), own)
    }
    let filler = FillSink(own, writer, source.tree, origin: backup.string)
    let options2 = ReadOptions(
      idField: source.backup?.manifest.idField.flatMap(JSONPointer.init))
    do { try source.format.read(source.tree, options2, filler) } catch let error as StoreError
      where error.code == .notFound && !request.contexts.isEmpty
    {
      // So it is here, for a graph of one file.
    }
    filled = filler.filled
    counts = filler.counts
    if counts.isEmpty { return }
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

/// Passes records on to a writer and remembers which they were.
private final class IDSink: RecordSink {
  private let writer: any StoreWriter
  var tree: DiskTree?
  /// Whether records are passed on, or only remembered.
  var isWriting = true
  /// The first eight bytes of the canonical hash of each record, by its id.
  private(set) var hashes: [Int: UInt64] = [:]
  private(set) var firstFile: FilePath?

  init(_ writer: any StoreWriter) { self.writer = writer }

  func take(_ record: inout Record) throws {
    hashes[SalvagedID(&record).hashValue] = record.canonicalHash().a
    guard isWriting else { return }
    let file = tree.map { $0.files[record.place.file].name }
    if firstFile == nil { firstFile = file }
    try writer.write(&record, at: WritePlace(file: file))
  }

  func note(_ finding: Finding) {}
}

/// Takes the records of the backup that the store lacks.
private final class FillSink: RecordSink {
  private let own: IDSink
  private let writer: any StoreWriter
  private let tree: any StoreTree
  private let origin: String
  private(set) var filled = FilledRecords()
  private(set) var counts: [RecordKind: Int] = [:]

  init(_ own: IDSink, _ writer: any StoreWriter, _ tree: any StoreTree, origin: String) {
    self.own = own
    self.writer = writer
    self.tree = tree
    self.origin = origin
  }

  func take(_ record: inout Record) throws {
    if let hash = own.hashes[SalvagedID(&record).hashValue] {
      if hash != record.canonicalHash().a {
        filled.add(
          FilledRecord(record: record.label, origin: origin, isConflict: true), isConflict: true)
      }
      return
    }
    var rules = RecordRules()
    _ = rules.check(&record)
    if rules.findings.contains(where: { $0.finding.severity == .error }) { return }
    let file = tree.isSingleFile ? own.firstFile : nil
    try writer.write(
      &record, at: WritePlace(file: file ?? tree.files[record.place.file].name))
    counts[record.kind, default: 0] += 1
    filled.add(FilledRecord(record: record.label, origin: origin, isConflict: false))
  }

  func note(_ finding: Finding) {}
}
