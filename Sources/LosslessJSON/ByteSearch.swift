import Glibc

/// Searches that read several bytes at a time: the one place of this room that reads memory
/// without a bounds check for each byte. Every load lies below `count`.
extension Span<UInt8> {
  /// The index of the first byte at or after `start` that cannot stand for itself inside a JSON
  /// string (a quote, a backslash, a control character) or is not ASCII; `count` if none.
  @inline(__always)
  func endOfPlainString(from start: Int) -> Int {
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
          (word | ((word &- 0x2020_2020_2020_2020) & ~word)
            | ((quote &- 0x0101_0101_0101_0101) & ~quote)
            | ((slash &- 0x0101_0101_0101_0101) & ~slash)) & 0x8080_8080_8080_8080
        if hits != 0 { return index &+ (hits.trailingZeroBitCount &>> 3) }
        index &+= 8
      }
      while index < end {
        let byte = (base + index).load(as: UInt8.self)
        if byte < 0x20 || byte == 0x22 || byte == 0x5C || byte >= 0x80 { return index }
        index &+= 1
      }
      return end
    }
  }

  /// The index of the first quote or backslash at or after `start`; `count` if none.
  @inline(__always)
  package func endOfStringRun(from start: Int) -> Int {
    let end = count
    return withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return end }
      var index = start
      while index &+ 8 <= end {
        let word = (base + index).loadUnaligned(as: UInt64.self)
        let quote = word ^ 0x2222_2222_2222_2222
        let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
        let hits =
          (((quote &- 0x0101_0101_0101_0101) & ~quote)
            | ((slash &- 0x0101_0101_0101_0101) & ~slash)) & 0x8080_8080_8080_8080
        if hits != 0 { return index &+ (hits.trailingZeroBitCount &>> 3) }
        index &+= 8
      }
      while index < end {
        let byte = (base + index).load(as: UInt8.self)
        if byte == 0x22 || byte == 0x5C { return index }
        index &+= 1
      }
      return end
    }
  }

  /// Up to eight bytes from `start` on as one number, the first the least significant; zeros stand
  /// for those behind the end or behind `limit`.
  @inline(__always)
  package func word(at start: Int, atMost limit: Int = 8) -> UInt64 {
    let held = Swift.min(limit, count &- start)
    guard start >= 0, held > 0 else { return 0 }
    return withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return 0 }
      if start &+ 8 <= memory.count {
        let word = (base + start).loadUnaligned(as: UInt64.self)
        return held >= 8 ? word : word & (1 << UInt64(held &* 8) &- 1)
      }
      var word: UInt64 = 0
      for index in 0..<held {
        word |= UInt64((base + start + index).load(as: UInt8.self)) << UInt64(index &* 8)
      }
      return word
    }
  }

  /// The index of the first `byte` at or after `start`; nil if there is none.
  package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    guard start < count else { return nil }
    return withUnsafeBytes { memory in
      guard let base = memory.baseAddress,
        let found = memchr(base + start, Int32(byte), memory.count - start)
      else { return nil }
      return UnsafeRawPointer(found) - base
    }
  }

  /// Whether both hold the same bytes.
  package func isEqual(to other: borrowing Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return withUnsafeBytes { mine in
      other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return true }
        return memcmp(a, b, mine.count) == 0
      }
    }
  }

  /// Bytewise order: negative, zero or positive as this sorts before, with or after `other`.
  package func compare(with other: borrowing Span<UInt8>) -> Int {
    let shared = Swift.min(count, other.count)
    let order: Int32 = withUnsafeBytes { mine in
      other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return 0 }
        return memcmp(a, b, shared)
      }
    }
    return order != 0 ? Int(order) : count - other.count
  }

  /// How many bytes equal `byte`.
  package func occurrences(of byte: UInt8) -> Int {
    var total = 0
    var index = 0
    while let found = firstIndex(of: byte, from: index) {
      total += 1
      index = found + 1
    }
    return total
  }
}
