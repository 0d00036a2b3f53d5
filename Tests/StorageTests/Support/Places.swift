import HoldfastStorage
import TestSupport

/// A kind of storage, in a scratch directory of its own.
enum Where: String, CaseIterable, Sendable {
  case memory, snapshot, archive, graph, contexts, tasks, runs, database

  static let intents: [Where] = [.memory, .snapshot, .archive, .database]
  static let graphs: [Where] = [.memory, .graph, .contexts, .database]
  static let taskLists: [Where] = [.memory, .tasks, .database]
  static let histories: [Where] = [.memory, .runs, .database]
  static let archives: [Where] = [.memory, .archive, .database]

  /// The name of its file or directory in the scratch directory.
  var name: String {
    switch self {
    case .memory: ""
    case .snapshot: "snapshot.json"
    case .archive: "archive"
    case .graph: "memory.jsonl"
    case .contexts: "coaia"
    case .tasks: "tasks.json"
    case .runs: "runs.db"
    case .database: "store.db"
    }
  }

  func place(_ scratch: Scratch) -> StorageConfiguration.Place {
    let path = scratch.file(name).string
    switch self {
    case .memory: return .memory
    case .snapshot: return .snapshot(path)
    case .archive: return .archive(path)
    case .graph: return .graph(path)
    case .contexts: return .contexts(path)
    case .tasks: return .tasks(path)
    case .runs: return .runs(path)
    case .database: return .database(path)
    }
  }

  func open(_ scratch: Scratch) throws -> Storage {
    try StorageFactory.open(StorageConfiguration(place(scratch)))
  }

  /// The store as another program finds it: opened anew, but for memory, which ends with its owner.
  func reopen(_ storage: Storage, _ scratch: Scratch) throws -> Storage {
    self == .memory ? storage : try open(scratch)
  }
}

extension Storage {
  /// Runs `body` and returns the code of the error that it throws; nil where it throws none.
  static func code(
    _ body: () async throws -> Void
  ) async -> StorageError.Code? {
    do { try await body() } catch { return (error as? StorageError)?.code }
    return nil
  }
}
