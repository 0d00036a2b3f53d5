import Testing

/// `replay`: the state that an append-only log describes.
@Suite(.scratch) struct ReplayTests {
  private static func entity(_ name: String, _ seen: String, _ time: String) -> String {
    "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[\"\(seen)\"],"
      + "\"metadata\":{\"updatedAt\":\"\(time)\"}}"
  }

  private static let a1 = entity("A", "1", "2026-01-01T10:00:00Z")
  private static let b1 = entity("B", "1", "2026-01-02T10:00:00Z")
  private static let a2 = entity("A", "2", "2026-01-03T10:00:00.500Z")
  private static let b2 = entity("B", "2", "2026-01-05T10:00:00Z")
  private static let r =
    "{\"type\":\"relation\",\"from\":\"A\",\"to\":\"B\",\"relationType\":\"r\"}"
  private static func bare(_ more: String) -> String {
    "{\"type\":\"entity\",\"name\":\"A\",\"entityType\":\"t\",\"observations\":[],\(more)}"
  }
  private static let log = [
    a1, b1, r, a2, "{\"type\":\"delete\",\"name\":\"B\",\"timestamp\":1767520800}",
    bare("\"deleted\":false"), b2,
    "{\"type\":\"delete\",\"from\":\"A\",\"to\":\"B\",\"relationType\":\"r\"}",
    bare("\"deleted\":true,\"timestamp\":\"2026-01-07\""),
    "{\"type\":\"beat\",\"id\":7}", "{\"type\":\"delete\",\"ids\":[7]}",
  ]

  struct Case: CustomTestStringConvertible, Sendable {
    var words: [String]
    var lines: [String]
    var testDescription: String { words.joined(separator: " ") }
  }

  static let cases = [
    Case(words: [], lines: [b2]), Case(words: ["--until-line", "0"], lines: []),
    Case(words: ["--until-line", "3"], lines: [a1, b1, r]),
    Case(words: ["--until-line", "4"], lines: [b1, r, a2]),
    Case(words: ["--until-line", "5"], lines: [r, a2]),
    Case(words: ["--until-line", "6"], lines: [r, log[5]]),
    Case(words: ["--until-line", "5", "--with-relations"], lines: [a2]),
    Case(words: ["--until-line", "7", "--with-relations"], lines: [log[5], b2]),
    Case(words: ["--until-line", "10"], lines: [b2, log[9]]),
    Case(words: ["--until-line", "99"], lines: [b2]),
    Case(words: ["--until", "2026-01-01"], lines: [a1]),
    Case(words: ["--until", "2026-01-02T10:00:00Z"], lines: [a1, b1, r]),
    Case(words: ["--until", "2026-01-03T10:00:00.4Z"], lines: [a1, b1, r]),
    Case(words: ["--until", "2026-01-03T12:00:00.5+02:00"], lines: [b1, r, a2]),
    Case(words: ["--until", "2026-01-04"], lines: [r, log[5]]),
    Case(words: ["--until", "2025-12-31"], lines: []),
  ]

