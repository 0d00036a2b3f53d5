import Dispatch
import Synchronization
import SystemPackage

/// A question to a database, answered on a thread of its own while the caller does something else.
package final class BackgroundReading<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, DatabaseError>?>(nil)
  private let done = DispatchSemaphore(value: 0)

  /// Begins. The file must stay where it is, unchanged, until `wait` has returned.
  /// - Parameter ask: gets a connection of its own.
  package init(
    _ path: FilePath, _ mode: Connection.Mode,
    _ ask: @escaping @Sendable (borrowing Connection) throws(DatabaseError) -> Value
  ) {
    DispatchQueue.global().async {
      let result: Result<Value, DatabaseError>
      do throws(DatabaseError) {
        let connection = try Connection(path, mode, isLenient: true)
        result = .success(try ask(connection))
      } catch { result = .failure(error) }
      self.outcome.withLock { $0 = result }
      self.done.signal()
    }
  }

  /// The answer. Call once.
  package func wait() throws(DatabaseError) -> Value {
    done.wait()
    guard let result = outcome.withLock({ $0 }) else {
      throw DatabaseError(.failed, "gave no answer")
    }
    return try result.get()
  }
}
