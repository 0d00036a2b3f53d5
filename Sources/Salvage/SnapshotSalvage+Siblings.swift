import LosslessJSON
import Records

/// What the tasks of a list look like: the names of their members.
struct TaskForm {
  /// As spelt, in order.
  var keys: [[UInt8]] = []
  /// Whether none of the members is an object or a list.
  var isFlat = true

  init() {}

  init(_ task: JSONText) {
    let end = task.kind() == .object ? Int(task.tokens[0].next) : 0
    var key = 1
    while key + 1 < end {
      let value = task.tokens[key + 1]
      let range = task.tokens[key].range
      keys.append(range.map { task.bytes.span[$0] })
      if value.kind == .object || value.kind == .array { isFlat = false }
      key = Int(value.next)
    }
  }
}

/// A list of tasks goes on behind a damaged one where nothing but that is lost: whose its tasks are
/// and of which project, the keys above it alone may tell.
extension SnapshotSalvage {
  /// A damaged element longer than this is not looked into, nor one with more objects in it.
  static let elementLimit = 64 << 10
  private static let objectLimit = 256
  /// More bytes than these that are no text may hide the end of one list and the head of another.
  private static let badByteLimit = 8

  /// Where the damaged element of a list at `start` ends, and the list goes on: with a task that is
  /// whole, or its end. Nil where its end, and the head of another list, may be what is damaged.
  func damagedTasks(_ text: Span<UInt8>, _ start: Int) -> Int? {
    let part = text.extracting(start..<min(text.count, start + Self.elementLimit))
    var objects = 0
    for at in part.indices {
      if part[at] == 0x5D, endsList(part, at) {
        if DamagedTasks(part.extracting(0..<at), atEnd: true)?.are(taskForm) == true {
          return start + at
        }
      } else if at > 0, part[at] == 0x7B, objects < Self.objectLimit {
        objects += 1
        guard opensTask(part, at) else { continue }
        guard let damaged = DamagedTasks(part.extracting(0..<at), atEnd: false) else { return nil }
        let isNext = damaged.are(taskForm) || damaged.are(TaskForm(record.text))
        return isNext ? start + lastEnd(part, at) : nil
      }
    }
    return nil
  }

  /// Where the element before the one at `at` ends.
  private func lastEnd(_ text: Span<UInt8>, _ at: Int) -> Int {
    var end = at
    while end > 1, TextBytes.isBlank(text[end - 1]) { end -= 1 }
    return end > 1 && text[end - 1] == 0x2C ? end - 1 : end
  }

  /// Whether what stands behind the bracket may stand behind a list.
  private func endsList(_ text: Span<UInt8>, _ at: Int) -> Bool {
    let next = TextBytes.skipSpace(text, at + 1)
    guard next < text.count else { return false }
    if text[next] == 0x7D { return true }
    let key = TextBytes.skipSpace(text, next + 1)
    return text[next] == 0x2C && key < text.count && text[key] == 0x22
  }

  /// Whether a task that is whole starts there; it is in `record` then.
  private func opensTask(_ text: Span<UInt8>, _ at: Int) -> Bool {
    let key = TextBytes.skipSpace(text, at + 1)
    guard key < text.count, text[key] == 0x22,
      case .value(let end) = scan(text, at, isFinal: true),
      (try? record.text.parse(text.extracting(at..<end))) != nil
    else { return false }
    return taskKind() == .task
  }

  /// The bytes between two whole tasks of a list, or the last one and the list's end.
  private struct DamagedTasks {
    private var bytes: [UInt8]
    private let isAtEnd: Bool

    /// Nil where they may be more than tasks that are damaged.
    init?(_ text: Span<UInt8>, atEnd isAtEnd: Bool) {
      self.isAtEnd = isAtEnd
      bytes = text.indices.map { text[$0] }
      blankConflicts()
      while let last = bytes.last, TextBytes.isBlank(last) { bytes.removeLast() }
      // A first element: of a list in the task, or of another list.
      if bytes.last == 0x5B || bytes.last == 0x3A { return nil }
      guard badBytes() <= badByteLimit else { return nil }
    }