  @Test(arguments: cases) func states(_ test: Case) throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(Self.log.joined(separator: "\n"), to: "log.jsonl")
    let target = scratch.file("state.jsonl")
    let outcome = try scratch.run(
      [Binary.path, "replay", log, "--to", target, "--json"] + test.words)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try TestFile.text(target) == test.lines.map { $0 + "\n" }.joined())
    let told = try JSONValue(parsing: outcome.output)
    #expect(told["records"]?.integer == test.lines.count && told["replayed"]?.text == target)
    // The same from a backup of it.
    let archive = try scratch.backUp(log)
    let again = try scratch.run(
      [Binary.path, "replay", archive, "--to", scratch.file("again"), "--json"] + test.words)
    #expect(again.status == 0, "\(again)")
    #expect(try TestFile.text(scratch.file("again")) == TestFile.text(target))
  }

  /// A deletion may stand for several, name things by id, or have its fields one level down.
  @Test func waysToDelete() throws {
    let scratch = try Scratch.here()
    let all = ["A", "B", "C", "D"].map { Self.entity($0, "1", "2026-01-01") }
    for (deletion, left) in [
      ("{\"type\":\"delete\",\"entityNames\":[\"A\",\"C\"]}", "BD"),
      ("{\"type\":\"delete\",\"id\":\"B\"}", "ACD"),
      ("{\"type\":\"delete\",\"data\":{\"name\":\"D\"}}", "ABC"),
      ("{\"type\":\"delete\",\"entities\":[{\"name\":\"A\"},{\"name\":\"B\"}]}", "CD"),
      ("{ \"name\" : \"\\u0041\" , \"type\" : \"delete\" }", "BCD"),
    ] {
      let log = try scratch.write((all + [deletion]).joined(separator: "\n"), to: "log.jsonl")
      let target = scratch.fresh("t")
      try scratch.holdfast(exit: 0, "replay", log, "--to", target, "--quiet")
      let names = try TestFile.text(target).split(separator: "\n").map { line in
        line.dropFirst("{\"type\":\"entity\",\"name\":\"".count).prefix(1)
      }
      #expect(names.joined() == left, "\(deletion)")
    }
    // One that names nothing takes nothing away, and is told; the rest is replayed.
    let log = try scratch.write(
      all[0] + "\n{\"type\":\"delete\",\"what\":\"A\"}\n" + all[1] + "\n{\"deleted\":true}\n"
        + "{\"type\":\"delete\",\"name\":\"B\"}\n", to: "log.jsonl")
    for more in [["--dry-run"], []] {
      let words = [Binary.path, "replay", log, "--to", scratch.file("x"), "--json"]
      let outcome = try scratch.run(words + more)
      #expect(outcome.status == 3 && outcome.message.contains("\(log):2"), "\(outcome)")
      let told = try JSONValue(parsing: outcome.output)
      let plan = more.isEmpty ? told : told["plan"] ?? .null
      let found = plan["findings"]?.elements.filter { $0["code"]?.text == "missing-field" } ?? []
      #expect(found.map { $0["line"]?.integer } == [2, 4], "\(outcome)")
      #expect(plan["deletions"]?.integer == 1 && plan["replaced"]?.integer == 1, "\(outcome)")
    }
    #expect(try TestFile.text(scratch.file("x")) == all[0] + "\n")
  }

  @Test func documents() throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(
      """
      {"id":1,"v":1}
      {"m":{"k":"x"},"v":1}
      {"id":1.0,"v":2}
      [1]
      [1]
      {"m":{"k":"x"},"v":2}
      {"type":"delete","m":{"k":"x"},"id":9}

      """, to: "log.jsonl")
    try scratch.holdfast(exit: 0, "replay", log, "--to", scratch.file("a"), "--quiet")
    #expect(
      try TestFile.text(scratch.file("a")) == """
        {"m":{"k":"x"},"v":1}
        {"id":1.0,"v":2}
        [1]
        [1]
        {"m":{"k":"x"},"v":2}

        """)
    try scratch.holdfast(
      exit: 0, "replay", log, "--to", scratch.file("b"), "--id-field", "/m/k", "--quiet")
    #expect(
      try TestFile.text(scratch.file("b")) == "{\"id\":1,\"v\":1}\n{\"id\":1.0,\"v\":2}\n[1]\n[1]\n"
    )
  }

  /// Null is no id, and a number is not the text of it.
  @Test func idsOfDifferentTypes() throws {
    let scratch = try Scratch.here()
    let lines = [
      "{\"id\":null,\"v\":1}", "{\"id\":null,\"v\":2}", "{\"id\":\"1\",\"v\":3}",
      "{\"id\":1,\"v\":4}", "{\"id\":\"2\",\"v\":5}", "{\"id\":2,\"v\":6}",
    ]
    let deletions = ["{\"type\":\"delete\",\"id\":2}"]
    let log = try scratch.write((lines + deletions).joined(separator: "\n"), to: "log.jsonl")
    let target = scratch.file("state")
    try scratch.holdfast(exit: 0, "replay", log, "--to", target, "--quiet")
    let left = lines.dropLast().map { $0 + "\n" }.joined()
    #expect(try TestFile.text(target) == left)
    // In a merge they are no conflict either, from a file or a database.
    let store = try scratch.write(left, to: "left.jsonl")
    let database = scratch.file("left.db")
    try scratch.holdfast(
      exit: 0, "migrate", store, "--id-field", "/id", "--to", database, "--quiet")
    for other in [store, database] {
      let merged = scratch.fresh("merged")
      try scratch.holdfast(
        exit: 0, "merge", store, other, "--id-field", "/id", "--to", merged, "--quiet")
      #expect(try TestFile.text(merged) == left, "\(other)")
    }
  }

  /// A log of one line looks like a single value, and is a log all the same.
  @Test(arguments: [
    "{\"id\":1,\"v\":1}", "[1]",
    "{\"version\":\"1.0\",\"tasks\":[{\"id\":1,\"description\":\"d\",\"completed\":false}]}",
  ])
  func oneLine(_ line: String) throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(line + "\n", to: "log.jsonl")
    try scratch.holdfast(exit: 0, "replay", log, "--to", scratch.file("state"), "--quiet")
    #expect(try TestFile.text(scratch.file("state")) == line + "\n")
    let value = try scratch.write("{\n\"id\": 1\n}\n", to: "value.json")
    try scratch.holdfast(exit: 13, "replay", value, "--to", scratch.file("v"))
  }

  /// Deletions are done here, not kept.
  @Test func deletionsAreTold() throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(Self.log.joined(separator: "\n"), to: "log.jsonl")
    let told = try scratch.json("replay", log, "--to", scratch.file("t"))
    let messages = told["findings"]?.elements.compactMap { $0["message"]?.text } ?? []
    #expect(messages.contains { $0.hasPrefix("3 records with the type delete, applied") })
    #expect(!messages.contains { $0.contains("delete, kept") })
  }

  @Test func damageAndUsage() throws {
    let scratch = try Scratch.here()
    let log = try scratch.write(
      Self.a1 + "\n{\"bad\n" + Self.b1 + "\n" + Self.a2.dropLast(9), to: "l")
    let outcome = try scratch.json(exit: 3, "replay", log, "--to", scratch.file("t"))
    #expect(outcome["records"]?.integer == 2 && outcome["findings"]?.elements.count == 2)
    #expect(try TestFile.text(scratch.file("t")) == Self.a1 + "\n" + Self.b1 + "\n")
    // What is wrong behind the end is no concern.
    try scratch.holdfast(
      exit: 0, "replay", log, "--to", scratch.file("u"), "--until-line", "1", "--quiet")
    for words in [
      ["--until-line", "1", "--until", "2026-01-01"], ["--until", "soon"], ["--until-line", "-1"],
      ["--id-field", "x"],
    ] {
      let outcome = try scratch.run(
        [Binary.path, "replay", log, "--to", scratch.file("v")] + words)
      #expect(outcome.status == 64, "\(outcome)")
    }
    try scratch.holdfast(exit: 1, "replay", log, "--to", scratch.file("t"))
    try scratch.holdfast(exit: 64, "replay", log, "--to", log, "--replace")
    let graph = try SampleStore.snapshot11.make(in: scratch).path
    try scratch.holdfast(exit: 13, "replay", graph, "--to", scratch.file("v"))
    let plain = try scratch.write("{\"id\":1}\n{\"id\":2}\n", to: "plain")
    let untimed = try scratch.holdfast(
      exit: 13, "replay", plain, "--to", scratch.file("v"), "--until", "2026-01-01")
    #expect(untimed.message.contains("--until-line"), "\(untimed)")
    #expect(!TestFile.exists(scratch.file("v")))
    // Times that run backwards are told.
    let skewed = try scratch.write(
      "{\"id\":1,\"ts\":1000}\n{\"id\":2,\"ts\":9000}\n{\"id\":3,\"ts\":2000}\n", to: "skewed")
    let late = try scratch.holdfast(
      exit: 0, "replay", skewed, "--to", scratch.file("w"), "--until", "1970-01-01T01:00:00Z")
    #expect(late.message.contains("1 lines behind line 1"), "\(late)")
    #expect(try TestFile.text(scratch.file("w")) == "{\"id\":1,\"ts\":1000}\n")
  }

  /// Random logs, against a dictionary.
  @Test(arguments: 0..<6) func random(_ round: Int) throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    let seed = random.seed
    let lines = (0..<400).map { number -> String in
      let name = "n\(Int.random(in: 0..<60, using: &random))"
      switch Int.random(in: 0..<8, using: &random) {
      case 0: return "{\"type\":\"delete\",\"name\":\"\(name)\"}"
      case 1: return "{\"type\":\"entity\",\"name\":\"\(name)\",\"deleted\":true}"
      default: return Self.entity(name, "\(number)", "2026-01-01")
      }
    }
    let log = try scratch.write(lines.joined(separator: "\n"), to: "log.jsonl")
    let until = Int.random(in: 1...400, using: &random)
    try scratch.holdfast(
      exit: 0, "replay", log, "--to", scratch.file("t"), "--until-line", "\(until)", "--quiet")
    let told = try scratch.python(
      """
      import json, sys
      state = {}
      for line in open(sys.argv[1]).read().split('\\n')[:int(sys.argv[2])]:
          item = json.loads(line)
          state.pop(item['name'], None)
          if item['type'] != 'delete' and not item.get('deleted'): state[item['name']] = line
      print('\\n'.join(state.values()))
      """, log, "\(until)")
    #expect(try TestFile.text(scratch.file("t")) == told.text, "seed \(seed), until \(until)")
  }

  /// An entity that says of itself that it is gone takes the relations along that were there then.
  @Test func aTombstoneTakesRelationsAlong() throws {
    let scratch = try Scratch.here()
    let back = "{\"type\":\"relation\",\"from\":\"B\",\"to\":\"A\",\"relationType\":\"r\"}"
    let other = "{\"type\":\"relation\",\"from\":\"B\",\"to\":\"C\",\"relationType\":\"r\"}"
    let lines = [Self.a1, Self.b1, Self.r, other, Self.bare("\"deleted\":true"), back]
    let log = try scratch.write(lines.joined(separator: "\n"), to: "log.jsonl")
    for (words, left) in [
      ([], [Self.b1, Self.r, other, back]), (["--with-relations"], [Self.b1, other, back]),
    ] {
      let target = scratch.fresh("state")
      let outcome = try scratch.run([Binary.path, "replay", log, "--to", target, "-q"] + words)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try TestFile.text(target) == left.map { $0 + "\n" }.joined())
    }
  }

  /// With a time for an end, damage in front of it counts and damage behind it does not.
  @Test(arguments: [("2026-01-01", 0), ("2026-01-02", 3), ("2027-01-01", 3)])
  func damageAndTimes(_ end: String, _ status: Int32) throws {
    let scratch = try Scratch.here()
    let first = Self.entity("A", "1", "2026-01-01T10:00:00Z")
    let second = Self.entity("B", "1", "2026-01-02T10:00:00Z")
    let third = Self.entity("C", "1", "2026-01-03T10:00:00Z")
    let log = try scratch.write([first, second, "{\"bad", third].joined(separator: "\n"), to: "l")
    try scratch.holdfast(
      exit: status, "replay", log, "--to", scratch.file("t"), "--until", end, "-q")
  }
}
