import LosslessJSON
import Records
import Stores

/// The members of the outermost object and of the containers in it.
extension SnapshotSalvage {
  /// A key with its value, of the outermost object or of the object of intents.
  func stepMember(_ text: Span<UInt8>, _ start: Int, isFinal: Bool) throws -> Int {
    let keyEnd: Int
    switch scan(text, start, isFinal: isFinal) {
    case .needsMore: return start
    case .failure(let error): return try fail(text, start, error)
    case .value(let end): keyEnd = end
    }
    var value = TextBytes.skipSpace(text, keyEnd)
    guard value < text.count else { return isFinal ? try fail(text, start, .end(value)) : start }
    guard text[value] == 0x3A else {
      return try fail(text, start, JSONError(.expectedColon, at: value))
    }
    value = TextBytes.skipSpace(text, value + 1)
    guard value < text.count else { return isFinal ? try fail(text, start, .end(value)) : start }
    let key = try JSONText(text.extracting(start..<keyEnd)).decoded(0)
    let isJoined = commas != (isFirst ? 0 : 1)
    noteValue()
    guard let outer = try isOuter(key, text, value, isFinal: isFinal) else { return start }
    // No intent is a list or a text: the end of the last one is missing.
    let isRoot = context == .root || outer || (context == .intents && text[value] != 0x7B)
    guard let lacksBracket = try lacksBracket(key, text, value, isRoot: isRoot, isFinal: isFinal)
    else { return start }
    // Behind what opens the value; where that is missing, where it starts.
    let first = lacksBracket ? 0x5B : text[value]
    let inside = lacksBracket ? value : value + 1
    if lacksBracket { isMalformed = true }
    if isRoot, let entered = container(key, first) {
      if context != .root { isMalformed = true }
      try pass(text.extracting(start..<inside))
      enter(entered)
      return inside
    }
    if case .tasks(var path) = context {
      // Where no comma is, the key of another user may have been.
      if looksInside, isJoined, path.count == 1 { path = [nil] }
      context = .tasks(path)
    }
    if case .tasks(let path) = context, let below = Self.below(path, key, first) {
      try pass(text.extracting(start..<inside))
      if path.count == 1 || first == 0x5B {
        places?.note(list: key, of: path.first ?? nil)
      }
      context = below
      noteOpening()
      return inside
    }
    switch scan(text, value, isFinal: isFinal) {
    case .needsMore: return start
    case .failure(let error): return try fail(text, start, error, value: value)
    case .value(let end):
      if context != .root, let inner = try swallowed(text, base: value) {
        context = .lost
        try lose(text.extracting(start..<inner), JSONError(.expectedCommaOrEnd, at: inner))
        return inner
      }
      if context == .intents, text[value] == 0x7B { learnIntent(text, value) }
      if isBroken, places == nil, context == .root || context == .intents {
        switch try torn(text, start..<keyEnd, value, end, isFinal: isFinal) {
        case .needsMore: return start
        case .torn(let end):
          context = .intents
          try lose(text.extracting(start..<end), JSONError(.expectedCommaOrEnd, at: end))
          return end
        case .intent:
          // Nothing has opened the object of all of them.
          if context == .root { isMalformed = true }
          context = .intents
        case .other: break
        }
      }
      if case .keyed(let kind) = context {
        try pass(text.extracting(start..<value))
        try takeKeyed(kind, key, text.extracting(value..<end))
      } else if case .tasks(let path) = context {
        // No list where one must be: it counts as a task, and breaks its rules.
        try pass(text.extracting(start..<value))
        try record.text.parse(text.extracting(value..<end))
        try takeTask(path + [key], text.extracting(value..<end))
      } else if context == .intents {
        try pass(text.extracting(start..<value))
        try takeValue(text, value..<end, .intent, scope: key)
      } else if Self.frameKeys.contains(key) {
        try frame(text.extracting(start..<end))
      } else if let lost = try containerByContent(text, value) {
        try lose(text.extracting(start..<value), nil)
        try pass(text.extracting(value..<value + 1))
        noteOpening()
        context = lost
        return value + 1
      } else if end < text.count, !endsMember(text, end) {
        return try fail(text, start, JSONError(.expectedCommaOrEnd, at: end))
      } else {
        hasOwnMembers = true
        try pass(text.extracting(start..<value))
        try takeValue(text, value..<end, .document, scope: key)
      }
      return end
    }
  }

