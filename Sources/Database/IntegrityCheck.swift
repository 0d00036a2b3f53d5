import Dispatch
import Synchronization
import SystemPackage

/// SQLite's own checks of a database, on a thread of their own while the caller reads it.
final class IntegrityCheck: Sendable {
  private let outcome = Mutex<Result<[String], DatabaseError>>(.success([]))
  private let done = DispatchSemaphore(value: 0)

  /// Begins. The file must stay where it is until `wait` has returned.
  init(_ path: FilePath, _ mode: Connection.Mode) {
    DispatchQueue.global().async {
      let result: Result<[String], DatabaseError>
      do throws(DatabaseError) {
        let connection = try Connection(path, mode, isLenient: true)
        result = .success(try StoreDatabase.problems(connection))
      } catch { result = .failure(error) }
      self.outcome.withLock { $0 = result }
      self.done.signal()
    }
  }

  /// What there is to say: nothing where all is well. Call once.
  func wait() throws -> [String] {
    done.wait()
    return try outcome.withLock { $0 }.get()
  }
}
