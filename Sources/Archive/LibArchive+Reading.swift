import CLibArchive
import Glibc
import LosslessJSON

/// A libarchive reader over a `ContentStream`: one of the three files of this room that touch
/// raw memory. The block that libarchive looks into lives as long as the reader does.
final class LibArchiveReader {
  /// What a tar header says; the path is as stored.
  struct Header {
    var path: [UInt8]
    var type: mode_t
    var isLink: Bool
    var isSparse: Bool
    var size: Int
    var mode: Int
    var seconds: Int
    var nanoseconds: Int
    var headerOffset: Int
    var contentOffset: Int
  }

  private static let blockSize = 64 << 10
  private let handle: OpaquePointer
  private let stream: any ContentStream
  private let block: UnsafeMutableRawPointer
  private var buffer = ByteBuffer()
  private var failure: (any Error)?
  /// How much of the stream was taken or skipped, and where the last byte read from it that is
  /// not zero ended.
  private(set) var position = 0
  /// Whether `openGzip` came to no content at all.
  private(set) var isEmpty = false
  private(set) var lastContent = 0

  init(_ stream: any ContentStream) throws(ArchiveError) {
    guard let handle = archive_read_new() else {
      throw ArchiveError(.failed, "libarchive has no memory for a reader")
    }
    self.handle = handle
    self.stream = stream
    block = UnsafeMutableRawPointer.allocate(byteCount: Self.blockSize, alignment: 16)
  }

  deinit {
    archive_read_free(handle)
    block.deallocate()
  }

  /// To be called before `nextHeader`. An empty stream is not a tar file.
  func openTar() throws {
    try check(archive_read_support_format_tar(handle))
    try open()
  }

  /// To be called before `read`: exactly one gzip layer, whatever its content looks like.
  func openGzip() throws {
    try check(archive_read_append_filter(handle, ARCHIVE_FILTER_GZIP))
    try check(archive_read_support_format_raw(handle))
    try check(archive_read_support_format_empty(handle))
    try open()
    var entry: OpaquePointer?
    let result = archive_read_next_header(handle, &entry)
    if result == ARCHIVE_EOF { isEmpty = true } else { try check(result) }
  }

  private func open() throws {
    let owner = Unmanaged.passUnretained(self).toOpaque()
    let read:
      @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<UnsafeRawPointer?>?
      ) -> Int = { _, owner, block in
        guard let owner, let block else { return -1 }
        let reader = Unmanaged<LibArchiveReader>.fromOpaque(owner).takeUnretainedValue()
        block.pointee = UnsafeRawPointer(reader.block)
        return reader.nextBlock()
      }
    let skip: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?, Int64) -> Int64 = {
      _, owner, count in
      guard let owner else { return 0 }
      let reader = Unmanaged<LibArchiveReader>.fromOpaque(owner).takeUnretainedValue()
      return Int64(reader.skip(Int(count)))
    }
    try check(archive_read_set_read_callback(handle, read))
    try check(archive_read_set_skip_callback(handle, skip))
    try check(archive_read_set_callback_data(handle, owner))
    try check(archive_read_open1(handle))
  }

  /// Fills the block; 0 at the end, -1 after an error that is kept for `check`.
  private func nextBlock() -> Int {
    guard failure == nil else { return -1 }
    do {
      var fresh = ByteBuffer()
      swap(&fresh, &buffer)
      defer { swap(&fresh, &buffer) }
      fresh.removeAll()
      let count = try stream.read(into: &fresh, atMost: Self.blockSize)
      let room = UnsafeMutableRawBufferPointer(start: block, count: Self.blockSize)
      fresh.span.withUnsafeBytes { room.copyMemory(from: $0) }
      var end = count
      while end > 0, fresh[end - 1] == 0 { end -= 1 }
      if end > 0 { lastContent = position + end }
      position += count
      return count
    } catch {
      failure = error
      return -1
    }
  }

  private func skip(_ count: Int) -> Int {
    guard failure == nil, count > 0 else { return 0 }
    do {
      let skipped = try stream.skip(count)
      position += skipped
      lastContent = position
      return skipped
    } catch {
      failure = error
      return 0
    }
  }

  /// Reads the stream on to its end, past what libarchive has looked at.
  func drain() throws {
    while nextBlock() > 0 {}
    if let failure { throw failure }
  }

  /// The next member, the body of the one before skipped; nil at the end mark or where the
  /// stream ends between two members.
  func nextHeader() throws -> Header? {
    // Under this character set no name is converted; see `withCharacterSet`.
    try LibArchive.withCharacterSet(of: .plain) { () throws -> Header? in
      var entry: OpaquePointer?
      let result = archive_read_next_header(handle, &entry)
      if let failure { throw failure }
      if result == ARCHIVE_EOF { return nil }
      guard let entry, result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw error() }
      let header = try header(entry)
      // The one warning that costs nothing: a name kept as the bytes that were stored.
      if result == ARCHIVE_WARN, !isAboutCharacters { throw error() }
      return header
    }
  }

  private var isAboutCharacters: Bool { reason.contains("can't be converted from UTF-8") }

  private func header(_ entry: OpaquePointer) throws(ArchiveError) -> Header {
    guard let name = archive_entry_pathname(entry) else {
      throw ArchiveError(.damaged, "a member without a name")
    }
    let isLink =
      archive_entry_hardlink(entry) != nil || archive_entry_hardlink_utf8(entry) != nil
      || archive_entry_symlink(entry) != nil || archive_entry_symlink_utf8(entry) != nil
    return Header(
      path: Array(UnsafeRawBufferPointer(start: name, count: strlen(name))),
      type: archive_entry_filetype(entry), isLink: isLink,
      isSparse: archive_entry_sparse_count(entry) > 0,
      size: Int(archive_entry_size(entry)), mode: Int(archive_entry_perm(entry)),
      seconds: archive_entry_mtime(entry), nanoseconds: archive_entry_mtime_nsec(entry),
      headerOffset: Int(archive_read_header_position(handle)),
      contentOffset: Int(archive_filter_bytes(handle, 0)))
  }

  /// Appends up to `limit` bytes of the only member; 0 at its end.
  func read(into output: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let count = try output.append(atMost: limit) { room throws(ArchiveError) -> Int in
      let count = archive_read_data(handle, room.baseAddress, room.count)
      guard count >= 0 else { throw error() }
      return count
    }
    if let failure { throw failure }
    return count
  }

  /// How many bytes of the stream the decompressors have used up.
  var consumed: Int { Int(archive_filter_bytes(handle, -1)) }

  private var reason: String {
    archive_error_string(handle).map { String(cString: $0) } ?? "no reason given"
  }

  private func check(_ result: CInt) throws {
    if let failure { throw failure }
    guard result == ARCHIVE_OK else { throw error() }
  }

  private func error() -> ArchiveError {
    let reason = reason
    if reason.contains("Unrecognized archive format") {
      return ArchiveError(.notArchive, "its content is no tar file")
    }
    return ArchiveError(.damaged, "libarchive: \(reason)")
  }
}
