import Glibc

/// Searches and comparisons that touch several bytes at a time: the one place of this room that
/// reads memory without a bounds check for each byte. Every load lies below `count`.
extension Span<UInt8> {
  /// The index of the first quote, backslash or control character at or after `start`; `count`
  /// if there is none. Bytes above ASCII are not looked at.
  @inline(__always)
  func endOfTextRun(from start: Int) -> Int {
    let end = count
    return withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return end }
      var index = start
      while index &+ 8 <= end {
        let word = (base + index).loadUnaligned(as: UInt64.self)
        let quote = word ^ 0x2222_2222_2222_2222
        let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        // Each term has a byte's high bit set where that byte matches; the lowest one is exact.
        let hits =
          (((word &- 0x2020_2020_2020_2020) & ~word)
            | ((quote &- 0x0101_0101_0101_0101) & ~quote)
            | ((slash &- 0x0101_0101_0101_0101) & ~slash)) & 0x8080_8080_8080_8080
        if hits != 0 { return index &+ (hits.trailingZeroBitCount &>> 3) }
        index &+= 8
      }
      while index < end {
        let byte = (base + index).load(as: UInt8.self)
        if byte < 0x20 || byte == 0x22 || byte == 0x5C { return index }
        index &+= 1
      }
      return end
    }
  }

  /// Whether the bytes of `range`, which must lie inside, are those of `text`.
  @inline(__always)
  func isText(_ text: StaticString, in range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount, range.lowerBound >= 0, range.upperBound <= count
    else { return false }
    return withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return range.isEmpty }
      return memcmp(base + range.lowerBound, text.utf8Start, range.count) == 0
    }
  }
}
