import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

/// Stores written record by record: what they hold, what they look like, what they refuse.
@Suite struct StoreWriterTests {
  private static let samples = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent().appending("samples")

  /// Copies all records of the store at `source` into `directory`; the mode of each file is the
  /// source's own.
  static func copy(
    _ source: FilePath, to directory: FilePath, as kind: StoreFormat? = nil,
    layout: WriteOptions.Layout = .files,
    context: @escaping (borrowing Record) -> [UInt8]? = { _ in nil }
  ) throws -> StoreOutput.Result {
    let tree = try DiskTree(source)
    let format = try StoreFormat.fileFormats.detect(tree, path: source.string)
    try Disk.makeDirectory(directory)
    var options = WriteOptions(directory: directory)
    options.sourceKind = format.name
    options.layout = layout == .files && tree.isSingleFile ? .oneFile : layout
    let output = try StoreOutput(kind ?? format, options)
    let survey = Survey(rules: false)
    survey.onRecord = { record, hash in
      let file = tree.files[record.place.file]
      try output.take(
        &record, hash,
        at: WritePlace(file: file.name, context: context(record), mode: file.mode))
    }
    try format.read(tree, ReadOptions(), survey)
    try survey.finish()
    let result = try output.finish()
    #expect(result.digest == survey.digest())
    return result
  }

  @Test(
    arguments: [
      "intact/memory.jsonl", "intact/coaia", "intact/snapshot-v1.0.json",
      "intact/snapshot-v1.1.json", "intact/archive", "intact/events.jsonl",
      "intact/station.json", "intact/tasks.json", "intact/tasks-by-user.json",
      "intact/tasks-by-project.json", "damaged/task-list/owners.json",
      "damaged/task-list/rules.json", "damaged/task-list/cut.json",
      "damaged/memory-graph/s11-wrapper.json",
      "damaged/memory-graph/s11-array.json", "damaged/memory-graph/s11-nested.jsonl",
      "damaged/memory-graph/s11-no-type.jsonl", "damaged/memory-graph/s11-pretty.jsonl",
      "damaged/memory-graph/s12-bad-records.jsonl", "damaged/memory-graph/s01-splice.jsonl",
      "damaged/content-archive/hash-mismatch", "damaged/content-archive/orphan",
      "damaged/intent-snapshot/disagreeing.json", "damaged/coaia",
    ])
  func theSameKindHoldsWhatWasRead(_ name: String) throws {
    let scratch = try Scratch()
    let source = Self.samples.pushing(FilePath(name))
    let result = try Self.copy(source, to: scratch.file("copy"))
    let there = try Reading(result.store.root)
    let here = try Reading(source)
    #expect(there.digest == here.digest)
    #expect(there.format == here.format)
    #expect(result.total == here.labels.count)
  }

