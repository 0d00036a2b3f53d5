import Glibc
import Testing

/// Every verb that writes, with each of its system calls on files failing or being its last: all of
/// them in `make torture`, a sample else.
@Suite(.scratch) struct FaultTests {
  /// A verb that takes `--dry-run` writes, and is in the table of deeds or, for what it changes where
  /// it lies, in that of `DatabaseFaultTests`.
  @Test func everyVerbThatWrites() throws {
    let scratch = try Scratch.here()
    let help = try scratch.holdfast(exit: 0, "--help").lines
    let start = try #require(help.firstIndex(of: "SUBCOMMANDS:"))
    let verbs = help[(start + 1)...].compactMap { line -> String? in
      guard line.hasPrefix("  "), !line.hasPrefix("   ") else { return nil }
      return line.dropFirst(2).split(separator: " ").first.map(String.init)
    }
    let known = Set(Deed.all.map(\.verb))
    var writing: Set<String> = []
    for verb in verbs where verb != "See" {
      let text = try scratch.holdfast(exit: 0, verb, "--help").text
      if text.contains("--dry-run") { writing.insert(verb) }
    }
    #expect(
      writing == known.union(DatabaseFaultTests.verbs),
      "put each verb that writes into Deed+All.swift")
    #expect(writing.count > 10)
  }

  @Test(arguments: Deed.all) func anywhere(_ deed: Deed) throws {
    let stage = try Stage(deed)
    var random = SeededRandom()
    let names = Trace.changing + Trace.reading
    let all = Blow.all(at: try stage.calls(names))
    for blow in Torture.sample(all, 8, &random) {
      try stage.reset()
      let log = stage.scratch.file("trace")
      let outcome = try stage.perform(Trace.words(log, [blow.call], blow))
      let comment = "\(deed.name), \(blow), seed \(random.seed): \(outcome)"
      let now = try TreeImage(of: stage.scratch.file("world"))
      let isSuspect = [3, 12].contains(outcome.status) && stage.status == 0
      try stage.expectWhole(now, isSuspect: isSuspect, comment)
      let hits = try Trace.calls(in: log, [blow.call]).filter(\.isInjected)
      expectStatus(outcome, blow, hits, stage, now, comment)
      try stage.expectNextRun(after: now, isSuspect: isSuspect, comment)
    }
  }

  private func expectStatus(
    _ outcome: Outcome, _ blow: Blow, _ hits: [TracedCall], _ stage: Stage, _ now: TreeImage,
    _ comment: String
  ) {
    record(outcome, blow, hits, stage, now)
    if outcome.status == stage.status || outcome.status == 0 {
      stage.expect(stage.isDone(now), "it is not done: \(comment)")
    }
    // The loader, and libdispatch where it looks at its threads, end the program in their own way.
    guard !blow.isKill, hits.allSatisfy({ $0.isAbout(stage.places) }) else { return }
    var allowed: Set<Int32> = [stage.status]
    for hit in hits { allowed.formUnion(blow.statuses(hit)) }
    // What could be saved was saved, elsewhere or without what cannot be read.
    if ["backup", "run", "rotate", "purge"].contains(stage.deed.verb) { allowed.insert(3) }
    // What cannot be read displaces nothing.
    if ["rotate", "purge"].contains(stage.deed.verb) { allowed.insert(14) }
    #expect(allowed.contains(outcome.status), "\(comment)")
    // It cannot say anything where what it prints fails as well.
    let isMute = Trace.writing.contains(blow.call) && blow.isForGood
    let isTold = isMute || outcome.status == stage.status || !outcome.message.isEmpty
    #expect(isTold, "\(comment)")
  }

  /// A line for each blow, in the file that HOLDFAST_TORTURE_LOG names.
  private func record(
    _ outcome: Outcome, _ blow: Blow, _ hits: [TracedCall], _ stage: Stage, _ now: TreeImage
  ) {
    guard let path = getenv("HOLDFAST_TORTURE_LOG").map({ String(cString: $0) }),
      let file = fopen(path, "ae")
    else { return }
    defer { fclose(file) }
    let hit = hits.first.map { "\($0.name)\($0.text.prefix(300))" } ?? ""
    let said = outcome.messages.joined(separator: " | ").prefix(300)
    let words = [
      "\(outcome.status)", stage.deed.name, "\(blow)", "\(hits.count)",
      stage.isDone(now) ? "done" : "not done", String(said), hit, "\(now.leftovers)",
    ]
    fputs(words.joined(separator: "\t") + "\n", file)
  }
}
