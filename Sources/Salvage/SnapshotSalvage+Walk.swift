import LosslessJSON
import Records
import Stores

extension SnapshotSalvage {
  enum Scanned {
    case value(Int)
    case failure(JSONError)
    case needsMore
  }

  func scan(_ text: Span<UInt8>, _ start: Int, isFinal: Bool) -> Scanned {
    do throws(JSONError) {
      try index.scan(text.extracting(start..<text.count))
    } catch {
      switch error.reason {
      case .trailingBytes: break
      case .unexpectedEnd where !isFinal && text.count - start < TextSalvage.valueLimit:
        return .needsMore
      default: return .failure(JSONError(error.reason, at: start + error.offset))
      }
    }
    let end = start + Int(index.tokens[0].end)
    if !isFinal, text.count - end < 16 { return .needsMore }
    return .value(end)
  }

  /// One step of the walk through sound text. Returns where the next one starts; `start` where it
  /// takes more text.
  func step(_ text: Span<UInt8>, from start: Int, isFinal: Bool) throws -> Int {
    var at = start
    while at < text.count, TextBytes.isBlank(text[at]) || text[at] == 0x2C { at += 1 }
    if at > start {
      commas += text.extracting(start..<at).occurrences(of: 0x2C)
      if commas > 0, context == .start || context == .end { isMalformed = true }
      try pass(text.extracting(start..<at))
      return at
    }
    switch (context, text[at]) {
    case (.start, 0x7B):
      guard let isRecord = try startsWithRecord(text, at, isFinal: isFinal) else { return start }
      if isRecord {
        isMalformed = true
        context = .lost
        return at
      }
      context = .root
      noteOpening()
      try pass(text.extracting(at..<at + 1))
      return at + 1
    case (.root, 0x7D):
      context = .end
      noteClosing()
      try pass(text.extracting(at..<at + 1))
      return at + 1
    case (.intents, 0x7D), (.list, 0x5D), (.keyed, 0x7D), (.tasks, 0x7D), (.taskList, 0x5D):
      context = Self.outside(of: context) ?? .root
      noteClosing()
      try pass(text.extracting(at..<at + 1))
      return at + 1
    case (.loose, 0x5D), (.loose, 0x7D):
      try pass(text.extracting(at..<at + 1))
      return at + 1
    case (.root, 0x22), (.intents, 0x22), (.keyed, 0x22), (.tasks, 0x22):
      return try stepMember(text, at, isFinal: isFinal)
    case (.list(let kind), _):
      switch scan(text, at, isFinal: isFinal) {
      case .needsMore: return start
      case .value(let end):
        noteValue()
        try takeValue(text, at..<end, kind, scope: [])
        return end
      case .failure(let error): return try fail(text, at, error)
      }
    case (.taskList(let path), _):
      switch scan(text, at, isFinal: isFinal) {
      case .needsMore: return start
      case .value(let end):
        noteValue()
        if let inner = try swallowed(text, base: at) {
          context = .lost
          try lose(text.extracting(at..<inner), JSONError(.expectedCommaOrEnd, at: inner))
          return inner
        }
        try record.text.parse(text.extracting(at..<end))
        try takeTask(path, text.extracting(at..<end))
        return end
      case .failure(let error):
        if !isFinal, text.count - at < Self.elementLimit { return start }
        if let inner = try swallowed(text, base: at) {
          context = .lost
          try lose(text.extracting(at..<inner), error)
          return inner
        }
        guard let end = taskWithBadBytes(text, at, error) ?? damagedTasks(text, at) else {
          return try fail(text, at, error)
        }
        noteValue()
        try lose(text.extracting(at..<end), error)
        return end
      }
    default:
      // Nothing that is JSON comes here.
      isMalformed = true
      context = .lost
      return at
    }
  }

  /// Whether the first object is a record: then all in front of it is lost. Nil where it takes more
  /// text to tell.
  private func startsWithRecord(
    _ text: Span<UInt8>, _ start: Int, isFinal: Bool
  ) throws -> Bool? {
    let key = TextBytes.skipSpace(text, start + 1)
    if key >= text.count { return isFinal ? false : nil }
    let rest = text.extracting(key..<text.count)
    let isOuter = Self.outerKeys.contains { TextBytes.starts(rest, $0) }
    guard rest[0] == 0x22, !isOuter else { return false }
    switch scan(text, start, isFinal: isFinal) {
    case .needsMore: return nil
    // The members of a torn intent are none of the store's.
    case .failure: return places == nil && TextBytes.starts(rest, "\"intent_id\"")
    case .value(let end):
      guard try kind(of: text.extracting(start..<end)) != nil else { return false }
      let behind = TextBytes.skipSpace(text, end)
      if behind == text.count, !isFinal { return nil }
      if behind < text.count, [0x2C, 0x5D, 0x7D].contains(text[behind]) { return true }
      // A store may have members of its own, such as a record has.
      let outer: [StaticString] =
        places == nil ? ["intents", "edges"] : ["tasks", "tasks_by_user", "users"]
      return outer.allSatisfy { record.text.member($0) == nil }
    }
  }

  /// How stores of one object begin (FORMATS: intent-snapshot, task-list).
  private static var outerKeys: [StaticString] {
    [
      "\"version\"", "\"timestamp\"", "\"manifest\"", "\"rtfs\"", "\"intents\"", "\"edges\"",
      "\"tasks\"", "\"tasks_by_user\"", "\"users\"", "\"projects\"",
    ]
  }

  /// - Parameter value: where the value that could not be read starts; nil where a key could not.
  func fail(
    _ text: Span<UInt8>, _ start: Int, _ error: JSONError, value: Int? = nil
  ) throws -> Int {
    context = .lost
    let inner = try value.flatMap { try swallowed(text, base: $0) }
    let end = inner ?? min(max(start + 1, error.offset - 3), text.count)
    try lose(text.extracting(start..<end), error)
    return end
  }

  // MARK: Commas

  func noteOpening() {
    (commas, isFirst) = (0, true)
  }

  func noteValue() {
    if commas != (isFirst ? 0 : 1) { isMalformed = true }
    (commas, isFirst) = (0, false)
  }

  func noteClosing() {
    if commas > 0 { isMalformed = true }
    (commas, isFirst) = (0, false)
  }

  func takeValue(
    _ text: Span<UInt8>, _ range: Range<Int>, _ kind: RecordKind, scope: [UInt8]
  ) throws {
    let body = text.extracting(range)
    // Just scanned.
    try record.text.parse(body)
    var scope = scope
    if ScopedRecord.isWrapped(record.text) {
      ScopedRecord.unwrap(&record)
      scope = record.scope
    } else if kind == .intent, record.text.string("intent_id") == scope {
      scope = []
    }
    try take(kind, scope: scope, body)
  }
}
