import Testing

/// Every verb that writes, asked to stop at any of its system calls: it ends with 130 or 143 and
/// has cleared up, or had done all by then.
@Suite(.scratch) struct SignalTests {
  private static let statuses: [String: Int32] = ["INT": 130, "TERM": 143, "HUP": 129]

  @Test(arguments: Deed.all) func atAnyMoment(_ deed: Deed) throws {
    let stage = try Stage(deed)
    var random = SeededRandom()
    let calls = try stage.calls(Trace.changing + Trace.reading)
    var blows: [Blow] = []
    for call in calls {
      let name = ["INT", "TERM", "HUP"][blows.count % 3]
      blows.append(Blow(call: call.name, number: call.number, act: .signal(name)))
    }
    // The first call is there for sure, and long before the end.
    let first = Blow(call: "openat", number: calls.first?.number ?? 1, act: .signal("TERM"))
    var stopped = 0
    for blow in [first] + Torture.sample(blows, 3, &random) {
      guard case .signal(let name) = blow.act else { continue }
      try stage.reset()
      let log = stage.scratch.file("trace")
      let outcome = try stage.perform(Trace.words(log, [blow.call], blow))
      let comment = "\(deed.name), \(blow), seed \(random.seed): \(outcome)"
      let now = try TreeImage(of: stage.scratch.file("world"))
      try stage.expectWhole(now, comment)
      #expect(now.leftovers == [], "\(comment)")
      #expect(try TestFile.names(stage.temporary) == [], "\(comment)")
      if outcome.status == Self.statuses[name] {
        stopped += 1
      } else {
        #expect(outcome.status == stage.status, "\(comment)")
        stage.expect(stage.isDone(now), "it is not done: \(comment)")
      }
      try stage.expectNextRun(after: now, comment)
    }
    #expect(stopped > 0, "\(deed.name) was never stopped, seed \(random.seed)")
  }

  /// Verbs that only read; WORLD stands for where the stores are.
  private static let reading = [
    "inspect WORLD/memory.jsonl", "digest WORLD/memory.jsonl WORLD/kept.db",
    "verify WORLD/repo", "verify WORLD/kept.db", "list WORLD/repo", "show WORLD/repo",
    "diff WORLD/memory.jsonl WORLD/repo", "search WORLD/kept.db node",
    "graph WORLD/memory.jsonl", "record get WORLD/memory.jsonl nothing",
  ]

  /// Asked to stop while they only read, verbs do not take that for damage.
  @Test(arguments: reading) func whileReading(_ text: String) throws {
    let scratch = try Scratch.here()
    let world = try scratch.directory("world")
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(60), last: "\n"), to: "world/memory.jsonl")
    _ = try scratch.backUp(store, to: world + "/repo")
    try scratch.holdfast(exit: 0, "migrate", store, "--to", world + "/kept.db")
    let words = text.replacing("WORLD", with: world).split(separator: " ").map(String.init)
    let log = scratch.file("trace")
    let names = ["openat", "pread64"]
    let whole = try scratch.run(Trace.words(log, names) + [Binary.path] + words)
    let calls = try Trace.calls(in: log, names).filter { $0.isAbout([world]) }
    var random = SeededRandom()
    let blows = calls.enumerated().map { index, call in
      Blow(
        call: call.name, number: call.number,
        act: .signal(["INT", "TERM", "HUP"][index % 3]))
    }
    #expect(!blows.isEmpty)
    for blow in Torture.sample(blows, 3, &random) {
      guard case .signal(let name) = blow.act else { continue }
      let outcome = try scratch.run(
        Trace.words(log, [blow.call], blow) + [Binary.path] + words)
      let isRight = [Self.statuses[name], whole.status].contains(outcome.status)
      #expect(isRight, "\(text), \(blow), seed \(random.seed): \(outcome)")
    }
  }
}
