import Testing

/// `salvage --with`: what a backup tells of records that were destroyed, altered or written anew.
@Suite(.scratch) struct SalvageWithTests {
  private func store(_ scratch: Scratch) throws -> (path: String, archive: String, digest: String) {
    let lines = SampleRecords.lines(SampleRecords.graph(30), last: "\n")
    let path = try scratch.write(lines, to: "memory.jsonl")
    return (path, try scratch.backUp(path), try scratch.digest(path))
  }

  /// Changes one byte inside the fifth record, so that it is still a record.
  private func alter(_ path: String, keepTime: Bool, _ scratch: Scratch) throws {
    try scratch.python(
      """
      import os, sys
      path, keep = sys.argv[1:]
      times = os.stat(path)
      data = bytearray(open(path, 'rb').read())
      lines = data.split(b'\\n')
      at = len(b'\\n'.join(lines[:4])) + 1 + lines[4].rindex(b'"') - 1
      assert data[at:at + 1].isalnum(), data[at]
      data[at] = data[at] + 1 if data[at:at + 1] not in b'9zZ' else data[at] - 1
      open(path, 'wb').write(data)
      if keep == 'true':
          os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
      """, path, "\(keepTime)")
  }

  /// Nothing has written the file since the backup: what differs was altered by damage.
  @Test func alteredRecordsAreFound() throws {
    let scratch = try Scratch.here()
    let (path, archive, digest) = try store(scratch)
    try alter(path, keepTime: true, scratch)
    let out = scratch.file("out")
    let found = try scratch.json(exit: 3, "salvage", path, "--to", out, "--with", archive)
    #expect(found["altered"]?.integer == 1)
    #expect(found["filled"]?.integer == 1)
    #expect(found["conflicts"]?.integer == 0)
    #expect(try scratch.digest(out + "/recovered/memory.jsonl") == digest)
    let kept = try TestFile.read(out + "/conflicts/memory.jsonl")
    let damaged = try TestFile.read(path)
    #expect(damaged.split(separator: 0x0A).contains(kept.dropLast()))
  }

  /// Nothing has written the file since the backup, and it is shorter: what it lacks was destroyed,
  /// though all that is left is sound.
  @Test(arguments: [true, false]) func cutBetweenLines(_ keepTime: Bool) throws {
    let scratch = try Scratch.here()
    let (path, archive, digest) = try store(scratch)
    try scratch.python(
      """
      import os, sys
      path, keep = sys.argv[1:]
      times = os.stat(path)
      lines = open(path, 'rb').read().splitlines(True)
      open(path, 'wb').write(b''.join(lines[:len(lines) // 2]))
      if keep == 'true':
          os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
      """, path, "\(keepTime)")
    let out = scratch.file("out")
    let found = try scratch.json(
      exit: keepTime ? 3 : 0, "salvage", path, "--to", out, "--with", archive)
    #expect((found["filled"]?.integer ?? 0) == (keepTime ? 15 : 0), "\(found)")
    #expect(try (scratch.digest(out + "/recovered/memory.jsonl") == digest) == keepTime)
  }

