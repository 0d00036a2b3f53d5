import LosslessJSON

/// A value of a row.
enum PageValue: Hashable {
  case null
  case integer(Int)
  case real(Double)
  case text([UInt8])
  case blob([UInt8])
}

/// A row of a table, as a page has it.
struct PageRow: Hashable {
  /// Nil in a table WITHOUT ROWID, and where it is lost.
  var id: Int?
  var values: [PageValue]

  /// Bytes of its record, at the most, up to the end of its first `columns` values.
  func mostBytes(_ columns: Int) -> Int {
    values.prefix(columns).reduce(9 * values.count) { sum, value in
      switch value {
      case .text(let bytes), .blob(let bytes): sum + bytes.count
      default: sum
      }
    }
  }
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
  /// How many of the rows nothing on the page points at.
  var unlisted = 0
}

/// Reads the cells of pages (sqlite.org/fileformat2.html, 1.6).
final class PageCells {
  let file: PageFile
  /// Overflow pages that rows go on in.
  var overflow: Set<Int> = []
  /// Pages of trees: no row goes on in one.
  var treePages: Set<Int> = []
  /// The row ids that pages may have, as far as something says so.
  var ranges: [Int: ClosedRange<Int>] = [:]
  /// Rows that go on in a page, by pages of trees and by others.
  var claims: [Int: (inTrees: Int, others: Int, page: Int)] = [:]
  /// Whether nothing leads to the page that is read: what a row on it goes on in may be another row's
  /// by now.
  var isAlone = false
  /// Rows that end where the bytes on their last pages do, and such that do not.
  var ends = (exact: 0, others: 0)
  /// What pages must be whose first byte says otherwise.
  var assumed: [Int: PageKind] = [:]
  /// Overflow pages that were read.
  var followed = 0
  /// Disks lose this many bytes at a time.
  private static let sector = 512

  init(_ file: PageFile) { self.file = file }

  static func start(_ number: Int) -> Int { number == 1 ? 100 : 0 }

