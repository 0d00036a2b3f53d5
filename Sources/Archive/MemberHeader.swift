import LosslessJSON

/// What an archive says of a member, apart from its content.
package struct MemberHeader: Sendable, Equatable {
  package enum Kind: Sendable, Equatable { case regular, directory }

  /// The name; a header that was read has it as `MemberPath.bytes`, without a final `/`.
  package var path: [UInt8]
  package var kind: Kind
  /// Bytes of content; 0 for a directory.
  package var size: Int
  /// Permission bits, 0 to 0o7777.
  package var mode: Int
  /// Seconds since 1970.
  package var seconds: Int
  /// The nanoseconds beyond them, 0 to 999,999,999.
  package var nanoseconds: Int

  package init(
    path: [UInt8], kind: Kind = .regular, size: Int, mode: Int, seconds: Int,
    nanoseconds: Int = 0
  ) {
    self.path = path
    self.kind = kind
    self.size = size
    self.mode = mode
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// The pieces of a tar file (POSIX.1-2001, pax interchange format): for each member its header,
/// its content and the padding, and the end mark after the last.
package enum Tar {
  /// Everything in a tar file is a multiple of this many bytes.
  package static let blockSize = 512
  /// No archive has as much content: whatever is reckoned below it cannot overflow.
  package static let sizeLimit = 1 << 60
  /// Two blocks of zeros.
  package static let endOfArchive = [UInt8](repeating: 0, count: 2 * blockSize)

  /// How many zero bytes follow `size` bytes of content.
  package static func padding(after size: Int) -> Int {
    let rest = size % blockSize
    return rest == 0 ? 0 : blockSize - rest
  }

  /// The header blocks of a member, extended header included: owner 0, no user names, no times
  /// but `mtime`, so that the same header always gives the same bytes. Throws `unsafePath` for a
  /// name that `MemberPath` refuses, `unsupportedMember` for a directory with content and
  /// numbers that no file has.
  package static func header(_ member: MemberHeader) throws(ArchiveError) -> [UInt8] {
    var member = member
    member.path = try MemberPath(member.path).bytes
    guard member.size >= 0, member.kind == .regular || member.size == 0,
      (0...0o7777).contains(member.mode), (0..<1_000_000_000).contains(member.nanoseconds)
    else {
      throw ArchiveError(
        .unsupportedMember, "size, mode or time is not one that a file can have",
        member: member.path)
    }
    return try LibArchive.header(member)
  }
}

/// A member of an archive, and where it is.
package struct Member: Sendable, Equatable {
  package var header: MemberHeader
  /// Where the header starts, extended header included: an offset into the content.
  package var headerOffset: Int
  /// Where the member's own bytes start, `header.size` of them: an offset into the content.
  package var contentOffset: Int
}
