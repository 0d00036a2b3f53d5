import Disk
import LosslessJSON
import SystemPackage

/// How long the pages of a database are, by what they hold.
extension PageFile {
  /// - Parameter hint: what the header names, if anything. An intact one is believed unless all pages
  ///   say otherwise, another where as good as half as many do as with the likeliest size.
  static func inferSize(
    _ file: borrowing InputFile, _ size: Int, hint: Int?, isIntact: Bool
  ) throws -> Int {
    let found = try likelySize(file, size, from: 1)
    guard let hint else { return found.size ?? 4096 }
    let named = found.scores[hint] ?? 0
    return found.size == nil || named * 2 >= found.score || (isIntact && named > 0)
      ? hint : found.size ?? hint
  }

  /// Where the first page starts in a part of a database; nil where there is none. Content of
  /// archives starts at a block of 512 bytes.
  static func firstPage(_ path: FilePath) throws -> Int? {
    let file = try InputFile(opening: path)
    let size = try file.facts().size
    var best: (start: Int?, score: Int) = (nil, 0)
    for start in stride(from: 0, to: min(65536, size), by: 512) {
      let score = try likelySize(file, size, from: 0, start: start).score
      if score > best.score { best = (start, score) }
      if best.score > 6000 { break }
    }
    return best.start
  }

