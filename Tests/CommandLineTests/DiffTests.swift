import Testing

/// What `diff` says of two stores.
@Suite(.scratch) struct DiffTests {
  private func entity(_ name: String, _ rest: String) -> String {
    "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\(rest)}\n"
  }

  @Test func changedFields() throws {
    let scratch = try Scratch.here()
    let a = try scratch.write(
      entity("one", "\"observations\":[\"x\",\"y\"],\"metadata\":{\"level\":1,\"gone\":true}")
        + entity("two", "\"observations\":[]") + entity("same", "\"observations\":[]"),
      to: "a.jsonl")
    let long = String(repeating: "long text ", count: 30)
    let b = try scratch.write(
      entity("same", "\"observations\":[ ]")
        + entity("one", "\"observations\":[\"y\",\"\(long)\"],\"metadata\":{\"level\":2}")
        + entity("three\\u001b[31m", "\"observations\":[]"), to: "b.jsonl")
    let outcome = try scratch.holdfast(exit: 3, "diff", a, b)
    #expect(
      outcome.text == """
        - entity:two
        + entity:three\\x1b[31m
        ~ entity:one
            /observations/0  "x" -> "y"
            /observations/1  "y" -> "\(long.prefix(59))…
            /metadata/level  1 -> 2
            /metadata/gone  true removed
        1 added, 1 removed, 1 changed

        """)
    let json = try scratch.json(exit: 3, "diff", a, b)
    let fields = try #require(json["changes"]?.elements.first?["fields"]?.elements)
    #expect(json["changes"]?.elements.first?["record"]?.text == "entity:one")
    #expect(json["changed"]?.elements.map(\.text) == ["entity:one"])
    #expect(
      fields.map { $0["pointer"]?.text } == [
        "/observations/0", "/observations/1", "/metadata/level", "/metadata/gone",
      ])
    #expect(fields[1]["to"]?.text == long)
    #expect(fields[2]["from"]?.integer == 1 && fields[2]["to"]?.integer == 2)
    #expect(fields[3]["from"] != nil && fields[3]["to"] == nil)
    let numbers = try scratch.json(exit: 3, "diff", a, b, "--stat")
    #expect(numbers["changed"]?.integer == 1 && numbers["changes"] == nil)
    let quiet = try scratch.holdfast(exit: 3, "diff", a, b, "--quiet", "--rtfs")
    #expect(quiet.output.isEmpty && quiet.errors.isEmpty)
    try scratch.holdfast(exit: 64, "diff", a, b, "--stat", "--rtfs")
  }

  /// A record under another key is changed though no field is.
  @Test func keysOfTheContainer() throws {
    let scratch = try Scratch.here()
    let a = try scratch.write(#"{"intents":{"a":{"intent_id":"a"}},"edges":[]}"#, to: "a.json")
    let b = try scratch.write(#"{"intents":{"k":{"intent_id":"a"}},"edges":[]}"#, to: "b.json")
    let outcome = try scratch.holdfast(exit: 3, "diff", a, b)
    #expect(
      outcome.lines == ["~ intent:a", "    stored under  -> k", "0 added, 0 removed, 1 changed"])
    let change = try scratch.json(exit: 3, "diff", a, b)["changes"]?.elements.first
    #expect(change?["key"]?["to"]?.text == "k")
    #expect(change?["fields"]?.elements.isEmpty == true)
  }

  /// The unified diff, applied by another program to the RTFS of one backup, gives the other's.
  @Test func rtfsPatches() throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    for round in 0..<6 {
      var lines = SampleRecords.graph(60).map(Spelling.compact)
      let a = try store(lines, "a\(round)", scratch)
      for _ in 0..<Int.random(in: 0..<12, using: &random) {
        let place = Int.random(in: 0..<lines.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: lines.remove(at: place)
        case 1: lines.insert(lines[place], at: Int.random(in: 0..<lines.count, using: &random))
        case 2:
          lines[place] = Array(
            "{\"type\":\"note\",\"n\":\(Int.random(in: 0..<9, using: &random))}".utf8)
        default:
          lines[place] = Spelling.compact(
            SampleRecords.entity(100 + Int.random(in: 0..<20, using: &random)))
        }
      }
      if round == 5 { lines = [lines[0]] }
      let b = try store(lines, "b\(round)", scratch)
      let same = try scratch.digest(a) == scratch.digest(b)
      let outcome = try scratch.holdfast(exit: same ? 0 : 3, "diff", a, b, "--rtfs")
      let texts = try [a, b].map { path in
        try scratch.holdfast(
          exit: 0, "show", scratch.backUp(path, to: scratch.fresh("repo")), "--rtfs"
        ).output
      }
      let old = try scratch.write(texts[0], to: "old")
      let diff = try scratch.write(outcome.output, to: "patch")
      try scratch.tool("patch", "--fuzz=0", "-s", old, diff)
      #expect(try TestFile.read(old) == texts[1], "seed \(random.seed), round \(round)")
      #expect(outcome.lines.allSatisfy { !$0.hasPrefix("@@") || $0.hasSuffix("@@") })
      let json = try scratch.json(exit: same ? 0 : 3, "diff", a, b, "--rtfs")
      #expect(json["rtfs"]?.text == outcome.text)
    }
  }

  private func store(_ lines: [[UInt8]], _ name: String, _ scratch: Scratch) throws -> String {
    try scratch.write(Array(lines.joined(separator: [0x0A])), to: "\(name)/memory.jsonl")
  }

  /// Stores, backups and snapshots of different kinds are compared alike.
  @Test func acrossKinds() throws {
    let scratch = try Scratch.here()
    let snapshot = try SampleStore.snapshot11.make(in: scratch, "s").path
    let pair = try SampleStore.archivePair.make(in: scratch, "p").path
    try scratch.holdfast(exit: 0, "diff", snapshot, pair, "--rtfs")
    let one = try SampleStore.archive.make(in: scratch, "o").path
    let diff = try scratch.holdfast(exit: 3, "diff", pair, scratch.backUp(one), "--rtfs")
    #expect(diff.lines.count { $0.hasPrefix("-    (edge ") } == 10)
    #expect(!diff.lines.contains { $0.hasPrefix("+ ") })
  }
}
