import Testing

/// Random stores, from the bytes to the restored bytes. A failure names its seed; HOLDFAST_SEED
/// makes it again.
@Suite(.scratch) struct PropertyTests {
  /// Backs a store up and gets it back; its digest must be that of a shuffled one, if any.
  private func prove(
    _ scratch: Scratch, _ root: String, _ path: String, _ comment: String,
    _ words: [String] = []
  ) throws {
    let seen = try scratch.json("inspect", path)
    let made = try scratch.run(
      [Binary.path, "backup", path, "--to", scratch.file("repo"), "--json"] + words)
    try #require(made.status == 0, "\(comment): \(made)")
    let archive = try #require(try JSONValue(parsing: made.output)["backup"]?.text)
    try scratch.proveBackup(archive, of: .init(path: path, root: root))
    #expect(seen["digest"]?.text == (try scratch.digest(archive)), "\(comment)")
    // Each encoding by itself reads back as the same records: the JSON, by tar alone …
    let unpacked = try scratch.unpack(archive)
    #expect(
      try scratch.digest(unpacked + "/backup.json") == seen["digest"]?.text, "\(comment)")
  }

  @Test(arguments: [1, 2, 3, 10, 100, 1000])
  func lines(_ count: Int) throws {
    let scratch = try Scratch.here()
    var store = RandomStore(SeededRandom())
    let seed = store.random.seed
    for isGraph in [true, false] {
      let bytes = store.lines(count, isGraph: isGraph)
      let name = isGraph ? "graph" : "lines"
      let path = try scratch.write(bytes, to: "\(name)/memory.jsonl")
      let kind = isGraph ? "memory-graph" : "jsonl"
      let seen = try scratch.json("inspect", path, "--kind", kind)
      #expect(seen["records"]?.integer == count, "seed \(seed)")
      let made = try scratch.backUp(path, to: scratch.file(name + "-repo"), ["--kind", kind])
      let shown = try scratch.json("show", made)
      #expect(shown["manifest"]?["digest"] == seen["digest"], "seed \(seed)")
      try scratch.holdfast(exit: 0, "verify", made)
      let target = scratch.file(name + "-target")
      let restored = try scratch.json("restore", made, "--to", target)
      #expect(restored["digest"] == seen["digest"], "seed \(seed)")
      try scratch.expectSame(scratch.file(name), target)
    }
  }

  @Test(arguments: 0..<6)
  func intents(_ round: Int) throws {
    let scratch = try Scratch.here()
    var store = RandomStore(SeededRandom())
    let seed = store.random.seed
    let count = [1, 2, 5, 20, 60, 150][round]
    let intents = (0..<count).map { store.intent($0) }
    let edges = (0..<count / 2).map { _ in store.edge(count) }
    let snapshot = SampleRecords.snapshot(intents, edges)
    let path = try scratch.write(
      Spelling.shuffled(snapshot, &store.random), to: "snapshot/graph.json")
    try prove(scratch, scratch.file("snapshot"), path, "seed \(seed)")
    let archive = try scratch.directory("archive")
    try ContentArchive.write(intents, to: "archive/intents", in: scratch)
    if !edges.isEmpty { try ContentArchive.write(edges, to: "archive/edges", in: scratch) }
    try prove(scratch, archive, archive, "seed \(seed)")
    #expect(try scratch.digest(path) == (try scratch.digest(archive)), "seed \(seed)")
    try scratch.holdfast(exit: 0, "diff", path, archive)
  }

  /// As deep as is accepted, in an observation's place and alone.
  @Test(arguments: [1, 100, 5_000, 9_998])
  func deepNesting(_ depth: Int) throws {
    let scratch = try Scratch.here()
    var store = RandomStore(SeededRandom())
    let inner = String(repeating: "[", count: depth) + "1" + String(repeating: "]", count: depth)
    let name = String(decoding: Spelling.compact(.string(store.string())), as: UTF8.self)
    let path = try scratch.write(
      #"{"type":"entity","name":\#(name),"entityType":"t","observations":[],"deep":\#(inner)}"#
        + "\n",
      to: "store/memory.jsonl")
    try prove(scratch, scratch.file("store"), path, "seed \(store.random.seed)")
    let json = try scratch.write(inner, to: "json/deep.json")
    try prove(scratch, scratch.file("json"), json, "depth \(depth)")
  }

  /// Ten thousand random records, and the same in another order and spelling.
  @Test func tenThousand() throws {
    let scratch = try Scratch.here()
    var store = RandomStore(SeededRandom())
    let seed = store.random.seed
    var records = (0..<10_000).map { _ in store.random.chance(3) ? store.relation() : store.entity()
    }
    let path = try scratch.write(SampleRecords.lines(records), to: "store/memory.jsonl")
    try prove(scratch, scratch.file("store"), path, "seed \(seed)")
    records.shuffle(using: &store.random)
    let other = records.map { Spelling.shuffled($0, &store.random) }
    let shuffled = try scratch.write(Array(other.joined(separator: [0x0A])), to: "other.jsonl")
    #expect(try scratch.digest(shuffled) == (try scratch.digest(path)), "seed \(seed)")
    try scratch.holdfast(exit: 0, "diff", path, shuffled)
  }
}
