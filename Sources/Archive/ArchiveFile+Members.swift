import LosslessJSON

extension ArchiveFile {
  /// The members in order, headers only: where the sizes of the frames are known, bodies are
  /// skipped and not decompressed.
  ///
  /// Throws for whatever a backup does not have: `unsafePath` for names that `MemberPath`
  /// refuses, `unsupportedMember` for links, devices, FIFOs and sparse files, `duplicateMember`,
  /// `truncated` for a size beyond the end and for an archive without its end mark, `damaged`
  /// for anything but zeros behind the end mark and all that libarchive or libzstd object to,
  /// `notArchive` for content that does not begin as a tar file does.
  package func members() throws -> [Member] {
    do { return try readMembers() } catch { throw located(error) }
  }

  /// The first member alone: what is wrong with the archive behind its header does not matter.
  /// Nil for an archive without members; throws like `members`, and `notArchive` where the
  /// content does not begin as a tar file does.
  package func firstMember() throws -> Member? {
    do {
      let reader = try LibArchiveReader(try stream())
      try reader.openTar()
      guard let header = try reader.nextHeader() else { return nil }
      return try Member(header, try MemberPath(header.path), 0)
    } catch { throw located(error) }
  }

  private func readMembers() throws -> [Member] {
    let reader = try LibArchiveReader(try stream())
    try reader.openTar()
    var members: [Member] = []
    var seen: Set<MemberPath> = []
    // Where the next header, or the end mark, has to stand.
    var end = 0
    while let header = try reader.nextHeader() {
      let path = try MemberPath(header.path)
      let member = try Member(header, path, end)
      guard seen.insert(path).inserted else {
        throw ArchiveError(.duplicateMember, "comes twice", member: header.path)
      }
      let (bodyEnd, overflow) = member.contentOffset.addingReportingOverflow(member.header.size)
      let (paddedEnd, overflow2) = bodyEnd.addingReportingOverflow(
        Tar.padding(after: member.header.size))
      guard !overflow, !overflow2, paddedEnd <= contentSize ?? Tar.sizeLimit
      else {
        throw ArchiveError(
          .truncated, "claims \(member.header.size) bytes, more than the archive has",
          member: header.path)
      }
      end = paddedEnd
      members.append(member)
    }
    try reader.drain()
    guard reader.position >= end + Tar.endOfArchive.count else {
      throw ArchiveError(.truncated, "the archive ends without its end mark")
    }
    guard reader.lastContent <= end else {
      throw ArchiveError(.damaged, "the end mark of the archive is followed by more than zeros")
    }
    return members
  }
}

extension Member {
  /// `start`: where the header has to stand, right behind the member before.
  fileprivate init(_ header: LibArchiveReader.Header, _ path: MemberPath, _ start: Int)
    throws(ArchiveError)
  {
    func refusal(_ reason: String) -> ArchiveError {
      ArchiveError(.unsupportedMember, reason, member: header.path)
    }
    let kind: MemberHeader.Kind
    if header.isLink { throw refusal("is a link") }
    switch header.type {
    case LibArchive.regularType: kind = .regular
    case LibArchive.directoryType: kind = .directory
    default: throw refusal("is neither a regular file nor a directory")
    }
    if header.isSparse { throw refusal("is stored as a sparse file") }
    guard header.size >= 0, kind == .regular || header.size == 0 else {
      throw refusal("has an impossible size")
    }
    guard header.headerOffset == start, header.contentOffset % Tar.blockSize == 0 else {
      throw ArchiveError(.damaged, "its header is not where it should be", member: header.path)
    }
    self.init(
      header: MemberHeader(
        path: path.bytes, kind: kind, size: header.size, mode: header.mode,
        seconds: header.seconds, nanoseconds: header.nanoseconds),
      headerOffset: header.headerOffset, contentOffset: header.contentOffset)
  }
}
