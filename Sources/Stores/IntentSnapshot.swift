import Disk
import LosslessJSON
import Records

extension StoreFormat {
  /// One JSON object of intents and edges, version 1.0 or 1.1 (FORMATS: intent-snapshot); also
  /// the `backup.json` of a backup, which holds the other kinds in arrays of their own.
  package static let intentSnapshot = StoreFormat(
    name: "intent-snapshot",
    summary: "CCOS intents and edges in one JSON object, version 1.0 or 1.1",
    recordKinds: RecordKind.allCases,
    writableKinds: [.intent, .edge],
    recognises: { tree in
      guard tree.isSingleFile else { return false }
      let head = try FileHead(tree, 0)
      var found = false
      // A long member may stand before `intents` where the keys were shuffled: then those seen
      // within the head must all be a snapshot's own.
      var (hasEdges, hasOther) = (false, false)
      head.forEachTopLevelKey { key, byte in
        found = key == Array("intents".utf8) && (byte == 0x7B || byte == 0x5B)
        if key == Array("edges".utf8), byte == 0x5B {
          hasEdges = true
        } else if key == Array("rtfs".utf8), byte == 0x22 {
          hasEdges = true
        } else if !SnapshotWalk.frame.contains(where: { key == $0.bytes }) {
          hasOther = true
        }
        return !found
      }
      return found || (head.isCut && hasEdges && !hasOther)
    },
    read: { tree, options, sink in
      for (index, file) in tree.files.enumerated() where !file.isDirectory {
        let head = try FileHead(tree, index)
        let reader = try ContainerReader(
          tree: tree, file: index, sink: sink, skipping: head.markLength)
        var record = Record()
        try reader.walk { text in
          try SnapshotWalk(container: reader, sink: sink).read(&text, &record)
        }
      }
    },
    write: { options in IntentSnapshotWriter(options) })
}

/// Walks the top level of a snapshot.
struct SnapshotWalk {
  let container: ContainerReader
  let sink: any RecordSink

  /// Members that describe the snapshot and hold no records.
  static let frame: [StaticString] = ["version", "timestamp", "manifest", "rtfs"]

  func read(_ text: inout JSONReader<ByteStream>, _ record: inout Record) throws {
    try text.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try text.nextKey(first: first) {
      first = false
      let next = try text.peek()
      if key == Array("intents".utf8), next == 0x7B {
        try readIntents(&text, &record)
      } else if next == 0x5B,
        let kind = RecordKind.allCases.first(where: { key == Array($0.plural.utf8) })
      {
        try container.elements(&text, &record) {
          $0.kind = kind
          ScopedRecord.unwrap(&$0)
          try sink.take(&$0)
          $0.scope = []
        }
      } else if key == Array("rtfs".utf8), next == 0x22 {
        try readOver(&text)
      } else if Self.frame.contains(where: { key == $0.bytes }) {
        _ = try container.element(&text, &record)
      } else if try container.element(&text, &record) {
        record.kind = .document
        record.scope = key
        try sink.take(&record)
        record.scope = []
      }
    }
  }

  private func readIntents(
    _ text: inout JSONReader<ByteStream>, _ record: inout Record
  ) throws {
    try text.expect(0x7B, .unexpectedByte)
    var first = true
    while let key = try text.nextKey(first: first) {
      first = false
      guard try container.element(&text, &record) else { continue }
      record.kind = .intent
      if ScopedRecord.isWrapped(record.text) {
        ScopedRecord.unwrap(&record)
      } else {
        record.scope = record.text.string("intent_id") == key ? [] : key
        if key.isEmpty, record.text.string("intent_id") != [] { container.noteEmptyKey(record) }
      }
      try sink.take(&record)
      record.scope = []
    }
  }

  /// Checks a long string without keeping it.
  private func readOver(_ text: inout JSONReader<ByteStream>) throws {
    try text.beginString()
    var scrap = ByteBuffer()
    while try text.readString(into: &scrap, atMost: 64 << 10) > 0 { scrap.removeAll() }
  }
}

/// How an array of a snapshot holds a record whose container said more than the record:
/// `{"$scope":"…","$record":…}`. A record that looks like that itself is wrapped as well, so
/// nothing is ambiguous.
package enum ScopedRecord {
  /// Whether a record must be wrapped to be put into an array.
  package static func needsWrapping(_ record: borrowing Record) -> Bool {
    !record.scope.isEmpty || isWrapped(record.text)
  }

  package static func isWrapped(_ text: JSONText) -> Bool {
    // Asked of every record: nearly all are told by their first key alone.
    guard text.kind() == .object, text.index.count > 1, text.isString(1, equalTo: "$scope") else {
      return false
    }
    let keys = text.children(of: 0)
    return keys.count == 2 && text.kind(keys[0] + 1) == .string
      && text.isString(keys[1], equalTo: "$record")
  }

  /// Whether a text was refused only for the level that the wrapping adds; then it is indexed.
  static func isMerelyWrapped(_ text: inout JSONText, _ error: JSONError) -> Bool {
    guard error.reason == .tooDeep else { return false }
    let bytes = text.bytes
    do throws(JSONError) {
      try text.parse(bytes.span, depth: JSONIndex.maximumDepth + 1)
    } catch { return false }
    return isWrapped(text)
  }

  /// Replaces a wrapped record by what is in it, and sets its scope.
  package static func unwrap(_ record: inout Record) {
    guard isWrapped(record.text), let inner = record.text.member("$record") else { return }
    record.scope = record.text.string("$scope") ?? []
    let start = record.text.tokens[inner].range.lowerBound
    let length = record.text.tokens[inner].range.count
    var bytes = ByteBuffer()
    record.text.appendCompact(inner, to: &bytes)
    // The inside of a value that has been parsed is a value.
    try? record.text.parse(bytes.span)
    record.place.offset += start
    record.place.length = length
  }

  /// Appends the record as an element: compact bytes, wrapped if need be.
  package static func append(_ record: borrowing Record, to out: inout ByteBuffer) {
    guard needsWrapping(record) else { return record.text.appendCompact(to: &out) }
    appendWrapped(record, to: &out)
  }

  /// Whether an intent under its key would not read back as it is: one that has no id of its own
  /// to be the key, or its id for a scope, or that looks wrapped.
  package static func isAmbiguousIntent(_ record: borrowing Record) -> Bool {
    if isWrapped(record.text) { return true }
    guard let id = record.text.string("intent_id") else { return record.scope.isEmpty }
    return !record.scope.isEmpty && record.scope == id
  }

  /// Appends the key that an intent is stored under, unescaped.
  package static func appendKey(of record: borrowing Record, to out: inout ByteBuffer) {
    if record.scope.isEmpty { record.appendID(to: &out) } else { out.append(record.scope) }
  }

  /// Appends an intent as a member of the object of intents: its key, a colon, compact bytes,
  /// wrapped if need be.
  package static func appendIntent(_ record: borrowing Record, to out: inout ByteBuffer) {
    var key = ByteBuffer()
    appendKey(of: record, to: &key)
    appendJSONString(key.span, to: &out)
    out.append(0x3A)
    if isAmbiguousIntent(record) {
      appendWrapped(record, to: &out)
    } else {
      record.text.appendCompact(to: &out)
    }
  }

  package static func appendWrapped(_ record: borrowing Record, to out: inout ByteBuffer) {
    out.append("{\"$scope\":")
    appendJSONString(record.scope.span, to: &out)
    out.append(",\"$record\":")
    record.text.appendCompact(to: &out)
    out.append(0x7D)
  }
}

extension StaticString {
  var bytes: [UInt8] { Array(UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount)) }
}
