import LosslessJSON
import Records
import Stores

extension SnapshotSalvage {
  private enum Scanned {
    case value(Int)
    case failure(JSONError)
    case needsMore
  }

  private func scan(_ text: Span<UInt8>, _ start: Int, isFinal: Bool) -> Scanned {
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
      try pass(text.extracting(start..<at))
      return at
    }
    switch (context, text[at]) {
    case (.start, 0x7B):
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
        try record.text.parse(text.extracting(at..<end))
        try take(.task, scope: path.flatMap(TaskScope.step), text.extracting(at..<end))
        return end
      case .failure(let error): return try fail(text, at, error)
      }
    default:
      context = .lost
      return at
    }
  }

  /// - Parameter value: where the value that could not be read starts; nil where a key could not.
  private func fail(
    _ text: Span<UInt8>, _ start: Int, _ error: JSONError, value: Int? = nil
  ) throws -> Int {
    context = .lost
    let inner = try value.flatMap { try swallowed(text, base: $0) }
    let end = inner ?? min(max(start + 1, error.offset - 3), text.count)
    try lose(text.extracting(start..<end), error)
    return end
  }

  // MARK: Commas

  private func noteOpening() {
    (commas, isFirst) = (0, true)
  }

  private func noteValue() {
    if commas != (isFirst ? 0 : 1) { isMalformed = true }
    (commas, isFirst) = (0, false)
  }

  private func noteClosing() {
    if commas > 0 { isMalformed = true }
    (commas, isFirst) = (0, false)
  }

  private func takeValue(
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

  /// A key with its value, of the outermost object or of the object of intents.
  private func stepMember(_ text: Span<UInt8>, _ start: Int, isFinal: Bool) throws -> Int {
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
    noteValue()
    // No intent is a list or a text: the end of the last one is missing.
    let isRoot = context == .root || (context == .intents && text[value] != 0x7B)
    if isRoot, let entered = container(key, text[value]) {
      if context != .root { isMalformed = true }
      try pass(text.extracting(start..<value + 1))
      enter(entered)
      return value + 1
    }
    if case .tasks(let path) = context, let below = Self.below(path, key, text[value]) {
      try pass(text.extracting(start..<value + 1))
      context = below
      noteOpening()
      return value + 1
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
      if case .keyed(let kind) = context {
        try pass(text.extracting(start..<value))
        try takeKeyed(kind, key, text.extracting(value..<end))
      } else if case .tasks(let path) = context {
        // No list where one must be: it counts as a task, and breaks its rules.
        try pass(text.extracting(start..<value))
        try record.text.parse(text.extracting(value..<end))
        try take(.task, scope: (path + [key]).flatMap(TaskScope.step), text.extracting(value..<end))
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
        if places == nil { isMalformed = isMalformed || sink == nil }
        try pass(text.extracting(start..<value))
        try takeValue(text, value..<end, .document, scope: key)
      }
      return end
    }
  }

  private func endsMember(_ text: Span<UInt8>, _ end: Int) -> Bool {
    let next = TextBytes.skipSpace(text, end)
    return next == text.count || text[next] == 0x2C || text[next] == 0x7D
  }

  private func takeKeyed(_ kind: RecordKind, _ key: [UInt8], _ body: Span<UInt8>) throws {
    try record.text.parse(body)
    record.kind = kind
    if kind == .project { noteProject(key) }
    try take(kind, scope: TaskList.ownKey(of: &record) == key ? [] : key, body)
  }

  private static let frameKeys = ["version", "timestamp", "manifest", "rtfs"].map {
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

  private func enter(_ entered: Entered) {
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

  // MARK: Behind damage

  /// Goes on to the next record or container. Returns where that starts, with what was passed
  /// over taken; `start` where it takes more text.
  func search(_ text: Span<UInt8>, from start: Int, isFinal: Bool) throws -> Int {
    var at = start
    while at < text.count {
      let byte = text[at]
      if byte == 0x22, let found = containerKey(text, at, isFinal: isFinal) {
        guard let (entered, end) = found else { return try held(text, start, at) }
        try lose(text.extracting(start..<at), nil)
        try pass(text.extracting(at..<end))
        enter(entered)
        return end
      }
      if byte == 0x22, places != nil, let (list, end) = lostTaskList(text, at) {
        try lose(text.extracting(start..<at), nil)
        try pass(text.extracting(at..<end))
        context = list
        return end
      }
      if byte == 0x28, RTFSLines.opensRecord(text.extracting(at..<text.count)) {
        try lose(text.extracting(start..<at), nil)
        enter(.rtfs)
        return at
      }
      guard byte == 0x7B else {
        at += 1
        continue
      }
      let key = TextBytes.skipSpace(text, at + 1)
      if key >= text.count, !isFinal { return try held(text, start, at) }
      guard key < text.count, text[key] == 0x22 else {
        at += 1
        continue
      }
      switch scan(text, at, isFinal: isFinal) {
      case .needsMore: return try held(text, start, at)
      case .failure(let error):
        at = try swallowed(text, base: at) ?? deeper(at, max(at + 1, error.offset - 3))
      case .value(let end):
        if let inner = try swallowed(text, base: at) {
          at = inner
          continue
        }
        if let container = try containerByContent(text, at) {
          try lose(text.extracting(start..<at), nil)
          try pass(text.extracting(at..<at + 1))
          noteOpening()
          context = container
          return at + 1
        }
        guard let kind = try kind(of: text.extracting(at..<end)) else {
          at = deeper(at, end)
          continue
        }
        let (before, scope) = keyBefore(text, at, from: start, kind)
        try lose(text.extracting(start..<before), nil)
        try pass(text.extracting(before..<at))
        if places != nil {
          try takeLost(kind, text.extracting(at..<end))
          context = .loose
          return end
        }
        try takeValue(text, at..<end, kind, scope: scope)
        context = .loose
        return end
      }
    }
    try lose(text.extracting(start..<text.count), nil)
    return text.count
  }

  /// Where to look on behind an object that is no record: in a task list lists may stand in it.
  /// Bounded, for it is looked at again.
  private func deeper(_ at: Int, _ end: Int) -> Int {
    guard places != nil, descended + end - at <= TextSalvage.valueLimit else { return end }
    descended += end - at
    return at + 1
  }

  /// Takes a record of a task list that stands behind damage, in `record` already.
  private func takeLost(_ kind: RecordKind, _ body: Span<UInt8>) throws {
    record.kind = kind
    if kind == .project, let key = TaskList.ownKey(of: &record) { noteProject(key) }
    guard kind == .task else { return try take(kind, scope: [], body) }
    if let scope = taskScope() { return try take(.task, scope: scope, body) }
    let reason = "the user and the project above it are lost"
    if output != nil { try sink?.irregular(body, reason: reason, line: line) }
    line += body.occurrences(of: 0x0A)
  }

  /// Takes what was passed over so far and waits for more from `at` on.
  private func held(_ text: Span<UInt8>, _ start: Int, _ at: Int) throws -> Int {
    // A key may stand before what is waited for.
    var keep = at
    var back = at
    while back > start, at - back < 4096 {
      back -= 1
      if text[back] == 0x0A || text[back] == 0x2C || text[back] == 0x7B {
        keep = back
        break
      }
    }
    if keep > start { try lose(text.extracting(start..<keep), nil) }
    return keep
  }

  /// Whether a container's key stands at `at`: what it opens and where that begins; `.some(nil)`
  /// where it takes more text to tell.
  private func containerKey(
    _ text: Span<UInt8>, _ at: Int, isFinal: Bool
  ) -> (Entered, Int)?? {
    let rest = text.extracting(at..<text.count)
    for kind in RecordKind.allCases {
      let word = kind.containerKey
      guard TextBytes.starts(rest, word) else { continue }
      return opened(rest, word, at, isFinal: isFinal)
    }
    if places != nil, TextBytes.starts(rest, "\"tasks_by_user\"") {
      return opened(rest, "\"tasks_by_user\"", at, isFinal: isFinal)
    }
    if TextBytes.starts(rest, "\"rtfs\"") { return opened(rest, "\"rtfs\"", at, isFinal: isFinal) }
    return nil
  }

  private func opened(
    _ rest: Span<UInt8>, _ word: StaticString, _ base: Int, isFinal: Bool
  ) -> (Entered, Int)?? {
    let colon = TextBytes.skipSpace(rest, word.utf8CodeUnitCount)
    guard colon < rest.count else { return isFinal ? nil : .some(nil) }
    guard rest[colon] == 0x3A else { return nil }
    let value = TextBytes.skipSpace(rest, colon + 1)
    guard value < rest.count else { return isFinal ? nil : .some(nil) }
    let key = (1..<word.utf8CodeUnitCount - 1).map { rest[$0] }
    return container(key, rest[value]).map { ($0, base + value + 1) }
  }

  /// What an object is by its own fields; nil for what is no record.
  func kind(of body: Span<UInt8>) throws -> RecordKind? {
    try record.text.parse(body)
    if places != nil { return taskKind() }
    let text = record.text
    if text.member("intent_id") != nil, text.member("goal") != nil { return .intent }
    if text.member("edge_type") != nil, text.member("from") != nil, text.member("to") != nil {
      return .edge
    }
    if text.member("action_id") != nil { return .action }
    if text.member("plan_id") != nil, text.member("run_id") == nil { return .plan }
    if text.member("run_id") != nil, text.member("objective") != nil { return .run }
    let graph = MemoryGraph.kind(of: text)
    return graph == .document ? nil : graph
  }

  /// The key before an intent, where it stands whole behind `limit`: where it starts, and the
  /// intent's scope.
  private func keyBefore(
    _ text: Span<UInt8>, _ at: Int, from limit: Int, _ kind: RecordKind
  ) -> (Int, [UInt8]) {
    guard kind == .intent, let id = record.text.member("intent_id") else { return (at, []) }
    let range = record.text.tokens[id].range
    let bytes = record.text.bytes
    let source = bytes.span.extracting(range)
    var back = at
    while back > limit, TextBytes.isBlank(text[back - 1]) { back -= 1 }
    guard back > limit, text[back - 1] == 0x3A else { return (at, []) }
    back -= 1
    while back > limit, TextBytes.isBlank(text[back - 1]) { back -= 1 }
    let start = back - source.count
    guard start >= limit, text.extracting(start..<back).isEqual(to: source) else {
      return (at, [])
    }
    return (start, [])
  }
}

extension JSONError {
  fileprivate static func end(_ offset: Int) -> JSONError { JSONError(.unexpectedEnd, at: offset) }
}

extension RecordKind {
  /// The key of the container of this kind, in quotes.
  fileprivate var containerKey: StaticString {
    switch self {
    case .intent: "\"intents\""
    case .edge: "\"edges\""
    case .entity: "\"entities\""
    case .relation: "\"relations\""
    case .plan: "\"plans\""
    case .action: "\"actions\""
    case .run: "\"runs\""
    case .task: "\"tasks\""
    case .user: "\"users\""
    case .project: "\"projects\""
    case .document: "\"documents\""
    }
  }
}
