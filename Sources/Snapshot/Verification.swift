import Archive
import Disk
import Dispatch
import LosslessJSON
import RTFS
import Records
import Stores
import Synchronization
import SystemPackage

/// Proof that a backup is what it says: every member and every record hashed again, and the three
/// encodings compared record by record.
package struct Verification: Sendable {
  package var log = FindingLog()
  /// The store digest, as the manifest has it; nil where no manifest could be read.
  package var digest: Hash256?
  /// Whom to tell how far it has come.
  package struct Progress: Sendable {
    package var start: @Sendable (_ total: Int) -> Void
    package var add: @Sendable (_ bytes: Int) -> Void

    package init(
      start: @escaping @Sendable (_ total: Int) -> Void,
      add: @escaping @Sendable (_ bytes: Int) -> Void
    ) {
      self.start = start
      self.add = add
    }
  }

  /// Which of the encodings written hold every record.
  package var holding: [Encoding] = []

  package var isGood: Bool { log.errors == 0 }

  /// - Parameter quick: checks the sidecar, the archive's own hash and the structure only.
  /// - Parameter progress: is told how many bytes there are to be read in all, then how many more
  ///   have been, on whatever thread reads them.
  /// - Parameter unpublished: the archive has just been written and has no sidecar yet. Every byte
  ///   is read back and every hash checked, and the digest is taken anew from the JSON. Records
  ///   are not read from the verbatim files once more: with the hashes of the bytes captured they
  ///   have the records whose digest was taken from those very bytes. Nor are they from the RTFS,
  ///   which lies in a member whose hash is checked, unless something is wrong.
  package static func run(
    _ path: FilePath, formats: [StoreFormat], quick: Bool, unpublished: Bool = false,
    progress: Progress? = nil
  ) throws -> Verification {
    let result = try examine(
      path, formats: formats, quick: quick, unpublished: unpublished, progress: progress)
    // What somebody stopped looks like something that cannot be read.
    if !result.isGood { try Interruption.check() }
    return result
  }

  private static func examine(
    _ path: FilePath, formats: [StoreFormat], quick: Bool, unpublished: Bool, progress: Progress?
  ) throws -> Verification {
    var result = Verification()
    guard var backup = try result.open(path, unpublished: unpublished) else { return result }
    progress?.start(quick ? backup.archive.size : backup.verificationSize(isCaptured: unpublished))
    backup.onRead = progress?.add
    result.digest = backup.manifest.digest
    if !unpublished { try result.checkSidecar(backup) }
    result.checkStructure(backup)
    if !quick {
      try result.checkSums(backup)
      try result.checkEncodings(backup, formats, isCaptured: unpublished)
    }
    return result
  }

  /// The backup at `path`; nil, with a finding, where it cannot be opened as one.
  mutating func open(_ path: FilePath, unpublished: Bool = false) throws -> BackupFile? {
    do { return try BackupFile(opening: path, unpublished: unpublished) } catch let error
      as SnapshotError
    {
      add(.badManifest, error.message, path: path.string)
    } catch let error as ArchiveError where error.cause == nil {
      add(.damagedFrame, error.message, path: path.string, offset: error.offset)
    }
    return nil
  }

  mutating func add(
    _ code: Finding.Code, _ message: String, path: String, offset: Int? = nil,
    severity: Finding.Severity = .error
  ) {
    log.add(Finding(severity, code, message, path: path, offset: offset))
  }

  /// - Parameter ofAll: whether the hash of the whole archive is asked for too.
  mutating func checkSidecar(_ backup: BackupFile, ofAll: Bool = true) throws {
    let place = BackupFile.sidecarPath(of: backup.path).string
    switch backup.sidecar {
    case .missing:
      add(
        .sidecarMissing, "the manifest that belongs beside the archive is missing", path: place,
        severity: .warning)
    case .unreadable(let reason):
      add(.sidecarMismatch, "cannot be read as a manifest: \(reason)", path: place)
    case .read(let bytes, let manifest, let seal):
      if manifest.encoded(archive: seal) != bytes || manifest.encoded() != backup.manifestBytes {
        add(.sidecarMismatch, "is not the manifest inside the archive", path: place)
      }
      if seal.file != backup.path.lastComponent?.string {
        add(.sidecarMismatch, "belongs to an archive called \(seal.file)", path: place)
      }
      if ofAll { try checkArchive(backup, seal) }
    }
  }

  private mutating func checkArchive(_ backup: BackupFile, _ seal: ArchiveSeal) throws {
    let path = backup.path.string
    if backup.archive.size != seal.size {
      add(
        .damagedMember, "the archive has \(backup.archive.size) bytes, not \(seal.size)",
        path: path, offset: min(backup.archive.size, seal.size))
      return
    }
    let hash = try InputFile(opening: backup.path).hash(onRead: backup.onRead)
    if hash != seal.sha256 {
      add(.damagedMember, "the archive does not have the hash that its manifest names", path: path)
    }
    if seal.contentSize != backup.expectedContentSize {
      add(
        .sidecarMismatch,
        "names \(seal.contentSize) bytes of content, not "
          + "\(backup.expectedContentSize)", path: BackupFile.sidecarPath(of: backup.path).string)
    }
  }

  private mutating func checkStructure(_ backup: BackupFile) {
    let path = backup.path.string
    for range in backup.archive.damage {
      log.add(
        Finding(
          .error, .damagedFrame, range.reason, path: path, offset: range.offset,
          length: range.length))
    }
    if let error = backup.structureError {
      let member = error.member.map { "member \(MemberPath.printable($0)): " } ?? ""
      add(.damagedMember, member + error.message, path: path, offset: error.offset)
    }
  }

  private mutating func checkSums(_ backup: BackupFile) throws {
    let expected = backup.manifest.checksums(manifest: Hash256(of: backup.manifestBytes.span))
    var bytes = ByteBuffer()
    do {
      let stream = try backup.content(at: backup.sumsOffset, count: expected.count)
      while try stream.read(into: &bytes, atMost: 1 << 20) > 0 {}
      if bytes.array != expected {
        add(.damagedMember, "SHA256SUMS is not what the manifest says", path: backup.path.string)
      }
    } catch let error as ArchiveError {
      add(
        .damagedMember, "SHA256SUMS: \(error.message)", path: backup.path.string,
        offset: error.offset)
    }
  }

  /// Reads the encodings, two at a time, each by itself.
  private mutating func checkEncodings(
    _ backup: BackupFile, _ formats: [StoreFormat], isCaptured: Bool
  ) throws {
    // The hash that reading the JSON takes covers the RTFS of a backup just written; whether that
    // holds every record is asked only where something is wrong.
    let encodings = backup.encodings.filter { !isCaptured || $0 != .rtfs }
    let queue = Mutex(Array(encodings.reversed()))
    let results = Mutex<[Encoding: Result<EncodingCheck, any Error>]>([:])
    // Each holds 32 bytes a record; two of a very large store would be too much.
    let readers = backup.manifest.recordCount > 1_000_000 ? 1 : 2
    DispatchQueue.concurrentPerform(iterations: readers) { _ in
      while let encoding = queue.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
        let result = Result {
          try EncodingCheck(encoding, of: backup, formats, isCaptured: isCaptured)
        }
        results.withLock { $0[encoding] = result }
      }
    }
    var checks = results.withLock { $0 }
    if isCaptured, backup.encodings.contains(.rtfs),
      try checks.values.contains(where: { try !$0.get().findings.isEmpty })
    {
      checks[.rtfs] = Result {
        try EncodingCheck(.rtfs, of: backup, formats, isCaptured: false)
      }
    }
    var disagreeing: [Encoding] = []
    for encoding in backup.encodings {
      guard let check = try checks[encoding]?.get() else { continue }
      for finding in check.findings { log.add(finding) }
      let isWhole = check.findings.allSatisfy { $0.message == BackupFile.hybridHashMismatch }
      if check.digest == backup.manifest.digest, isWhole {
        holding.append(encoding)
      } else if check.findings.isEmpty {
        disagreeing.append(encoding)
      }
    }
    for encoding in disagreeing {
      try explain(encoding, backup, formats)
    }
    if !isGood { noteHolding(backup) }
  }

  /// Says where every record still is.
  mutating func noteHolding(_ backup: BackupFile) {
    let held = holding.map(\.title).joined(separator: " and ")
    add(
      .encodingHolds,
      holding.isEmpty
        ? "none of the encodings holds every record" : "every record is still in \(held)",
      path: backup.path.string, severity: .note)
  }

  /// Names the records in which an encoding differs from one that has the manifest's digest.
  private mutating func explain(
    _ encoding: Encoding, _ backup: BackupFile, _ formats: [StoreFormat]
  ) throws {
    add(
      .encodingsDisagree, "\(encoding.title) does not have the digest that the manifest names",
      path: backup.path.string)
    guard let reference = holding.first else { return }
    let mine = Survey(rules: false)
    try backup.read(encoding, formats: formats, into: mine)
    let good = Survey(rules: false)
    try backup.read(reference, formats: formats, into: good)
    let (extra, missing) = mine.records.difference(from: good.records)
    try name(extra, in: encoding, "only in \(encoding.title)", backup, formats)
    try name(missing, in: reference, "missing from \(encoding.title)", backup, formats)
  }

  private mutating func name(
    _ hashes: [Hash256], in encoding: Encoding, _ what: String, _ backup: BackupFile,
    _ formats: [StoreFormat]
  ) throws {
    let wanted = Set(hashes.prefix(20))
    if wanted.isEmpty { return }
    var found: [String] = []
    let survey = Survey(rules: false)
    survey.onRecord = { record, hash in
      if wanted.contains(hash) { found.append(record.label) }
    }
    try backup.read(encoding, formats: formats, into: survey)
    for label in found {
      log.add(
        Finding(.error, .encodingsDisagree, what, path: backup.path.string, record: label))
    }
  }
}

