import Disk
import LosslessJSON
import Records

/// Recovers a file that is one JSON value: it parses, be it in front of what was written there
/// before, or there is no record in it. A part of a value is no record of its own.
final class DocumentSalvage {
  private let sink: PieceSink
  private let output: PendingFile

  init(to output: PendingFile, _ sink: PieceSink) {
    self.output = output
    self.sink = sink
  }

  func run(_ stream: ByteStream) throws {
    var source = try TextSource(stream)
    sink.encoding = source.encoding
    try sink.insignificant(length: source.markLength)
    var text = ByteBuffer()
    let limit = TextSalvage.valueLimit
    while text.count <= limit, try source.read(into: &text, atMost: 1 << 20) > 0 {}
    try take(text.span, limit)
    // What is longer than any value: kept, piece by piece.
    text = ByteBuffer()
    while try source.read(into: &text, atMost: 1 << 20) > 0 {
      try sink.quarantine(text.span, shape: .garbage, line: nil)
      text.removeAll()
    }
    try output.close()
  }

  private func take(_ span: Span<UInt8>, _ limit: Int) throws {
    let start = min(TextBytes.skipSpace(span, 0), span.count)
    try sink.insignificant(span.extracting(0..<start))
    var record = Record()
    var failure: JSONError?
    let end = trimmed(span, from: start, to: span.count)
    var valueEnd = end
    if end > start, span.count <= limit {
      do throws(JSONError) { try record.text.parse(span.extracting(start..<end)) } catch {
        failure = error
      }
    } else if span.count > limit {
      failure = JSONError(.tooLong, at: 0)
    }
    if let error = failure {
      let isEnded = error.reason == .trailingBytes && [0x7B, 0x5B].contains(span[start])
      valueEnd = isEnded ? trimmed(span, from: start, to: start + error.offset) : start
    }
    if valueEnd > start {
      try output.append(span.extracting(start..<valueEnd))
      try output.append(0x0A)
      try sink.recovered(span.extracting(start..<valueEnd), .document)
    }
    if let failure {
      let rest = TextBytes.skipSpace(span, valueEnd)
      try sink.insignificant(span.extracting(valueEnd..<rest))
      let bytes = span.extracting(rest..<end)
      var fragment = Fragment(start: rest)
      fragment.note(failure, start: rest, isPlaced: valueEnd == start)
      let shape = fragment.shape(of: bytes, hasNext: false, isEnd: true, isBehind: false)
      let reason = "\(failure.reason.rawValue), at byte \(start + failure.offset)"
      let line = 1 + span.extracting(0..<rest).occurrences(of: 0x0A)
      try sink.quarantine(bytes, shape: shape, reason: reason, line: line)
    }
    try sink.insignificant(span.extracting(end..<span.count))
  }

  /// Where the last byte of a stretch that is not white space ends.
  private func trimmed(_ text: Span<UInt8>, from start: Int, to end: Int) -> Int {
    var end = end
    while end > start, TextBytes.isBlank(text[end - 1]) { end -= 1 }
    return end
  }
}
