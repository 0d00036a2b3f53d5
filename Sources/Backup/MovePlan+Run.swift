import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// What `move` came to.
package struct MoveResult: Sendable {
  package var digest: Hash256
  /// The store as it was.
  package var undo: FilePath?
}

extension MovePlan {
  /// Stages the whole store anew beside itself, proves it, and makes the two change places in one
  /// step. On any failure, and where another program writes to it meanwhile, it stays as it is.
  package func run() throws -> MoveResult {
    let parent = store.removingLastComponent()
    let lock = try StoreLock(
      directory: parent.isEmpty ? FilePath(".") : parent, isShared: false,
      waitingUpTo: request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    guard total > 0 else {
      try replacement.clearLeftovers()
      return MoveResult(digest: digest, undo: nil)
    }
    return try replacement.perform(
      { staging in
        let root = isSingleFile ? staging.pushing(targetFile) : staging
        if isSingleFile {
          try write(0, to: root)
        } else {
          try stage(in: staging)
        }
        guard try isStill(store) else {
          throw DiskError(
            .changed, "was changed meanwhile, and is left as it is", path: store,
            hint: "stop the program that writes to it, and run it again")
        }
        let survey = try Survey.read(DiskTree(root), as: .memoryGraph, rules: false)
        guard !survey.hasErrors, survey.digest() == newDigest else {
          throw BackupError(
            .verificationFailed, "what was written does not hold the records of the store",
            path: store.string, hint: "nothing was moved; check the disk and run it again")
        }
        return (root, MoveResult(digest: newDigest, undo: replacement.undo))
      }, isStill: isStill)
  }

  /// Whether what lies at `path` is what was read.
  private func isStill(_ path: FilePath) throws -> Bool {
    do { return try Self.facts(of: path, tree) == facts } catch let error as DiskError
      where error.code == .notFound
    {
      return false
    }
  }

  /// Every file of the directory, those that change with their changes.
  private func stage(in staging: FilePath) throws {
    var numbers: [FilePath: Int] = [:]
    for (number, file) in tree.files.enumerated() { numbers[file.name] = number }
    var directories = [FilePath("")]
    try TreeWalk.walk(store) { entry in
      if replacement.kept.contains(where: { FilePath(root: nil, [$0]) == entry.name }) {
        return false
      }
      let (source, target) = (store.pushing(entry.name), staging.pushing(entry.name))
      switch entry.facts.kind {
      case .directory:
        try Disk.makeDirectory(target, durably: false)
        directories.append(entry.name)
      case .symbolicLink: try Disk.copy(linkAt: source, to: target)
      case .regular:
        if let number = numbers[entry.name], edits[number] != nil || entry.name == targetFile {
          try write(number, to: target)
        } else {
          try Disk.copy(fileAt: source, to: target)
        }
      case .other:
        throw BackupError(
          .refused, "is neither a file nor a directory, and cannot be kept", path: source.string,
          hint: "nothing was moved; take it out of the store")
      }
      return true
    }
    if numbers[targetFile] == nil { try begin(staging.pushing(targetFile)) }
    for name in directories.reversed() {
      let (source, target) = (store.pushing(name), staging.pushing(name))
      guard let facts = try FileFacts(at: source) else { continue }
      Disk.giveOwner(of: source, to: target)
      try Disk.setFacts(target, mode: facts.mode, modified: facts.modified)
    }
  }

  /// A context that is new: what comes to it.
  private func begin(_ path: FilePath) throws {
    let output = try StagedFile(path)
    try copyArrivals(to: output)
    try output.close()
    guard let like = edits.keys.min() else { return }
    Disk.giveOwner(of: tree.path(like), to: path)
    try Disk.setMode(path, tree.files[like].mode)
  }

  private func copyArrivals(to output: StagedFile) throws {
    var block = ByteBuffer()
    var at = 0
    while at < arrivals.count {
      block.removeAll()
      let length = min(256 << 10, arrivals.count - at)
      try arrivals.read(at: at, count: length, into: &block)
      try output.write(block.span)
      at += length
    }
  }

  /// A file with its edits, and what comes to it behind its last line. All other bytes stay.
  private func write(_ number: Int, to path: FilePath) throws {
    let input = try tree.input(number)
    let output = try StagedFile(path)
    let size = try input.facts().size
    var block = ByteBuffer()
    var at = 0
    var last: UInt8 = 0x0A
    func copy(upTo end: Int) throws {
      while at < end {
        block.removeAll()
        let count = try input.read(at: at, into: &block, atMost: min(256 << 10, end - at))
        guard count > 0 else {
          throw DiskError(.changed, "became shorter while it was read", path: input.path)
        }
        try output.write(block.span)
        last = block[block.count - 1]
        at += count
      }
    }
    for edit in edits[number] ?? [] {
      try copy(upTo: edit.offset)
      at += Int(edit.length)
      if edit.textLength > 0 {
        block.removeAll()
        try texts.read(at: edit.textStart, count: Int(edit.textLength), into: &block)
        try output.write(block.span)
        last = block[block.count - 1]
      } else {
        at += try lineEnd(input, at)
      }
    }
    try copy(upTo: size)
    if !isSingleFile, tree.files[number].name == targetFile {
      if last != 0x0A { try output.write("\n") }
      try copyArrivals(to: output)
    }
    try output.close()
    Disk.giveOwner(of: tree.path(number), to: path)
    try Disk.setMode(path, tree.files[number].mode)
  }

  /// The length of the white space and the line feed that follow.
  private func lineEnd(_ input: borrowing InputFile, _ start: Int) throws -> Int {
    var bytes = ByteBuffer()
    var length = 0
    while true {
      bytes.removeAll()
      guard try input.read(at: start + length, into: &bytes, atMost: 1) > 0 else { return length }
      switch bytes[0] {
      case 0x0A: return length + 1
      case 0x20, 0x09, 0x0D: length += 1
      default: return length
      }
    }
  }
}
