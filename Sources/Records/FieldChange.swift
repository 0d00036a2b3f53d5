import LosslessJSON

/// One difference between two versions of a record.
package struct FieldChange: Sendable, Equatable {
  /// JSON pointer (RFC 6901) of the field: in the new version, or in the old one where it is gone.
  /// Empty for the record itself.
  package var pointer: [UInt8]
  /// Compact bytes of the values; nil where the field was or is not there. Never both.
  package var before: [UInt8]?
  package var after: [UInt8]?
}

/// Finds the fields in which two JSON values differ: values that are canonically equal do not, so
/// key order, white space, escapes and the spelling of numbers make no difference.
///
/// Elements that were put into an array or taken out of it are told as such, as long as the array
/// is not too long for that; objects that repeat a key are compared as a whole. No recursion.
package struct FieldComparison {
  private var old: JSONText
  private var new: JSONText
  private var changes: [FieldChange] = []
  /// Pairs of tokens that are still to be compared, the next one last.
  private var open: [(old: Int?, new: Int?, pointer: [UInt8])] = []

  private init(_ old: JSONText, _ new: JSONText) {
    self.old = old
    self.new = new
  }

  /// The changes in the order of the old version's fields, those of the new one behind.
  package static func changes(from old: JSONText, to new: JSONText) -> [FieldChange] {
    var comparison = FieldComparison(old, new)
    comparison.open.append((0, 0, []))
    while let next = comparison.open.popLast() {
      comparison.compare(next.old, next.new, next.pointer)
    }
    return comparison.changes
  }

  private mutating func compare(_ a: Int?, _ b: Int?, _ pointer: [UInt8]) {
    guard let a, let b else { return report(a, b, pointer) }
    if Self.canonical(&old, a) == Self.canonical(&new, b) { return }
    switch (old.kind(a), new.kind(b)) {
    case (.object, .object): compareObjects(a, b, pointer)
    case (.array, .array): compareArrays(a, b, pointer)
    default: report(a, b, pointer)
    }
  }

  private mutating func report(_ a: Int?, _ b: Int?, _ pointer: [UInt8]) {
    func compact(_ text: JSONText, _ token: Int?) -> [UInt8]? {
      guard let token else { return nil }
      var out = ByteBuffer()
      text.appendCompact(token, to: &out)
      return out.array
    }
    changes.append(
      FieldChange(pointer: pointer, before: compact(old, a), after: compact(new, b)))
  }

  private static func canonical(_ text: inout JSONText, _ token: Int) -> [UInt8] {
    var out = ByteBuffer()
    text.appendCanonical(token, to: &out)
    return out.array
  }

  private mutating func compareObjects(_ a: Int, _ b: Int, _ pointer: [UInt8]) {
    let (before, after) = (old.children(of: a), new.children(of: b))
    var places: [[UInt8]: Int] = [:]
    for key in after { places[new.decoded(key)] = key }
    var seen: Set<[UInt8]> = []
    var pairs: [(old: Int?, new: Int?, pointer: [UInt8])] = []
    for key in before {
      let name = old.decoded(key)
      guard seen.insert(name).inserted else { return report(a, b, pointer) }
      pairs.append((key + 1, places[name].map { $0 + 1 }, Self.step(pointer, name)))
    }
    guard places.count == after.count else { return report(a, b, pointer) }
    for key in after {
      let name = new.decoded(key)
      if !seen.contains(name) { pairs.append((nil, key + 1, Self.step(pointer, name))) }
    }
    open += pairs.reversed()
  }

  private static func step(_ pointer: [UInt8], _ key: [UInt8]) -> [UInt8] {
    var out = ByteBuffer(pointer)
    out.append(pointerStep: key.span)
    return out.array
  }

  /// The most elements of an array, after those that both have at its ends, of which it is found
  /// out which are the same; longer ones are compared place by place.
  private static let arrayLimit = 500

  private mutating func compareArrays(_ a: Int, _ b: Int, _ pointer: [UInt8]) {
    let (before, after) = (old.children(of: a), new.children(of: b))
    let left = before.map { Self.canonical(&old, $0) }
    let right = after.map { Self.canonical(&new, $0) }
    var start = 0
    while start < min(left.count, right.count), left[start] == right[start] { start += 1 }
    var end = 0
    while end < min(left.count, right.count) - start,
      left[left.count - 1 - end] == right[right.count - 1 - end]
    { end += 1 }
    let (m, n) = (left.count - start - end, right.count - start - end)
    var pairs: [(old: Int?, new: Int?, pointer: [UInt8])] = []
    func pair(_ i: Int?, _ j: Int?) {
      pairs.append(
        (
          i.map { before[$0] }, j.map { after[$0] },
          Self.step(pointer, Array("\(j ?? i ?? 0)".utf8))
        ))
    }
    if m == n || m > Self.arrayLimit || n > Self.arrayLimit {
      for offset in 0..<max(m, n) {
        pair(offset < m ? start + offset : nil, offset < n ? start + offset : nil)
      }
    } else {
      for (i, j) in Self.align(left[start..<start + m], right[start..<start + n]) { pair(i, j) }
    }
    open += pairs.reversed()
  }

  /// The elements that are not in a longest common subsequence, by their places; a removed one
  /// directly before an added one counts as changed.
  private static func align(
    _ a: ArraySlice<[UInt8]>, _ b: ArraySlice<[UInt8]>
  ) -> [(Int?, Int?)] {
    let width = b.count + 1
    var lengths = [UInt16](repeating: 0, count: (a.count + 1) * width)
    for i in stride(from: a.count - 1, through: 0, by: -1) {
      for j in stride(from: b.count - 1, through: 0, by: -1) {
        lengths[i * width + j] =
          a[a.startIndex + i] == b[b.startIndex + j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : max(lengths[(i + 1) * width + j], lengths[i * width + j + 1])
      }
    }
    var result: [(Int?, Int?)] = []
    var (i, j) = (0, 0)
    var (removed, added): ([Int], [Int]) = ([], [])
    func flush() {
      for index in 0..<max(removed.count, added.count) {
        result.append(
          (
            index < removed.count ? removed[index] : nil, index < added.count ? added[index] : nil
          ))
      }
      (removed, added) = ([], [])
    }
    while i < a.count || j < b.count {
      if i < a.count, j < b.count, a[a.startIndex + i] == b[b.startIndex + j] {
        flush()
        (i, j) = (i + 1, j + 1)
      } else if j == b.count
        || (i < a.count && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
      {
        removed.append(a.startIndex + i)
        i += 1
      } else {
        added.append(b.startIndex + j)
        j += 1
      }
    }
    flush()
    return result
  }
}
