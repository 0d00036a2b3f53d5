import Testing

/// What is written never becomes a part of what is read.
@Suite(.scratch) struct TargetTests {
  @Test(arguments: [
    ["merge", "co", "m.jsonl", "--to", "co/x.jsonl"],
    ["merge", "arc", "s.json", "--to", "arc/intents/x"],
    ["export", "co", "--as", "memory-graph", "--to", "co/y.jsonl"],
    ["export", "co", "--as", "jsonl", "--to", "co/deep/y.jsonl"],
    ["migrate", "co", "--to", "co/z.db"],
    ["replay", "co", "--context", "default", "--to", "co/r.jsonl"],
    ["salvage", "co", "--to", "co/out"],
    ["merge", "co", "m.jsonl", "--to", "link/x.jsonl"],
  ])
  func insideAStore(_ words: [String]) throws {
    let scratch = try Scratch.here()
    try scratch.graph(3, to: "co/charts.jsonl")
    try scratch.graph(2, to: "m.jsonl")
    try scratch.tool("ln", "-s", "co", scratch.file("link"))
    try scratch.tool(
      "cp", "-r", SampleStore.archivePair.make(in: scratch, "a").path,
      scratch.file("arc"))
    try scratch.tool(
      "cp", SampleStore.snapshot11.make(in: scratch, "s").path,
      scratch.file("s.json"))
    let before = try scratch.listing(scratch.file("co")) + scratch.listing(scratch.file("arc"))
    var setting = Child.Setting()
    setting.directory = scratch.path
    for more in [[], ["--dry-run"]] {
      let outcome = try scratch.run([Binary.path] + words + more, setting)
      #expect(outcome.status == 64, "\(outcome)")
      let store = words[1]
      #expect(
        outcome.message.contains(words.last ?? "") && outcome.message.contains("store \(store),"),
        "\(outcome)")
    }
    #expect(
      try scratch.listing(scratch.file("co")) + scratch.listing(scratch.file("arc")) == before)
  }

  /// What is at the target gives way, and nothing that is read may lie in it.
  @Test(arguments: [
    ["merge", "d/co", "m.jsonl", "--to", "d", "--replace"],
    ["export", "d/co", "--to", "d", "--replace"],
    ["export", "d/db", "--as", "contexts", "--to", "link", "--replace"],
    ["export", "ARCHIVE", "--as", "memory-graph", "--to", "d/co", "--replace"],
    ["restore", "ARCHIVE", "--to", "d", "--overwrite", "always"],
    ["restore", "d/co/.backup", "--to", "d/co/.backup", "--overwrite", "always"],
    ["restore", "d/db", "--to", "d", "--overwrite", "always"],
    ["replay", "d/log.jsonl", "--to", "d", "--replace"],
    ["migrate", "d/co", "--to", "d", "--replace"],
    ["export", "d/log.jsonl", "--to", "d/log.jsonl", "--replace"],
    ["export", "d/co", "--to", "d/co", "--replace"],
    ["restore", "d/db", "--to", "d/db", "--overwrite", "always"],
    ["migrate", "d/db", "--to", "d/db", "--replace"],
  ])
  func aroundAStore(_ words: [String]) throws {
    let scratch = try Scratch.here()
    try scratch.graph(3, to: "d/co/charts.jsonl")
    try scratch.graph(2, to: "m.jsonl")
    try scratch.graph(2, to: "d/log.jsonl")
    let archive = try scratch.backUp(
      scratch.file("m.jsonl"), to: scratch.file("d/co/.backup"))
    try scratch.holdfast(
      exit: 0, "migrate", scratch.file("m.jsonl"), "--to", scratch.file("d/db"), "--quiet")
    try scratch.tool("ln", "-s", "d", scratch.file("link"))
    let before = try scratch.listing(scratch.path, except: [".captured"])
    let words = words.map { $0 == "ARCHIVE" ? archive : $0 }
    var setting = Child.Setting()
    setting.directory = scratch.path
    for more in [[], ["--dry-run"]] {
      let outcome = try scratch.run([Binary.path] + words + more, setting)
      #expect(outcome.status == 64, "\(outcome)")
      let target = words[(words.firstIndex(of: "--to") ?? 0) + 1]
      #expect(outcome.message.contains("\(target): "), "\(outcome)")
    }
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
  }

  /// SQLite would write the log of the old database into the new one, and the undo copy would lack
  /// what is in it.
  @Test(arguments: ["-wal", "-journal"], [false, true])
  func besideALog(_ ending: String, _ isOrphan: Bool) throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(3, to: "m.jsonl")
    let target = scratch.file("x.db")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", scratch.file("o.db"), "--quiet")
    if !isOrphan { try scratch.tool("cp", scratch.file("o.db"), target) }
    try scratch.write("committed", to: "x.db" + ending)
    let other = try scratch.graph(4, to: "other.jsonl")
    let before = try scratch.listing(scratch.path, except: [".captured"])
    for words in [
      ["merge", scratch.file("o.db"), scratch.file("o.db")], ["migrate", other],
      ["export", scratch.file("o.db")], ["replay", other],
    ] {
      let outcome = try scratch.run([Binary.path] + words + ["--to", target, "--replace"])
      #expect(outcome.status == 1, "\(outcome)")
      #expect(outcome.message.contains("x.db\(ending): is the log of the database"), "\(outcome)")
    }
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
    // An empty one holds nothing.
    try scratch.write("", to: "x.db" + ending)
    try scratch.holdfast(exit: 0, "migrate", other, "--to", target, "--replace", "--quiet")
  }

  /// The backups of a store stay where they are, so it can be restored from them in its place.
  @Test func fromItsOwnBackups() throws {
    let scratch = try Scratch.here()
    try scratch.graph(3, to: "co/charts.jsonl")
    let store = scratch.file("co")
    let digest = try scratch.digest(store)
    try scratch.holdfast(exit: 0, "backup", store, "--quiet")
    let kept = try TestFile.names(store + "/.backup").filter { $0.hasSuffix(".tar.zst") }
    let archive = store + "/.backup/" + (kept.first ?? "")
    for words in [
      ["restore", store + "/.backup", "--to", store, "--overwrite", "always"],
      ["restore", archive, "--to", store, "--overwrite", "always"],
      ["export", archive, "--to", store, "--replace"],
    ] {
      try scratch.write("{}\n", to: "co/charts.jsonl")
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try scratch.digest(store) == digest)
      #expect(
        try TestFile.names(store + "/.backup").filter { $0.hasSuffix(".tar.zst") } == kept)
    }
  }

  /// A file does not go in the place of an empty directory by itself; a directory does.
  @Test func emptyDirectories() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(3, to: "m.jsonl")
    for verb in [["merge", store, store], ["replay", store], ["export", store]] {
      let target = try scratch.directory(verb[0])
      let words = verb + ["--to", target]
      for more in [[], ["--dry-run"]] {
        let outcome = try scratch.run([Binary.path] + words + more)
        #expect(outcome.status == 1 && outcome.message.contains("--replace"), "\(outcome)")
      }
      let outcome = try scratch.run([Binary.path] + words + ["--replace"])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try scratch.digest(target) == scratch.digest(store))
    }
    for verb in [["merge", store, store], ["export", store]] {
      let target = try scratch.directory(verb[0] + "-contexts")
      let outcome = try scratch.run([Binary.path] + verb + ["--as", "contexts", "--to", target])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try scratch.digest(target) == scratch.digest(store))
    }
  }

  /// Beside a store, and beside the file that a log is, there is room.
  @Test func besideAStore() throws {
    let scratch = try Scratch.here()
    try scratch.graph(3, to: "co/charts.jsonl")
    let log = scratch.file("co/charts.jsonl")
    try scratch.holdfast(exit: 0, "replay", log, "--to", scratch.file("co/now.jsonl"), "--quiet")
    // The state is a context of its own there, which one file does not tell.
    try scratch.holdfast(
      exit: 3, "export", scratch.file("co"), "--as", "memory-graph", "--to",
      scratch.file("co-2.jsonl"), "--quiet")
    try scratch.holdfast(
      exit: 0, "backup", scratch.file("co"), "--to", scratch.file("co/.backup"), "--quiet")
  }
}
