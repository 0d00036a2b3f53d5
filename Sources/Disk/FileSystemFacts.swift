import Glibc
import SystemPackage

/// What a file system says of itself.
package struct FileSystemFacts: Sendable, Equatable {
  /// Bytes that this user may still write.
  package var free: Int
  /// Bytes in all.
  package var size: Int
  package var isReadOnly: Bool
  /// Whether it counts files, and has none left.
  package var isOutOfFiles: Bool

  /// Looks at the file system that `path` is on, or would be on if it were made.
  package init(holding path: FilePath) throws(DiskError) {
    var place = path.isEmpty ? FilePath(".") : path
    while try FileFacts(at: place) == nil {
      let parent = place.removingLastComponent()
      if parent == place { break }
      place = parent.isEmpty ? FilePath(".") : parent
    }
    var info = statvfs()
    guard place.withPlatformString({ statvfs($0, &info) }) == 0 else {
      throw DiskError("cannot look at the file system", place, Errno(rawValue: errno))
    }
    let unit = Int(clamping: info.f_frsize)
    // A file system that counts no blocks at all does not know.
    free =
      info.f_blocks == 0
      ? .max : Int(clamping: info.f_bavail).multipliedReportingOverflow(by: unit).partialValue
    size = Int(clamping: info.f_blocks).multipliedReportingOverflow(by: unit).partialValue
    isReadOnly = info.f_flag & UInt(ST_RDONLY) != 0
    isOutOfFiles = info.f_files > 0 && info.f_favail == 0
  }
}
