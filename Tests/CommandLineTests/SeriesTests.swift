import Testing

/// A backup is of the series that it was made for: no other store gets into that by its name.
@Suite(.scratch) struct SeriesTests {
  private func backUp(
    _ scratch: Scratch, _ store: String, _ more: String..., exit status: Int32 = 0,
    at location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let words = [Binary.path, "backup", scratch.file(store), "--to", scratch.file("repo"), "-q"]
    let outcome = try scratch.run(words + more)
    #expect(outcome.status == status, "\(outcome)", sourceLocation: location)
    return outcome
  }

  private func series(_ scratch: Scratch) throws -> [String] {
    let list = try scratch.json("list", scratch.file("repo"))["backups"]?.elements ?? []
    return list.compactMap { $0["series"]?.text }
  }

  @Test func twoStoresOfOneName() throws {
    let scratch = try Scratch.here()
    for name in ["a/memory.jsonl", "b/memory.jsonl", "a/memory.json"] {
      try scratch.graph(10, to: name)
    }
    _ = try backUp(scratch, "a/memory.jsonl")
    let before = try scratch.bytes(scratch.file("repo"))
    for store in ["b/memory.jsonl", "a/memory.json"] {
      for more in ["--dry-run", "--skip-unchanged"] {
        let refused = try backUp(scratch, store, more, exit: 64)
        #expect(refused.messages.count == 1 && refused.output.isEmpty)
        for part in ["series memory", "/a/memory.jsonl", "--name"] {
          #expect(refused.message.contains(part), "\(refused)")
        }
      }
    }
    #expect(try scratch.bytes(scratch.file("repo")) == before)
    _ = try backUp(scratch, "b/memory.jsonl", "--name", "other")
    _ = try backUp(scratch, "a/memory.jsonl")
    #expect(try series(scratch).sorted() == ["memory", "memory", "other"])
    // Another repository has a series of its own.
    try scratch.holdfast(
      exit: 0, "backup", scratch.file("b/memory.jsonl"), "--to", scratch.file("repo2"))
  }

