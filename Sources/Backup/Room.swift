import Archive
import Disk
import Snapshot
import SystemPackage

/// What a backup will take, and what its file system has left, in bytes.
package struct Room: Sendable {
  package private(set) var path: FilePath
  /// The archive, and the intermediate data of the same size that lie beside it while it is
  /// written. An estimate: from how far the last good backup was compressed, where there is one.
  package let needed: Int
  package private(set) var free: Int

  /// - Parameter bytes: of the store.
  /// - Parameter last: the last good backup of the series.
  init(
    at path: FilePath, storing bytes: Int, like last: Catalog.Entry?, _ compression: Compression,
    _ hasRTFS: Bool
  ) throws(DiskError) {
    self.path = path
    // Files, JSON and RTFS, as they are or about a third of that.
    let whole = Double(bytes) * (hasRTFS ? 3 : 2)
    var expected = compression.fileExtension == "tar" ? whole : whole / 3
    if let manifest = last?.manifest, let size = last?.size,
      manifest.hasRTFS == hasRTFS, manifest.compression == compression.description
    {
      let before = manifest.storeEntries.reduce(0) { $0 + $1.header.size }
      if before > 0 { expected = Double(size) * Double(bytes) / Double(before) }
    }
    needed = Int(min(expected * 2, 1e18)) + 64 << 10
    free = try FileSystemFacts(holding: path).free
  }

  /// The room for the same backup in another place.
  func moved(to other: FilePath) throws(DiskError) -> Room {
    var room = self
    room.path = other
    room.free = try FileSystemFacts(holding: other).free
    return room
  }

  /// Throws `noSpace` where it will not do.
  func check() throws(DiskError) {
    guard needed > free else { return }
    throw DiskError(
      .noSpace, "a backup takes about \(needed) bytes on its way, and \(free) are free", path: path,
      hint: "free some space, as with purge, or name another place with --fallback-to")
  }
}
