import Glibc
import LosslessJSON
import SystemPackage

extension Disk {
  /// Copies a file byte for byte, with its mode, its time of last change and, as far as this
  /// process may give it away, its owner.
  /// - Parameter durably: for a copy in a directory that people look into already.
  package static func copy(
    fileAt source: FilePath, to target: FilePath, durably: Bool = false
  ) throws {
    let input = try InputFile(opening: source)
    let facts = try input.facts()
    let output = try StagedFile(target)
    var bytes = ByteBuffer()
    var at = 0
    while try input.read(at: at, into: &bytes, atMost: 1 << 20) > 0 {
      try output.write(bytes.span)
      at += bytes.count
      bytes.removeAll()
    }
    try output.close()
    giveOwner(of: source, to: target)
    try setFacts(target, mode: facts.mode, modified: facts.modified)
    if durably { try syncFile(target) }
  }

  /// Makes a symbolic link that says what another one says.
  package static func copy(linkAt source: FilePath, to target: FilePath) throws(DiskError) {
    var text = [CChar](repeating: 0, count: 4097)
    let count = source.withPlatformString { readlink($0, &text, text.count - 1) }
    guard count >= 0 else { throw DiskError("cannot read", source, Errno(rawValue: errno)) }
    let result = target.withPlatformString { symlink(text, $0) }
    guard result == 0 else { throw DiskError("cannot link", target, Errno(rawValue: errno)) }
  }

  /// Gives `target` the owner and group that `source` has, if that is allowed: only a privileged
  /// process may, and only there can they differ.
  package static func giveOwner(of source: FilePath, to target: FilePath) {
    var info = stat()
    guard source.withPlatformString({ lstat($0, &info) }) == 0 else { return }
    _ = target.withPlatformString { lchown($0, info.st_uid, info.st_gid) }
  }

  /// Takes away the second names below `directory` of files that lie below `kept` as well, then
  /// the directory if that leaves it empty. Anything else, such as what another run has written
  /// meanwhile, stays where it is.
  package static func removeLinked(_ directory: FilePath, alsoAt kept: FilePath) throws {
    var isEmpty = true
    try TreeWalk.walk(directory) { entry in
      if entry.facts.kind == .directory { return true }
      let other = try FileFacts(at: kept.pushing(entry.name), following: false)
      if let other, other.inode == entry.facts.inode, other.device == entry.facts.device {
        try remove(directory.pushing(entry.name))
      } else {
        isEmpty = false
      }
      return true
    }
    if isEmpty { try remove(directory) }
  }
}
