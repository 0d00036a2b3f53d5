import LosslessJSON

/// Keys of index pages, to be put in order: SQLite's own order of values, for texts without a collation
/// (SQLite: datatype3, "Sort Order"), as far as 64 bytes tell.
struct PageKeys {
  /// Bytes that are in the order of the keys they were made of, but for keys that were cut, and for blobs
  /// with NULs in them.
  private var bytes = ByteBuffer()
  private var ends: [Int] = []
  private static let longest = 64

  /// Takes the record that is the key of a cell, as far as it lies on the page. Returns its place among
  /// those taken so far; nil where it is no record. Keys with more values are behind all others: those
  /// of one tree have as many.
  mutating func add(_ record: Span<UInt8>) -> Int? {
    guard let head = Bytes.varint(record, 0), head.value <= record.count else { return nil }
    var types: [Int] = []
    var at = head.end
    while at < head.value {
      guard let type = Bytes.varint(record, at), PageCells.size(ofType: type.value) != nil else {
        return nil
      }
      types.append(type.value)
      at = type.end
    }
    let start = bytes.count
    bytes.append(bytesOf: UInt16(clamping: types.count).bigEndian)
    at = head.value
    for type in types {
      let size = PageCells.size(ofType: type) ?? 0
      let isCut = size > record.count - at
      if isCut && type < 12 { break }
      append(record.extracting(at..<at + min(size, record.count - at, Self.longest)), type)
      at += size
      if isCut || bytes.count - start >= Self.longest { break }
    }
    bytes.truncate(to: min(bytes.count, start + Self.longest))
    ends.append(bytes.count)
    return ends.count - 1
  }

  private mutating func append(_ value: Span<UInt8>, _ type: Int) {
    switch type {
    case 0: bytes.append(1)
    case 1...9:
      var number = Double(max(0, type - 8))
      if type < 7 {
        let unused = 64 - 8 * value.count
        number = Double((Bytes.number(value, 0, value.count) << unused) >> unused)
      } else if type == 7 {
        number = Double(bitPattern: UInt64(bitPattern: Int64(Bytes.number(value, 0, 8))))
      }
      // So they are in order as bytes: the sign of one turned round, of a negative one all bits.
      let bits = number.bitPattern
      bytes.append(2, bigEndian: bits >> 63 == 1 ? ~bits : bits | 1 << 63)
    default:
      bytes.append(type & 1 == 1 ? 3 : 4)
      bytes.append(value)
      bytes.append(0)
    }
  }

  /// For each key how many different ones are less.
  func ranks() -> [Int] {
    let text = bytes.span
    func compare(_ a: Int, _ b: Int) -> Int {
      text.extracting((a == 0 ? 0 : ends[a - 1])..<ends[a])
        .compare(with: text.extracting((b == 0 ? 0 : ends[b - 1])..<ends[b]))
    }
    let order = ends.indices.sorted { compare($0, $1) < 0 }
    var ranks = [Int](repeating: 0, count: ends.count)
    var rank = 0
    for (before, index) in zip(order, order.dropFirst()) {
      if compare(before, index) < 0 { rank += 1 }
      ranks[index] = rank
    }
    return ranks
  }
}
