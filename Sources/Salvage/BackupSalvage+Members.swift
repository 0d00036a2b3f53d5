import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What the members of a damaged archive are, with and without their headers.
extension BackupSalvage {
  func readManifest() throws {
    try readSums()
    for member in members.members where member.size == nil || member.name == Manifest.manifestName {
      guard member.name == nil || member.name == Manifest.manifestName, member.count < 64 << 20
      else { continue }
      var bytes = try Self.read(work.pushing(member.path))
      while !bytes.isEmpty, bytes[bytes.count - 1] == 0 { bytes.truncate(to: bytes.count - 1) }
      // The header in front of it may be too damaged to be known for one.
      for start in [0, 512] where start < bytes.count {
        if let parsed = try? Manifest.parse(bytes.span.extracting(start..<bytes.count)) {
          manifest = parsed.manifest
          return
        }
      }
    }
    let beside = BackupFile.sidecarPath(of: input.path)
    guard try FileFacts(at: beside)?.isRegular == true else { return }
    let bytes = try Self.read(beside)
    manifest = try? Manifest.parse(bytes.span).manifest
  }

  static func read(_ path: FilePath) throws -> ByteBuffer {
    let file = try InputFile(opening: path)
    var bytes = ByteBuffer()
    _ = try file.read(at: 0, into: &bytes, atMost: try file.facts().size)
    return bytes
  }

  var hybridPath: FilePath { work.appending("hybrid") }

