import LosslessJSON

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
  /// Whether the entity is itself the chart `first`.
  var definesChart = false

  /// - Parameter record: stays as it is; lent for writing so that none of it is copied.
  package init(_ record: inout Record, scratch: inout ByteBuffer) {
    switch record.kind {
    case .entity: readEntity(record, &scratch)
    case .relation: readRelation(record, &scratch)
    default: break
    }
  }

  private mutating func readEntity(_ record: borrowing Record, _ scratch: inout ByteBuffer) {
    let object = record.body
    id = Self.mention("name", of: object, record, &scratch)?.key
    guard let metadata = record.text.member("metadata", of: object),
      record.text.kind(metadata) == .object
    else { return }
    first = Self.chart("chartId", of: metadata, record, &scratch)
    second = Self.chart("parentChart", of: metadata, record, &scratch)
    if first != nil, let type = record.text.member("entityType", of: object) {
      definesChart = record.text.isString(type, equalTo: "structural_tension_chart")
    }
  }

  private mutating func readRelation(_ record: borrowing Record, _ scratch: inout ByteBuffer) {
    let object = record.body
    first = Self.mention("from", of: object, record, &scratch)
    second = Self.mention("to", of: object, record, &scratch)
    guard Self.hasEnds(record, "relationType", of: object) else { return }
    scratch.removeAll()
    record.appendID(to: &scratch)
    id = Self.key(scratch.span)
  }

  /// The string under `key`, unless it is absent or no string.
  private static func mention(
    _ key: StaticString, of object: Int, _ record: borrowing Record, _ scratch: inout ByteBuffer
  ) -> Mention? {
    guard let token = record.text.member(key, of: object), record.text.kind(token) == .string
    else { return nil }
    scratch.removeAll()
    record.text.appendDecoded(token, to: &scratch)
    return Mention(key: Self.key(scratch.span), token: token)
  }

  private static func chart(
    _ key: StaticString, of metadata: Int, _ record: borrowing Record, _ scratch: inout ByteBuffer
  ) -> Mention? {
    let mention = mention(key, of: metadata, record, &scratch)
    return scratch.isEmpty ? nil : mention
  }

  /// Whether a relation or an edge has all three of its parts, as strings.
  static func hasEnds(_ record: borrowing Record, _ type: StaticString, of object: Int) -> Bool {
    func isString(_ key: StaticString) -> Bool {
      record.text.member(key, of: object).map { record.text.kind($0) == .string } ?? false
    }
    return isString("from") && isString(type) && isString("to")
  }

  /// A hash of an id, keyed anew in each process; `salt` keeps different uses apart.
  static func key(_ bytes: Span<UInt8>, salt: Int = 0) -> UInt64 {
    var hasher = Hasher()
    if salt != 0 { hasher.combine(salt) }
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }
}
