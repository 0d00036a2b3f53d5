import CSQLite
import Disk
import Glibc
import LosslessJSON
import SystemPackage

/// An open SQLite database; closed with its owner. One thread at a time.
///
/// Together with `Connection+StandIns`, `Statement` and `SourceVFS` one of the files of this room that
/// touch raw memory. No pointer outlives the call that it is given to, except those of `Statement.bind`.
package struct Connection: ~Copyable {
  /// How a database is opened.
  package enum Mode: Sendable, Equatable {
    /// Reads with the locks that writers respect, through `SourceVFS`: nothing is ever written,
    /// made or removed beside the file. `-wal` and `-shm`, where they lie there, are honoured.
    case source
    /// As `source`, without locks, for a WAL that no process has open: `-shm` is not needed.
    case sourceAlone
    /// Reads a file that nobody changes meanwhile; whatever lies beside it is not looked at.
    case immutable
    /// Reads and writes, no journal and no durability: for a file that counts only when it has
    /// been finished.
    case scratch
    /// Reads and writes with a rollback journal.
    case writable
  }

  let handle: OpaquePointer
  package let path: FilePath

  /// Opens the existing file `path` (for `scratch`, makes it where there is none).
  /// - Parameter isLenient: for reading: takes a file that is shorter than its header says.
  package init(_ path: FilePath, _ mode: Mode, isLenient: Bool = false) throws(DatabaseError) {
    self.path = path
    handle = try Self.open(path, mode, isLenient)
  }

  deinit { sqlite3_close_v2(handle) }

  private static func open(
    _ path: FilePath, _ mode: Mode, _ isLenient: Bool
  ) throws(DatabaseError) -> OpaquePointer {
    var flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let parameters: String
    switch mode {
    case .source:
      parameters = "readonly_shm=1&vfs=\(SourceVFS.locking)"
      flags |= SQLITE_OPEN_READONLY
    case .sourceAlone:
      parameters = "vfs=\(SourceVFS.lockless)"
      flags |= SQLITE_OPEN_READONLY
    case .immutable:
      parameters = "immutable=1&vfs=\(SourceVFS.locking)"
      flags |= SQLITE_OPEN_READONLY
    case .scratch:
      parameters = "vfs=\(SourceVFS.verbatim)"
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    case .writable:
      parameters = "vfs=\(SourceVFS.own)"
      flags |= SQLITE_OPEN_READWRITE
    }
    var opened: OpaquePointer?
    let result = sqlite3_open_v2(uri(path, parameters), &opened, flags, nil)
    guard let handle = opened else {
      throw DatabaseError(.failed, "there is no memory for a database", path: path.string)
    }
    do throws(DatabaseError) {
      if result != SQLITE_OK { throw DatabaseError(result, of: handle, path.string, "cannot open") }
      try configure(handle, mode, isLenient, path)
    } catch {
      sqlite3_close_v2(handle)
      throw error
    }
    return handle
  }

  /// A file name as SQLite's URIs have it: every byte but those of plain names is escaped.
  private static func uri(_ path: FilePath, _ parameters: String) -> String {
    var text = "file:"
    for byte in TreeWalk.bytes(of: path) {
      switch byte {
      case 0x2D, 0x2E, 0x2F, 0x5F, 0x30...0x39, 0x41...0x5A, 0x61...0x7A:
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += byte < 16 ? "%0\(String(byte, radix: 16))" : "%\(String(byte, radix: 16))"
      }
    }
    return parameters.isEmpty ? text : "\(text)?\(parameters)"
  }

  private static func configure(
    _ handle: OpaquePointer, _ mode: Mode, _ isLenient: Bool, _ path: FilePath
  ) throws(DatabaseError) {
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_handler(
      handle,
      { _, count in
        // Short naps: a writer that never pauses leaves gaps of a millisecond.
        if Interruption.signalNumber != 0 || count > 60_000 { return 0 }
        Clock.sleep(seconds: count < 100 ? 0.0002 : 0.001)
        return 1
      }, nil)
    sqlite3_progress_handler(handle, 20_000, { _ in Interruption.signalNumber == 0 ? 0 : 1 }, nil)
    if mode != .scratch, mode != .writable { sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0) }
    // What a schema says is data, and not to be trusted with functions of ours.
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_DEFENSIVE, mode == .scratch || isLenient ? 0 : 1)
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_DQS_DML, 0)
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_DQS_DDL, 0)
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    var statements = ["PRAGMA mmap_size=0", "PRAGMA temp_store=FILE"]
    switch mode {
    case .source, .immutable: statements += ["PRAGMA query_only=ON", "PRAGMA cell_size_check=ON"]
    case .sourceAlone: statements += ["PRAGMA locking_mode=EXCLUSIVE", "PRAGMA query_only=ON"]
    case .scratch:
      // One that is written with a log can only be opened by itself, and becomes one without.
      statements += [
        "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF",
      ]
    case .writable: statements += ["PRAGMA foreign_keys=OFF"]
    }
    for statement in statements {
      let result = sqlite3_exec(handle, statement, nil, nil, nil)
      if result != SQLITE_OK { throw DatabaseError(result, of: handle, path.string, "cannot open") }
    }
    if isLenient { try takeDamage(handle, path) }
  }

  /// Takes what there is of a damaged schema or of a file that has been cut off, and only there: a
  /// schema that may be written is read without a word of what could not be read of it, so that a
  /// failing disk would be told as tables that are not there.
  private static func takeDamage(_ handle: OpaquePointer, _ path: FilePath) throws(DatabaseError) {
    var result = sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema LIMIT 1", nil, nil, nil)
    if [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR].contains(result & 0xFF) {
      result = sqlite3_exec(handle, "PRAGMA writable_schema=ON", nil, nil, nil)
    }
    if result != SQLITE_OK { throw DatabaseError(result, of: handle, path.string, "cannot open") }
  }

  /// Runs statements that give no rows worth having. Text of our own only.
  package borrowing func execute(_ sql: String) throws(DatabaseError) {
    let result = sqlite3_exec(handle, sql, nil, nil, nil)
    if result != SQLITE_OK { throw failure("cannot write", result) }
  }

  /// Copies the whole of `source`, as it is at one moment, over this database.
  ///
  /// One step, under one read lock: a writer that never pauses can neither starve it nor make it
  /// begin again.
  package borrowing func copy(from source: borrowing Connection) throws(DatabaseError) {
    guard let backup = sqlite3_backup_init(handle, "main", source.handle, "main") else {
      throw failure("cannot copy", sqlite3_extended_errcode(handle))
    }
    var result = sqlite3_backup_step(backup, -1)
    var tries = 0
    while [SQLITE_BUSY, SQLITE_LOCKED].contains(result & 0xFF), tries < 60_000,
      Interruption.signalNumber == 0
    {
      Clock.sleep(seconds: tries < 100 ? 0.0002 : 0.001)
      tries += 1
      result = sqlite3_backup_step(backup, -1)
    }
    let finished = sqlite3_backup_finish(backup)
    if result == SQLITE_DONE, finished == SQLITE_OK { return }
    let code = result == SQLITE_DONE ? finished : result
    // Only the copy is written. SQLITE_IOERR_READ and SQLITE_IOERR_SHORT_READ have 1 and 2 in the
    // second byte (sqlite3.h), the failures of writing have more.
    let isOfCopy = code & 0xFF == SQLITE_FULL || code & 0xFF == SQLITE_IOERR && code >> 8 > 2
    throw isOfCopy ? failure("cannot copy", code) : source.failure("cannot copy", code)
  }

  /// Attaches the database `path`, opened as this one was or as one that nobody changes meanwhile.
  borrowing func attach(
    _ path: FilePath, as name: String, isImmutable: Bool = false
  ) throws(DatabaseError) {
    let statement = try Statement("ATTACH ? AS \(name)", on: self)
    let mode = isImmutable ? "immutable=1&" : ""
    statement.bind(1, text: Self.uri(path, "\(mode)vfs=\(SourceVFS.verbatim)"))
    try statement.run()
  }

  /// Lets no trigger of the schema do anything.
  package borrowing func disableTriggers() {
    _ = holdfast_configure(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
  }

  /// Rows that the last statement changed.
  package var changes: Int { Int(sqlite3_changes64(handle)) }

  /// The error that `result` stands for.
  borrowing func failure(_ action: String, _ result: Int32) -> DatabaseError {
    DatabaseError(result, of: handle, path.string, action)
  }
}
