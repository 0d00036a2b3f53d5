import Disk
import LosslessJSON
import Records

/// Recovers a file that is one JSON value: it parses, or there is no record in it. A part of a
/// value is no record of its own.
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
    var end = span.count
    while end > start, TextBytes.isBlank(span[end - 1]) { end -= 1 }
    if end > start, span.count <= limit {
      do throws(JSONError) { try record.text.parse(span.extracting(start..<end)) } catch {
        failure = error
      }
    } else if span.count > limit {
      failure = JSONError(.tooLong, at: 0)
    }
    if let failure {
      var fragment = Fragment(start: 0)
      fragment.note(failure, start: 0, isPlaced: true)
      let shape = fragment.shape(
        of: span.extracting(start..<end), hasNext: false, isEnd: true, isBehind: false)
      let reason = "\(failure.reason.rawValue), at byte \(start + failure.offset)"
      try sink.quarantine(span.extracting(start..<end), shape: shape, reason: reason, line: 1)
    } else if end > start {
      try output.append(span.extracting(start..<end))
      try output.append(0x0A)
      try sink.recovered(span.extracting(start..<end), .document)
    }
    try sink.insignificant(span.extracting(end..<span.count))
  }
}
