import Archive
import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Puts the store together from what its three encodings still have.
extension BackupSalvage {
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
      guard try FileFacts(at: path)?.isRegular == true,
        try InputFile(opening: path).hash() == wanted
      else {
        return false
      }
    }
    return true
  }

  /// Whether the files of an archive without a manifest are as they were saved, as far as can be told:
  /// by the checksums of its frames, by `SHA256SUMS`, or by what they hold.
  private func isSound(_ root: FilePath, _ format: StoreFormat) throws -> Bool {
    if walk == nil { return true }
    let stored = members.members.filter { $0.name?.starts(with: Manifest.storePrefix) == true }
    let wanted = stored.map { $0.name.flatMap { sums[$0] } }
    if zip(stored, wanted).contains(where: { $1 != nil && $0.hash != $1 }) { return false }
    if !wanted.contains(nil) { return true }
    let survey = try Survey.read(DiskTree(root), as: format, rules: false)
    return !survey.log.findings.contains { $0.severity == .error }
  }

  var target: FilePath { directory.path(folder.pushing(input.top)) }

  /// The store below `recovered/`: its file, or the directory that it is.
  var graph: FilePath {
    guard let manifest, manifest.isSingleFile else { return input.top }
    let entry = manifest.storeEntries.first { $0.header.kind == .regular }
    let name = entry.flatMap { FilePath(bytes: $0.header.path)?.lastComponent }
    return name.map { input.top.appending($0) } ?? input.top
  }

  /// - Parameter others: the same archive, with what nothing proves.
  func recover(_ sink: PieceSink, _ others: BackupSalvage?) throws {
    if try recoverWhole() { return }
    let own = try candidates(sink)
    if let own, own.proof != nil || others == nil {
      isProven = own.proof != nil
      try unite(own, sink)
      return
    }
    guard let others else {
      return sink.note(Finding(.error, .badManifest, "holds nothing that is known of a backup"))
    }
    try others.placeLost()
    let more = try others.candidates(nil)
    if let more, more.proof != nil {
      others.folder = folder
      isProven = true
      try others.unite(more, sink)
      (counts, filled) = (others.counts, others.filled)
      return
    }
    let written = try own.map { try unite($0, sink) } ?? [:]
    try others.keepUnproven(more, written, sink)
  }

  /// Takes the store as it is where its verbatim files are whole; false where they are not.
  private func recoverWhole() throws -> Bool {
    guard let root = try storeRoot(), try isVerbatimWhole() else { return false }
    let format = try format(root)
    guard try manifest != nil || isSound(root, format) else { return false }
    isProven = manifest != nil
    try Disk.makeDirectory(target)
    let store = work.appending("members/store")
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
    return true
  }

  func format(_ root: FilePath?) throws -> StoreFormat {
    let formats = request.formats
    if let manifest, let known = try? formats.named(manifest.kind) { return known }
    let detected = root.flatMap { try? formats.detect(DiskTree($0), path: $0.string) }
    // A database is one, and what is none is none, whatever it is said to be.
    if let detected, Self.databaseKinds.contains(detected.name) { return detected }
    if let kind = request.kind, let known = try? formats.named(kind),
      try !Self.databaseKinds.contains(kind) || root.map(isDatabase) ?? true
    {
      return known
    }
    // Lines of JSON may be what is left of anything.
    if let detected, ![StoreFormat.jsonLines.name, StoreFormat.json.name].contains(detected.name) {
      return detected
    }
    guard let path = try hybrid() else { return detected ?? .jsonLines }
    let survey = SnapshotSalvage(nil, to: nil)
    var source = FileSource(try InputFile(opening: path))
    try survey.run(ByteStream { try source.read(into: &$0, atMost: $1) })
    let kinds = Set(survey.known.keys.map(\.kind))
    if kinds.contains(.entity) || kinds.contains(.relation) { return .memoryGraph }
    if kinds.contains(.intent) || kinds.contains(.edge) { return .intentSnapshot }
    if kinds.contains(.run) { return .runHistory }
    return kinds.contains(.task) ? .taskList : detected ?? .jsonLines
  }

  /// What the encodings still have.
  struct Candidates {
    var root: FilePath?
    var format: StoreFormat
    /// The intact records of the verbatim files, as a store of their own.
    var salvaged: FilePath?
    var witness = EncodingWitness()
    /// All of the store's records, where a digest tells that these are all.
    var proof: EncodingWitness.Proof?
    /// Whether an encoding is damaged elsewhere than at its end.
    var isDamaged = false
  }

  /// Looks at what the encodings still have; nil where that is nothing that records can be made of.
  func candidates(_ sink: PieceSink?) throws -> Candidates? {
    var root = try storeRoot()
    if try root == nil && hybrid() == nil { return nil }
    // What a database is shows once its pages have been read.
    var salvaged: FilePath?
    if let root, try isDatabase(root) {
      salvaged = try salvageVerbatim(root, SalvageInput.Kind.sqlite.rawValue)
    }
    let format = try format(salvaged ?? root)
    if let database = salvaged {
      salvaged = try readable(database, format, sink)
      if salvaged == nil, try hybrid() == nil { return nil }
      // It has its place already, and records of other encodings must not be written over it.
      if salvaged == nil, !Self.databaseKinds.contains(format.name) { root = nil }
    } else {
      salvaged = try root.map { try salvageVerbatim($0, format.name) } ?? nil
    }
    var found = Candidates(root: root, format: format, salvaged: salvaged)
    if let path = try hybrid() { try readHybrid(path, found.witness) }
    if let salvaged {
      try format.read(DiskTree(salvaged), ReadOptions(), WitnessSink(found.witness))
    }
    found.isDamaged = isDamaged
    found.proof = manifest.flatMap { found.witness.proof($0.digest) }
    return found
  }

  /// Puts together what the encodings still have.
  /// - Parameter written: records that are not to be written again.
  /// - Returns: how often each record has been written.
  @discardableResult func unite(
    _ found: Candidates, _ sink: PieceSink?, without written: [Hash256: Int] = [:]
  ) throws -> [Hash256: Int] {
    let format = found.format
    try Disk.makeDirectory(target)
    var options = WriteOptions(directory: target)
    options.sourceKind = format.name
    options.time = manifest?.time ?? request.time
    if format.name == StoreFormat.sqlite.name { options.fileName = storeName(found.root) }
    if format.write == nil, format.name != StoreFormat.sqlite.name { return written }
    let union = EncodingUnion(
      try format.recoveryWriter(options, like: found.salvaged), sink: sink,
      witness: found.witness, proof: found.proof, written: written)
    union.place = try usualPlace(found.root, format)
    if let salvaged = found.salvaged {
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
    return union.written
  }

  /// Whether the store is one database, be its header there or not.
  func isDatabase(_ root: FilePath) throws -> Bool {
    guard try FileFacts(at: root)?.isRegular == true else { return false }
    if let manifest { return Self.databaseKinds.contains(manifest.kind) }
    return try holdsPages(root)
  }

  /// The database, if records can be read of it; else nil, and it lies below `irregular/` with
  /// whatever rows it has.
  private func readable(
    _ database: FilePath, _ format: StoreFormat, _ sink: PieceSink?
  ) throws -> FilePath? {
    guard Self.databaseKinds.contains(format.name) else {
      // Of tables that are nobody's: what there is of them is the store.
      try Disk.makeDirectory(target)
      try Disk.rename(
        database, to: target.appending(database.lastComponent ?? "store.db"), replacing: false)
      return nil
    }
    let count = CountingSink()
    do {
      try format.read(DiskTree(database), ReadOptions(), count)
      return database
    } catch is DatabaseError {} catch is StoreError {}
    let name = database.lastComponent?.string ?? "store.db"
    let place = trust == .all ? folder.appending("irregular") : FilePath("irregular")
    let apart = directory.path(place.pushing(input.top)).appending(name)
    try Disk.makeDirectory(apart.removingLastComponent())
    try Disk.rename(database, to: apart, replacing: false)
    sink?.note(
      Finding(
        .error, .unreadable,
        "no record can be made of the rows that its database still has: they are in "
          + "irregular/\(input.top.appending(name))"))
    return nil
  }

  /// What the one file of the store is called.
  private func storeName(_ root: FilePath?) -> FilePath {
    let entry = manifest?.storeEntries.first { $0.header.kind == .regular }
    let name = entry.flatMap { FilePath(bytes: $0.header.path)?.lastComponent }
    return (name ?? root?.lastComponent).map { FilePath(root: nil, [$0]) } ?? FilePath("store.db")
  }

  private func readHybrid(_ path: FilePath, _ taker: any RecordTaker) throws {
    var source = FileSource(try InputFile(opening: path))
    let watch = DamageWatch(taker)
    let salvage = SnapshotSalvage(nil, to: watch)
    watch.losses = { [unowned salvage] in salvage.losses }
    try salvage.run(ByteStream { try source.read(into: &$0, atMost: $1) })
    if watch.isDamaged { isDamaged = true }
  }

  /// The file that records without a place go to: the one that is damaged.
  func usualPlace(_ root: FilePath?, _ format: StoreFormat) throws -> FilePath? {
    for entry in manifest?.storeEntries ?? [] where entry.header.kind == .regular {
      let name = FilePath(bytes: Array(entry.header.path.dropFirst(Manifest.storePrefix.count)))
      guard let inner = FilePath(bytes: entry.header.path), let wanted = entry.sha256 else {
        continue
      }
      let path = work.appending("members").pushing(inner)
      if try FileFacts(at: path)?.isRegular == true,
        try InputFile(opening: path).hash() == wanted
      {
        continue
      }
      return format.name == StoreFormat.contentArchive.name ? nil : name
    }
    return root?.lastComponent.map { FilePath(root: nil, [$0]) }
  }

  /// The intact records of the verbatim files, as a store of their own.
  func salvageVerbatim(_ root: FilePath, _ kind: String) throws -> FilePath? {
    let place = work.appending("salvaged")
    // What was taken for a database may have held no page of one.
    try Disk.remove(place)
    var inner = SalvageRequest(paths: [root], target: place, time: request.time)
    inner.kind = kind
    let plan: SalvagePlan
    // Names that are damaged, or of no store: what the other encodings have is all that there is.
    do { plan = try SalvagePlan(inner) } catch let error as SalvageError
      where error.code == .refused
    {
      return nil
    }
    let report = try plan.run()
    isDamaged = report.inputs.contains { input in
      input.account[.quarantined].ranges + input.account[.irregular].ranges
        > (input.losses.last?.end == input.size ? 1 : 0)
    }
    let recovered = place.appending("recovered")
    guard try FileFacts(at: recovered) != nil else { return nil }
    guard root.removingLastComponent().lastComponent?.string == "store",
      let name = root.lastComponent, try FileFacts(at: root)?.isRegular == true
    else { return recovered }
    let file = recovered.appending(name)
    return try FileFacts(at: file) == nil ? nil : file
  }
}

