import Disk
import LosslessJSON
import SystemPackage

/// Where in a file the pages of a database lie. Bytes glued in front of a damaged one, put in or lost
/// within it leave all pages behind them off the places that their numbers give.
struct PageGrid {
  /// Pages one behind the other.
  struct Piece: Equatable {
    /// The number of the first one.
    var first: Int
    /// Where that starts.
    var offset: Int
    /// Where the last one ends: the file, or what was lost of it, may begin within it.
    var end: Int
    /// Whether bytes may have been lost or put in within the last one.
    var isTorn = false
  }

  let pageSize: Int
  /// Bytes of each that may hold cells; nil where that is not known.
  let usable: Int?
  /// In the order of the file, and of their numbers. What lies between them is of no page.
  private(set) var pieces: [Piece]

  /// A file that nothing was put into and nothing was lost of.
  init(size: Int, pageSize: Int) {
    self.pageSize = pageSize
    usable = nil
    pieces = [Piece(first: 1, offset: 0, end: size)]
  }

  /// The same file with these pages, in the order of their numbers.
  func renumbered(_ pieces: [Piece]) -> PageGrid {
    var grid = self
    grid.pieces = pieces.filter { $0.end > $0.offset }
    return grid
  }

  /// The numbers of the pages of a piece.
  func numbers(_ piece: Piece) -> Range<Int> {
    piece.first..<piece.first + (piece.end - piece.offset + pageSize - 1) / pageSize
  }

  /// The greatest number of a page; 0 where there is none.
  var last: Int { pieces.last.map { numbers($0).upperBound - 1 } ?? 0 }

  /// Where the page of this number starts; nil where there is none, but for pages behind the last one.
  func offset(of number: Int) -> Int? {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle].first <= number { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let piece = pieces[low - 1]
    let start = piece.offset + (number - piece.first) * pageSize
    return low == pieces.count || start < piece.end ? start : nil
  }

  /// The numbers of the pages in which bytes may have been lost or put in.
  var torn: Set<Int> {
    Set(pieces.lazy.filter(\.isTorn).map { numbers($0).upperBound - 1 })
  }
}

/// Finding pages that are not where they should be, by what they hold.
extension PageGrid {
  /// - Parameter usable: bytes of a page that may hold cells; nil where the header does not say.
  /// - Parameter start: where the page of the number `first` starts.
  /// - Parameter stated: pages that there should be by the header; 0 where that is not known.
  init(
    aligning file: borrowing InputFile, size: Int, pageSize: Int, usable: Int?, start: Int,
    first: Int, stated: Int
  ) throws {
    self.pageSize = pageSize
    self.usable = try usable ?? Self.usable(file, size, pageSize, start)
    pieces = [Piece(first: first, offset: start, end: size)]
    /// Places that looked like pages off the grid and were none: many of them are noise.
    var deceptions = 0
    var at = start + (first == 1 ? pageSize : 0)
    // Where the pages end that are known by what they hold.
    var known = at
    while at + pageSize <= size {
      if try isPage(file, at, size) {
        at += pageSize
        known = at
        continue
      }
      let found = deceptions < 1000 ? try strayPage(file, around: at, size, &deceptions) : nil
      guard let found else {
        at += pageSize
        continue
      }
      try turn(to: found, file, size: size, known: known, stated: stated)
      (at, known) = (found + pageSize, found + pageSize)
    }
  }

