import Disk
import LosslessJSON
import Records
import SystemPackage

/// What a repository takes on its disk, how that grows, and when the disk is full if it goes on.
package struct Growth: Sendable {
  /// Bytes of the archives, and of those in the trash.
  package let bytes: Int
  package let trashBytes: Int
  /// Bytes left on the file system.
  package let free: Int
  /// Bytes a day over the last thirty days, or as far as the backups go back; what was purged is
  /// taken off. Nil where they go back less than a day.
  package let bytesPerDay: Int?
  /// Unix seconds; nil where it does not grow, or would take more than a hundred years.
  package let fullTime: Int?

  private static let day = 86_400

  /// - Parameter catalog: of all series, where it has been read already.
  /// - Parameter now: unix seconds.
  package init(of repository: Repository, catalog: Catalog? = nil, now: Int) throws {
    let here = try (catalog ?? Catalog(of: repository)).entries
    let trash = Trash(of: repository)
    let gone = try trash.items().map(\.entry)
    bytes = here.reduce(0) { $0 + $1.size }
    trashBytes = gone.reduce(0) { $0 + $1.size }
    free = try FileSystemFacts(holding: repository.path).free
    let purged = try trash.purges()
    let times = (here + gone).map(\.time).filter { $0 <= now } + purged.map(\.made)
    guard let oldest = times.min(), now - oldest >= Self.day else {
      (bytesPerDay, fullTime) = (nil, nil)
      return
    }
    let start = max(oldest, now - 30 * Self.day)
    let added = (here + gone).filter { (start...now).contains($0.time) }.reduce(0) { $0 + $1.size }
    // What was made and purged since then has come and gone.
    let removed = purged.filter { (start...now).contains($0.purged) && $0.made < start }
      .reduce(0) { $0 + $1.bytes }
    let rate = (added - removed) * Self.day / (now - start)
    bytesPerDay = rate
    let days = rate > 0 ? free / rate : .max
    fullTime = days < 36_525 ? now + days * Self.day : nil
  }
}
