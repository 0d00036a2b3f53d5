import Records
import SystemPackage

/// A place that something new is to take. It is staged beside the place, then put there in one
/// step where the file system can do that: whoever looks finds the old or the new, killed anywhere
/// or not. What was there is kept as an undo copy.
package struct Replacement: Sendable {
  /// Absolute.
  package let target: FilePath
  /// Where what is there now will go; nil where there is nothing but what stays.
  package let undo: FilePath?
  /// Directories in a directory that stay in their place, by name: they are linked into the new
  /// one, and taken out of the undo copy.
  package let kept: [FilePath.Component]
  private let isEmptyDirectory: Bool
  private let time: Int

  /// Looks at the target and writes nothing.
  /// - Parameter time: unix seconds, for the name of the undo copy.
  /// - Parameter keeping: names of directories in the target that stay in their place.
  package init(of target: FilePath, time: Int, keeping: [String] = []) throws {
    self.target = Disk.absolute(target)
    self.time = time
    var (kept, isOccupied): ([FilePath.Component], Bool) = ([], false)
    let facts = try FileFacts(at: self.target, following: false)
    if let facts {
      isOccupied = facts.kind != .directory
      for name in isOccupied ? [] : try TreeWalk.names(in: self.target) {
        let isKept =
          try keeping.contains(name.string)
          && FileFacts(at: self.target.appending(name), following: false)?.kind == .directory
        if isKept { kept.append(name) } else { isOccupied = true }
      }
    }
    self.kept = kept
    isEmptyDirectory = facts?.kind == .directory && kept.isEmpty && !isOccupied
    undo = isOccupied ? try Self.undoPath(for: self.target, time: time) : nil
  }

  /// Whether the place can be taken without a word of whom it belongs to: nothing is there, or for
  /// a directory an empty one.
  package func isFree(forFile isFile: Bool) -> Bool {
    undo == nil && !(isFile && isEmptyDirectory)
  }

  /// A free name beside the target for what is there now.
  package static func undoPath(for target: FilePath, time: Int) throws(DiskError) -> FilePath {
    let name = target.lastComponent?.string ?? "target"
    let ending = ".undo-\(ISOTime(seconds: time).compactText)"
    // Room is left for the number of one more, and for the ending itself.
    let stem = Disk.shortened(name, to: Disk.nameLimit - ending.utf8.count - 5) + ending
    var number = 1
    while true {
      let path = target.removingLastComponent().appending(number == 1 ? stem : "\(stem)-\(number)")
      if try FileFacts(at: path, following: false) == nil { return path }
      number += 1
    }
  }

  /// Makes a directory beside the target, lets `stage` fill it, and puts the file or directory that
  /// `stage` returns, in it or itself, in the target's place, durable. On any failure the target is
  /// as it was and nothing is left. Throws `exists` where a database's log lies beside the target.
  /// - Parameter lastly: is given what `stage` returned once what stays has been linked into it, to
  ///   set modes and times.
  /// - Parameter isStill: asked before and after the step whether what is at the path it is given
  ///   still is what was read; where it is not, all stays as it was, and `changed` is thrown.
  package func perform<Result>(
    _ stage: (FilePath) throws -> (root: FilePath, result: Result),
    lastly: (FilePath) throws -> Void = { _ in },
    isStill: (FilePath) throws -> Bool = { _ in true }
  ) throws -> Result {
    try Disk.checkNoLog(of: target)
    try Disk.makeDirectory(target.removingLastComponent())
    try Disk.clearLeftovers(of: target)
    let staging = Disk.temporaryPath(for: target)
    do {
      try Disk.makeDirectory(staging, durably: false)
      let (root, result) = try stage(staging)
      try Disk.syncTree(staging)
      for name in kept {
        try Disk.link(treeAt: target.appending(name), to: root.appending(name))
      }
      try lastly(root)
      if root != staging { try Disk.syncDirectory(staging) }
      if try FileFacts(at: root, following: false)?.kind == .directory {
        try Disk.syncDirectory(root)
      }
      try put(root, isStill)
      try Disk.remove(staging)
      return result
    } catch {
      try? Disk.remove(staging)
      throw error
    }
  }

  /// Removes what runs that were killed have left; for who finds that nothing is to be replaced.
  package func clearLeftovers() throws { try Disk.clearLeftovers(of: target) }

  private func put(_ root: FilePath, _ isStill: (FilePath) throws -> Bool) throws {
    guard try isStill(target) else { throw changed }
    guard undo != nil || !kept.isEmpty else {
      // A rename puts a directory in the place of an empty one, but no file.
      if isEmptyDirectory, try FileFacts(at: root, following: false)?.kind != .directory {
        try Disk.removeEmptyDirectory(target)
      }
      try Disk.rename(root, to: target, replacing: false)
      return try Disk.syncDirectory(of: target)
    }
    // Never a temporary name: what lies there may be the only copy for a moment.
    let undo = try undo ?? Self.undoPath(for: target, time: time)
    try Disk.rename(root, to: undo, replacing: false)
    let isExchanged: Bool
    do { isExchanged = try Disk.exchange(undo, target) } catch {
      try? Disk.rename(undo, to: root, replacing: false)
      throw error
    }
    if !isExchanged {
      try Disk.rename(undo, to: root, replacing: false)
      try Disk.rename(target, to: undo, replacing: false)
      do { try Disk.rename(root, to: target, replacing: false) } catch {
        try? Disk.rename(undo, to: target, replacing: false)
        throw error
      }
    } else if try !isStill(undo) {
      if try Disk.exchange(undo, target) { try Disk.rename(undo, to: root, replacing: false) }
      throw changed
    }
    try Disk.syncDirectory(of: target)
    for name in kept {
      try Disk.removeLinked(undo.appending(name), alsoAt: target.appending(name))
    }
    if self.undo == nil, try TreeWalk.names(in: undo).isEmpty { try Disk.remove(undo) }
  }

  private var changed: DiskError {
    DiskError(
      .changed, "was changed meanwhile, and is left as it is", path: target,
      hint: "stop the program that writes to it, and run it again")
  }
}
