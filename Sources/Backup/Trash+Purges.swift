import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

/// The log of what was purged, `purged.txt` in the trash: a line for each backup with the unix
/// seconds of its removal and of its making, its bytes, and where in the trash it lay.
///
/// Lines are written before the files go, so that no end of a purge loses one. A line counts once
/// its archive is gone: until then it only says what was going to be done.
extension Trash {
  /// A backup that was purged: when, when it had been made (unix seconds), and its bytes.
  package struct Purge: Sendable, Equatable {
    package var purged: Int
    package var made: Int
    package var bytes: Int
    /// Below the trash; empty in lines that do not tell.
    package var place: String
  }

  private var journal: FilePath { path.appending("purged.txt") }

  /// What was purged within the last year; growth cannot be told without it.
  func purges() throws -> [Purge] {
    try journalLines().filter { try !isStillThere($0) }
  }

  private func journalLines() throws -> [Purge] {
    guard try FileFacts(at: journal, following: false)?.isRegular == true else { return [] }
    var bytes = ByteBuffer()
    let file = try InputFile(opening: journal)
    _ = try file.read(at: 0, into: &bytes, atMost: 16 << 20)
    return bytes.array.split(separator: 0x0A).compactMap { line in
      let words = line.split(separator: 0x20, maxSplits: 3)
      let numbers = words.prefix(3).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
      guard numbers.count == 3, (0..<1 << 50).contains(numbers[2]), abs(numbers[1]) < 1 << 40
      else { return nil }
      return Purge(
        purged: numbers[0], made: numbers[1], bytes: numbers[2],
        place: words.count > 3 ? String(decoding: words[3], as: UTF8.self) : "")
    }
  }

  private func isStillThere(_ line: Purge) throws -> Bool {
    guard !line.place.isEmpty else { return false }
    return try FileFacts(at: path.pushing(FilePath(line.place)), following: false) != nil
  }

  /// `TIME/NAME` where that can stand in a line.
  private static func place(of item: Item) -> String {
    let place = item.path.components.suffix(2).map(\.string).joined(separator: "/")
    let isPlain = place.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0xFFFD }
    return isPlain ? place : ""
  }

  /// Adds what is about to be purged, and forgets what is older than a year or did not go.
  private func record(_ items: [Item], at now: Int) throws {
    let old = try purges().filter { $0.purged > now - 366 * 86_400 }
    let new = items.map {
      Purge(
        purged: now, made: $0.entry.time, bytes: $0.entry.size, place: Self.place(of: $0))
    }
    let text = (old + new).map { line in
      "\(line.purged) \(line.made) \(line.bytes)"
        + (line.place.isEmpty ? "" : " \(line.place)") + "\n"
    }.joined()
    var output = try OutputFile(for: journal)
    try output.write(Array(text.utf8).span)
    try output.publish()
  }

  /// Removes backups for good: the one place that unlinks any. Each archive goes before its
  /// manifest, so that what is left by a purge that was killed is known for it.
  /// - Parameter now: unix seconds.
  func destroy(_ items: [Item], at now: Int) throws {
    guard !items.isEmpty else { return }
    // A full disk is what a purge is for: then the log waits until there is room.
    var isLogged = false
    do {
      try record(items, at: now)
      isLogged = true
    } catch let error as DiskError where error.code == .noSpace {}
    var gone: [Item] = []
    defer { if !isLogged { try? record(gone, at: now) } }
    for item in items {
      try Interruption.check()
      try Disk.remove(item.path)
      gone.append(item)
      try Disk.remove(BackupFile.sidecarPath(of: item.path))
      try dropIfEmpty(item.path.removingLastComponent())
    }
  }

  /// Finishes what a purge that was killed has left: manifests without their archives, empty
  /// directories, an unfinished log. Call with the lock held.
  func clearRemains() throws {
    guard try FileFacts(at: path, following: false)?.kind == .directory else { return }
    for name in try TreeWalk.names(in: path).map(\.string) where OutputFile.isTemporary(name) {
      try Disk.remove(path.appending(name))
    }
    for batch in try batches()
    where batch.lastComponent.flatMap({ Self.time(of: $0.string) }) != nil {
      let names = try TreeWalk.names(in: batch).map(\.string)
      let archives = Set(names.map { BackupFile.sidecarPath(of: batch.appending($0)) })
      for name in names where name.hasSuffix(".manifest.json") {
        let place = batch.appending(name)
        guard !archives.contains(place), Catalog.sidecar(at: place) != nil else { continue }
        try Disk.remove(place)
      }
      try dropIfEmpty(batch)
    }
  }
}
