/// Something that a memory graph knows of, by its name.
public struct Entity: Archivable, Hashable {
  public private(set) var text: RecordText

  public init(text: RecordText) throws(StorageError) {
    guard text.bytes("name") != nil else {
      throw StorageError(.invalid, "is no entity: it has no name")
    }
    self.text = text
  }

  public init(name: String, type: String, observations: [String] = []) {
    text = RecordText()
    text.set("type", "entity")
    text.set("name", name)
    text.set("entityType", type)
    text.set("observations", observations)
  }

  public var entityID: String { name }
  public var entityType: String { "entity" }

  public var name: String { text.string("name") ?? "" }
  public var type: String {
    get { text.string("entityType") ?? "" }
    set { text.set("entityType", newValue) }
  }
  public var observations: [String] {
    get { text.strings("observations") }
    set { text.set("observations", newValue) }
  }
  /// The metadata as JSON; nil where there is none.
  public var metadata: RecordText? {
    get { text.object("metadata") }
    set { text["metadata"] = newValue?.bytes }
  }
}

/// How one entity stands to another.
public struct Relation: Archivable, Hashable {
  public private(set) var text: RecordText

  public init(text: RecordText) throws(StorageError) {
    for key in ["from", "to", "relationType"] where text.bytes(key) == nil {
      throw StorageError(.invalid, "is no relation: it has no \(key)")
    }
    self.text = text
  }

  public init(from: String, to: String, type: String) {
    text = RecordText()
    text.set("type", "relation")
    text.set("from", from)
    text.set("to", to)
    text.set("relationType", type)
  }

  public var entityID: String { "\(from) -\(type)-> \(to)" }
  public var entityType: String { "relation" }

  public var from: String { text.string("from") ?? "" }
  public var to: String { text.string("to") ?? "" }
  public var type: String { text.string("relationType") ?? "" }
}

/// A part of a memory graph, or all of it.
public struct KnowledgeGraph: Sendable, Hashable {
  public var entities: [Entity]
  public var relations: [Relation]

  public init(entities: [Entity] = [], relations: [Relation] = []) {
    self.entities = entities
    self.relations = relations
  }
}
