import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Looks for words in a store: by the index of a database, else by reading it.
package struct Search {
  /// A record that has all the words.
  package struct Hit: Sendable {
    package var kind: RecordKind
    package var id: String
    package var file: String
    /// From 1; nil where lines mean nothing.
    package var line: Int?
    /// Some of its text, around the first word.
    package var excerpt: String
  }

  package var words: [String]
  package var kind: RecordKind?
  package var limit: Int

  /// - Parameter text: words with white space between them.
  package init(_ text: String, kind: RecordKind?, limit: Int) {
    words = text.split { $0.isWhitespace }.map(String.init)
    self.kind = kind
    self.limit = limit
  }

  /// The best first from a database, otherwise in the order of the store; and what could not be read
  /// of it.
  package func run(_ store: OpenedStore, options: ReadOptions) throws -> ([Hit], FindingLog) {
    guard store.format.name == StoreFormat.sqlite.name, store.format.contexts.isEmpty else {
      return try scan(store, options)
    }
    return try DatabaseReading(store.tree, inPlace: true).use { connection in
      guard try StoreDatabase.steps(connection).count >= 4 else {
        return try scan(store, options)
      }
      return (try look(connection), FindingLog())
    }
  }

  private func look(_ connection: borrowing Connection) throws -> [Hit] {
    let rows = try Statement(
      """
      SELECT r.kind, r.key, f.name, r.line, snippet(search, -1, '', '', '…', 16)
      FROM search
      JOIN records AS r ON r.id = search.rowid
      JOIN files AS f ON f.id = r.file
      WHERE search MATCH ?1 AND (?2 IS NULL OR r.kind = ?2)
      ORDER BY rank, r.id LIMIT ?3
      """, on: connection)
    // Each word is a string of the query language, so that none is taken for an operator.
    let quoted = words.map { word in
      "\"" + word.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        + "\""
    }
    rows.bind(1, text: quoted.joined(separator: " "))
    if let kind { rows.bind(2, text: kind.rawValue) } else { rows.bind(null: 2) }
    rows.bind(3, limit)
    var hits: [Hit] = []
    while try rows.step() {
      guard let kind = RecordKind(rawValue: rows.text(0)) else { continue }
      hits.append(
        Hit(
          kind: kind, id: rows.text(1), file: rows.text(2),
          line: rows.kind(3) == .null ? nil : rows.integer(3), excerpt: rows.text(4)))
    }
    return hits
  }

  private func scan(_ store: OpenedStore, _ options: ReadOptions) throws -> ([Hit], FindingLog) {
    var hits: [Hit] = []
    let wanted = words.map { Array($0.lowercased().utf8) }
    let survey = Survey(rules: false)
    survey.onRecord = { record, _ in
      guard hits.count < limit, kind == nil || record.kind == kind else { return }
      let text = Self.text(of: record)
      let folded = Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
      guard let first = wanted.first.flatMap({ Self.place(of: $0, in: folded) }),
        wanted.dropFirst().allSatisfy({ Self.place(of: $0, in: folded) != nil })
      else { return }
      var id = ByteBuffer()
      record.appendID(to: &id)
      let start = max(0, first - 40)
      let end = min(folded.count, first + 80)
      // Some letters have another length when they are small: then small ones are shown.
      let shown = text.count == folded.count ? text : folded
      let excerpt = String(decoding: shown[start..<end], as: UTF8.self)
      hits.append(
        Hit(
          kind: record.kind, id: String(decoding: id.array, as: UTF8.self),
          file: store.tree.files[record.place.file].name.string,
          line: record.place.line > 0 ? record.place.line : nil,
          excerpt: (start > 0 ? "…" : "") + excerpt + (end < folded.count ? "…" : "")))
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
    return (hits, survey.log)
  }

  /// The strings that a record holds as values, a line feed behind each.
  private static func text(of record: borrowing Record) -> [UInt8] {
    var out = ByteBuffer()
    var open = [0]
    while let token = open.popLast() {
      switch record.text.kind(token) {
      case .string:
        record.text.appendDecoded(token, to: &out)
        out.append(0x0A)
      case .object: open += record.text.children(of: token).reversed().map { $0 + 1 }
      case .array: open += record.text.children(of: token).reversed()
      default: break
      }
    }
    return out.array
  }

  /// Where `word` stands in `text` with no letter or digit on either side.
  private static func place(of word: [UInt8], in text: [UInt8]) -> Int? {
    guard let first = word.first, word.count <= text.count else { return nil }
    func isPart(_ byte: UInt8) -> Bool {
      byte >= 0x80 || (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
    }
    var at = 0
    while at + word.count <= text.count {
      if text[at] == first, text[at..<at + word.count].elementsEqual(word),
        at == 0 || !isPart(text[at - 1]),
        at + word.count == text.count || !isPart(text[at + word.count])
      {
        return at
      }
      at += 1
    }
    return nil
  }
}
