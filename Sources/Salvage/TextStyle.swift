import LosslessJSON

/// How the records of a text are laid out, by the first stretch of it.
struct TextStyle {
  enum Layout {
    /// A record a line; some of them, or all, may be over several.
    case lines
    /// Records in one container that is around all of the text.
    case stream
  }

  private(set) var layout = Layout.lines
  /// Whether an array or a wrapper is around the records.
  private(set) var isContainer = false
  /// Whether the first key of the first record in a container is its type.
  private(set) var isTyped = false
  /// White space before the first key of a pretty-printed record; nil where records are compact.
  private(set) var keyIndent: Int?
  /// Whether values that are no objects stand on lines of their own.
  private(set) var hasScalars = false
  /// Whether most records are indented, though each has a line of its own.
  private(set) var hasIndentedRecords = false

  /// - Parameter mayContain: whether an array or a wrapper is a container of this kind's records
  ///   rather than a record itself.
  init(_ head: Span<UInt8>, mayContain: Bool, isCut: Bool) {
    var lines = 0
    var values = 0
    var objects = 0
    var indented = 0
    var structural = 0
    // Lines at the very left that are records or the beginning of one, and the elements of a list.
    var outside = 0
    var listed = 0
    var opening: UInt8 = 0
    var at = 0
    var text = JSONText()
    var openBrace: Int?
    var indents: [Int: (key: Int, count: Int)] = [:]
    var isFirst = true
    while at < head.count, lines < 2000 {
      let end = head.firstIndex(of: 0x0A, from: at) ?? head.count
      if end == head.count, isCut, at > 0 { break }
      var start = at
      var stop = end
      while start < stop, TextBytes.isSpace(head[start]) { start += 1 }
      while stop > start, TextBytes.isSpace(head[stop - 1]) { stop -= 1 }
      let indent = start - at
      defer { at = end + 1 }
      if start == stop { continue }
      let line = head.extracting(start..<stop)
      if TextBytes.isComment(line) { continue }
      lines += 1
      if isFirst {
        isFirst = false
        if mayContain {
          let rest = head.extracting(start..<head.count)
          isContainer = Self.opensContainer(rest) && !Self.goesOnBehindValue(rest)
        }
        opening = line[line.count - 1]
      } else if indent == 0, line[0] == 0x7B {
        if line.count == 1 || line[line.count - 1] == 0x7D { outside += 1 }
        if line[line.count - 1] == 0x2C { listed += 1 }
      }
      if (try? text.parse(line)) != nil {
        values += 1
        if text.kind() == .object {
          objects += 1
          if indent > 0 { indented += 1 }
        } else {
          hasScalars = true
        }
      } else if indent > 0 && line[0] == 0x22 || Self.isStructure(line) {
        structural += 1
      }
      if let outer = openBrace, line[0] == 0x22, !Self.namesContainer(line) {
        let known = indents[outer]?.count ?? 0
        indents[outer] = (indent, known + 1)
      }
      // The first keys of a wrapper are none of a record.
      let isWrapper = isContainer && opening == 0x7B && lines == 1 && line.count == 1
      openBrace = Self.opensObject(line) && !isWrapper ? indent : nil
    }
    // A file of lines that begins with the end of something else, or with a list that ends on its
    // own line: no list is around those.
    if lines > 1, objects * 2 >= lines { isContainer = false }
    let staysOpen = [0x5B, 0x7B, 0x2C].contains(opening)
    if outside > (staysOpen ? max(1, listed / 2) : 0) { isContainer = false }
    if isContainer { isTyped = Self.opensTyped(head) }
    let isPretty = values * 2 < lines && structural * 2 > lines
    if isContainer { layout = .stream }
    if isPretty, isContainer, let least = indents.keys.min() { keyIndent = indents[least]?.key }
    if lines > 0, values * 10 < lines * 9 { hasScalars = false }
    hasIndentedRecords = indented * 2 > objects && values * 2 >= lines
  }

  /// Whether the object that the first list of the text starts with has its type in front.
  private static func opensTyped(_ text: Span<UInt8>) -> Bool {
    guard let list = text.firstIndex(of: 0x5B, from: 0) else { return false }
    let brace = TextBytes.skipSpace(text, list + 1)
    guard brace < text.count, text[brace] == 0x7B else { return false }
    let key = TextBytes.skipSpace(text, brace + 1)
    return TextBytes.starts(text.extracting(min(key, text.count)..<text.count), "\"type\"")
  }

