import LosslessJSON

/// What pages say of each other: which of them rows go on in, and what those must be that do not say
/// it themselves.
extension PageCells {
  /// Notes the pages that the rows of a page go on in.
  func claim(_ number: Int, isOfTree: Bool) throws {
    for first in try overflowPages(of: number) {
      var next = first
      var seen: Set<Int> = []
      while next > 0, next <= file.pageCount, seen.insert(next).inserted {
        var claim = claims[next] ?? (0, 0, number)
        if isOfTree { claim.inTrees += 1 } else { claim.others += 1 }
        claims[next] = claim
        // The rest of what two have in common has two claims already.
        if claim.inTrees + claim.others > 2 { break }
        next = try file.number(in: next)
      }
    }
  }

  /// The first of the pages that each row of a page goes on in.
  private func overflowPages(of number: Int) throws -> [Int] {
    let page = try file.page(number)
    let span = page.span
    guard let kind = kind(span, number), kind != .interiorTable else { return [] }
    return (0..<count(span, number)).compactMap { cell in
      place(page.span, number, kind, cell).flatMap {
        overflowPage(page.span, kind == .interiorIndex ? $0 + 4 : $0, kind)
      }
    }
  }

  /// Whether rows on other pages than `number`, or other rows on it, go on in an overflow page too.
  func isClaimed(_ overflow: Int, from number: Int) -> Bool {
    guard let claim = claims[overflow] else { return false }
    return treePages.contains(number) ? claim.inTrees > 1 : claim.inTrees > 0 || claim.others > 1
  }

  /// The page of the row that goes on in an overflow page; nil where there is none.
  func claimant(of overflow: Int) -> Int? { claims[overflow]?.page }

  /// Takes a page for a leaf of a table although its first byte says otherwise, where all of its
  /// cells hold together and their ids are in order. Returns whether it did.
  func assumeLeaf(_ number: Int) throws -> Bool {
    let page = try file.page(number)
    guard page.count == file.pageSize, !file.isSpecial(number, page.span), number > 1,
      count(page.span, number) > 0,
      pointers(number, .leafTable) + 2 * count(page.span, number) <= file.usable
    else { return false }
    assumed[number] = .leafTable
    let found = try rows(page.span, number, .leafTable)
    if found.bad.isEmpty, found.suspect.isEmpty { return true }
    assumed[number] = nil
    return false
  }

  /// The rows on a page whose head is damaged: cells that stand one behind the other up to its end.
  func carved(_ number: Int, _ table: SalvagedTable) throws -> [PageRow] {
    let page = try file.page(number)
    guard page.count == file.pageSize else { return [] }
    var found: [PageRow] = []
    var ids: Set<Int> = []
    var at = 0
    while at + 4 <= file.usable {
      guard let cell = try cell(page.span, at, number, hasID: true), let row = cell.row,
        !cell.isDoubtful, table.fits([row]), row.values.count == table.columns.count,
        let id = row.id, ids.insert(id).inserted, ranges[number]?.contains(id) ?? true
      else {
        at += 1
        continue
      }
      found.append(row)
      at = cell.end
    }
    return found
  }
}

/// What the header of a database would say, where that is lost or not to be believed.
extension PageCells {
  /// The free pages, as far as pages that look like a part of their list are none that a row goes on
  /// in.
  func likelyFree() throws -> Set<Int> {
    let trunks = try file.likelyTrunks()
    if trunks.isEmpty { return [] }
    for number in file.numbers {
      try claim(number, isOfTree: false)
    }
    defer { claims = [:] }
    var free: Set<Int> = []
    for (trunk, leaves) in trunks where claimant(of: trunk) == nil {
      free.formUnion(leaves)
      free.insert(trunk)
    }
    // A row on a page that is free itself says nothing.
    for (trunk, leaves) in trunks {
      guard let page = claimant(of: trunk), free.contains(page) else { continue }
      free.formUnion(leaves)
      free.insert(trunk)
    }
    return free
  }

  /// Tells from the pages how texts are stored, where the header does not, and how many bytes at the
  /// end of each page are not used. Cells fill a page from its end.
  func inferLayout() throws {
    let stated = file.reserved
    file.setReserved(0)
    var (utf8, little, big) = (0, 0, 0)
    var ends: [Int: Int] = [:]
    /// Where the last cell of each page begins, of whatever size.
    var starts: [Int] = []
    // For no number of bytes do cells of this size go on elsewhere.
    let limit = (file.pageSize - 267) * 32 / 255 - 23
    let step = max(1, file.numbers.count / 400)
    for index in stride(from: 0, to: file.numbers.count, by: step) {
      let number = file.numbers[index]
      let page = try file.page(number)
      guard let kind = kind(page.span, number), kind.isLeaf else { continue }
      let places = (0..<count(page.span, number)).compactMap {
        place(page.span, number, kind, $0)
      }
      if let start = places.max() { starts.append(start) }
      var last = 0
      for at in places {
        guard let size = Bytes.varint(page.span, at),
          size.value <= Self.mostLocal(inTable: kind.isTable, usable: file.pageSize),
          let cell = try self.cell(page.span, at, number, hasID: kind.isTable), let row = cell.row
        else { continue }
        if size.value <= (kind.isTable ? file.pageSize - 290 : limit) { last = max(last, cell.end) }
        for case .text(let text) in row.values where text.count > 1 && text.count % 2 == 0 {
          if text[0] != 0, text[1] == 0 {
            little += 1
          } else if text[0] == 0, text[1] != 0 {
            big += 1
          } else if String(validating: text, as: UTF8.self) != nil {
            utf8 += 1
          }
        }
      }
      if last > 0 { ends[last, default: 0] += 1 }
    }
    let sum = ends.values.reduce(0, +)
    if let end = ends.keys.max(), let count = ends[end], count > 1,
      file.pageSize - end <= min(255, file.pageSize - 480),
      count * 2 > sum, starts.count(where: { $0 >= end }) * 4 < count
    {
      file.setReserved(file.pageSize - end)
    } else if file.pageSize - (ends.keys.max() ?? 0) >= stated {
      file.setReserved(stated)
    }
    if !file.hasEncoding, max(little, big) > utf8 { file.setUTF16(isBigEndian: big > little) }
  }
}
