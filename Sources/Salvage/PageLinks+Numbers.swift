/// The numbers of pages that follow from the links that hold.
extension PageLinks {
  /// The grid with the numbers with which most links hold. Pages whose numbers would not be in order have
  /// none.
  func numbered() -> PageGrid {
    let known = knownShifts()
    let runs = runs(known)
    let placed = placed(known)
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
      let led = led(run, known)
      let sure = sureSlots(run, led, placed, isFirst: isFirst, isLast: index + 1 == runs.count)
      // A page may be known by what it holds though it lost its end.
      let tornFrom = min(run.slots.upperBound, run.sure?.upperBound ?? .max)
      let denied = isTold ? deniedSlots(run, led, sure, placed, isFirst: isFirst) : []
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
        // The first page is known by its header.
        let isKnown = slots[slot].isTree || (slot == 0 && hasHeader)
        if !isKnown, !isTold || !sure.contains(slot) || denied.contains(slot) { continue }
        let number = slot + 1 - run.shift - skipped
        guard number > last, number <= limit else { continue }
        numbers[slot] = number
        last = number
        if isLast || slot < tornFrom || (slot == 0 && hasHeader) { continue }
        torn.insert(slot)
        // In a page that a row goes on in, that would not show.
        if slot == run.slots.upperBound, !slots[slot].isTree { numbers[slot] = nil }
      }
    }
    // A page that two rows go on in, each by numbers of its own, is neither's.
    for page in known where page.shift == nil && !slots[page.slot].isTree {
      numbers[page.slot] = nil
    }
    return grid.renumbered(pieces(numbers, torn))
  }

  /// The slots of a run in which pages that rows go on in have the numbers of their places. In front of
  /// the first page that is known by what it holds, and behind the last one, bytes may be missing or put
  /// in, and those pages do not tell.
  private func sureSlots(
    _ run: Run, _ led: [Known], _ placed: Set<Int>, isFirst: Bool, isLast: Bool
  ) -> Range<Int> {
    var sure = run.sure.map { Range($0) } ?? 0..<0
    // So are those between links that hold, but for the first and last of them. The header is in its
    // place: what follows is.
    let rest = led.dropLast(Self.byChance(led.reversed()))
    if isFirst {
      sure = 0..<max(sure.upperBound, rest.last.map { $0.slot + 1 } ?? 0)
    } else if let first = rest.dropFirst(Self.byChance(led)).first?.slot, let last = rest.last?.slot
    {
      sure =
        sure.isEmpty
        ? first..<last + 1
        : min(sure.lowerBound, first)..<max(sure.upperBound, last + 1)
    }
    if !isLast || (sure.isEmpty && !isFirst) { return sure }
    // A file that ends where the header says, or lacks nothing but its end.
    if whole == slots.count, whole - run.shift == stated { return sure.lowerBound..<whole }
    guard stated == 0 || (isFirst && whole < stated),
      !isDenied(sure.upperBound, run.shift, placed)
    else { return sure }
    let end =
      stated > slots.count ? likelyTail(slots.count - stated, of: run, placed) : slots.count
    return sure.lowerBound..<max(sure.upperBound, end)
  }

  /// How many of the first ones links may lead to by chance.
  private static func byChance(_ led: some Sequence<Known>) -> Int {
    var (count, chance) = (0, 1.0)
    for known in led where chance > 1e-5 && count < 16 {
      (count, chance) = (count + 1, chance * known.chance)
    }
    return count
  }

  /// The slots of a run that links lead to and hold with its shift, in order.
  private func led(_ run: Run, _ known: [Known]) -> [Known] {
    var (low, high) = (0, known.count)
    while low < high {
      let middle = (low + high) / 2
      if known[middle].slot < run.slots.lowerBound { low = middle + 1 } else { high = middle }
    }
    return known[low...].prefix { $0.slot <= run.slots.upperBound }.filter {
      $0.shift == run.shift
    }
  }

  /// The slots near those to which links lead that do not hold, and between those where no page is known
  /// by what it holds: pages between two places at which as many were put in as lost have other numbers.
  /// One of those has to lead to a page of others: what is destroyed has not moved. In the first run it has
  /// to come from a page that a tree leads to, for a page that is no longer used keeps its links; where no
  /// tree leads anywhere, there have to be several.
  private func deniedSlots(
    _ run: Run, _ led: [Known], _ sure: Range<Int>, _ placed: Set<Int>, isFirst: Bool
  ) -> Set<Int> {
    let (start, end) = (run.slots.lowerBound, max(run.slots.upperBound, sure.upperBound - 1))
    let all = links(to: start...end, run.shift)
    let strong = led.filter(\.isStrong).map(\.slot)
    let led = led.map(\.slot)
    let elsewhere = elsewhere(all, run.shift, placed)
    // A page that is no longer used keeps its links.
    let indices = all.indices.filter {
      (placed.isEmpty || placed.contains(all[$0].from))
        && (!holds(all[$0], run.shift) || elsewhere.contains($0))
    }
    let others = indices.count { elsewhere.contains($0) || leadsToOthers(all[$0], run.shift) }
    var denied = notAsTheyEnd(all, run.shift, placed)
    guard others >= (isFirst && placed.isEmpty ? 3 : 1) else { return denied }
    let wrong = indices.map { all[$0].page - 1 + run.shift }
    // The first of both behind a slot that is denied, and the first slot that is not yet.
    var (behind, nextStrong, done) = (0, 0, start)
    for (index, slot) in wrong.enumerated() {
      while behind < led.count, led[behind] <= slot { behind += 1 }
      while nextStrong < strong.count, strong[nextStrong] <= slot { nextStrong += 1 }
      let first = behind > 4 ? led[behind - 5] : start
      var last = behind + 3 < led.count ? led[behind + 3] : end
      if index + 1 < wrong.count,
        nextStrong == strong.count || strong[nextStrong] >= wrong[index + 1]
      {
        last = max(last, wrong[index + 1])
      }
      for slot in max(first, done)..<max(first, done, last + 1) { denied.insert(slot) }
      done = max(done, last + 1)
    }
    return denied
  }

  /// The slots of rows that do not end where they should, beside a page that is not what a link says: it
  /// may be theirs that was lost. Those that would end so with another shift may be farther from it. What
  /// is destroyed has not moved, and denies none that may end in bytes of another time.
  private func notAsTheyEnd(
    _ links: ArraySlice<Link>, _ shift: Int, _ placed: Set<Int>
  ) -> Set<Int> {
    var found: Set<Int> = []
    for index in links.indices where fit(links[index], shift) == .loosely {
      let reach = near(of: links[index], shift) == nil ? 2 : 6
      let beside = max(0, index - reach)..<min(self.links.count, index + reach + 1)
      let mayBeFilledUp = mayBeFilledUp(links[index], shift)
      let isBeside = self.links[beside].contains {
        !holds($0, shift) && (placed.isEmpty || placed.contains($0.from))
          && !(mayBeFilledUp && leadsToDestroyed($0, shift))
      }
      if isBeside {
        found.formUnion(slots(of: links[index], shift))
      }
    }
    return found
  }

  /// Those of the links that do not hold, but hold just so with another shift near this one, as the one
  /// in front of them or behind them does. What is destroyed has not moved.
  private func elsewhere(_ links: ArraySlice<Link>, _ shift: Int, _ placed: Set<Int>) -> Set<Int> {
    var found: Set<Int> = []
    guard endsTell else { return found }
    var last: (index: Int, shift: Int)?
    for index in links.indices where placed.isEmpty || placed.contains(links[index].from) {
      guard !isHeld(links[index], shift), !leadsToDestroyed(links[index], shift),
        let other = near(of: links[index], shift)
      else { continue }
      if let last, last.shift == other, index - last.index < 5 {
        found.formUnion([last.index, index])
      }
      last = (index, other)
    }
    return found
  }

  /// The slots that are whole pages: all, or all but the last.
  private var whole: Int {
    let isShort = grid.pieces.last.map { ($0.end - $0.offset) % grid.pageSize > 0 } ?? false
    return slots.count - (isShort ? 1 : 0)
  }

  /// Whether a link that leads to the slots from `start` on, or past them, does not hold with this shift,
  /// or pages there lead on as they would with another one. A page of which there is but a part denies
  /// nothing. Links from pages in these slots, which may be in no use, have to be more than half as many
  /// as those that hold.
  private func isDenied(_ start: Int, _ shift: Int, _ placed: Set<Int>) -> Bool {
    var (held, denied) = (0, 0)
    for link in links where reaches(start, link, shift) {
      if holds(link, shift) {
        held += 1
      } else if placed.isEmpty || placed.contains(link.from) {
        return true
      } else if link.from >= start {
        denied += 1
      }
    }
    if denied * 2 > held { return true }
    var votes: [Int: Int] = [:]
    for slot in min(start, whole)..<whole where !slots[slot].isTree && slots[slot].next > 1 {
      votes[slot + 2 - slots[slot].next, default: 0] += 1
    }
    // From a list of free pages SQLite takes the last one first.
    votes[shift + 2] = nil
    return votes.contains { $0.key != shift && $0.value > max(2, held, votes[shift] ?? 0) }
  }

  /// Whether a link leads to one of the slots from `start` on, up to a page that does not lead on.
  private func reaches(_ start: Int, _ link: Link, _ shift: Int) -> Bool {
    let limit = stated > 0 ? stated : 64 * (slots.count + 64)
    var slot = link.page - 1 + shift
    var isReached = false
    let length = max(1, link.length)
    for index in 1...min(length, Self.longest) where slot >= 0 && slot < whole {
      if slot >= start { isReached = true }
      let next = slots[slot].next
      if index == length || slots[slot].isTree || next == 0 || next > limit { return isReached }
      slot = next - 1 + shift
    }
    return false
  }

  /// The first of the last slots in which pages may as well have this shift, since bytes may be missing in
  /// front of them and not behind: links lead to them then, or pages in their places, all of those links
  /// hold, and no more hold with the shift of the run.
  private func likelyTail(_ shift: Int, of run: Run, _ placed: Set<Int>) -> Int {
    var (start, led, own) = (0, [Int](), [Int]())
    for link in links {
      let isPlaced = placed.isEmpty || placed.contains(link.from)
      // Where a page above was lost, those below lead to theirs as before: by chance none just so.
      let fit = fit(link, run.shift)
      if fit == .exactly || (isPlaced && fit == .well) { own.append(link.page - 1 + run.shift) }
      guard isPlaced else { continue }
      let slot = link.page - 1 + shift
      if slots.indices.contains(slot) {
        if isHeld(link, shift) { led.append(slot) } else { start = max(start, slot + 1) }
      }
      var page = link.page
      for _ in 1..<min(max(1, link.length), Self.longest) {
        guard page > 0, page <= slots.count, !slots[page - 1].isTree else { break }
        page = slots[page - 1].next
        if page > slots.count, slots.indices.contains(page - 1 + shift) {
          led.append(page - 1 + shift)
        }
      }
    }
    let tail = led.filter { $0 >= start }
    guard let first = tail.min(), own.count(where: { $0 >= first }) <= tail.count else {
      return slots.count
    }
    return first
  }

  /// The slots of a piece: the first one, and the first one behind it.
  private func slots(of piece: Int) -> (start: Int, end: Int) {
    (starts[piece], piece + 1 < starts.count ? starts[piece + 1] : slots.count)
  }

  /// The runs of the slots that links lead to, in the order of the file and of their numbers. A piece to
  /// which none leads has one of no slots that links lead to, with the numbers that it has.
  private func runs(_ known: [Known]) -> [Run] {
    var found: [Run] = []
    var next = 0
    for index in grid.pieces.indices {
      let (start, end) = slots(of: index)
      var inPiece: [Run] = []
      if hasHeader, start == 0, end > 0 {
        inPiece.append(Run(piece: index, slots: 0...0, shift: 0, count: 3, sure: 0...0))
      }
      while next < known.count, known[next].slot < end {
        let page = known[next]
        next += 1
        guard let shift = page.shift else { continue }
        let slots = page.slot...page.slot
        let run = Run(
          piece: index, slots: slots, shift: shift, count: 1, sure: page.isStrong ? slots : nil)
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

  /// The links that lead to these slots with this shift.
  private func links(to slots: ClosedRange<Int>, _ shift: Int) -> ArraySlice<Link> {
    func first(_ page: Int) -> Int {
      var (low, high) = (0, links.count)
      while low < high {
        let middle = (low + high) / 2
        if links[middle].page < page { low = middle + 1 } else { high = middle }
      }
      return low
    }
    let (start, end) = (first(slots.lowerBound + 1 - shift), first(slots.upperBound + 2 - shift))
    return links[start..<max(start, end)]
  }

  /// Whether links to these slots hold with no other shift nearly as often.
  private func isUnequivocal(_ slots: ClosedRange<Int>, _ shift: Int) -> Bool {
    let all = links(to: slots, shift)
    let own = all.filter { holds($0, shift) }
    guard own.count * 10 >= all.count * 7 else { return false }
    // What is left over must be more than chance gives.
    return shifts.allSatisfy { other in
      let left = own.count { !holds($0, other) }
      let strong = own.count { $0.isStrong && !holds($0, other) }
      return other == shift || strong > 2 || (left > 4 && left * left > 4 * own.count)
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
}
