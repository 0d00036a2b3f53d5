import Testing

/// `restore --as` and `--select`: stores of other kinds and parts of stores, with nothing lost.
@Suite(.scratch) struct ConversionTests {
  /// A store, the form it is turned into, and the form that gives back what it was.
  struct Way: CustomTestStringConvertible, Sendable {
    var sample: SampleStore
    var there: String
    var back: String
    var testDescription: String { "\(sample) \(there) \(back)" }
  }

  static let ways: [Way] = [
    Way(sample: .graph, there: "contexts", back: "memory-graph"),
    Way(sample: .contexts, there: "memory-graph", back: "contexts"),
    Way(sample: .emptyParts, there: "memory-graph", back: "contexts"),
    Way(sample: .snapshot10, there: "content-archive", back: "intent-snapshot"),
    Way(sample: .snapshot11, there: "content-archive", back: "intent-snapshot"),
    Way(sample: .archive, there: "intent-snapshot", back: "content-archive"),
    Way(sample: .archivePair, there: "intent-snapshot", back: "content-archive"),
    Way(sample: .archiveWithoutIndex, there: "intent-snapshot", back: "content-archive"),
    Way(sample: .json, there: "jsonl", back: "json"),
  ]

  /// The path of the store that a restore made: its one file, or the directory.
  private func store(_ restored: JSONValue, _ target: String) -> String {
    let files = restored["restored"]?.elements.compactMap(\.text) ?? []
    let isOne = files.count == 1 && !files[0].hasSuffix("charts.jsonl")
    return isOne ? files[0] : target
  }

  @Test(arguments: ways)
  func thereAndBackKeepsTheDigest(_ way: Way) throws {
    let scratch = try Scratch.here()
    let made = try way.sample.make(in: scratch)
    let archive = try scratch.backUp(made.path)
    let digest = try scratch.digest(made.path)
    // Two of its contexts are not what the records in them say.
    let isLossy = way.sample == .contexts && way.there == "memory-graph"
    let there = try scratch.json(
      exit: isLossy ? 3 : 0, "restore", archive, "--as", way.there, "--to", scratch.file("there"))
    #expect(there["digest"]?.text == digest)
    #expect(there["records"]?.integer == way.sample.recordCount)
    let path = store(there, scratch.file("there"))
    #expect(try scratch.digest(path) == digest)
    let kind = way.there == "contexts" ? "memory-graph" : way.there
    if way.there != "jsonl" { #expect(try scratch.json("inspect", path)["kind"]?.text == kind) }
    let second = try scratch.backUp(path, ["--name", "second", "--kind", kind])
    let back = try scratch.json("restore", second, "--as", way.back, "--to", scratch.file("back"))
    #expect(back["digest"]?.text == digest)
    #expect(try scratch.digest(store(back, scratch.file("back"))) == digest)
    try scratch.holdfast(
      exit: 0, "diff", made.path, store(back, scratch.file("back")))
  }

  /// What cannot be held is refused before anything is written, with the reason.
  @Test(arguments: [
    (SampleStore.graph, "intent-snapshot", "entities"), (.graph, "content-archive", "entities"),
    (.graph, "jsonl", "entities"), (.snapshot11, "memory-graph", "intents"),
    (.archivePair, "contexts", "edges"), (.tasks, "json", "tasks"),
    (.jsonLines, "memory-graph", "documents"), (.jsonLines, "task-list", "documents"),
    (.tasksByUser, "intent-snapshot", "users"),
  ])
  func refusals(_ sample: SampleStore, _ form: String, _ word: String) throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(sample.make(in: scratch).path)
    for words in [[], ["--dry-run"]] {
      let outcome = try scratch.run(
        [Binary.path, "restore", archive, "--as", form, "--to", scratch.file("t")] + words)
      #expect(outcome.status == 13, "\(outcome)")
      #expect(outcome.message.contains("no place for") && outcome.message.contains(word))
    }
    #expect(!TestFile.exists(scratch.file("t")))
    #expect(try scratch.names(beginningWith: ".holdfast-") == [])
  }

