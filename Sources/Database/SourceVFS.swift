import CSQLite
import Glibc

/// The ways in which this room reaches files: SQLite's own for Unix, changed in a few places.
///
/// SQLite would make a `-wal` and a `-shm` beside a database that it only reads, remove a journal
/// beside an empty one, and follow `/proc/self/fd/N` to a file that has no name.
enum SourceVFS {
  /// Never writes, makes or removes anything but SQLite's own nameless temporary files.
  static let locking = register("holdfast-source", like: "unix", isSource: true)
  /// The same without locks.
  static let lockless = register("holdfast-source-alone", like: "unix-none", isSource: true)
  /// Takes file names as they are, so that nameless files can be opened; locks nothing.
  static let verbatim = register("holdfast-verbatim", like: "unix-none", isSource: false)

  /// SQLite's own, which knows quotas.
  static let own: String = {
    if let vfs = sqlite3_vfs_find("unix") { knowQuotas(vfs) }
    return "unix"
  }()

  /// Registers a variant under `name`, for the life of the process.
  private static func register(
    _ name: StaticString, like base: String, isSource: Bool
  ) -> String {
    guard let original = sqlite3_vfs_find(base) else { return base }
    let variant = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    variant.initialize(to: original.pointee)
    variant.pointee.pNext = nil
    variant.pointee.zName = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    variant.pointee.xFullPathname = { _, name, limit, out in
      guard let name, let out else { return SQLITE_CANTOPEN }
      let length = strlen(name)
      guard length < Int(limit) else { return SQLITE_CANTOPEN }
      memcpy(out, name, length + 1)
      return SQLITE_OK
    }
    if isSource {
      variant.pointee.xOpen = { vfs, name, file, flags, outFlags in
        guard let open = sqlite3_vfs_find("unix")?.pointee.xOpen else { return SQLITE_CANTOPEN }
        var wanted = flags
        if name != nil, flags & SQLITE_OPEN_DELETEONCLOSE == 0 {
          wanted &= ~(SQLITE_OPEN_CREATE | SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXCLUSIVE)
          wanted |= SQLITE_OPEN_READONLY
        }
        return open(vfs, name, file, wanted, outFlags)
      }
      variant.pointee.xDelete = { _, _, _ in SQLITE_OK }
    }
    openNameless(original)
    knowQuotas(original)
    sqlite3_vfs_register(variant, 0)
    return name.description
  }

  /// Lets SQLite open `/proc/self/fd/N`, which it takes for a symbolic link like any other.
  private static func openNameless(_ vfs: UnsafeMutablePointer<sqlite3_vfs>) {
    let call: @convention(c) (UnsafePointer<CChar>?, Int32, Int32) -> Int32 = {
      path, flags, mode in
      guard let path else { return -1 }
      let isNameless = strncmp(path, "/proc/self/fd/", 14) == 0
      return open(path, isNameless ? flags & ~O_NOFOLLOW : flags, mode_t(mode))
    }
    let pointer = unsafeBitCast(call, to: sqlite3_syscall_ptr.self)
    _ = vfs.pointee.xSetSystemCall?(vfs, "open", pointer)
  }

  /// Makes a quota and a limit on the size of files what a full disk is to SQLite, which knows no
  /// other lack of room. By the time that it tells of an error, `errno` may be of something else.
  private static func knowQuotas(_ vfs: UnsafeMutablePointer<sqlite3_vfs>) {
    let call: @convention(c) (Int32, UnsafeRawPointer?, Int, off_t) -> Int = {
      file, bytes, count, offset in
      let written = pwrite(file, bytes, count, offset)
      if written < 0, [EDQUOT, EFBIG].contains(errno) { errno = ENOSPC }
      return written
    }
    let pointer = unsafeBitCast(call, to: sqlite3_syscall_ptr.self)
    for name in ["pwrite", "pwrite64"] { _ = vfs.pointee.xSetSystemCall?(vfs, name, pointer) }
  }
}
