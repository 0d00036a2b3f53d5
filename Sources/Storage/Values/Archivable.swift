import LosslessJSON
import Records

/// What a content-addressed archive can hold.
public protocol Archivable: Sendable {
  /// SHA-256 of the compact JSON, lower-case hex: the name of the entity in an archive.
  var contentHash: String { get }
  /// What the entity is known by, whatever its content.
  var entityID: String { get }
  /// `intent`, `edge`, `plan` and so on.
  var entityType: String { get }
  /// The text that is archived, in full.
  var text: RecordText { get }
  /// Throws `invalid` where the text is no entity of this type.
  init(text: RecordText) throws(StorageError)
}

extension Archivable {
  public var contentHash: String { text.contentHash }
  public var json: String { text.json }

  /// Reads one JSON object. Throws `invalid`, with the byte.
  public init(json: String) throws(StorageError) { try self.init(text: RecordText(json: json)) }
}

/// Any entity of an archive: an intent, an edge, a plan, an action.
public struct ArchivedEntity: Archivable, Hashable {
  public let text: RecordText
  public let entityID: String
  public let entityType: String

  public init(text: RecordText) throws(StorageError) {
    self.text = text
    guard let record = StoredRecord(archived: text) else {
      throw StorageError(
        .invalid, "has none of action_id, plan_id, edge_type and intent_id",
        hint: "an archive tells by them what it holds")
    }
    entityType = record.name.kind.rawValue
    entityID = record.name.label
  }
}
