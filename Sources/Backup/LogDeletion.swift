import LosslessJSON
import Records
import Stores

/// What a line of an append-only log takes away.
struct LogDeletion {
  /// `kind:id` of each record that it names; a record that is there under none of them is none of
  /// its concern.
  private(set) var labels: [[UInt8]] = []
  /// The entities among them.
  private(set) var entities: [[UInt8]] = []

  /// The kind in the label of a document whose id is no string.
  static let valueKind = "document value"

  /// Whether a record takes another one away, `{"type":"delete",…}`, rather than being one.
  static func isDeletion(_ record: borrowing Record) -> Bool {
    guard record.kind == .document, let type = record.text.member("type") else { return false }
    return record.text.isString(type, equalTo: "delete")
  }

  /// Whether a record says of itself that it is gone: `"deleted":true`.
  static func isTombstone(_ record: borrowing Record) -> Bool {
    for object in Set([0, record.body]) {
      if let mark = record.text.member("deleted", of: object), record.text.kind(mark) == .true {
        return true
      }
    }
    return false
  }

  /// Reads which records a deletion names: an entity by `name` or `entityName`, a relation by
  /// `from`, `relationType` and `to`, a document (or an entity) by `id`; several by `entityNames`,
  /// `names`, `ids`, `entities` or `relations`; also one level down, under `data` or `record`.
  init(_ record: Record) {
    if let id = record.documentID { add(record.hasValueID ? Self.valueKind : "document", id) }
    read(record.text, 0)
    for key in ["data", "record", "entity", "relation"] as [StaticString] {
      if let inner = record.text.member(key), record.text.kind(inner) == .object {
        read(record.text, inner)
      }
    }
  }

  private mutating func read(_ text: JSONText, _ object: Int) {
    if let from = text.string("from", of: object), let to = text.string("to", of: object),
      let type = text.string("relationType", of: object)
    {
      add("relation", from + Array(" -".utf8) + type + Array("-> ".utf8) + to)
    }
    for key in ["name", "entityName"] as [StaticString] {
      if let name = text.string(key, of: object) { add("entity", name) }
    }
    if let id = text.member("id", of: object) { readID(text, id) }
    for (key, isID) in [("entityNames", false), ("names", false), ("ids", true)]
      as [(StaticString, Bool)]
    {
      guard let list = text.member(key, of: object) else { continue }
      for token in text.children(of: list) where text.kind(list) == .array {
        if isID {
          readID(text, token)
        } else if text.kind(token) == .string {
          add("entity", text.decoded(token))
        }
      }
    }
    for key in ["entities", "relations"] as [StaticString] {
      guard let list = text.member(key, of: object), text.kind(list) == .array else { continue }
      for token in text.children(of: list) where text.kind(token) == .object {
        read(text, token)
      }
    }
  }

  private mutating func readID(_ text: JSONText, _ token: Int) {
    switch text.kind(token) {
    case .string:
      add("entity", text.decoded(token))
      add("document", text.decoded(token))
    case .number:
      var copy = text
      var out = ByteBuffer()
      copy.appendCanonical(token, to: &out)
      add(Self.valueKind, out.array)
    default: break
    }
  }

  private mutating func add(_ kind: String, _ id: [UInt8]) {
    labels.append(Array("\(kind):".utf8) + id)
    if kind == "entity" { entities.append(id) }
  }
}
