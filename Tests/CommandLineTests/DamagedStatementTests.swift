import Testing

/// A database with one letter of its schema altered: SQLite may find nothing wrong with it, and its
/// owner finds a table or a column missing.
@Suite(.scratch) struct DamagedStatementTests {
  struct Letter: CustomTestStringConvertible {
    var statement: String
    /// The word of the statement that it is in.
    var word: String
    var testDescription: String { "\(word) of \(statement)" }
  }

  private static let alter = """
    import sys
    path, statement, word = sys.argv[1:]
    data = bytearray(open(path, 'rb').read())
    start = data.index(statement.encode())
    at = data.index(word.encode(), start)
    data[at + 1] ^= 2
    open(path, 'wb').write(data)
    """

  @Test(arguments: [
    Letter(statement: "CREATE TABLE records", word: "CREATE"),
    Letter(statement: "CREATE TABLE records", word: "records"),
    Letter(statement: "CREATE TABLE records", word: "line  "),
    Letter(statement: "CREATE TABLE records", word: "INTEGER"),
    Letter(statement: "CREATE TABLE objects", word: "payload  "),
    Letter(statement: "CREATE TABLE stores", word: "digest  "),
    Letter(statement: "CREATE TABLE files", word: "context  "),
  ])
  func ofAMigratedDatabase(_ letter: Letter) throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(120), last: "\n"), to: "memory.jsonl")
    let database = scratch.file("kept.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database)
    let digest = try scratch.digest(database)
    try scratch.python(Self.alter, database, letter.statement, letter.word)
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", database, "--to", out, "--deleted")
    #expect(try scratch.digest(out + "/recovered/kept.db") == digest)
    #expect(try scratch.json("inspect", out + "/recovered/kept.db")["kind"]?.text == "sqlite")
  }

  @Test(arguments: ["CREATE", "runs", "plan_id", "created_at"])
  func ofARunHistory(_ word: String) throws {
    let scratch = try Scratch.here()
    let database = scratch.file("runs.db")
    try scratch.python(SalvageDatabaseTests.make, database)
    let digest = try scratch.digest(database)
    try scratch.python(Self.alter, database, "CREATE TABLE runs", word)
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", database, "--to", out)
    #expect(try scratch.digest(out + "/recovered/runs.db") == digest)
  }
}
