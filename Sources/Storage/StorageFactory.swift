import Database
import Disk
import Records
import Stores
import SystemPackage

/// Where a store lies and how it is used.
public struct StorageConfiguration: Sendable {
  /// A kind of storage, and its place. What is not there yet is made.
  public enum Place: Sendable, Hashable {
    /// Ends with the process.
    case memory
    /// Intents and edges in one JSON file, as CCOS keeps them.
    case snapshot(String)
    /// Intents, edges, plans and actions by the hash of their content, as CCOS keeps them.
    case archive(String)
    /// A memory graph in one JSONL file.
    case graph(String)
    /// A memory graph in a directory, a JSONL file for each context.
    case contexts(String)
    /// Tasks in one JSON file.
    case tasks(String)
    /// A run history as its own application keeps it, in SQLite.
    case runs(String)
    /// Every kind of record in one SQLite database, in the form of `holdfast migrate`.
    case database(String)
  }

  public var place: Place
  /// How long a call waits for other writers, in seconds.
  public var waitLimit: Double
  /// A directory of backups. What a damaged store cannot give is read from the newest of them.
  public var backups: String?
  /// Unix seconds, for the times that this library sets.
  public var now: @Sendable () -> Double

  public init(
    _ place: Place, waitLimit: Double = 30, backups: String? = nil,
    now: (@Sendable () -> Double)? = nil
  ) {
    self.place = place
    self.waitLimit = waitLimit
    self.backups = backups
    self.now = now ?? { Clock.wall }
  }
}

/// A store that has been opened, and whether it is the one that was asked for.
public struct OpenedStorage: Sendable {
  public let storage: Storage
  /// Why the store is in memory although another place was asked for; nil where it is in its place.
  public let fallback: StorageError?
}

/// The one way to open a store.
public enum StorageFactory {
  static let formats = StoreFormat.databaseFormats + StoreFormat.fileFormats

  /// Opens a store, or makes it. Throws where its place is unusable.
  public static func open(_ configuration: StorageConfiguration) throws(StorageError) -> Storage {
    do { return Storage(try backend(configuration), configuration) } catch {
      throw StorageError(error)
    }
  }

  /// Opens a store; where its place is unusable, one in memory, and says so in `fallback`.
  public static func openOrFallBack(_ configuration: StorageConfiguration) -> OpenedStorage {
    do throws(StorageError) {
      return OpenedStorage(storage: try open(configuration), fallback: nil)
    } catch {
      return OpenedStorage(
        storage: Storage(MemoryBackend(), configuration), fallback: error)
    }
  }

  /// Opens a content-addressed archive: in memory, in a directory, or in a database. Throws
  /// `unsupported` for other places.
  public static func archive<Entity: Archivable>(
    of type: Entity.Type, _ configuration: StorageConfiguration
  ) throws(StorageError) -> Archive<Entity> {
    do {
      switch configuration.place {
      case .memory: return Archive(MemoryShelf(), configuration)
      case .archive(let path):
        return Archive(ObjectDirectory(try directory(FilePath(path))), configuration)
      case .database(let path):
        return Archive(try DatabaseShelf(try file(FilePath(path))), configuration)
      default:
        throw StorageError(
          .unsupported, "that place holds no objects by their hash",
          hint: "take memory, an archive or a database")
      }
    } catch { throw StorageError(error) }
  }

  /// Reads an archive by its `index.json`, a snapshot, any other store, or a backup, and puts all
  /// its records into another store in one step. Records that are there already are replaced.
  /// Throws `damaged` where a part of it cannot be read: then nothing has been written.
  /// Returns how many records there were, by kind.
  @discardableResult
  public static func migrateFromFile(_ path: String, to storage: Storage)
    async throws(StorageError) -> [String: Int]
  {
    let contents = try StoreContents(path, formats: formats)
    try contents.refuseDamage()
    return try await storage.put(contents.records)
  }

