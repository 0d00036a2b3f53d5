import Testing

/// `salvage` through the program: what it prints, what it writes, how it ends.
@Suite(.scratch) struct SalvageVerbTests {
  private func damaged(_ scratch: Scratch) throws -> String {
    let whole = SampleRecords.lines(SampleRecords.graph(30), last: "\n")
    let lines = whole.split(separator: 0x0A).map(Array.init)
    // A record cut off with the next one behind it, and NUL bytes in place of a line.
    var bytes = Array(lines[0...9].joined(separator: [0x0A]))
    bytes.removeLast(20)
    bytes += lines[10] + [0x0A] + [UInt8](repeating: 0, count: 500) + [0x0A]
    bytes += Array(lines[11...].joined(separator: [0x0A]))
    return try scratch.write(bytes, to: "memory.jsonl")
  }

  @Test func whatIsWritten() throws {
    let scratch = try Scratch.here()
    let store = try damaged(scratch)
    let before = try TestFile.read(store)
    let found = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    #expect(found["schema"]?.text == "holdfast.salvage/1")
    let input = try #require(found["inputs"]?[0])
    #expect(input["recovered"]?["records"]?.integer == 29)
    #expect(input["quarantined"]?["ranges"]?.integer == 2)
    let parts = ["recovered", "irregular", "repaired", "insignificant", "quarantined"]
    let sum = parts.reduce(0) { $0 + (input[$1]?["bytes"]?.integer ?? 0) }
    #expect(sum == before.count && input["bytes"]?.integer == before.count)
    #expect(found["counts"]?["entity"]?.integer == 19)
    let top = try TestFile.names(scratch.file("out"))
    #expect(
      top.filter { !$0.hasPrefix("recovery-") } == ["ledger.json", "quarantine", "recovered"])
    #expect(top.contains { $0.hasPrefix("recovery-") && $0.hasSuffix(".log") })
    #expect(try TestFile.read(store) == before)
    let inspected = try scratch.json("inspect", scratch.file("out/recovered/memory.jsonl"))
    #expect(inspected["records"]?.integer == 29)
    try scratch.python(
      """
      import json, os, re, sys
      out, store = sys.argv[1:]
      data = open(store, 'rb').read()
      ledger = json.load(open(out + '/ledger.json', encoding='utf-8'))
      at = 0
      for piece in ledger['inputs'][0]['ranges']:
          assert piece['offset'] == at, piece
          at += piece['length']
          if piece['fate'] == 'quarantined':
              kept = open(out + '/' + piece['file'], 'rb').read()
              assert kept == data[piece['offset']:at], piece
              name = os.path.basename(piece['file'])
              assert name == '%012d-%d.bin' % (piece['offset'], piece['length']), name
      assert at == len(data)
      """, scratch.file("out"), store)
  }

  @Test func anIntactStoreIsWhole() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(30), last: "\n")
    let store = try scratch.write(lines, to: "memory.jsonl")
    let outcome = try scratch.holdfast(exit: 0, "salvage", store, "--to", scratch.file("out"))
    #expect(outcome.errors.isEmpty)
    #expect(try TestFile.read(scratch.file("out/recovered/memory.jsonl")) == lines)
    #expect(
      try scratch.digest(store) == scratch.digest(scratch.file("out/recovered/memory.jsonl")))
  }

  /// Two records that lost what was between them are sound JSON, and no record of the store: a key
  /// that is there twice tells. RTFS text has a summary of one of them besides.
  @Test(arguments: [
    ("memory.jsonl", "relation", "\"from\":\"Zoë Lindqvist\",", "\"from\":\"Øyvind Dahl\""),
    ("memory.jsonl", "relation", "\"from\":\"Zoë Lindqvist\",", "\"type\":\"relation\""),
    ("tasks-by-user.json", "task", "\"completed\": false,", "\"completed\": true"),
    ("snapshot-v1.1.json", "intent", "\"goal\": \"Point", "\"goal\": \"Move the web"),
  ])
  func twoThatAreJoined(_ name: String, _ kind: String, _ last: String, _ next: String) throws {
    let scratch = try Scratch.here()
    let intact = "\(SalvageKindTests.samples)/intact/\(name)"
    var text = try TestFile.text(intact)
    let first = try #require(text.firstRange(of: last))
    let line = text[first.lowerBound...].firstIndex { [",", "\n"].contains($0) } ?? text.endIndex
    let second = try #require(text[line...].firstRange(of: next))
    text.removeSubrange(text.index(after: line)..<second.lowerBound)
    let store = try scratch.write(Array(text.utf8), to: name)
    let told = try scratch.json(exit: 3, "inspect", store)
    #expect(told["findings"]?.elements.contains { $0["code"]?.text == "repeated-key" } == true)
    let before = try #require(try scratch.json("inspect", intact)["counts"]?[kind]?.integer)
    let found = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    #expect(found["counts"]?[kind]?.integer == before - 2)
    #expect(found["inputs"]?[0]?["irregular"]?["records"]?.integer == (kind == "intent" ? 2 : 1))
  }

  @Test func quietIsOneLineAboutTheLoss() throws {
    let scratch = try Scratch.here()
    let store = try damaged(scratch)
    let outcome = try scratch.holdfast(
      exit: 3, "salvage", store, "--to", scratch.file("out"), "--quiet")
    #expect(outcome.output.isEmpty && outcome.messages.count == 1, "\(outcome)")
    #expect(outcome.message.contains(store) && outcome.message.contains("byte"))
  }

  @Test func nothingIsWrittenOver() throws {
    let scratch = try Scratch.here()
    let store = try damaged(scratch)
    try scratch.write("mine", to: "out/file")
    try scratch.holdfast(exit: 1, "salvage", store, "--to", scratch.file("out"))
    #expect(try TestFile.names(scratch.file("out")) == ["file"])
    try scratch.holdfast(exit: 64, "salvage", scratch.path, "--to", scratch.file("inside"))
    #expect(try !TestFile.names(scratch.path).contains { $0.hasPrefix(".holdfast-") })
    try scratch.holdfast(exit: 10, "salvage", scratch.file("none"), "--to", scratch.file("new"))
    #expect(!TestFile.exists(scratch.file("new")))
  }

  @Test func dryRunWritesNothing() throws {
    let scratch = try Scratch.here()
    let store = try damaged(scratch)
    let plan = try scratch.json("salvage", store, "--to", scratch.file("out"), "--dry-run")
    #expect(plan["dry_run"]?.isTrue == true)
    #expect(plan["plan"]?["inputs"]?[0]?["kind"]?.text == "memory-graph")
    #expect(!TestFile.exists(scratch.file("out")))
  }

  /// A directory of contexts: each under its name, what is no context left alone.
  @Test func contexts() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(9), last: "\n")
    try scratch.write(lines, to: "coaia/charts.jsonl")
    try scratch.write(Array(lines.dropLast(5)), to: "coaia/charts-b.jsonl")
    try scratch.write("no store", to: "coaia/notes.txt")
    let found = try scratch.json(
      exit: 3, "salvage", scratch.file("coaia"), "--to", scratch.file("out"))
    #expect(found["inputs"]?.elements.count == 2)
    #expect(
      try TestFile.names(scratch.file("out/recovered")) == ["charts-b.jsonl", "charts.jsonl"])
    let log = try TestFile.names(scratch.file("out")).first { $0.hasPrefix("recovery-") } ?? ""
    #expect(try TestFile.text(scratch.file("out/\(log)")).contains("notes.txt"))
  }

  /// What cannot be meant is refused before anything is written, with what to do instead.
  @Test func whatIsRefused() throws {
    let scratch = try Scratch.here()
    let line = SampleRecords.lines(SampleRecords.graph(1), last: "\n")
    let (first, second) = (scratch.file("a"), scratch.file("b"))
    try scratch.write(line, to: "a/memory.jsonl")
    try scratch.write(line, to: "b/memory.jsonl")
    try scratch.write("no record", to: "junk/notes.txt")
    let empty = try scratch.directory("empty")
    let archive = try scratch.backUp(first)
    let database = scratch.file("memory.db")
    try scratch.holdfast(exit: 0, "migrate", first, "--to", database, "--quiet")
    let out = scratch.file("out")
    for (status, words, message) in [
      (64, ["salvage", first, second, "--to", out, "--with", archive], "2 paths were named"),
      (13, ["salvage", database, "--to", out, "--context", "w"], "salvaged as a whole"),
      (
        13, ["salvage", scratch.file("junk"), "--to", out, "--context", "w"], "nothing of a memory"
      ),
      (64, ["salvage", empty, "--to", empty], "is the store that is to be salvaged"),
      (13, ["salvage", empty, "--to", out], "holds no file"),
      (13, ["salvage", scratch.file("junk"), "--to", out], "holds no file"),
      (64, ["recover", archive, "--yes"], "is a backup and no store"),
    ] as [(Int32, [String], String)] {
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == status && outcome.message.contains(message), "\(outcome)")
      #expect(try !TestFile.exists(out) && TestFile.names(empty).isEmpty)
    }
  }

  /// Values one behind the other on one line are records, whatever stands between them.
  @Test(arguments: ["", " ", "\r", "\u{FEFF}"])
  func valuesOnOneLine(_ separator: String) throws {
    let scratch = try Scratch.here()
    let values = ["{\"a\":1}", "{\"b\":[2]}", "{\"c\":{}}"]
    let store = try scratch.write(values.joined(separator: separator), to: "log.jsonl")
    let isWhole = separator != "\u{FEFF}"
    try scratch.holdfast(exit: isWhole ? 0 : 3, "salvage", store, "--to", scratch.file("out"))
    let found = try TestFile.text(scratch.file("out/recovered/log.jsonl"))
    #expect(found == values.joined(separator: "\n") + "\n")
  }

  /// A document that was written over a longer one is whole; the rest of that one is not lost.
  @Test func aDocumentInFrontOfAnOlderEnd() throws {
    let scratch = try Scratch.here()
    let value = "{\n  \"a\": 1,\n  \"b\": [2]\n}"
    let rest = "  \"old\": 3\n}"
    let store = try scratch.write("\(value)\n\(rest)\n", to: "state.json")
    let found = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    #expect(try TestFile.text(scratch.file("out/recovered/state.json")) == value + "\n")
    let kept = try TestFile.names(scratch.file("out/quarantine/state.json"))
    #expect(kept == ["000000000027-10.bin"])
    #expect(found["inputs"]?[0]?["quarantined"]?["bytes"]?.integer == 10)
  }

  /// Stores of the same name, each under a name of its own.
  @Test func sameNames() throws {
    let scratch = try Scratch.here()
    var paths: [String] = []
    for name in ["2-m.jsonl", "a/m.jsonl", "b/m.jsonl", "a/s/x.jsonl", "b/s/x.jsonl"] {
      let path = try scratch.write("{\"path\":\"\(name)\"}\n", to: name)
      paths.append(name.contains("/s/") ? String(path.dropLast(8)) : path)
    }
    let out = scratch.file("out")
    let outcome = try scratch.run([Binary.path, "salvage", "--to", out] + paths)
    #expect(outcome.status == 0, "\(outcome)")
    for (name, path) in [
      ("2-m.jsonl", "2-m.jsonl"), ("m.jsonl", "a/m.jsonl"), ("3-m.jsonl", "b/m.jsonl"),
      ("s/x.jsonl", "a/s/x.jsonl"), ("2-s/x.jsonl", "b/s/x.jsonl"),
    ] {
      #expect(try TestFile.text("\(out)/recovered/\(name)") == "{\"path\":\"\(path)\"}\n")
    }
  }
}
