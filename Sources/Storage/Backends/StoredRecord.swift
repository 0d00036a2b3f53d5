import LosslessJSON
import Records
import Stores

/// What one record of a store is known by.
package struct RecordName: Sendable, Hashable {
  package var kind: RecordKind
  /// Where it stands in the store: the context of a graph, the user and the project above a task
  /// as a JSON pointer. Empty for all else.
  package var scope: [UInt8]
  /// Its id; for edges and relations the two ends and the type between them.
  package var id: [[UInt8]]

  package init(_ kind: RecordKind, _ id: [[UInt8]], scope: [UInt8] = []) {
    self.kind = kind
    self.id = id
    self.scope = scope
  }

  init(_ kind: RecordKind, _ id: String, scope: [UInt8] = []) {
    self.init(kind, [Array(id.utf8)], scope: scope)
  }

  /// The id in one piece, as `Record.appendID` has it without a scope.
  package var key: [UInt8] {
    guard id.count == 3 else { return id.first ?? [] }
    return id[0] + Array(" -".utf8) + id[1] + Array("-> ".utf8) + id[2]
  }

  /// The id for people.
  package var label: String { String(decoding: key, as: UTF8.self) }

  /// Whether it is an edge or a relation that starts or ends there.
  func touches(_ end: [UInt8]) -> Bool { id.count == 3 && (id[0] == end || id[2] == end) }
}

/// A record with its name.
package struct StoredRecord: Sendable {
  package var name: RecordName
  package var text: RecordText

  init(_ name: RecordName, _ text: RecordText) {
    self.name = name
    self.text = text
  }

  /// Takes a record as its own fields name it; nil where they do not.
  /// - Parameter scope: as in `RecordName`.
  package init?(_ kind: RecordKind, _ text: RecordText, scope: [UInt8] = []) {
    let keys: [String]
    switch kind {
    case .intent: keys = ["intent_id"]
    case .edge: keys = ["from", "edge_type", "to"]
    case .entity: keys = ["name"]
    case .relation: keys = ["from", "relationType", "to"]
    case .plan: keys = ["plan_id"]
    case .action: keys = ["action_id"]
    case .run: keys = ["run_id"]
    case .task, .project: keys = ["id"]
    case .user: keys = ["username"]
    case .document: return nil
    }
    let isLine = kind == .entity || kind == .relation
    let fields = isLine ? text.fields(knownBy: keys[0]) : text
    let id = keys.compactMap { fields.identifier($0) }
    guard id.count == keys.count else { return nil }
    self.init(RecordName(kind, id, scope: scope), text)
  }

  /// Takes an object of an archive, whose own fields tell its kind.
  init?(archived text: RecordText) {
    guard let parsed = try? JSONText(text.bytes.span) else { return nil }
    self.init(ContentArchive.kind(of: parsed), text)
  }

  init(_ intent: StorableIntent) {
    self.init(RecordName(.intent, [intent.text.bytes("intent_id") ?? []]), intent.text)
  }

  /// For values whose text has been checked.
  init(_ kind: RecordKind, of value: some Archivable, scope: [UInt8] = []) {
    self =
      StoredRecord(kind, value.text, scope: scope)
      ?? StoredRecord(RecordName(kind, value.entityID, scope: scope), value.text)
  }
}

extension Record {
  /// What a record that a reader has lent is known by. `scope` of a memory graph is its context.
  package func name(context: [UInt8] = []) -> RecordName {
    let object = body
    func field(_ key: StaticString) -> [UInt8]? {
      guard let token = text.member(key, of: object) else { return nil }
      switch text.kind(token) {
      case .string: return text.decoded(token)
      case .number:
        var out = ByteBuffer()
        text.appendCompact(token, to: &out)
        return out.array
      default: return nil
      }
    }
    switch kind {
    case .edge, .relation:
      let type: StaticString = kind == .edge ? "edge_type" : "relationType"
      if let from = field("from"), let type = field(type), let to = field("to") {
        return RecordName(kind, [from, type, to], scope: context)
      }
    case .task:
      if let id = field("id") { return RecordName(kind, [id], scope: scope) }
    case .intent, .user, .project:
      // What a map holds is looked up by its key.
      if !scope.isEmpty { return RecordName(kind, [scope]) }
    default: break
    }
    var out = ByteBuffer()
    appendID(to: &out)
    return RecordName(kind, [out.array], scope: context)
  }
}
