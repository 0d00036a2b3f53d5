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
