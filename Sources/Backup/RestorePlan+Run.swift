import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

extension RestorePlan {
  /// Stages the store beside the target, verifies what was written, then swaps it in. On any
  /// failure the target is as it was.
  package func run(formats: [StoreFormat]) throws -> RestoreResult {
    var result = RestoreResult(
      restored: files.filter { !$0.isDirectory }.map { target.pushing($0.name) },
      digest: try expectedDigest(), records: 0, undo: undo, isUnchanged: isUnchanged)
    if case .backup(let backup) = source { result.isSuspect = backup.manifest.isSuspect }
    if isUnchanged {
      try replacement.clearLeftovers()
      return result
    }
    do {
      return try replacement.perform(
        { staging in
          if let copy {
            result = try stage(copy, in: staging, result)
          } else if let writeFiles {
            result.restored = try writeFiles(staging).map { target.pushing($0) }
            result.records = try check(staging, against: result.digest).total
          } else {
            result.records = try stageAll(in: staging)
          }
          if try isThere(staging) { throw AlreadyThere(result: result) }
          return (staging, result)
        },
        lastly: { root in
          guard case .backup(let backup) = source, let facts = backup.manifest.root else { return }
          try Disk.setFacts(root, mode: facts.mode, modified: (facts.seconds, facts.nanoseconds))
        })
    } catch let found as AlreadyThere {
      result = found.result
      (result.isUnchanged, result.undo) = (true, nil)
      return result
    }
  }

  /// The target has what was staged.
  private struct AlreadyThere: Error { let result: RestoreResult }

  /// Whether the target has the very bytes that were written anew and is to stay as it is then.
  private func isThere(_ staging: FilePath) throws -> Bool {
    guard request.overwrite == .ifChanged, undo != nil, copy != nil || kept != nil else {
      return false
    }
    return try Self.holds(target, DiskTree(staging), withFacts: false)
  }

  /// Throws what `run` would throw for records that the kind has no place for. Leaves nothing.
  /// Returns what `run` would tell of the records.
  package func rehearse() throws -> RestoreResult? {
    guard let copy, !isUnchanged else { return nil }
    let result = RestoreResult(restored: [], digest: try expectedDigest(), records: 0)
    return try Rehearsal.run { staging in
      var found = try stage(copy, in: staging, result)
      found.isUnchanged = try isThere(staging)
      return found
    }
  }

  private func expectedDigest() throws -> Hash256 {
    switch source {
    case .backup(let backup):
      guard request.contexts.isEmpty else {
        return try Survey.read(tree, as: format, rules: false).digest()
      }
      return backup.manifest.digest
    case .snapshot(let tree, let format):
      let survey = try Survey.read(tree, as: format, rules: false)
      if let finding = survey.log.findings.first(where: { $0.severity == .error }) {
        throw BackupError(
          .verificationFailed, "is damaged: \(finding.message)", path: finding.path,
          line: finding.line, offset: finding.offset,
          hint: "salvage recovers what is left of it")
      }
      return survey.digest()
    }
  }

  private var tree: any StoreTree {
    get throws {
      if let kept { return kept.tree }
      switch source {
      case .backup(var backup):
        backup.onRead = onRead
        let tree = try BackupTree(backup)
        // Files of contexts; where records of one file are meant, the kind of store sees to it.
        guard !request.contexts.isEmpty, !tree.isSingleFile else { return tree }
        let wanted = Set(files.map(\.name))
        return PartialTree(tree) { wanted.contains($0.name) }
      case .snapshot(let tree, _): return tree
      }
    }
  }

  /// Writes every file, hashes it again from the disk, and reads the store that came of it.
  private func stageAll(in staging: FilePath) throws -> Int {
    let tree = try tree
    for (index, file) in tree.files.enumerated() {
      let path = staging.pushing(file.name)
      if file.isDirectory {
        try Disk.makeDirectory(path, durably: false)
        continue
      }
      let written = try copy(tree.open(index), to: path)
      let expected = Self.entry(index, of: tree)?.sha256 ?? written
      guard written == expected, try InputFile(opening: path).hash() == expected else {
        throw BackupError(
          .verificationFailed, "does not have the hash that the manifest names",
          path: tree.displayPath(index),
          hint: "nothing was restored; holdfast verify tells which encodings still hold")
      }
    }
    let survey = try check(staging, against: expectedDigest())
    for file in tree.files.reversed() {
      let path = staging.pushing(file.name)
      try Disk.setFacts(
        path, mode: file.mode, modified: (file.modifiedSeconds, file.modifiedNanoseconds))
    }
    return survey.total
  }

  private static func entry(_ index: Int, of tree: any StoreTree) -> Manifest.Entry? {
    if let part = tree as? PartialTree { return entry(part.places[index], of: part.base) }
    return (tree as? BackupTree)?.entry(index)
  }

  private func copy(_ stream: ByteStream, to path: FilePath) throws -> Hash256 {
    let output = try StagedFile(path)
    var hasher = Hasher256()
    var block = ByteBuffer()
    while try stream.read(into: &block, atMost: 256 << 10) > 0 {
      hasher.update(block.span)
      try output.write(block.span)
      block.removeAll()
    }
    try output.close()
    return hasher.finish()
  }

  /// Reads the staged store and compares its digest.
  private func check(_ staging: FilePath, against digest: Hash256) throws -> Survey {
    var root = staging
    if try tree.isSingleFile, let file = files.first(where: { !$0.isDirectory }) {
      root = staging.pushing(file.name)
    }
    var options = ReadOptions()
    if case .backup(let backup) = source {
      options.idField = backup.manifest.idField.flatMap(JSONPointer.init)
    }
    let survey = try Survey.read(DiskTree(root), as: format, options: options, rules: false)
    guard survey.digest() == digest else {
      throw BackupError(
        .verificationFailed, "what was written does not have the digest of the backup",
        path: sourcePath.string, hint: "nothing was restored; check the disk and run it again")
    }
    return survey
  }

  private func stage(
    _ copy: StoreCopy, in staging: FilePath, _ plan: RestoreResult
  ) throws -> RestoreResult {
    let copied: StoreOutput.Result?
    do { copied = try copy.run(into: staging) } catch let error as StoreError
      where error.code == .verificationFailed
    {
      throw BackupError(
        .verificationFailed, error.message, path: sourcePath.string,
        hint: "nothing was restored; restore it as it is, without --as")
    }
    guard let written = copied else {
      throw BackupError(
        .notFound, "holds no such record: \(tally?.unmatched.joined(separator: ", ") ?? "")",
        path: sourcePath.string,
        hint:
          "nothing was restored; holdfast search \(sourcePath) WORDS finds records by their words")
    }
    guard !request.selection.isEmpty || written.digest == plan.digest else {
      throw BackupError(
        .verificationFailed, "what was written does not have the digest of the backup",
        path: sourcePath.string, hint: "nothing was restored; check the disk and run it again")
    }
    var result = plan
    result.digest = written.digest
    result.records = written.total
    result.unmatched = tally?.unmatched ?? []
    result.log = written.losses
    result.restored = []
    try TreeWalk.walk(staging) { entry in
      if entry.facts.isRegular { result.restored.append(target.pushing(entry.name)) }
      return true
    }
    return result
  }
}
