import Testing

/// A migrated database, and a backup of one, where a verb works on the store that lies in it: the
/// records stay in the files that they came from, whatever their metadata says.
@Suite(.scratch) struct KeptStoreTests {
  /// A directory of contexts whose records name other contexts than those they lie in.
  private func graph(_ scratch: Scratch) throws -> String {
    func entity(_ name: String, _ context: String) -> String {
      "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[],"
        + "\"metadata\":{\"context\":\"\(context)\",\"updatedAt\":\"2026-01-02\"}}\n"
    }
    let relation = "{\"type\":\"relation\",\"from\":\"b\",\"to\":\"a\",\"relationType\":\"r\"}\n"
    try scratch.write(entity("a", "plates") + relation, to: "s/charts.jsonl")
    try scratch.write(entity("b", "default") + "{\"type\":\"beat\"}\n", to: "s/charts-plates.jsonl")
    try scratch.write(entity("c", "else"), to: "s/completed-charts.jsonl")
    return scratch.file("s")
  }

  /// The graph, and all that it can be given as.
  private func sources(_ scratch: Scratch) throws -> (store: String, others: [String]) {
    let store = try graph(scratch)
    let database = scratch.file("db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", database, "--quiet")
    let archive = try scratch.backUp(database, to: scratch.file("repo"))
    return (store, [database, archive])
  }

  @Test func contextsAreListed() throws {
    let scratch = try Scratch.here()
    let (store, others) = try sources(scratch)
    let shown = try scratch.json("contexts", store)["contexts"]?.elements ?? []
    for source in others {
      let list = try scratch.json("contexts", source)["contexts"]?.elements ?? []
      #expect(list.map { $0["context"]?.text } == ["default", "completed-charts", "plates"])
      #expect(list.map { $0["counts"] } == shown.map { $0["counts"] })
      #expect(list.map { $0["bytes"] } == shown.map { $0["bytes"] })
      #expect(list[1]["changed"]?.text == "2026-01-02T00:00:00Z")
    }
  }

  /// Of a database of several stores of one kind all records are restored, as a store of that kind: a
  /// directory of contexts where one of them was one.
  @Test(arguments: [("a.jsonl b.jsonl", "memory.jsonl"), ("a.jsonl s", "charts.jsonl")])
  func severalStoresOfOneKind(_ stores: String, _ file: String) throws {
    let scratch = try Scratch.here()
    _ = try graph(scratch)
    for (name, id) in [("a", "d"), ("b", "e")] {
      try scratch.write(
        #"{"type":"entity","name":"\#(id)","entityType":"t","observations":[]}"# + "\n",
        to: "\(name).jsonl")
    }
    let setting = Child.Setting(directory: scratch.path)
    let words = ["migrate"] + stores.split(separator: " ").map(String.init) + ["--to", "db", "-q"]
    #expect(try scratch.run([Binary.path] + words, setting).status == 0)
    let told = try scratch.json("restore", scratch.file("db"), "--to", scratch.file("t"))
    #expect(told["digest"]?.text == (try scratch.digest(scratch.file("t"))))
    #expect(told["records"]?.integer == (file == "charts.jsonl" ? 6 : 2), "\(told)")
    #expect(try TestFile.names(scratch.file("t")).contains(file))
  }

