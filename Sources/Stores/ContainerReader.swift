import Disk
import LosslessJSON
import Records

/// Reads files that are one large JSON value, or several, element by element.
///
/// An element that is no JSON is a finding and the walk goes on; where the structure itself
/// breaks, the rest of the file is one unreadable range.
final class ContainerReader {
  private let tree: any StoreTree
  private let file: Int
  private let sink: any RecordSink
  private var reader: JSONReader<ByteStream>
  /// Where what could not be read starts if the structure breaks at this point.
  private var recordStart = 0
  private var recordLine = 1
  /// Whether a part of the file could not be read.
  private(set) var isDamaged = false

  /// - Parameter prefix: bytes to pass over first: a byte order mark, comment lines.
  init(tree: any StoreTree, file: Int, sink: any RecordSink, skipping prefix: Int) throws {
    self.tree = tree
    self.file = file
    self.sink = sink
    let stream = try tree.open(file)
    var scrap = ByteBuffer()
    var left = prefix
    var lines = 0
    while left > 0 {
      scrap.removeAll()
      let count = try stream.read(into: &scrap, atMost: left)
      if count == 0 { break }
      lines += scrap.span.occurrences(of: 0x0A)
      left -= count
    }
    reader = JSONReader(stream, offset: prefix - left, linesBefore: lines)
  }

  /// Runs `body` over the text; a structural error in it becomes a finding over the rest of the
  /// file, which is read to its end all the same.
  func walk(_ body: (inout JSONReader<ByteStream>) throws -> Void) throws {
    do {
      try body(&reader)
      if try !reader.isAtEnd() { throw JSONError(.trailingBytes, at: reader.offset) }
    } catch let error as JSONError {
      report(error, from: max(recordStart, 0), to: tree.files[file].size)
      try reader.drain()
    }
  }

  private func report(_ error: JSONError, from start: Int, to end: Int) {
    isDamaged = true
    let size = max(end, start)
    sink.note(
      Finding(
        .error, error.reason == .unexpectedEnd ? .tornTail : .unreadable,
        "is no JSON: \(error.reason.rawValue), at byte \(error.offset)",
        path: tree.displayPath(file), line: recordLine, offset: start, length: size - start))
  }

  /// Reads the next value into `record`; false if it is no JSON, which is then a finding.
  func element(_ reader: inout JSONReader<ByteStream>, _ record: inout Record) throws -> Bool {
    _ = try reader.peek()
    recordStart = reader.offset
    let line = reader.line
    recordLine = line
    let extent = try reader.element(&record.text)
    recordStart = reader.offset
    recordLine = reader.line
    record.place = RecordPlace(
      file: file, offset: extent.offset, length: extent.length, line: line)
    guard let error = extent.error, !ScopedRecord.isMerelyWrapped(&record.text, error) else {
      return true
    }
    isDamaged = true
    sink.note(
      Finding(
        .error, .unreadable, "is no JSON: \(error.reason.rawValue), at byte \(error.offset)",
        path: tree.displayPath(file), line: line, offset: extent.offset, length: extent.length))
    return false
  }

  /// Says of an intent that its key is empty, which its hash cannot tell from no key at all: the
  /// scope of a record is empty where its container says no more than the record does.
  func noteEmptyKey(_ record: borrowing Record) {
    sink.note(
      Finding(
        .warning, .keyMismatch, "is stored under an empty key, which no hash shows",
        path: tree.displayPath(file), line: record.place.line, offset: record.place.offset,
        record: record.label))
  }

  /// Elements of the array that comes next, one by one.
  func elements(
    _ reader: inout JSONReader<ByteStream>, _ record: inout Record,
    _ body: (inout Record) throws -> Void
  ) throws {
    try reader.expect(0x5B, .unexpectedByte)
    var first = true
    while try reader.nextElement(first: first) {
      first = false
      if try element(&reader, &record) { try body(&record) }
    }
  }

  /// The shapes of a memory graph other than lines: an array, a wrapper of arrays, or values.
  /// - Parameter isWrapped: whether the first value is a wrapper.
  func readGraph(
    isWrapped: Bool, _ record: inout Record, _ take: (inout Record, RecordKind?) throws -> Void
  ) throws {
    var isWrapper = isWrapped
    try walk { reader in
      while let byte = try reader.peek() {
        if byte == 0x5B {
          try elements(&reader, &record) { try take(&$0, nil) }
        } else if byte == 0x7B, isWrapper {
          isWrapper = false
          try readWrapper(&reader, &record, take)
        } else if try element(&reader, &record) {
          try take(&record, nil)
        }
      }
    }
  }

  private func readWrapper(
    _ reader: inout JSONReader<ByteStream>, _ record: inout Record,
    _ take: (inout Record, RecordKind?) throws -> Void
  ) throws {
    try reader.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try reader.nextKey(first: first) {
      first = false
      let kind: RecordKind? =
        key == Array("entities".utf8) ? .entity : key == Array("relations".utf8) ? .relation : nil
      if let kind, try reader.peek() == 0x5B {
        try elements(&reader, &record) {
          try take(&$0, $0.text.member("type") == nil ? kind : nil)
        }
      } else if try element(&reader, &record) {
        record.scope = key
        try take(&record, .document)
        record.scope = []
      }
    }
  }
}