  /// Whether a member among the users or projects is one of the outermost object: the end of those is
  /// missing. A record has texts and numbers in front, a container objects and lists. Nil where it
  /// takes more text to tell.
  private func isOuter(
    _ key: [UInt8], _ text: Span<UInt8>, _ value: Int, isFinal: Bool
  ) throws -> Bool? {
    let others = ["tasks", "tasks_by_user", context == .keyed(.user) ? "projects" : "users"]
    guard case .keyed = context, others.contains(where: { key == Array($0.utf8) }) else {
      return false
    }
    if text[value] == 0x5B { return true }
    guard text[value] == 0x7B else { return false }
    let first = firstInside(text, value)
    if first == nil, !isFinal { return nil }
    return first == 0x7B || first == 0x5B
  }

  /// Whether the bracket of a list is missing in front of its first record. Nil where it takes more
  /// text to tell.
  private func lacksBracket(
    _ key: [UInt8], _ text: Span<UInt8>, _ value: Int, isRoot: Bool, isFinal: Bool
  ) throws -> Bool? {
    guard text[value] == 0x7B else { return false }
    var wanted: RecordKind?
    if case .tasks = context { wanted = .task }
    if isRoot, places != nil, key == Array("tasks".utf8) { wanted = .task }
    if isRoot, places == nil, let entered = container(key, 0x5B),
      case .context(.list(let kind)) = entered
    {
      wanted = kind
    }
    guard let wanted else { return false }
    guard let first = firstInside(text, value) else { return isFinal ? false : nil }
    if first == 0x7B || first == 0x5B { return false }
    switch scan(text, value, isFinal: isFinal) {
    case .needsMore: return nil
    case .failure: return false
    case .value(let end): return try kind(of: text.extracting(value..<end)) == wanted
    }
  }

  /// The first byte of the first value in an object; nil where the text ends before.
  private func firstInside(_ text: Span<UInt8>, _ object: Int) -> UInt8? {
    let key = TextBytes.skipSpace(text, object + 1)
    guard key < text.count else { return nil }
    guard text[key] == 0x22 else { return text[key] }
    var end = key + 1
    while end < text.count, text[end] != 0x22 { end += text[end] == 0x5C ? 2 : 1 }
    let colon = TextBytes.skipSpace(text, min(end + 1, text.count))
    let value = TextBytes.skipSpace(text, min(colon + 1, text.count))
    return value < text.count ? text[value] : nil
  }

  func endsMember(_ text: Span<UInt8>, _ end: Int) -> Bool {
    let next = TextBytes.skipSpace(text, end)
    return next == text.count || text[next] == 0x2C || text[next] == 0x7D
  }

  private func takeKeyed(_ kind: RecordKind, _ key: [UInt8], _ body: Span<UInt8>) throws {
    try record.text.parse(body)
    record.kind = kind
    if kind == .project { noteProject(key) }
    try take(kind, scope: TaskList.ownKey(of: &record) == key ? [] : key, body)
  }

  static let frameKeys = ["version", "timestamp", "manifest", "rtfs"].map {
    Array($0.utf8)
  }

  enum Entered {
    case context(Context)
    case rtfs
  }

  /// What a member of the outermost object opens, if it is one of the containers.
  func container(_ key: [UInt8], _ first: UInt8) -> Entered? {
    if places != nil { return taskContainer(key, first).map { .context($0) } }
    if key == Array("intents".utf8), first == 0x7B { return .context(.intents) }
    if key == Array("rtfs".utf8), first == 0x22 { return .rtfs }
    guard first == 0x5B else { return nil }
    return RecordKind.allCases.first { key == Array($0.plural.utf8) }.map { .context(.list($0)) }
  }

  func enter(_ entered: Entered) {
    noteOpening()
    switch entered {
    case .context(let inner):
      context = inner
      if inner == .intents { seen.insert(.intent) }
      if case .list(let kind) = inner { seen.insert(kind) }
    case .rtfs:
      context = .root
      isInRTFS = true
      isFirst = false
      rtfs = RTFSLines()
    }
  }
}

extension JSONError {
  fileprivate static func end(_ offset: Int) -> JSONError { JSONError(.unexpectedEnd, at: offset) }
}
