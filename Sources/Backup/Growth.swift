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

extension Trash {
  /// A backup that was purged: when, when it had been made (unix seconds), and its bytes.
  package struct Purge: Sendable, Equatable {
    package var purged: Int
    package var made: Int
    package var bytes: Int
  }

  private var journal: FilePath { path.appending("purged.txt") }

  /// What was purged within the last year; growth cannot be told without it.
  func purges() throws -> [Purge] {
    guard try FileFacts(at: journal, following: false)?.isRegular == true else { return [] }
    var bytes = ByteBuffer()
    let file = try InputFile(opening: journal)
    _ = try file.read(at: 0, into: &bytes, atMost: 16 << 20)
    return bytes.array.split(separator: 0x0A).compactMap { line in
      let numbers = line.split(separator: 0x20).map { Int(String(decoding: $0, as: UTF8.self)) }
      guard numbers.count == 3, let purged = numbers[0], let made = numbers[1],
        let bytes = numbers[2], (0..<1 << 50).contains(bytes), abs(made) < 1 << 40
      else { return nil }
      return Purge(purged: purged, made: made, bytes: bytes)
    }
  }

  /// Adds what has just been purged, and forgets what is older than a year.
  func record(_ items: [Item], at now: Int) throws {
    guard !items.isEmpty, try FileFacts(at: path, following: false)?.kind == .directory else {
      return
    }
    let old = try purges().filter { $0.purged > now - 366 * 86_400 }
    let new = items.map { Purge(purged: now, made: $0.entry.time, bytes: $0.entry.size) }
    let text = (old + new).map { "\($0.purged) \($0.made) \($0.bytes)\n" }.joined()
    var output = try OutputFile(for: journal)
    try output.write(Array(text.utf8).span)
    try output.publish()
  }
}
