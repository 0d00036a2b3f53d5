import Archive
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A backup opened for reading: the archive, its manifest, and where each member lies.
///
/// A value: each reader made from it opens the file anew, so several threads may read at once.
/// Works on a damaged archive as far as that goes; `damage` says how far.
package struct BackupFile: Sendable {
  package let path: FilePath
  package let archive: ArchiveFile
  package let manifest: Manifest
  /// The bytes of `manifest.json`.
  package let manifestBytes: [UInt8]
  package let sidecar: Sidecar
  /// What kept the archive's own structure from being read, if anything.
  package let structureError: ArchiveError?
  /// Offset of each entry's content, in the order of `manifest.entries`.
  private let offsets: [Int]
  /// Where `SHA256SUMS` must start, and what the archive must hold in all.
  package let sumsOffset: Int
  package let expectedContentSize: Int
  /// The frames with content offsets that bridge damage; nil where they are not known.
  private let frames: [Frame]?
  /// Told how many more bytes of content have been read, on whatever thread reads them.
  package var onRead: (@Sendable (_ bytes: Int) -> Void)?

  /// What lies beside an archive.
  package enum Sidecar: Sendable, Equatable {
    case missing
    case unreadable(String)
    case read(bytes: [UInt8], manifest: Manifest, seal: ArchiveSeal)
  }

  /// Where the sidecar of an archive lies: `NAME-….manifest.json` beside `NAME-….tar.zst`.
  package static func sidecarPath(of archive: FilePath) -> FilePath {
    var name = archive.lastComponent?.string ?? ""
    for ending in [".tar.zst", ".tar.gz", ".tar", ".zst", ".gz"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
      break
    }
    return archive.removingLastComponent().appending("\(name).manifest.json")
  }

  /// Opens the archive at `path`. Where it holds no manifest and none lies beside it, throws what
  /// is wrong with its structure, or `notBackup` where nothing is.
  /// - Parameter unpublished: whether the archive has no name yet; no sidecar is looked for.
  package init(opening path: FilePath, unpublished: Bool = false) throws {
    self.path = path
    archive = try Self.openArchive(path, isOwn: unpublished)
    sidecar = unpublished ? .missing : Self.readSidecar(of: path)
    var members: [Member]?
    var failure: ArchiveError?
    do { members = try archive.members() } catch let error as ArchiveError { failure = error }
    structureError = failure
    let bytes = Self.readManifest(archive, members?.first)
    let own = bytes.flatMap { try? Manifest.parse($0.span).manifest }
    if let bytes, let own {
      manifest = own
      manifestBytes = bytes
    } else if case .read(_, let beside, _) = sidecar {
      manifest = beside
      manifestBytes = beside.encoded()
    } else {
      do throws(SnapshotError) { if let bytes { _ = try Manifest.parse(bytes.span) } } catch {
        throw SnapshotError(
          error.code, error.message, path: path.string, offset: error.offset, hint: error.hint)
      }
      if let failure, failure.code != .notArchive { throw failure }
      throw SnapshotError(
        .notBackup, "holds no manifest that can be read, and none lies beside it",
        path: path.string,
        hint: "salvage recovers what is in it; restore needs the file \(Self.sidecarPath(of: path))"
      )
    }
    (offsets, sumsOffset, expectedContentSize) = try Self.layout(manifest, manifestBytes)
    if let members, let error = Self.disagreement(members, manifest, offsets) { throw error }
    frames = Self.bridged(archive, contentSize: expectedContentSize)
  }

  private static func openArchive(_ path: FilePath, isOwn: Bool) throws -> ArchiveFile {
    do throws(ArchiveError) {
      return try ArchiveFile(opening: path, isOwn: isOwn)
    } catch {
      guard error.code == .notArchive else { throw error }
      throw SnapshotError(
        .notBackup, "is no backup: it \(error.message)", path: path.string,
        hint: "name an archive that holdfast backup wrote")
    }
  }

  private static func readSidecar(of path: FilePath) -> Sidecar {
    let place = sidecarPath(of: path)
    do {
      guard try FileFacts(at: place) != nil else { return .missing }
      var bytes = ByteBuffer()
      let file = try InputFile(opening: place)
      _ = try file.read(at: 0, into: &bytes, atMost: try file.facts().size)
      let (manifest, seal) = try Manifest.parse(bytes.span)
      guard let seal else { return .unreadable("it does not tell of the archive") }
      return .read(bytes: bytes.array, manifest: manifest, seal: seal)
    } catch let error as SnapshotError {
      return .unreadable(error.message)
    } catch { return .unreadable("\(error)") }
  }

  /// The bytes of `manifest.json`: by the headers where they can be read, else from the frames
  /// behind the first, which the writer begins with each member's content.
  /// - Parameter first: the first member; nil where the headers could not all be read.
  private static func readManifest(_ archive: ArchiveFile, _ first: Member?) -> [UInt8]? {
    var bytes = ByteBuffer()
    if let first = first ?? (try? archive.firstMember()) {
      guard first.header.path == Manifest.manifestName, first.header.size < 1 << 30 else {
        return nil
      }
      do {
        var reader = try archive.content(from: first.contentOffset, count: first.header.size)
        while try reader.read(into: &bytes, atMost: 1 << 20) > 0 {}
        return bytes.array
      } catch { bytes.removeAll() }
    }
    for frame in archive.frames.dropFirst().prefix(64) {
      guard let piece = try? archive.decode(frame) else { return nil }
      bytes.append(piece.span)
      let end = bytes.span.firstIndex(of: 0) ?? bytes.count
      if (try? JSONText(bytes.span.extracting(0..<end))) != nil {
        return Array(bytes.array.prefix(end))
      }
    }
    return nil
  }

  /// Where everything must lie: the manifest determines each header and size.
  private static func layout(_ manifest: Manifest, _ bytes: [UInt8]) throws -> (
    offsets: [Int], sums: Int, total: Int
  ) {
    var at = 0
    func place(_ header: MemberHeader) throws -> Int {
      let start = at + (try Tar.header(header)).count
      let (end, overflow) = start.addingReportingOverflow(header.size)
      guard !overflow, end < Tar.sizeLimit else {
        throw SnapshotError(.badManifest, "the manifest claims impossible sizes")
      }
      at = end + Tar.padding(after: header.size)
      return start
    }
    func small(_ name: [UInt8], _ size: Int) -> MemberHeader {
      MemberHeader(path: name, size: size, mode: 0o644, seconds: manifest.time)
    }
    _ = try place(small(Manifest.manifestName, bytes.count))
    let offsets = try manifest.entries.map { try place($0.header) }
    let sums = manifest.checksums(manifest: Hash256(of: bytes.span))
    let sumsOffset = try place(small(Manifest.sumsName, sums.count))
    return (offsets, sumsOffset, at + Tar.endOfArchive.count)
  }

  /// How the archive's members differ from what the manifest says they are.
  private static func disagreement(
    _ members: [Member], _ manifest: Manifest, _ offsets: [Int]
  ) -> SnapshotError? {
    let inner = members.dropFirst().dropLast()
    guard members.count == manifest.entries.count + 2,
      members.last?.header.path == Manifest.sumsName
    else {
      return SnapshotError(.damaged, "the archive does not hold the members its manifest names")
    }
    for (member, entry) in zip(inner, manifest.entries) where member.header != entry.header {
      let name = MemberPath.printable(entry.header.path)
      return SnapshotError(
        .damaged, "the member \(name) is not as the manifest says (name, size, mode or time)")
    }
    return nil
  }

  /// The frames in front of all damage and behind it, with content offsets counted from both ends
  /// of what the archive must hold; nil where nothing needs to be bridged. Sorted by offset, none
  /// overlapping the next, none beyond `contentSize`, whatever a frame claims.
  private static func bridged(_ archive: ArchiveFile, contentSize: Int) -> [Frame]? {
    guard archive.format == .zstd, let lastDamage = archive.damage.last else { return nil }
    var front: [Frame] = []
    var frontEnd = 0
    for frame in archive.frames {
      guard let start = frame.contentOffset, let size = frame.contentSize, start == frontEnd,
        size <= contentSize - frontEnd
      else { break }
      front.append(frame)
      frontEnd += size
    }
    var back: [Frame] = []
    var start = contentSize
    for var frame in archive.frames.reversed() {
      guard frame.offset > lastDamage.offset, let size = frame.contentSize,
        size <= start - frontEnd
      else { break }
      start -= size
      frame.contentOffset = start
      back.append(frame)
    }
    return front + back.reversed()
  }

  /// Bytes of an entry, or of a part of it, decompressed. Frames are verified as they are read;
  /// damage throws `ArchiveError` with the frame's offset in the archive.
  package func content(_ entry: Int, from start: Int = 0, count: Int? = nil) throws -> ByteStream {
    let size = count ?? manifest.entries[entry].header.size - start
    return try content(at: offsets[entry] + start, count: size)
  }

  package func content(at start: Int, count: Int) throws -> ByteStream {
    let stream = try plainContent(at: start, count: count)
    guard let onRead else { return stream }
    return ByteStream { buffer, limit in
      let count = try stream.read(into: &buffer, atMost: limit)
      onRead(count)
      return count
    }
  }

  private func plainContent(at start: Int, count: Int) throws -> ByteStream {
    guard let frames else {
      var reader = try archive.content(from: start, count: count)
      return ByteStream { try reader.read(into: &$0, atMost: $1) }
    }
    return try BridgedContent(archive, frames, from: start, count: count).stream()
  }

  /// Bytes of the store's own files.
  package var storeSize: Int { manifest.storeEntries.reduce(0) { $0 + $1.header.size } }

  /// Bytes that a full verification reads: the store's files, `backup.json` and, except of a backup
  /// that has just been written, the archive for its hash, and the RTFS by itself.
  package func verificationSize(isCaptured: Bool) -> Int {
    let size = hybridEntry.map { manifest.entries[$0].header.size } ?? 0
    if isCaptured { return storeSize + size }
    let rtfs = hybridEntry.flatMap { manifest.entries[$0].rtfsOffset }.map { size - $0 } ?? 0
    return archive.size + storeSize + size + rtfs
  }

  /// Index of `backup.json` among the entries.
  package var hybridEntry: Int? {
    manifest.entries.firstIndex { $0.header.path == Manifest.hybridName }
  }
}

