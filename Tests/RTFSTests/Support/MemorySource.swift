import LosslessJSON
import RTFS
import Records

/// Bytes in memory, handed out in pieces of at most `piece` bytes.
struct MemorySource: ByteSource, ~Copyable {
  let bytes: [UInt8]
  var piece = Int.max
  var at = 0

  init(_ bytes: [UInt8], piece: Int = .max) {
    self.bytes = bytes
    self.piece = piece
  }

  mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let count = min(limit, piece, bytes.count - at)
    buffer.append(bytes.span.extracting(at..<at + count))
    at += count
    return count
  }
}

/// What must come back of a record.
struct RecordFacts: Equatable, CustomStringConvertible {
  var kind: RecordKind
  var scope: [UInt8]
  var canonical: [UInt8]
  var hash: Hash256

  init(_ record: inout Record) {
    var out = ByteBuffer()
    record.text.appendCanonical(to: &out)
    kind = record.kind
    scope = record.scope
    canonical = out.array
    hash = record.canonicalHash()
  }

  var description: String {
    "\(kind) \(String(decoding: canonical, as: UTF8.self)) scope \(scope)"
  }
}

func makeRecord(_ kind: RecordKind, _ json: [UInt8], scope: [UInt8] = []) throws -> Record {
  var record = Record()
  record.kind = kind
  record.scope = scope
  try record.text.parse(json.span)
  return record
}

func makeRecord(_ kind: RecordKind, _ json: String, scope: String = "") throws -> Record {
  try makeRecord(kind, Array(json.utf8), scope: Array(scope.utf8))
}

/// One record's line.
func line(_ record: Record) -> [UInt8] {
  var record = record
  var out = ByteBuffer()
  var writer = RTFSWriter()
  writer.append(&record, to: &out)
  return out.array
}

/// A snapshot of these records, in this order.
func snapshot(_ records: [Record]) -> [UInt8] {
  var out = ByteBuffer()
  var layout = RTFSSnapshot()
  var writer = RTFSWriter()
  layout.begin(to: &out)
  for var record in records {
    layout.next(record.kind, to: &out)
    writer.append(&record, to: &out)
  }
  layout.finish(to: &out)
  return out.array
}

/// All that a reader makes of a text.
func readAll(_ text: [UInt8], window: Int = 1 << 18) throws -> [(
  facts: RecordFacts, at: RecordPlace
)] {
  var reader = RTFSReader(MemorySource(text, piece: 1000), window: window)
  var record = Record()
  var result: [(RecordFacts, RecordPlace)] = []
  while try reader.next(&record) { result.append((RecordFacts(&record), record.place)) }
  return result
}

/// The error that reading ends with; nil if there is none. The error must come again.
func readError(_ text: [UInt8], window: Int = 1 << 18) throws -> RTFSError? {
  var reader = RTFSReader(MemorySource(text, piece: 1000), window: window)
  var record = Record()
  do {
    while try reader.next(&record) {}
    return nil
  } catch let error as RTFSError {
    do {
      _ = try reader.next(&record)
      return nil
    } catch let again as RTFSError {
      return again == error ? error : nil
    }
  }
}