  private static func backend(_ configuration: StorageConfiguration) throws -> any Backend {
    let now = configuration.now
    func text(_ path: String, _ format: StoreFormat) throws -> any Backend {
      let place = try file(FilePath(path))
      try checkFile(place, format)
      return FileBackend(place, as: format, now: now)
    }
    switch configuration.place {
    case .memory: return MemoryBackend()
    case .snapshot(let path): return try text(path, .intentSnapshot)
    case .graph(let path): return try text(path, .memoryGraph)
    case .tasks(let path): return try text(path, .taskList)
    case .archive(let path):
      return try ArchiveBackend(try directory(FilePath(path)))
    case .contexts(let path):
      return ContextsBackend(try directory(FilePath(path)), now: now)
    case .runs(let path): return try RunHistoryBackend(try file(FilePath(path)))
    case .database(let path): return try DatabaseBackend(try file(FilePath(path)))
    }
  }

  /// The directory of a store, made where it is missing. Throws where nothing can be written to it.
  private static func directory(_ place: FilePath) throws -> FilePath {
    guard !place.isEmpty else { throw noPlace }
    try Disk.makeDirectory(place, mode: 0o700)
    try checkRoom(in: place)
    return place
  }

  /// The file of a store by its own name, whatever link leads to it, so that it has one lock and stays
  /// where it is. Its directory is made where it is missing.
  private static func file(_ place: FilePath) throws -> FilePath {
    guard !place.isEmpty else { throw noPlace }
    var file = place
    if try FileFacts(at: place, following: false)?.kind == .symbolicLink {
      file = Disk.absolute(place)
      guard try FileFacts(at: file) != nil else {
        throw StorageError(
          .unsupported, "is a symbolic link that leads nowhere", path: place.string,
          hint: "remove it, or make what it names")
      }
    }
    let above = file.removingLastComponent()
    if !above.isEmpty { try Disk.makeDirectory(above, mode: 0o700) }
    return file
  }

  private static var noPlace: StorageError {
    StorageError(.invalid, "an empty path is no place for a store")
  }

  /// Makes a file and takes it away again: permissions alone do not tell what a file system takes.
  private static func checkRoom(in directory: FilePath) throws {
    try Disk.checkWritable(directory)
    let place = directory.appending("store")
    try Disk.clearLeftovers(of: place)
    _ = try OutputFile(for: place)
  }

  /// Refuses a place that is no file of that kind, and one that cannot be written to.
  private static func checkFile(_ place: FilePath, _ format: StoreFormat) throws {
    let directory = place.removingLastComponent()
    try checkRoom(in: directory.isEmpty ? FilePath(".") : directory)
    guard let facts = try FileFacts(at: place) else { return }
    guard facts.isRegular else {
      throw StorageError(.unsupported, "is not a regular file", path: place.string)
    }
    let tree = try DiskTree(place)
    if facts.size == 0, format.name == StoreFormat.memoryGraph.name { return }
    if facts.size > 0, try format.recognises(tree) { return }
    // A graph may have no line yet that could be recognised, a list no task.
    let known = try? formats.detect(tree, path: place.string)
    if isEmptyObject(tree) { return }
    throw StorageError(
      .unsupported,
      facts.size == 0
        ? "is empty" : "is no \(format.name)\(known.map { " but a \($0.name)" } ?? "")",
      path: place.string,
      hint: facts.size == 0 ? "restore it from a backup, or remove it" : "check the path")
  }

  private static func isEmptyObject(_ tree: DiskTree) -> Bool {
    guard let head = try? tree.head(0, limit: 64) else { return false }
    return head.array.filter { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } == [0x7B, 0x7D]
  }
}

extension Storage {
  /// Puts records into the store in one step. Returns how many there were of each kind.
  func put(_ records: [StoredRecord]) throws(StorageError) -> [String: Int] {
    var counts: [String: Int] = [:]
    for record in records { counts[record.name.kind.rawValue, default: 0] += 1 }
    if let stranger = records.first(where: { !backend.kinds.contains($0.name.kind) }) {
      let kind = stranger.name.kind.rawValue
      throw StorageError(
        .unsupported, "has no place for the \(counts[kind] ?? 0) records of the kind \(kind)",
        path: backend.path, hint: "holdfast migrate puts every kind into a database")
    }
    try update { records.map { .put($0) } }
    return counts
  }
}
