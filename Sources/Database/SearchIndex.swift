import LosslessJSON

/// Builds the tables of an FTS5 index of a title and a body, without FTS5: words are gathered and
/// sorted a few million at a time, and each such list becomes a segment.
///
/// The same documents in the same order give the same rows. What FTS5 makes of them is the same
/// index: `INSERT INTO search (search, rank) VALUES ('integrity-check', 1)` compares every word.
package struct SearchIndex {
  private let tables: SearchTables
  private var list: WordList
  private var leaves: [Int] = []
  private var (documents, titleWords, bodyWords) = (0, 0, 0)

  /// Begins in a database with an index `search` whose table `search_data` has been emptied.
  /// - Parameter wordLimit: words in one segment, about.
  package init(
    _ connection: borrowing Connection, wordLimit: Int = WordList.wordLimit
  ) throws(DatabaseError) {
    tables = try SearchTables(connection)
    list = WordList(try WordTokenizer(connection), wordLimit: wordLimit)
  }

  /// Adds a document; no number comes twice.
  package mutating func add(
    _ document: Int, title: Span<UInt8>, body: Span<UInt8>
  ) throws(DatabaseError) {
    // In a segment, documents go up.
    if let last = list.documents.last, document <= last.number || list.isFull {
      try writeSegment()
    }
    let size = try list.add(document, title: title, body: body)
    try tables.write(sizes: size.title, size.body, of: document)
    documents += 1
    titleWords += size.title
    bodyWords += size.body
  }

  package mutating func finish() throws(DatabaseError) {
    try writeSegment()
    try tables.write(documents: documents, title: titleWords, body: bodyWords, leaves: leaves)
  }

  private mutating func writeSegment() throws(DatabaseError) {
    if !list.words.isEmpty {
      var segment = SearchSegment(leaves.count + 1, tables)
      try SearchIndex.write(list, to: &segment)
      leaves.append(segment.leaves)
    }
    list.removeAll()
  }

  /// In front of the terms of an index without prefixes.
  private static let mainPrefix: UInt8 = 0x30
  /// In front of the places in another column than the first.
  private static let column: UInt8 = 1
  /// What FTS5 adds to the distance between two places.
  private static let gap = 2

  /// Where a word is: the document's position in the list in the upper half, and in the lower one
  /// its place in the column, the highest bit set for the body.
  private static let bodyBit: UInt64 = 1 << 31

  private static func write(_ list: WordList, to segment: inout SearchSegment)
    throws(DatabaseError)
  {
    let order = list.sorted()
    var next = [Int](repeating: 0, count: list.count)
    for word in list.words { next[Int(word)] += 1 }
    var start = 0
    for word in order { (next[word], start) = (start, start + next[word]) }
    let found = places(list, &next)
    var term = ByteBuffer()
    var (places, sized) = (ByteBuffer(), ByteBuffer())
    var at = 0
    for word in order {
      term.removeAll()
      term.append(mainPrefix)
      term.append(list[word])
      try segment.begin(term.span)
      // Having been filled, each now ends where the next one begins.
      let end = next[word]
      while at < end {
        let document = Int(found[at] >> 32)
        var (last, inBody) = (0, false)
        places.removeAll()
        while at < end, Int(found[at] >> 32) == document {
          let place = found[at]
          if place & bodyBit != 0, !inBody {
            places.append(column)
            places.append(1)
            (last, inBody) = (0, true)
          }
          let position = Int(place & (bodyBit - 1))
          SearchTables.varint(position - last + gap, &places)
          last = position
          at += 1
        }
        sized.removeAll()
        SearchTables.varint(places.count * 2, &sized)
        let bytes = places
        sized.append(bytes.span)
        try segment.add(list.documents[document].number, sized.span)
      }
    }
    try segment.finish()
  }

  /// The places of all words, those of one together, in the order of the documents.
  /// - Parameter next: where those of each word begin; then where they end.
  private static func places(_ list: WordList, _ next: inout [Int]) -> [UInt64] {
    var found = [UInt64](repeating: 0, count: list.words.count)
    for index in list.documents.indices {
      let document = list.documents[index]
      let end =
        index + 1 < list.documents.count ? list.documents[index + 1].start : list.words.count
      for at in document.start..<end {
        let word = Int(list.words[at])
        let place =
          at < document.body
          ? UInt64(at - document.start) : UInt64(at - document.body) | bodyBit
        found[next[word]] = UInt64(index) << 32 | place
        next[word] += 1
      }
    }
    return found
  }
}
