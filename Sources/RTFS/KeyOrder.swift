import LosslessJSON

/// The keys of the objects that are being written, each object's in canonical order: by the bytes
/// of the unescaped key, repeated keys as they stand in the source.
///
/// A stack, so that nested objects need no memory of their own.
struct KeyOrder: Sendable {
  /// Token indices.
  private(set) var keys: [UInt32] = []
  private var merged: [UInt32] = []
  private var keyA = ByteBuffer()
  private var keyB = ByteBuffer()

  /// Objects with up to this many keys are sorted by insertion, as are the runs of larger ones.
  private static let run = 16

  var count: Int { keys.count }

  @inline(__always)
  mutating func push(_ key: Int) { keys.append(UInt32(truncatingIfNeeded: key)) }

  /// Drops all keys from index `first` on.
  @inline(__always)
  mutating func drop(from first: Int) { keys.removeLast(keys.count - first) }

  /// Sorts the keys from index `first` on.
  mutating func sort(from first: Int, of tokens: [JSONToken], in text: Span<UInt8>) {
    var start = first
    while start < keys.count {
      let end = min(start + Self.run, keys.count)
      sortByInsertion(start..<end, of: tokens, in: text)
      start = end
    }
    var width = Self.run
    while width < keys.count - first {
      merge(from: first, width: width, of: tokens, in: text)
      width *= 2
    }
  }

  @inline(__always)
  private mutating func sortByInsertion(
    _ range: Range<Int>, of tokens: [JSONToken], in text: Span<UInt8>
  ) {
    var next = range.lowerBound + 1
    while next < range.upperBound {
      let key = keys[next]
      var at = next
      while at > range.lowerBound,
        precedes(tokens[Int(key)], tokens[Int(keys[at - 1])], in: text)
      {
        keys[at] = keys[at - 1]
        at -= 1
      }
      keys[at] = key
      next += 1
    }
  }

  /// Merges neighbouring runs of `width` sorted keys; of equal keys the left run's come first.
  private mutating func merge(
    from first: Int, width: Int, of tokens: [JSONToken], in text: Span<UInt8>
  ) {
    merged.removeAll(keepingCapacity: true)
    var start = first
    while start < keys.count {
      let middle = min(start + width, keys.count)
      let end = min(middle + width, keys.count)
      var (left, right) = (start, middle)
      while left < middle, right < end {
        if precedes(tokens[Int(keys[right])], tokens[Int(keys[left])], in: text) {
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
    keys.replaceSubrange(first..., with: merged)
  }

  @inline(__always)
  private mutating func precedes(_ a: JSONToken, _ b: JSONToken, in text: Span<UInt8>) -> Bool {
    if a.isPlain && b.isPlain {
      // The first byte decides nearly always.
      var x = Int(a.start) + 1
      var y = Int(b.start) + 1
      let endX = Int(a.end) - 1
      let endY = Int(b.end) - 1
      while x < endX && y < endY {
        let p = text[x]
        let q = text[y]
        if p != q { return p < q }
        x += 1
        y += 1
      }
      return x == endX && y < endY
    }
    return precedesUnescaped(a, b, in: text)
  }

  private mutating func precedesUnescaped(
    _ a: JSONToken, _ b: JSONToken, in text: Span<UInt8>
  ) -> Bool {
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
  var inside: Range<Int> { Int(start) + 1..<Int(end) - 1 }
}
