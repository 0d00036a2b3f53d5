import LosslessJSON
import RTFS
import Records

/// The text of a snapshot's `rtfs` string: a record a line.
struct RTFSLines {
  var scanner = RTFSRecordScanner()
  var line = ByteBuffer()

  private static let heads: [StaticString] = [
    "(intent {", "(edge {", "(entity {", "(relation {", "(plan {", "(action {", "(run {",
    "(task {", "(user {", "(project {", "(document ", "(intent-graph", "(knowledge-graph",
  ]

  /// Whether a record or a list of records starts here.
  static func opensRecord(_ text: Span<UInt8>) -> Bool {
    for head in heads where TextBytes.starts(text, head) { return true }
    return false
  }
}

extension SnapshotSalvage {
  /// Takes the next piece of the RTFS text: a record, which usually is one line, or a line that
  /// is none. Returns where the next one starts; `start` where it takes more text.
  func takeRTFS(_ text: Span<UInt8>, from start: Int, isFinal: Bool) throws -> Int {
    var at = start
    var firstEnd: Int?
    var lines = 0
    while at < text.count {
      switch text[at] {
      case 0x5C where at + 1 == text.count:
        at += 1
        if !isFinal { return start }
      case 0x5C:
        at += 2
        guard text[at - 1] == 0x6E else { continue }
        lines += 1
        if firstEnd == nil { firstEnd = at }
        // A string of the language may hold line feeds.
        if try takeRecord(text.extracting(start..<at)) { return at }
        if lines > Self.lineLimit { return try giveUp(text, start, firstEnd) }
      case 0x22:
        if at > start, try !takeRecord(text.extracting(start..<at)) {
          return try giveUp(text, start, firstEnd ?? at)
        }
        try pass(text.extracting(at..<at + 1))
        isInRTFS = false
        context = .root
        return at + 1
      case 0..<0x20:
        // No string goes on behind this. The lines behind it may be whole all the same.
        if at > start {
          if try takeRecord(text.extracting(start..<at)) { return at }
          return try giveUp(text, start, firstEnd ?? at)
        }
        while at < text.count, text[at] < 0x20 { at += 1 }
        try lose(text.extracting(start..<at), JSONError(.controlCharacter, at: 0))
        return at
      default: at += 1
      }
    }
    if isFinal || text.count - start > TextSalvage.valueLimit {
      if try takeRecord(text.extracting(start..<text.count)) { return text.count }
      return try giveUp(text, start, firstEnd ?? text.count)
    }
    return start
  }

  /// A record of more lines than this is taken for a torn one.
  private static let lineLimit = 64

  private func giveUp(_ text: Span<UInt8>, _ start: Int, _ end: Int?) throws -> Int {
    let stop = end ?? text.count
    try lose(text.extracting(start..<stop), nil)
    return stop
  }

  /// Takes a stretch of RTFS, escapes and all: a record, or a part of the frame. False where it
  /// is a record that goes on.
  private func takeRecord(_ raw: Span<UInt8>) throws -> Bool {
    if raw.isEmpty { return true }
    var line = ByteBuffer()
    guard (try? JSONIndex.unescape(raw, to: &line)) != nil else {
      try lose(raw, nil)
      return true
    }
    let text = line.span
    var at = TextBytes.skipSpace(text, 0)
    guard at < text.count, text[at] == 0x28 else {
      try frameOrLoss(raw, text)
      return true
    }
    record.scope = []
    do throws(RTFSError) { at = try rtfs.scanner.scan(line, from: at, into: &record) } catch {
      if error.code == .unexpectedEnd, Self.isFrame(text) == false { return false }
      try frameOrLoss(raw, text)
      return true
    }
    record.place.line = self.line
    // The ends of the lists that it is the last one in.
    var rest = TextBytes.skipSpace(text, at)
    while rest < text.count, text[rest] == 0x29 { rest = TextBytes.skipSpace(text, rest + 1) }
    guard rest == text.count else {
      try lose(raw, nil)
      return true
    }
    try takeFromRTFS(raw)
    record.scope = []
    return true
  }

  /// Comments, heads and ends of lists.
  private func frameOrLoss(_ raw: Span<UInt8>, _ text: Span<UInt8>) throws {
    if Self.isFrame(text) { try frame(raw) } else { try lose(raw, nil) }
  }

  private static func isFrame(_ text: Span<UInt8>) -> Bool {
    let at = TextBytes.skipSpace(text, 0)
    let rest = text.extracting(at..<text.count)
    if rest.isEmpty || rest[0] == 0x3B || rest[0] == 0x29 { return true }
    return rest[0] == 0x28 && rest.firstIndex(of: 0x7B) == nil && rest.firstIndex(of: 0x22) == nil
  }
}

extension JSONIndex {
  /// Appends what the inside of a string stands for; throws where it is none.
  fileprivate static func unescape(_ raw: Span<UInt8>, to out: inout ByteBuffer) throws {
    var quoted = ByteBuffer()
    quoted.append(0x22)
    quoted.append(raw)
    quoted.append(0x22)
    let text = try JSONText(quoted.span)
    text.appendDecoded(0, to: &out)
  }
}
