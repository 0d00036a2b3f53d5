/// Which pages are in use.
extension PageLinks {
  /// The pages of trees that are in use, as far as that shows: those of the tree that has the most, and of
  /// others that have not some of the same ids. A page that is no longer used keeps its links.
  func placed(_ known: [Known]) -> Set<Int> {
    /// The slots of pages of trees, by their numbers.
    var places: [Int: Int] = [:]
    for page in known where slots[page.slot].isTree {
      if let shift = page.shift { places[page.slot + 1 - shift] = page.slot }
    }
    var parents: [Int: Int] = [:]
    for link in links where link.ids != nil {
      if let slot = places[link.page], holds(link, slot + 1 - link.page) {
        parents[slot] = link.from
      }
    }
    var trees: [Int: [Int]] = [:]
    for page in known where slots[page.slot].isTree {
      var root = page.slot
      // No tree is as high.
      for _ in 0..<20 { root = parents[root] ?? root }
      trees[root, default: [root]].append(page.slot)
    }
    if trees.isEmpty { return loneLeaves() }
    var found: Set<Int> = []
    var taken: [(isIndex: Bool, ids: ClosedRange<Int>)] = []
    let most = trees.values.map(\.count).max() ?? 0
    for (root, pages) in trees.sorted(by: { ($1.value.count, $0.key) < ($0.value.count, $1.key) }) {
      let ids = pages.compactMap { slots[$0].ids }
      guard let first = ids.map(\.lowerBound).min(), let last = ids.map(\.upperBound).max() else {
        continue
      }
      let isIndex = slots[root].isIndex
      if pages.count * 2 < most,
        taken.contains(where: { $0.isIndex == isIndex && $0.ids.overlaps(first...last) })
      {
        continue
      }
      taken.append((isIndex, first...last))
      found.formUnion(pages)
    }
    return found
  }

  /// The pages of trees that have no ids which another one has: where no page leads to others, that is all
  /// that tells of them.
  private func loneLeaves() -> Set<Int> {
    let leaves = slots.indices.compactMap { slot in slots[slot].ids.map { (ids: $0, slot: slot) } }
      .sorted { $0.ids.lowerBound < $1.ids.lowerBound }
    var found: Set<Int> = []
    var last = Int.min
    for (index, leaf) in leaves.enumerated() {
      let isBehind = index == 0 || last < leaf.ids.lowerBound
      let next = index + 1 < leaves.count ? leaves[index + 1].ids.lowerBound : .max
      if isBehind, leaf.ids.upperBound < next { found.insert(leaf.slot) }
      last = max(last, leaf.ids.upperBound)
    }
    return found
  }
}