/// What reading one encoding came to.
private struct EncodingCheck: Sendable {
  var digest: Hash256
  /// Why the encoding does not hold, apart from its digest.
  var findings: [Finding]

  init(
    _ encoding: Encoding, of backup: BackupFile, _ formats: [StoreFormat], isCaptured: Bool
  ) throws {
    let bytesOnly = isCaptured && encoding == .verbatim
    let survey = Survey(rules: false)
    var reasons: [Finding] = []
    func damage(_ message: String, _ offset: Int?) {
      reasons.append(
        Finding(
          .error, .damagedMember, "\(encoding.title): \(message)", path: backup.path.string,
          offset: offset))
    }
    do {
      if bytesOnly {
        try backup.readVerbatimBytes(into: survey)
      } else {
        try backup.read(encoding, formats: formats, into: survey)
      }
    } catch let error as ArchiveError where error.cause == nil {
      damage(error.message, error.offset)
    } catch let error as SnapshotError {
      damage(error.message, nil)
    } catch let error as StoreError {
      damage(error.message, nil)
    } catch let error as JSONError {
      damage("\(error.reason.rawValue), at byte \(error.offset) of it", nil)
    } catch let error as RTFSError {
      damage("\(error)", nil)
    }
    // Findings about the store itself are no damage of the backup, except in what it wrote.
    findings =
      reasons
      + survey.log.findings.filter {
        $0.code == .damagedMember || (encoding == .json && $0.severity == .error)
      }
    digest = bytesOnly ? backup.manifest.digest : survey.digest()
  }
}