  /// Whether the text starts with a whole value that more follows: no container is around that.
  private static func goesOnBehindValue(_ text: Span<UInt8>) -> Bool {
    var index = JSONIndex()
    do throws(JSONError) { try index.scan(text) } catch {
      guard error.reason == .trailingBytes else { return false }
      let next = TextBytes.skipSpace(text, Int(index.tokens[0].end))
      guard next < text.count, !TextBytes.isForeign(text[next]) else { return false }
      guard [0x2C, 0x5D, 0x7D].contains(text[next]) else { return true }
      // The value is a member of a torn record, if that goes on or the next one follows.
      if text[next] != 0x2C {
        let record = TextBytes.skipSpace(text, next + 1)
        if record < text.count, text[record] == 0x7B { return true }
      }
      var after = next + 1
      while after < text.count, TextBytes.isSpace(text[after]) { after += 1 }
      return after < text.count && text[after] != 0x0A && !TextBytes.isForeign(text[after])
    }
    return false
  }

  private static func isStructure(_ line: Span<UInt8>) -> Bool {
    guard line.count <= 2 else { return false }
    return [0x7B, 0x7D, 0x5B, 0x5D].contains(line[0])
  }

  /// Whether the line ends in a brace that may open a record: one that is no member's value.
  private static func opensObject(_ line: Span<UInt8>) -> Bool {
    var before = line.count - 1
    guard line[before] == 0x7B else { return false }
    while before > 0, TextBytes.isSpace(line[before - 1]) { before -= 1 }
    guard before > 0 else { return true }
    return line[before - 1] != 0x3A
  }

  private static func namesContainer(_ line: Span<UInt8>) -> Bool {
    TextBytes.starts(line, "\"entities\"") || TextBytes.starts(line, "\"relations\"")
  }

  /// Whether the text opens an array of objects, or `{"entities":[` and the like.
  private static func opensContainer(_ text: Span<UInt8>) -> Bool {
    var at = TextBytes.skipSpace(text, 1)
    guard at < text.count else { return false }
    if text[0] == 0x5B { return text[at] == 0x7B }
    guard text[0] == 0x7B else { return false }
    // Other members may stand before; they are short where a wrapper has them.
    let limit = min(text.count, 4096)
    while at < limit {
      guard let quote = text.extracting(0..<limit).firstIndex(of: 0x22, from: at) else {
        return false
      }
      let rest = text.extracting(quote..<text.count)
      if TextBytes.starts(rest, "\"type\"") || TextBytes.starts(rest, "\"intents\"") {
        return false
      }
      for name in ["\"entities\"", "\"relations\""] as [StaticString]
      where TextBytes.starts(rest, name) {
        var behind = TextBytes.skipSpace(rest, name.utf8CodeUnitCount)
        guard behind < rest.count, rest[behind] == 0x3A else { continue }
        behind = TextBytes.skipSpace(rest, behind + 1)
        if behind < rest.count, rest[behind] == 0x5B { return true }
      }
      at = quote + 1
    }
    return false
  }
}

/// Small questions about bytes of text.
enum TextBytes {
  /// White space within a line.
  @inline(__always)
  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { isSpace(byte) || byte == 0x0A }

  /// A control character other than white space.
  static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && !isBlank(byte) }

  /// Whether no JSON holds the byte anywhere: a control character (RFC 8259, section 7) or one that
  /// UTF-8 never uses (RFC 3629, section 1).
  static func isForeign(_ byte: UInt8) -> Bool {
    isControl(byte) || byte == 0xC0 || byte == 0xC1 || byte > 0xF4
  }

  static func skipSpace(_ text: Span<UInt8>, _ start: Int) -> Int {
    var at = start
    while at < text.count, isBlank(text[at]) { at += 1 }
    return at
  }

  static func starts(_ text: Span<UInt8>, _ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard text.count >= count else { return false }
    for index in 0..<count where text[index] != word.utf8Start[index] { return false }
    return true
  }

  /// `#` and `//` start a comment: no JSON value does.
  static func isComment(_ line: Span<UInt8>) -> Bool {
    guard line.count > 0 else { return false }
    return line[0] == 0x23 || (line.count > 1 && line[0] == 0x2F && line[1] == 0x2F)
  }

  /// The lines that git writes around two versions.
  static func isConflictMarker(_ line: Span<UInt8>) -> Bool {
    starts(line, "<<<<<<< ") || starts(line, ">>>>>>> ") || starts(line, "||||||| ")
      || (line.count == 7 && starts(line, "======="))
  }

  /// Whether it starts with the byte order mark of UTF-8.
  static func startsWithMark(_ text: Span<UInt8>) -> Bool {
    text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF
  }

  static func isAll(_ text: Span<UInt8>, _ byte: UInt8) -> Bool {
    for index in text.indices where text[index] != byte { return false }
    return true
  }
}
