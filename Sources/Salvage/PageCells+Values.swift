import LosslessJSON

/// Records: the header that tells the types of the values, and the values (sqlite.org/fileformat2.html, 2.1).
extension PageCells {
  /// The values of a record; nil where header and body do not agree.
  func values(_ record: Span<UInt8>) -> (values: [PageValue], isText: Bool)? {
    guard let head = Bytes.varint(record, 0), head.value <= record.count, head.value >= 1 else {
      return nil
    }
    var at = head.end
    var body = head.value
    var values: [PageValue] = []
    var isText = true
    while at < head.value {
      guard let type = Bytes.varint(record, at), let size = Self.size(ofType: type.value) else {
        return nil
      }
      at = type.end
      guard size <= record.count - body else { return nil }
      let value = value(record, type.value, body, size)
      // NULs in a text are what a lost sector leaves; one by itself may be meant.
      if case .text(let text) = value,
        zip(text, text.dropFirst()).contains(where: { $0 == 0 && $1 == 0 })
          || String(validating: text, as: UTF8.self) == nil
      {
        isText = false
      }
      values.append(value)
      body += size
    }
    return at == head.value && body == record.count ? (values, isText) : nil
  }

  /// Whether the integers of a record have no more bytes than they need (sqlite.org/fileformat2.html,
  /// 2.1), and no number is NULs behind others, as it is on a page that was destroyed.
  static func hasNumbersAsWritten(_ record: Span<UInt8>) -> Bool {
    guard let head = Bytes.varint(record, 0) else { return false }
    var (at, body) = (head.end, head.value)
    while at < head.value {
      guard let type = Bytes.varint(record, at), let size = size(ofType: type.value),
        size <= record.count - body
      else { return false }
      at = type.end
      if (1...7).contains(type.value) {
        let least = max(head.value, body - 8)
        if body - least == 8, TextBytes.isAll(record.extracting(least..<body + size), 0) {
          return false
        }
      }
      if (2...6).contains(type.value) {
        let before = Self.size(ofType: type.value - 1) ?? 0
        let shift = 64 - 8 * size
        let value = (Bytes.number(record, body, size) << shift) >> shift
        if value >> (8 * before - 1) == 0 || value >> (8 * before - 1) == -1 { return false }
      }
      body += size
    }
    return true
  }

  /// Bytes of a value of this serial type; nil where there is no such type.
  static func size(ofType type: Int) -> Int? {
    let sizes = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]
    if type >= 12 { return (type - 12) / 2 }
    return type >= 0 && type < 10 ? sizes[type] : nil
  }

  func value(_ record: Span<UInt8>, _ type: Int, _ at: Int, _ size: Int) -> PageValue {
    switch type {
    case 0: return .null
    case 1...6:
      let raw = Bytes.number(record, at, size)
      let shift = 64 - 8 * size
      return .integer((raw << shift) >> shift)
    case 7:
      return .real(Double(bitPattern: UInt64(bitPattern: Int64(Bytes.number(record, at, 8)))))
    case 8: return .integer(0)
    case 9: return .integer(1)
    default:
      var bytes = ByteBuffer()
      bytes.append(record.extracting(at..<at + size))
      if type & 1 == 0 { return .blob(bytes.array) }
      return .text(file.isUTF16 ? utf8(bytes.span) : bytes.array)
    }
  }

  /// UTF-16 as UTF-8; what is none becomes bytes that are no UTF-8 either.
  private func utf8(_ text: Span<UInt8>) -> [UInt8] {
    var units: [UInt16] = []
    var at = 0
    while at + 1 < text.count {
      let (high, low) = file.isBigEndian ? (at, at + 1) : (at + 1, at)
      units.append(UInt16(text[high]) << 8 | UInt16(text[low]))
      at += 2
    }
    if at == text.count, let whole = String(validating: units, as: UTF16.self) {
      return Array(whole.utf8)
    }
    var out = ByteBuffer()
    for unit in units { out.append(scalar: UInt32(unit)) }
    if at < text.count { out.append(0xFF) }
    return out.array
  }
}
