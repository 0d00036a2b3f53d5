import Disk
import LosslessJSON
import Records
import Stores

/// Recovers the records of a text: one JSON value a line, or one after the other in whatever
/// layout, around whatever damage.
///
/// What parses is a record; where something does not, the search goes on at the next place where
/// a record can start. That is never before the byte at which the parser failed (save the few
/// bytes that may belong to the new record's brace), so nothing is read again and again and the
/// nested objects of a torn record are not looked at.
final class TextSalvage {
  enum Family { case graph, lines }

  let family: Family
  let sink: PieceSink
  private let output: PendingFile
  var record = Record()
  var index = JSONIndex()
  var shapes = RecordShapes()
  var style = TextStyle(Span(), mayContain: false, isCut: false)
  /// Whether the next byte stands where a record may start: at the start of a line, behind a
  /// record.
  var isClean = true
  /// Whether the line before ended in bytes that belong to no record.
  var lastWasLoss = false
  /// Whether a record stands on the same line before the next byte.
  var isBehindRecord = false
  /// Line of the next byte, counted from 1.
  var line = 1
  /// Whether the next byte is the first of a line.
  var isLineStart = true
  /// Bytes that were parsed in vain and will be again, which must stay few.
  var wasted = 0
  var consumed = 0
  /// Whether records that are damaged only a little are mended.
  var repairs = false
  private var ids = GraphIDs()
  /// The records whose ids have been gathered, one after the other, and where each ends.
  private var named = ByteBuffer()
  private var ends: [(end: Int, line: Int)] = []
  private static let idsAtOnce = 64
  /// What the rules found of the record that was judged last.
  private var facts = GraphFacts()
  private var rules = RecordRules()

  /// A value longer than this is not waited for.
  static let valueLimit = 256 << 20
  /// Text is looked at this many bytes at a time where no line ends sooner.
  static let step = 1 << 20

  init(_ family: Family, to output: PendingFile, _ sink: PieceSink) {
    self.family = family
    self.output = output
    self.sink = sink
  }

  func run(_ stream: ByteStream) throws {
    var source = try TextSource(stream)
    sink.encoding = source.encoding
    try sink.insignificant(length: source.markLength)
    if source.encoding != .utf8 {
      sink.note(
        Finding(
          .warning, .unreadable,
          "is \(source.encoding.rawValue) text, read as such; what was recovered is UTF-8"))
    } else if source.markLength > 0 {
      sink.note(Finding(.note, .byteOrderMark, "starts with a byte order mark"))
    }
    var window = ByteBuffer()
    var ended = false
    func fill(_ count: Int) throws {
      let wanted = window.count + count
      while !ended, window.count < wanted {
        if try source.read(into: &window, atMost: wanted - window.count) == 0 { ended = true }
      }
    }
    try fill(Self.step)
    style = TextStyle(window.span, mayContain: family == .graph, isCut: !ended)
    learn(from: window.span, isWhole: ended)
    while true {
      let used = try take(window.span, isFinal: ended)
      consumed += used
      window.removeFirst(used)
      if ended, window.isEmpty || used == 0 { break }
      try fill(max(Self.step, window.count))
    }
    try noteDuplicates()
    try output.close(evenIfEmpty: true)
  }

  /// Learns the shapes of the records in the first stretch before it is judged by them.
  private func learn(from head: Span<UInt8>, isWhole: Bool) {
    guard style.layout == .lines else { return }
    var at = 0
    var lines = 0
    while at < head.count, lines < 1000 {
      guard let end = head.firstIndex(of: 0x0A, from: at) ?? (isWhole ? head.count : nil) else {
        return
      }
      if (try? record.text.parse(head.extracting(at..<end))) != nil { learn() }
      at = end + 1
      lines += 1
    }
  }

  /// Learns from the value in `record.text`. The records in an array or a wrapper are no parts of
  /// one: they are learned from one by one.
  private func learn() {
    if family == .graph, Self.isContainer(&record.text) { return }
    shapes.learn(&record.text)
  }

  /// Takes what can be taken of `text`; returns how many bytes. All of it if `isFinal`.
  private func take(_ text: Span<UInt8>, isFinal: Bool) throws -> Int {
    if style.layout == .stream {
      return try sift(text, 0..<text.count, isWhole: isFinal)
    }
    var at = 0
    while at < text.count {
      guard let end = text.firstIndex(of: 0x0A, from: at) else {
        if !isFinal, text.count - at < 8 * Self.step { return at }
        return try takePart(text, at..<text.count, isWhole: isFinal)
      }
      let next = isLineStart ? try takeLine(text, at..<end, isFinal: isFinal) : nil
      if let next {
        if next == at { return at }
        at = next
        continue
      }
      _ = try sift(text, at..<end, isWhole: true)
      try endLine(text, end)
      at = end + 1
    }
    return at
  }

