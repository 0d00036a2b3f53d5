/// The state of an intent.
public enum IntentStatus: String, Sendable, CaseIterable {
  case active = "Active"
  case executing = "Executing"
  case completed = "Completed"
  case failed = "Failed"
  case archived = "Archived"
  case suspended = "Suspended"
}

/// What an intent came from.
public enum TriggerSource: String, Sendable, CaseIterable {
  case humanRequest = "HumanRequest"
  case planExecution = "PlanExecution"
  case systemEvent = "SystemEvent"
  case intentCompletion = "IntentCompletion"
  case arbiterInference = "ArbiterInference"
}

/// An intent as it is stored: what it wants as RTFS source, which is kept as it was written.
///
/// A view of its text (see `RecordText`). `RuntimeIntent` has the source as expressions.
public struct StorableIntent: Archivable, Hashable, Identifiable {
  public private(set) var text: RecordText
  /// The content hash of the intent as it was read from a store; nil for one made anew. An update
  /// is refused where the store holds another one by then.
  public internal(set) var revision: String?

  public init(text: RecordText) throws(StorageError) {
    guard let id = text.bytes("intent_id"), !id.isEmpty else {
      throw StorageError(.invalid, "is no intent: it has no intent_id")
    }
    self.text = text
  }

  /// A new intent, its fields in the order that the format's owner writes them.
  /// - Parameter createdAt: unix seconds.
  public init(
    id: String, goal: String, originalRequest: String? = nil, name: String? = nil,
    status: IntentStatus = .active, priority: Int = 0, parent: String? = nil,
    source: String = "", triggeredBy: TriggerSource = .humanRequest, createdAt: Int
  ) {
    text = RecordText()
    text.set("intent_id", id)
    text["name"] = RecordText.null
    text["session_id"] = RecordText.null
    text.set("original_request", originalRequest ?? goal)
    text.set("rtfs_intent_source", source)
    text.set("goal", goal)
    text["constraints"] = Self.empty
    text["preferences"] = Self.empty
    text["success_criteria"] = RecordText.null
    text["parent_intent"] = RecordText.null
    text["child_intents"] = Array("[]".utf8)
    text.set("triggered_by", triggeredBy.rawValue)
    var context = RecordText()
    context.set("arbiter_version", "1.0.0")
    context.set("generation_timestamp", createdAt)
    context["input_context"] = Self.empty
    context["reasoning_trace"] = RecordText.null
    text.set("generation_context", context)
    text.set("status", status.rawValue)
    text.set("priority", priority)
    text.set("created_at", createdAt)
    text.set("updated_at", createdAt)
    text["metadata"] = Self.empty
    self.name = name
    self.parent = parent
  }

  private static let empty = Array("{}".utf8)

  public var entityID: String { id }
  public var entityType: String { "intent" }

  public var id: String { text.string("intent_id") ?? "" }
  public var name: String? {
    get { text.string("name") }
    set { text.set("name", newValue) }
  }
  public var sessionID: String? {
    get { text.string("session_id") }
    set { text.set("session_id", newValue) }
  }
  public var originalRequest: String {
    get { text.string("original_request") ?? "" }
    set { text.set("original_request", newValue) }
  }
  public var goal: String {
    get { text.string("goal") ?? "" }
    set { text.set("goal", newValue) }
  }
  /// RTFS source of the whole intent; may be empty.
  public var source: String {
    get { text.string("rtfs_intent_source") ?? "" }
    set { text.set("rtfs_intent_source", newValue) }
  }
  /// RTFS source by name.
  public var constraints: [String: String] {
    get { text.map("constraints") }
    set { text.set("constraints", newValue) }
  }
  public var preferences: [String: String] {
    get { text.map("preferences") }
    set { text.set("preferences", newValue) }
  }
  public var successCriteria: String? {
    get { text.string("success_criteria") }
    set { text.set("success_criteria", newValue) }
  }
  public var parent: String? {
    get { text.string("parent_intent") }
    set { text.set("parent_intent", newValue) }
  }
  public var children: [String] {
    get { text.strings("child_intents") }
    set { text.set("child_intents", newValue) }
  }
  /// Nil for a source that this version does not know.
  public var triggeredBy: TriggerSource? {
    get { text.string("triggered_by").flatMap(TriggerSource.init) }
    set { if let newValue { text.set("triggered_by", newValue.rawValue) } }
  }
  /// Nil for a state that this version does not know.
  public var status: IntentStatus? {
    get { text.string("status").flatMap(IntentStatus.init) }
    set { if let newValue { text.set("status", newValue.rawValue) } }
  }
  public var priority: Int {
    get { text.integer("priority") ?? 0 }
    set { text.set("priority", newValue) }
  }
  /// Unix seconds.
  public var createdAt: Int { text.integer("created_at") ?? 0 }
  public var updatedAt: Int {
    get { text.integer("updated_at") ?? 0 }
    set { text.set("updated_at", newValue) }
  }
  public var metadata: [String: String] {
    get { text.map("metadata") }
    set { text.set("metadata", newValue) }
  }
}

/// Which intents `list` gives; all conditions must hold.
public struct IntentFilter: Sendable, Hashable {
  public var status: IntentStatus?
  /// Part of the name; capital and small letters are different.
  public var nameContains: String?
  public var goalContains: String?
  public var priority: ClosedRange<Int>?

  public init(
    status: IntentStatus? = nil, nameContains: String? = nil, goalContains: String? = nil,
    priority: ClosedRange<Int>? = nil
  ) {
    self.status = status
    self.nameContains = nameContains
    self.goalContains = goalContains
    self.priority = priority
  }

  func passes(_ intent: StorableIntent) -> Bool {
    if let status, intent.status != status { return false }
    if let priority, !priority.contains(intent.priority) { return false }
    if let nameContains, !(intent.text.bytes("name") ?? []).holds(Array(nameContains.utf8)) {
      return false
    }
    if let goalContains, !(intent.text.bytes("goal") ?? []).holds(Array(goalContains.utf8)) {
      return false
    }
    return true
  }
}

extension [UInt8] {
  /// Whether `part` stands somewhere in these bytes.
  func holds(_ part: [UInt8]) -> Bool {
    guard let first = part.first else { return true }
    var at = startIndex
    while let start = self[at...].firstIndex(of: first), start + part.count <= count {
      if self[start..<start + part.count].elementsEqual(part) { return true }
      at = start + 1
    }
    return false
  }
}
