import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// How one file takes the place of another, and what a run that was killed meanwhile has left.
extension RecoveryPlan {
  /// Names the undo copy that a run was going to make use of: it is there while the logs of a
  /// database are taken away and the database is replaced.
  static let markName = ".swapping"

  /// Logs of databases that a killed run had taken away before it came to replace the database,
  /// each with the place that it was taken from.
  func takenLogs() throws -> [(kept: FilePath, place: FilePath)] {
    let mark = folder.appending(Self.markName)
    guard try FileFacts(at: mark)?.isRegular == true else { return [] }
    var name = ByteBuffer()
    _ = try InputFile(opening: mark).read(at: 0, into: &name, atMost: 4096)
    guard let part = FilePath(bytes: name.array)?.lastComponent, part.kind == .regular else {
      return []
    }
    var found: [(kept: FilePath, place: FilePath)] = []
    let tree = try DiskTree(request.store)
    for (index, file) in tree.files.enumerated() where !file.isDirectory {
      let kept = folder.appending(part).pushing(file.name)
      // Only beside the very database that they were taken from.
      guard try FileFacts(at: kept) != nil, try Self.isSame(kept, tree.path(index)) else {
        continue
      }
      for (log, ending) in try Disk.logs(of: kept) {
        let place = tree.path(index).followed(by: ending)
        if try FileFacts(at: place) == nil { found.append((log, place)) }
      }
    }
    return found
  }

  /// Puts them back: what they hold is in no other file.
  func undoInterrupted() throws {
    for (kept, place) in try takenLogs() { try Disk.copy(fileAt: kept, to: place, durably: true) }
    try Disk.remove(folder.appending(Self.markName))
  }

  static func isSame(_ a: FilePath, _ b: FilePath) throws -> Bool {
    guard let facts = try FileFacts(at: b), facts.isRegular,
      try FileFacts(at: a)?.size == facts.size
    else { return false }
    return try InputFile(opening: a).hash() == InputFile(opening: b).hash()
  }

  static func swapIn(
    _ source: FilePath, at target: FilePath, over before: FileFacts?
  ) throws {
    try Disk.makeDirectory(target.removingLastComponent())
    let mode = before?.mode ?? 0o600
    try Disk.clearLeftovers(of: target)
    let input = try InputFile(opening: source)
    var output = try OutputFile(for: target, mode: 0o600)
    var bytes = ByteBuffer()
    var at = 0
    while true {
      let count = try input.read(at: at, into: &bytes, atMost: 1 << 20)
      if count == 0 { break }
      try output.write(bytes.span)
      at += count
      bytes.removeAll()
    }
    if before != nil { Disk.giveOwner(of: target, to: output.temporaryPath) }
    try Disk.setMode(output.temporaryPath, mode)
    try output.publish(over: before)
  }

  /// Removes what a run that was killed as it swapped a file in has left beside that: the damaged
  /// file, of which there is an undo copy. Does nothing where there was never a run.
  package func clearLeftovers() throws {
    guard try FileFacts(at: folder)?.kind == .directory else { return }
    let lock = try StoreLock(folder.appending(".lock"), waitingUpTo: request.lockWait)
    defer { withExtendedLifetime(lock) {} }
    if isSingleFile { return try Disk.clearLeftovers(of: Disk.absolute(request.store)) }
    let tree = try DiskTree(request.store)
    let names = try Set(tree.files.indices.map { tree.path($0).removingLastComponent() })
      .flatMap { directory in
        try TreeWalk.names(in: directory).filter { OutputFile.isTemporary($0.string) }
          .map { directory.appending($0) }
      }
    if names.isEmpty { return }
    for (index, file) in tree.files.enumerated() where !file.isDirectory {
      try Disk.clearLeftovers(of: tree.path(index))
    }
  }
}
