import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Recovers the store in a backup: from its verbatim files where they are whole, else from all of
/// its three encodings together.
final class BackupSalvage {
  private let input: SalvageInput
  private let request: SalvageRequest
  private let directory: OutputDirectory
  private let work: FilePath
  private let members: TarMembers
  private var manifest: Manifest?
  private(set) var filled: [FilledRecord] = []
  private(set) var counts: [RecordKind: Int] = [:]

  private struct Stretch {
    var range: Range<Int>
    var reason: String?
  }
  private var stretches: [Stretch] = []

  init(_ input: SalvageInput, _ request: SalvageRequest, in directory: OutputDirectory) {
    self.input = input
    self.request = request
    self.directory = directory
    work = directory.path(FilePath(".work"))
    members = TarMembers(in: work)
  }

  func run(_ sink: PieceSink, _ watch: (Int) -> Void) throws {
    defer { try? Disk.remove(work) }
    try Disk.makeDirectory(work, mode: 0o700)
    try unpack(watch)
    try readManifest()
    try placeLost()
    if manifest == nil, try storeRoot() == nil, try hybrid() == nil {
      sink.note(Finding(.error, .badManifest, "holds nothing that is known of a backup"))
    } else {
      try recover(sink)
    }
    try noteDamage(sink)
    try account(sink)
  }

  /// Says which members are not as the manifest has them: not every kind of archive shows damage
  /// by itself.
  private func noteDamage(_ sink: PieceSink) throws {
    guard let manifest else {
      return sink.note(Finding(.error, .badManifest, "its manifest cannot be read"))
    }
    for entry in manifest.entries where entry.header.kind == .regular {
      let name = MemberPath.printable(entry.header.path)
      let hash = members.members.first { $0.name == entry.header.path }?.hash
      if hash == entry.sha256 { continue }
      sink.note(
        Finding(
          .error, .damagedMember,
          hash == nil ? "the member \(name) is missing" : "the member \(name) is damaged"))
    }
  }

  // MARK: Unpacking

  private func unpack(_ watch: (Int) -> Void) throws {
    try ArchivePieces.read(input.path) { piece in
      switch piece {
      case .content(let bytes, let range, let isChecked, let startsFrame):
        add(range, nil)
        watch(range.count)
        try members.take(bytes, startsFrame: startsFrame, isChecked: isChecked)
      case .gap(let range, let reason):
        add(range, reason)
        watch(range.count)
        try members.gap()
      }
    }
    try members.finish()
  }

  private func add(_ range: Range<Int>, _ reason: String?) {
    if range.isEmpty { return }
    if let last = stretches.last, (last.reason == nil) == (reason == nil) {
      stretches[stretches.count - 1].range = last.range.lowerBound..<range.upperBound
    } else {
      stretches.append(Stretch(range: range, reason: reason))
    }
  }

  private func account(_ sink: PieceSink) throws {
    var isFirst = true
    let file = try InputFile(opening: input.path)
    for stretch in stretches {
      var at = stretch.range.lowerBound
      while at < stretch.range.upperBound {
        var bytes = ByteBuffer()
        let count = try file.read(
          at: at, into: &bytes, atMost: min(1 << 20, stretch.range.upperBound - at))
        if count == 0 { break }
        if let reason = stretch.reason {
          try sink.quarantine(bytes.span, shape: .damagedFrame, reason: reason, line: nil)
        } else {
          try sink.redundant(bytes.span)
        }
        at += count
      }
      if stretch.reason == nil, isFirst {
        isFirst = false
        sink.credit(counts.values.reduce(0, +))
      }
    }
    for (kind, count) in counts { for _ in 0..<count { sink.count(kind) } }
  }

  // MARK: What the members are

  private func readManifest() throws {
    for member in members.members where member.size == nil || member.name == Manifest.manifestName {
      guard member.name == nil || member.name == Manifest.manifestName, member.count < 64 << 20
      else { continue }
      var bytes = try Self.read(work.pushing(member.path))
      while !bytes.isEmpty, bytes[bytes.count - 1] == 0 { bytes.truncate(to: bytes.count - 1) }
      if let parsed = try? Manifest.parse(bytes.span) {
        manifest = parsed.manifest
        return
      }
    }
    let beside = BackupFile.sidecarPath(of: input.path)
    guard try FileFacts(at: beside)?.isRegular == true else { return }
    let bytes = try Self.read(beside)
    manifest = try? Manifest.parse(bytes.span).manifest
  }

