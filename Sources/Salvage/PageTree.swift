import LosslessJSON

/// The pages of one tree of a database, as far as its interior pages can be read.
struct PageTree {
  /// Pages with rows: leaves of a table, all pages of an index. In order of their keys.
  private(set) var pages: [Int] = []
  /// Interior pages of a table.
  private(set) var interior: [Int] = []
  /// Row ids whose pages nothing leads to any more.
  private(set) var gaps: [ClosedRange<Int>] = []
  /// Whether pages of it that lead to others cannot be read.
  private(set) var isBroken = false
  /// Whether any page of it cannot be read.
  private(set) var lacksPages = false
  /// Pages that must be leaves of it and do not look like any, with the row ids that they may have.
  private(set) var damaged: [(page: Int, range: ClosedRange<Int>)] = []
  /// The row ids that a page of a table may have, as what leads to it says.
  private(set) var ranges: [Int: ClosedRange<Int>] = [:]

  /// - Parameter isTaken: whether a page is not looked at: another tree's, or a free one.
  init(_ cells: PageCells, root: Int, isTaken: (Int) -> Bool) throws {
    var stack: [(page: Int, range: ClosedRange<Int>)] = [(root, Int.min...Int.max)]
    var own: Set<Int> = []
    func seen(_ number: Int) -> Bool { own.contains(number) || isTaken(number) }
    while let (number, range) = stack.popLast() {
      guard !seen(number), let (page, kind) = try Self.read(cells, number) else {
        // The root itself: what comes behind it is looked at before it is put here.
        lose(range)
        if number == root, number > 1, number <= cells.file.pageCount, !seen(number) {
          damaged.append((number, range))
        }
        continue
      }
      own.insert(number)
      guard !kind.isLeaf else {
        pages.append(number)
        if kind.isTable { ranges[number] = range }
        continue
      }
      if kind.isTable { interior.append(number) } else { pages.append(number) }
      guard let children = cells.children(page.span, number, kind) else {
        lose(range)
        continue
      }
      var low = range.lowerBound
      var lost: [(page: Int, range: ClosedRange<Int>)] = []
      var areLeaves = false
      var next: [(page: Int, range: ClosedRange<Int>)] = []
      for child in children {
        let high = min(max(low, child.last ?? range.upperBound), range.upperBound)
        let below = low...high
        if high < Int.max { low = max(low, min(high + 1, range.upperBound)) }
        let inner = try Self.look(cells, child.page)
        if let inner, inner.isTable, !kind.isTable {
          // Another page than was meant has its number, and a tree of its own.
          lose(below)
        } else if let inner, !seen(child.page) {
          if inner.isLeaf { areLeaves = true }
          next.append((child.page, below))
        } else if seen(child.page) || Self.leadsNowhere(cells.file, child.page) {
          // The pointer is damaged, not the page: that is somewhere else.
          lose(below)
        } else {
          lost.append((child.page, below))
        }
      }
      // All leaves lie at one depth: beside leaves a page that is lost led nowhere. It may lie behind
      // the end, where parts of archives are put whose place is not known.
      if !areLeaves || cells.file.goesOn { for (_, range) in lost { lose(range) } }
      if areLeaves, kind.isTable {
        damaged += lost.filter { $0.page <= cells.file.pageCount }
      }
      if !lost.isEmpty { lacksPages = true }
      stack += next.reversed()
    }
  }

  /// Whether no page of a tree can have this number, be the file cut off or not.
  private static func leadsNowhere(_ file: PageFile, _ number: Int) -> Bool {
    if number < 1 { return true }
    return file.statedPages > 0 && number > max(file.statedPages, file.pageCount)
  }

  private mutating func lose(_ range: ClosedRange<Int>) {
    isBroken = true
    lacksPages = true
    gaps.append(range)
  }

  private static func look(_ cells: PageCells, _ number: Int) throws -> PageKind? {
    try read(cells, number)?.1
  }

  private static func read(
    _ cells: PageCells, _ number: Int
  ) throws -> (ByteBuffer, PageKind)? {
    // A page that may be another one, by its number, is put where its rows belong.
    guard number > 0, number <= cells.file.pageCount, !cells.file.isTorn(number) else {
      return nil
    }
    let page = try cells.file.page(number)
    return cells.kind(page.span, number).map { (page, $0) }
  }
}