  /// Records of one kind have no place in a store of another: both stay as they are.
  @Test func aBackupOfAnotherKind() throws {
    let scratch = try Scratch.here()
    let graph = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(5), last: "\n{\"type\":\"ent\n"), to: "memory.jsonl")
    let task =
      #"{"id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","description":"x","completed":false,"#
      + #""created_at":"2026-01-03T00:26:10Z","updated_at":"2026-01-03T00:26:10Z"}"#
    let tasks = try scratch.write(#"{"version":"1.0","tasks":[\#(task)]}"#, to: "tasks.json")
    let torn = try scratch.write(#"{"version":"1.0","tasks":[\#(task),{"id"#, to: "torn.json")
    let others = [
      tasks, try scratch.backUp(tasks), try SampleStore.snapshot11.make(in: scratch).path,
      try scratch.write("{\"a\":1}", to: "a.json"),
    ]
    let before = try TestFile.read(graph)
    for (store, other) in others.map({ (graph, $0) }) + [(torn, graph)] {
      let out = scratch.fresh("out")
      try scratch.holdfast(exit: 13, "salvage", store, "--to", out, "--with", other)
      #expect(!TestFile.exists(out))
    }
    try scratch.holdfast(exit: 13, "recover", graph, "--yes", "--with", others[1])
    #expect(try TestFile.read(graph) == before)
    // What is too damaged to tell is taken for what the backup is of.
    let lost = try scratch.write("\0\0\0\0,\(task)", to: "lost.json")
    let found = try scratch.json(
      exit: 3, "salvage", lost, "--to", scratch.file("found"), "--with", tasks)
    #expect(found["inputs"]?[0]?["kind"]?.text == "task-list")
    #expect(found["inputs"]?[0]?["recovered"]?["records"]?.integer == 1)
  }

  /// The same where only one context is looked at, be it one file or a part of one: the altered
  /// records of other contexts in the same file do not lose the backup's version either.
  @Test(arguments: [true, false]) func alteredRecordsOfAContext(_ isOneFile: Bool) throws {
    let scratch = try Scratch.here()
    func line(_ name: String, _ context: String) -> String {
      let mark = isOneFile && !context.isEmpty ? #","metadata":{"context":"\#(context)"}"# : ""
      return
        #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["good"]\#(mark)}"#
        + "\n"
    }
    let other = line("ada", "") + line("dan", "")
    let wanted = line("eve", "w") + line("bob", "w")
    let store = isOneFile ? "s/memory.jsonl" : "s"
    let file = isOneFile ? "s/memory.jsonl" : "s/charts-w.jsonl"
    try scratch.write(isOneFile ? other + wanted : wanted, to: file)
    if !isOneFile { try scratch.write(other, to: "s/charts.jsonl") }
    let archive = try scratch.backUp(scratch.file(store))
    try scratch.python(
      """
      import os, sys
      for path in sys.argv[1:]:
          times = os.stat(path)
          data = open(path, 'rb').read()
          for name in (b'"ada"', b'"bob"'):
              at = data.find(name)
              if at >= 0: data = data[:at] + data[at:].replace(b'good', b'gooe', 1)
          open(path, 'wb').write(data)
          os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
      """, scratch.file(file))
    let out = scratch.file("out")
    let found = try scratch.json(
      exit: 3, "salvage", scratch.file(store), "--to", out, "--with", archive, "--context", "w")
    #expect(found["altered"]?.integer == (isOneFile ? 2 : 1))
    let name = isOneFile ? "memory.jsonl" : "charts-w.jsonl"
    func lines(_ part: String) throws -> Set<Substring> {
      Set(try TestFile.text("\(out)/\(part)/\(name)").split(separator: "\n"))
    }
    #expect(try lines("recovered") == Set(wanted.split(separator: "\n")))
    if isOneFile { #expect(try lines("other-contexts") == Set(other.split(separator: "\n"))) }
  }

  /// Two contexts may have entities of one name, or the very same ones: what one of them lost is not in
  /// the other.
  @Test(arguments: [false, true], [false, true])
  func contextsWithTheSameNames(_ areTheSame: Bool, _ isCut: Bool) throws {
    let scratch = try Scratch.here()
    func lines(_ text: String) -> String {
      (0..<6).map {
        #"{"type":"entity","name":"n\#($0)","entityType":"t","observations":["\#(text)"]}"# + "\n"
      }.joined()
    }
    let (one, two) = (lines("one"), lines(areTheSame ? "one" : "two"))
    try scratch.write(one, to: "s/charts.jsonl")
    try scratch.write(two, to: "s/charts-b.jsonl")
    let store = scratch.file("s")
    let archive = try scratch.backUp(store)
    let left = isCut ? two.utf8.prefix(90).map { $0 } : [UInt8](repeating: 0, count: 400)
    try scratch.write(left, to: "s/charts-b.jsonl")
    let found = try scratch.json(exit: 3, "recover", store, "--with", archive, "--yes")
    #expect(found["filled"]?.integer == (isCut ? 5 : 6) && found["conflicts"]?.integer == 0)
    #expect(try TestFile.text(store + "/charts.jsonl") == one)
    let lines = try TestFile.text(store + "/charts-b.jsonl").split(separator: "\n")
    #expect(lines.sorted() == two.split(separator: "\n").sorted())
  }

  /// In a log the same line comes many times, and the last of an id counts: one that was not written
  /// since the backup is what it was, line for line.
  @Test func linesOfALogInTheirOrder() throws {
    let scratch = try Scratch.here()
    let text = (0..<200).map { #"{"id":"k\#($0 % 20)","v":\#($0 % 7 / 6)}"# + "\n" }.joined()
    let store = try scratch.write(text, to: "log.jsonl")
    let archive = try scratch.backUp(store)
    try scratch.python(
      """
      import os, sys
      times = os.stat(sys.argv[1])
      data = bytearray(open(sys.argv[1], 'rb').read())
      data[1024:1536] = bytes(512)
      open(sys.argv[1], 'wb').write(data)
      os.utime(sys.argv[1], ns=(times.st_atime_ns, times.st_mtime_ns))
      """, store)
    let found = try scratch.json(exit: 3, "recover", store, "--with", archive, "--yes")
    #expect(found["filled"]?.integer ?? 0 > 20)
    #expect(try TestFile.text(store) == text)
  }

  /// A file that was written since may be newer: its record stays, the backup's is kept beside it.
  @Test func newerRecordsStay() throws {
    let scratch = try Scratch.here()
    let (path, archive, _) = try store(scratch)
    try alter(path, keepTime: false, scratch)
    let digest = try scratch.digest(path)
    let out = scratch.file("out")
    let found = try scratch.json(exit: 3, "salvage", path, "--to", out, "--with", archive)
    #expect(found["altered"]?.integer == 0)
    #expect(found["filled"]?.integer == 0)
    #expect(found["conflicts"]?.integer == 1)
    #expect(try scratch.digest(out + "/recovered/memory.jsonl") == digest)
    #expect(try TestFile.read(out + "/conflicts/memory.jsonl").split(separator: 0x0A).count == 1)
  }

  /// A record that a sound store lacks was deleted, not destroyed.
  @Test func deletedRecordsStayDeleted() throws {
    let scratch = try Scratch.here()
    let (path, archive, _) = try store(scratch)
    let lines = try TestFile.read(path).split(separator: 0x0A).dropLast()
    try TestFile.write(Array(lines.joined(separator: [0x0A])) + [0x0A], to: path)
    let digest = try scratch.digest(path)
    let out = scratch.file("out")
    let found = try scratch.json(exit: 0, "salvage", path, "--to", out, "--with", archive)
    #expect(found["filled"]?.integer == 0)
    #expect(try scratch.digest(out + "/recovered/memory.jsonl") == digest)
  }

  /// In a plain archive nothing checks the bytes: an altered record in one encoding is found by
  /// the others, whichever of them is whole.
  @Test(arguments: [["store", "json"], ["store", "rtfs"], ["json", "rtfs"]])
  func alteredEncodings(_ damaged: [String]) throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(30), last: "\n")
    let path = try scratch.write(lines, to: "memory.jsonl")
    let archive = try scratch.backUp(path, ["--compression", "none"])
    try scratch.python(
      """
      import sys
      archive, store, where = sys.argv[1], sys.argv[2], sys.argv[3:]
      data = bytearray(open(archive, 'rb').read())
      first = open(store, 'rb').readline()
      starts = {'json': data.index(b'"entities":['), 'rtfs': data.index(b'(knowledge-graph'),
                'store': data.rindex(first)}
      for number, name in enumerate(where):
          at = data.index(b'node %d ' % number, starts[name])
          at = data.index(b'2026-01-0', at) + 3
          data[at] = ord('5')
      open(archive, 'wb').write(data)
      """, archive, path, damaged[0], damaged[1])
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", archive, "--to", out)
    #expect(try scratch.digest(out + "/recovered/memory.jsonl") == scratch.digest(path))
  }

  /// A backup that was made before there was the context has nothing to fill in; one that has a file
  /// which the store lacks has all of that.
  @Test(arguments: [true, false]) func whatOnlyOneOfThemHas(_ isOneFile: Bool) throws {
    let scratch = try Scratch.here()
    func line(_ name: String, _ context: String = "") -> String {
      let mark = isOneFile && !context.isEmpty ? #","metadata":{"context":"\#(context)"}"# : ""
      return
        #"{"type":"entity","name":"\#(name)","entityType":"t","observations":[]\#(mark)}"# + "\n"
    }
    let store = scratch.file(isOneFile ? "s/memory.jsonl" : "s")
    let file = isOneFile ? "s/memory.jsonl" : "s/charts-w.jsonl"
    try scratch.write(line("ada"), to: isOneFile ? file : "s/charts.jsonl")
    if !isOneFile { try scratch.write(line("old"), to: "s/completed-charts.jsonl") }
    let archive = try scratch.backUp(store)
    try scratch.write((isOneFile ? line("ada") : "") + line("eve", "w") + "{\"type\":", to: file)
    let out = scratch.file("out")
    let found = try scratch.json(
      exit: 3, "salvage", store, "--to", out, "--with", archive, "--context", "w")
    #expect(found["filled"]?.integer == 0)
    let name = isOneFile ? "memory.jsonl" : "charts-w.jsonl"
    #expect(try TestFile.names(out + "/recovered") == [name])
    #expect(try TestFile.text("\(out)/recovered/\(name)") == line("eve", "w"))
    if isOneFile { return }
    try TestFile.remove(store + "/completed-charts.jsonl")
    let all = scratch.file("all")
    #expect(
      try scratch.json(exit: 3, "salvage", store, "--to", all, "--with", archive)["filled"]?.integer
        == 1)
    #expect(try TestFile.text(all + "/recovered/completed-charts.jsonl") == line("old"))
  }

  /// A database that is missing a record gets it from its backup, under its own name.
  @Test func aDatabase() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(9), last: "\n")
    try scratch.write(lines, to: "memory.jsonl")
    let database = scratch.file("graph.db")
    try scratch.holdfast(
      exit: 0, "migrate", scratch.file("memory.jsonl"), "--to", database, "--quiet")
    let digest = try scratch.digest(database)
    let archive = try scratch.backUp(database)
    var bytes = try TestFile.read(database)
    let name = Array("node 3 ".utf8)
    for at in bytes.indices where bytes[at...].starts(with: name) { bytes[at] = 0xFF }
    try TestFile.write(bytes, to: database)
    let out = scratch.file("out")
    let found = try scratch.json(exit: 3, "salvage", database, "--to", out, "--with", archive)
    #expect((found["filled"]?.integer ?? 0) > 0, "\(found)")
    #expect(try TestFile.names(out + "/recovered") == ["graph.db"])
    #expect(try scratch.digest(out + "/recovered/graph.db") == digest)
  }
}