  /// Where the header of a database lies that has other bytes in front of it; nil where there is none.
  static func displacedHeader(_ file: borrowing InputFile) throws -> Int? {
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 65536 + 100)
    let text = head.span
    let size = try file.facts().size
    var best: (start: Int?, score: Int) = (nil, try likelySize(file, size, from: 1).score)
    for start in 0..<text.count
    where start > 0 && start + 100 <= text.count && text[start] == 0x53
      && TextBytes.starts(text.extracting(start...), "SQLite format 3\0")
    {
      let header = text.extracting(start..<start + 100)
      guard let pageSize = namedSize(header), header[21] == 64, header[22] == 32, header[23] == 32
      else { continue }
      // A database may hold another one: then pages lie on the grid of the file.
      let score = try likelySize(file, size, from: 1, start: start).scores[pageSize] ?? 0
      if best.start == nil ? score >= best.score : score > best.score { best = (start, score) }
    }
    return best.start
  }

  /// Where the second page starts, and how long pages are, in a database without a header that has lost
  /// a part of the first one; nil where its pages lie where they should.
  static func displacedPages(_ file: borrowing InputFile, _ size: Int) throws
    -> (start: Int, pageSize: Int)?
  {
    var floor = try likelySize(file, size, from: 1).score
    var best: (start: Int, pageSize: Int)?
    for start in stride(from: 512, to: min(65536, size), by: 512) where floor < 6000 {
      let found = try likelySize(file, size, from: 0, start: start)
      guard let pageSize = found.size, found.score > floor else { continue }
      floor = found.score
      best = (start, pageSize)
    }
    return best
  }

  /// Whether it is a page of a tree, by where its cells end, in a file of this size.
  /// - Parameter usable: bytes of a page that may hold cells; nil where that is not known.
  static func isPage(_ page: Span<UInt8>, _ pageSize: Int, usable: Int?, fileSize: Int) -> Bool {
    let limit = 64 * (fileSize / pageSize + 64)
    return filled(page, pageSize, limit, usable: usable) != nil
      && !isSmaller(page, pageSize, limit)
  }

  /// How many bytes of a page of a tree may hold cells, by where its own end; nil where it is none.
  static func usable(of page: Span<UInt8>, _ pageSize: Int, fileSize: Int) -> Int? {
    let limit = 64 * (fileSize / pageSize + 64)
    let usable = filled(page, pageSize, limit)
    return usable == nil || isSmaller(page, pageSize, limit) ? nil : usable
  }

  /// Whether a page of a tree may start here, by its first bytes.
  static func mayBePage(_ text: Span<UInt8>, _ at: Int, _ pageSize: Int) -> Bool {
    guard let kind = PageKind(rawValue: text[at]) else { return false }
    let cells = Bytes.number(text, at + 3, 2)
    let pointers = (kind.isLeaf ? 8 : 12) + 2 * cells
    guard cells > 0, pointers <= pageSize else { return false }
    let first = Bytes.number(text, at + (kind.isLeaf ? 8 : 12), 2)
    return first >= pointers && first < pageSize
  }

  /// The size with which most pages look like pages of trees.
  /// - Parameter start: where the first page starts.
  private static func likelySize(
    _ file: borrowing InputFile, _ size: Int, from first: Int, start: Int = 0
  ) throws -> (size: Int?, score: Int, scores: [Int: Int]) {
    var best: (size: Int?, score: Int, scores: [Int: Int]) = (nil, 0, [:])
    for candidate in [4096, 1024, 512, 2048, 8192, 16384, 32768, 65536]
    where start < candidate || first > 0 {
      var (full, looked) = (0, 0)
      // Pages from all over the file: what is left of it may begin with a hole.
      let last = max(first + 1, (size - start) / candidate)
      // What is lost at the end of a file may be many times what is left.
      let limit = 64 * (last + 64)
      for number in stride(from: first, to: last, by: max(1, last / (start > 0 ? 40 : 400))) {
        var page = ByteBuffer()
        _ = try file.read(at: start + number * candidate, into: &page, atMost: candidate)
        if TextBytes.isAll(page.span, 0) { continue }
        looked += 1
        if filled(page.span, candidate, limit) != nil, !isSmaller(page.span, candidate, limit) {
          full += 1
        }
      }
      // One page may look like a leaf by chance, most of them do not.
      let score = 1000 * full / max(1, looked) * min(full, 8)
      best.scores[candidate] = score
      if score > best.score { (best.size, best.score) = (candidate, score) }
    }
    return best
  }

  /// Whether it is a page that fills less: a row that goes on in the page behind its own ends where it
  /// would on a page as long as both, but for the two numbers of pages in between.
  private static func isSmaller(_ page: Span<UInt8>, _ size: Int, _ pages: Int) -> Bool {
    var part = size / 2
    while part >= 512 {
      if filled(page.extracting(0..<part), part, pages) != nil { return true }
      part /= 2
    }
    return false
  }

  /// Where the bytes begin that are kept free on each page, if the cells of a page of a tree, or its last
  /// free block, end there, and none of them beyond that.
  /// - Parameter pages: the greatest number that a page may have.
  /// - Parameter usable: where those bytes begin; nil where that is not known.
  private static func filled(
    _ page: Span<UInt8>, _ size: Int, _ pages: Int, usable: Int? = nil
  ) -> Int? {
    guard page.count == size, let kind = PageKind(rawValue: page[0]) else { return nil }
    let cells = Bytes.number(page, 3, 2)
    let pointers = kind.isLeaf ? 8 : 12
    guard cells > 0, pointers + 2 * cells <= size else { return nil }
    let places = (0..<cells).map { Bytes.number(page, pointers + 2 * $0, 2) }
    // Cells lie behind what points at them; in text there is no such order.
    guard let last = places.max(), places.allSatisfy({ $0 >= pointers + 2 * cells && $0 < size })
    else { return nil }
    var block = Bytes.number(page, 1, 2)
    var freeEnd = 0
    while block >= freeEnd, block >= pointers + 2 * cells, block + 4 <= size {
      // Each block has its own head, and the next one lies behind it.
      freeEnd = block + max(4, Bytes.number(page, block + 2, 2))
      block = Bytes.number(page, block, 2)
    }
    let ends = usable.map { $0...$0 } ?? max(480, size - 255)...size
    // Up to three bytes between cells are fragments, and so they may be behind the last one
    // (sqlite.org/fileformat2.html, 1.6).
    let fragments = min(3, Int(page[7]))
    let usable = ends.reversed().first { usable in
      let least = usable == ends.upperBound ? usable - fragments : usable
      return (least...usable).contains(cellEnd(page, last, kind, usable, pages) ?? 0)
        || (least...usable).contains(freeEnd)
    }
    guard let usable else { return nil }
    return places.allSatisfy { cellEnd(page, $0, kind, usable, pages) != nil } ? usable : nil
  }

  /// Where the cell at `at` ends; nil where it does not end on the page, or goes on in a page that
  /// cannot be.
  private static func cellEnd(
    _ page: Span<UInt8>, _ at: Int, _ kind: PageKind, _ usable: Int, _ pages: Int
  ) -> Int? {
    func isPage(_ place: Int) -> Bool {
      place + 4 <= usable && (1...pages).contains(Bytes.number(page, place, 4))
    }
    let start = kind.isLeaf ? at : at + 4
    guard kind.isLeaf || isPage(at), let size = Bytes.varint(page, start) else { return nil }
    if kind == .interiorTable { return size.end <= usable ? size.end : nil }
    guard size.value >= 1, size.value < 1 << 31,
      let body = kind.isTable ? Bytes.varint(page, size.end)?.end : size.end
    else { return nil }
    let local = PageCells.localSize(size.value, inTable: kind.isTable, usable: usable)
    let end = body + local
    if local == size.value { return max(end, at + 4) <= usable ? max(end, at + 4) : nil }
    return isPage(end) ? end + 4 : nil
  }
}
