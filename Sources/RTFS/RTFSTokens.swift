import LosslessJSON

/// The small words of the language, read from text that may go on behind what is in memory: to
/// reach its end is always `unexpectedEnd`, so that the caller can fetch more and try again.
extension Span<UInt8> {
  /// The index of the first byte at or after `start` that is neither whitespace nor comment.
  @inline(__always)
  func endOfGap(from start: Int) throws(RTFSError) -> Int {
    if start < count {
      if startsToken(start) { return start }
      if self[start] == 0x20, start + 1 < count, startsToken(start + 1) { return start + 1 }
    }
    return try endOfLongGap(from: start)
  }

  @inline(__always)
  private func startsToken(_ index: Int) -> Bool {
    let byte = self[index]
    return byte > 0x20 && byte != 0x23 && byte != 0x3B
  }

  private func endOfLongGap(from start: Int) throws(RTFSError) -> Int {
    var at = start
    while at < count {
      switch self[at] {
      case 0x20, 0x09, 0x0A, 0x0D: at += 1
      case 0x3B: at = (firstIndex(of: 0x0A, from: at) ?? count - 1) + 1
      case 0x23:
        guard at + 1 < count else { throw RTFSError(.unexpectedEnd, at: count) }
        guard self[at + 1] == 0x7C else { throw RTFSError(.unexpectedByte, at: at) }
        at = endOfBlockComment(from: at + 2) ?? count
      default: return at
      }
    }
    throw RTFSError(.unexpectedEnd, at: count)
  }

  /// The index behind the first `|#` at or after `start`.
  func endOfBlockComment(from start: Int) -> Int? {
    var at = start
    while let bar = firstIndex(of: 0x7C, from: at) {
      if bar + 1 < count, self[bar + 1] == 0x23 { return bar + 2 }
      at = bar + 1
    }
    return nil
  }

  /// The index behind the run of bytes that a symbol, or a keyword after its colon, may hold.
  @inline(__always)
  func endOfWord(from start: Int) throws(RTFSError) -> Int {
    var at = start
    while at < count {
      if !self[at].isWordByte { return at }
      at += 1
    }
    throw RTFSError(.unexpectedEnd, at: count)
  }

  /// The index behind the run of digits at `start`, at least one.
  func endOfDigits(from start: Int) throws(RTFSError) -> Int {
    var at = start
    while at < count, self[at] &- 0x30 <= 9 { at += 1 }
    guard at < count else { throw RTFSError(.unexpectedEnd, at: count) }
    guard at > start else { throw RTFSError(.badNumber, at: at) }
    return at
  }

  /// The index of the first byte that is no part of well-formed UTF-8; nil if there is none.
  var firstInvalidUTF8: Int? {
    var at = 0
    while at < count {
      let length = lengthOfUTF8Sequence(at: at)
      if length == 0 { return at }
      at += length
    }
    return nil
  }
}

extension UInt8 {
  /// Whether a symbol may hold this byte.
  @inline(__always)
  var isWordByte: Bool {
    switch self {
    case 0x61...0x7A, 0x41...0x5A, 0x30...0x39: true
    // - _ . / + * $ = < > ! ? % @
    case 0x2D, 0x5F, 0x2E, 0x2F, 0x2B, 0x2A, 0x24, 0x3D, 0x3C, 0x3E, 0x21, 0x3F, 0x25, 0x40: true
    default: false
    }
  }
}
