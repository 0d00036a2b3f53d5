import Disk
import LosslessJSON
import Records

extension StoreFormat {
  /// Any file of one JSON value a line.
  package static let jsonLines = StoreFormat(
    name: "jsonl",
    summary: "any other file of one JSON value a line",
    recordKinds: [.document],
    recognises: { tree in
      guard tree.isSingleFile else { return false }
      return try isLines(tree)
    },
    read: { tree, options, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        try LineReader(tree: tree, file: index, sink: sink).read { record, _ in
          record.kind = .document
          record.takeID(options.idField)
        }
      }
    },
    write: { options in LinesWriter(options) })

  /// Whether a file has a value a line. A value over several lines, pretty-printed, has lines in
  /// it that are values themselves: the last of an array, say.
  private static func isLines(_ tree: any StoreTree) throws -> Bool {
    let head = try FileHead(tree, 0)
    if !head.isCut, (try? JSONText(head.text)) != nil { return false }
    if head.isCut, head.text.firstIndex(of: 0x0A) == nil { return try startsWithLongLine(tree) }
    var (values, lines) = (0, 0)
    var startsWithValue = false
    head.forEachLine { line in
      lines += 1
      if (try? JSONText(line)) != nil { values += 1 }
      if lines == 1 { startsWithValue = values == 1 }
      return lines < 1000
    }
    return startsWithValue ? lines > 1 || head.isCut : values * 2 > lines
  }

  /// For a first line that does not end within the head: whether it is a value with more behind.
  private static func startsWithLongLine(_ tree: any StoreTree) throws -> Bool {
    var scanner = LineScanner(try tree.open(0))
    guard let first = try scanner.next(), first.isTerminated, !first.isTooLong,
      (try? JSONText(scanner.text)) != nil
    else { return false }
    while try scanner.next() != nil {
      if !GraphLine.trim(scanner.text).isEmpty { return true }
    }
    return false
  }

  /// Any file that is one JSON value.
  package static let json = StoreFormat(
    name: "json",
    summary: "any other file that is one JSON value",
    recordKinds: [.document],
    recognises: { tree in tree.isSingleFile && tree.files.first.map { $0.size > 0 } ?? false },
    read: { tree, options, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        try readDocument(tree, index, options, sink)
      }
    },
    write: { options in DocumentWriter(options) })

  private static func isUTF16(_ bytes: ByteBuffer) -> Bool {
    guard bytes.count >= 2 else { return false }
    return (bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF)
  }

  private static func readDocument(
    _ tree: any StoreTree, _ file: Int, _ options: ReadOptions, _ sink: any RecordSink
  ) throws {
    let stream = try tree.open(file)
    var bytes = ByteBuffer()
    while bytes.count <= JSONIndex.maximumLength,
      try stream.read(into: &bytes, atMost: max(1 << 20, bytes.count)) > 0
    {}
    try stream.drain()
    var start = 0
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      start = 3
      sink.note(
        Finding(
          .note, .byteOrderMark, "starts with a byte order mark", path: tree.displayPath(file),
          line: 1, offset: 0))
    }
    var record = Record()
    record.kind = .document
    do throws(JSONError) {
      try record.text.parse(bytes.span.extracting(start..<bytes.count))
    } catch {
      let at = start + error.offset
      let line = bytes.span.extracting(0..<min(at, bytes.count)).occurrences(of: 0x0A) + 1
      sink.note(
        Finding(
          .error, bytes.isEmpty ? .empty : .unreadable,
          isUTF16(bytes)
            ? "is UTF-16 text, not UTF-8" : "is no JSON: \(error.reason.rawValue), at byte \(at)",
          path: tree.displayPath(file), line: line, offset: at))
      return
    }
    record.place = RecordPlace(file: file, offset: start, length: bytes.count - start, line: 1)
    record.takeID(options.idField)
    try sink.take(&record)
  }
}
