/// A set of records by their number in the order of reading: a bit a record.
package struct OrdinalSet: Sendable {
  private var words: [UInt64] = []
  package private(set) var count = 0

  package init() {}

  package func contains(_ ordinal: Int) -> Bool {
    let word = ordinal >> 6
    return word < words.count && words[word] >> UInt64(ordinal & 63) & 1 == 1
  }

  package mutating func insert(_ ordinal: Int) {
    let word = ordinal >> 6
    while word >= words.count {
      words.append(contentsOf: repeatElement(0, count: max(64, words.count / 4)))
    }
    if words[word] >> UInt64(ordinal & 63) & 1 == 1 { return }
    words[word] |= 1 << UInt64(ordinal & 63)
    count += 1
  }

  package mutating func remove(_ ordinal: Int) {
    guard contains(ordinal) else { return }
    words[ordinal >> 6] &= ~(1 << UInt64(ordinal & 63))
    count -= 1
  }
}
