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
      var (values, lines) = (0, 0)
      var startsWithValue = false
      try FileHead(tree, 0).forEachLine { line in
        lines += 1
        let isValue = (try? JSONText(line)) != nil
        if isValue { values += 1 }
        if lines == 1 { startsWithValue = isValue }
        return lines < 1000 && !(startsWithValue && lines > 1)
      }
      // A pretty-printed document has lines that are values too: the last element of each array.
      return lines > 1 && (startsWithValue || values * 2 > lines)
    },
    read: { tree, options, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        var record = Record()
        record.kind = .document
        try LineReader(tree: tree, file: index, sink: sink).read(&record) { record in
          record.documentID = options.idField.flatMap { record.text.idValue($0) }
          try sink.take(&record)
        }
      }
    })

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
    })

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
    record.documentID = options.idField.flatMap { record.text.idValue($0) }
    try sink.take(&record)
  }
}