  private static func read(_ path: FilePath) throws -> ByteBuffer {
    let file = try InputFile(opening: path)
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: try file.facts().size)
    return bytes
  }

  private var hybridPath: FilePath { work.appending("hybrid") }

  /// Finds a place for what has lost its header: by its first bytes, or by its size.
  private func placeLost() throws {
    for member in members.members where member.path.starts(with: "lost") {
      let path = work.pushing(member.path)
      var head = ByteBuffer()
      _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 4096)
      let text = head.span
      if text.isEmpty || TextBytes.isAll(text, 0) { continue }
      if TextBytes.starts(text, "{\n  \"format\": \"holdfast") { continue }
      if try placeBySize(member, path) { continue }
      let isRTFS =
        text[0] != 0x7B
        && (SalvageInput.contains(text, "(entity {:") || SalvageInput.contains(text, "(intent {:")
          || SalvageInput.contains(text, "-graph\\n"))
      let before = member.follows.map { members.members[$0] }
      if TextBytes.starts(text, "{\"version\":") || isRTFS || before?.name == Manifest.hybridName {
        try join(path)
      } else if let before, before.name?.starts(with: Manifest.storePrefix) == true {
        try append(path, to: work.pushing(before.path))
      } else if Hash256(hex: text.extracting(0..<min(64, text.count))) == nil {
        try placeFile(member, path)
      }
    }
  }

  /// Puts the content of a file that has lost only its header in its place: the manifest knows
  /// its size and its hash.
  private func placeBySize(_ member: TarMembers.Member, _ path: FilePath) throws -> Bool {
    for entry in manifest?.storeEntries ?? [] where entry.header.kind == .regular {
      let size = entry.header.size
      guard member.count >= size, member.count <= (size + 511) / 512 * 512,
        let inner = FilePath(bytes: entry.header.path)
      else { continue }
      let target = work.appending("members").pushing(inner)
      guard try FileFacts(at: target) == nil else { continue }
      let trimmed = work.appending("trimmed")
      try Disk.remove(trimmed)
      try copy(path, to: trimmed, count: size)
      guard try hash(of: trimmed) == entry.sha256 else { continue }
      try Disk.makeDirectory(target.removingLastComponent())
      try Disk.rename(trimmed, to: target, replacing: false)
      return true
    }
    return false
  }

  private func copy(_ path: FilePath, to target: FilePath, count: Int) throws {
    let source = try InputFile(opening: path)
    let output = try StagedFile(target)
    try write(source, to: output, count: count)
    try output.close()
  }

  private func append(_ path: FilePath, to target: FilePath) throws {
    let source = try InputFile(opening: path)
    let output = try StagedFile(reopening: target)
    try output.write([0x00].span)
    try write(source, to: output, count: try source.facts().size)
    try output.close()
  }

  private func write(
    _ source: borrowing InputFile, to output: StagedFile, count: Int
  ) throws {
    var at = 0
    while at < count {
      var bytes = ByteBuffer()
      let read = try source.read(at: at, into: &bytes, atMost: min(1 << 20, count - at))
      if read == 0 { break }
      try output.write(bytes.span)
      at += read
    }
  }

  /// Adds a part of `backup.json` to those there are.
  private func join(_ path: FilePath) throws {
    let parts = work.appending("parts")
    try Disk.makeDirectory(parts)
    let number = try TreeWalk.names(in: parts).count
    try Disk.rename(path, to: parts.appending("\(1000 + number)"), replacing: false)
  }

  private func placeFile(_ member: TarMembers.Member, _ path: FilePath) throws {
    let missing = (manifest?.storeEntries ?? []).filter { entry in
      entry.header.kind == .regular && !members.members.contains { $0.name == entry.header.path }
    }
    if manifest != nil, missing.isEmpty { return }
    let padded = { (size: Int) in (size + 511) / 512 * 512 }
    let entry = missing.first { padded($0.header.size) == padded(member.count) } ?? missing.first
    var name = FilePath("members/store").appending(
      FilePath.Component("recovered-\(member.path.lastComponent?.string ?? "0").jsonl")
        ?? FilePath.Component("lost"))
    if let entry, let inner = FilePath(bytes: entry.header.path) {
      name = FilePath("members").pushing(inner)
    }
    let target = work.pushing(name)
    guard try FileFacts(at: target) == nil else { return }
    try Disk.makeDirectory(target.removingLastComponent())
    guard let entry, member.count >= entry.header.size else {
      return try Disk.rename(path, to: target, replacing: false)
    }
    // Without the padding that stood behind it.
    try copy(path, to: target, count: entry.header.size)
  }

  /// The store's file, or the directory of its files; nil where none of them was found.
  private func storeRoot() throws -> FilePath? {
    let store = work.appending("members/store")
    guard try FileFacts(at: store) != nil else { return nil }
    let names = try TreeWalk.names(in: store)
    let isSingle = manifest?.isSingleFile ?? (names.count == 1)
    guard isSingle, names.count == 1, let only = names.first,
      try FileFacts(at: store.appending(only))?.isRegular == true
    else { return names.isEmpty ? nil : store }
    return store.appending(only)
  }

  /// `backup.json`, or what there is of it, in one file; nil where there is nothing.
  private func hybrid() throws -> FilePath? {
    if try FileFacts(at: hybridPath) != nil { return hybridPath }
    var parts: [FilePath] = []
    let own = work.appending("members/backup.json")
    if try FileFacts(at: own) != nil { parts.append(own) }
    let lost = work.appending("parts")
    if try FileFacts(at: lost) != nil {
      parts += try TreeWalk.names(in: lost).map { lost.appending($0) }
    }
    if parts.isEmpty { return nil }
    if parts.count == 1 { return parts[0] }
    let output = try StagedFile(hybridPath)
    for (index, part) in parts.enumerated() {
      if index > 0 { try output.write([0x00].span) }
      let source = try InputFile(opening: part)
      try write(source, to: output, count: try source.facts().size)
    }
    try output.close()
    return hybridPath
  }

  // MARK: Recovering

  private func hash(of path: FilePath) throws -> Hash256 {
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
  private func isVerbatimWhole() throws -> Bool {
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

  private func isHybridWhole() throws -> Bool {
    guard let entry = manifest?.entries.first(where: { $0.header.path == Manifest.hybridName }),
      let path = try hybrid(), let wanted = entry.sha256
    else { return false }
    return try hash(of: path) == wanted
  }

  private var target: FilePath {
    directory.path(FilePath("recovered").pushing(input.top))
  }

  private func recover(_ sink: PieceSink) throws {
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

  private func format(_ root: FilePath?) throws -> StoreFormat {
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
  private func unite(_ root: FilePath?, _ sink: PieceSink) throws {
    let format = try format(root)
    var options = WriteOptions(directory: target)
    options.sourceKind = format.name
    options.time = manifest?.time ?? request.time
    let union = EncodingUnion(try format.writer(options), sink: sink)
    union.place = try usualPlace(root, format)
    let salvaged = try root.map { try salvageVerbatim($0, format) } ?? nil
    if try isHybridWhole(), let path = try hybrid() {
      union.startTruth()
      try readHybrid(path, union)
      union.endTruth()
    }
    if let salvaged {
      union.encoding = .verbatim
      try format.read(DiskTree(salvaged), ReadOptions(), union.sinkOfFiles(DiskTree(salvaged)))
    }
    if let path = try hybrid() { try readHybrid(path, union) }
    try union.finish()
    filled = union.filled
    counts = union.counts
  }

  private func readHybrid(_ path: FilePath, _ union: EncodingUnion) throws {
    union.beginHybrid()
    var source = FileSource(try InputFile(opening: path))
    try SnapshotSalvage(nil, to: union).run(
      ByteStream { try source.read(into: &$0, atMost: $1) })
  }

  /// The file that records without a place go to: the one that is damaged.
  private func usualPlace(_ root: FilePath?, _ format: StoreFormat) throws -> FilePath? {
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
  private func salvageVerbatim(_ root: FilePath, _ format: StoreFormat) throws -> FilePath? {
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
