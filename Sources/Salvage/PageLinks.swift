import Disk
import LosslessJSON
import SystemPackage

/// Which numbers the pages in a damaged file have, by the pages that lead to others. Where pages were
/// lost or put in, all behind them have moved, and a row would go on in the page of another one.
struct PageLinks {
  /// A page in the file, in the order in which they lie there.
  private struct Slot {
    /// Of a page of a table: the first and the last row id, or key, on it.
    var ids: ClosedRange<Int>?
    /// Whether it is a page of a tree.
    var isTree: Bool
    /// Of one that rows go on in: the number of the next one.
    var next: Int
    /// Whether it begins with NULs.
    var isBlank = false
  }

  /// A number of a page that another page names, and what must be there.
  private struct Link {
    var page: Int
    /// Of a page of a table: the row ids that it may have.
    var ids: ClosedRange<Int>?
    /// Else the pages that a row goes on in from there; 0 for a page of an index.
    var length = 0
  }

  /// Slots that links lead to, one behind the other, all with the same shift.
  private struct Run {
    /// Which of the pieces it lies in.
    var piece: Int
    var slots: ClosedRange<Int>
    var shift: Int
    /// The slots in it that links lead to.
    var count: Int

    /// The number of its first page, less one.
    var first: Int { slots.lowerBound - shift }

    func joined(_ next: Run) -> Run {
      Run(
        piece: piece, slots: slots.lowerBound...next.slots.upperBound, shift: shift,
        count: count + next.count)
    }
  }

  private var slots: [Slot] = []
  private var links: [Link] = []
  /// The slot at which each piece begins.
  private var starts: [Int] = []
  private let grid: PageGrid
  private let usable: Int
  /// Whether the first page is known by its header.
  private let hasHeader: Bool
  /// Whether the file does not begin with the first page.
  private var lacksFirst = false
  /// How much greater the index of a slot is than its page's would be in a whole file: as it may be.
  private var shifts: [Int] = []
  /// Pages of one row that are looked at.
  private static let longest = 16

  /// - Parameter stated: pages that there should be by the header; nil where there is none.
  init(_ file: borrowing InputFile, _ grid: PageGrid, fileSize: Int, stated: Int?) throws {
    self.grid = grid
    hasHeader = stated != nil
    usable = grid.usable ?? grid.pageSize
    for piece in grid.pieces {
      starts.append(slots.count)
      for number in grid.numbers(piece) {
        var page = ByteBuffer()
        _ = try file.read(
          at: piece.offset + (number - piece.first) * grid.pageSize, into: &page,
          atMost: grid.pageSize)
        add(page.span, fileSize)
      }
    }
    links.sort { $0.page < $1.page }
    // The first page of a database is none of a tree, and none that a row goes on in.
    if !hasHeader, grid.pieces.first?.first == 1, let first = slots.first {
      lacksFirst = first.isTree || (!first.isBlank && first.next < 64 * (slots.count + 64))
    }
    let stated = stated ?? 0
    let total = slots.count - stated
    let likely =
      zip(grid.pieces, starts).map { $1 - ($0.first - 1) }.prefix(16)
      + (stated > 0 ? [total, total - 1, total + 1] : []) + frequentShifts()
      + (0...20).flatMap { [$0, -$0] }
    for shift in likely where shifts.count < 64 && !shifts.contains(shift) { shifts.append(shift) }
  }

