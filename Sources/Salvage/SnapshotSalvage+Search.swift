import LosslessJSON
import Records
import Stores

/// Behind damage: on to the next object that has the fields of a record, or the key of a container.
extension SnapshotSalvage {
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
        noteOpening()
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
        // The lists in what is no task are looked for one by one.
        let inner = places == nil ? try swallowed(text, base: at) : nil
        at = inner ?? deeper(at, max(at + 1, error.offset - 3))
      case .value(let end):
        let inner = try swallowed(text, base: at)
        if let inner, try places == nil || kind(of: text.extracting(at..<end)) != nil {
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
    try takeHomeless(body)
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
