/// What `JSONReader` read of a value, apart from its text. No part of it, lest each value of a
/// generic reader look up the type.
package struct JSONExtent: Sendable {
  /// Absolute offset and length in bytes.
  package var offset: Int
  package var length: Int
  /// Why the bytes are not a JSON value, with an absolute offset; nil where they are one.
  package var error: JSONError?
}

/// Reads one large JSON text piece by piece: the caller walks into the containers it knows and
/// takes their elements one at a time, so memory is bounded by the largest element.
///
/// Offsets are absolute: bytes from the start of the source. Errors are `JSONError` with such an
/// offset, or whatever the source throws.
package struct JSONReader<Source: ByteSource & ~Copyable>: ~Copyable {
  /// Bytes asked of the source at a time: few at first, for many a text is short.
  private var step = 16 << 10
  private let largestStep = 256 << 10
  private var source: Source
  private var window = ByteBuffer()
  private var cursor = 0
  /// Absolute offset of the first byte of `window`.
  private var base: Int
  private var ended = false
  /// Line feeds in everything before `counted`, a position in the window.
  private var linesBefore: Int
  private var counted = 0
  private let elementLimit: Int
  /// Whether every object so far that was looked for at the end of its line was found there.
  private var fillsLines = true

  /// - Parameter offset: the absolute offset of the first byte that `source` will give.
  /// - Parameter linesBefore: line feeds before that byte.
  /// - Parameter elementLimit: values longer than about this many bytes are refused as `tooLong`
  ///   before they fill the memory, as a lost quote makes of all that follows.
  package init(
    _ source: consuming Source, offset: Int = 0, linesBefore: Int = 0,
    elementLimit: Int = JSONIndex.maximumLength
  ) {
    self.elementLimit = elementLimit
    self.source = source
    base = offset
    self.linesBefore = linesBefore
  }

  /// Reads the source to its end without looking at it.
  package mutating func drain() throws {
    repeat { cursor = window.count } while try fill()
  }

  /// Absolute offset of the next byte.
  package var offset: Int { base + cursor }

  /// Line of the next byte, counted from 1; counts on from where it was asked last.
  package var line: Int {
    mutating get {
      linesBefore += window.span.extracting(counted..<max(counted, cursor)).occurrences(of: 0x0A)
      counted = max(counted, cursor)
      return linesBefore + 1
    }
  }

  /// Skips whitespace; the next byte, or nil at the end of the source.
  package mutating func peek() throws -> UInt8? {
    while true {
      while cursor < window.count {
        let byte = window[cursor]
        guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
        cursor += 1
      }
      guard try fill() else { return nil }
    }
  }

  /// Skips whitespace and takes `byte` if it comes next.
  package mutating func take(_ byte: UInt8) throws -> Bool {
    guard try peek() == byte else { return false }
    cursor += 1
    return true
  }

  /// Skips whitespace and takes `byte`; throws `reason` where something else comes.
  package mutating func expect(_ byte: UInt8, _ reason: JSONError.Reason) throws {
    guard try take(byte) else {
      throw JSONError(try peek() == nil ? .unexpectedEnd : reason, at: offset)
    }
  }

  /// Inside an object after its `{` or after a value: the next key, unescaped, its colon taken;
  /// nil at the closing brace, which is taken.
  package mutating func nextKey(first: Bool) throws -> [UInt8]? {
    if try take(0x7D) {
      return nil
    }
    if !first { try expect(0x2C, .expectedCommaOrEnd) }
    guard try peek() == 0x22 else {
      throw JSONError(try peek() == nil ? .unexpectedEnd : .expectedKey, at: offset)
    }
    var key = JSONText()
    try value(&key)
    try expect(0x3A, .expectedColon)
    return key.decoded(0)
  }

  /// Inside an array after its `[` or after an element: whether another element follows; the
  /// closing bracket is taken.
  package mutating func nextElement(first: Bool) throws -> Bool {
    if try take(0x5D) { return false }
    if first { return true }
    try expect(0x2C, .expectedCommaOrEnd)
    return true
  }

  /// Whether nothing but whitespace is left.
  package mutating func isAtEnd() throws -> Bool { try peek() == nil }

  /// Reads the next value whole, strictly, into `text`.
  @discardableResult
  package mutating func value(_ text: inout JSONText) throws -> JSONExtent {
    let extent = try element(&text)
    if let error = extent.error { throw error }
    return extent
  }

  /// Like `value`, but a value whose extent is clear from its brackets and quotes and whose
  /// inside is not valid JSON is reported in the extent, and the walk can go on behind it.
  /// Still throws where no end is found.
  package mutating func element(_ text: inout JSONText) throws -> JSONExtent {
    guard try peek() != nil else { throw JSONError(.unexpectedEnd, at: offset) }
    let start = offset
    if fillsLines, window[cursor] == 0x7B, let end = endOnLine {
      fillsLines = (try? text.parse(window.span.extracting(cursor..<end))) != nil
      if fillsLines {
        defer { cursor = end }
        return JSONExtent(offset: start, length: end - cursor)
      }
    }
    let length = try measure()
    var extent = JSONExtent(offset: start, length: length)
    do throws(JSONError) {
      try text.parse(window.span.extracting(cursor..<cursor + length))
    } catch {
      extent.error = JSONError(error.reason, at: error.offset + start)
    }
    cursor += length
    return extent
  }

  /// Reads over the next value without keeping it; strictness as for `value`, but only brackets
  /// and quotes are looked at.
  package mutating func skip() throws {
    guard try peek() != nil else { throw JSONError(.unexpectedEnd, at: offset) }
    cursor += try measure()
  }

  /// The inside of a string value, in pieces, as its unescaped bytes. The opening quote must
  /// come next. `body` borrows each piece.
  package mutating func beginString() throws {
    try expect(0x22, .unexpectedByte)
  }

  /// Appends the next unescaped bytes of the string begun to `out`, about `limit` at most;
  /// returns how many, 0 once the closing quote has been taken.
  package mutating func readString(into out: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let before = out.count
    while true {
      if cursor == window.count, try !fill() { throw JSONError(.unexpectedEnd, at: offset) }
      let visible = min(window.count - cursor, max(limit, 12))
      let run = wholeCharacters(in: visible)
      if run > 0 {
        appendUnescaped(window.span.extracting(cursor..<cursor + run), to: &out)
        cursor += run
        return out.count - before
      }
      let byte = window[cursor]
      if byte == 0x22 {
        cursor += 1
        return 0
      }
      if byte < 0x20 { throw JSONError(.controlCharacter, at: offset) }
      if visible >= 12 || ended {
        throw JSONError(byte == 0x5C ? .badEscape : .invalidUTF8, at: offset)
      }
      _ = try fill()
    }
  }

  /// How many of the next `visible` bytes are whole characters and escapes of a string's inside,
  /// up to the closing quote, the first malformed one, or one that may be cut off.
  private func wholeCharacters(in visible: Int) -> Int {
    let text = window.span.extracting(cursor..<cursor + visible)
    let isLast = ended && cursor + visible == window.count
    var end = 0
    while true {
      end = text.endOfPlainString(from: end)
      guard end < text.count else { return end }
      let length: Int
      switch text[end] {
      case 0x5C: length = escapeLength(text.extracting(end..<text.count), isLast: isLast)
      case 0x80...: length = text.lengthOfUTF8Sequence(at: end)
      default: return end
      }
      if length == 0 { return end }
      end += length
    }
  }

  /// The length of the escape at the front, 12 for a pair of surrogates; 0 if it is malformed or
  /// may be cut off.
  /// - Parameter isLast: whether nothing follows `text`.
  private func escapeLength(_ text: Span<UInt8>, isLast: Bool) -> Int {
    guard text.count >= 2 else { return 0 }
    switch text[1] {
    case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return 2
    case 0x75: break
    default: return 0
    }
    guard let high = unit(text, at: 2) else { return 0 }
    guard high >= 0xD800, high < 0xDC00 else { return 6 }
    if text.count < 12 { return isLast ? 6 : 0 }
    guard text[6] == 0x5C, text[7] == 0x75, let low = unit(text, at: 8) else { return 6 }
    return low >= 0xDC00 && low < 0xE000 ? 12 : 6
  }

  private func unit(_ text: Span<UInt8>, at start: Int) -> UInt32? {
    guard text.count >= start + 4 else { return nil }
    var value: UInt32 = 0
    for index in start..<start + 4 {
      guard let digit = hexValue(text[index]) else { return nil }
      value = value << 4 | digit
    }
    return value
  }

  /// Where the object at the cursor ends if it fills the rest of its line, but for the comma behind
  /// it. No value is the beginning of another, so what parses up to there is the whole of it.
  private var endOnLine: Int? {
    let text = window.span
    guard var end = text.firstIndex(of: 0x0A, from: cursor) else { return nil }
    if end > cursor, text[end - 1] == 0x2C { end -= 1 }
    guard end > cursor, text[end - 1] > 0x20, end - cursor <= elementLimit else { return nil }
    return end
  }

  /// The length of the value at the cursor, all of it in the window; brackets and quotes only.
  private mutating func measure() throws -> Int {
    var at = 0
    var depth = 0
    let start = window[cursor]
    if start != 0x22, start != 0x7B, start != 0x5B {
      while true {
        if cursor + at == window.count, try !fill() { return at }
        switch window[cursor + at] {
        case 0x2C, 0x5D, 0x7D, 0x3A, 0x20, 0x09, 0x0A, 0x0D, 0x22, 0x5B, 0x7B:
          return max(at, 1)
        default: at += 1
        }
        if at > elementLimit { throw JSONError(.tooLong, at: offset) }
      }
    }
    while true {
      if cursor + at >= window.count, try !fill() {
        throw JSONError(.unexpectedEnd, at: offset + at)
      }
      let byte = window[cursor + at]
      at += 1
      if byte == 0x22 {
        var closed = false
        while !closed {
          at = endOfStringRun(from: at)
          let seen = window.count - cursor
          if at < seen, window[cursor + at] == 0x22 {
            closed = true
            at += 1
          } else if at + 1 < seen {
            at += 2
          } else if at > elementLimit {
            throw JSONError(.tooLong, at: offset)
          } else if try !fill() {
            throw JSONError(.unexpectedEnd, at: base + window.count)
          }
        }
        if depth == 0 { return at }
      } else if byte == 0x7B || byte == 0x5B {
        depth += 1
      } else if byte == 0x7D || byte == 0x5D {
        depth -= 1
        if depth == 0 { return at }
      }
      if at > elementLimit { throw JSONError(.tooLong, at: offset) }
    }
  }

  /// `start` and the result count from the cursor.
  private func endOfStringRun(from start: Int) -> Int {
    window.span.endOfStringRun(from: cursor + start) - cursor
  }

  /// Gets more bytes behind those in the window, dropping what has been read.
  private mutating func fill() throws -> Bool {
    if ended { return false }
    if cursor >= step || cursor == window.count {
      _ = line
      window.removeFirst(cursor)
      counted = 0
      base += cursor
      cursor = 0
    }
    if try source.read(into: &window, atMost: max(step, window.count)) == 0 { ended = true }
    if window.count >= step { step = min(4 * step, largestStep) }
    return !ended
  }
}