  /// Shifts that many pages have which rows go on in, if the next one of each lies behind it, or many
  /// pages of tables, by their row ids.
  private func frequentShifts() -> [Int] {
    var counts: [Int: Int] = [:]
    for (slot, page) in slots.enumerated() where page.next > 1 {
      counts[slot + 2 - page.next, default: 0] += 1
    }
    let byID = slots.indices.compactMap { slot in slots[slot].ids.map { ($0.lowerBound, slot) } }
      .sorted { $0 < $1 }
    for link in links {
      guard let ids = link.ids else { continue }
      var (low, high) = (0, byID.count)
      while low < high {
        let middle = (low + high) / 2
        if byID[middle].0 < ids.lowerBound { low = middle + 1 } else { high = middle }
      }
      // Several tables may have these ids.
      for (id, slot) in byID.dropFirst(low).prefix(4) where ids.contains(id) {
        counts[slot + 1 - link.page, default: 0] += 1
      }
    }
    return counts.filter { $0.value >= 3 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .prefix(16).map(\.key)
  }

  private mutating func add(_ page: Span<UInt8>, _ fileSize: Int) {
    guard PageFile.isPage(page, grid.pageSize, usable: grid.usable, fileSize: fileSize),
      let kind = PageKind(rawValue: page[0])
    else {
      slots.append(
        Slot(
          ids: nil, isTree: false, next: page.count < 4 ? 0 : Bytes.number(page, 0, 4),
          isBlank: TextBytes.isAll(page.extracting(0..<min(16, page.count)), 0)))
      return
    }
    let pointers = kind.isLeaf ? 8 : 12
    var (first, last): (Int?, Int?)
    var children: [Link] = []
    for cell in 0..<Bytes.number(page, 3, 2) {
      let at = Bytes.number(page, pointers + 2 * cell, 2)
      guard let lead = Bytes.varint(page, kind.isLeaf ? at : at + 4) else { continue }
      var id: Int?
      if kind == .interiorTable {
        id = lead.value
        if lead.value > last ?? .min {
          let ids = (last.map { $0 + 1 } ?? .min)...lead.value
          children.append(Link(page: Bytes.number(page, at, 4), ids: ids))
        }
      } else if kind.isTable {
        id = Bytes.varint(page, lead.end)?.value
      }
      if kind != .interiorTable { addChain(page, kind, lead) }
      if kind == .interiorIndex { children.append(Link(page: Bytes.number(page, at, 4))) }
      (first, last) = (first ?? id, id ?? last)
    }
    if kind == .interiorTable, let last, last < .max {
      children.append(Link(page: Bytes.number(page, 8, 4), ids: last + 1 ... .max))
    }
    if kind == .interiorIndex { children.append(Link(page: Bytes.number(page, 8, 4))) }
    links += children
    let isOrdered = first ?? 0 <= last ?? 0
    slots.append(
      Slot(ids: isOrdered ? first.map { $0...(last ?? $0) } : nil, isTree: true, next: 0))
  }

  /// Notes where a row goes on, if it does.
  private mutating func addChain(
    _ page: Span<UInt8>, _ kind: PageKind, _ size: (value: Int, end: Int)
  ) {
    let body = kind.isTable ? Bytes.varint(page, size.end)?.end : size.end
    let local = PageCells.localSize(size.value, inTable: kind.isTable, usable: usable)
    guard let body, local < size.value, body + local + 4 <= page.count else { return }
    links.append(
      Link(
        page: Bytes.number(page, body + local, 4),
        length: (size.value - local + usable - 5) / (usable - 4)))
  }

  /// Whether what is in the slot for a link is what the link says.
  private func holds(_ link: Link, _ shift: Int) -> Bool {
    var slot = link.page - 1 + shift
    guard slots.indices.contains(slot) else { return false }
    if let ids = link.ids {
      guard let found = slots[slot].ids else { return false }
      return ids.contains(found.lowerBound) && ids.contains(found.upperBound)
    }
    if link.length == 0 { return slots[slot].isTree && slots[slot].ids == nil }
    for index in 1...min(link.length, Self.longest) {
      guard slots.indices.contains(slot), !slots[slot].isTree else { return false }
      if index == link.length { return slots[slot].next == 0 }
      slot = slots[slot].next - 1 + shift
    }
    return true
  }

  /// Whether the page of a link would lie where the file has none: then it says nothing.
  private func isBeyond(_ link: Link, _ shift: Int) -> Bool {
    let slot = link.page - 1 + shift
    return slot >= slots.count || (lacksFirst && slot < 0)
  }

  /// The grid with the numbers with which most links hold. Pages whose numbers would not be in order have
  /// none.
  func numbered() -> PageGrid {
    let known = knownShifts()
    let runs = runs(known)
    var numbers: [Int?] = Array(repeating: nil, count: slots.count)
    var torn: Set<Int> = []
    /// The greatest number yet.
    var last = 0
    for (index, run) in runs.enumerated() {
      let (start, end) = slots(of: run.piece)
      let before = index > 0 && runs[index - 1].piece == run.piece
      let isLast = index + 1 == runs.count || runs[index + 1].piece != run.piece
      // Up to where the first ones moved, pages are counted from the first one. Behind that, links
      // have to hold with one shift alone.
      let isFirst = index == 0 && run.shift == 0 && !lacksFirst
      let isTold = isFirst || isUnequivocal(run.slots, run.shift)
      let from = before ? run.slots.lowerBound : start
      let behind = isLast ? end : runs[index + 1].slots.lowerBound
      // What links lead to has the numbers that they name.
      let limit = runs[(index + 1)...].first { $0.count > 0 }?.first ?? .max
      // From the last link on bytes were lost or put in somewhere. Where there are more pages than
      // numbers, some are none of the database's.
      var excess = isLast ? 0 : max(0, behind - run.shift - limit)
      var skipped = 0
      for slot in from..<max(from, behind) {
        let isBetween = !isLast && slot > run.slots.upperBound
        if isBetween, excess > 0, !slots[slot].isTree || excess == behind - slot {
          excess -= 1
          skipped += 1
          continue
        }
        if !isTold, !slots[slot].isTree { continue }
        let number = slot + 1 - run.shift - skipped
        guard number > last, number <= limit else { continue }
        numbers[slot] = number
        last = number
        if isLast || slot < run.slots.upperBound || (slot == 0 && hasHeader) { continue }
        torn.insert(slot)
        // In a page that a row goes on in, that would not show.
        if slot == run.slots.upperBound, !slots[slot].isTree { numbers[slot] = nil }
      }
    }
    // A page that two rows go on in, each by numbers of its own, is neither's.
    for (slot, shift) in known where shift == nil && !slots[slot].isTree { numbers[slot] = nil }
    return grid.renumbered(pieces(numbers, torn))
  }

  /// The slots of a piece: the first one, and the first one behind it.
  private func slots(of piece: Int) -> (start: Int, end: Int) {
    (starts[piece], piece + 1 < starts.count ? starts[piece + 1] : slots.count)
  }

  /// The runs of the slots that links lead to, in the order of the file and of their numbers. A piece to
  /// which none leads has one of no slots that links lead to, with the numbers that it has.
  private func runs(_ known: [(slot: Int, shift: Int?)]) -> [Run] {
    var found: [Run] = []
    var next = 0
    for index in grid.pieces.indices {
      let (start, end) = slots(of: index)
      var inPiece: [Run] = []
      if hasHeader, start == 0, end > 0 {
        inPiece.append(Run(piece: index, slots: 0...0, shift: 0, count: 3))
      }
      while next < known.count, known[next].slot < end {
        let (slot, shift) = known[next]
        next += 1
        guard let shift else { continue }
        let run = Run(piece: index, slots: slot...slot, shift: shift, count: 1)
        if inPiece.last?.shift == shift, let last = inPiece.popLast() {
          inPiece.append(last.joined(run))
        } else {
          inPiece.append(run)
        }
      }
      // One or two links may hold by chance.
      for run in inPiece where run.count >= 3 && run.first >= 0 { found.append(run) }
    }
    var ordered: [Run] = []
    for run in found {
      var isOutdone = false
      // Of two that are not in order, that of fewer links holds by chance.
      while !isOutdone, let last = ordered.last, last.slots.upperBound - last.shift >= run.first {
        if last.count > run.count { isOutdone = true } else { ordered.removeLast() }
      }
      if isOutdone { continue }
      if let last = ordered.last, (last.piece, last.shift) == (run.piece, run.shift) {
        ordered[ordered.count - 1] = last.joined(run)
      } else {
        ordered.append(run)
      }
    }
    let told = Set(ordered.map(\.piece))
    for (index, piece) in grid.pieces.enumerated() where !told.contains(index) {
      let start = starts[index]
      ordered.append(
        Run(piece: index, slots: start...start, shift: start - (piece.first - 1), count: 0))
    }
    return ordered.sorted { $0.slots.lowerBound < $1.slots.lowerBound }
  }

  /// Whether links to these slots hold with no other shift nearly as often.
  private func isUnequivocal(_ slots: ClosedRange<Int>, _ shift: Int) -> Bool {
    func first(_ page: Int) -> Int {
      var (low, high) = (0, links.count)
      while low < high {
        let middle = (low + high) / 2
        if links[middle].page < page { low = middle + 1 } else { high = middle }
      }
      return low
    }
    let (start, end) = (first(slots.lowerBound + 1 - shift), first(slots.upperBound + 2 - shift))
    let all = links[start..<max(start, end)]
    let own = all.filter { holds($0, shift) }
    guard own.count * 10 >= all.count * 9 else { return false }
    // What is left over must be more than chance gives.
    return shifts.allSatisfy { other in
      let left = own.count { !holds($0, other) }
      return other == shift || (left > 4 && left * left > 4 * own.count)
    }
  }

  /// Pieces of pages with numbers that follow each other.
  private func pieces(_ numbers: [Int?], _ torn: Set<Int>) -> [PageGrid.Piece] {
    var pieces: [PageGrid.Piece] = []
    for (piece, start) in zip(grid.pieces, starts) {
      var goesOn = false
      let count = grid.numbers(piece).count
      for slot in start..<start + count {
        guard let number = numbers[slot] else {
          goesOn = false
          continue
        }
        let offset = piece.offset + (slot - start) * grid.pageSize
        var part = PageGrid.Piece(first: number, offset: offset, end: offset)
        if goesOn, let last = pieces.last, grid.numbers(last).upperBound == number {
          part = pieces.removeLast()
        }
        part.end = min(piece.end, offset + grid.pageSize)
        part.isTorn = torn.contains(slot) || (piece.isTorn && slot == start + count - 1)
        pieces.append(part)
        goesOn = !part.isTorn
      }
    }
    return pieces
  }

  /// The slots that links lead to, in order, each with the shift that its page's number follows from;
  /// nil where that may be either of two.
  private func knownShifts() -> [(slot: Int, shift: Int?)] {
    let chosen = bestShifts()
    var known: [Int: Int?] = [:]
    for (link, shift) in zip(links, chosen) where holds(link, shift) {
      for slot in slots(of: link, shift) {
        let agrees = known[slot, default: shift] == shift
        known[slot] = .some(agrees ? shift : nil)
      }
    }
    // Where it changes, links that hold with both do not say where.
    for index in links.indices.dropLast() where chosen[index] != chosen[index + 1] {
      let (before, behind) = (chosen[index], chosen[index + 1])
      func isTold(_ link: Link) -> Bool {
        if holds(link, before) != holds(link, behind) { return true }
        if holds(link, before) {
          for slot in slots(of: link, before) + slots(of: link, behind) { known[slot] = .some(nil) }
        }
        return false
      }
      var at = index
      while at >= 0, chosen[at] == before, !isTold(links[at]) { at -= 1 }
      at = index + 1
      while at < links.count, chosen[at] == behind, !isTold(links[at]) { at += 1 }
    }
    return known.map { ($0.key, $0.value) }.sorted { $0.slot < $1.slot }
  }

  /// The slots in which a link that holds has its pages.
  private func slots(of link: Link, _ shift: Int) -> [Int] {
    var found = [link.page - 1 + shift]
    while found.count < min(link.length, Self.longest), let last = found.last {
      found.append(slots[last].next - 1 + shift)
    }
    return found
  }

  /// For each link the shift with which most of them hold, where each change of it counts as much as
  /// several that do not.
  private func bestShifts() -> [Int] {
    // A link that says nothing counts where nothing else does.
    let (broken, changed, silent) = (2 << 32, 5 << 32, 1)
    var costs = shifts.indices.map { $0 == 0 ? 0 : changed }
    /// For each link: the state that was best before it, and those that it is better to change to.
    var best: [Int] = []
    var changes: [UInt64] = []
    for link in links {
      let least = costs.indices.min { costs[$0] < costs[$1] } ?? 0
      var change: UInt64 = 0
      let floor = costs[least] + changed
      for state in costs.indices {
        if costs[state] > floor {
          costs[state] = floor
          change |= 1 << UInt64(state)
        }
        if holds(link, shifts[state]) { continue }
        costs[state] += isBeyond(link, shifts[state]) ? silent : broken
      }
      best.append(least)
      changes.append(change)
    }
    var state = costs.indices.min { costs[$0] < costs[$1] } ?? 0
    var found: [Int] = []
    for index in links.indices.reversed() {
      found.append(shifts[state])
      if changes[index] & 1 << UInt64(state) != 0 { state = best[index] }
    }
    return found.reversed()
  }
}
