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

  /// Beside a store, and beside the file that a log is, there is room.
  @Test func besideAStore() throws {
    let scratch = try Scratch.here()
    try scratch.graph(3, to: "co/charts.jsonl")
    let log = scratch.file("co/charts.jsonl")
    try scratch.holdfast(exit: 0, "replay", log, "--to", scratch.file("co/now.jsonl"), "--quiet")
    try scratch.holdfast(
      exit: 0, "export", scratch.file("co"), "--as", "memory-graph", "--to",
      scratch.file("co-2.jsonl"), "--quiet")
    try scratch.holdfast(
      exit: 0, "backup", scratch.file("co"), "--to", scratch.file("co/.backup"), "--quiet")
  }
}