  @Test func logsAreReplayed() throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(
      "{\"id\":1,\"v\":1}\n{\"id\":2}\n{\"id\":1,\"v\":2}\n{\"type\":\"delete\",\"id\":2}\n",
      to: "log.jsonl")
    try scratch.holdfast(exit: 0, "migrate", log, "--to", scratch.file("log.db"), "--quiet")
    try scratch.holdfast(exit: 0, "replay", scratch.file("log.db"), "--to", scratch.file("a"), "-q")
    #expect(try TestFile.text(scratch.file("a")) == "{\"id\":1,\"v\":2}\n")
    try scratch.holdfast(
      exit: 0, "replay", scratch.file("log.db"), "--to", scratch.file("b"), "--until-line", "2",
      "-q")
    #expect(try TestFile.text(scratch.file("b")) == "{\"id\":1,\"v\":1}\n{\"id\":2}\n")
    let (store, others) = try sources(scratch)
    for source in others {
      let state = scratch.fresh("state")
      try scratch.holdfast(exit: 0, "replay", source, "--context", "plates", "--to", state, "-q")
      try scratch.tool("cmp", store + "/charts-plates.jsonl", state)
    }
  }

  @Test func mergedIntoTheirContexts() throws {
    let scratch = try Scratch.here()
    let (store, others) = try sources(scratch)
    let more = try scratch.write(
      "{\"type\":\"entity\",\"name\":\"d\",\"entityType\":\"t\",\"observations\":[]}\n",
      to: "more/charts-plates.jsonl")
    let expected = scratch.fresh("m")
    try scratch.holdfast(exit: 0, "merge", store, scratch.file("more"), "--to", expected, "-q")
    #expect(try TestFile.text(expected + "/charts-plates.jsonl").contains(TestFile.text(more)))
    for source in others {
      let merged = scratch.fresh("m")
      try scratch.holdfast(exit: 0, "merge", source, scratch.file("more"), "--to", merged, "-q")
      try scratch.tool("diff", "-r", expected, merged)
    }
  }

  /// Whatever is written as contexts has each record where it was.
  @Test func placedByFile() throws {
    let scratch = try Scratch.here()
    let (store, others) = try sources(scratch)
    for source in others {
      for words in [
        ["export", "--as", "contexts"], ["restore", "--as", "contexts"],
        ["restore", "--select", "entity", "--select", "relation", "--select", "document"],
      ] {
        let target = scratch.fresh("t")
        let outcome = try scratch.run(
          [Binary.path, words[0], source, "--to", target, "--quiet"] + words.dropFirst())
        #expect(outcome.status == 0, "\(outcome)")
        try scratch.tool("diff", "-r", store, target)
      }
      for verb in ["export", "restore"] {
        let part = scratch.fresh("t")
        try scratch.holdfast(
          exit: 0, verb, source, "--context", "plates", "--to", part, "--quiet")
        #expect(try TestFile.names(part) == ["charts-plates.jsonl"])
        try scratch.tool("cmp", store + "/charts-plates.jsonl", part + "/charts-plates.jsonl")
      }
      // Kinds that a graph holds come along, other than to a kind that has no place for them.
      let told = try scratch.json(
        exit: 3, "restore", source, "--as", "memory-graph", "--to", scratch.fresh("t"))
      #expect(told["kind"]?.text == "memory-graph")
      #expect(told["digest"]?.text == (try scratch.digest(store)))
      let picked = try scratch.json(
        "restore", source, "--select", "entity:*", "--to", scratch.fresh("t"))
      #expect(picked["records"]?.integer == 3 && picked["kind"]?.text == "memory-graph")
      try scratch.holdfast(
        exit: 13, "restore", source, "--as", "task-list", "--to", scratch.fresh("t"))
    }
    // The backup of a database is that of a database, as long as nothing else is asked for.
    let whole = scratch.fresh("t")
    try scratch.holdfast(exit: 0, "restore", others[1], "--to", whole, "--quiet")
    try scratch.tool("cmp", others[0], whole + "/db")
  }

  /// A backup stands for its store when another one is made as well: it holds the same files, and is
  /// of the same series.
  @Test(arguments: SampleStore.allCases) func backupOfABackup(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let made = try sample.make(in: scratch)
    let first = try scratch.backUp(made.path, to: scratch.file("repo"))
    let told = try scratch.json(
      "backup", scratch.file("repo") + "@latest", "--to", scratch.file("other"), "--compression",
      "gzip")
    let second = try #require(told["backup"]?.text)
    #expect(told["state"]?.text == "verified" && second.hasSuffix(".tar.gz"))
    #expect(try scratch.digest(second) == scratch.digest(first))
    try scratch.holdfast(exit: 0, "verify", second)
    for (archive, target) in [(first, "a"), (second, "b")] {
      try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file(target), "--quiet")
    }
    #expect(try scratch.listing(scratch.file("a")) == scratch.listing(scratch.file("b")))
    let series = try ["manifest", "series"].reduce(told) { try #require($0[$1]) }
    #expect(series.text == (try scratch.json("show", first))["manifest"]?["series"]?.text)
    // It comes from where the first one does, so the store itself goes on with the series.
    try scratch.holdfast(
      exit: 0, "backup", first, "--to", scratch.file("other"), "--quiet")
    try scratch.holdfast(
      exit: 0, "backup", made.path, "--to", scratch.file("other"), "--quiet")
    // Where it goes has to be said; a dry run writes nothing.
    try scratch.holdfast(exit: 64, "backup", first)
    try scratch.holdfast(exit: 0, "backup", first, "--to", scratch.file("none"), "--dry-run", "-q")
    #expect(!TestFile.exists(scratch.file("none")))
  }

  /// What cannot be read of a backup is not saved again as if it were whole.
  @Test func backupOfADamagedBackup() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(20, to: "memory.jsonl")
    let archive = try scratch.backUp(store, to: scratch.file("repo"), ["--compression", "none"])
    let bytes = try TestFile.read(archive)
    let place = try #require(
      bytes.indices.first { bytes[$0...].starts(with: Array("{\"type\":\"entity\"".utf8)) })
    // The verbatim files come first or last: wherever they are, a byte of them is another one.
    let words = Array("\"type\":\"entity\"".utf8)
    var damaged = bytes
    for at in bytes.indices where at >= place && bytes[at...].starts(with: words) {
      damaged[at + 9] = 0x45
    }
    try TestFile.write(damaged, to: archive)
    let outcome = try scratch.holdfast(
      exit: 12, "backup", archive, "--to", scratch.file("other"))
    #expect(outcome.message.contains("does not have the hash"), "\(outcome)")
    #expect(try TestFile.names(scratch.file("other")).filter { $0 != ".lock" } == [])
    // Nor is the copy of a suspect one taken for a good one.
    try TestFile.write(bytes, to: archive)
    try scratch.graph(5, to: "memory.jsonl")
    let suspect = try scratch.backUp(store, to: scratch.file("repo"), [], exit: 3)
    let again = try scratch.json(
      exit: 3, "backup", suspect, "--to", scratch.file("another"))
    #expect(again["state"]?.text == "suspect")
  }

  /// What is to stay as it is stays so byte for byte, under its names.
  @Test(arguments: SampleStore.allCases) func verbatim(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let made = try sample.make(in: scratch)
    let archive = try scratch.backUp(made.path, to: scratch.file("repo"))
    for source in [made.path, archive] {
      let target = scratch.fresh("t")
      let told = try scratch.json("export", source, "--to", target)
      #expect(told["identical"] == .word("true"))
      let isGraph = sample.kind == "memory-graph" && sample != .graph
      let own = isGraph ? "contexts" : sample.kind
      #expect(told["as"]?.text == own)
      try scratch.tool("diff", "-r", "-x", ".[a-z]*", made.path, target)
      let mode = try scratch.tool("stat", "-c", "%a %y", made.path, target)
      #expect(TestFile.exists(made.path + "/.") || Set(mode.lines).count == 1)
    }
    try scratch.holdfast(exit: 0, "migrate", made.path, "--to", scratch.file("db"), "--quiet")
    let target = scratch.file("restored")
    let told = try scratch.json("restore", scratch.file("db"), "--to", target)
    #expect(told["digest"]?.text == (try scratch.digest(made.path)))
    if TestFile.exists(made.path + "/.") {
      try scratch.tool("diff", "-r", "-x", ".[a-z]*", made.path, target)
    } else {
      let name = made.path.split(separator: "/").last.map(String.init) ?? ""
      #expect(told["restored"]?.elements.map(\.text) == ["\(target)/\(name)"])
      try scratch.tool("cmp", made.path, "\(target)/\(name)")
    }
  }
}
