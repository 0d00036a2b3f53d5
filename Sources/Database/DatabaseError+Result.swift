import CSQLite
import Disk
import Glibc

extension DatabaseError {
  /// The error that a result code of SQLite stands for (https://sqlite.org/rescode.html).
  /// - Parameter action: what could not be done; nil where SQLite's words say it.
  init(_ result: Int32, of connection: OpaquePointer, _ path: String?, _ action: String? = nil) {
    let isCurrent = sqlite3_errcode(connection) & 0xFF == result & 0xFF
    let reason = String(cString: isCurrent ? sqlite3_errmsg(connection) : sqlite3_errstr(result))
    // A file without a name (see `SourceVFS`) says nothing to anybody.
    let isNameless = path?.hasPrefix("/proc/self/fd/") ?? false
    self.init(
      .failed,
      (isNameless ? "a temporary file: " : "") + (action.map { "\($0): " } ?? "") + reason,
      path: isNameless ? nil : path, result: result)
    switch result & 0xFF {
    case SQLITE_CORRUPT, SQLITE_NOTADB: breakUp()
    case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL:
      code = Interruption.signalNumber == 0 ? .busy : .interrupted
      hint = "wait for the program that writes to it, and run it again"
    case SQLITE_FULL: fillUp()
    case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: code = .notWritable
    case SQLITE_INTERRUPT: code = .interrupted
    // Of the schema format in the header (sqlite.org/fileformat2.html, 1.3.8).
    case SQLITE_ERROR where reason == "unsupported file format": breakUp()
    case SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE: code = .sql
    // SQLite knows a full disk, but not a quota or a limit on the size of files, and no reason why a
    // file cannot be opened.
    case SQLITE_IOERR, SQLITE_CANTOPEN:
      switch sqlite3_system_errno(connection) {
      case EDQUOT, EFBIG, ENOSPC: fillUp()
      case EIO: if result & 0xFF == SQLITE_CANTOPEN { message += " (input/output error)" }
      default: if result & 0xFF == SQLITE_CANTOPEN { code = .notWritable }
      }
    default: break
    }
  }

  private mutating func breakUp() {
    code = .damaged
    hint = "holdfast salvage gets what its pages still hold"
  }

  private mutating func fillUp() {
    code = .noSpace
    hint = "free some space and run it again"
  }
}
