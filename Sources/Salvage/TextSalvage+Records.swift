import Disk
import LosslessJSON
import Records
import Stores

/// What was recognised as a record: judged by the rules of the kind, and written.
extension TextSalvage {
  /// Ids are compared this many at a time.
  private static let idsAtOnce = 64

  /// Takes the value in `record.text`, whose bytes are `body`.
  func emit(_ body: Span<UInt8>) throws {
    lastWasLoss = false
    learn()
    record.place.line = line
    if family == .graph, Self.isContainer(&record.text) {
      return try emitElements(body, areTold: false)
    }
    try emitOne(body, isElement: false)
  }

  private func emitOne(_ body: Span<UInt8>, isElement: Bool) throws {
    if let reason = refusal(isElement: isElement) {
      try sink.irregular(body, reason: reason, line: line)
      guard repairs, let mended = Repair.dropNulls(record.text) else { return }
      try record.text.parse(mended.text.span)
      guard refusal(isElement: isElement) == nil else { return }
      return try sink.repaired(record.text, mended.done)
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

  func noteDuplicates() throws {
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

  /// Mends a fragment that a record starts with: what was done, and the record in `record.text`.
  /// Nil where that makes none of it.
  func mend(_ bytes: Span<UInt8>) throws -> String? {
    guard repairs, let mended = Repair.mend(bytes) else { return nil }
    try record.text.parse(mended.text.span)
    return refusal(isElement: family == .graph) == nil ? mended.done : nil
  }

  static func isContainer(_ text: inout JSONText) -> Bool {
    if text.kind() == .array { return true }
    guard text.kind() == .object, text.member("type") == nil else { return false }
    for key in ["entities", "relations"] as [StaticString] {
      if let list = text.member(key), text.kind(list) == .array { return true }
    }
    return false
  }

  /// An array or a wrapper that was read whole: its elements are the records.
  /// - Parameter areTold: whether nothing but they are in the text, so that one is a record whatever
  ///   it looks like.
  func emitElements(_ body: Span<UInt8>, areTold: Bool) throws {
    let first = line
    defer { line = first }
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
      line += body.extracting(at..<range.lowerBound).occurrences(of: 0x0A)
      record.place.line = line
      let piece = body.extracting(range)
      at = range.upperBound
      if isElement {
        // The inside of a value that was parsed is a value.
        try record.text.parse(piece)
        shapes.learn(&record.text)
        try emitOne(piece, isElement: !areTold)
      } else {
        try sink.irregular(piece, reason: "a member of the wrapper that is no record", line: line)
      }
      line += piece.occurrences(of: 0x0A)
    }
    try sink.insignificant(body.extracting(at..<body.count))
  }
}
