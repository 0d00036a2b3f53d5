import Testing

/// Every verb that writes, asked to stop at any of its system calls: it ends with 130 or 143 and
/// has cleared up, or had done all by then.
@Suite(.scratchInMemory) struct SignalTests {
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
}
