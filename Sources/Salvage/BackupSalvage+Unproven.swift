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
    let isContradicted = (manifest?.entries ?? []).contains { entry in
      members.members.contains {
        $0.isCut && $0.isComplete && $0.name == entry.header.path && $0.hash != entry.sha256
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

  /// Takes over the members that the manifest proves. A manifest that is itself in doubt is believed
  /// once it proves one.
  func adopt(from others: BackupSalvage) throws {
    others.manifest = manifest ?? others.manifest
    for entry in others.manifest?.entries ?? [] where entry.header.kind == .regular {
      func isProven(_ member: TarMembers.Member) -> Bool {
        member.isComplete && member.name == entry.header.path && member.hash == entry.sha256
      }
      guard !members.members.contains(where: isProven),
        let member = others.members.members.first(where: isProven)
      else { continue }
      try members.adopt(member, from: others.members)
      manifest = others.manifest
    }
  }

  /// Writes what nothing proves below `unproven/`, without what was recovered.
  func keepUnproven(
    _ found: Candidates?, _ written: [Hash256: Int], _ sink: PieceSink
  ) throws {
    let root = directory.path(folder)
    if let found { try unite(found, nil, without: written) }
    let count = counts.values.reduce(0, +)
    if found != nil, count == 0 { try Disk.remove(root) }
    guard try FileFacts(at: root) != nil else {
      if written.isEmpty {
        sink.note(Finding(.error, .badManifest, "holds nothing that is known of a backup"))
      }
      return
    }
    sink.note(
      Finding(
        .error, .unreadable,
        "\(count == 0 ? "rows" : "\(count) records") are in \(folder)/ and not in recovered/: they "
          + "were decompressed from a part whose checksum is wrong or missing, and damage there "
          + "makes text that was never written"))
  }
}
