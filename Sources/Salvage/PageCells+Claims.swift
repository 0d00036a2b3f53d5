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

  /// Tells from the pages how many bytes at the end of each are not used, and how texts are stored, where
  /// the header does not.
  func inferLayout() throws {
    let pageSize = file.pageSize
    let step = max(1, file.numbers.count / 400)
    let sample = stride(from: 0, to: file.numbers.count, by: step).map { file.numbers[$0] }
    var counts: [Int: Int] = [:]
    for number in sample {
      let page = try file.page(number)
      guard kind(page.span, number) != nil else { continue }
      let size = file.pageCount * pageSize
      if let usable = PageFile.usable(of: page.span, pageSize, fileSize: size) {
        counts[usable, default: 0] += 1
      }
    }
    let best = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }
    if let best, best.value > 1, best.value * 2 > counts.values.reduce(0, +) {
      file.setReserved(pageSize - best.key)
    } else if let last = counts.keys.max(), last > pageSize - file.reserved {
      file.setReserved(0)
    }
    if file.hasEncoding { return }
    var (utf8, little, big) = (0, 0, 0)
    for number in sample {
      let page = try file.page(number)
      guard let kind = kind(page.span, number), kind.isLeaf else { continue }
      for index in 0..<count(page.span, number) {
        guard let at = place(page.span, number, kind, index),
          let row = try cell(page.span, at, number, hasID: kind.isTable)?.row
        else { continue }
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
    }
    if max(little, big) > utf8 { file.setUTF16(isBigEndian: big > little) }
  }
}