  /// What only its place in an object of arrays told is told by such an object again.
  @Test func wrappedRecordsStayWhatTheyAre() throws {
    let scratch = try Scratch()
    let source = try scratch.write(
      """
      {"version": 3, "entities": [{"name":"a","x":1}, {"type":"entity","name":"b"}],
       "relations": [{"from":"a","to":"b"}], "version": {"deep":[1.50]}}
      {"type":"note"}
      """, to: "memory.json")
    let result = try Self.copy(source, to: scratch.file("copy"))
    #expect(
      try Reading(result.store.root).labels.sorted() == [
        "document:line 3", "document:version | version", "document:version | version",
        "entity:a", "entity:b", "relation:line 1",
      ])
    #expect(throws: StoreError.self) {
      try Self.copy(source, to: scratch.file("contexts"), layout: .contexts)
    }
  }

  @Test func contextsOfAGraph() throws {
    let scratch = try Scratch()
    let source = try scratch.write(
      """
      {"type":"entity","name":"a","entityType":"t","observations":[],"metadata":{"context":"wörk"}}
      {"type":"entity","name":"b","entityType":"t","observations":[]}
      {"type":"relation","from":"a","to":"b","relationType":"r"}
      """, to: "memory.jsonl")
    func context(_ record: borrowing Record) -> [UInt8]? {
      record.text.member("metadata").flatMap { record.text.string("context", of: $0) }
    }
    let result = try Self.copy(
      source, to: scratch.file("contexts"), layout: .contexts, context: context)
    #expect(result.store.root == scratch.file("contexts"))
    #expect(Set(result.store.files) == ["charts.jsonl", "charts-wörk.jsonl"])
    let back = try Self.copy(result.store.root, to: scratch.file("one"), layout: .oneFile)
    #expect(back.digest == result.digest)
    #expect(back.store.root == scratch.file("one/memory.jsonl"))
    // Many more contexts than files may be open at a time.
    var lines = ""
    for index in 0..<400 {
      lines += "{\"type\":\"entity\",\"name\":\"\(index)\","
      lines += "\"metadata\":{\"context\":\"c\(index % 97)\"}}\n"
    }
    let many = try Self.copy(
      try scratch.write(lines, to: "many.jsonl"), to: scratch.file("m"), layout: .contexts,
      context: context)
    #expect(many.store.files.count == 97)
    #expect(many.total == 400)
  }

  @Test(arguments: ["../out", "a/b", String(repeating: "x", count: 300), "a\u{0}b"])
  func contextsThatNoFileCanHave(_ name: String) throws {
    let scratch = try Scratch()
    let source = try scratch.write("{\"type\":\"entity\",\"name\":\"a\"}\n", to: "memory.jsonl")
    #expect(throws: StoreError.self) {
      try Self.copy(source, to: scratch.file("x/y"), layout: .contexts) { _ in Array(name.utf8) }
    }
    #expect(try scratch.run("find . -name '*.jsonl'") == "./memory.jsonl\n")
  }

  @Test func snapshotsAndArchives() throws {
    let scratch = try Scratch()
    let golden = Self.samples.appending("intact").appending("snapshot-v1.1.json")
    let archive = try Self.copy(golden, to: scratch.file("archive"), as: .contentArchive)
    #expect(try Reading(archive.store.root).findings.isEmpty)
    let snapshot = try Self.copy(
      archive.store.root, to: scratch.file("back"), as: .intentSnapshot)
    #expect(snapshot.digest == archive.digest)
    let shape = try scratch.python(
      """
      import json
      store = json.load(open('back/snapshot.json'))
      assert list(store) == ['version', 'timestamp', 'intents', 'edges', 'manifest', 'rtfs']
      assert all(value['intent_id'] == key for key, value in store['intents'].items())
      print(store['version'], store['manifest'])
      """)
    #expect(shape == "1.1 None\n")
    // The names of an archive's objects are the SHA-256 of their content.
    #expect(
      try scratch.run(
        "cd archive && find . -name '????*.json' ! -name index.json | while read -r f; do "
          + "sha256sum \"$f\" | cut -c1-64; basename \"$f\" .json; done | uniq -c | "
          + "grep -vc ' 2 ' || true") == "0\n")
  }

  /// Members of the top level that upstream does not know come back under their names.
  @Test func unknownMembersOfASnapshot() throws {
    let scratch = try Scratch()
    let source = try scratch.write(
      """
      {"version":"1.1","timestamp":1,"intents":{"a":{"intent_id":"a"},"k":{"intent_id":"b"},
       "c":{"$scope":"c","$record":{"intent_id":"c"}}},
       "edges":[],"extra":{"x":1.0},"tasks":[{"$scope":"/u","$record":{"id":1}}],
       "documents":[1,{"$scope":"edges","$record":2}],"manifest":null,"rtfs":null}
      """, to: "snapshot.json")
    let result = try Self.copy(source, to: scratch.file("copy"))
    #expect(result.total == 7)
    #expect(
      try scratch.python("import json; print(json.load(open('copy/snapshot.json'))['extra'])")
        == "{'x': 1.0}\n")
  }

  /// A kind that has no place for a record says so, and for which one.
  @Test(arguments: [
    ("intact/memory.jsonl", StoreFormat.intentSnapshot, "entities"),
    ("intact/memory.jsonl", .contentArchive, "entit"),
    ("intact/snapshot-v1.1.json", .memoryGraph, "intents"),
    ("intact/events.jsonl", .json, "one value"),
    ("intact/events.jsonl", .memoryGraph, "documents"),
    ("intact/station.json", .contentArchive, "documents"),
    ("damaged/intent-snapshot/disagreeing.json", .contentArchive, "under the key"),
  ])
  func refusals(_ name: String, _ kind: StoreFormat, _ word: String) throws {
    let scratch = try Scratch()
    do {
      _ = try Self.copy(
        Self.samples.pushing(FilePath(name)), to: scratch.file("out"), as: kind)
      Issue.record("\(name) was taken as \(kind.name)")
    } catch let error as StoreError {
      #expect(error.code == .refused)
      #expect(error.message.contains(word), "\(error)")
      #expect(error.hint != nil)
    }
  }

  /// The same content twice is no archive, which has one object for each content.
  @Test func twiceInAnArchive() throws {
    let scratch = try Scratch()
    let edge = "{\"from\":\"a\",\"to\":\"b\",\"edge_type\":\"Blocks\"}"
    let source = try scratch.write(
      "{\"intents\":{},\"edges\":[\(edge),\(edge)]}", to: "graph.json")
    do {
      _ = try Self.copy(source, to: scratch.file("out"), as: .contentArchive)
      Issue.record("both were taken")
    } catch let error as StoreError { #expect(error.message.contains("occurs twice")) }
  }

  @Test func modesAreKept() throws {
    let scratch = try Scratch()
    try scratch.write("{\"type\":\"entity\",\"name\":\"a\"}\n", to: "g/charts.jsonl")
    try scratch.write("{\"type\":\"entity\",\"name\":\"b\"}\n", to: "g/charts-b.jsonl")
    try scratch.run("chmod 440 g/charts.jsonl; chmod 664 g/charts-b.jsonl")
    _ = try Self.copy(scratch.file("g"), to: scratch.file("copy"))
    #expect(
      try scratch.run("stat -c '%a %n' copy/*")
        == "664 copy/charts-b.jsonl\n440 copy/charts.jsonl\n"
    )
  }
}
