/// The keys of the objects that are being written, each object's in canonical order: by the bytes
/// of the unescaped key, repeated keys as they stand in the source.
///
/// A stack, so that nested objects need no memory of their own.
package struct KeyOrder: Sendable {
  /// A key with the bytes that decide most comparisons.
  private struct Entry: Sendable {
    /// The first eight bytes, the first the most significant, zeros behind the end: no unescaped
    /// key that is plain holds a zero. Nothing, where the key is not plain.
    var prefix: UInt64
    var token: UInt32
    var isPlain: Bool
  }

  /// The keys, and room for more: only the first `count` are on the stack.
  private var keys: [Entry] = []
  package private(set) var count = 0
  private var merged: [Entry] = []
  private var keyA = ByteBuffer()
  private var keyB = ByteBuffer()

  /// Objects with up to this many keys are sorted by insertion, as are the runs of larger ones.
  private static let run = 16

  package init() {}

  /// The token of the key at `index`.
  @inline(__always)
  package subscript(index: Int) -> Int { Int(keys[index].token) }

  /// Pushes the key that is token `key`.
  @inline(__always)
  package mutating func push(_ key: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>) {
    let entry = tokens[key]
    let prefix =
      entry.isPlain
      ? text.word(at: Int(entry.start) &+ 1, atMost: Int(entry.end &- entry.start) &- 2)
        .byteSwapped : 0
    let pushed = Entry(
      prefix: prefix, token: UInt32(truncatingIfNeeded: key), isPlain: entry.isPlain)
    if count < keys.count { keys[count] = pushed } else { keys.append(pushed) }
    count &+= 1
  }

  package mutating func removeAll() { count = 0 }

  /// Drops all keys from index `first` on.
  @inline(__always)
  package mutating func drop(from first: Int) { count = first }

  /// Sorts the keys from index `first` on, all of them keys in `text`. Stable.
  @inline(__always)
  package mutating func sort(from first: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>) {
    if count &- first > 1 { sortSeveral(from: first, of: tokens, in: text) }
  }

  private mutating func sortSeveral(
    from first: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>
  ) {
    // Taken out while it is written to, so that each write need not ask who else holds it.
    var keys = self.keys
    self.keys = []
    defer { self.keys = keys }
    var start = first
    while start < count {
      let end = min(start + Self.run, count)
      var run = keys.mutableSpan
      sortByInsertion(&run, start, end, of: tokens, in: text)
      start = end
    }
    var width = Self.run
    while width < count - first {
      merge(&keys, from: first, width: width, of: tokens, in: text)
      width *= 2
    }
  }

  @inline(__always)
  private mutating func sortByInsertion(
    _ keys: inout MutableSpan<Entry>, _ start: Int, _ end: Int, of tokens: Span<JSONToken>,
    in text: Span<UInt8>
  ) {
    var next = start &+ 1
    while next < end {
      let key = keys[next]
      var at = next
      while at > start, precedes(key, keys[at &- 1], of: tokens, in: text) {
        keys[at] = keys[at &- 1]
        at &-= 1
      }
      keys[at] = key
      next &+= 1
    }
  }

  /// Merges neighbouring runs of `width` sorted keys; of equal keys the left run's come first.
  private mutating func merge(
    _ keys: inout [Entry], from first: Int, width: Int, of tokens: Span<JSONToken>,
    in text: Span<UInt8>
  ) {
    merged.removeAll(keepingCapacity: true)
    var start = first
    while start < count {
      let middle = min(start + width, count)
      let end = min(middle + width, count)
      var (left, right) = (start, middle)
      while left < middle, right < end {
        if precedes(keys[right], keys[left], of: tokens, in: text) {
          merged.append(keys[right])
          right += 1
        } else {
          merged.append(keys[left])
          left += 1
        }
      }
      merged.append(contentsOf: keys[left..<middle])
      merged.append(contentsOf: keys[right..<end])
      start = end
    }
    keys.replaceSubrange(first..<count, with: merged)
  }

  @inline(__always)
  private mutating func precedes(
    _ a: Entry, _ b: Entry, of tokens: Span<JSONToken>, in text: Span<UInt8>
  ) -> Bool {
    if a.isPlain, b.isPlain, a.prefix != b.prefix { return a.prefix < b.prefix }
    return precedesWhole(tokens[Int(a.token)], tokens[Int(b.token)], in: text)
  }

  private mutating func precedesWhole(
    _ a: JSONToken, _ b: JSONToken, in text: Span<UInt8>
  ) -> Bool {
    if a.isPlain, b.isPlain {
      return text.extracting(a.inside).compare(with: text.extracting(b.inside)) < 0
    }
    keyA.removeAll()
    keyB.removeAll()
    appendUnescaped(text.extracting(a.inside), to: &keyA)
    appendUnescaped(text.extracting(b.inside), to: &keyB)
    return keyA.span.compare(with: keyB.span) < 0
  }
}

extension JSONToken {
  /// What lies between the quotes of a string.
  @inline(__always)
  package var inside: Range<Int> { Int(start) + 1..<Int(end) - 1 }
}
