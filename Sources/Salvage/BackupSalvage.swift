import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Recovers the store in a backup: from its verbatim files where they are whole, else from all of
/// its three encodings together.
///
/// What a damaged frame decompresses to is garbage from some byte on, and may look like records. It
/// is read by a salvage of its own, and recovered only where a digest of the manifest proves it;
/// `BackupSalvage+Unproven`.
final class BackupSalvage {
  /// What of an archive is believed.
  enum Trust {
    /// What has the right checksum, or none at all.
    case proven
    /// Beside that, what the file ends in, as far as it goes.
    case cut
    /// Everything that can be decompressed.
    case all
  }

  let input: SalvageInput
  let request: SalvageRequest
  let directory: OutputDirectory
  let work: FilePath
  private(set) var members: TarMembers
  private(set) var trust: Trust
  /// Whether there was something in the archive that is not believed; something that was cut off.
  private(set) var hasUnproven = false
  private(set) var hasCut = false
  /// Where what was cut off is stored, from its first byte on.
  private(set) var cutStart: Int?
  /// Whether digests tell that all that was recovered is what was backed up.
  var isProven = false
  /// Where in the output the store goes.
  var folder: FilePath
  var manifest: Manifest?
  /// What a `SHA256SUMS` in the archive says, by the names of members.
  var sums: [[UInt8]: Hash256] = [:]
  var filled = FilledRecords()
  /// Whether an encoding is damaged elsewhere than at its end.
  var isDamaged = false
  var counts: [RecordKind: Int] = [:]

  struct Stretch {
    var range: Range<Int>
    var reason: String?
  }
  private(set) var stretches: [Stretch] = []
  /// Of an archive that is not compressed.
  private(set) var walk: TarWalk?
  /// Where other backups begin, behind the first in the file.
  private var starts: [Int] = []
  /// Whether its records are counted by what they are filled in to.
  var isLater = false

  init(
    _ input: SalvageInput, _ request: SalvageRequest, in directory: OutputDirectory,
    trust: Trust = .cut, into part: String = "recovered"
  ) {
    self.input = input
    self.request = request
    self.directory = directory
    self.trust = trust
    folder = FilePath(part)
    work = directory.path(FilePath(".work-\(part)"))
    members = TarMembers(in: work)
  }

  func run(_ sink: PieceSink, _ watch: (Int) -> Void) throws {
    defer { try? Disk.remove(work) }
    try unpack(watch)
    if !starts.isEmpty {
      try Disk.remove(work)
      return try runEach(starts, sink)
    }
    if hasCut, try !holdsWhereCut() {
      trust = .proven
      try unpack { _ in }
    }
    let others =
      hasUnproven
      ? BackupSalvage(input, request, in: directory, trust: .all, into: "unproven") : nil
    defer { if let others { try? Disk.remove(others.work) } }
    try others?.unpack { _ in }
    if let others { try adopt(from: others) }
    try placeLost()
    try recover(sink, others)
    try noteCut(sink)
    try noteDamage(sink)
    try account(sink)
    // What is left of it must not be published with the rest.
    try Disk.remove(work)
    if let others { try Disk.remove(others.work) }
  }

  // MARK: Unpacking

  func unpack(_ watch: (Int) -> Void) throws {
    try Disk.remove(work)
    try Disk.makeDirectory(work, mode: 0o700)
    members = TarMembers(in: work)
    if walk == nil, try ArchivePieces.isPlain(input.path) { walk = try TarWalk(input.path) }
    stretches = []
    starts = walk?.backups ?? []
    (hasUnproven, cutStart) = (false, nil)
    var isBehindCut = false
    // Bytes of content in front of a gap that were not taken, and count as missing with it.
    var passed = 0
    try ArchivePieces.read(input.path) { piece in
      switch piece {
      case .content(let bytes, let range, let startsFrame):
        if walk == nil, startsFrame, range.lowerBound > 0, TarHeader.startsBackup(bytes.span) {
          starts.append(range.lowerBound)
        }
        add(range, nil)
        watch(range.count)
        try take(bytes, at: range.lowerBound, startsFrame: startsFrame)
      case .unproven(let bytes, let isCut, let startsFrame):
        if isCut { hasCut = true }
        if trust == .all || (trust == .cut && isCut) {
          try members.take(bytes, startsFrame: startsFrame, isCut: isCut)
          isBehindCut = isBehindCut || isCut
        } else {
          hasUnproven = true
          passed += bytes.count
        }
      case .gap(let range, let reason, let contentSize):
        add(range, reason)
        watch(range.count)
        if isBehindCut { cutStart = cutStart ?? range.lowerBound }
        try members.gap(contentSize.map { $0 + passed })
        passed = 0
      }
    }
    try members.finish()
    try readManifest()
  }

  private func take(_ bytes: ByteBuffer, at offset: Int, startsFrame: Bool) throws {
    guard let walk else { return try members.take(bytes, startsFrame: startsFrame) }
    var (at, isStart) = (0, startsFrame)
    for place in walk.resumptions where (offset..<offset + bytes.count).contains(place) {
      var part = ByteBuffer()
      part.append(bytes.span.extracting(at..<place - offset))
      try members.take(part, startsFrame: isStart)
      try members.resume()
      (at, isStart) = (place - offset, false)
    }
    var rest = ByteBuffer()
    rest.append(bytes.span.extracting(at..<bytes.count))
    try members.take(rest, startsFrame: isStart)
  }

  private func add(_ range: Range<Int>, _ reason: String?) {
    if range.isEmpty { return }
    if let last = stretches.last, (last.reason == nil) == (reason == nil) {
      stretches[stretches.count - 1].range = last.range.lowerBound..<range.upperBound
    } else {
      stretches.append(Stretch(range: range, reason: reason))
    }
  }
}
