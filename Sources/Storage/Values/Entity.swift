/// Something that a memory graph knows of, by its name.
public struct Entity: Archivable, Hashable {
  public private(set) var text: RecordText

  public init(text: RecordText) throws(StorageError) {
    guard text.fields(knownBy: "name").bytes("name") != nil else {
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

  private(set) var fields: RecordText {
    get { text.fields(knownBy: "name") }
    set { text.setFields(newValue, knownBy: "name") }
  }

  public var entityID: String { name }
  public var entityType: String { "entity" }

  public var name: String { fields.string("name") ?? "" }
  public var type: String {
    get { fields.string("entityType") ?? "" }
    set { fields.set("entityType", newValue) }
  }
  /// What is no string among them is not shown, and stays where it is.
  public var observations: [String] {
    get { fields.strings("observations") }
    set { fields.set("observations", newValue) }
  }
  /// The metadata as JSON; nil where there is none.
  public var metadata: RecordText? {
    get { fields.object("metadata") }
    set { fields["metadata"] = newValue?.bytes }
  }
}

/// How one entity stands to another.
public struct Relation: Archivable, Hashable {
  public private(set) var text: RecordText

  public init(text: RecordText) throws(StorageError) {
    let fields = text.fields(knownBy: "from")
    for key in ["from", "to", "relationType"] where fields.bytes(key) == nil {
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

  private var fields: RecordText { text.fields(knownBy: "from") }

  public var from: String { fields.string("from") ?? "" }
  public var to: String { fields.string("to") ?? "" }
  public var type: String { fields.string("relationType") ?? "" }
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
