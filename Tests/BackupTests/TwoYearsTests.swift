import Backup
import Records
import TestSupport
import Testing

/// Two simulated years of nights, decided by the pure function alone: the clock, the failures and
/// the damage are the test's. CommandLineTests.NightsTests does the same with the program.
struct TwoYearsTests {
  private static let day = 86_400

  /// What the disk holds, and what has been removed from it.
  private struct Repository {
    var held: [Retention.Candidate] = []
    var removed: Set<Retention.Candidate> = []
  }

  @Test(arguments: 0..<12)
  func nights(_ round: Int) throws {
    var random = Seeded(Seeded().seed &+ UInt64(round))
    var policy = RetentionPolicy()
    policy.counts = [
      .last: random.below(4), .daily: random.below(9), .weekly: random.below(6),
      .monthly: random.below(13), .yearly: random.below(3),
    ]
    if random.chance(3) { policy.within = (1 + random.below(20)) * Self.day }
    if policy.isEmpty { policy.counts[.last] = 1 }
    policy.zone = try CivilZone.named(random.pick(["UTC", "Europe/Berlin", "Pacific/Auckland"]))
    var disk = Repository()
    var (true_, skew, records, damagedFor, name) = (1_735_700_000, 0, 1000, 0, 0)
    for _ in 0..<730 {
      true_ += Self.day
      if random.chance(60) { true_ += (3 + random.below(18)) * Self.day }
      if random.chance(50) { skew = random.pick([-400, -30, -2, 2, 45, 4000]) * Self.day }
      if skew != 0, random.chance(3) { skew = 0 }
      let now = true_ + skew
      records += random.below(21) - 8
      if damagedFor == 0, random.chance(40) { damagedFor = 1 + random.below(10) }
      let before = disk
      let good = disk.held.filter { $0.state == .verified && $0.time <= now }
      let lastGood = good.max { ($0.time, $0.name) < ($1.time, $1.name) }
      name += 1
      var made = Retention.Candidate(
        name: "s-\(10_000 + name)", time: now, state: .verified, records: records)
      var fails = false
      if damagedFor > 0 {
        damagedFor -= 1
        made.state = .suspect
        made.records = records / (1 + random.below(3))
      } else if random.chance(25) {
        fails = true
      } else if random.chance(30) {
        made.state = .unverified
      } else if let lastGood, ShrinkGuard.isShrunken(records, since: lastGood.records) {
        made.state = .suspect
      }
      if !fails { disk.held.append(made) }
      if random.chance(90), !disk.held.isEmpty {
        disk.held[random.below(disk.held.count)].state = .damaged
      }
      // The nightly job rotates only behind a good backup; a person may do so at any time.
      let byHand = random.chance(5)
      guard byHand || (!fails && made.state == .verified) else {
        #expect(disk.removed == before.removed)
        continue
      }
      let result = Retention(of: disk.held, policy: policy, now: now)
      check(result, disk, policy, now, random.seed)
      disk.removed.formUnion(result.remove)
      disk.held = result.keep.map(\.candidate)
    }
    #expect(disk.removed.count > 300, "seed \(random.seed): hardly anything was ever removed")
  }

  private func check(
    _ result: Retention, _ disk: Repository, _ policy: RetentionPolicy, _ now: Int, _ seed: UInt64
  ) {
    let good = disk.held.filter { $0.state == .verified && $0.time <= now }
      .sorted { ($0.time, $0.name) < ($1.time, $1.name) }
    let kept = Set(result.keep.map(\.candidate))
    #expect(kept.union(result.remove) == Set(disk.held), "seed \(seed)")
    #expect(kept.isDisjoint(with: result.remove), "seed \(seed)")
    if let last = good.last {
      #expect(kept.contains(last), "seed \(seed): the last good one went")
    } else {
      #expect(result.remove.isEmpty, "seed \(seed): nothing good, and something went")
    }
    // The newest of so many go on existing, whatever bad ones lie between them.
    let last = Set(good.suffix(policy.counts[.last] ?? 0))
    #expect(last.isSubset(of: kept), "seed \(seed): a good one was displaced")
    let again = Retention(of: result.keep.map(\.candidate), policy: policy, now: now)
    #expect(again.remove.isEmpty, "seed \(seed): the same again removed more")
    #expect(disk.held.filter { $0.time > now }.allSatisfy(kept.contains), "seed \(seed)")
  }
}
