import LosslessJSON

/// Bytes that belong to no record, as they are met, and what is known of why.
struct Fragment {
  /// Where it starts in the text at hand.
  var start: Int
  /// Where, behind its bracket, the last list of records in it starts.
  var list: Int?
  /// Where the last list ends that is the value of a member in it: its objects are parts.
  var memberEnd = 0
  /// Why the value that starts with the fragment does not parse.
  private(set) var error: JSONError?
  /// Whether a record starts with the fragment.
  private(set) var opensRecord = false

  init(start: Int) { self.start = start }

  /// - Parameter isPlaced: whether a record may start at `start`.
  mutating func note(_ error: JSONError, start: Int, isPlaced: Bool) {
    guard self.error == nil else { return }
    self.error = error
    opensRecord = isPlaced && start == self.start
  }

  /// The shape of the damage in `bytes`, all of the fragment.
  /// - Parameter hasNext: whether a record follows on the same line.
  /// - Parameter isEnd: whether the input ends here.
  /// - Parameter isBehind: whether a record stands before it on the same line.
  func shape(of bytes: Span<UInt8>, hasNext: Bool, isEnd: Bool, isBehind: Bool) -> DamageShape {
    let zeros = bytes.occurrences(of: 0)
    if zeros * 2 > bytes.count { return .nulRun }
    if Self.isNoise(bytes, besides: 0) { return .garbage }
    if TextBytes.isConflictMarker(bytes), bytes.firstIndex(of: 0x0A) == nil {
      return .conflictMarker
    }
    if opensRecord, let error {
      let hasNext = hasNext && !Self.endsInList(bytes)
      switch error.reason {
      case .invalidUTF8 where !hasNext: return .invalidUTF8
      case .controlCharacter where !hasNext: return .controlCharacter
      case .tooDeep, .tooLong: return .tooLarge
      case .unexpectedEnd: return isEnd ? .tornTail : .tornRecord
      default: return hasNext ? .tornSplice : .malformed
      }
    }
    if zeros > 0 { return .nulRun }
    if isBehind { return .interleaved }
    return bytes.count > 0 && bytes[bytes.count - 1] == 0x7D ? .orphanSuffix : .malformed
  }

  /// Whether it ends as an element of a list does that another one follows: not cut off.
  private static func endsInList(_ bytes: Span<UInt8>) -> Bool {
    var at = bytes.count
    for byte in [UInt8(0x2C), 0x7D] {
      while at > 0, TextBytes.isBlank(bytes[at - 1]) { at -= 1 }
      guard at > 0, bytes[at - 1] == byte else { return false }
      at -= 1
    }
    return true
  }

  /// Whether many of the first bytes are no text, those that are `known` not counted.
  static func isNoise(_ bytes: Span<UInt8>, besides known: UInt8? = nil) -> Bool {
    let count = min(bytes.count, 256)
    var odd = 0
    var at = 0
    while at < count {
      let length = bytes.lengthOfUTF8Sequence(at: at)
      let isControl = bytes[at] < 0x20 && !TextBytes.isBlank(bytes[at]) || bytes[at] == 0x7F
      if (length == 0 || isControl) && bytes[at] != known { odd += 1 }
      at += max(length, 1)
    }
    return odd * 5 > count
  }
}

extension TextSalvage {
  /// Puts the fragment up to `end` into quarantine, white space at its ends left out.
  /// - Parameter next: where a record follows.
  /// - Parameter isEnd: whether the stretch ends here.
  func flush(
    _ text: Span<UInt8>, _ fragment: inout Fragment, upTo end: Int, next: Int?, isEnd: Bool = false
  ) throws {
    guard fragment.start < end else { return }
    var last = end
    if next != nil || isEnd {
      while last > fragment.start, TextBytes.isBlank(text[last - 1]) { last -= 1 }
    }
    let bytes = text.extracting(fragment.start..<last)
    if !bytes.isEmpty { isUnbroken = false }
    if !bytes.isEmpty {
      let shape = fragment.shape(
        of: bytes, hasNext: next != nil, isEnd: isEnd && end == text.count,
        isBehind: isBehindRecord)
      let reason = fragment.error.map { error in
        "\(error.reason.rawValue), at byte \(sink.position + max(0, error.offset - fragment.start))"
      }
      let mending = fragment.opensRecord ? try mend(bytes) : nil
      try sink.quarantine(
        bytes, shape: shape, reason: reason, line: line, isAlone: mending != nil)
      if let mending { try sink.repaired(record.text, mending) }
      lastWasLoss = true
    }
    let tail = text.extracting(last..<end)
    try sink.insignificant(tail)
    if style.layout == .stream {
      line += bytes.occurrences(of: 0x0A) + tail.occurrences(of: 0x0A)
    }
    fragment = Fragment(start: end)
  }
}
