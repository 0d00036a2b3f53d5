import LosslessJSON

/// A value of a row.
enum PageValue: Equatable {
  case null
  case integer(Int)
  case real(Double)
  case text([UInt8])
  case blob([UInt8])
}

/// A row of a table, as a page has it.
struct PageRow {
  /// Nil in a table WITHOUT ROWID, and where it is lost.
  var id: Int?
  var values: [PageValue]
}

/// What a page of a tree is: its first byte.
enum PageKind: UInt8 {
  case interiorIndex = 0x02
  case interiorTable = 0x05
  case leafIndex = 0x0A
  case leafTable = 0x0D

  var isLeaf: Bool { self == .leafIndex || self == .leafTable }
  var isTable: Bool { self == .interiorTable || self == .leafTable }
}

/// The rows of a page.
struct CellRows {
  var rows: [PageRow] = []
  /// Rows that share a disk sector with a cell that cannot be read, or whose text is no text:
  /// they may be altered.
  var suspect: [PageRow] = []
  /// Bytes of the page that cannot be read, in order.
  var bad: [Range<Int>] = []
  /// How many cells there are in those.
  var badCount = 0
}

/// Reads the cells of pages (sqlite.org/fileformat2.html, 1.6).
final class PageCells {
  let file: PageFile
  /// Overflow pages that rows go on in.
  private(set) var overflow: Set<Int> = []
  /// Disks lose this many bytes at a time.
  private static let sector = 512

  init(_ file: PageFile) { self.file = file }

  static func start(_ number: Int) -> Int { number == 1 ? 100 : 0 }

  /// Nil for a page that is none of a tree.
  func kind(_ page: Span<UInt8>, _ number: Int) -> PageKind? {
    let start = Self.start(number)
    guard page.count == file.pageSize, page.count > start + 12, !file.isSpecial(number),
      let kind = PageKind(rawValue: page[start])
    else { return nil }
    return pointers(number, kind) + 2 * count(page, number) <= file.usable ? kind : nil
  }

  func count(_ page: Span<UInt8>, _ number: Int) -> Int {
    Bytes.number(page, Self.start(number) + 3, 2)
  }

  /// Where the places of the cells stand.
  func pointers(_ number: Int, _ kind: PageKind) -> Int {
    Self.start(number) + (kind.isLeaf ? 8 : 12)
  }

  /// The place of a cell; nil where that lies outside.
  private func place(_ page: Span<UInt8>, _ number: Int, _ kind: PageKind, _ cell: Int) -> Int? {
    let at = Bytes.number(page, pointers(number, kind) + 2 * cell, 2)
    let end = pointers(number, kind) + 2 * count(page, number)
    return at >= end && at < file.usable ? at : nil
  }

  /// The pages below an interior page, each with the greatest row id in it, as far as that is
  /// known; nil where the page does not hold together.
  func children(_ page: Span<UInt8>, _ number: Int, _ kind: PageKind) -> [(page: Int, last: Int?)]?
  {
    var found: [(page: Int, last: Int?)] = []
    for cell in 0..<count(page, number) {
      guard let at = place(page, number, kind, cell), at + 4 < page.count else { return nil }
      let last = kind.isTable ? Bytes.varint(page, at + 4)?.value : nil
      if let last, let before = found.last?.last, last < before { return nil }
      found.append((Bytes.number(page, at, 4), last))
    }
    found.append((Bytes.number(page, Self.start(number) + 8, 4), nil))
    return found
  }

  /// The rows of a page: of a leaf, or of any page of an index tree.
  func rows(_ page: Span<UInt8>, _ number: Int, _ kind: PageKind) throws -> CellRows {
    var out = CellRows()
    var found: [(row: PageRow, start: Int, isText: Bool)] = []
    var starts = [file.usable]
    var broken: [Int] = []
    var damaged: Set<Int> = []
    for cell in 0..<count(page, number) {
      guard let at = place(page, number, kind, cell) else {
        let slot = pointers(number, kind) + 2 * cell
        damaged.insert(slot / Self.sector)
        out.bad.append(slot..<slot + 2)
        continue
      }
      starts.append(at)
      let body = kind == .interiorIndex ? at + 4 : at
      if let (row, isText) = try row(page, body, hasID: kind == .leafTable) {
        found.append((row, at, isText))
      } else {
        broken.append(at)
      }
    }
    out.badCount = broken.count + damaged.count
    starts.sort()
    func extent(_ at: Int) -> Range<Int> {
      at..<max(at + 1, starts.first { $0 > at } ?? file.usable)
    }
    func sectors(_ range: Range<Int>) -> ClosedRange<Int> {
      range.lowerBound / Self.sector...(range.upperBound - 1) / Self.sector
    }
    for at in Set(broken) {
      out.bad.append(extent(at))
      damaged.formUnion(sectors(extent(at)))
    }
    out.bad.sort { $0.lowerBound < $1.lowerBound }
    for (row, at, isText) in found {
      let isNear = !damaged.isEmpty && !damaged.isDisjoint(with: sectors(extent(at)))
      if isNear || !isText { out.suspect.append(row) } else { out.rows.append(row) }
    }
    return out
  }

  /// The row of the cell at `at`, and whether its texts are texts: what lies over a row shows there.
  func row(
    _ page: Span<UInt8>, _ at: Int, hasID: Bool
  ) throws -> (row: PageRow, isText: Bool)? {
    guard let size = Bytes.varint(page, at), size.value >= 1, size.value < 1 << 31 else {
      return nil
    }
    var id: Int?
    var start = size.end
    if hasID {
      guard let found = Bytes.varint(page, size.end) else { return nil }
      id = found.value
      start = found.end
    }
    guard let payload = try payload(page, start, size.value, inTable: hasID) else { return nil }
    guard let (values, isText) = values(payload.span) else { return nil }
    return (PageRow(id: id, values: values), isText)
  }

  /// The payload of a cell, its overflow pages followed; nil where the chain breaks.
  private func payload(
    _ page: Span<UInt8>, _ start: Int, _ size: Int, inTable: Bool
  ) throws -> ByteBuffer? {
    let usable = file.usable
    let most = inTable ? usable - 35 : (usable - 12) * 64 / 255 - 23
    var local = size
    if size > most {
      let least = (usable - 12) * 32 / 255 - 23
      let wanted = least + (size - least) % (usable - 4)
      local = wanted <= most ? wanted : least
    }
    guard start + local <= page.count else { return nil }
    var out = ByteBuffer()
    out.append(page.extracting(start..<start + local))
    guard local < size else { return out }
    guard start + local + 4 <= page.count, (size - local) / (usable - 4) < file.pageCount else {
      return nil
    }
    var next = Bytes.number(page, start + local, 4)
    var seen: Set<Int> = []
    while out.count < size {
      guard next > 0, next <= file.pageCount, seen.insert(next).inserted else { return nil }
      let more = try file.page(next)
      guard more.count == file.pageSize else { return nil }
      next = Bytes.number(more.span, 0, 4)
      out.append(more.span.extracting(4..<4 + min(usable - 4, size - out.count)))
    }
    guard next == 0 else { return nil }
    overflow.formUnion(seen)
    return out
  }

  /// The values of a record; nil where header and body do not agree.
  private func values(_ record: Span<UInt8>) -> (values: [PageValue], isText: Bool)? {
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
      // A NUL in a text is what a lost sector leaves: SQLite defines nothing for one that was meant.
      if case .text(let text) = value,
        text.contains(0) || String(validating: text, as: UTF8.self) == nil
      {
        isText = false
      }
      values.append(value)
      body += size
    }
    return at == head.value && body == record.count ? (values, isText) : nil
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
