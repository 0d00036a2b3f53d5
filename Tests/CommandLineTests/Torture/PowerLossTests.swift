import Testing

/// What is on the disk when power fails: all that was synced, and any part of the rest. Each run is
/// recorded once; from that, the directory is made as it could be at any moment.
@Suite(.scratch) struct PowerLossTests {
  /// What of the unsynced has reached the disk.
  private enum Luck: CaseIterable {
    case none, all, names, content, any, most
  }

  @Test(arguments: Deed.all) func atAnyMoment(_ deed: Deed) throws {
    let stage = try Stage(deed)
    var random = SeededRandom()
    try stage.reset()
    let trace = stage.scratch.file("trace")
    let outcome = try stage.perform([
      "strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-o", trace, "-e",
      "trace=\((Trace.changing + ["lseek"]).joined(separator: ","))",
    ])
    #expect(outcome.status == stage.status, "\(outcome)")
    let world = stage.scratch.file("world")
    let log = try DiskLog(of: trace, in: world, before: stage.before)
    let end = log.steps.count
    // With nothing lost it is what there is now: else the log would prove nothing.
    let whole = log.image(after: end) { _, _ in true }.lasting
    let real = try TreeImage(of: world).lasting
    stage.expect(whole == real, "\(deed.name): the log says \(whole.difference(from: real))")
    var moments: [(step: Int, luck: Luck)] = Luck.allCases.map { (end, $0) }
    let before = (0..<end).flatMap { step in Luck.allCases.map { (step: step, luck: $0) } }
    moments += Torture.sample(before, 8, &random)
    var seen: Set<String> = []
    for (step, luck) in moments {
      let image = log.image(after: step) { _, pending in
        switch (luck, pending.change) {
        case (.none, _): false
        case (.all, _): true
        case (.names, .names): true
        case (.names, _): false
        case (.content, .names): false
        case (.content, _): true
        case (.any, _): Bool.random(using: &random)
        case (.most, _): Int.random(in: 0..<8, using: &random) > 0
        }
      }
      guard step == end || seen.insert("\(image.fingerprint)").inserted else { continue }
      try stage.reset(to: image)
      let comment = "\(deed.name), power lost after \(step) of \(end), \(luck), seed \(random.seed)"
      let now = try TreeImage(of: world)
      try stage.expectWhole(now, comment)
      if step == end { stage.expect(stage.isDone(now), "\(comment): what was reported is lost") }
      try stage.expectNextRun(after: now, comment)
    }
  }
}

extension TreeImage {
  /// Equal for equal images of one program.
  fileprivate var fingerprint: Int {
    var hasher = Hasher()
    for path in nodes.keys.sorted() {
      hasher.combine(path)
      hasher.combine(nodes[path]?.mode)
      hasher.combine(nodes[path]?.bytes)
    }
    return hasher.finalize()
  }
}