  @Test func usage() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(SampleStore.graph.make(in: scratch).path)
    for words in [["--as", "nonsense"], ["--with-relations"]] {
      let outcome = try scratch.run(
        [Binary.path, "restore", archive, "--to", scratch.file("t")] + words)
      #expect(outcome.status == 64, "\(outcome)")
    }
    // A value that fits one file does not fit where there are thirty.
    let lines = try scratch.backUp(SampleStore.jsonLines.make(in: scratch, "lines").path)
    let outcome = try scratch.holdfast(
      exit: 13, "restore", lines, "--as", "json", "--to", scratch.file("t"))
    #expect(outcome.message.contains("one value") && outcome.message.contains(":2: byte 2:"))
    #expect(!TestFile.exists(scratch.file("t")))
    // Nothing selected is nothing found.
    try scratch.holdfast(
      exit: 10, "restore", archive, "--as", "contexts", "--select", "entity:none", "--to",
      scratch.file("t"))
  }

  private static let samples =
    "/"
    + #filePath.split(separator: "/").dropLast(3).joined(
      separator: "/") + "/samples/intact/"

  /// A part of a store is recognised for what it is, or not written.
  @Test(arguments: [
    ("tasks-by-project.json", "task:*"), ("tasks-by-project.json", "user:*"),
    ("tasks-by-project.json", "project:*"), ("tasks-by-user.json", "task:*"),
    ("tasks.json", "task:*"), ("snapshot-v1.1.json", "edge:*"), ("archive", "edge:*"),
  ])
  func partsAreRecognised(_ name: String, _ part: String) throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(Self.samples + name)
    let told = try scratch.json(
      "restore", archive, "--select", part, "--to", scratch.file("t"))
    let path = name == "archive" ? scratch.file("t") : scratch.file("t/" + name)
    #expect(try scratch.digest(path) == told["digest"]?.text)
    #expect(
      try scratch.holdfast("inspect", path, "--json").text.contains(
        "\"kind\": \"\(told["kind"]?.text ?? "")\""))
  }

  @Test func partsThatNobodyReads() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      Array("{\"type\":\"beat\",\"n\":1}\n".utf8) + SampleRecords.lines([SampleRecords.entity(1)]),
      to: "c/charts.jsonl")
    let archive = try scratch.backUp(String(store.dropLast("/charts.jsonl".count)))
    for words in [["--as", "contexts"], [], ["--as", "contexts", "--dry-run"]] {
      let outcome = try scratch.run(
        [Binary.path, "restore", archive, "--select", "document:*", "--to", scratch.file("t")]
          + words)
      #expect(outcome.status == 13 && outcome.message.contains("recognised"), "\(outcome)")
      #expect(!TestFile.exists(scratch.file("t")))
    }
  }

  /// Lines say what they lose, and their digest is that of the file.
  @Test(
    arguments: [
      ("tasks-by-project.json", 3), ("tasks-by-user.json", 3), ("tasks.json", 0),
      ("snapshot-v1.1.json", 0), ("archive", 0), ("memory.jsonl", 0), ("runs.db", 0),
    ] as [(String, Int32)])
  func lines(_ name: String, _ status: Int32) throws {
    let scratch = try Scratch.here()
    let path = scratch.file("o")
    let words = ["export", Self.samples + name, "--as", "jsonl", "--to", path, "--json"]
    for more in [["--dry-run"], []] {
      let outcome = try scratch.run([Binary.path] + words + more)
      #expect(outcome.status == status, "\(outcome)")
      let told = try JSONValue(parsing: outcome.output)
      #expect(told["findings"]?.elements.count == (status == 0 ? 0 : 1))
      if more.isEmpty { #expect(told["digest"]?.text == (try scratch.digest(path))) }
    }
  }

  /// A plan decides what the run would refuse.
  @Test func plansDecide() throws {
    let scratch = try Scratch.here()
    let odd = try scratch.write(
      "{\"intents\":{\"key\":{\"intent_id\":\"i\",\"goal\":\"g\"}},\"edges\":[]}\n",
      to: "odd.json")
    let archive = try scratch.backUp(odd, exit: 3)
    for words in [
      ["export", Self.samples + "coaia", "--as", "task-list"],
      ["export", odd, "--as", "content-archive"], ["restore", archive, "--as", "content-archive"],
      ["merge", Self.samples + "tasks-by-project.json", Self.samples + "tasks.json"],
    ] {
      let told = try ["--dry-run", "--json"].map {
        try scratch.run([Binary.path] + words + ["--to", scratch.file("t"), $0])
      }
      #expect(told.map(\.status) == [13, 13], "\(told)")
    }
    #expect(!TestFile.exists(scratch.file("t")))
  }

  @Test func relationsComeAlong() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines((0..<6).map(SampleRecords.entity))
        + [0x0A]
        + SampleRecords.lines([
          SampleRecords.relation(0, 1), SampleRecords.relation(2, 0), SampleRecords.relation(3, 4),
        ]), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let some = try scratch.json(
      "restore", archive, "--to", scratch.file("t"), "--select", "entity:node 0 *",
      "--with-relations")
    #expect(some["records"]?.integer == 3)
    let counts = try scratch.json("inspect", scratch.file("t/memory.jsonl"))["counts"]
    #expect(counts?["entity"]?.integer == 1 && counts?["relation"]?.integer == 2)
    // Edges too, and into another kind at once.
    let graph = try scratch.backUp(SampleStore.snapshot11.make(in: scratch).path)
    let intent = try scratch.json(
      "restore", graph, "--to", scratch.file("u"), "--select", "intent:intent-0-*",
      "--with-relations", "--as", "content-archive")
    #expect(intent["records"]?.integer == 3)
    #expect(try TestFile.names(scratch.file("u")) == ["edges", "intents"])
  }

  /// A migrated database is restored as the store that it was made of, with undo copy and all.
  @Test(arguments: [
    SampleStore.graph, .contexts, .snapshot11, .archivePair, .tasksByProject, .jsonLines, .json,
  ])
  func databases(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let made = try sample.make(in: scratch)
    try scratch.holdfast(exit: 0, "migrate", made.path, "--to", scratch.file("db"), "--quiet")
    let told = try scratch.json("restore", scratch.file("db"), "--to", scratch.file("t"))
    #expect(told["digest"]?.text == (try scratch.digest(made.path)))
    #expect(told["kind"]?.text == sample.kind)
    let path = sample == .contexts ? scratch.file("t") : store(told, scratch.file("t"))
    try scratch.holdfast(exit: 0, "diff", made.path, path)
    try scratch.holdfast(exit: 1, "restore", scratch.file("db"), "--to", scratch.file("t"))
    let again = try scratch.json(
      "restore", scratch.file("db"), "--to", scratch.file("t"), "--overwrite", "always")
    #expect(TestFile.exists(again["undo"]?.text ?? ""))
  }

  /// A kind that the backup is not of is no wish that can be met.
  @Test func kindsMustAgree() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(SampleStore.graph.make(in: scratch).path)
    let outcome = try scratch.holdfast(
      exit: 64, "restore", archive, "--to", scratch.file("t"), "--kind", "jsonl")
    #expect(outcome.message.contains("memory-graph") && outcome.message.contains("--as"))
    #expect(!TestFile.exists(scratch.file("t")))
    try scratch.holdfast(
      exit: 0, "restore", archive, "--to", scratch.file("t"), "--kind", "memory-graph")
  }

  /// What cannot be read would be missing, so nothing is written.
  @Test(arguments: ["contexts", "memory-graph", "jsonl"])
  func damagedStoresAreNotExported(_ form: String) throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(6), last: "\n{\"type\":\"ent")
    let store = try scratch.write(lines, to: "memory.jsonl")
    let outcome = try scratch.holdfast(
      exit: 13, "export", store, "--as", form, "--to", scratch.file("t"))
    #expect(outcome.message.contains("memory.jsonl:7"), "\(outcome)")
    #expect(!TestFile.exists(scratch.file("t")))
  }

  /// Records go to the file of their context; relations to that of the entity they start from.
  @Test func contextsByMetadata() throws {
    let scratch = try Scratch.here()
    func entity(_ name: String, _ context: String?) -> String {
      let data = context.map { ",\"metadata\":{\"context\":\"\($0)\"}" } ?? ""
      return
        "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]\(data)}"
    }
    func relation(_ from: String, _ to: String) -> String {
      "{\"type\":\"relation\",\"from\":\"\(from)\",\"to\":\"\(to)\",\"relationType\":\"r\"}"
    }
    let lines = [
      relation("b", "a"), entity("a", nil), entity("b", "wörk"), entity("c", "home"),
      relation("a", "c"), relation("x", "y"), entity("d", "default"),
    ]
    let store = try scratch.write(Array(lines.joined(separator: "\n").utf8), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    try scratch.holdfast(exit: 0, "restore", archive, "--as", "contexts", "--to", scratch.file("t"))
    #expect(
      try TestFile.names(scratch.file("t")) == [
        "charts-home.jsonl", "charts-wörk.jsonl", "charts.jsonl",
      ])
    #expect(
      try TestFile.text(scratch.file("t/charts-wörk.jsonl")) == [lines[0], lines[2]]
        .joined(separator: "\n") + "\n")
    #expect(
      try TestFile.text(scratch.file("t/charts-home.jsonl")) == [lines[3], lines[4]]
        .joined(separator: "\n") + "\n")
    // A context that would be a path is refused, and nothing is written anywhere.
    let bad = try scratch.write(Array(entity("a", "../../x").utf8), to: "bad.jsonl")
    let outcome = try scratch.holdfast(
      exit: 13, "restore", scratch.backUp(bad), "--as", "contexts", "--to", scratch.file("u/v"))
    #expect(outcome.message.contains("cannot be part of a file name"))
    #expect(!TestFile.exists(scratch.file("u/v")))
  }

  /// The owners of the formats read what was written: a program that does what the memory server
  /// does, and one that reads snapshots and archives as upstream does.
  @Test func ownersOpenWhatWasWritten() throws {
    let scratch = try Scratch.here()
    let contexts = try scratch.backUp(SampleStore.contexts.make(in: scratch).path)
    try scratch.holdfast(
      exit: 3, "restore", contexts, "--as", "memory-graph", "--to", scratch.file("graph"))
    let reader = try scratch.memoryServer(scratch.file("graph/memory.jsonl"))
    #expect(reader == "35 10\n")
    let snapshot = try scratch.backUp(SampleStore.snapshot11.make(in: scratch, "s").path)
    try scratch.holdfast(
      exit: 0, "restore", snapshot, "--as", "content-archive", "--to", scratch.file("archive"))
    try scratch.holdfast(
      exit: 0, "restore", snapshot, "--select", "intent", "--select", "edge", "--to",
      scratch.file("anew"))
    let told = try scratch.python(
      """
      import hashlib, json, os, sys
      archive, snapshot = sys.argv[1:]
      found = {}
      for part in ('intents', 'edges'):
          index = json.load(open(os.path.join(archive, part, 'index.json')))
          for name, path in index.items():
              data = open(os.path.join(archive, part, path), 'rb').read()
              assert hashlib.sha256(data).hexdigest() == name and path.endswith(name + '.json')
              json.loads(data)
          found[part] = len(index)
      store = json.load(open(snapshot))
      assert store['version'] == '1.1' and isinstance(store['timestamp'], int)
      assert all(intent['intent_id'] == key for key, intent in store['intents'].items())
      assert len(store['intents']) == found['intents'] and len(store['edges']) == found['edges']
      print(found)
      """, scratch.file("archive"), scratch.file("anew/graph.json"))
    #expect(told.text == "{'intents': 11, 'edges': 10}\n")
  }
}

