import Disk
import LosslessJSON
import SystemPackage

/// Which numbers the pages in a damaged file have, by the pages that lead to others. Where pages were
/// lost or put in, all behind them have moved, and a row would go on in the page of another one.
struct PageLinks {
  /// A page in the file, in the order in which they lie there.
  struct Slot {
    /// Of a page of a tree: the first and the last row id, or the places of the keys among all keys.
    var ids: ClosedRange<Int>?
    /// Whether it is a page of a tree.
    var isTree: Bool
    /// Whether it is one of an index, or of a table without row ids.
    var isIndex = false
    /// Of one that rows go on in: the number of the next one.
    var next: Int
    /// Whether it begins with NULs.
    var isBlank = false
    /// Of one that rows go on in: its bytes without the NULs at its end.
    var filled = 0
  }

  /// A number of a page that another page names, and what must be there.
  struct Link {
    var page: Int
    /// Of a page of a tree: the row ids, or places of keys, that it may have.
    var ids: ClosedRange<Int>?
    var isIndex = false
    /// The pages that a row goes on in from there; 0 for a page of a tree.
    var length = 0
    /// Bytes of the row on the last one of these.
    var rest = 0
    /// The slot of the page that names it.
    var from: Int

    /// Whether hardly any page is by chance what it says.
    var isStrong: Bool { ids.map { $0.lowerBound > .min && $0.upperBound < .max } ?? false }
  }

  /// How well what is in the slots for a link is what the link says.
  enum Fit {
    case not
    /// Pages that lead on as they should, but the row does not end where the bytes on the last one do.
    case loosely
    case well
    /// The row ends just where the bytes on its last page do, in front of NULs.
    case exactly
  }

  /// A slot that links lead to.
  struct Known {
    var slot: Int
    /// What its page's number follows from; nil where that may be either of two.
    var shift: Int?
    /// Whether hardly any other page would be taken for this one.
    var isStrong: Bool
    /// How likely any other page would be.
    var chance: Double
  }

  /// Slots that links lead to, one behind the other, all with the same shift.
  struct Run {
    /// Which of the pieces it lies in.
    var piece: Int
    var slots: ClosedRange<Int>
    var shift: Int
    /// The slots in it that links lead to.
    var count: Int
    /// From the first to the last of them that hardly any other page would be taken for; nil where there
    /// is none.
    var sure: ClosedRange<Int>?

    /// The number of its first page, less one.
    var first: Int { slots.lowerBound - shift }

    func joined(_ next: Run) -> Run {
      Run(
        piece: piece, slots: slots.lowerBound...next.slots.upperBound, shift: shift,
        count: count + next.count,
        sure: sure.map { mine in
          next.sure.map { mine.lowerBound...$0.upperBound } ?? mine
        } ?? next.sure)
    }
  }

  private(set) var slots: [Slot] = []
  private(set) var links: [Link] = []
  /// The slot at which each piece begins.
  private(set) var starts: [Int] = []
  let grid: PageGrid
  let usable: Int
  /// Pages that there should be by the header; 0 where it does not tell, or is lost.
  let stated: Int
  /// Whether the first page is known by its header.
  let hasHeader: Bool
  /// Whether the file does not begin with the first page.
  private(set) var lacksFirst = false
  /// How much greater the index of a slot is than its page's would be in a whole file: as it may be.
  private(set) var shifts: [Int] = []
  /// Pages of one row that are looked at.
  static let longest = 16
  /// How many pages are such as rows go on in, as a share of all: a link leads to one by chance.
  private var chance = 1.0
  /// And how many of the last ones are filled as far as another one.
  private var chanceOfEnd = 1.0
  /// Whether nearly all rows end where the bytes on their last pages do: SQLite clears a page that it
  /// takes, unless the same transaction freed it (pager.c, getPageNormal).
  private(set) var endsTell = false

