/// Names to look for in an object, eight at most, all in one pass over its keys.
package struct JSONNames: Sendable {
  fileprivate struct Entry: Sendable {
    var name: StaticString
    /// Bytes of the name.
    var length: Int
    /// Its first eight bytes as `Span.word` has them.
    var word: UInt64
  }

  fileprivate let entries: [Entry]

  /// - Parameter names: in the order in which `JSONMembers` counts them; none is empty.
  package init(_ names: StaticString...) {
    precondition(names.count <= JSONMembers.limit)
    entries = names.map { name in
      let bytes = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
      return Entry(name: name, length: bytes.count, word: bytes.span.word(at: 0))
    }
  }
}

/// Where the values under some names are.
package struct JSONMembers: Sendable {
  static let limit = 8
  private var tokens = SIMD8<Int32>(repeating: -1)
  /// The token of a key that one of the names has taken before; nil where none comes twice.
  package internal(set) var repeatedKey: Int?
  /// How many keys the object has that none of the names has taken.
  package internal(set) var otherCount = 0

  package init() {}

  /// The token of the value under the name with this number; nil where the object has no such key.
  package internal(set) subscript(name: Int) -> Int? {
    get { tokens[name] < 0 ? nil : Int(tokens[name]) }
    set { tokens[name] = newValue.map { Int32(truncatingIfNeeded: $0) } ?? -1 }
  }
}

extension JSONText {
  /// The values under `names`, each as `member` finds it.
  package func members(_ names: JSONNames, of object: Int = 0) -> JSONMembers {
    var found = JSONMembers()
    let tokens = index.tokens.span
    let text = bytes.span
    let wanted = names.entries.span
    let top = tokens[object]
    guard top.kind == .object else { return found }
    var at = object &+ 1
    while at < Int(top.next) {
      let key = tokens[at]
      let value = at &+ 1
      found.otherCount &+= 1
      if key.isPlain {
        let length = Int(key.end &- key.start) &- 2
        let word = text.word(at: Int(key.start) &+ 1, atMost: length)
        for number in 0..<wanted.count
        where wanted[number].word == word && wanted[number].length == length {
          if length <= 8 || isString(at, equalTo: wanted[number].name) {
            if found[number] != nil { found.repeatedKey = at }
            found[number] = value
            found.otherCount &-= 1
          }
        }
      } else {
        for number in 0..<wanted.count where isString(at, equalTo: wanted[number].name) {
          if found[number] != nil { found.repeatedKey = at }
          found[number] = value
          found.otherCount &-= 1
        }
      }
      at = Int(tokens[value].next)
    }
    return found
  }
}
