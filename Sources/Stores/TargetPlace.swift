import Disk
import SystemPackage

/// Where a command may put what it writes.
package enum TargetPlace {
  /// Throws `usage`, naming both, for a target that lies in the directory of a store that is read:
  /// it would become a part of that store. So for one that such a store lies in, or is: what is at
  /// the target gives way.
  /// - Parameter keeping: directories in the target that stay in their place, by name.
  package static func check(
    _ target: FilePath, outside stores: [FilePath], keeping: [String] = []
  ) throws {
    let place = Disk.absolute(target)
    for store in stores {
      let root = Disk.absolute(store)
      if root == place {
        throw StoreError(
          .usage, "is the store that is to be read", path: target.string,
          hint: "name another place with --to, then put it where it belongs")
      }
      if root.starts(with: place),
        !keeping.contains(where: { root.starts(with: place.appending($0)) })
      {
        throw StoreError(
          .usage, "holds the store \(store), which is to be read", path: target.string,
          hint: "name a place outside of it with --to")
      }
      guard place.starts(with: root), try FileFacts(at: root)?.kind == .directory
      else { continue }
      throw StoreError(
        .usage, "lies inside the store \(store), which it would change", path: target.string,
        hint: "name a place outside of it with --to")
    }
  }
}
