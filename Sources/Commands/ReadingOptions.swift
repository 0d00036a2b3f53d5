import ArgumentParser
import Backup
import Disk
import Snapshot
import Stores
import SystemPackage

/// What verbs that read a store take.
struct ReadingOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where documents have their id, as a JSON pointer such as /meta/id; by default they are "
        + "known by line.", valueName: "pointer"))
  var idField: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only this context of a memory graph; may be repeated.", valueName: "context"))
  var context: [String] = []

  func options() throws -> ReadOptions {
    guard let idField else { return ReadOptions() }
    guard let pointer = JSONPointer(idField) else {
      throw ValidationError("--id-field is no JSON pointer; it looks like /meta/id")
    }
    return ReadOptions(idField: pointer)
  }

  /// Opens a store or a backup: a path, or `REPO@latest` or `REPO@TIME` where no file is called so.
  func open(_ name: String, kind: String?) throws -> OpenedStore {
    try Self.open(name, kind: kind, contexts: context)
  }

  /// The same, for verbs that do not take these options.
  static func open(_ name: String, kind: String?, contexts: [String] = []) throws -> OpenedStore {
    try OpenedStore(opening: path(of: name), formats: HoldfastCommand.formats, kind: kind)
      .restricted(to: contexts)
  }

  /// What a store is named by: its path, or that of the backup which `REPO@latest` or `REPO@TIME`
  /// means where no file is called so, and `REPO` where that is no store itself.
  static func path(of name: String) throws -> FilePath {
    let path = FilePath(name)
    do {
      if try FileFacts(at: path)?.kind == .directory {
        return try isRepository(path) ? BackupReference(name).resolve() : path
      }
      if let at = name.lastIndex(of: "@"), try FileFacts(at: path) == nil,
        try FileFacts(at: FilePath(String(name[..<at])))?.kind == .directory
      {
        return try BackupReference(name).resolve()
      }
    } catch var error as BackupError where error.code == .usage && error.path != nil {
      // Here there is no option for the series.
      error.hint = "name one of its backups: holdfast list \(error.path ?? "") shows them"
      throw error
    } catch let error as DiskError { throw error.ofReading }
    return path
  }

  /// Whether a directory holds backups and is no store.
  private static func isRepository(_ path: FilePath) throws -> Bool {
    guard Disk.mayRead(path, isDirectory: true), try !Repository(path).archives().isEmpty else {
      return false
    }
    let tree = try DiskTree(path)
    return try !HoldfastCommand.formats.contains { try $0.recognises(tree) }
  }
}

/// `--context`, for verbs that do not take all of `ReadingOptions`.
struct ContextOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only this context of a memory graph; may be repeated.", valueName: "context"))
  var context: [String] = []
}
