import Disk
import SystemPackage

/// What went wrong with an archive: which one, where in it, and what the person can do next.
package struct ArchiveError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// The file is neither zstd, gzip nor tar.
    case notArchive = "not-an-archive"
    /// Bytes that contradict their own checksum, size or syntax.
    case damaged
    /// The archive ends before its time.
    case truncated
    /// A member name that is empty, absolute or climbs out.
    case unsafePath = "unsafe-path"
    /// A link, device, FIFO or sparse file: nothing that a backup holds.
    case unsupportedMember = "unsupported-member"
    case duplicateMember = "duplicate-member"
    /// A frame too large to be held in memory whole.
    case tooLarge = "too-large"
    /// A compression setting that cannot be understood.
    case invalidSetting = "invalid-setting"
    /// The file is no longer the one that was opened.
    case changed = "changed-while-reading"
    /// The file system or a library refused.
    case failed = "io"
  }

  package var code: Code
  package var message: String
  package var path: FilePath?
  /// Byte offset in the file: the start of the frame concerned, where it is compressed.
  package var offset: Int?
  /// The name of the member concerned, as stored.
  package var member: [UInt8]?
  package var cause: DiskError?
  package var hint: String?

  package init(
    _ code: Code, _ message: String, path: FilePath? = nil, offset: Int? = nil,
    member: [UInt8]? = nil, cause: DiskError? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.offset = offset
    self.member = member
    self.cause = cause
    self.hint = hint
  }

  init(_ cause: DiskError) {
    self.init(
      cause.code == .changed ? .changed : .failed, cause.message, path: cause.path,
      offset: cause.offset, cause: cause, hint: cause.hint)
  }

  package var description: String {
    var text = path.map { "\($0): " } ?? ""
    if let member { text += "member '\(MemberPath.printable(member))': " }
    text += message
    if let offset { text += " (byte \(offset))" }
    return text
  }
}