  /// Of two first backups at once, one waits for the other and then finds the series taken.
  @Test func twoStoresAtOnce() throws {
    let scratch = try Scratch.here()
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name)/memory.jsonl") }
    for round in 0..<5 {
      let repository = scratch.file("repo-\(round)")
      let both = try ["a", "b"].map { name in
        try scratch.start([
          Binary.path, "backup", scratch.file("\(name)/memory.jsonl"), "--to", repository, "-q",
          "--wait-lock", "10m",
        ])
      }
      let ends = try both.map { try $0.wait() }
      #expect(ends.map(\.status).sorted() == [0, 64], "\(ends)")
      #expect(try scratch.archives(repository).count == 1)
    }
  }

  /// The fallback directory too holds the series of one store alone.
  @Test func theFallbackTellsThemApart() throws {
    let scratch = try Scratch.here()
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name)/memory.jsonl") }
    _ = try backUp(scratch, "a/memory.jsonl")
    try scratch.write("in the way", to: "file")
    let there = ["--to", scratch.file("file"), "--fallback-to", scratch.file("repo"), "-q"]
    for (name, status) in [("a", 3), ("b", 64)] as [(String, Int32)] {
      let words = [Binary.path, "backup", scratch.file("\(name)/memory.jsonl")]
      let outcome = try scratch.run(words + there)
      #expect(outcome.status == status && outcome.messages.count == 1, "\(outcome)")
    }
    #expect(try series(scratch) == ["memory", "memory"])
  }

  /// Another way to the same store is the same store; one that has moved is named once.
  @Test func waysToAStore() throws {
    let scratch = try Scratch.here()
    try scratch.graph(10, to: "a/memory.jsonl")
    _ = try backUp(scratch, "a/memory.jsonl")
    try scratch.tool("ln", "-s", scratch.file("a"), scratch.file("link"))
    try TestFile.makeDirectory(scratch.file("c"))
    try scratch.tool("ln", "-s", "../a/memory.jsonl", scratch.file("c/memory.jsonl"))
    // A second name of the file, which no path leads from.
    try TestFile.makeDirectory(scratch.file("d"))
    try scratch.tool("ln", scratch.file("a/memory.jsonl"), scratch.file("d/memory.jsonl"))
    for store in ["link/memory.jsonl", "c/memory.jsonl", "d/memory.jsonl", "c/../a/memory.jsonl"] {
      _ = try backUp(scratch, store)
    }
    try scratch.tool("mv", scratch.file("a"), scratch.file("moved"))
    _ = try backUp(scratch, "moved/memory.jsonl", exit: 64)
    _ = try backUp(scratch, "moved/memory.jsonl", "--name", "memory")
    _ = try backUp(scratch, "moved/memory.jsonl")
    #expect(try series(scratch) == Array(repeating: "memory", count: 7))
  }

  /// A repository that lies with its store goes with it; another file there is another store.
  @Test func aDirectoryThatMoves() throws {
    let scratch = try Scratch.here()
    for name in ["memory.jsonl", "memory.json"] { try scratch.graph(10, to: "a/\(name)") }
    try scratch.holdfast(exit: 0, "backup", scratch.file("a/memory.jsonl"))
    try scratch.holdfast(exit: 64, "backup", scratch.file("a/memory.json"))
    try scratch.tool("mv", scratch.file("a"), scratch.file("b"))
    for _ in 0..<2 { try scratch.holdfast(exit: 0, "backup", scratch.file("b/memory.jsonl")) }
    try scratch.holdfast(exit: 64, "backup", scratch.file("b/memory.json"))
    // From elsewhere it is another one.
    try scratch.graph(10, to: "c/memory.jsonl")
    try scratch.holdfast(
      exit: 64, "backup", scratch.file("c/memory.jsonl"), "--to", scratch.file("b/.backup"))
    #expect(try scratch.archives(scratch.file("b/.backup")).count == 3)
  }

  /// The archive says nothing of where the store lay: the same store gives the same bytes.
  @Test func onlyTheSidecarTellsThePlace() throws {
    let scratch = try Scratch.here()
    try scratch.graph(10, to: "a/memory.jsonl")
    try scratch.tool("cp", "-a", scratch.file("a"), scratch.file("b"))
    let made = try ["a", "b"].map { name in
      try scratch.backUp(
        scratch.file("\(name)/memory.jsonl"), to: scratch.file("repo-\(name)"), time: Night.first)
    }
    #expect(try TestFile.read(made[0]) == TestFile.read(made[1]))
    for (name, archive) in zip(["a", "b"], made) {
      let sidecar = try JSONValue(parsing: TestFile.read(Scratch.sidecar(of: archive)))
      #expect(sidecar["archive"]?["origin"]?.text == scratch.file("\(name)/memory.jsonl"))
    }
  }

  /// A sidecar of before says nothing of the place, and stands in nobody's way.
  @Test func sidecarsOfBefore() throws {
    let scratch = try Scratch.here()
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name)/memory.jsonl") }
    let first = try scratch.backUp(scratch.file("a/memory.jsonl"), time: Night.first)
    let sidecar = Scratch.sidecar(of: first)
    // They are the last members, so the comma before them goes as well.
    let script = #"/"origin/d; s/\("verified": true\),$/\1/"#
    try scratch.tool("sed", "-i", script, sidecar)
    #expect(try !TestFile.text(sidecar).contains("origin"))
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
    _ = try backUp(scratch, "b/memory.jsonl")
    _ = try backUp(scratch, "a/memory.jsonl", exit: 64)
    try scratch.holdfast(exit: 0, "restore", first, "--to", scratch.file("out"))
  }

  /// A path that is no UTF-8 is known again.
  @Test func placesThatAreNoText() throws {
    let scratch = try Scratch.here()
    let script = """
      import os, shutil, subprocess, sys
      root, binary, store, repo = map(os.fsencode, sys.argv[1:])
      codes = []
      for name in (b'x\\xffy', b'x\\xffy', b'x\\xfey'):
          place = os.path.join(root, name)
          os.makedirs(place, exist_ok=True)
          shutil.copy(store, place)
          words = [binary, b'backup', b'memory.jsonl', b'--to', repo, b'-q']
          codes.append(subprocess.run(words, cwd=place).returncode)
      print(*codes)
      """
    let store = try scratch.graph(10)
    let outcome = try scratch.python(
      script, scratch.path, Binary.path, store, scratch.file("repo"))
    #expect(outcome.text == "0 0 64\n", "\(outcome)")
  }
}