  /// Nil for a page that is none of a tree.
  func kind(_ page: Span<UInt8>, _ number: Int) -> PageKind? {
    let start = Self.start(number)
    guard page.count == file.pageSize, page.count > start + 12, !file.isSpecial(number, page),
      let kind = assumed[number] ?? PageKind(rawValue: page[start])
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
  func place(_ page: Span<UInt8>, _ number: Int, _ kind: PageKind, _ cell: Int) -> Int? {
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
    var found: [(cell: Cell, start: Int)] = []
    var taken: [Range<Int>] = []
    var starts = [file.usable]
    var broken: Set<Int> = []
    var damaged: Set<Int> = []
    // Cells of a page do not overlap: where most do, reading each would take long and tell nothing.
    var room = 4 * file.usable
    var times: [Int: Int] = [:]
    for cell in 0..<count(page, number) {
      guard room > 0, let at = place(page, number, kind, cell), times[at, default: 0] < 4 else {
        let slot = pointers(number, kind) + 2 * cell
        damaged.insert(slot / Self.sector)
        out.bad.append(slot..<slot + 2)
        continue
      }
      starts.append(at)
      times[at, default: 0] += 1
      let body = kind == .interiorIndex ? at + 4 : at
      if !broken.contains(at),
        let cell = try self.cell(page, body, number, hasID: kind == .leafTable)
      {
        if times[at] == 1 { room -= cell.end - at }
        taken.append(at..<max(at + 4, cell.end))
        if cell.row != nil { found.append((cell, at)) } else { out.bad.append(at..<cell.end) }
      } else {
        broken.insert(at)
      }
    }
    out.badCount = broken.count + out.bad.count
    starts.sort()
    func sectors(_ range: Range<Int>) -> ClosedRange<Int> {
      range.lowerBound / Self.sector...(range.upperBound - 1) / Self.sector
    }
    for at in broken {
      let extent = at..<max(at + 1, starts.first { $0 > at } ?? file.usable)
      out.bad.append(extent)
      taken.append(extent)
      damaged.formUnion(sectors(extent))
    }
    let ordered = inOrder(found.map { $0.cell.row?.id }, ranges[number])
    for (index, (cell, at)) in found.enumerated() {
      guard let row = cell.row else { continue }
      let isNear = !damaged.isEmpty && !damaged.isDisjoint(with: sectors(at..<cell.end))
      if isNear || cell.isDoubtful || !ordered[index] {
        out.suspect.append(row)
      } else {
        out.rows.append(row)
      }
    }
    if kind == .leafTable {
      try takeUnlisted(page, number, taken, Set(found.compactMap { $0.cell.row?.id }), &out)
    }
    out.bad.sort { $0.lowerBound < $1.lowerBound }
    return out
  }

  /// The first, the middle and the last row of a page, as far as they hold together.
  func sample(_ page: Span<UInt8>, _ number: Int, _ kind: PageKind) throws -> [PageRow] {
    let count = count(page, number)
    return try Set([0, count / 2, count - 1].filter { (0..<count).contains($0) }).sorted()
      .compactMap {
        guard let at = place(page, number, kind, $0) else { return nil }
        let body = kind == .interiorIndex ? at + 4 : at
        return try cell(page, body, number, hasID: kind == .leafTable)?.row
      }
  }

  /// Which of the row ids are in their order, and where most of them are in `range`, in that.
  private func inOrder(_ ids: [Int?], _ range: ClosedRange<Int>?) -> [Bool] {
    var isKept = [Bool](repeating: true, count: ids.count)
    let known = ids.indices.filter { ids[$0] != nil }
    let values = known.map { ids[$0] ?? 0 }
    if zip(values, values.dropFirst()).contains(where: { $0 >= $1 }) {
      // The longest ascending row of them: `ends` has the place of the least end for each length.
      var ends: [Int] = []
      var before = [Int](repeating: -1, count: values.count)
      for place in values.indices {
        var low = 0
        var high = ends.count
        while low < high {
          let middle = (low + high) / 2
          if values[ends[middle]] < values[place] { low = middle + 1 } else { high = middle }
        }
        before[place] = low > 0 ? ends[low - 1] : -1
        if low == ends.count { ends.append(place) } else { ends[low] = place }
      }
      for place in known { isKept[place] = false }
      var place = ends.last ?? -1
      while place >= 0 {
        isKept[known[place]] = true
        place = before[place]
      }
    }
    guard let range else { return isKept }
    let outside = known.filter { isKept[$0] && !range.contains(ids[$0] ?? 0) }
    if outside.count * 2 < known.count { for place in outside { isKept[place] = false } }
    return isKept
  }

  /// Cells that nothing on the page points at, though neither its free blocks nor the room between
  /// the pointers and the first cell has them: what pointed at them is damaged.
  /// - Parameter taken: the stretches of the other cells.
  private func takeUnlisted(
    _ page: Span<UInt8>, _ number: Int, _ taken: [Range<Int>], _ ids: Set<Int>,
    _ out: inout CellRows
  ) throws {
    let (content, blocks) = freeSpace(page, number)
    var ids = ids
    var at = content
    let sorted = (taken + blocks).sorted { $0.lowerBound < $1.lowerBound }
    for next in sorted + [file.usable..<file.usable] {
      // Fewer than four bytes between cells are a fragment.
      var skipped = 0
      while at + 4 <= next.lowerBound, skipped < 4 {
        guard let cell = try cell(page, at, number, hasID: true), let row = cell.row,
          cell.end <= next.lowerBound, let id = row.id, ids.insert(id).inserted,
          ranges[number]?.contains(id) ?? true
        else {
          at += 1
          skipped += 1
          continue
        }
        if cell.isDoubtful { out.suspect.append(row) } else { out.rows.append(row) }
        out.unlisted += 1
        skipped = 0
        at = cell.end
      }
      at = max(at, next.upperBound)
    }
  }

  /// Where the cells of a leaf start, and its free blocks.
  func freeSpace(_ page: Span<UInt8>, _ number: Int) -> (content: Int, blocks: [Range<Int>]) {
    let start = Self.start(number)
    var content = Bytes.number(page, start + 5, 2)
    if content == 0 { content = 65536 }
    let unused = pointers(number, .leafTable) + 2 * count(page, number)
    var blocks: [Range<Int>] = []
    var block = Bytes.number(page, start + 1, 2)
    var last = 0
    while block > last, block + 4 <= file.usable {
      let size = Bytes.number(page, block + 2, 2)
      guard size >= 4, block + size <= file.usable else { break }
      blocks.append(block..<block + size)
      last = block + size - 1
      block = Bytes.number(page, block, 2)
    }
    return (content > unused && content <= file.usable ? content : file.usable, blocks)
  }

  /// A cell that holds together.
  struct Cell {
    /// Nil where what it goes on with on other pages is lost.
    var row: PageRow?
    /// Whether its texts are none, or others claim its pages: what lies over a row shows there.
    var isDoubtful = false
    /// Where it ends on its page.
    var end: Int
  }

  /// The cell whose size stands at `at`; nil where there is none.
  func cell(_ page: Span<UInt8>, _ at: Int, _ number: Int, hasID: Bool) throws -> Cell? {
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
    let local = Self.localSize(size.value, inTable: hasID, usable: file.usable)
    let limit = min(page.count, file.limit(number))
    guard start + local <= limit else { return nil }
    let head = page.extracting(start..<start + local)
    if local == size.value {
      guard let (values, isText) = values(head) else { return nil }
      return Cell(row: PageRow(id: id, values: values), isDoubtful: !isText, end: start + local)
    }
    let end = start + local + 4
    guard end <= limit, Self.isHead(head, of: size.value) else { return nil }
    var out = ByteBuffer()
    out.append(head)
    guard
      let isShared = try follow(
        Bytes.number(page, start + local, 4), &out, size.value, from: number),
      let (values, isText) = values(out.span)
    else { return Cell(end: end) }
    return Cell(
      row: PageRow(id: id, values: values),
      isDoubtful: !isText || isShared || !Self.hasNumbersAsWritten(out.span), end: end)
  }

  /// Bytes of a payload that has no other pages, at the most.
  static func mostLocal(inTable: Bool, usable: Int) -> Int {
    inTable ? usable - 35 : (usable - 12) * 64 / 255 - 23
  }

  /// Bytes of any other payload that lie on its own page, at the least.
  static func leastLocal(usable: Int) -> Int { (usable - 12) * 32 / 255 - 23 }

  /// Bytes of a payload that lie on its own page.
  static func localSize(_ size: Int, inTable: Bool, usable: Int) -> Int {
    let most = mostLocal(inTable: inTable, usable: usable)
    if size <= most { return size }
    let least = leastLocal(usable: usable)
    let wanted = least + (size - least) % (usable - 4)
    return wanted <= most ? wanted : least
  }

  /// Whether the record that begins so has `size` bytes, by its own head.
  static func isHead(_ record: Span<UInt8>, of size: Int) -> Bool {
    guard let head = Bytes.varint(record, 0), head.value <= record.count, head.value >= 1 else {
      return false
    }
    var at = head.end
    var sum = head.value
    while at < head.value {
      guard let type = Bytes.varint(record, at), let count = Self.size(ofType: type.value),
        count <= size
      else { return false }
      at = type.end
      sum += count
      if sum > size { return false }
    }
    return at == head.value && sum == size
  }
}
