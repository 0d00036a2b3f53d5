import LosslessJSON
import Records

/// Records that are lines of JSONL.
extension TextStore {
  /// A whole line, its LF included.
  func line(of place: Place) -> Splice {
    var (start, end) = (place.offset, place.offset + place.length)
    while start > 0, bytes[start - 1] != 0x0A { start -= 1 }
    while end < bytes.count, bytes[end] != 0x0A { end += 1 }
    return Splice(range: start..<min(end + 1, bytes.count))
  }

  /// Lines at the end of the file; one that lacks its LF gets it first.
  func appending(_ new: [StoredRecord]) -> Splice {
    var splice = Splice(range: bytes.count..<bytes.count)
    if bytes.count > 0, bytes[bytes.count - 1] != 0x0A { splice.bytes.append(0x0A) }
    for record in new {
      let text = record.text.bytes
      splice.records.append(
        (record.name, Place(offset: splice.bytes.count, length: text.count)))
      splice.bytes.append(text)
      splice.bytes.append(0x0A)
    }
    return splice
  }

  /// Lines that are to be appended, and where their records will be.
  struct Addition {
    var bytes: ByteBuffer
    var records: [(name: RecordName, place: Place)]
  }

  /// What changes append that only add lines; nil for others.
  func addition(for changes: [Change]) -> Addition? {
    guard hasLines else { return nil }
    var new: [StoredRecord] = []
    var names: Set<RecordName> = []
    for change in changes {
      guard case .put(let record) = change, records[record.name] == nil,
        names.insert(record.name).inserted
      else { return nil }
      new.append(record)
    }
    let splice = appending(new)
    return Addition(bytes: splice.bytes, records: splice.records)
  }
}