  /// - Parameter stated: pages that there should be by the header; nil where there is none.
  init(_ file: borrowing InputFile, _ grid: PageGrid, fileSize: Int, stated: Int?) throws {
    self.grid = grid
    var keys = PageKeys()
    hasHeader = stated != nil
    self.stated = stated ?? 0
    usable = grid.usable ?? grid.pageSize
    for piece in grid.pieces {
      starts.append(slots.count)
      for number in grid.numbers(piece) {
        var page = ByteBuffer()
        _ = try file.read(
          at: piece.offset + (number - piece.first) * grid.pageSize, into: &page,
          atMost: grid.pageSize)
        add(page.span, fileSize, &keys)
      }
    }
    chance = Double(slots.count { !$0.isTree && !$0.isBlank }) / Double(max(1, slots.count))
    chanceOfEnd = likelyEnd()
    rank(keys)
    links.sort { $0.page < $1.page }
    // The first page of a database is none of a tree, and none that a row goes on in.
    if !hasHeader, grid.pieces.first?.first == 1, let first = slots.first {
      lacksFirst = first.isTree || (!first.isBlank && first.next < 64 * (slots.count + 64))
    }
    let total = slots.count - self.stated
    let likely =
      zip(grid.pieces, starts).map { $1 - ($0.first - 1) }.prefix(16)
      + (self.stated > 0 ? [total, total - 1, total + 1] : []) + frequentShifts()
      + (0...20).flatMap { [$0, -$0] }
    for shift in likely where shifts.count < 64 && !shifts.contains(shift) { shifts.append(shift) }
    endsTell = shifts.contains { shift in
      let exact = links.count { end(of: $0, shift) == .exactly }
      // Those that would end where they should with another shift say nothing against it.
      return exact >= 4
        && 16 * links.count { end(of: $0, shift) == .loosely && near(of: $0, shift) == nil }
          <= exact
    }
  }

  /// How likely a row ends where the bytes on the last page of another one do.
  private func likelyEnd() -> Double {
    let ends = slots.filter { !$0.isTree && !$0.isBlank && $0.next == 0 }.map(\.filled).sorted()
    var (first, last, sum) = (0, 0, 0)
    for end in ends {
      while ends[first] < end - 4 { first += 1 }
      while last < ends.count, ends[last] <= end + 4 { last += 1 }
      sum += last - first
    }
    return ends.count < 8 ? 1 : Double(sum) / Double(ends.count * ends.count)
  }

