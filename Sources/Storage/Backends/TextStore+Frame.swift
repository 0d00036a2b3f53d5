import LosslessJSON
import Records
import Stores

/// What a snapshot has around its records.
extension TextStore {
  static let timestampName = RecordName(.document, "timestamp")
  static let rtfsName = RecordName(.document, "rtfs")

  mutating func findFrame() {
    var reader = JSONReader(BytesTree(bytes, path: path).open(0))
    // Where the structure breaks, what stands behind is left as it is.
    try? {
      try reader.expect(0x7B, .unexpectedByte)
      var first = true
      while let key = try reader.nextKey(first: first) {
        first = false
        _ = try reader.peek()
        let start = reader.offset
        try reader.skip()
        let place = Place(offset: start, length: reader.offset - start)
        if key == Array("timestamp".utf8) { timestamp = place }
        if key == Array("rtfs".utf8) { rtfs = place }
      }
    }()
  }

  /// The time of this save. Records that have changed are no longer what `rtfs` says; it stays
  /// where something is damaged, for it may be the last copy.
  func frameSplices(_ now: Int) -> [Splice] {
    var splices: [Splice] = []
    if let timestamp {
      let text = Array(String(now).utf8)
      splices.append(
        Splice(
          range: timestamp.range, bytes: ByteBuffer(text),
          records: [(Self.timestampName, Place(offset: 0, length: text.count))]))
    }
    if let rtfs, rtfs.length > 4, !isDamaged {
      splices.append(
        Splice(
          range: rtfs.range, bytes: ByteBuffer("null"),
          records: [(Self.rtfsName, Place(offset: 0, length: 4))]))
    }
    return splices
  }
}
