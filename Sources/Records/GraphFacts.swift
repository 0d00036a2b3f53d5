import LosslessJSON

/// Where the fields of an entity or a relation are, found in one pass over its keys and one over
/// those of its metadata.
struct GraphFields: Sendable {
  private static let names = JSONNames(
    "name", "entityType", "observations", "metadata", "from", "relationType", "to", "data")
  private static let metadataNames = JSONNames(
    "createdAt", "updatedAt", "dueDate", "chartId", "parentChart")

  private let members: JSONMembers
  private let metadata: JSONMembers

  init(_ record: borrowing Record) {
    var members = record.text.members(Self.names)
    // The older form has its fields under `data` (see `Record.body`).
    if members[record.kind == .entity ? 0 : 4] == nil, let data = members[7],
      record.text.kind(data) == .object
    {
      members = record.text.members(Self.names, of: data)
    }
    self.members = members
    if let token = members[3], record.text.kind(token) == .object {
      metadata = record.text.members(Self.metadataNames, of: token)
    } else {
      metadata = JSONMembers()
    }
  }

  /// A key of the record, or of its metadata, that is there twice.
  var repeatedKey: Int? { members.repeatedKey ?? metadata.repeatedKey }
  /// Whether the record has a key besides those and its type, which may be there twice too.
  var hasOtherKeys: Bool { members.otherCount > 1 }
  var name: Int? { members[0] }
  var entityType: Int? { members[1] }
  var observations: Int? { members[2] }
  var from: Int? { members[4] }
  var relationType: Int? { members[5] }
  var to: Int? { members[6] }
  var createdAt: Int? { metadata[0] }
  var updatedAt: Int? { metadata[1] }
  var dueDate: Int? { metadata[2] }
  var chartId: Int? { metadata[3] }
  var parentChart: Int? { metadata[4] }
}

/// What the rules of memory graphs need of one record: keyed hashes instead of names. Made on any
/// thread, for `GraphRules` to take in store order.
package struct GraphFacts: Sendable {
  /// A name that occurs in the record: its hash, and the token to read it from again.
  struct Mention: Sendable {
    var key: UInt64
    var token: Int
  }

  /// The entity's name, or the relation's three parts together.
  var id: UInt64?
  /// The chart an entity belongs to; where a relation starts.
  var first: Mention?
  /// An entity's parent chart; where a relation ends.
  var second: Mention?
  var isRelation = false
  /// Whether the entity is itself the chart `first`.
  var definesChart = false

  /// Of a record of another kind.
  package init() {}

  /// - Parameter fields: those of `record`, an entity or a relation.
  init(_ record: borrowing Record, _ fields: GraphFields, scratch: inout ByteBuffer) {
    if record.kind == .entity {
      id = Self.mention(fields.name, record, &scratch)?.key
      first = Self.chart(fields.chartId, record, &scratch)
      second = Self.chart(fields.parentChart, record, &scratch)
      if first != nil, let type = fields.entityType {
        definesChart = record.text.isString(type, equalTo: "structural_tension_chart")
      }
      return
    }
    isRelation = true
    first = Self.mention(fields.from, record, &scratch)
    second = Self.mention(fields.to, record, &scratch)
    if let first, let second, let type = Self.mention(fields.relationType, record, &scratch) {
      id = KeyHash.combine(KeyHash.combine(first.key, type.key), second.key)
    }
  }

  /// The string that is `token`, unless that is absent or no string.
  private static func mention(
    _ token: Int?, _ record: borrowing Record, _ scratch: inout ByteBuffer
  ) -> Mention? {
    guard let token, record.text.kind(token) == .string else { return nil }
    scratch.removeAll()
    record.text.appendDecoded(token, to: &scratch)
    return Mention(key: KeyHash.key(scratch.span), token: token)
  }

  /// The chart that `token` names; an empty name is none.
  private static func chart(
    _ token: Int?, _ record: borrowing Record, _ scratch: inout ByteBuffer
  ) -> Mention? {
    let mention = mention(token, record, &scratch)
    return scratch.isEmpty ? nil : mention
  }

  /// Whether an edge has all three of its parts, as strings.
  static func hasEnds(_ record: borrowing Record, _ type: StaticString, of object: Int) -> Bool {
    func isString(_ key: StaticString) -> Bool {
      record.text.member(key, of: object).map { record.text.kind($0) == .string } ?? false
    }
    return isString("from") && isString(type) && isString("to")
  }
}
