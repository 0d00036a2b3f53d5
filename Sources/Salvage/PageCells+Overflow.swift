import LosslessJSON

/// Rows that go on in other pages (sqlite.org/fileformat2.html, 1.6).
extension PageCells {
  /// The first page on which the payload of the cell at `at` goes on, where its head agrees with its
  /// size; nil where it does not go on.
  func overflowPage(_ page: Span<UInt8>, _ at: Int, _ kind: PageKind) -> Int? {
    guard let size = Bytes.varint(page, at), size.value >= 1, size.value < 1 << 31 else {
      return nil
    }
    guard let start = kind.isTable ? Bytes.varint(page, size.end)?.end : size.end else {
      return nil
    }
    let local = Self.localSize(size.value, inTable: kind.isTable, usable: file.usable)
    guard local < size.value, start + local + 4 <= page.count,
      Self.isHead(page.extracting(start..<start + local), of: size.value)
    else { return nil }
    return Bytes.number(page, start + local, 4)
  }

  /// Adds what overflow pages hold of a payload; whether others have those too, or may have. Nil where
  /// the chain breaks, and for every chain once so many have led through the same pages that it is no
  /// database that has this.
  func follow(
    _ first: Int, _ out: inout ByteBuffer, _ size: Int, from number: Int
  ) throws -> Bool? {
    let usable = file.usable
    guard (size - out.count) / (usable - 4) < file.pageCount else { return nil }
    var next = first
    var seen: Set<Int> = []
    var isShared = false
    while out.count < size {
      guard next > 0, next <= file.pageCount, seen.insert(next).inserted,
        !treePages.contains(next), followed < 64 * file.pageCount + 10_000
      else { return nil }
      followed += 1
      if isClaimed(next, from: number) { isShared = true }
      let more = try file.page(next)
      let end = 4 + min(usable - 4, size - out.count)
      guard more.count == file.pageSize, end <= file.limit(next) else { return nil }
      next = Bytes.number(more.span, 0, 4)
      out.append(more.span.extracting(4..<end))
      if out.count == size, end + 16 <= usable, !endsWell(more.span, at: end) { isShared = true }
    }
    guard next == 0 else { return nil }
    overflow.formUnion(seen)
    return isShared
  }

  /// Whether a row may well end at `end` of its last page, by what lies behind it. SQLite clears a page
  /// that it takes, unless the same transaction freed it (pager.c, getPageNormal).
  private func endsWell(_ page: Span<UInt8>, at end: Int) -> Bool {
    let isExact = (end..<file.usable).allSatisfy { page[$0] == 0 }
    if isExact { ends.exact += 1 } else { ends.others += 1 }
    return isExact || !isAlone || ends.exact < ends.others
  }
}
