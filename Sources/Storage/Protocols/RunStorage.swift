/// Runs of plans. Nothing is ever decided from what is stored.
public protocol RunStorage: Sendable {
  /// Saves a run and returns its id. On return it is durable.
  /// - Parameter execution: JSON, stored exactly as it is; nil where nothing was carried out.
  func saveRun(_ plan: PlanResult, execution: String?) async throws(StorageError) -> String
  /// Throws `notFound` where there is no such run; any other error is a failure to look.
  func run(_ id: String) async throws(StorageError) -> Run
  /// Newest first.
  /// - Parameter limit: 20 where it is nil, never more than 100.
  func listRuns(limit: Int?, offset: Int) async throws(StorageError) -> [RunSummary]
}

extension RunStorage {
  public func listRuns() async throws(StorageError) -> [RunSummary] {
    try await listRuns(limit: nil, offset: 0)
  }
}
