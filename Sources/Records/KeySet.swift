/// A set of 64-bit keys that are hashes already: open addressing, at most three quarters full,
/// 11 to 22 bytes a key.
struct KeySet: Sendable {
  private var slots: [UInt64] = []
  private(set) var count = 0
  /// Zero marks a free slot, so the key zero is kept apart.
  private var hasZero = false

  @inline(__always)
  private func slot(of key: UInt64) -> Int {
    let mask = slots.count &- 1
    var at = Int(truncatingIfNeeded: key) & mask
    while slots[at] != 0, slots[at] != key { at = (at &+ 1) & mask }
    return at
  }

  func contains(_ key: UInt64) -> Bool {
    if key == 0 { return hasZero }
    return !slots.isEmpty && slots[slot(of: key)] == key
  }

  /// What lies where the key would be. Asked of many keys in a row, this waits for memory once,
  /// and asking for each of them later does not.
  @inline(__always)
  func glance(_ key: UInt64) -> UInt64 {
    slots.isEmpty ? 0 : slots[Int(truncatingIfNeeded: key) & (slots.count &- 1)]
  }

  /// Returns whether the key is new.
  mutating func insert(_ key: UInt64) -> Bool {
    if key == 0 {
      defer { hasZero = true }
      return !hasZero
    }
    if count &* 4 >= slots.count &* 3 { grow() }
    let at = slot(of: key)
    if slots[at] == key { return false }
    slots[at] = key
    count += 1
    return true
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: max(64, old.count * 2))
    for key in old where key != 0 { slots[slot(of: key)] = key }
  }
}