  /// A stretch without a line feed: the last line, or a part of a very long one.
  private func takePart(_ text: Span<UInt8>, _ range: Range<Int>, isWhole: Bool) throws -> Int {
    if isWhole, isLineStart {
      if let next = try takeLine(text, range, isFinal: true) { return next }
    }
    isLineStart = false
    return try sift(text, range, isWhole: isWhole)
  }

  private func endLine(_ text: Span<UInt8>, _ end: Int) throws {
    try sink.insignificant(text.extracting(end..<end + 1))
    line += 1
    isLineStart = true
    isClean = true
    isBehindRecord = false
  }

  /// A whole line that is one value, blank, a comment or a marker. Returns where the next line
  /// starts, `range.lowerBound` where more text is needed to tell, nil where it is none of these.
  private func takeLine(_ text: Span<UInt8>, _ range: Range<Int>, isFinal: Bool) throws -> Int? {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, TextBytes.isSpace(text[start]) { start += 1 }
    while end > start, TextBytes.isSpace(text[end - 1]) { end -= 1 }
    func finish() throws -> Int {
      try sink.insignificant(text.extracting(end..<range.upperBound))
      if range.upperBound == text.count { return range.upperBound }
      try endLine(text, range.upperBound)
      return range.upperBound + 1
    }
    if start == end {
      try sink.insignificant(text.extracting(range.lowerBound..<start))
      return try finish()
    }
    let body = text.extracting(start..<end)
    do throws(JSONError) { try record.text.parse(body) } catch {
      let isComment = TextBytes.isComment(body) && Self.isRemark(body)
      if isComment || TextBytes.isConflictMarker(body) {
        try sink.insignificant(text.extracting(range.lowerBound..<start))
        try sink.quarantine(
          body, shape: isComment ? .commentLine : .conflictMarker, line: line)
        return try finish()
      }
      if error.reason == .unexpectedEnd, range.upperBound < text.count {
        return try takeLines(text, range, from: start, isFinal: isFinal)
      }
      return nil
    }
    if lastWasLoss, !isBelievable(indent: start - range.lowerBound) { return nil }
    try sink.insignificant(text.extracting(range.lowerBound..<start))
    try emit(body)
    return try finish()
  }

  /// Whether what looks like a comment is one, with no record glued to it. A record that was
  /// commented out stands right behind the mark.
  private static func isRemark(_ line: Span<UInt8>) -> Bool {
    if Fragment.isNoise(line) { return false }
    var at = 0
    while at < line.count, [0x23, 0x2F, 0x20, 0x09].contains(line[at]) { at += 1 }
    while let brace = line.firstIndex(of: 0x7B, from: at) {
      if brace > at, brace + 1 < line.count, line[brace + 1] == 0x22 { return false }
      if brace == at { return true }
      at = brace + 1
    }
    return true
  }

  /// Whether a line behind a loss is a record, and not a part of a record over several lines.
  private func isBelievable(indent: Int) -> Bool {
    guard record.text.kind() == .object else {
      return style.hasScalars || (indent == 0 && isListOfRecords())
    }
    if indent == 0 || style.hasIndentedRecords { return true }
    let text = record.text
    return shapes.isKnown(0, text.index, text.bytes.span, 0)
  }

  /// Whether the value in `record.text` is an array of nothing but what only records look like.
  private func isListOfRecords() -> Bool {
    guard family == .graph, record.text.kind() == .array else { return false }
    let text = record.text
    let elements = text.children(of: 0)
    for element in elements {
      guard text.kind(element) == .object,
        shapes.isKnown(element, text.index, text.bytes.span, 0)
      else { return false }
    }
    return !elements.isEmpty
  }

  /// A value over several lines among records of one line each. Nil where there is none.
  private func takeLines(
    _ text: Span<UInt8>, _ range: Range<Int>, from start: Int, isFinal: Bool
  ) throws -> Int? {
    // A record that is cut off, with whole ones on the lines behind it, is none.
    let second = range.upperBound + 1
    guard second < text.count else { return isFinal ? nil : range.lowerBound }
    if text[start] == 0x7B || text[start] == 0x5B, text[second] != 0x7B,
      wasted <= consumed + range.lowerBound + Self.step
    {
      switch scan(text, start..<text.count) {
      case .value(let end):
        try sink.insignificant(text.extracting(range.lowerBound..<start))
        let body = text.extracting(start..<end)
        do throws(JSONError) { try record.text.parse(body) } catch { return nil }
        let lines = body.occurrences(of: 0x0A)
        try emit(body)
        line += lines
        // What stands behind it on its last line is looked at as a line of its own.
        return end
      case .failure(let error):
        if error.reason == .unexpectedEnd, error.offset == text.count, !isFinal,
          text.count - start < 16 * Self.step
        {
          return range.lowerBound
        }
        wasted += error.offset - start
      }
    }
    return nil
  }

  // MARK: Records

  /// Takes the value in `record.text`, whose bytes are `body`.
  func emit(_ body: Span<UInt8>) throws {
    lastWasLoss = false
    learn()
    record.place.line = line
    if family == .graph, Self.isContainer(&record.text) {
      return try emitElements(body)
    }
    try emitOne(body, isElement: false)
  }

