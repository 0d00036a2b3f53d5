import Database
import LosslessJSON
import SystemPackage
import TestSupport
import Testing

/// The full-text index that is built without FTS5 beside that which FTS5 builds.
struct SearchIndexTests {
  /// Words that `unicode61` takes in ways of its own, and what lies between words.
  static let unusual = [
    "é", "naïve", "Straße", "日本語", "😀", "Ä", "a\u{301}b", "\u{301}", "x\u{0}y", "ﬁ", "İ", "ǅ", "٣",
    "Ωμ", "a-b_c", "\"q\"", "A1Z9", "tab\there",
  ]

  static func text(_ random: inout Seeded, _ words: [String], atMost count: Int) -> String {
    (0..<random.below(count + 1)).map { _ in random.pick(words) }
      .joined(separator: random.pick([" ", ", ", "\n"]))
  }

  static func vocabulary(_ random: inout Seeded) -> [String] {
    var words = (0..<random.pick([1, 5, 300])).map { _ in
      String(
        decoding: (0...random.below(12)).map { _ in UInt8(97 + random.below(26)) }, as: UTF8.self)
    }
    if random.chance(2) { words += unusual }
    if random.chance(4) { words.append(String(repeating: "y", count: 100 + random.below(5_000))) }
    if random.chance(16) { words.append(String(repeating: "é", count: 20_000)) }
    return words
  }

  /// One segment is what FTS5 writes for the same documents in one transaction, byte for byte;
  /// of several, FTS5 says that they index each word of the documents and no other.
  @Test(arguments: [false, true])
  func asFTS5(_ inManySegments: Bool) throws {
    let scratch = try Scratch()
    var random = Seeded()
    for round in 0..<4 {
      let comment = Comment("seed \(random.seed), round \(round)")
      let connection = try Connection(scratch.file("\(round).db"), .scratch)
      try connection.execute(
        """
        BEGIN;
        CREATE TABLE documents (id INTEGER PRIMARY KEY, title, body);
        CREATE VIRTUAL TABLE search USING fts5 (
          title, body, content = 'documents', content_rowid = 'id', tokenize = 'unicode61');
        CREATE VIRTUAL TABLE theirs USING fts5 (
          title, body, content = 'documents', content_rowid = 'id', tokenize = 'unicode61');
        INSERT INTO theirs (theirs, rank) VALUES ('automerge', 0);
        INSERT INTO theirs (theirs, rank) VALUES ('hashsize', 1000000000);
        DELETE FROM search_data;
        """)
      var index = try SearchIndex(
        connection, wordLimit: inManySegments ? 50 + random.below(500) : WordList.wordLimit)
      let row = try Statement("INSERT INTO documents VALUES (?, ?, ?)", on: connection)
      let words = Self.vocabulary(&random)
      var number = 0
      for _ in 0..<random.pick([0, 1, 40, 700]) {
        number += 1 + random.below(random.pick([1, 1000]))
        let title = Self.text(&random, words, atMost: 3)
        let body = Self.text(&random, words, atMost: 40)
        row.bind(1, number)
        row.bind(2, text: title)
        row.bind(3, text: body)
        try row.run()
        try index.add(number, title: Array(title.utf8).span, body: Array(body.utf8).span)
      }
      try index.finish()
      try connection.execute(
        """
        INSERT INTO theirs (rowid, title, body) SELECT id, title, body FROM documents;
        COMMIT;
        INSERT INTO search (search, rank) VALUES ('integrity-check', 1);
        """)
      var tables = ["docsize"]
      if !inManySegments { tables += ["idx", "data"] }
      for table in tables {
        // The list of segments, row 10, has another level and the number of the settings.
        let differences = try StoreDatabase.number(
          """
          SELECT count(*) FROM (
            SELECT * FROM (SELECT * FROM search_\(table) EXCEPT SELECT * FROM theirs_\(table))
            UNION ALL
            SELECT * FROM (SELECT * FROM theirs_\(table) EXCEPT SELECT * FROM search_\(table)))
          \(table == "data" ? "WHERE id <> 10" : "")
          """, connection)
        #expect(differences == 0, comment)
      }
    }
  }

  /// A term that fills hundreds of leaves has an index over them, here of more than one page.
  @Test func wordInEveryDocument() throws {
    let scratch = try Scratch()
    let connection = try Connection(scratch.file("x.db"), .scratch)
    try connection.execute(
      """
      BEGIN;
      CREATE VIRTUAL TABLE search USING fts5 (title, body, content = '', tokenize = 'unicode61');
      CREATE VIRTUAL TABLE theirs USING fts5 (title, body, content = '', tokenize = 'unicode61');
      INSERT INTO theirs (theirs, rank) VALUES ('automerge', 0);
      INSERT INTO theirs (theirs, rank) VALUES ('hashsize', 1000000000);
      DELETE FROM search_data;
      """)
    var index = try SearchIndex(connection, wordLimit: .max)
    let row = try Statement(
      "INSERT INTO theirs (rowid, title, body) VALUES (?, 'b', ?)", on: connection)
    for number in 1...700 {
      let document = number << 46
      let body = String(repeating: "a ", count: number == 7 ? 30_000 : 4_500)
      row.bind(1, document)
      row.bind(2, text: body)
      try row.run()
      try index.add(document, title: Array("b".utf8).span, body: Array(body.utf8).span)
    }
    try index.finish()
    try connection.execute("COMMIT")
    #expect(
      try StoreDatabase.number(
        """
        SELECT count(*) FROM (
          SELECT * FROM (SELECT * FROM search_data EXCEPT SELECT * FROM theirs_data)
          UNION ALL SELECT * FROM (SELECT * FROM theirs_data EXCEPT SELECT * FROM search_data))
        WHERE id <> 10
        """, connection) == 0)
  }
}
