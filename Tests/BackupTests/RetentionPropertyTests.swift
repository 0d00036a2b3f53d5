import Backup
import Records
import TestSupport
import Testing

/// What must hold for every history and every policy.
struct RetentionPropertyTests {
  private static let states: [Catalog.State] = [
    .verified, .verified, .verified, .unverified, .suspect, .damaged,
  ]

  private static func history(_ random: inout Seeded) -> [Retention.Candidate] {
    var time = 1_700_000_000 + random.below(100_000_000)
    let step = random.pick([60, 3600, 20_000, 86_400, 86_400, 700_000])
    var used: Set<String> = []
    return (0..<random.below(60)).compactMap { _ in
      time += random.below(2 * step)
      if random.chance(15) { time += 14 * 86_400 }
      if random.chance(15) { time -= random.below(30 * step) }
      let number = random.chance(8) ? 2 : 1
      let name = "s-\(time)-\(number)"
      guard used.insert(name).inserted else { return nil }
      return Retention.Candidate(
        name: name, time: time, number: number, state: random.pick(states),
        records: random.below(120))
    }
  }

  private static func policy(_ random: inout Seeded) throws -> RetentionPolicy {
    var policy = RetentionPolicy()
    for tier in RetentionPolicy.Tier.allCases where !random.chance(3) {
      policy.counts[tier] = random.below(7)
    }
    if random.chance(3) { policy.within = 1 + random.below(2_000_000) }
    if policy.isEmpty { policy.counts[.daily] = 1 }
    policy.zone = try CivilZone.named(
      random.pick(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "+13:45"]))
    return policy
  }

  private func forEach(
    _ body: (inout Seeded, [Retention.Candidate], RetentionPolicy, Int) throws -> Void
  ) throws {
    var random = Seeded()
    for _ in 0..<400 {
      let history = Self.history(&random)
      let policy = try Self.policy(&random)
      let times = history.map(\.time)
      let now = (times.max() ?? 0) + random.pick([0, 100, 86_400, -86_400, -5_000_000])
      try body(&random, history, policy, now)
    }
  }

  private func kept(_ result: Retention) -> Set<Retention.Candidate> {
    Set(result.keep.map(\.candidate))
  }

  @Test func keepAndRemovePartitionTheSet() throws {
    try forEach { random, history, policy, now in
      let result = Retention(of: history, policy: policy, now: now)
      #expect(
        (result.keep.map(\.candidate) + result.remove).sorted { $0.name < $1.name }
          == history.sorted { $0.name < $1.name }, "seed \(random.seed)")
      #expect(result.keep.allSatisfy { !$0.reasons.isEmpty }, "seed \(random.seed)")
      #expect(history.isEmpty || !result.keep.isEmpty, "seed \(random.seed)")
    }
  }

  @Test func theOrderOfTheInputDoesNotMatter() throws {
    try forEach { random, history, policy, now in
      let result = Retention(of: history, policy: policy, now: now)
      let shuffled = history.shuffled(using: &random)
      #expect(
        Retention(of: shuffled, policy: policy, now: now) == result, "seed \(random.seed)")
    }
  }

  @Test func twiceRemovesNoMoreThanOnce() throws {
    try forEach { random, history, policy, now in
      let once = Retention(of: history, policy: policy, now: now)
      let twice = Retention(of: once.keep.map(\.candidate), policy: policy, now: now)
      #expect(twice.remove.isEmpty, "seed \(random.seed)")
    }
  }

  @Test func raisingANumberNeverKeepsFewer() throws {
    try forEach { random, history, policy, now in
      var larger = policy
      let tier = random.pick(RetentionPolicy.Tier.allCases)
      larger.counts[tier, default: 0] += 1 + random.below(4)
      if random.chance(3) { larger.within = (policy.within ?? 0) + random.below(1_000_000) }
      let before = kept(Retention(of: history, policy: policy, now: now))
      let after = kept(Retention(of: history, policy: larger, now: now))
      #expect(before.isSubset(of: after), "seed \(random.seed)")
    }
  }

  /// Of the good ones just those are kept that would be if there were no others, and what is
  /// removed always has a good one that is newer.
  @Test func nothingDisplacesAGoodOne() throws {
    try forEach { random, history, policy, now in
      let result = Retention(of: history, policy: policy, now: now)
      let good = history.filter { $0.state == .verified }
      let alone = Retention(of: good, policy: policy, now: now)
      #expect(kept(alone).isSubset(of: kept(result)), "seed \(random.seed)")
      let newest = good.filter { $0.time <= now }.max {
        ($0.time, $0.number, $0.name) < ($1.time, $1.number, $1.name)
      }
      #expect(result.anchor == newest, "seed \(random.seed)")
      for candidate in result.remove {
        let anchor = try #require(newest, "seed \(random.seed)")
        #expect(candidate.time <= now && candidate.time <= anchor.time, "seed \(random.seed)")
        #expect(candidate != anchor, "seed \(random.seed)")
      }
    }
  }

  /// The same rules said another way: of each period the newest, of those the newest N.
  @Test func asSaidAnotherWay() throws {
    try forEach { random, history, policy, now in
      let good = history.filter { $0.state == .verified && $0.time <= now }
        .sorted { ($0.time, $0.number, $0.name) < ($1.time, $1.number, $1.name) }
      var expected: Set<Retention.Candidate> = Set(good.suffix(policy.counts[.last] ?? 0))
      for tier in RetentionPolicy.Tier.allCases where tier != .last {
        let newest = Dictionary(grouping: good) { policy.bucket(tier, of: $0.time) }
          .values.compactMap(\.last)
          .sorted { ($0.time, $0.number, $0.name) < ($1.time, $1.number, $1.name) }
        expected.formUnion(newest.suffix(policy.counts[tier] ?? 0))
      }
      if let newest = good.last {
        expected.insert(newest)
        if let within = policy.within {
          expected.formUnion(good.filter { newest.time - $0.time <= within })
        }
      }
      let result = Retention(of: good, policy: policy, now: now)
      #expect(kept(result) == expected, "seed \(random.seed)")
    }
  }
}