  /// Finds a place for what has lost its header: by its first bytes, or by its size.
  func placeLost() throws {
    var pages: [Int] = []
    for (index, member) in members.members.enumerated() where member.path.starts(with: "lost") {
      let path = work.pushing(member.path)
      var head = ByteBuffer()
      _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 4096)
      let text = head.span
      if text.isEmpty || TextBytes.isAll(text, 0) { continue }
      if try placeBySize(member, path) { continue }
      if try holdsPages(path) {
        pages.append(index)
        continue
      }
      if try isManifest(path) { continue }
      let before = named(before: member)
      let isOfHybrid = try before?.name == Manifest.hybridName || isHybrid(path, before)
      if isOfHybrid {
        try join(path)
      } else if let before, before.name?.starts(with: Manifest.storePrefix) == true,
        try FileFacts(at: work.pushing(before.path)) != nil
      {
        try append(path, to: work.pushing(before.path))
      } else if Hash256(hex: text.extracting(0..<min(64, text.count))) == nil {
        try placeFile(member, path)
      }
    }
    try placePages(pages)
  }

  /// Whether the content is a part of `backup.json`: its start, its RTFS text, or records as lists
  /// of it hold them, a line each with a comma behind.
  private func isHybrid(_ path: FilePath, _ before: TarMembers.Member?) throws -> Bool {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 64 << 10)
    let text = head.span
    if TextBytes.starts(text, "{\"version\":") { return true }
    let marks: [StaticString] = ["-graph\\n", ":id \\\"", ":name \\\"", ":from \\\""]
    if text[0] != 0x7B, marks.contains(where: { SalvageInput.contains(text, $0) }) { return true }
    if before?.name?.starts(with: Manifest.storePrefix) == true { return false }
    return SalvageInput.contains(text, "},\n{\"") || SalvageInput.contains(text, "},\n\"")
  }

  /// The member with a header that the gaps before the content cut off; nil where there is none.
  func named(before member: TarMembers.Member) -> TarMembers.Member? {
    var found = member.follows.map { members.members[$0] }
    while let part = found, part.name == nil { found = part.follows.map { members.members[$0] } }
    return found
  }

  /// Whether the bytes are of a manifest, its beginning destroyed or not. In the text of a record
  /// the quotes would have a backslash in front.
  private func isManifest(_ path: FilePath) throws -> Bool {
    let marks: [StaticString] = [
      "\"format\": \"holdfast", "\"single_file\": ", "\"suspicions\": ",
      "\"path\": \"backup.json\"",
    ]
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    // What it begins with, and the members at its end; findings lie between.
    for offset in [0, max(0, size - 64 << 10)] {
      var text = ByteBuffer()
      _ = try file.read(at: offset, into: &text, atMost: 64 << 10)
      if marks.contains(where: { SalvageInput.contains(text.span, $0) }) { return true }
    }
    return false
  }

  /// Puts the content of a file that has lost only its header in its place: the manifest knows
  /// its size and its hash.
  func placeBySize(_ member: TarMembers.Member, _ path: FilePath) throws -> Bool {
    for entry in manifest?.storeEntries ?? [] where entry.header.kind == .regular {
      let size = entry.header.size
      guard member.count >= size, member.count <= (size + 511) / 512 * 512,
        let inner = FilePath(bytes: entry.header.path)
      else { continue }
      let target = work.appending("members").pushing(inner)
      guard try FileFacts(at: target) == nil, try members.hasRoom(target) else { continue }
      let trimmed = work.appending("trimmed")
      try Disk.remove(trimmed)
      try copy(path, to: trimmed, count: size)
      guard try InputFile(opening: trimmed).hash() == entry.sha256 else { continue }
      try Disk.makeDirectory(target.removingLastComponent())
      try Disk.rename(trimmed, to: target, replacing: false)
      return true
    }
    return false
  }

  func copy(_ path: FilePath, to target: FilePath, count: Int) throws {
    let source = try InputFile(opening: path)
    let output = try StagedFile(target)
    try write(source, to: output, count: count)
    try output.close()
  }

  func append(_ path: FilePath, to target: FilePath) throws {
    let source = try InputFile(opening: path)
    let output = try StagedFile(reopening: target)
    try output.write([0x00].span)
    try write(source, to: output, count: try source.facts().size)
    try output.close()
  }

  func write(
    _ source: borrowing InputFile, to output: StagedFile, from start: Int = 0, count: Int
  ) throws {
    var at = 0
    while at < count {
      var bytes = ByteBuffer()
      let read = try source.read(at: start + at, into: &bytes, atMost: min(1 << 20, count - at))
      if read == 0 { break }
      try output.write(bytes.span)
      at += read
    }
  }

  /// Adds a part of `backup.json` to those there are.
  func join(_ path: FilePath) throws {
    let parts = work.appending("parts")
    try Disk.makeDirectory(parts)
    let number = try TreeWalk.names(in: parts).count
    try Disk.rename(path, to: parts.appending("\(1000 + number)"), replacing: false)
  }

  /// Whether there is a record or a database in what nothing else is known of.
  private static func mayHoldRecords(_ path: FilePath) throws -> Bool {
    var bytes = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &bytes, atMost: 4 << 20)
    let text = bytes.span
    return TextBytes.starts(text, "SQLite format 3") || SalvageInput.contains(text, "{\"")
      || SalvageInput.contains(text, "{\n")
  }

  func placeFile(_ member: TarMembers.Member, _ path: FilePath) throws {
    let missing = (manifest?.storeEntries ?? []).filter { entry in
      entry.header.kind == .regular && !members.members.contains { $0.name == entry.header.path }
    }
    if manifest != nil, missing.isEmpty { return }
    if manifest == nil, try !Self.mayHoldRecords(path) { return }
    let padded = { (size: Int) in (size + 511) / 512 * 512 }
    let entry = missing.first { padded($0.header.size) == padded(member.count) } ?? missing.first
    var name = FilePath("members/store").appending(
      FilePath.Component("recovered-\(member.path.lastComponent?.string ?? "0").jsonl")
        ?? FilePath.Component("lost"))
    if let entry, let inner = FilePath(bytes: entry.header.path) {
      name = FilePath("members").pushing(inner)
    }
    let target = work.pushing(name)
    guard try FileFacts(at: target) == nil, try members.hasRoom(target) else { return }
    try Disk.makeDirectory(target.removingLastComponent())
    guard let entry, member.count >= entry.header.size else {
      return try Disk.rename(path, to: target, replacing: false)
    }
    // Without the padding that stood behind it.
    try copy(path, to: target, count: entry.header.size)
  }

  /// The store's file, or the directory of its files; nil where none of them was found.
  func storeRoot() throws -> FilePath? {
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
  func hybrid() throws -> FilePath? {
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
}
