import CLibArchive
import Glibc
import LosslessJSON

/// Writing through libarchive: one of the three files of this room that touch raw memory.
/// Every handle is freed by its owner; no pointer outlives the call it is given to.
enum LibArchive {
  static let regularType: mode_t = 0o100000
  static let directoryType: mode_t = 0o040000

  /// Runs `body` with this thread's character set: libarchive takes it from the locale, and the
  /// locale of the whole process is not ours to change.
  ///
  /// Names are written under `C.UTF-8`, which stores valid UTF-8 as it is and marks any other
  /// name `hdrcharset=BINARY`. They are read under `C`: under UTF-8 libarchive 3.6 rewrites
  /// decomposed names to NFC, under `C` it reports a failed conversion and keeps the bytes.
  static func withCharacterSet<Result, Failure: Error>(
    of set: CharacterSet, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let address = set == .utf8 ? utf8 : plain
    guard let wanted = locale_t(bitPattern: address) else { return try body() }
    let former = uselocale(wanted)
    defer { uselocale(former) }
    return try body()
  }

  enum CharacterSet { case utf8, plain }

  /// Made once, for members are many, and never freed. As numbers, for addresses are not shared
  /// between threads; 0 where the C library has no such locale.
  private static let utf8 = Int(bitPattern: newlocale(1 << LC_CTYPE, "C.UTF-8", nil))
  private static let plain = Int(bitPattern: newlocale(1 << LC_CTYPE, "C", nil))

  /// The pax header blocks of `member`, whose path holds no NUL.
  static func header(_ member: MemberHeader) throws(ArchiveError) -> [UInt8] {
    try withCharacterSet(of: .utf8) { () throws(ArchiveError) -> [UInt8] in
      let writer = try WriteHandle()
      try writer.check(archive_write_set_format_pax(writer.handle))
      try writer.open()
      try writer.put(member)
      // Without this, freeing would write the body that never came, as zeros, and an end mark.
      let header = writer.written
      writer.isFinished = true
      return header
    }
  }

  /// Appends one gzip member, without a name or a time, that holds `content`.
  static func gzipMember(_ content: Span<UInt8>, level: Int, into output: inout ByteBuffer)
    throws(ArchiveError)
  {
    let writer = try WriteHandle()
    try writer.check(archive_write_set_format_raw(writer.handle))
    try writer.check(archive_write_add_filter_gzip(writer.handle))
    try writer.check(
      archive_write_set_filter_option(
        writer.handle, "gzip", "compression-level", String(level)))
    try writer.check(archive_write_set_filter_option(writer.handle, "gzip", "timestamp", nil))
    try writer.open()
    try writer.put(
      MemberHeader(path: Array("data".utf8), size: content.count, mode: 0o600, seconds: 0))
    let count = content.withUnsafeBytes { bytes in
      archive_write_data(writer.handle, bytes.baseAddress, bytes.count)
    }
    guard count == content.count else { throw writer.failure() }
    try writer.check(archive_write_close(writer.handle))
    output.append(writer.written)
  }
}

/// The owner of a libarchive writer whose output is captured in memory.
private final class WriteHandle {
  let handle: OpaquePointer
  /// All bytes written so far.
  private(set) var written: [UInt8] = []
  /// Whether nothing more is taken: the content that a header promises is not made up as the writer
  /// is freed. `archive_write_fail` would see to that too, but loses memory with each writer.
  var isFinished = false

  init() throws(ArchiveError) {
    guard let handle = archive_write_new() else {
      throw ArchiveError(.failed, "libarchive has no memory for a writer")
    }
    self.handle = handle
  }

  // Freeing may still call `append`; the object is whole until the end of its deinit.
  deinit { archive_write_free(handle) }

  /// To be called once the format is set: each write comes straight to `written`.
  func open() throws(ArchiveError) {
    try check(archive_write_set_bytes_per_block(handle, 0))
    let append:
      @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, UnsafeRawPointer?, Int
      ) -> Int = { _, owner, bytes, count in
        guard let owner, let bytes else { return -1 }
        let writer = Unmanaged<WriteHandle>.fromOpaque(owner).takeUnretainedValue()
        guard !writer.isFinished else { return -1 }
        writer.written.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        return count
      }
    try check(
      archive_write_open(handle, Unmanaged.passUnretained(self).toOpaque(), nil, append, nil))
  }

  func put(_ member: MemberHeader) throws(ArchiveError) {
    guard let entry = archive_entry_new() else {
      throw ArchiveError(.failed, "libarchive has no memory for a header")
    }
    defer { archive_entry_free(entry) }
    member.path.withUnsafeBytes { bytes in
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { name in
        for (index, byte) in bytes.enumerated() { name[index] = CChar(bitPattern: byte) }
        name[bytes.count] = 0
        archive_entry_copy_pathname(entry, name.baseAddress)
      }
    }
    let isDirectory = member.kind == .directory
    archive_entry_set_filetype(
      entry, isDirectory ? LibArchive.directoryType : LibArchive.regularType)
    archive_entry_set_size(entry, Int64(member.size))
    archive_entry_set_perm(entry, mode_t(member.mode))
    archive_entry_set_mtime(entry, member.seconds, member.nanoseconds)
    archive_entry_set_uid(entry, 0)
    archive_entry_set_gid(entry, 0)
    // Where a name cannot be converted, libarchive asks errno whether memory has run out, without
    // having cleared it.
    errno = 0
    let result = archive_write_header(handle, entry)
    // The warning that such a name is stored as it is, with `hdrcharset=BINARY`.
    let isUTF8 = String(validating: member.path, as: UTF8.self) != nil
    if result == ARCHIVE_WARN, !isUTF8, reason.contains("to UTF-8") { return }
    try check(result)
  }

  func check(_ result: CInt) throws(ArchiveError) {
    guard result == ARCHIVE_OK else { throw failure() }
  }

  private var reason: String {
    archive_error_string(handle).map { String(cString: $0) } ?? "no reason given"
  }

  func failure() -> ArchiveError {
    ArchiveError(.failed, "libarchive cannot write: \(reason)")
  }
}
