import Archive
import Disk
import Records
import Snapshot
import SystemPackage

/// What damaged frames decompress to.
///
/// Deflate and zstd check nothing but the whole of a frame. One wrong bit in its middle makes text
/// that is wrong from there on, for what follows is told by reference to it: records among it that
/// were never written, and the same in each of several encodings. So no record of such a frame is
/// proven, those in front of the damage neither, unless something agrees that is no part of it: the
/// hash of a whole member, or the digest of all records. All others are kept apart.
extension BackupSalvage {
  /// Whether what was cut off shows no other damage than that its end is missing. Else it was damaged
  /// before it was cut off, or only looks cut off, and none of it is believed.
  func holdsWhereCut() throws -> Bool {
    let isContradicted = digests.contains { path, hash in
      members.members.contains {
        $0.isCut && $0.isComplete && $0.name == path && $0.hash != hash
      }
    }
    if isContradicted { return false }
    let probe = BackupSalvage(input, request, in: directory, trust: .cut, into: ".probe")
    defer {
      try? Disk.remove(probe.work)
      try? Disk.remove(directory.path(probe.folder))
    }
    try probe.unpack { _ in }
    try probe.placeLost()
    guard let found = try probe.candidates(nil) else { return true }
    return !found.isDamaged && !found.witness.disagrees
  }

  /// The digests of members that the archive or what lies beside it tells, in the order of the
  /// manifest.
  var digests: [(path: [UInt8], hash: Hash256)] {
    if let manifest {
      return manifest.entries.compactMap { entry in
        guard entry.header.kind == .regular, let hash = entry.sha256 else { return nil }
        return (entry.header.path, hash)
      }
    }
    return sums.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
  }

  /// Reads what `SHA256SUMS` says: a line a file, as `sha256sum` writes it.
  func readSums() throws {
    sums = [:]
    let found = members.members.first {
      $0.isComplete && $0.name == Manifest.sumsName && $0.count < 64 << 20
    }
    guard let found else { return }
    let text = try Self.read(work.pushing(found.path)).array
    for line in text.split(separator: 0x0A) where line.count > 66 {
      guard let hash = Hash256(hex: Array(line.prefix(64)).span) else { continue }
      sums[Array(line.dropFirst(66))] = hash
    }
  }

  /// Takes over the members that a digest proves. A manifest that is itself in doubt is believed
  /// once it proves one.
  func adopt(from others: BackupSalvage) throws {
    others.manifest = manifest ?? others.manifest
    if others.sums.isEmpty { others.sums = sums }
    for (path, hash) in others.digests {
      func isProven(_ member: TarMembers.Member) -> Bool {
        member.isComplete && member.name == path && member.hash == hash
      }
      guard !members.members.contains(where: isProven),
        let member = others.members.members.first(where: isProven)
      else { continue }
      try members.adopt(member, from: others.members)
      manifest = others.manifest
    }
  }

  /// Says that nothing proves what was recovered from in front of a cut, but for the members that a
  /// digest proves.
  func noteCut(_ sink: PieceSink) throws {
    guard trust == .cut, let start = cutStart, !isProven, try FileFacts(at: target) != nil else {
      return
    }
    let isAll = !stretches.contains { $0.reason == nil }
    let count = counts.values.reduce(0, +)
    var text =
      isAll
      ? "it was cut off before its checksum: what was recovered of it is unproven"
      : "it was cut off before the checksum of what starts at byte \(start): what was recovered of "
        + "that is unproven"
    if isAll, count > 0 { text += ", \(count) records" }
    let proven = digests.filter { path, hash in
      path.starts(with: Manifest.storePrefix)
        && members.members.contains { $0.isComplete && $0.name == path && $0.hash == hash }
    }
    if !proven.isEmpty {
      text += ", but for the files whose digests are right: "
      text += proven.prefix(8).map { MemberPath.printable($0.path) }.joined(separator: ", ")
      if proven.count > 8 { text += " and \(proven.count - 8) more" }
    }
    sink.note(Finding(.error, .unproven, text))
  }

  /// Writes what nothing proves below `unproven/`, without what was recovered.
  func keepUnproven(
    _ found: Candidates?, _ written: [Hash256: Int], _ sink: PieceSink
  ) throws {
    if let found { try unite(found, nil, without: written) }
    let count = counts.values.reduce(0, +)
    if found != nil, count == 0 { try Disk.remove(target) }
    guard try FileFacts(at: target) != nil else {
      let root = directory.path(folder)
      if try FileFacts(at: root) != nil, try TreeWalk.names(in: root).isEmpty {
        try Disk.remove(root)
      }
      if written.isEmpty {
        sink.note(Finding(.error, .badManifest, "holds nothing that is known of a backup"))
      }
      return
    }
    var bytes = 0
    try TreeWalk.walk(target) { entry in
      if entry.facts.isRegular { bytes += entry.facts.size }
      return true
    }
    sink.unproven(records: count, bytes: bytes)
    sink.note(
      Finding(
        .error, .unproven,
        "\(count == 0 ? "rows" : "\(count) records") are in \(folder)/ and not in recovered/: they "
          + "were decompressed from a part whose checksum is wrong or missing, and damage there "
          + "makes text that was never written"))
  }
}