extension Scratch {
  /// What the memory server's reader makes of a file: entities and relations; it throws on the
  /// first line that is no JSON. In Node where there is one, else in Python.
  func memoryServer(_ path: String) throws -> String {
    let hasNode = try run(["/usr/bin/env", "sh", "-c", "command -v node"]).status == 0
    let node = """
      const fs = require('fs');
      const lines = fs.readFileSync(process.argv[1], 'utf-8').split('\\n').filter(l => l.trim() !== '');
      const graph = lines.reduce((graph, line) => {
        const item = JSON.parse(line);
        if (item.type === 'entity') graph.entities.push(item);
        if (item.type === 'relation') graph.relations.push(item);
        return graph;
      }, { entities: [], relations: [] });
      console.log(graph.entities.length, graph.relations.length);
      """
    if hasNode { return try tool("node", "-e", node, path).text }
    return try python(
      """
      import json, sys
      lines = open(sys.argv[1], encoding='utf-8', newline='').read().split('\\n')
      items = [json.loads(line) for line in lines if line.strip()]
      types = [item.get('type') if isinstance(item, dict) else None for item in items]
      print(types.count('entity'), types.count('relation'))
      """, path
    ).text
  }

  /// Names anywhere below the scratch directory.
  func names(beginningWith prefix: String) throws -> [String] {
    try tool("find", path, "-name", "\(prefix)*").lines
  }
}
