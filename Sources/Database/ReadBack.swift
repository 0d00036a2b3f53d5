import LosslessJSON
import Records

/// What a database that has just been made holds, read from it in one pass: every column of every
/// row.
///
/// A record's payload is the text that was hashed, if it has the content hash that stands beside
/// it; so its canonical form need not be made again to know that it has the canonical hash.
package struct ReadBack: Sendable {
  /// Records of each kind.
  package private(set) var counts: [RecordKind: Int] = [:]
  /// Records whose payload is not the one that stands beside them, as hashes, by id; the first few.
  package private(set) var altered: [Int] = []
  /// Both hashes of each record, in order.
  package private(set) var hashes = RecordChain()
  /// As `StoreDatabase.logicalDigest`.
  package private(set) var logicalDigest = Hash256(a: 0, b: 0, c: 0, d: 0)
  private var missing = 0

  private static let limit = 20

  package init(of connection: borrowing Connection) throws(DatabaseError) {
    var (counts, altered, hashes) = ([RecordKind: Int](), [Int](), RecordChain())
    // The kind of the last record, seldom another than that of the one before.
    var (known, name, count) = (RecordKind.document, ByteBuffer(), 0)
    logicalDigest = try StoreDatabase.logicalDigest(connection) { table, row in
      switch table {
      case .records:
        if !row.withBytes(2, { $0.isEqual(to: name.span) }) {
          if count > 0 { counts[known, default: 0] += count }
          count = 0
          known = RecordKind(rawValue: row.text(2)) ?? .document
          name = ByteBuffer(known.word)
        }
        count += 1
        row.withBytes(8) { content in row.withBytes(9) { hashes.add(content, $0) } }
        let isRight =
          row.kind(10) == .null
          || row.withBytes(10) { Hash256(of: $0) } == row.withBytes(8) { Hash256(bytes: $0) }
        if !isRight, altered.count < Self.limit { altered.append(row.integer(0)) }
      case .objects:
        let hash = row.withBytes(0) { Hash256(hex: $0) }
        if row.withBytes(1, { Hash256(of: $0) }) != hash, altered.count < Self.limit {
          altered.append(0)
        }
      default: break
      }
    }
    if count > 0 { counts[known, default: 0] += count }
    (self.counts, self.altered, self.hashes) = (counts, altered, hashes)
    missing = try StoreDatabase.number(
      """
      SELECT count(*) FROM records AS r WHERE payload IS NULL
      AND NOT EXISTS (SELECT 1 FROM objects WHERE hash = lower(hex(r.content_hash)))
      """, connection)
  }

  /// What is wrong with a record's bytes; nil where each has those that it was hashed with.
  package var complaint: String? {
    if let first = altered.first { return "the bytes of record \(first) are not those it had" }
    return missing > 0 ? "\(missing) records are without their bytes" : nil
  }
}

/// A hash over both hashes of all records, in the order in which they stand.
package struct RecordChain: Sendable {
  private var hasher = Hasher256()
  private var pending = ByteBuffer()

  package init() {}

  package mutating func add(_ content: Span<UInt8>, _ canonical: Span<UInt8>) {
    pending.append(content)
    pending.append(canonical)
    if pending.count >= 16 << 10 { flush() }
  }

  private mutating func flush() {
    let bytes = pending
    hasher.update(bytes.span)
    pending.removeAll()
  }

  package func finish() -> Hash256 {
    var whole = self
    whole.flush()
    return whole.hasher.finish()
  }
}
