import LosslessJSON

/// How well a page that is named lies where it should.
extension PageLinks {
  /// Whether what is in the slot for a link is what the link says.
  func holds(_ link: Link, _ shift: Int) -> Bool {
    if let ids = link.ids {
      let slot = link.page - 1 + shift
      guard slots.indices.contains(slot), let found = slots[slot].ids,
        slots[slot].isIndex == link.isIndex
      else { return false }
      return ids.contains(found.lowerBound) && ids.contains(found.upperBound)
    }
    guard let last = last(of: link, shift) else { return false }
    return link.length > Self.longest || slots[last].next == 0
  }

  /// The slot of the last page of a row, or of the last one of it that is looked at; nil where a page of
  /// a tree, or none, is among them.
  private func last(of link: Link, _ shift: Int) -> Int? {
    var slot = link.page - 1 + shift
    for index in 1...max(1, min(link.length, Self.longest)) {
      guard slots.indices.contains(slot), !slots[slot].isTree else { return nil }
      if index < min(link.length, Self.longest) {
        guard slots[slot].next > 0 else { return nil }
        slot = slots[slot].next - 1 + shift
      }
    }
    return slot
  }

  /// How a row of which all pages are where a link says ends; nil where one is not, or the row fills the
  /// last one, which tells nothing.
  func end(of link: Link, _ shift: Int) -> Fit? {
    guard link.ids == nil, link.length <= Self.longest, link.rest + 16 <= usable,
      let last = last(of: link, shift), slots[last].next == 0
    else { return nil }
    // A value of eight bytes may end in NULs.
    return (link.rest - 4...link.rest + 4).contains(slots[last].filled) ? .exactly : .loosely
  }

  /// Whether the last page of a row is full. A page that SQLite uses again within one transaction keeps
  /// behind the row what was there before, which most often went to its end.
  func mayBeFilledUp(_ link: Link, _ shift: Int) -> Bool {
    last(of: link, shift).map { slots[$0].filled + 16 > usable } ?? false
  }

  /// With which shift near this one a row ends just where it should; nil where it does with none.
  func near(of link: Link, _ shift: Int) -> Int? {
    [1, -1, 2, -2].map { shift + $0 }.first { end(of: link, $0) == .exactly }
  }

  /// How well what is in the slot for a link is what the link says. How a row ends counts where that
  /// tells something in this file.
  func fit(_ link: Link, _ shift: Int) -> Fit {
    guard holds(link, shift) else { return .not }
    return (endsTell ? end(of: link, shift) : nil) ?? .well
  }

  /// Whether what is in the slot for a link is what the link says, and ends as it should.
  func isHeld(_ link: Link, _ shift: Int) -> Bool {
    let fit = fit(link, shift)
    return fit == .well || fit == .exactly
  }

  /// Whether the page of a link would lie where the file has none: then it says nothing.
  func isBeyond(_ link: Link, _ shift: Int) -> Bool {
    let slot = link.page - 1 + shift
    return slot >= slots.count || (lacksFirst && slot < 0)
  }

  /// Whether a link that does not hold leads to a page that is destroyed: NULs, or noise, which names no
  /// page that there is.
  func leadsToDestroyed(_ link: Link, _ shift: Int) -> Bool {
    let limit = max(stated, slots.count)
    var slot = link.page - 1 + shift
    for _ in 1...max(1, min(link.length, Self.longest)) {
      guard slots.indices.contains(slot), !slots[slot].isTree else { return false }
      if slots[slot].isBlank || slots[slot].next > limit { return true }
      slot = slots[slot].next - 1 + shift
    }
    return false
  }

  /// The slots in which a link that holds has its pages.
  func slots(of link: Link, _ shift: Int) -> [Int] {
    var found = [link.page - 1 + shift]
    while found.count < min(link.length, Self.longest), let last = found.last {
      found.append(slots[last].next - 1 + shift)
    }
    return found
  }

  /// Whether what a link that does not hold leads to may be its page of a tree all the same, and altered:
  /// then its ids begin or end where they should, or are in no order.
  private func isAltered(_ slot: Slot, of link: Link) -> Bool {
    guard let ids = link.ids, slot.isIndex == link.isIndex else { return false }
    guard let found = slot.ids else { return true }
    return ids.contains(found.lowerBound) || ids.contains(found.upperBound)
  }

  /// Whether a link that does not hold leads to a page of another tree, or of another row. One that is
  /// blank, or noise, is none.
  func leadsToOthers(_ link: Link, _ shift: Int) -> Bool {
    // Keys may be in descending order: where one end is open, which one that is does not show.
    if link.isIndex, !link.isStrong { return false }
    let limit = max(stated, slots.count)
    var slot = link.page - 1 + shift
    for index in 1...max(1, min(link.length, Self.longest)) {
      guard slots.indices.contains(slot) else { return false }
      if slots[slot].isTree { return !isAltered(slots[slot], of: link) }
      if slots[slot].isBlank || slots[slot].next > limit { return false }
      if link.ids != nil || index == link.length || slots[slot].next == 0 { return true }
      slot = slots[slot].next - 1 + shift
    }
    return false
  }
}