    /// Takes out the marks of a conflict, and the second of the versions between them.
    private mutating func blankConflicts() {
      var start = 0
      var isOpen = false
      var isOther = false
      while start < bytes.count {
        let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
        let last = end > start && bytes[end - 1] == 0x0D ? end - 1 : end
        let isMark = TextBytes.isConflictMarker(bytes.span.extracting(start..<last))
        if isMark {
          isOther = isOpen && bytes[start] != 0x3C && bytes[start] != 0x3E
          isOpen = isOpen ? bytes[start] != 0x3E : bytes[start] == 0x3C
        }
        if isMark || isOther { for at in start..<last { bytes[at] = 0x20 } }
        start = end + 1
      }
    }

    private func badBytes() -> Int {
      var count = 0
      var at = 0
      while at < bytes.count {
        let length = bytes.span.lengthOfUTF8Sequence(at: at)
        if length == 0 || TextBytes.isForeign(bytes[at]) { count += 1 }
        at += max(1, length)
      }
      return count
    }

    /// Whether they are tasks of that form, each member of each of them there once and at its
    /// place, the key of one spoilt at the most; or a few bytes that are no part of any.
    func are(_ form: TaskForm) -> Bool {
      if isJunk { return true }
      guard form.keys.count > 2, Set(form.keys).count == form.keys.count,
        !isAtEnd || (bytes.last == 0x7D && (form.isFlat || isBalanced))
      else { return false }
      var wanted = 0
      var isSpoilt = false
      var behind = 0
      func hasSpoilt(upTo end: Int) -> Bool {
        guard !isSpoilt, holds(form.keys[wanted], in: behind..<end) else { return false }
        isSpoilt = true
        wanted = (wanted + 1) % form.keys.count
        if wanted == 0 { isSpoilt = false }
        return true
      }
      for (key, range) in members(form) {
        if key != wanted {
          guard hasSpoilt(upTo: range.lowerBound), key == wanted else { return false }
        }
        wanted = (wanted + 1) % form.keys.count
        if wanted == 0 { isSpoilt = false }
        behind = range.upperBound
      }
      guard behind > 0 else { return false }
      return wanted == 0 || (hasSpoilt(upTo: bytes.count) && wanted == 0)
    }

    private var isJunk: Bool {
      let rest = bytes.filter { !TextBytes.isBlank($0) && $0 != 0x2C }
      let plain = rest.filter { $0 > 0x20 && $0 < 0x7F }
      return rest.count <= badByteLimit && plain.count <= 1
        && !plain.contains { [0x7B, 0x7D, 0x5B, 0x5D].contains($0) }
    }

    private var isBalanced: Bool {
      func count(_ byte: UInt8) -> Int { bytes.span.occurrences(of: byte) }
      return count(0x7B) == count(0x7D) && count(0x5B) == count(0x5D)
    }

    /// The keys that are whole, up to their colons.
    private func members(_ form: TaskForm) -> [(key: Int, range: Range<Int>)] {
      var found: [(key: Int, range: Range<Int>)] = []
      for at in bytes.indices where bytes[at] == 0x22 {
        for (number, key) in form.keys.enumerated() where bytes[at...].starts(with: key) {
          let colon = TextBytes.skipSpace(bytes.span, at + key.count)
          guard colon < bytes.count, bytes[colon] == 0x3A else { continue }
          found.append((number, at..<colon + 1))
        }
      }
      return found
    }

    /// Whether the key with its colon stands there but for a few bytes in a row that were altered,
    /// put in or left out.
    private func holds(_ key: [UInt8], in range: Range<Int>) -> Bool {
      let word = key + [0x3A]
      let few = min(3, word.count / 2)
      for start in range {
        var head = 0
        while head < word.count, start + head < range.upperBound,
          bytes[start + head] == word[head]
        {
          head += 1
        }
        for length in word.count - few...word.count + badByteLimit {
          let end = start + length
          if end > range.upperBound { break }
          var tail = 0
          while tail < word.count, tail < length,
            bytes[end - 1 - tail] == word[word.count - 1 - tail]
          {
            tail += 1
          }
          if head + tail >= word.count - (length > word.count ? 0 : few) { return true }
        }
      }
      return false
    }
  }
}