private final class CountingSink: RecordSink {
  func take(_ record: inout Record) throws {}
  func note(_ finding: Finding) {}
}

/// Notices whether records come behind bytes that belong to none.
private final class DamageWatch: RecordTaker {
  private let taker: any RecordTaker
  var losses: () -> Int = { 0 }
  private(set) var isDamaged = false

  init(_ taker: any RecordTaker) { self.taker = taker }

  func take(_ record: inout Record, isFromRTFS: Bool) throws {
    if losses() > 0 { isDamaged = true }
    try taker.take(&record, isFromRTFS: isFromRTFS)
  }
}

/// Shows a witness the records of the verbatim files.
private final class WitnessSink: RecordSink {
  private let witness: EncodingWitness

  init(_ witness: EncodingWitness) { self.witness = witness }

  func take(_ record: inout Record) throws { witness.take(&record, in: .verbatim) }

  func note(_ finding: Finding) {}
}

extension StoreFormat {
  /// A writer for what was recovered of a store of this kind, of a database with all that it holds
  /// beside records.
  /// - Parameter older: what of a database can be opened.
  func recoveryWriter(_ options: WriteOptions, like older: FilePath?) throws -> any StoreWriter {
    let isFile = try older.map { try FileFacts(at: $0)?.isRegular == true } ?? false
    let known = isFile ? older : nil
    if name == StoreFormat.sqlite.name { return try StoredWriter(options, like: known) }
    return try name == StoreFormat.runHistory.name
      ? RunHistoryWriter(options, like: known) : writer(options)
  }
}
