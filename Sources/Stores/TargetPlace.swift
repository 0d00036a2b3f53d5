import Disk
import SystemPackage

/// Where a command may put what it writes.
package enum TargetPlace {
  /// Throws `usage`, naming both, for a target that lies in the directory of a store that is read:
  /// it would become a part of that store.
  package static func check(_ target: FilePath, outside stores: [FilePath]) throws {
    let place = Disk.absolute(target)
    for store in stores {
      let root = Disk.absolute(store)
      guard place != root, place.starts(with: root),
        try FileFacts(at: root)?.kind == .directory
      else { continue }
      throw StoreError(
        .usage, "lies inside the store \(store), which it would change", path: target.string,
        hint: "name a place outside of it with --to")
    }
  }
}
