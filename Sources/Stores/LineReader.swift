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

  /// Takes each line that is one JSON value for a record; everything else that is neither blank
  /// nor a comment becomes a finding with its byte range. Returns when all have been taken.
  /// - Parameter interpret: makes the rest of a record whose text and place are known, adding what
  ///   is to be said of it; called on any thread.
  func read(
    _ interpret: @escaping @Sendable (_ record: inout Record, _ findings: inout [Finding]) -> Void
  ) throws {
    let path = tree.displayPath(file)
    func reading(_ isTerminated: Bool) -> RecordReading {
      RecordReading { record, findings in
        let line = LineText(path: path, place: record.place, isTerminated: isTerminated)
        guard line.read(&record, &findings) else { return false }
        interpret(&record, &findings)
        return true
      }
    }
    let (whole, open) = (reading(true), reading(false))
    var lines = LineScanner(try tree.open(file))
    var record = Record()
    while let line = try lines.next() {
      if line.isTooLong {
        sink.note(
          Finding(
            .error, .unreadable,
            "is longer than \(LineScanner<ByteStream>.lengthLimit >> 20) MiB", path: path,
            line: line.number, offset: line.offset, length: line.length))
        continue
      }
      if line.length == 0 { continue }
      record.text.hold(lines.text)
      record.place = RecordPlace(
        file: file, offset: line.offset, length: line.length, line: line.number)
      try sink.take(&record, by: line.isTerminated ? whole : open)
    }
    try sink.catchUp()
  }
}

/// One line, and where it lies.
private struct LineText {
  let path: String
  let place: RecordPlace
  /// Whether an LF ends it.
  let isTerminated: Bool

  /// Parses the line that `record` holds; false where it is no JSON value.
  func read(_ record: inout Record, _ findings: inout [Finding]) -> Bool {
    let mark = markLength(record.text.bytes.span)
    if mark > 0 {
      findings.append(finding(.note, .byteOrderMark, "starts with a byte order mark"))
    }
    let range = significant(record.text.bytes.span, from: mark)
    if range.isEmpty { return false }
    if GraphLine.isComment(record.text.bytes.span.extracting(range)) {
      findings.append(finding(.note, .commentLine, "is a comment, kept but no record"))
      return false
    }
    do throws(JSONError) {
      try record.text.parseHeld(range)
    } catch {
      findings.append(finding(error, at: range.lowerBound, record.text.bytes.span))
      return false
    }
    record.place.offset += range.lowerBound
    record.place.length = range.count
    return true
  }

  /// The length of a byte order mark at the start of the file.
  private func markLength(_ text: Span<UInt8>) -> Int {
    guard place.line == 1, text.count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF
    else { return 0 }
    return 3
  }

  /// What is left without white space at both ends.
  private func significant(_ text: Span<UInt8>, from start: Int) -> Range<Int> {
    var (start, end) = (start, text.count)
    while start < end, GraphLine.isSpace(text[start]) { start += 1 }
    while end > start, GraphLine.isSpace(text[end - 1]) { end -= 1 }
    return start..<end
  }

  /// - Parameter start: where in the line what was parsed starts, which is `text`.
  private func finding(_ error: JSONError, at start: Int, _ text: Span<UInt8>) -> Finding {
    let reason = "\(error.reason.rawValue), at byte \(place.offset + start + error.offset)"
    let isNul = (0..<text.count).allSatisfy { text[$0] == 0 }
    var result =
      if !isTerminated, error.reason == .unexpectedEnd {
        finding(.error, .tornTail, "\(LineReader.tornLine): \(reason)")
      } else if isNul {
        finding(.error, .nulBytes, "holds nothing but NUL bytes")
      } else {
        finding(.error, .unreadable, "is no JSON: \(reason)")
      }
    result.length = place.length
    return result
  }

  private func finding(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String
  ) -> Finding {
    Finding(severity, code, message, path: path, line: place.line, offset: place.offset)
  }
}
