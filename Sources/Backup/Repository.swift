import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

/// A directory of backups.
package struct Repository: Sendable {
  package let path: FilePath

  package init(_ path: FilePath) { self.path = path }

  /// Where the backups of a store go unless said otherwise: `.backup/` in a store directory, or
  /// beside a store file.
  package static func standard(for store: FilePath, isSingleFile: Bool) -> Repository {
    let directory = isSingleFile ? store.removingLastComponent() : store
    return Repository(directory.isEmpty ? FilePath(".backup") : directory.appending(".backup"))
  }

  /// The repository that a person means by `path`: itself, or the `.backup/` in it where it
  /// holds no backups of its own. Throws `notFound` where there is none.
  package static func existing(_ path: FilePath) throws -> Repository {
    guard let facts = try FileFacts(at: path), facts.kind == .directory else {
      throw BackupError(
        .notFound, "there is no repository here", path: path.string,
        hint: "name the directory that backups were written to")
    }
    let inner = path.appending(".backup")
    if try Repository(path).archives().isEmpty,
      try FileFacts(at: inner)?.kind == .directory
    {
      return Repository(inner)
    }
    return Repository(path)
  }

  /// The lock that every change of the repository holds.
  package func lock(waitingUpTo seconds: Double) throws -> StoreLock {
    try StoreLock(path.appending(".lock"), waitingUpTo: seconds)
  }

  /// Throws `locked` where a change could not have the lock now. Nothing is written.
  func checkUnlocked(waitingUpTo seconds: Double) throws {
    _ = try StoreLock(existing: path.appending(".lock"), waitingUpTo: seconds)
  }

  /// The lock that who reads archives holds, so that none is taken away meanwhile. Any number may
  /// hold it, also while a backup is being written. Nothing is written for it.
  package func readingLock(waitingUpTo seconds: Double) throws -> StoreLock {
    try StoreLock(directory: path, isShared: true, waitingUpTo: max(seconds, 10))
  }

  /// The reading lock of the repository that `path` is, or is an archive of; none for what is
  /// neither, and for a directory that may not be opened.
  package static func readingLock(for path: FilePath, _ seconds: Double) throws -> StoreLock? {
    let found: FileFacts?
    do throws(DiskError) { found = try FileFacts(at: path) } catch { throw error.ofReading }
    guard let facts = found else { return nil }
    let isArchive = facts.isRegular && endings.contains { path.string.hasSuffix($0) }
    guard facts.kind == .directory || isArchive else { return nil }
    let directory = facts.kind == .directory ? path : path.removingLastComponent()
    let repository = Repository(directory.isEmpty ? FilePath(".") : directory)
    do {
      return try repository.readingLock(waitingUpTo: seconds)
    } catch let error as DiskError where error.code == .notWritable { return nil }
  }

  /// The lock that who takes archives away holds besides `lock`: it waits for readers.
  package func removalLock(waitingUpTo seconds: Double) throws -> StoreLock {
    try StoreLock(directory: path, isShared: false, waitingUpTo: seconds)
  }

  /// The names of the archives, in byte order.
  package func archives() throws -> [String] {
    try TreeWalk.names(in: path).map(\.string).filter { name in
      !name.hasPrefix(".") && Self.endings.contains { name.hasSuffix($0) }
    }
  }

  /// Whether the directory holds nothing but what a repository without archives does: a lock, the
  /// trash. With a `.backup` in it, it was a store.
  package func isBare() throws -> Bool {
    try TreeWalk.names(in: path).allSatisfy { $0.string.hasPrefix(".") && $0.string != ".backup" }
  }

  static let endings = [".tar.zst", ".tar.gz", ".tar"]

  /// Removes what a run that was killed has left: unfinished files, and manifests whose archive
  /// was about to get its name. Call with the lock held.
  package func clearLeftovers() throws {
    // A trash that cannot be looked into is no reason not to back up.
    do { try Trash(of: self).heal() } catch let error as DiskError where error.code != .interrupted
    {}
    // The manifests first: what tells that they are leftovers must not go before them.
    for stray in try strays() where stray.isUnfinished { try Disk.remove(stray.sidecar) }
    for name in try TreeWalk.names(in: path).map(\.string) where OutputFile.isTemporary(name) {
      try Disk.remove(path.appending(name))
    }
  }

  /// A series name made of a store's name: letters, digits, `.`, `_` and `-`.
  package static func seriesName(for store: FilePath) -> String {
    let name = Disk.absolute(store).lastComponent?.stem ?? "store"
    return cleaned(name)
  }

  static func cleaned(_ name: String) -> String {
    var text = ""
    for scalar in name.unicodeScalars {
      let isPlain =
        scalar.isASCII
        && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || scalar == "_" || scalar == "-" || scalar == ".")
      text.unicodeScalars.append(isPlain ? scalar : "_")
    }
    let trimmed = text.drop { $0 == "." }
    return trimmed.isEmpty ? "store" : String(trimmed.prefix(100))
  }

  /// Whether `name` may be a series name as it stands.
  package static func isSeriesName(_ name: String) -> Bool {
    !name.isEmpty && cleaned(name) == name
  }
}

/// A repository, made where there is none, that is locked until this goes.
final class HeldRepository {
  let path: FilePath
  private let lock: StoreLock

  init(_ repository: Repository, waitingUpTo seconds: Double) throws {
    try Disk.makeDirectory(repository.path)
    path = repository.path
    lock = try repository.lock(waitingUpTo: seconds)
  }
}

/// What went wrong with a backup, a restore or a repository.
package struct BackupError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case notFound = "not-found"
    case refused
    case verificationFailed = "verification-failed"
    case exists = "target-not-empty"
    case usage
    case retentionRefused = "retention-refused"
    /// Stores have a record with different content.
    case conflict
    case failed
  }

  package var code: Code
  package var message: String
  package var path: String?
  package var line: Int?
  package var offset: Int?
  package var hint: String?
  package var findings: [Finding] = []

  package init(
    _ code: Code, _ message: String, path: String? = nil, line: Int? = nil, offset: Int? = nil,
    hint: String? = nil, findings: [Finding] = []
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.line = line
    self.offset = offset
    self.hint = hint
    self.findings = findings
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}
