import LosslessJSON

/// The tables in which FTS5 keeps the index of `search`, as rows.
final class SearchTables {
  private let data: Statement
  private let index: Statement
  private let sizes: Statement
  private var scratch = ByteBuffer()

  /// The rows of `%_data` for the totals and for the list of segments.
  private static let totalsRow = 1
  private static let segmentsRow = 10

  init(_ connection: borrowing Connection) throws(DatabaseError) {
    data = try Statement("INSERT INTO search_data VALUES (?, ?)", on: connection)
    index = try Statement("INSERT INTO search_idx VALUES (?, ?, ?)", on: connection)
    sizes = try Statement("INSERT INTO search_docsize VALUES (?, ?)", on: connection)
  }

  private func write(_ row: Int, _ bytes: Span<UInt8>) throws(DatabaseError) {
    data.bind(1, row)
    data.bind(2, blob: bytes)
    try data.run()
  }

  /// Writes a leaf of a segment.
  func write(_ segment: Int, page: Int, _ bytes: Span<UInt8>) throws(DatabaseError) {
    try write(segment << 37 | page, bytes)
  }

  /// Writes a page of the index over the leaves of one term.
  func write(_ segment: Int, level: Int, page: Int, _ bytes: Span<UInt8>) throws(DatabaseError) {
    try write(segment << 37 | 1 << 36 | level << 31 | page, bytes)
  }

  func write(
    _ segment: Int, key: Span<UInt8>, page: Int, hasIndex: Bool
  ) throws(DatabaseError) {
    index.bind(1, segment)
    index.bind(2, blob: key)
    index.bind(3, page << 1 | (hasIndex ? 1 : 0))
    try index.run()
  }

  /// Writes how many words a document has.
  func write(sizes title: Int, _ body: Int, of document: Int) throws(DatabaseError) {
    scratch.removeAll()
    Self.varint(title, &scratch)
    Self.varint(body, &scratch)
    let bytes = scratch
    sizes.bind(1, document)
    sizes.bind(2, blob: bytes.span)
    try sizes.run()
  }

  /// Writes what there is in all.
  /// - Parameter leaves: those of each segment.
  ///
  /// All segments stand on the second level: what is saved later goes to the first, which is
  /// merged without them.
  func write(documents: Int, title: Int, body: Int, leaves: [Int]) throws(DatabaseError) {
    var totals = ByteBuffer()
    if documents > 0 { for value in [documents, title, body] { Self.varint(value, &totals) } }
    try write(Self.totalsRow, totals.span)
    var segments = ByteBuffer()
    for _ in 0..<4 { segments.append(0) }
    if leaves.isEmpty {
      for value in [0, 0, 0] { Self.varint(value, &segments) }
    } else {
      for value in [2, leaves.count, leaves.reduce(0, +), 0, 0, 0, leaves.count] {
        Self.varint(value, &segments)
      }
      for (number, last) in zip(1..., leaves) {
        for value in [number, 1, last] { Self.varint(value, &segments) }
      }
    }
    try write(Self.segmentsRow, segments.span)
  }

  /// Appends a number as SQLite has it: seven bits a byte, the most significant first, and eight in
  /// the ninth.
  @inline(__always)
  static func varint(_ value: Int, _ out: inout ByteBuffer) {
    if value >= 0, value < 0x80 { return out.append(UInt8(truncatingIfNeeded: value)) }
    longVarint(UInt64(bitPattern: Int64(value)), &out)
  }

  private static func longVarint(_ value: UInt64, _ out: inout ByteBuffer) {
    if value >> 56 != 0 {
      for shift in stride(from: 57, through: 8, by: -7) {
        out.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)) | 0x80)
      }
      return out.append(UInt8(truncatingIfNeeded: value))
    }
    var bits = 49
    while bits > 0, value >> UInt64(bits) == 0 { bits -= 7 }
    while bits > 0 {
      out.append(UInt8(truncatingIfNeeded: value >> UInt64(bits)) | 0x80)
      bits -= 7
    }
    out.append(UInt8(truncatingIfNeeded: value) & 0x7F)
  }

  /// Where the number at `start`, of at most 8 bytes, ends.
  @inline(__always)
  static func endOfVarint(_ bytes: Span<UInt8>, _ start: Int) -> Int {
    var at = start
    while at < bytes.count, bytes[at] & 0x80 != 0 { at += 1 }
    return at + 1
  }

  /// The number at `start`, of at most 8 bytes.
  static func varint(_ bytes: Span<UInt8>, _ start: Int) -> Int {
    var value = 0
    var at = start
    while at < bytes.count {
      value = value << 7 | Int(bytes[at] & 0x7F)
      if bytes[at] & 0x80 == 0 { break }
      at += 1
    }
    return value
  }
}
