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
  let output: PendingFile
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
  /// Whether a list of records was opened on this line.
  var isInList = false
  /// Whether all of this line is records with commas between them.
  var isWholeList = false
  /// Whether nothing on this line, or on those that its records began on, was lost.
  var isUnbroken = true
  /// What stands before the next byte, where that was taken without it being known what follows.
  var byteBefore: UInt8 = 0
  /// Line of the next byte, counted from 1.
  var line = 1
  /// Whether the next byte is the first of a line.
  var isLineStart = true
  /// Bytes that were parsed in vain and will be again, which must stay few.
  var wasted = 0
  /// The objects of a list that were looked at last for what they say of those before them: where
  /// they end, and whether they are records.
  var siblings = (end: 0, areRecords: false)
  var consumed = 0
  /// Whether records that are damaged only a little are mended.
  var repairs = false
  var ids = GraphIDs()
  /// The records whose ids have been gathered, one after the other, and where each ends.
  var named = ByteBuffer()
  var ends: [(end: Int, line: Int)] = []
  /// What the rules found of the record that was judged last.
  var facts = GraphFacts()
  var rules = RecordRules()

  /// A value longer than this is not waited for.
  static let valueLimit = 256 << 20
  /// Text is looked at this many bytes at a time where no line ends sooner.
  static let step = 1 << 20
  /// How much of a record with bytes in its strings that none may have is looked at, how much behind
  /// the first of them at once, and how many runs of them it may have.
  static let spoiledLimit = 1 << 16
  static let spoiledStep = 1 << 10
  static let spoiledRuns = 8
  /// A container that is longer is not looked at as a whole.
  static let containerLimit = 16 * step

  init(_ family: Family, to output: PendingFile, _ sink: PieceSink) {
    self.family = family
    self.output = output
    self.sink = sink
  }

  func run(_ stream: ByteStream) throws {
    var source = try TextSource(stream, inParts: true)
    var isFirst = true
    repeat {
      try run(part: &source, isFirst)
      isFirst = false
    } while try source.startNextPart()
    try noteDuplicates()
    try output.close(evenIfEmpty: true)
  }

  /// Takes all that is in one encoding.
  private func run(part source: inout TextSource, _ isFirst: Bool) throws {
    (isClean, isLineStart, isUnbroken) = (true, true, true)
    (isBehindRecord, isInList, isWholeList, byteBefore) = (false, false, false, 0)
    let start = sink.position
    sink.encoding = source.encoding
    try sink.insignificant(length: source.markLength)
    if !isFirst {
      sink.note(
        Finding(
          .warning, .unreadable,
          "is \(source.encoding.rawValue) text from byte \(start) on, read as such; what was recovered "
            + "is UTF-8"))
    } else if source.encoding != .utf8 {
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
    shapes.mayLackType = !style.isTyped
    learn(from: window.span, isWhole: ended)
    if style.isContainer {
      try fill(Self.containerLimit)
      if ended, try takeContainer(window.span) { window.removeAll() }
    }
    while true {
      let used = try take(window.span, isFinal: ended)
      consumed += used
      window.removeFirst(used)
      if ended, window.isEmpty || used == 0 { break }
      try fill(max(Self.step, window.count))
    }
  }

  /// Takes a text that is one whole array or wrapper: what its records are is no guess then. Whether
  /// it is one.
  private func takeContainer(_ text: Span<UInt8>) throws -> Bool {
    do throws(JSONError) { try record.text.parse(text) } catch { return false }
    guard Self.isContainer(&record.text) else { return false }
    try emitElements(text, areTold: true)
    return true
  }

  /// Learns the shapes of the records in the first stretch before it is judged by them.
  private func learn(from head: Span<UInt8>, isWhole: Bool) {
    guard style.layout == .lines else { return }
    var at = 0
    var values = 0
    var spent = 0
    while at < head.count, values < 1000, spent < 4 * head.count {
      guard var end = head.firstIndex(of: 0x0A, from: at) ?? (isWhole ? head.count : nil) else {
        return
      }
      if head[at] == 0x7B {
        var stop = end
        if case .value(let inner) = scan(head, at..<end) {
          stop = inner
        } else if end + 1 < head.count, head[end + 1] != 0x7B {
          switch scan(head, at..<head.count) {
          // Where the end is indented, and the beginning is not, what was before that is lost.
          case .value(let behind) where !opensIndented(head, behind - 1):
            stop = behind
            end = head.firstIndex(of: 0x0A, from: behind) ?? head.count
          case .value(let behind): spent += behind - at
          case .failure(let error): spent += error.offset - at
          }
        }
        let isAlone = TextBytes.skipSpace(head.extracting(0..<end), stop) == end
        if isAlone, (try? record.text.parse(head.extracting(at..<stop))) != nil {
          learn()
          values += 1
        }
      }
      at = end + 1
    }
  }

  /// Learns from the value in `record.text`. The records in an array or a wrapper are no parts of
  /// one: they are learned from one by one.
  func learn() {
    if family == .graph, Self.isContainer(&record.text) { return }
    shapes.learn(&record.text)
  }
}
