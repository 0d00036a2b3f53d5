import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What a repository holds, as the manifests beside the archives tell it: no archive is opened.
package struct Catalog: Sendable {
  /// How far a backup is to be trusted.
  package enum State: String, Sendable {
    /// Read back and found good when it was written.
    case verified
    /// Written without being read back.
    case unverified
    /// Of a damaged, empty or shrunken store: intact, but it must displace nothing.
    case suspect
    /// Its manifest or its size is not as it was written.
    case damaged
    /// Its manifest is there, its archive is not.
    case missing
  }

  package struct Entry: Sendable {
    package var path: FilePath
    package var state: State
    /// Bytes of the archive.
    package var size: Int
    /// Nil for a backup whose manifest cannot be read.
    package var manifest: Manifest?
    /// What is wrong, for damaged ones.
    package var reason: String?
    /// Whether it is damaged or missing now and was verified once, by the manifest beside it.
    var wasVerified = false
    /// Where the store lay, as bytes of an absolute path; nil where nothing tells.
    var origin: [UInt8]?

    /// From the manifest, else from the file name.
    package var series: String {
      manifest?.series ?? Catalog.nameParts(path.lastComponent?.string ?? "").series
    }
    /// Unix seconds; from the manifest, else from the file name.
    package var time: Int {
      manifest?.time ?? Catalog.nameParts(path.lastComponent?.string ?? "").time ?? 0
    }
    /// 2, 3 … for the second, third … of one second; from the file name.
    var number: Int { Catalog.nameParts(path.lastComponent?.string ?? "").number }

    fileprivate static func isOlder(_ a: Self, _ b: Self) -> Bool {
      (a.time, a.number) < (b.time, b.number)
    }
  }

  /// Oldest first; those of one second in the order in which they were made.
  package let entries: [Entry]
  /// Backups of which only the manifest is left, in the same order.
  package let missing: [Entry]

  package init(of repository: Repository, series: String? = nil) throws {
    var entries: [Entry] = []
    for name in try repository.archives() {
      let entry = try Self.entry(repository.path.appending(name))
      if series == nil || entry.series == series { entries.append(entry) }
    }
    self.entries = entries.sorted(by: Entry.isOlder)
    missing = try repository.missing().filter { series == nil || $0.series == series }
      .sorted(by: Entry.isOlder)
  }

  /// Both, oldest first.
  package var all: [Entry] { (entries + missing).sorted(by: Entry.isOlder) }

  /// Those that are not as they were written.
  package var troubled: [Entry] { all.filter { [.damaged, .missing].contains($0.state) } }

  package static let hintForMissing =
    "put it back, or remove the manifest if it is not to be missed any more"

  /// Where the store of the newest backup lay, of those that tell.
  var newestOrigin: [UInt8]? { all.last { $0.origin != nil }?.origin }

  static func entry(_ path: FilePath) throws -> Entry {
    let size = try FileFacts(at: path)?.size ?? 0
    let place = BackupFile.sidecarPath(of: path)
    guard try FileFacts(at: place) != nil else {
      return Entry(
        path: path, state: .damaged, size: size, reason: "the manifest beside it is missing")
    }
    let found: (manifest: Manifest, seal: ArchiveSeal)?
    var reason = "the manifest beside it cannot be read"
    do { found = try sealed(at: place) } catch {
      // Who has been stopped has found out nothing.
      try Interruption.check()
      found = nil
      if let error = error as? DiskError { reason = "the manifest beside it: \(error.message)" }
    }
    guard let (manifest, seal) = found else {
      return Entry(path: path, state: .damaged, size: size, reason: reason)
    }
    var entry = Entry(
      path: path, state: .verified, size: size, manifest: manifest, origin: seal.origin)
    if seal.file != path.lastComponent?.string || seal.size != size {
      entry.state = .damaged
      entry.wasVerified = seal.isVerified && !manifest.isSuspect
      entry.reason =
        seal.size != size
        ? "it has \(size) bytes, its manifest says \(seal.size)"
        : "its manifest belongs to \(seal.file)"
    } else if manifest.isSuspect {
      entry.state = .suspect
      entry.reason = manifest.suspicions.first
    } else if !seal.isVerified {
      entry.state = .unverified
    }
    return entry
  }

  static func sidecar(at path: FilePath) -> (manifest: Manifest, seal: ArchiveSeal)? {
    try? sealed(at: path)
  }

  private static func sealed(at path: FilePath) throws
    -> (manifest: Manifest, seal: ArchiveSeal)?
  {
    var bytes = ByteBuffer()
    let file = try InputFile(opening: path)
    _ = try file.read(at: 0, into: &bytes, atMost: try file.facts().size)
    let (manifest, seal) = try Manifest.parse(bytes.span)
    return seal.map { (manifest, $0) }
  }

  /// Series and time of a name such as `memory-20261120T031500Z.tar.zst`.
  static func nameParts(_ name: String) -> (series: String, time: Int?, number: Int) {
    var stem = name
    for ending in Repository.endings where stem.hasSuffix(ending) {
      stem.removeLast(ending.count)
      break
    }
    let parts = stem.split(separator: "-", omittingEmptySubsequences: false)
    for index in parts.indices.reversed() where index > 0 {
      if let time = MomentText.parse(String(parts[index])) {
        let number = index + 2 == parts.count ? Int(parts[index + 1]) ?? 1 : 1
        return (parts[..<index].joined(separator: "-"), time, number)
      }
    }
    return (stem, nil, 1)
  }

  package var seriesNames: [String] { Array(Set(entries.map(\.series))).sorted() }

  /// The newest backup that may be relied on: verified, or else merely unverified. One that says
  /// it was made after `now` (unix seconds) counts only where there is no other: a clock was wrong.
  package func newestGood(notAfter now: Int = .max) -> Entry? {
    entries.last { $0.state == .verified && $0.time <= now }
      ?? entries.last { $0.state == .verified } ?? entries.last { $0.state == .unverified }
  }

  /// The newest backup that is good or is known to have been so before it was damaged: what a store
  /// has to be compared with, for damage to its last backup must not hide what it has lost since.
  /// Archives that have no manifest beside them are opened for their own.
  func newestKnownGood(notAfter now: Int) -> Entry? {
    for var entry in all.reversed() where entry.time <= now {
      if entry.state == .verified || entry.wasVerified { return entry }
      guard entry.state == .damaged, entry.manifest == nil,
        let own = try? BackupFile(opening: entry.path).manifest, !own.isSuspect,
        own.series == entry.series
      else { continue }
      entry.manifest = own
      return entry
    }
    return newestGood(notAfter: now)
  }
}

/// Points in time as people write them.
package enum MomentText {
  /// Unix seconds of `20261120T031500Z`, of ISO 8601 text, or of the last second of a day that is
  /// given as a date; nil for anything else.
  package static func parse(_ text: String) -> Int? {
    let bytes = Array(text.utf8)
    if bytes.count == 16, bytes[8] == 0x54, bytes[15] == 0x5A {
      let (dash, colon): ([UInt8], [UInt8]) = ([0x2D], [0x3A])
      let date = bytes[0..<4] + dash + bytes[4..<6] + dash + bytes[6..<9]
      let time = bytes[9..<11] + colon + bytes[11..<13] + colon + bytes[13..<16]
      return ISOTime(Array(date + time).span)?.seconds
    }
    guard let time = ISOTime(bytes.span) else { return nil }
    return bytes.count == 10 ? time.seconds + 86_399 : time.seconds
  }
}
