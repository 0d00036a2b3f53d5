import Testing

/// What is refused, with what code and which words, and that nothing is written then.
@Suite(.scratch) struct RefusalTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var words: [String]
    var status: Int32
    var message: String
    var testDescription: String { words.joined(separator: " ") }

    init(_ words: String, _ status: Int32, _ message: String) {
      self.words = words.split(separator: " ").map(String.init)
      (self.status, self.message) = (status, message)
    }
  }

  static let cases = [
    Case("query none.db SELECT", 10, "none.db: no such file or directory"),
    Case("query m.jsonl SELECT", 13, "m.jsonl: is no database that holdfast migrate wrote"),
    Case("migrate --status --to none.db", 10, "none.db: no such file or directory"),
    Case(
      "migrate bad.jsonl --kind memory-graph --to new", 13,
      "bad.jsonl:1: byte 0: no record of it can be read: the last line is cut off"),
    Case(
      "migrate bad.jsonl --kind memory-graph --to new --skip-damaged", 13,
      "nothing was written; salvage recovers what is left"),
    Case("migrate empty --kind memory-graph --to new", 13, "empty: holds no records; nothing was"),
    Case("export two.db --to new --store zzz", 10, "two.db: holds no store called zzz"),
    Case("export m.jsonl --to new --store zzz", 64, "m.jsonl: is no database of several stores"),
    Case("export two.db --to new --as csv --context a", 64, "the tables of a database hold all"),
    Case("restore two.db --to new", 64, "two.db: holds stores of several kinds; say with --as"),
    Case("restore m.jsonl --to new", 10, "is a store of the kind memory-graph, not a backup"),
    Case("restore nothing --to new", 10, "nothing: is no backup; name an archive that holdfast"),
    Case("merge m.jsonl x.json --to new --as wood", 64, "there is no kind of store called wood"),
    Case(
      "merge empty empty --kind memory-graph --to new", 13,
      "empty: there is no record in any of the stores"),
    Case(
      "merge two.db two.db --to new", 13,
      "there is no kind of store that holds all of it; merge stores of one kind; migrate"),
    Case("inspect loop", 1, "loop: cannot look at: too many levels of symbolic links"),
    Case("move fifo --select entity:a --into w", 13, "pipe: is neither a file nor a directory"),
    Case("move list.json --select entity:a --into w", 13, "does not have its records a line each"),
    Case("replay two.db --to new", 13, "two.db: is no log of one record a line"),
    Case(
      "salvage x.json --with two.db --to new", 13,
      "two.db: is a sqlite, and the store holds json; name a backup of this store with --with"),
    Case("replay fifo --to new", 13, "fifo: is no log of one record a line"),
  ]

  private static let a = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#

  @Test(arguments: cases) func refused(_ test: Case) throws {
    let scratch = try Scratch.here()
    try scratch.write(Self.a + "\n", to: "m.jsonl")
    try scratch.write("[\(Self.a)]", to: "list.json")
    try scratch.write("{\"a\":1}", to: "x.json")
    try scratch.write(#"{"type":"entity","na"#, to: "bad.jsonl")
    try scratch.write("", to: "nothing")
    try scratch.write("", to: "empty/charts.jsonl")
    try scratch.write(Self.a + "\n", to: "fifo/charts.jsonl")
    try scratch.tool("mkfifo", scratch.file("fifo/pipe"))
    try scratch.tool("ln", "-s", "loop", scratch.file("loop"))
    let setting = Child.Setting(directory: scratch.path)
    if test.words.contains("two.db") {
      try scratch.holdfast(
        exit: 0, "migrate", "m.jsonl", "x.json", "--to", "two.db", with: setting)
    }
    let list = ["find", scratch.path, "-mindepth", "1", "-path", "*/.captured", "-prune", "-o"]
    let before = try scratch.run(list + ["-printf", "%p %y %s %T@\\n"]).lines.sorted()
    let outcome = try scratch.run([Binary.path] + test.words, setting)
    #expect(outcome.status == test.status && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.messages.count == 1 && outcome.message.contains(test.message), "\(outcome)")
    let after = try scratch.run(list + ["-printf", "%p %y %s %T@\\n"]).lines.sorted()
    #expect(after == before && after.count > 8)
  }
}
