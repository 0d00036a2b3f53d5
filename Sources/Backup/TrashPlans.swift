import Disk
import Records
import Snapshot
import Stores
import SystemPackage

/// What `undelete` is going to bring back.
package struct UndeletePlan: Sendable {
  package let trash: Trash
  package let items: [Trash.Item]

  /// - Parameter names: of archives, with or without the ending. Where the trash holds several of
  ///   a name, the one that was removed last is meant. Those that are back already, such as those
  ///   that a run which was stopped has brought back, are passed over beside others. Throws
  ///   `notFound` for any that is in neither place.
  package init(_ names: [String], from repository: Repository) throws {
    trash = Trash(of: repository)
    try trash.check()
    let there = try trash.items()
    let back = try Set(repository.archives())
    var chosen: [Trash.Item] = []
    var missing: BackupError?
    for name in names {
      let last = name.split(separator: "/").last.map(String.init) ?? name
      let matching = there.filter { item in
        item.name == last || Repository.endings.contains { item.name == last + $0 }
      }
      guard let item = matching.max(by: { ($0.removed ?? 0) < ($1.removed ?? 0) }) else {
        let error = BackupError(
          .notFound, "the trash holds no backup \(last)", path: trash.path.string,
          hint: "holdfast list --trash shows what it holds")
        guard ([""] + Repository.endings).contains(where: { back.contains(last + $0) }) else {
          throw error
        }
        missing = missing ?? error
        continue
      }
      let target = repository.path.appending(item.name)
      guard try FileFacts(at: target, following: false) == nil else {
        throw DiskError(
          .exists, "is there already", path: target,
          hint: "move it away before you bring the one in the trash back")
      }
      if !chosen.contains(where: { $0.path == item.path }) { chosen.append(item) }
    }
    if chosen.isEmpty, let missing { throw missing }
    items = chosen
    if !items.isEmpty { try trash.checkWritable() }
  }

  /// Needs the lock. Returns the archives as they are named now.
  package func run() throws -> [FilePath] {
    try items.map { item in
      try Interruption.check()
      return try trash.giveBack(item)
    }
  }
}

/// What `purge` is going to remove for good.
package struct PurgePlan: Sendable {
  package let trash: Trash
  package let items: [Trash.Item]
  /// Old enough, but the only good backups of their series that there are anywhere here.
  package let spared: [Trash.Item]
  private let time: Int

  /// - Parameter name: only this series.
  /// - Parameter seconds: how long a backup must have been in the trash.
  /// - Parameter now: unix seconds.
  /// - Parameter sound: series of which a good backup is being made, for plans that are only shown.
  package init(
    _ repository: Repository, series name: String? = nil, olderThan seconds: Int, now: Int,
    sound: Set<String> = [], formats: [StoreFormat]
  ) throws {
    trash = Trash(of: repository)
    try trash.check()
    time = now
    let due = try trash.items().filter { item in
      (name == nil || item.entry.manifest?.series == name)
        && item.removed.map { $0 <= now && now - $0 >= seconds } ?? false
    }
    // What is going for good is given up only for a backup that has been read back just now.
    var good = sound
    let affected = Set(due.filter { $0.entry.state == .verified }.map(\.entry.series))
    for entry in due.isEmpty ? [] : try Catalog(of: repository).entries.reversed()
    where entry.state == .verified && entry.time <= now && affected.contains(entry.series)
      && !good.contains(entry.series)
    {
      if try RotationPlan.isIntact(entry.path, formats) { good.insert(entry.series) }
    }
    let isLast = { (item: Trash.Item) in
      item.entry.state == .verified && !good.contains(item.entry.series)
    }
    spared = due.filter(isLast)
    items = due.filter { !isLast($0) }
    if !items.isEmpty { try Disk.checkWritable(trash.path) }
  }

  /// Bytes that this sets free.
  package var size: Int { items.reduce(0) { $0 + $1.entry.size } }

  /// Needs the lock.
  package func run() throws {
    try trash.destroy(items, at: time)
  }
}