/// Reads a range of the content over frames whose offsets are known on both sides of a damage.
private final class BridgedContent {
  private let archive: ArchiveFile
  private let frames: [Frame]
  private var reader: FrameReader
  /// The next frame to decode.
  private var index: Int
  private var at: Int
  private let end: Int
  private var held = ByteBuffer()
  private var used = 0

  /// - Parameter frames: all with a content offset and a size, in order.
  init(_ archive: ArchiveFile, _ frames: [Frame], from start: Int, count: Int) throws {
    self.archive = archive
    self.frames = frames
    reader = try archive.frameReader()
    at = start
    end = start + count
    // The first frame that ends behind the start.
    var low = 0
    var high = frames.count
    while low < high {
      let middle = (low + high) / 2
      if Self.end(of: frames[middle]) > start { high = middle } else { low = middle + 1 }
    }
    index = low
  }

  private static func end(of frame: Frame) -> Int {
    (frame.contentOffset ?? 0) + (frame.contentSize ?? 0)
  }

  func stream() -> ByteStream {
    ByteStream { buffer, limit in
      while self.used == self.held.count {
        if self.at >= self.end { return 0 }
        try self.decodeNext()
      }
      let count = min(limit, self.held.count - self.used, self.end - self.at)
      buffer.append(self.held.span.extracting(self.used..<self.used + count))
      self.used += count
      self.at += count
      return count
    }
  }

  private func decodeNext() throws {
    guard index < frames.count, let offset = frames[index].contentOffset, offset <= at else {
      let place = archive.damage.first
      throw ArchiveError(
        .damaged, place?.reason ?? "a frame is missing", path: archive.path,
        offset: place?.offset)
    }
    var content = ByteBuffer()
    try reader.decode(frames[index], into: &content)
    held = content
    used = at - offset
    index += 1
  }
}
