import Archive
import Disk
import LosslessJSON
import RTFS
import Records
import Stores
import SystemPackage

extension Verification {
  /// Proof of some contexts of the memory graph in a backup: their files, or the file that they
  /// share, are what was written, and each of their records is in the JSON and in the RTFS as well.
  /// The digest is that of these records; what is wrong with others is not told. Throws `notFound`
  /// for a context that is not there, `refused` for a backup of another kind.
  package static func run(
    _ path: FilePath, formats: [StoreFormat], contexts: [String], progress: Progress? = nil
  ) throws -> Verification {
    var result = Verification()
    guard var backup = try result.open(path) else { return result }
    try result.checkSidecar(backup, ofAll: false)
    progress?.start(backup.verificationSize(isCaptured: false))
    backup.onRead = progress?.add
    let store = try OpenedStore(opening: path, formats: formats, kind: nil)
      .restricted(to: contexts)
    let whole = try BackupTree(backup)
    let tree: HashingTree
    if let part = store.tree as? PartialTree {
      let names = Set(part.files.map(\.name))
      tree = HashingTree(PartialTree(whole) { names.contains($0.name) }, of: whole)
    } else {
      tree = HashingTree(whole)
    }
    let options = ReadOptions(idField: backup.manifest.idField.flatMap(JSONPointer.init))
    let wanted = Survey(rules: false)
    if let damage = try Self.damage({
      try store.format.read(tree, options, wanted)
      try tree.finish(wanted)
    }) {
      result.add(.damagedMember, "the verbatim files: \(damage)", path: path.string)
    }
    try wanted.finish()
    for finding in wanted.log.findings where finding.code == .damagedMember {
      result.log.add(finding)
    }
    result.digest = wanted.digest()
    if result.isGood {
      result.holding.append(.verbatim)
    } else if wanted.total == 0 {
      // Which records the context had is not known any more.
      return result
    }
    for encoding in backup.encodings where encoding != .verbatim {
      try result.check(wanted, in: encoding, of: backup, tree, store.format, formats)
    }
    if !result.isGood { result.noteHolding(backup) }
    return result
  }

  /// Whether an encoding has all records of `wanted`, be it damaged elsewhere.
  private mutating func check(
    _ wanted: Survey, in encoding: Encoding, of backup: BackupFile, _ tree: HashingTree,
    _ format: StoreFormat, _ formats: [StoreFormat]
  ) throws {
    let found = Survey(rules: false)
    let damage = try Self.damage {
      try backup.read(encoding, formats: formats, into: found)
    }
    try found.finish()
    let missing = wanted.records.difference(from: found.records).onlyHere
    guard !missing.isEmpty else {
      holding.append(encoding)
      return
    }
    add(
      damage == nil ? .encodingsDisagree : .damagedMember,
      "\(encoding.title) lacks \(missing.count) of \(wanted.total) records"
        + (damage.map { ": \($0)" } ?? ""), path: backup.path.string)
    let named = Set(missing.prefix(20))
    let survey = Survey(rules: false)
    var labels: [String] = []
    survey.onRecord = { record, hash in
      if named.contains(hash) { labels.append(record.label) }
    }
    _ = try Self.damage { try format.read(tree, ReadOptions(), survey) }
    try survey.finish()
    for label in labels {
      log.add(
        Finding(
          .error, .encodingsDisagree, "missing from \(encoding.title)",
          path: backup.path.string, record: label))
    }
  }

  /// Why `body` could not read to the end; nil if it could.
  private static func damage(_ body: () throws -> Void) throws -> String? {
    do { try body() } catch let error as ArchiveError where error.cause == nil {
      return error.message
    } catch let error as SnapshotError {
      return error.message
    } catch let error as JSONError {
      return "\(error.reason.rawValue), at byte \(error.offset) of it"
    } catch let error as RTFSError {
      return "\(error)"
    }
    return nil
  }
}
