/// A set of names of which only 64-bit keyed hashes are held, 11 to 22 bytes each: two names are
/// taken for one with a chance of about 2^-64.
package struct NameSet: Sendable {
  private var keys = KeySet()

  package init() {}

  package var isEmpty: Bool { keys.count == 0 }

  /// Returns whether the name is new.
  @discardableResult
  package mutating func insert(_ name: Span<UInt8>) -> Bool { keys.insert(KeyHash.key(name)) }

  package func contains(_ name: Span<UInt8>) -> Bool { keys.contains(KeyHash.key(name)) }
}

/// The ids of the entities and relations of a graph, held as in `NameSet`.
///
/// The sets of a large store lie far beyond the processor's caches: so ids are gathered, and asked
/// for many at a time, which waits for memory once.
package struct GraphIDs: Sendable {
  private var entities = KeySet()
  private var relations = KeySet()
  private var pending: [(key: UInt64, isRelation: Bool)] = []
  /// Only there so that `glance` is not left out.
  private var seen: UInt64 = 0

  package init() {}

  /// Takes the id of a record for the next `settle`. Returns how many there are now, 0 if the
  /// record has none.
  package mutating func add(_ facts: GraphFacts) -> Int {
    guard let id = facts.id else { return 0 }
    pending.append((id, facts.isRelation))
    return pending.count
  }

  /// Returns the position, among those gathered, of each id that was there before.
  package mutating func settle() -> [Int] {
    var taken: [Int] = []
    for (key, isRelation) in pending {
      seen ^= isRelation ? relations.glance(key) : entities.glance(key)
    }
    for (position, (key, isRelation)) in pending.enumerated() {
      let isNew = isRelation ? relations.insert(key) : entities.insert(key)
      if !isNew { taken.append(position) }
    }
    pending.removeAll(keepingCapacity: true)
    return taken
  }
}

/// Values by name, the names held as in `NameSet`.
package struct NameMap<Value: Sendable>: Sendable {
  private var values: [UInt64: Value] = [:]

  package init() {}

  package var count: Int { values.count }

  package subscript(name: Span<UInt8>) -> Value? {
    get { values[KeyHash.key(name)] }
    set { values[KeyHash.key(name)] = newValue }
  }
}
