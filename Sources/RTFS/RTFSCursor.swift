import LosslessJSON
import Records

/// Walks through a snapshot of which a window is in memory: the lists around the records, gaps,
/// offsets and lines. Knows no source, so that the hot loop is one and not generic.
struct RTFSCursor: Sendable {
  enum Step { case record, needsMore, end }

  /// What is in memory; a source appends to it.
  var window = ByteBuffer()
  /// Whether nothing follows what is in memory.
  var isComplete = false
  /// A record that is longer than this, in bytes, is refused.
  var longest = JSONIndex.maximumLength

  private enum Comment { case none, line, block }

  private var scanner = RTFSRecordScanner()
  private var group: RTFSGroup?
  /// The list that is open, by the kind of its records.
  private var list: RecordKind?
  /// The comment, between lists, in which `at` lies.
  private var comment = Comment.none
  /// Index in the window of the next byte to look at.
  private var at = 0
  /// Offset in the text of the window's first byte.
  private var base = 0
  /// The line of the byte at `counted`.
  private var line = 1
  private var counted = 0

  /// Bytes of the window that are still needed.
  var rest: Int { window.count - at }

  /// Forgets what has been read, to make room.
  mutating func dropRead() {
    countLines(to: at)
    window.removeFirst(at)
    base += at
    at = 0
    counted = 0
  }

  /// Reads on to the next record. After `needsMore` append to the window, or set `isComplete`.
  mutating func next(_ record: inout Record) throws(RTFSError) -> Step {
    do throws(RTFSError) {
      while true {
        guard skipGap() else {
          guard isComplete else { return .needsMore }
          guard group == nil, list == nil, comment != .block else {
            throw RTFSError(.unexpectedEnd, at: window.count)
          }
          return .end
        }
        switch window[at] {
        case 0x28: if try readList(&record) { return .record }
        case 0x29: try closeList()
        case 0x23:
          guard at + 1 < window.count else { throw RTFSError(.unexpectedEnd, at: at + 1) }
          fallthrough
        default: throw RTFSError(.unexpectedByte, at: at)
        }
      }
    } catch {
      var error = error
      if error.code == .unexpectedEnd, !isComplete {
        if rest <= longest { return .needsMore }
        error = RTFSError(.tooLong, at: at)
      }
      countLines(to: at)
      let lines = window.span.extracting(at..<error.offset).occurrences(of: 0x0A)
      error.line = line + lines
      error.offset += base
      throw error
    }
  }

  private mutating func countLines(to index: Int) {
    line += window.span.extracting(counted..<index).occurrences(of: 0x0A)
    counted = index
  }

  /// Skips whitespace and comments. Returns false at the end of the window.
  private mutating func skipGap() -> Bool {
    let window = window
    let text = window.span
    while at < text.count {
      switch comment {
      case .line:
        guard let end = text.firstIndex(of: 0x0A, from: at) else {
          at = text.count
          return false
        }
        at = end + 1
        comment = .none
      case .block:
        guard let end = text.endOfBlockComment(from: at) else {
          // A bar at the end of the window may be half of the mark.
          at = text[text.count - 1] == 0x7C && !isComplete ? text.count - 1 : text.count
          return false
        }
        at = end
        comment = .none
      case .none:
        switch text[at] {
        case 0x20, 0x09, 0x0A, 0x0D: at += 1
        case 0x3B: comment = .line
        case 0x23 where at + 1 < text.count && text[at + 1] == 0x7C:
          at += 2
          comment = .block
        default: return true
        }
      }
    }
    return false
  }

  /// Reads the list whose `(` is at `at`: a record as a whole, of any other list its head. Returns
  /// whether it was a record.
  private mutating func readList(_ record: inout Record) throws(RTFSError) -> Bool {
    let word = try scanner.headWord(window, at: at)
    if let kind = recordKind(word) {
      guard list == kind || (list == nil && group == nil) else {
        throw RTFSError(.misplaced, at: at)
      }
      let end = try scanner.scan(kind, window, from: word.upperBound, into: &record)
      countLines(to: at)
      record.place = RecordPlace(offset: base + at, length: end - at, line: line)
      at = end
      return true
    }
    try openList(word)
    return false
  }

  private func recordKind(_ word: Range<Int>) -> RecordKind? {
    let text = window.span
    if let list, text.isText(list.word, in: word) { return list }
    for kind in RTFSSnapshot.order where text.isText(kind.word, in: word) { return kind }
    return nil
  }

  private mutating func openList(_ word: Range<Int>) throws(RTFSError) {
    let window = window
    let text = window.span
    for kind in RTFSSnapshot.order where text.isText(kind.listWord, in: word) {
      guard list == nil, group == kind.group else { throw RTFSError(.misplaced, at: at) }
      list = kind
      at = word.upperBound
      return
    }
    for candidate in RTFSGroup.allCases where text.isText(candidate.word, in: word) {
      guard list == nil, group == nil else { throw RTFSError(.misplaced, at: at) }
      group = candidate
      at = word.upperBound
      return
    }
    throw RTFSError(.unknownWord, at: word.lowerBound)
  }

  private mutating func closeList() throws(RTFSError) {
    if list != nil {
      list = nil
    } else if group != nil {
      group = nil
    } else {
      throw RTFSError(.unexpectedByte, at: at)
    }
    at += 1
  }
}
