import LosslessJSON
import Records

/// Reads one record's list, from its bracket to its bracket, as JSON.
///
/// For texts whose frame is lost it can be set on any `(`. Strict: it takes what `RTFSWriter`
/// writes and what upstream writes, in any layout and with comments, and refuses all else. No
/// recursion. Kept between records so that a loop allocates once.
package struct RTFSRecordScanner: Sendable {
  private var json = ByteBuffer()
  /// The closing brackets of the open vectors and maps.
  private var closers: [UInt8] = []
  /// The keywords that the record has had, by their index in the fields of its kind.
  private var seen: UInt32 = 0
  private var scope = JSONText()
  private var quoted = ByteBuffer()
  private var quotedIndex = JSONIndex()

  package init() {}

  /// Reads the record whose `(` is at `start`; sets its kind, scope, text and `documentID`, not
  /// its place. Returns the index behind its `)`.
  ///
  /// Errors have offsets in `text` and no line. Where `text` ends before the record does the
  /// error is `unexpectedEnd`, whatever may follow.
  package mutating func scan(
    _ text: ByteBuffer, from start: Int, into record: inout Record
  ) throws(RTFSError) -> Int {
    let word = try headWord(text, at: start)
    let span = text.span
    for kind in RTFSSnapshot.order where span.isText(kind.word, in: word) {
      return try scan(kind, text, from: word.upperBound, into: &record)
    }
    throw RTFSError(.unknownWord, at: word.lowerBound)
  }

  /// The word behind the `(` at `start`.
  func headWord(_ text: ByteBuffer, at start: Int) throws(RTFSError) -> Range<Int> {
    let span = text.span
    guard start < span.count else { throw RTFSError(.unexpectedEnd, at: span.count) }
    guard span[start] == 0x28 else { throw RTFSError(.unexpectedByte, at: start) }
    let word = try span.endOfGap(from: start + 1)
    let end = try span.endOfWord(from: word)
    guard end > word else { throw RTFSError(.unexpectedByte, at: word) }
    return word..<end
  }

  /// Reads what stands behind the head word of a record of this kind.
  mutating func scan(
    _ kind: RecordKind, _ text: ByteBuffer, from start: Int, into record: inout Record
  ) throws(RTFSError) -> Int {
    let span = text.span
    seen = 0
    var at = try scanValue(span, from: start, fields: kind.fields)
    record.kind = kind
    record.documentID = nil
    try parse(into: &record.text, span, start..<at)
    record.scope = []
    at = try span.endOfGap(from: at)
    if span[at] == 0x3A {
      at = try scanScope(span, from: at, into: &record)
    }
    guard span[at] == 0x29 else { throw RTFSError(.unexpectedByte, at: at) }
    return at + 1
  }

  /// Reads ` :scope "…"`. Returns the index of the token that follows.
  private mutating func scanScope(
    _ text: Span<UInt8>, from start: Int, into record: inout Record
  ) throws(RTFSError) -> Int {
    let end = try text.endOfWord(from: start + 1)
    guard text.isText(":scope", in: start..<end) else {
      throw RTFSError(.unknownKeyword, at: start)
    }
    let value = try text.endOfGap(from: end)
    let behind = try scanValue(text, from: value, fields: [])
    try parse(into: &scope, text, value..<behind)
    guard scope.kind() == .string else { throw RTFSError(.unexpectedByte, at: value) }
    record.scope = scope.decoded(0)
    return try text.endOfGap(from: behind)
  }

  /// Parses the JSON that was made of `range`.
  private func parse(
    into target: inout JSONText, _ text: Span<UInt8>, _ range: Range<Int>
  ) throws(RTFSError) {
    do {
      try target.parse(json.span)
    } catch {
      switch error.reason {
      case .tooDeep: throw RTFSError(.tooDeep, at: range.lowerBound)
      case .tooLong: throw RTFSError(.tooLong, at: range.lowerBound)
      default:
        let invalid = text.extracting(range).firstInvalidUTF8 ?? 0
        throw RTFSError(.invalidUTF8, at: range.lowerBound + invalid)
      }
    }
  }

  /// Reads one value, gaps in front included, into `json`. Returns the index behind it.
  private mutating func scanValue(
    _ text: Span<UInt8>, from start: Int, fields: [RTFSField]
  ) throws(RTFSError) -> Int {
    json.removeAll()
    closers.removeAll(keepingCapacity: true)
    var at = try text.endOfGap(from: start)
    while true {
      let byte = text[at]
      var isFirst = false
      switch byte {
      case 0x22: at = try copyString(text, at)
      case 0x7B, 0x5B:
        guard closers.count < JSONIndex.maximumDepth else { throw RTFSError(.tooDeep, at: at) }
        closers.append(byte + 2)
        json.append(byte)
        at += 1
        isFirst = true
      case 0x2B, 0x2D, 0x30...0x39: at = try copyNumber(text, at)
      case 0x28: at = try copyJSON(text, at)
      default: at = try copyWord(text, at)
      }
      while true {
        guard let closer = closers.last else { return at }
        at = try text.endOfGap(from: at)
        if text[at] != closer {
          if !isFirst { json.append(0x2C) }
          if closer == 0x7D { at = try copyKey(text, at, fields) }
          break
        }
        json.append(closer)
        closers.removeLast()
        at += 1
        isFirst = false
      }
    }
  }

  /// Reads a key and the gap behind it. Returns the index of its value.
  @inline(__always)
  private mutating func copyKey(
    _ text: Span<UInt8>, _ start: Int, _ fields: [RTFSField]
  ) throws(RTFSError) -> Int {
    let end: Int
    if text[start] == 0x22 {
      end = try copyString(text, start)
    } else {
      guard text[start] == 0x3A, closers.count == 1 else {
        throw RTFSError(.expectedKey, at: start)
      }
      end = try copyKeyword(text, start, fields)
    }
    json.append(0x3A)
    return try text.endOfGap(from: end)
  }

  private mutating func copyKeyword(
    _ text: Span<UInt8>, _ start: Int, _ fields: [RTFSField]
  ) throws(RTFSError) -> Int {
    let end = try text.endOfWord(from: start + 1)
    for index in fields.indices where text.isText(fields[index].keyword, in: start..<end) {
      guard seen & 1 << UInt32(index) == 0 else { throw RTFSError(.repeatedKeyword, at: start) }
      seen |= 1 << UInt32(index)
      json.append(0x22)
      json.append(fields[index].key)
      json.append(0x22)
      return end
    }
    throw RTFSError(.unknownKeyword, at: start)
  }

  /// Copies a string with its quotes. All escapes of the language are JSON's too; raw control
  /// characters become escapes.
  @inline(__always)
  private mutating func copyString(
    _ text: Span<UInt8>, _ start: Int
  ) throws(RTFSError) -> Int {
    let end = text.endOfTextRun(from: start + 1)
    guard end < text.count else { throw RTFSError(.unexpectedEnd, at: text.count) }
    guard text[end] == 0x22 else { return try copyLongString(text, start, end) }
    json.append(text.extracting(start...end))
    return end + 1
  }

  /// Goes on with a string that is no single run: `first` is its first backslash or control.
  private mutating func copyLongString(
    _ text: Span<UInt8>, _ start: Int, _ first: Int
  ) throws(RTFSError) -> Int {
    var run = start
    var at = first
    while true {
      guard at < text.count else { throw RTFSError(.unexpectedEnd, at: text.count) }
      switch text[at] {
      case 0x22:
        json.append(text.extracting(run...at))
        return at + 1
      case 0x5C: at = try endOfEscape(text, at)
      default:
        json.append(text.extracting(run..<at))
        appendJSONEscaped(text.extracting(at...at), to: &json)
        at += 1
        run = at
      }
      at = text.endOfTextRun(from: at)
    }
  }

  @inline(__always)
  private func endOfEscape(_ text: Span<UInt8>, _ slash: Int) throws(RTFSError) -> Int {
    guard slash + 1 < text.count else { throw RTFSError(.unexpectedEnd, at: text.count) }
    switch text[slash + 1] {
    case 0x22, 0x5C, 0x6E, 0x72, 0x74: return slash + 2
    default: throw RTFSError(.badEscape, at: slash)
    }
  }

  /// Copies an integer or a float without the plus sign and zeros in front that JSON refuses.
  private mutating func copyNumber(_ text: Span<UInt8>, _ start: Int) throws(RTFSError) -> Int {
    var first = start
    if text[first] == 0x2B || text[first] == 0x2D {
      if text[first] == 0x2D { json.append(0x2D) }
      first += 1
    }
    var at = try text.endOfDigits(from: first)
    while first + 1 < at, text[first] == 0x30 { first += 1 }
    if text[at] == 0x2E {
      at = try text.endOfDigits(from: at + 1)
      if text[at] | 0x20 == 0x65 {
        at += 1
        guard at < text.count else { throw RTFSError(.unexpectedEnd, at: text.count) }
        if text[at] == 0x2B || text[at] == 0x2D { at += 1 }
        at = try text.endOfDigits(from: at)
      }
    }
    // Behind a number a letter or a sign would make it something else: a time, a UUID.
    if text[at].isWordByte || text[at] == 0x3A { throw RTFSError(.badNumber, at: at) }
    json.append(text.extracting(first..<at))
    return at
  }

  private mutating func copyWord(_ text: Span<UInt8>, _ start: Int) throws(RTFSError) -> Int {
    let end = try text.endOfWord(from: start)
    if text.isText("nil", in: start..<end) {
      json.append("null")
    } else if text.isText("true", in: start..<end) || text.isText("false", in: start..<end) {
      json.append(text.extracting(start..<end))
    } else {
      throw RTFSError(end > start ? .unknownWord : .unexpectedByte, at: start)
    }
    return end
  }

  /// Copies the JSON value inside `(json "…")`.
  private mutating func copyJSON(_ text: Span<UInt8>, _ start: Int) throws(RTFSError) -> Int {
    let word = try text.endOfGap(from: start + 1)
    var at = try text.endOfWord(from: word)
    guard text.isText("json", in: word..<at) else { throw RTFSError(.unknownWord, at: word) }
    at = try text.endOfGap(from: at)
    guard text[at] == 0x22 else { throw RTFSError(.unexpectedByte, at: at) }
    let string = at
    at += 1
    quoted.removeAll()
    while true {
      let end = text.endOfTextRun(from: at)
      guard end < text.count else { throw RTFSError(.unexpectedEnd, at: text.count) }
      quoted.append(text.extracting(at..<end))
      at = end + 1
      if text[end] == 0x22 { break }
      if text[end] != 0x5C {
        quoted.append(text[end])
        continue
      }
      at = try endOfEscape(text, end)
      switch text[end + 1] {
      case 0x6E: quoted.append(0x0A)
      case 0x72: quoted.append(0x0D)
      case 0x74: quoted.append(0x09)
      case let byte: quoted.append(byte)
      }
    }
    do {
      try quotedIndex.scan(quoted)
    } catch {
      throw RTFSError(.badJSON, at: string, cause: error)
    }
    let value = quoted
    json.append(value.span)
    at = try text.endOfGap(from: at)
    guard text[at] == 0x29 else { throw RTFSError(.unexpectedByte, at: at) }
    return at + 1
  }
}
