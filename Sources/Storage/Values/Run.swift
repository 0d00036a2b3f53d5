import LosslessJSON

/// A run of a plan, as it was saved.
public struct Run: Archivable, Hashable, Identifiable {
  public let text: RecordText

  public init(text: RecordText) throws(StorageError) {
    guard text.bytes("run_id") != nil else {
      throw StorageError(.invalid, "is no run: it has no run_id")
    }
    self.text = text
  }

  public var entityID: String { id }
  public var entityType: String { "run" }

  public var id: String { text.string("run_id") ?? "" }
  public var planID: String { text.string("plan_id") ?? "" }
  public var objective: String { text.string("objective") ?? "" }
  /// JSON, exactly as it was saved.
  public var planResult: String { text.string("plan_result") ?? "" }
  public var executionResult: String? { text.string("execution_result") }
  /// Unix seconds.
  public var createdAt: Double { text.real("created_at") ?? 0 }
  public var summary: RunSummary {
    var success = false
    if let result = executionResult, let value = try? JSONText(Array(result.utf8).span) {
      success = value.flag("success") ?? false
    }
    return RunSummary(
      id: id, planID: planID, objective: objective, createdAt: createdAt, success: success)
  }
}

/// What a plan came to: what `saveRun` stores of it, decided by whoever ran it.
public struct PlanResult: Sendable, Hashable {
  public var planID: String
  public var objective: String
  /// JSON, stored exactly as it is.
  public var json: String

  public init(planID: String, objective: String, json: String) {
    self.planID = planID
    self.objective = objective
    self.json = json
  }
}

/// What a list of runs says of each.
public struct RunSummary: Sendable, Hashable, Identifiable {
  public var id: String
  public var planID: String
  public var objective: String
  /// Unix seconds.
  public var createdAt: Double
  /// `success` of the execution result; false where there is none.
  public var success: Bool
}

/// A task of a task list.
public struct TaskItem: Archivable, Hashable {
  public private(set) var text: RecordText
  /// Whose it is, for lists that are kept by user, and by project within that.
  public internal(set) var owner: TaskOwner?
  /// The content hash of the task as it was read from a store; nil for one made anew.
  public internal(set) var revision: String?

  public init(text: RecordText) throws(StorageError) {
    guard text.identifier("id") != nil else {
      throw StorageError(.invalid, "is no task: it has no id")
    }
    self.text = text
  }

  public var entityID: String { id }
  public var entityType: String { "task" }

  /// A UUID, or a number as text.
  public var id: String { String(decoding: text.identifier("id") ?? [], as: UTF8.self) }
  public var title: String? {
    get { text.string("title") }
    set { text.set("title", newValue) }
  }
  public var description: String {
    get { text.string("description") ?? "" }
    set { text.set("description", newValue) }
  }
  public var completed: Bool {
    get { text.flag("completed") ?? false }
    set { if text.flag("completed") != newValue { text.set("completed", newValue) } }
  }
  /// ISO 8601.
  public var createdAt: String { text.string("created_at") ?? "" }
  public var updatedAt: String {
    get { text.string("updated_at") ?? "" }
    set { text.set("updated_at", newValue) }
  }
}

/// Under whom a task stands.
public struct TaskOwner: Sendable, Hashable {
  public var user: String
  public var project: String?

  public init(user: String, project: String? = nil) {
    self.user = user
    self.project = project
  }
}
