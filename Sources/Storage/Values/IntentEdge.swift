/// How one intent stands to another.
public enum EdgeType: String, Sendable, CaseIterable {
  case dependsOn = "DependsOn"
  case isSubgoalOf = "IsSubgoalOf"
  case conflictsWith = "ConflictsWith"
  case enables = "Enables"
  case relatedTo = "RelatedTo"
  case triggeredBy = "TriggeredBy"
  case blocks = "Blocks"
}

/// An edge between two intents, known by its two ends and its type.
public struct IntentEdge: Archivable, Hashable {
  public private(set) var text: RecordText

  public init(text: RecordText) throws(StorageError) {
    for key in ["from", "to", "edge_type"] where text.bytes(key) == nil {
      throw StorageError(.invalid, "is no edge: it has no \(key)")
    }
    self.text = text
  }

  public init(
    from: String, to: String, type: EdgeType, weight: Double? = nil,
    metadata: [String: String]? = nil
  ) {
    text = RecordText()
    text.set("from", from)
    text.set("to", to)
    text.set("edge_type", type.rawValue)
    if let metadata {
      text.set("metadata", metadata)
    } else {
      text["metadata"] = RecordText.null
    }
    text.set("weight", weight)
  }

  public var entityID: String { "\(from) -\(typeName)-> \(to)" }
  public var entityType: String { "edge" }

  public var from: String { text.string("from") ?? "" }
  public var to: String { text.string("to") ?? "" }
  /// Nil for a type that this version does not know; `typeName` has its name all the same.
  public var type: EdgeType? { EdgeType(rawValue: typeName) }
  public var typeName: String { text.string("edge_type") ?? "" }
  public var weight: Double? { text.real("weight") }
  public var metadata: [String: String] { text.map("metadata") }
}
