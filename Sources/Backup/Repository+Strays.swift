import Disk
import Records
import Snapshot
import SystemPackage

extension Repository {
  /// A manifest that has no archive beside it.
  struct Stray {
    var sidecar: FilePath
    var manifest: Manifest
    var seal: ArchiveSeal
    /// Whether the archive is there under a name of its own for unfinished files: a run is about
    /// to give it its name, or was killed before it could.
    var isUnfinished: Bool
  }

  func strays() throws -> [Stray] {
    let names = try TreeWalk.names(in: path).map(\.string)
    let there = Set(names)
    let unfinished = names.filter(OutputFile.isTemporary)
    return try names.filter { $0.hasSuffix(Self.sidecarEnding) }.compactMap { name in
      let stem = name.dropLast(Self.sidecarEnding.count)
      guard !Self.endings.contains(where: { there.contains(stem + $0) }) else { return nil }
      let sidecar = path.appending(name)
      guard let (manifest, seal) = Catalog.sidecar(at: sidecar),
        try FileFacts(at: path.appending(seal.file), following: false) == nil
      else { return nil }
      let ending = Disk.temporaryEnding(for: FilePath(seal.file))
      return Stray(
        sidecar: sidecar, manifest: manifest, seal: seal,
        isUnfinished: unfinished.contains { $0.hasSuffix(ending) })
    }
  }

  /// The backups of which only the manifest is left: neither is their archive still to get its
  /// name, nor is it on its way into the trash or out of it.
  func missing() throws -> [Catalog.Entry] {
    try strays().compactMap { stray in
      guard !stray.isUnfinished, let name = stray.sidecar.lastComponent?.string else { return nil }
      let stem = name.dropLast(Self.sidecarEnding.count)
      let ending = Self.endings.first { stray.seal.file.hasSuffix($0) } ?? Self.endings[0]
      // Looked for in the trash first: from there it can only have come back since. Where the
      // manifest has gone as well, a rotation has taken both.
      guard try !isInTrash(stray.seal.file), try !hasArchive(String(stem)),
        try FileFacts(at: stray.sidecar, following: false) != nil
      else { return nil }
      return Catalog.Entry(
        path: path.appending("\(stem)\(ending)"), state: .missing, size: 0,
        manifest: stray.manifest, reason: "the archive is gone, only its manifest is here",
        wasVerified: stray.seal.isVerified && !stray.manifest.isSuspect,
        origin: stray.seal.origin)
    }
  }

  /// Whether an archive lies in the trash without a manifest beside it. One that cannot be looked
  /// for there may be.
  private func isInTrash(_ name: String) throws -> Bool {
    do {
      return try Trash(of: self).batches().contains { batch in
        let archive = batch.appending(name)
        return try FileFacts(at: archive, following: false) != nil
          && FileFacts(at: BackupFile.sidecarPath(of: archive), following: false) == nil
      }
    } catch let error as DiskError where error.code != .interrupted { return true }
  }

  /// Whether there is an archive with this stem. A link to one that cannot be reached just now
  /// counts.
  private func hasArchive(_ stem: String) throws -> Bool {
    try Self.endings.contains {
      try FileFacts(at: path.appending("\(stem)\($0)"), following: false) != nil
    }
  }

  private static let sidecarEnding = ".manifest.json"
}
