import Glibc
import LosslessJSON
import SystemPackage

/// A lock in the manner of programs that know no `flock`: a file that is made exclusively and
/// removed afterwards. Held for as long as the value lives.
///
/// Take a `StoreLock` before, so that of our own processes only one tries at a time.
package struct ForeignLock: ~Copyable {
  private let path: FilePath

  /// Makes the file `path`; waits up to `seconds` for whoever has it. One that is older than
  /// `staleAfter` seconds is taken for left over, as its owners take it; one of ours at once when
  /// its process is gone. Throws `locked`.
  package init(_ path: FilePath, waitingUpTo seconds: Double, staleAfter: Double)
    throws(DiskError)
  {
    self.path = path
    let deadline = Clock.now + seconds
    while true {
      let opened = path.withPlatformString {
        open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
      }
      if opened >= 0 {
        let descriptor = FileDescriptor(rawValue: opened)
        defer { try? descriptor.close() }
        var text = ByteBuffer()
        text.append(utf8: "\(Self.mark)\(getpid())")
        try? Disk.write(text.span, to: descriptor, path: path)
        return
      }
      let cause = Errno(rawValue: errno)
      guard cause == .fileExists else { throw DiskError("cannot lock", path, cause) }
      if try Self.isLeftOver(path, staleAfter) {
        _ = path.withPlatformString { unlink($0) }
        continue
      }
      guard Clock.now < deadline else {
        throw DiskError(
          .locked, "is locked by another program", path: path,
          hint: "wait for it to end; a lock that nobody holds goes away by itself after "
            + "\(Int(staleAfter)) seconds")
      }
      try Interruption.check()
      usleep(2000)
    }
  }

  private static let mark = "holdfast "

  private static func isLeftOver(_ path: FilePath, _ staleAfter: Double) throws(DiskError) -> Bool {
    guard let facts = try FileFacts(at: path, following: false) else { return false }
    let age = Clock.wall - Double(facts.modified.seconds) - Double(facts.modified.nanoseconds) / 1e9
    if age > staleAfter { return true }
    guard facts.isRegular, facts.size > 0, facts.size < 64, let file = try? InputFile(opening: path)
    else { return false }
    var bytes = ByteBuffer()
    _ = try? file.read(at: 0, into: &bytes, atMost: 64)
    let text = String(decoding: bytes.array, as: UTF8.self)
    guard text.hasPrefix(mark), let number = Int32(text.dropFirst(mark.count)) else { return false }
    return number != getpid() && !Disk.processExists(number)
  }

  deinit { _ = path.withPlatformString { unlink($0) } }
}
