import LosslessJSON

/// One segment of an FTS5 index: terms in order, each with the documents that have it and where.
///
/// The form is that of FTS5 with `detail=full`, and of what FTS5 itself would write for the same
/// documents in one transaction, byte for byte (sqlite.org/fts5.html, and the comments at the head
/// of `fts5_index.c`): leaves of `leafSize` bytes, rows of `%_data`; for each leaf that begins a
/// term a row of `%_idx`; and for terms that fill many leaves an index of the documents that these
/// begin with.
struct SearchSegment {
  /// From 1.
  let number: Int
  /// Leaves written so far.
  private(set) var leaves = 0
  private let tables: SearchTables

  private var page = ByteBuffer()
  /// Where in the page each term begins, as differences.
  private var footer = ByteBuffer()
  private var lastStart = 0
  /// The last term, on whatever page.
  private var term = ByteBuffer()
  private var hasTerm = false
  private var hasDocument = true
  private var lastDocument = 0
  /// What `%_idx` will have of the last leaf that begins a term: the shortest key that sorts
  /// behind all terms before it.
  private var key = ByteBuffer()
  private var keyPage = 1
  /// Leaves since then that begin no term.
  private var emptyLeaves = 0
  private var levels = [Level()]

  /// A level of the index over the leaves of one term.
  private struct Level {
    var page = 0
    var bytes = ByteBuffer()
    /// The last document in it; nil where it is empty.
    var last: Int?
  }

  private static let leafSize = 4050
  /// With so many leaves that begin no term, one has an index of its own.
  private static let minimumEmptyLeaves = 4

  init(_ number: Int, _ tables: SearchTables) {
    self.number = number
    self.tables = tables
    beginPage()
  }

  /// The number of the leaf that is being written.
  private var pageNumber: Int { leaves + 1 }

  private mutating func beginPage() {
    page.removeAll()
    footer.removeAll()
    for _ in 0..<4 { page.append(0) }
    lastStart = 0
  }

  /// Writes a number at the head of the page.
  private mutating func setHead(_ offset: Int, _ value: Int) {
    page.replace(at: offset, with: UInt8(truncatingIfNeeded: value >> 8))
    page.replace(at: offset + 1, with: UInt8(truncatingIfNeeded: value))
  }

  /// Begins a term, which must sort behind the one before it.
  mutating func begin(_ bytes: Span<UInt8>) throws(DatabaseError) {
    if page.count + footer.count + bytes.count + 2 >= Self.leafSize, page.count > 4 {
      try flushPage()
    }
    SearchTables.varint(page.count - lastStart, &footer)
    lastStart = page.count
    var shared = 0
    while shared < min(term.count, bytes.count), term[shared] == bytes[shared] { shared += 1 }
    if hasTerm {
      SearchTables.varint(shared, &page)
    } else {
      if pageNumber > 1 {
        try flushKey()
        let length = term.isEmpty ? bytes.count : min(shared + 1, bytes.count)
        key.removeAll()
        key.append(bytes.extracting(first: length))
        keyPage = pageNumber
      }
      shared = 0
    }
    SearchTables.varint(bytes.count - shared, &page)
    page.append(bytes.extracting(shared..<bytes.count))
    term.removeAll()
    term.append(bytes)
    hasTerm = true
    hasDocument = true
    lastDocument = 0
    levels[0].page = pageNumber
  }

  /// Adds a document to the term, behind those that it has.
  /// - Parameter places: where in the document the term is, as FTS5 has it, their size in front.
  mutating func add(_ document: Int, _ places: Span<UInt8>) throws(DatabaseError) {
    if hasDocument {
      SearchTables.varint(document - lastDocument, &page)
    } else {
      setHead(0, page.count)
      SearchTables.varint(document, &page)
      hasDocument = true
      try addToIndex(document)
    }
    lastDocument = document
    if page.count + footer.count + places.count <= Self.leafSize {
      page.append(places)
      return
    }
    var at = 0
    while true {
      let room = Self.leafSize - page.count - footer.count
      var end = places.count
      if end - at > room {
        end = SearchTables.endOfVarint(places, at)
        while true {
          let next = SearchTables.endOfVarint(places, end)
          if next - at > room { break }
          end = next
        }
      }
      page.append(places.extracting(at..<end))
      at = end
      if page.count + footer.count >= Self.leafSize { try flushPage() }
      if at >= places.count { break }
    }
  }

  private mutating func flushPage() throws(DatabaseError) {
    setHead(2, page.count)
    if hasTerm {
      let starts = footer
      page.append(starts.span)
    } else {
      if !hasDocument, !levels[0].bytes.isEmpty { levels[0].bytes.append(0) }
      emptyLeaves += 1
    }
    try tables.write(number, page: pageNumber, page.span)
    leaves += 1
    beginPage()
    hasTerm = false
    hasDocument = false
  }

  /// Notes in the index of the term that the page begins with a document.
  private mutating func addToIndex(_ document: Int) throws(DatabaseError) {
    var height = 0
    var isDone = false
    while !isDone {
      isDone = levels[height].bytes.count < Self.leafSize
      if !isDone { try flushLevel(height) }
      if let last = levels[height].last {
        SearchTables.varint(document - last, &levels[height].bytes)
      } else {
        let below = height == 0 ? pageNumber : levels[height - 1].page
        levels[height].bytes.append(isDone ? 0 : 1)
        SearchTables.varint(below, &levels[height].bytes)
        SearchTables.varint(document, &levels[height].bytes)
      }
      levels[height].last = document
      height += 1
    }
  }

  /// Writes a full page of the index; the level above it gets what the page begins with, where it
  /// was the topmost.
  private mutating func flushLevel(_ height: Int) throws(DatabaseError) {
    levels[height].bytes.replace(at: 0, with: 1)
    let full = levels[height]
    try tables.write(number, level: height, page: full.page, full.bytes.span)
    if height + 1 == levels.count { levels.append(Level()) }
    if levels[height + 1].bytes.isEmpty {
      let bytes = full.bytes.span
      let start = SearchTables.endOfVarint(bytes, 1)
      let first = SearchTables.varint(bytes, start)
      var above = Level()
      above.page = full.page
      above.bytes.append(0)
      SearchTables.varint(full.page, &above.bytes)
      SearchTables.varint(first, &above.bytes)
      above.last = first
      levels[height + 1] = above
    }
    levels[height] = Level()
    levels[height].page = full.page + 1
  }

  /// Writes the row of `%_idx` for the last leaf that begins a term, and the index over those
  /// behind it, where there are enough.
  private mutating func flushKey() throws(DatabaseError) {
    let hasIndex = !levels[0].bytes.isEmpty && emptyLeaves >= Self.minimumEmptyLeaves
    for height in levels.indices {
      if levels[height].bytes.isEmpty { break }
      if hasIndex {
        let level = levels[height]
        try tables.write(number, level: height, page: level.page, level.bytes.span)
      }
      levels[height].bytes.removeAll()
      levels[height].last = nil
    }
    emptyLeaves = 0
    try tables.write(number, key: key.span, page: keyPage, hasIndex: hasIndex)
  }

  mutating func finish() throws(DatabaseError) {
    if page.count > 4 { try flushPage() }
    if leaves > 0 { try flushKey() }
  }
}
