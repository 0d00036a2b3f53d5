import Archive
import Disk
import LosslessJSON
import RTFS
import Records
import Stores
import SystemPackage

/// The three encodings in which a backup holds every record.
package enum Encoding: String, Sendable, CaseIterable {
  case verbatim, json, rtfs

  /// As a person knows it.
  package var title: String {
    switch self {
    case .verbatim: "the verbatim files"
    case .json: "the JSON snapshot"
    case .rtfs: "the RTFS snapshot"
    }
  }
}

extension BackupFile {
  /// The encodings that this backup was written with.
  package var encodings: [Encoding] {
    let hasRTFS = hybridEntry.map { manifest.entries[$0].rtfsOffset != nil } ?? false
    return Encoding.allCases.filter { $0 != .rtfs || hasRTFS }
  }

  /// Reads all records of one encoding into `survey`, from that encoding alone.
  ///
  /// For the verbatim files each is hashed on the way, for JSON the whole of `backup.json`; a
  /// hash that is not the manifest's is a `damaged-member` finding. Damage to the archive throws.
  package func read(_ encoding: Encoding, formats: [StoreFormat], into survey: Survey) throws {
    try readRecords(encoding, formats, survey)
    try survey.finish()
  }

  /// Reads the verbatim files back and compares their hashes, without looking for records in them.
  func readVerbatimBytes(into survey: Survey) throws {
    try HashingTree(try BackupTree(self)).finish(survey)
    try survey.finish()
  }

  private func readRecords(
    _ encoding: Encoding, _ formats: [StoreFormat], _ survey: Survey
  ) throws {
    switch encoding {
    case .verbatim:
      let tree = HashingTree(try BackupTree(self))
      let options = ReadOptions(idField: manifest.idField.flatMap(JSONPointer.init))
      try formats.named(manifest.kind).read(tree, options, survey)
      try tree.finish(survey)
    case .json: try readJSON(into: survey)
    case .rtfs: try readRTFS(into: survey)
    }
  }

  private func hybrid() throws -> Int {
    guard let entry = hybridEntry else {
      throw SnapshotError(.damaged, "the backup has no backup.json", path: path.string)
    }
    return entry
  }

  /// What is said of a `backup.json` whose hash is wrong: the damage may be in either of its two
  /// encodings, so this alone tells of neither.
  static let hybridHashMismatch = "backup.json does not have the hash that the manifest names"

  private func readJSON(into survey: Survey) throws {
    let entry = try hybrid()
    let expected = manifest.entries[entry]
    let tree = HybridTree(self, entry, end: expected.rtfsOffset ?? expected.header.size)
    try StoreFormat.intentSnapshot.read(tree, ReadOptions(), survey)
    // The hash goes over the RTFS text as well. If that is damaged, the records above still hold,
    // and reading the RTFS tells of it.
    guard let sha256 = try? tree.hashRest(), sha256 != expected.sha256 else { return }
    survey.note(
      Finding(
        .error, .damagedMember, Self.hybridHashMismatch, path: path.string))
  }

  /// The text of the RTFS snapshot, unescaped; nil where there is none.
  package func rtfsText() throws -> ByteStream? {
    let entry = try hybrid()
    guard let offset = manifest.entries[entry].rtfsOffset else { return nil }
    var reader = JSONReader(try content(entry, from: offset))
    try reader.beginString()
    var isOver = false
    return ByteStream { buffer, limit in
      if isOver { return 0 }
      let count = try reader.readString(into: &buffer, atMost: limit)
      if count == 0 {
        isOver = true
        try reader.expect(0x7D, .expectedCommaOrEnd)
        guard try reader.isAtEnd() else { throw JSONError(.trailingBytes, at: reader.offset) }
      }
      return count
    }
  }

  private func readRTFS(into survey: Survey) throws {
    guard let text = try rtfsText() else { return }
    var reader = RTFSReader(text)
    var record = Record()
    while try reader.next(&record) { try survey.take(&record) }
  }
}

/// `backup.json` up to its RTFS text, which is replaced by null: the JSON encoding alone.
private final class HybridTree: StoreTree {
  private let backup: BackupFile
  private let entry: Int
  private let end: Int
  /// What the stream reads from; nil until it has been opened.
  private var member: HashedMember?
  let files: [StoreFile]

  init(_ backup: BackupFile, _ entry: Int, end: Int) {
    self.backup = backup
    self.entry = entry
    self.end = end
    files = [
      StoreFile(
        name: FilePath("backup.json"), isDirectory: false, size: end, mode: 0o644,
        modifiedSeconds: 0, modifiedNanoseconds: 0)
    ]
  }

  var isSingleFile: Bool { true }
  var notes: [Finding] { [] }
  func displayPath(_ index: Int) -> String { "\(backup.path):backup.json" }

  private var size: Int { backup.manifest.entries[entry].header.size }

  func open(_ index: Int) throws -> ByteStream {
    let member = try HashedMember(backup, entry, stoppingAt: end)
    self.member = member
    var left = end
    var tail: ByteBuffer? = end < size ? ByteBuffer("null\n}\n") : nil
    return ByteStream { buffer, limit in
      if left > 0 {
        let count = try member.read(into: &buffer, atMost: min(limit, left))
        left -= count
        return count
      }
      guard let text = tail else { return 0 }
      tail = nil
      buffer.append(text.span)
      return text.count
    }
  }

  func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    let stream = try backup.content(entry, count: min(limit, end))
    var bytes = ByteBuffer()
    while try stream.read(into: &bytes, atMost: limit) > 0 {}
    return bytes
  }

  /// The hash of the whole member; call once, after the stream has been read to its end.
  func hashRest() throws -> Hash256? { try member?.finish() }
}

/// A store inside a backup whose files are hashed while they are read.
final class HashingTree: StoreTree {
  private let base: any StoreTree
  private let expected: (Int) -> Hash256?
  private var hashers: [Int: Hasher256] = [:]

  init(_ base: BackupTree) {
    self.base = base
    expected = { base.entry($0).sha256 }
  }

  /// A part of the store inside a backup.
  init(_ part: PartialTree, of base: BackupTree) {
    self.base = part
    expected = { base.entry(part.places[$0]).sha256 }
  }

  var files: [StoreFile] { base.files }
  var isSingleFile: Bool { base.isSingleFile }
  var notes: [Finding] { [] }
  func displayPath(_ index: Int) -> String { base.displayPath(index) }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try base.head(index, limit: limit) }

  func open(_ index: Int) throws -> ByteStream {
    let stream = try base.open(index)
    hashers[index] = Hasher256()
    return ByteStream { buffer, limit in
      let before = buffer.count
      let count = try stream.read(into: &buffer, atMost: limit)
      self.hashers[index]?.update(buffer.span.extracting(before..<before + count))
      return count
    }
  }

  /// Reads what no reader has opened, and compares all hashes with the manifest's.
  func finish(_ survey: Survey) throws {
    for (index, file) in files.enumerated() where !file.isDirectory {
      if hashers[index] == nil { try open(index).drain() }
      if hashers[index]?.finish() != expected(index) {
        survey.note(
          Finding(
            .error, .damagedMember, "does not have the hash that the manifest names",
            path: base.displayPath(index)))
      }
      hashers[index] = Hasher256()
    }
  }
}
