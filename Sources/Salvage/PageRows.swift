import LosslessJSON

/// A value of a row.
enum PageValue: Equatable {
  case null
  case integer(Int)
  case real(Double)
  case text([UInt8])
  case blob([UInt8])
}

/// A row of a table, as a leaf page has it.
struct PageRow {
  var id: Int
  var values: [PageValue]
}

/// Reads the pages of tables.
struct PageRows {
  let file: PageFile

  /// The kind of a page: 0x0D a leaf of a table, 0x05 an interior page of one, 0x0A and 0x02 those
  /// of indexes; nil for what is none.
  func kind(_ page: Span<UInt8>, _ number: Int) -> UInt8? {
    let start = number == 1 ? 100 : 0
    guard page.count == file.pageSize, page.count > start + 12 else { return nil }
    let kind = page[start]
    guard [0x0D, 0x05, 0x0A, 0x02].contains(kind) else { return nil }
    let cells = Bytes.number(page, start + 3, 2)
    let pointers = start + (kind == 0x05 || kind == 0x02 ? 12 : 8)
    return pointers + 2 * cells <= file.pageSize ? kind : nil
  }

  /// The pages below an interior page.
  func children(_ page: Span<UInt8>, _ number: Int) -> [Int] {
    let start = number == 1 ? 100 : 0
    let cells = Bytes.number(page, start + 3, 2)
    var found: [Int] = []
    for cell in 0..<cells {
      let at = Bytes.number(page, start + 12 + 2 * cell, 2)
      if at + 4 <= page.count { found.append(Bytes.number(page, at, 4)) }
    }
    found.append(Bytes.number(page, start + 8, 4))
    return found
  }

  /// The rows of a leaf: those that are sound, those that share a disk sector with a cell that
  /// cannot be read and may be altered, and how many cannot be read.
  func rows(
    _ page: Span<UInt8>, _ number: Int
  ) throws -> (rows: [PageRow], suspect: [PageRow], bad: Int) {
    let start = number == 1 ? 100 : 0
    let cells = Bytes.number(page, start + 3, 2)
    var found: [(row: PageRow, start: Int)] = []
    var starts = [file.usable]
    var broken: [Int] = []
    var damaged: Set<Int> = []
    for cell in 0..<cells {
      let slot = start + 8 + 2 * cell
      let at = Bytes.number(page, slot, 2)
      guard at >= start + 8 + 2 * cells, at < file.usable else {
        damaged.insert(slot / Self.sector)
        continue
      }
      starts.append(at)
      if let row = try row(page, at) { found.append((row, at)) } else { broken.append(at) }
    }
    let bad = broken.count + damaged.count
    if bad == 0 { return (found.map(\.row), [], 0) }
    starts.sort()
    func sectors(_ at: Int) -> ClosedRange<Int> {
      let end = starts.first { $0 > at } ?? file.usable
      return at / Self.sector...max(at, end - 1) / Self.sector
    }
    for at in broken { damaged.formUnion(sectors(at)) }
    let split = found.map { (row: $0.row, isSuspect: !damaged.isDisjoint(with: sectors($0.start))) }
    return (
      split.filter { !$0.isSuspect }.map(\.row), split.filter(\.isSuspect).map(\.row), bad
    )
  }

  /// Disks lose this many bytes at a time.
  private static let sector = 512

  private func row(_ page: Span<UInt8>, _ at: Int) throws -> PageRow? {
    guard let size = Bytes.varint(page, at), let id = Bytes.varint(page, size.end),
      size.value >= 1, size.value < 1 << 31
    else { return nil }
    guard let payload = try payload(page, id.end, size.value) else { return nil }
    return values(payload.span).map { PageRow(id: id.value, values: $0) }
  }

  /// The payload of a cell, its overflow pages followed; nil where the chain breaks.
  private func payload(_ page: Span<UInt8>, _ start: Int, _ size: Int) throws -> ByteBuffer? {
    let usable = file.usable
    var local = size
    if size > usable - 35 {
      let least = (usable - 12) * 32 / 255 - 23
      let wanted = least + (size - least) % (usable - 4)
      local = wanted <= usable - 35 ? wanted : least
    }
    guard start + local <= page.count else { return nil }
    var out = ByteBuffer()
    out.append(page.extracting(start..<start + local))
    guard local < size else { return out }
    guard start + local + 4 <= page.count else { return nil }
    var next = Bytes.number(page, start + local, 4)
    var seen: Set<Int> = []
    while out.count < size {
      guard next > 0, next <= file.pageCount, seen.insert(next).inserted else { return nil }
      let more = try file.page(next)
      guard more.count == file.pageSize else { return nil }
      next = Bytes.number(more.span, 0, 4)
      out.append(more.span.extracting(4..<4 + min(usable - 4, size - out.count)))
    }
    return next == 0 ? out : nil
  }

  /// The values of a record; nil where header and body do not agree.
  private func values(_ record: Span<UInt8>) -> [PageValue]? {
    guard let head = Bytes.varint(record, 0), head.value <= record.count, head.value >= 1 else {
      return nil
    }
    var at = head.end
    var body = head.value
    var values: [PageValue] = []
    while at < head.value {
      guard let type = Bytes.varint(record, at), type.value >= 0 else { return nil }
      at = type.end
      let sizes = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]
      let isLong = type.value >= 12
      guard isLong || type.value < 10 else { return nil }
      let size = isLong ? (type.value - 12) / 2 : sizes[type.value]
      guard size <= record.count - body else { return nil }
      let value = value(record, type.value, body, size)
      // Garbage over a row shows in its texts.
      if case .text(let text) = value, String(validating: text, as: UTF8.self) == nil { return nil }
      values.append(value)
      body += size
    }
    return at == head.value && body == record.count ? values : nil
  }

  private func value(_ record: Span<UInt8>, _ type: Int, _ at: Int, _ size: Int) -> PageValue {
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

  private func utf8(_ text: Span<UInt8>) -> [UInt8] {
    var units: [UInt16] = []
    var at = 0
    while at + 1 < text.count {
      let (high, low) = file.isBigEndian ? (at, at + 1) : (at + 1, at)
      units.append(UInt16(text[high]) << 8 | UInt16(text[low]))
      at += 2
    }
    return Array(String(decoding: units, as: UTF16.self).utf8)
  }
}
