import Disk
import LosslessJSON
import Records

/// Lines as stores have them: what is blank, what is a comment.
enum GraphLine {
  /// Without white space at both ends, CR included.
  @_lifetime(copy line)
  static func trim(_ line: Span<UInt8>) -> Span<UInt8> {
    var start = 0
    var end = line.count
    while start < end, isSpace(line[start]) { start += 1 }
    while end > start, isSpace(line[end - 1]) { end -= 1 }
    return line.extracting(start..<end)
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

  /// `#` and `//` start a comment: no JSON value does.
  static func isComment(_ line: Span<UInt8>) -> Bool {
    guard line.count > 0 else { return false }
    return line[0] == 0x23 || (line.count > 1 && line[0] == 0x2F && line[1] == 0x2F)
  }
}

/// Reads a file of one JSON value a line: strict in what is a record, tolerant in going on.
struct LineReader {
  /// How the finding of a last line that is cut off begins.
  static let tornLine = "the last line is cut off"

  let tree: any StoreTree
  let file: Int
  let sink: any RecordSink

  /// Fills `record`'s text and place for each line that is one JSON value; everything else that
  /// is neither blank nor a comment becomes a finding with its byte range.
  func read(_ record: inout Record, _ body: (inout Record) throws -> Void) throws {
    var lines = LineScanner(try tree.open(file))
    while let line = try lines.next() {
      let skipped = try skipMark(lines.text, line)
      var text = lines.text.extracting(skipped..<lines.text.count)
      let before = text.count
      text = GraphLine.trim(text)
      if line.isTooLong {
        unreadable(line, "is longer than \(LineScanner<ByteStream>.lengthLimit >> 20) MiB", 0)
        continue
      }
      if text.isEmpty { continue }
      if GraphLine.isComment(text) {
        note(.note, .commentLine, "is a comment, kept but no record", line)
        continue
      }
      let leading = leadingSpace(lines.text.extracting(skipped..<lines.text.count), before)
      let start = skipped + leading
      do throws(JSONError) {
        try record.text.parse(text)
      } catch {
        report(error, line, start: start, text)
        continue
      }
      record.place = RecordPlace(
        file: file, offset: line.offset + start, length: text.count, line: line.number)
      try body(&record)
    }
  }

  private func leadingSpace(_ text: Span<UInt8>, _ count: Int) -> Int {
    var at = 0
    while at < count, GraphLine.isSpace(text[at]) { at += 1 }
    return at
  }

  /// The length of a byte order mark at the start of the file, and a note of it.
  private func skipMark(
    _ text: Span<UInt8>, _ line: LineScanner<ByteStream>.Line
  ) throws -> Int {
    guard line.number == 1, text.count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF
    else { return 0 }
    note(.note, .byteOrderMark, "starts with a byte order mark", line)
    return 3
  }

  private func report(
    _ error: JSONError, _ line: LineScanner<ByteStream>.Line, start: Int, _ text: Span<UInt8>
  ) {
    let at = line.offset + start + error.offset
    if !line.isTerminated, error.reason == .unexpectedEnd {
      sink.note(
        Finding(
          .error, .tornTail,
          "\(Self.tornLine): \(error.reason.rawValue), at byte \(at)",
          path: tree.displayPath(file), line: line.number, offset: line.offset,
          length: line.length))
      return
    }
    let isNul = (0..<text.count).allSatisfy { text[$0] == 0 }
    sink.note(
      Finding(
        .error, isNul ? .nulBytes : .unreadable,
        isNul
          ? "holds nothing but NUL bytes" : "is no JSON: \(error.reason.rawValue), at byte \(at)",
        path: tree.displayPath(file), line: line.number, offset: line.offset,
        length: line.length))
  }

  private func unreadable(
    _ line: LineScanner<ByteStream>.Line, _ message: String, _ start: Int
  ) {
    sink.note(
      Finding(
        .error, .unreadable, message, path: tree.displayPath(file), line: line.number,
        offset: line.offset, length: line.length))
  }

  private func note(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String,
    _ line: LineScanner<ByteStream>.Line
  ) {
    sink.note(
      Finding(
        severity, code, message, path: tree.displayPath(file), line: line.number,
        offset: line.offset))
  }
}
