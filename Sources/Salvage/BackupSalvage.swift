import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Recovers the store in a backup: from its verbatim files where they are whole, else from all of
/// its three encodings together.
final class BackupSalvage {
  let input: SalvageInput
  let request: SalvageRequest
  let directory: OutputDirectory
  let work: FilePath
  let members: TarMembers
  var manifest: Manifest?
  var filled = FilledRecords()
  var counts: [RecordKind: Int] = [:]

  struct Stretch {
    var range: Range<Int>
    var reason: String?
  }
  private(set) var stretches: [Stretch] = []

  init(_ input: SalvageInput, _ request: SalvageRequest, in directory: OutputDirectory) {
    self.input = input
    self.request = request
    self.directory = directory
    work = directory.path(FilePath(".work"))
    members = TarMembers(in: work)
  }

  func run(_ sink: PieceSink, _ watch: (Int) -> Void) throws {
    defer { try? Disk.remove(work) }
    try Disk.makeDirectory(work, mode: 0o700)
    try unpack(watch)
    try readManifest()
    try placeLost()
    if manifest == nil, try storeRoot() == nil, try hybrid() == nil {
      sink.note(Finding(.error, .badManifest, "holds nothing that is known of a backup"))
    } else {
      try recover(sink)
    }
    try noteDamage(sink)
    try account(sink)
    // What is left of it must not be published with the rest.
    try Disk.remove(work)
  }

  /// Says which members are not as the manifest has them: not every kind of archive shows damage
  /// by itself.
  private func noteDamage(_ sink: PieceSink) throws {
    guard let manifest else {
      return sink.note(Finding(.error, .badManifest, "its manifest cannot be read"))
    }
    for entry in manifest.entries where entry.header.kind == .regular {
      let name = MemberPath.printable(entry.header.path)
      let hash = members.members.first { $0.name == entry.header.path }?.hash
      if hash == entry.sha256 { continue }
      sink.note(
        Finding(
          .error, .damagedMember,
          hash == nil ? "the member \(name) is missing" : "the member \(name) is damaged"))
    }
  }

  // MARK: Unpacking

  private func unpack(_ watch: (Int) -> Void) throws {
    try ArchivePieces.read(input.path) { piece in
      switch piece {
      case .content(let bytes, let range, let isChecked, let startsFrame):
        add(range, nil)
        watch(range.count)
        try members.take(bytes, startsFrame: startsFrame, isChecked: isChecked)
      case .gap(let range, let reason, let contentSize):
        add(range, reason)
        watch(range.count)
        try members.gap(contentSize)
      }
    }
    try members.finish()
  }

  private func add(_ range: Range<Int>, _ reason: String?) {
    if range.isEmpty { return }
    if let last = stretches.last, (last.reason == nil) == (reason == nil) {
      stretches[stretches.count - 1].range = last.range.lowerBound..<range.upperBound
    } else {
      stretches.append(Stretch(range: range, reason: reason))
    }
  }

  private func account(_ sink: PieceSink) throws {
    var isFirst = true
    let file = try InputFile(opening: input.path)
    for stretch in stretches {
      var at = stretch.range.lowerBound
      while at < stretch.range.upperBound {
        var bytes = ByteBuffer()
        let count = try file.read(
          at: at, into: &bytes, atMost: min(1 << 20, stretch.range.upperBound - at))
        if count == 0 { break }
        if let reason = stretch.reason {
          try sink.quarantine(bytes.span, shape: .damagedFrame, reason: reason, line: nil)
        } else {
          try sink.redundant(bytes.span)
        }
        at += count
      }
      if stretch.reason == nil, isFirst {
        isFirst = false
        sink.credit(counts.values.reduce(0, +))
      }
    }
    for (kind, count) in counts { sink.count(kind, count) }
  }
}
