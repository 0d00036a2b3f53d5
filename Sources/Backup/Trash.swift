import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

/// Where rotation puts backups: `.trash/TIME/` in the repository, TIME being that of the removal.
/// A backup gets there, and back, by renames alone, so its bytes are never touched.
///
/// Everything here that changes something needs the lock of the repository.
package struct Trash: Sendable {
  package static let name = ".trash"

  package struct Item: Sendable {
    /// The archive in the trash.
    package var path: FilePath
    /// When it was removed, in unix seconds; nil if its directory is not named by a time.
    package var removed: Int?
    /// What the manifest beside it says.
    package var entry: Catalog.Entry

    package var name: String { path.lastComponent?.string ?? "" }
  }

  package let repository: Repository
  package var path: FilePath { repository.path.appending(Self.name) }

  package init(of repository: Repository) { self.repository = repository }

  /// Throws where something else has its name: a symbolic link could lead anywhere.
  package func check() throws {
    guard let facts = try FileFacts(at: path, following: false) else { return }
    guard facts.kind == .directory else {
      throw BackupError(
        .failed, "is not a directory, so nothing can be put there or fetched from it",
        path: path.string, hint: "move it away")
    }
  }

  /// Throws where nothing can be moved in or out, or be removed: what a plan that has anything to
  /// do must know. Writes nothing.
  func checkWritable() throws {
    try check()
    try Disk.checkWritable(repository.path)
    try Disk.checkWritable(path)
  }

  func batches() throws -> [FilePath] {
    guard try FileFacts(at: path, following: false)?.kind == .directory else { return [] }
    return try TreeWalk.names(in: path).map { path.appending($0) }.filter {
      try FileFacts(at: $0, following: false)?.kind == .directory
    }
  }

  /// What lies in the trash, longest there first; nothing where it is no directory.
  package func items() throws -> [Item] {
    try batches().flatMap { batch in
      let removed = batch.lastComponent.flatMap { Self.time(of: $0.string) }
      return try Repository(batch).archives().map { name in
        Item(
          path: batch.appending(name), removed: removed,
          entry: try Catalog.entry(batch.appending(name)))
      }
    }
  }

  /// `20261120T031500Z`, with `-2` and so on behind it where a second one of that second was due.
  static func time(of batch: String) -> Int? {
    MomentText.parse(String(batch.prefix { $0 != "-" }))
  }

  /// Puts backups into the trash, in the order given: each archive first, then its manifest, so
  /// that whatever the repository still lists is whole. Returns where the archives are now.
  /// - Parameter time: unix seconds, for the name of the directory.
  package func take(_ archives: [FilePath], at time: Int) throws -> [FilePath] {
    guard !archives.isEmpty else { return [] }
    try check()
    let batch = try makeBatch(time)
    let moved = try archives.map { archive in
      try Interruption.check()
      guard let name = archive.lastComponent else { return archive }
      let target = batch.appending(name)
      try Disk.rename(archive, to: target, replacing: false, linking: false)
      let sidecar = BackupFile.sidecarPath(of: archive)
      if try FileFacts(at: sidecar, following: false) != nil {
        try Disk.rename(
          sidecar, to: BackupFile.sidecarPath(of: target), replacing: false, linking: false)
      }
      return target
    }
    try Disk.syncDirectory(batch)
    try Disk.syncDirectory(repository.path)
    return moved
  }

  private func makeBatch(_ time: Int) throws -> FilePath {
    try Disk.makeDirectory(path, mode: 0o700)
    let stem = ISOTime(seconds: time).compactText
    var number = 1
    while true {
      let batch = path.appending(number == 1 ? stem : "\(stem)-\(number)")
      if try FileFacts(at: batch, following: false) == nil {
        try Disk.makeDirectory(batch, mode: 0o700)
        return batch
      }
      number += 1
    }
  }

  /// Brings one backup back under its old name: the manifest first, then the archive. Throws
  /// `exists` where the name is taken.
  package func giveBack(_ item: Item) throws -> FilePath {
    let target = repository.path.appending(item.name)
    let (from, to) = (BackupFile.sidecarPath(of: item.path), BackupFile.sidecarPath(of: target))
    for place in [target, to] where try FileFacts(at: place, following: false) != nil {
      throw DiskError(
        .exists, "is there already", path: place,
        hint: "move it away before you bring the one in the trash back")
    }
    if try FileFacts(at: from, following: false) != nil {
      try Disk.rename(from, to: to, replacing: false, linking: false)
    }
    try Disk.rename(item.path, to: target, replacing: false, linking: false)
    try Disk.syncDirectory(repository.path)
    try dropIfEmpty(item.path.removingLastComponent())
    return target
  }

  func dropIfEmpty(_ batch: FilePath) throws {
    guard try TreeWalk.names(in: batch).isEmpty else { return }
    try Disk.remove(batch)
    try Disk.syncDirectory(path)
  }

  /// Finishes what a run that was killed has left: an archive in the trash whose manifest is
  /// still, or already, in the repository, and what a purge left half done. Call with the lock held.
  func heal() throws {
    for batch in try batches() {
      for name in try Repository(batch).archives() {
        let archive = batch.appending(name)
        let beside = BackupFile.sidecarPath(of: archive)
        guard try FileFacts(at: beside, following: false) == nil, let place = beside.lastComponent
        else { continue }
        let stray = repository.path.appending(place)
        guard let (_, seal) = Catalog.sidecar(at: stray), seal.file == name,
          seal.size == (try FileFacts(at: archive)?.size ?? 0),
          try FileFacts(at: repository.path.appending(name), following: false) == nil
        else { continue }
        try Disk.rename(stray, to: beside, replacing: false, linking: false)
        try Disk.syncDirectory(batch)
        try Disk.syncDirectory(repository.path)
      }
      try giveBackStrays(in: batch)
    }
    try clearRemains()
  }

  /// Brings manifests back whose archives never left: power failed, and of two renames the second
  /// alone had reached the disk.
  private func giveBackStrays(in batch: FilePath) throws {
    for name in try TreeWalk.names(in: batch).map(\.string) where name.hasSuffix(".manifest.json") {
      let stray = batch.appending(name)
      guard let (_, seal) = Catalog.sidecar(at: stray),
        BackupFile.sidecarPath(of: batch.appending(seal.file)) == stray,
        try FileFacts(at: batch.appending(seal.file), following: false) == nil,
        try FileFacts(at: repository.path.appending(seal.file))?.size == seal.size
      else { continue }
      let beside = BackupFile.sidecarPath(of: repository.path.appending(seal.file))
      guard try FileFacts(at: beside, following: false) == nil else { continue }
      try Disk.rename(stray, to: beside, replacing: false, linking: false)
      try Disk.syncDirectory(repository.path)
      try Disk.syncDirectory(batch)
    }
  }
}
