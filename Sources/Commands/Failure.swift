import Archive
import Backup
import Database
import Disk
import HoldfastStorage
import LosslessJSON
import Migration
import RTFS
import Records
import Salvage
import Snapshot
import Stores
import SystemPackage

/// Any error of the rooms below, as the person and the script see it.
struct Failure {
  var status: ExitStatus
  var code: String
  var message: String
  var path: String?
  var line: Int?
  var offset: Int?
  var hint: String?
  var findings: [Finding] = []

  init(_ error: any Error) {
    switch error {
    case let error as DiskError: self.init(error)
    case let error as ArchiveError:
      if let cause = error.cause {
        self.init(cause)
      } else {
        self.init(
          error.code == .invalidSetting ? .usage : .verificationFailed, error.code.rawValue,
          (error.member.map { "member \(MemberPath.printable($0)): " } ?? "") + error.message)
        path = error.path?.string
        offset = error.offset
        hint = error.hint
      }
    case let error as ContentLimitError:
      self.init(.refused, "content-limit", error.message)
      path = error.path.string
      hint = error.hint
    case let error as SnapshotError:
      self.init(
        error.code == .notBackup ? .notFound : .verificationFailed, error.code.rawValue,
        error.message)
      path = error.path
      offset = error.offset
      hint = error.hint
    case let error as StoreError:
      let status: ExitStatus
      switch error.code {
      case .verificationFailed: status = .verificationFailed
      case .notFound: status = .notFound
      case .usage: status = .usage
      case .refused, .unknownKind: status = .refused
      }
      self.init(status, error.code.rawValue, error.message)
      path = error.path
      line = error.line
      offset = error.offset
      hint = error.hint
    case let error as BackupError: self.init(error)
    case let error as DatabaseError: self.init(error)
    case let error as MigrationError: self.init(error)
    case let error as SalvageError: self.init(error)
    case let error as JSONError:
      self.init(.verificationFailed, "json", error.reason.rawValue)
      offset = error.offset
    case let error as StorageError: self.init(error)
    case let error as RTFSError: self.init(.verificationFailed, "rtfs", "\(error)")
    default: self.init(.failure, "failed", "\(error)")
    }
    // The arguments come with U+FFFD for bytes that are no UTF-8.
    if status == .notFound, path?.contains("\u{FFFD}") == true {
      hint = "a name that is no UTF-8 cannot be given here; name the directory that it lies in"
    }
  }

  private init(_ status: ExitStatus, _ code: String, _ message: String) {
    self.status = status
    self.code = code
    self.message = message
  }

  private init(_ error: DiskError) {
    let status: ExitStatus
    switch error.code {
    case .notFound: status = .notFound
    case .notWritable, .noSpace: status = .notWritable
    case .locked: status = .locked
    case .notRegular, .notReadable, .changed: status = .refused
    case .interrupted: status = .ofSignal
    case .exists, .shortRead, .failed: status = .failure
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path?.string
    offset = error.offset
    hint = error.hint
  }

  private init(_ error: MigrationError) {
    let status: ExitStatus
    switch error.code {
    case .exists: status = .failure
    case .refused: status = .refused
    case .notFound: status = .notFound
    case .verificationFailed: status = .verificationFailed
    case .usage: status = .usage
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path
    line = error.line
    offset = error.offset
    hint = error.hint
    findings = error.findings
  }

  private init(_ error: StorageError) {
    let status: ExitStatus
    switch error.code {
    case .notFound: status = .notFound
    case .locked: status = .locked
    case .conflict, .unsupported, .damaged: status = .refused
    case .notWritable, .noSpace: status = .notWritable
    case .invalid: status = .usage
    case .interrupted: status = .ofSignal
    case .exists, .failed: status = .failure
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path
    line = error.line
    offset = error.offset
    hint = error.hint
  }

  private init(_ error: DatabaseError) {
    let status: ExitStatus
    switch error.code {
    case .damaged, .foreign: status = .refused
    case .busy: status = .locked
    case .noSpace, .notWritable: status = .notWritable
    case .sql: status = .usage
    case .interrupted: status = .ofSignal
    case .failed: status = .failure
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path
    hint = error.hint
  }

  private init(_ error: BackupError) {
    let status: ExitStatus
    switch error.code {
    case .notFound: status = .notFound
    case .refused, .conflict: status = .refused
    case .verificationFailed: status = .verificationFailed
    case .usage: status = .usage
    case .retentionRefused: status = .retentionRefused
    case .exists, .failed: status = .failure
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path
    line = error.line
    offset = error.offset
    hint = error.hint
    findings = error.findings
  }

  private init(_ error: SalvageError) {
    let status: ExitStatus
    switch error.code {
    case .notFound: status = .notFound
    case .usage: status = .usage
    case .refused: status = .refused
    case .exists, .account: status = .failure
    }
    self.init(status, error.code.rawValue, error.message)
    path = error.path
    offset = error.offset
    hint = error.hint
  }

  /// The failure as a verb tells it that writes nothing but intermediate files and its output: that
  /// something else is "not writable" means that it may not be read.
  var ofReading: Failure {
    let places = [Disk.temporaryDirectory, SpillFile.standardDirectory, "standard output"]
    guard code == DiskError.Code.notWritable.rawValue, let path,
      !places.contains(FilePath(path)),
      !OutputFile.isTemporary(FilePath(path).lastComponent?.string ?? "")
    else { return self }
    var failure = self
    failure.status = .refused
    failure.code = DiskError.Code.notReadable.rawValue
    failure.hint = "check the permissions of it and of the directories above it"
    return failure
  }

  /// What, which file and byte, and what to do next, on one line.
  var text: String {
    var text = ""
    if let path {
      text += path
      if let line { text += ":\(line)" }
      if let offset { text += ": byte \(offset)" }
      text += ": "
    }
    text += message
    if let hint { text += "; \(hint)" }
    return printable(text)
  }

  func report(_ verb: String, to console: Console) {
    console.failure(text)
    console.json(verb) { encode(to: &$0) }
  }

  /// The failure of a store of which nothing could be read.
  init(unreadable log: FindingLog) {
    let first = log.findings.first { $0.severity == .error }
    self.init(.refused, "refused", "no record of it can be read: \(first?.message ?? "")")
    path = first?.path
    line = first?.line
    offset = first?.offset
    hint = "salvage recovers what is left of it, or restore it from a backup"
  }

  func encode(to builder: inout JSONBuilder) {
    encodeError(to: &builder)
    builder.key("findings")
    builder.array(of: findings) { $1.encode(to: &$0) }
  }

  func encodeError(to builder: inout JSONBuilder) {
    builder.key("error")
    builder.object {
      $0.member("code", code)
      $0.member("exit_code", Int(status.rawValue))
      $0.member("message", message)
      $0.member("path", ifPresent: path)
      $0.member("line", ifPresent: line)
      $0.member("offset", ifPresent: offset)
      $0.member("hint", ifPresent: hint)
    }
  }
}