  private func emitOne(_ body: Span<UInt8>, isElement: Bool) throws {
    if let reason = refusal(isElement: isElement) {
      if repairs, let mended = Repair.dropObservations(record.text) {
        try record.text.parse(mended.text.span)
        if refusal(isElement: isElement) == nil {
          return try sink.repaired(body, record.text, reason: mended.reason, line: line)
        }
        try record.text.parse(body)
      }
      try sink.irregular(body, reason: reason, line: line)
      return
    }
    try Self.write(&record.text, to: output)
    try sink.recovered(body, record.kind)
    guard family == .graph, ids.add(facts) > 0 else { return }
    named.append(body)
    ends.append((named.count, line))
    if ends.count >= Self.idsAtOnce { try noteDuplicates() }
  }

  /// The record is lent for writing to what looks at it, so that none of it is copied.
  private static func write(_ text: inout JSONText, to output: PendingFile) throws {
    try output.write {
      text.appendCompact(to: &$0)
      $0.append(0x0A)
    }
  }

  /// Sets the record's kind; why the rules of the kind refuse it, if they do.
  private func refusal(isElement: Bool) -> String? {
    guard family == .graph else {
      record.kind = .document
      return nil
    }
    return Self.refusal(&record, &rules, &facts, isElement: isElement)
  }

  private static func refusal(
    _ record: inout Record, _ rules: inout RecordRules, _ facts: inout GraphFacts,
    isElement: Bool
  ) -> String? {
    facts = GraphFacts()
    guard record.text.kind() == .object else {
      record.kind = .document
      return "a value that is no object"
    }
    record.kind = MemoryGraph.kind(of: record.text)
    if record.kind == .document {
      let isBare = isElement && record.text.member("type") == nil
      return isBare ? "neither an entity nor a relation" : nil
    }
    facts = rules.check(&record)
    if rules.findings.isEmpty { return nil }
    let reason = rules.findings.first { $0.finding.severity == .error }?.finding.message
    rules = RecordRules()
    return reason
  }

  /// Whether `record.text` is an entity or a relation that the rules accept.
  func isSoundGraphRecord() -> Bool {
    record.text.kind() == .object && refusal(isElement: true) == nil && record.kind != .document
  }

  private func noteDuplicates() throws {
    let taken = ids.settle()
    if !taken.isEmpty {
      let texts = named
      for position in taken {
        let start = position > 0 ? ends[position - 1].end : 0
        var other = Record()
        try other.text.parse(texts.span.extracting(start..<ends[position].end))
        other.kind = MemoryGraph.kind(of: other.text)
        sink.note(
          Finding(
            .warning, other.kind == .relation ? .duplicateEdge : .duplicateID,
            "another one has the same id; all of them are kept", line: ends[position].line,
            record: other.label))
      }
    }
    named.removeAll()
    ends.removeAll(keepingCapacity: true)
  }

  /// Mends a fragment that a record starts with; whether that made a record of it.
  func mend(_ bytes: Span<UInt8>) throws -> Bool {
    guard repairs, let mended = Repair.mend(bytes) else { return false }
    try record.text.parse(mended.text.span)
    guard refusal(isElement: family == .graph) == nil else { return false }
    try sink.repaired(bytes, record.text, reason: mended.reason, line: line)
    return true
  }

  private static func isContainer(_ text: inout JSONText) -> Bool {
    if text.kind() == .array { return true }
    guard text.kind() == .object, text.member("type") == nil else { return false }
    for key in ["entities", "relations"] as [StaticString] {
      if let list = text.member(key), text.kind(list) == .array { return true }
    }
    return false
  }

  /// An array or a wrapper that was read whole: its elements are the records.
  private func emitElements(_ body: Span<UInt8>) throws {
    let outer = record.text
    var elements: [Int] = []
    var others: [Range<Int>] = []
    if outer.kind() == .array {
      elements = outer.children(of: 0)
    } else {
      for key in outer.children(of: 0) {
        let isList =
          outer.isString(key, equalTo: "entities") || outer.isString(key, equalTo: "relations")
        if isList, outer.kind(key + 1) == .array {
          elements += outer.children(of: key + 1)
        } else {
          let range = outer.tokens[key].range.lowerBound..<outer.tokens[key + 1].range.upperBound
          others.append(range)
        }
      }
    }
    let pieces = elements.map { (outer.tokens[$0].range, true) } + others.map { ($0, false) }
    var at = 0
    for (range, isElement) in pieces.sorted(by: { $0.0.lowerBound < $1.0.lowerBound }) {
      try sink.insignificant(body.extracting(at..<range.lowerBound))
      let piece = body.extracting(range)
      at = range.upperBound
      if isElement {
        // The inside of a value that was parsed is a value.
        try record.text.parse(piece)
        shapes.learn(&record.text)
        try emitOne(piece, isElement: true)
      } else {
        try sink.irregular(piece, reason: "a member of the wrapper that is no record", line: line)
      }
    }
    try sink.insignificant(body.extracting(at..<body.count))
  }
}