  /// Shifts that many pages have which rows go on in, if the next one of each lies behind it, or many
  /// pages of tables, by their row ids.
  private func frequentShifts() -> [Int] {
    var counts: [Int: Int] = [:]
    for (slot, page) in slots.enumerated() where page.next > 1 {
      counts[slot + 2 - page.next, default: 0] += 1
    }
    for isIndex in [false, true] {
      let byID = slots.indices.compactMap { slot in
        slots[slot].isIndex == isIndex ? slots[slot].ids.map { ($0.lowerBound, slot) } : nil
      }.sorted { $0 < $1 }
      for link in links where link.isIndex == isIndex {
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
    }
    return counts.filter { $0.value >= 3 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .prefix(16).map(\.key)
  }

  /// Makes of the places of keys among those found their places among those in order.
  private mutating func rank(_ keys: PageKeys) {
    let ranks = keys.ranks()
    // Columns may be in descending order.
    func ranked(_ range: ClosedRange<Int>?) -> ClosedRange<Int>? {
      guard let range else { return nil }
      let low = range.lowerBound == .min ? nil : ranks[range.lowerBound]
      let high = range.upperBound == .max ? nil : ranks[range.upperBound]
      guard let low, let high else { return (low ?? .min)...(high ?? .max) }
      return min(low, high)...max(low, high)
    }
    for index in slots.indices where slots[index].isIndex {
      slots[index].ids = ranked(slots[index].ids)
    }
    for index in links.indices where links[index].isIndex {
      links[index].ids = ranked(links[index].ids)
    }
  }

  private mutating func add(_ page: Span<UInt8>, _ fileSize: Int, _ keys: inout PageKeys) {
    guard PageFile.isPage(page, grid.pageSize, usable: grid.usable, fileSize: fileSize),
      let kind = PageKind(rawValue: page[0])
    else {
      slots.append(
        Slot(
          ids: nil, isTree: false, next: page.count < 4 ? 0 : Bytes.number(page, 0, 4),
          isBlank: TextBytes.isAll(page.extracting(0..<min(16, page.count)), 0),
          filled: page.indices.last { page[$0] != 0 }.map { $0 + 1 } ?? 0))
      return
    }
    let pointers = kind.isLeaf ? 8 : 12
    var (first, last): (Int?, Int?)
    let count = Bytes.number(page, 3, 2)
    // For keys: cells of a page do not overlap.
    var room = page.count
    for cell in 0..<count {
      let at = Bytes.number(page, pointers + 2 * cell, 2)
      guard let lead = Bytes.varint(page, kind.isLeaf ? at : at + 4) else { continue }
      var id: Int?
      if kind == .interiorTable {
        id = lead.value
      } else if kind.isTable {
        id = Bytes.varint(page, lead.end)?.value
      } else if !kind.isLeaf || cell == 0 || cell == count - 1 {
        let local = max(0, PageCells.localSize(lead.value, inTable: false, usable: usable))
        let end = min(page.count, lead.end + local)
        room -= end - lead.end
        if room < 0 { break }
        id = keys.add(page.extracting(lead.end..<end))
      }
      if kind != .interiorTable { addChain(page, kind, lead) }
      if !kind.isLeaf, let id, id > last ?? .min {
        let low = last.map { kind.isTable ? $0 + 1 : $0 } ?? .min
        links.append(
          Link(
            page: Bytes.number(page, at, 4), ids: low...id, isIndex: !kind.isTable,
            from: slots.count))
      }
      (first, last) = (first ?? id, id ?? last)
    }
    if !kind.isLeaf, let last, last < .max {
      let low = kind.isTable ? last + 1 : last
      links.append(
        Link(
          page: Bytes.number(page, 8, 4), ids: low ... .max, isIndex: !kind.isTable,
          from: slots.count))
    }
    let isOrdered = first ?? 0 <= last ?? 0
    slots.append(
      Slot(
        ids: isOrdered ? first.map { $0...(last ?? $0) } : nil, isTree: true,
        isIndex: !kind.isTable, next: 0))
  }

  /// Notes where a row goes on, if it does.
  private mutating func addChain(
    _ page: Span<UInt8>, _ kind: PageKind, _ size: (value: Int, end: Int)
  ) {
    let body = kind.isTable ? Bytes.varint(page, size.end)?.end : size.end
    let local = PageCells.localSize(size.value, inTable: kind.isTable, usable: usable)
    guard let body, local < size.value, body + local + 4 <= page.count else { return }
    let (full, behind) = (usable - 4, size.value - local)
    links.append(
      Link(
        page: Bytes.number(page, body + local, 4), length: (behind + full - 1) / full,
        rest: (behind - 1) % full + 1, from: slots.count))
  }

  /// The slots that links lead to, in order.
  func knownShifts() -> [Known] {
    let chosen = bestShifts()
    var known: [Int: Int?] = [:]
    var strong: Set<Int> = []
    var ends: Set<Int> = []
    for (link, shift) in zip(links, chosen) where isHeld(link, shift) {
      if link.isStrong { strong.insert(link.page - 1 + shift) }
      let slots = slots(of: link, shift)
      if let last = slots.last, fit(link, shift) == .exactly { ends.insert(last) }
      for slot in slots {
        let agrees = known[slot, default: shift] == shift
        known[slot] = .some(agrees ? shift : nil)
      }
    }
    // Where it changes, links that hold with both do not say where.
    for index in links.indices.dropLast() where chosen[index] != chosen[index + 1] {
      let (before, behind) = (chosen[index], chosen[index + 1])
      func isTold(_ link: Link) -> Bool {
        if isHeld(link, before) != isHeld(link, behind) { return true }
        if holds(link, before) && holds(link, behind) {
          for slot in slots(of: link, before) + slots(of: link, behind) { known[slot] = .some(nil) }
        }
        return false
      }
      var at = index
      while at >= 0, chosen[at] == before, !isTold(links[at]) { at -= 1 }
      at = index + 1
      while at < links.count, chosen[at] == behind, !isTold(links[at]) { at += 1 }
    }
    return known.keys.sorted().map { slot in
      Known(
        slot: slot, shift: known[slot] ?? nil, isStrong: strong.contains(slot),
        chance: ends.contains(slot) ? chance * chanceOfEnd : chance)
    }
  }

  /// For each link the shift with which most of them hold, where each change of it counts as much as
  /// several that do not.
  private func bestShifts() -> [Int] {
    // A link that says nothing counts a little: else a shift that has all pages behind the end would do.
    // What it leads to may be destroyed where it lies.
    let (broken, loose, changed, silent, destroyed) = (32, 24, 80, 4, 8)
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
        switch fit(link, shifts[state]) {
        case .well, .exactly: continue
        case .loosely: costs[state] += loose
        case .not:
          costs[state] +=
            isBeyond(link, shifts[state])
            ? silent : leadsToDestroyed(link, shifts[state]) ? destroyed : broken
        }
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
