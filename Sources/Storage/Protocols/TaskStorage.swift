/// The tasks of a list. A call that changes something returns once the change is durable.
public protocol TaskStorage: Sendable {
  /// Creates a task: with a UUID in a plain list, with the next number in one that is kept by user.
  /// Throws `invalid` for a blank description and a blank title.
  /// - Parameter owner: nil in a plain list.
  func createTask(_ description: String, title: String?, owner: TaskOwner?)
    async throws(StorageError) -> TaskItem
  /// Replaces a task. Throws `notFound`, or `conflict` where it has been changed since it was read.
  func update(_ task: TaskItem) async throws(StorageError)
  /// Marks a task as completed. Throws `notFound`, or `conflict` where the id stands under several
  /// owners and none is named.
  @discardableResult
  func completeTask(_ id: String, owner: TaskOwner?) async throws(StorageError) -> TaskItem
  /// Throws as `completeTask` does.
  func deleteTask(_ id: String, owner: TaskOwner?) async throws(StorageError)
  /// In the order of the store.
  /// - Parameter owner: nil for those of all.
  func tasks(of owner: TaskOwner?) async throws(StorageError) -> [TaskItem]
}

extension TaskStorage {
  public func createTask(_ description: String) async throws(StorageError) -> TaskItem {
    try await createTask(description, title: nil, owner: nil)
  }
  public func tasks() async throws(StorageError) -> [TaskItem] { try await tasks(of: nil) }
}