  /// Ends the last piece and begins one with a page that was found off its grid.
  private mutating func turn(
    to found: Int, _ file: borrowing InputFile, size: Int, known: Int, stated: Int
  ) throws {
    var piece = pieces[pieces.count - 1]
    // A page that looks whole up to its end may have lost some of that.
    let least = piece.first + (known - piece.offset) / pageSize
    let shift = (found - piece.offset) % pageSize
    let below = piece.first + (found - piece.offset) / pageSize
    var number = size - found
    if stated > 0, number % pageSize == 0, stated - number / pageSize + 1 >= least {
      // With that number the database ends where its header says.
      number = stated - number / pageSize + 1
    } else if stated > 0 {
      let end = piece.offset + (stated - piece.first + 1) * pageSize
      number = size > end ? below : below + 1
    } else {
      number = shift * 2 <= pageSize ? below : below + 1
    }
    number = max(number, least)
    if found < known {
      piece.end = found
      piece.isTorn = true
      pieces[pieces.count - 1] = piece
      pieces.append(Piece(first: number, offset: found, end: size))
      return
    }
    // Pages on which rows go on lead to each other; the one that is torn does not.
    var end = known
    while end + 2 * pageSize <= found,
      try leadsOn(file, end + pageSize, least + (end - known) / pageSize + 1)
    { end += pageSize }
    piece.end = end
    piece.isTorn = try end == known && end > piece.offset && !isHead(file, end, least)
    let before = numbers(piece).upperBound
    var (start, first) = (found, max(number, before))
    while first > before, start - pageSize >= end,
      try leadsOn(file, start - pageSize, first - 1)
        || (start - 2 * pageSize >= end && leadsOn(file, start - 2 * pageSize, first - 2))
    {
      start -= pageSize
      first -= 1
    }
    pieces[pieces.count - 1] = piece
    pieces.append(Piece(first: first, offset: start, end: size))
  }

  /// Whether a page of this number may begin here.
  private func isHead(_ file: borrowing InputFile, _ at: Int, _ number: Int) throws -> Bool {
    var head = ByteBuffer()
    guard try file.read(at: at, into: &head, atMost: 16) == 16 else { return false }
    return try PageFile.mayBePage(head.span, 0, pageSize) || leadsOn(file, at, number)
  }

  /// Whether the page of this number is one that rows go on in, and the next one is where they do then.
  private func leadsOn(_ file: borrowing InputFile, _ at: Int, _ number: Int) throws -> Bool {
    var head = ByteBuffer()
    guard try file.read(at: at, into: &head, atMost: 4) == 4 else { return false }
    return Bytes.number(head.span, 0, 4) == number + 1
  }

  /// How many bytes of each page may hold cells, by most of them.
  private static func usable(
    _ file: borrowing InputFile, _ size: Int, _ pageSize: Int, _ start: Int
  ) throws -> Int? {
    var counts: [Int: Int] = [:]
    for at in stride(from: start, to: size, by: max(1, size / pageSize / 400) * pageSize) {
      var page = ByteBuffer()
      _ = try file.read(at: at, into: &page, atMost: pageSize)
      if let usable = PageFile.usable(of: page.span, pageSize, fileSize: size) {
        counts[usable, default: 0] += 1
      }
    }
    return counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
  }

  private func isPage(_ file: borrowing InputFile, _ at: Int, _ size: Int) throws -> Bool {
    var page = ByteBuffer()
    _ = try file.read(at: at, into: &page, atMost: pageSize)
    return PageFile.isPage(page.span, pageSize, usable: usable, fileSize: size)
  }

  /// Where a page starts less than a page before or behind a place of the grid; nil where none does, or
  /// those behind it lie on the grid.
  private func strayPage(
    _ file: borrowing InputFile, around at: Int, _ size: Int, _ deceptions: inout Int
  ) throws -> Int? {
    var bytes = ByteBuffer()
    let first = max((pieces.last?.offset ?? 0) + 1, at - pageSize + 1)
    _ = try file.read(at: first, into: &bytes, atMost: at - first + 2 * pageSize - 1)
    let text = bytes.span
    for start in first..<at + pageSize where start != at && start - first + pageSize <= text.count {
      guard PageFile.mayBePage(text, start - first, pageSize) else { continue }
      let page = text.extracting(start - first..<start - first + pageSize)
      guard PageFile.isPage(page, pageSize, usable: usable, fileSize: size) else { continue }
      // The nearest pages tell, where there are some: farther on the grid may be in its place again.
      var (here, there) = (try count(file, at, size, of: 16), try count(file, start, size, of: 16))
      if max(here, there) < 2 {
        (here, there) = (try count(file, at, size, of: 64), try count(file, start, size, of: 64))
      }
      // The last page has none behind it that would tell, but the end of the file.
      if there > here, there > 1 || start + pageSize == size { return start }
      deceptions += 1
    }
    return nil
  }

  /// How many of so many pages from here on look like pages of trees.
  private func count(
    _ file: borrowing InputFile, _ start: Int, _ size: Int, of pages: Int
  ) throws -> Int {
    var count = 0
    for at in stride(from: start, to: min(start + pages * pageSize, size), by: pageSize)
    where try isPage(file, at, size) { count += 1 }
    return count
  }
}
