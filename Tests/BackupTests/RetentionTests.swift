import Backup
import Records
import TestSupport
import Testing

/// What each policy keeps of histories that have led retention astray elsewhere.
struct RetentionTests {
  private static let hour = 3600
  private static let day = 86_400

  private static func time(_ text: String) -> Int { MomentText.parse(text) ?? 0 }

  private static func candidate(_ time: Int, _ state: Catalog.State = .verified)
    -> Retention.Candidate
  {
    Retention.Candidate(
      name: "s-\(ISOTime(seconds: time).compactText)", time: time, state: state, records: 100)
  }

  private struct History {
    var name: String
    var now: String
    var zone = "UTC"
    var candidates: [Retention.Candidate]
  }

  private static func every(_ step: Int, from start: String, to end: String)
    -> [Retention.Candidate]
  {
    stride(from: time(start), through: time(end), by: step).map { candidate($0) }
  }

  private static let histories: [History] = [
    History(
      name: "year ends with week 53", now: "2021-01-12T12:00:00Z",
      candidates: every(day, from: "2020-12-18T03:15:00Z", to: "2021-01-12T03:15:00Z")),
    History(
      name: "year ends in week 1", now: "2025-01-10T12:00:00Z",
      candidates: every(day, from: "2024-12-18T03:15:00Z", to: "2025-01-10T03:15:00Z")),
    History(
      name: "clocks go forward", now: "2026-03-30T12:00:00Z", zone: "Europe/Berlin",
      candidates: every(1800, from: "2026-03-28T21:45:00Z", to: "2026-03-29T03:15:00Z")),
    History(
      name: "clocks go back", now: "2026-10-26T12:00:00Z", zone: "Europe/Berlin",
      candidates: every(1800, from: "2026-10-24T21:45:00Z", to: "2026-10-25T03:15:00Z")),
    History(
      name: "two gaps of two weeks", now: "2026-11-20T12:00:00Z",
      candidates: every(day, from: "2026-10-01T03:15:00Z", to: "2026-10-05T03:15:00Z")
        + every(day, from: "2026-10-20T03:15:00Z", to: "2026-10-24T03:15:00Z")
        + every(day, from: "2026-11-08T03:15:00Z", to: "2026-11-10T03:15:00Z")),
    History(
      name: "several a day", now: "2026-11-20T12:00:00Z",
      candidates: every(5 * hour, from: "2026-11-16T01:00:00Z", to: "2026-11-20T11:00:00Z")),
    History(
      name: "clock set back", now: "2026-11-05T12:00:00Z",
      candidates: every(day, from: "2026-10-28T03:15:00Z", to: "2026-11-09T03:15:00Z")
        + every(day, from: "2026-11-03T04:00:00Z", to: "2026-11-05T04:00:00Z")),
    History(
      name: "from the future", now: "2026-11-20T12:00:00Z",
      candidates: every(day, from: "2026-11-12T03:15:00Z", to: "2026-11-20T03:15:00Z")
        + [candidate(time("2031-01-01T00:00:00Z")), candidate(time("2038-01-19T03:14:08Z"))]),
    History(
      name: "good, bad and unproven", now: "2026-11-20T12:00:00Z",
      candidates: every(day, from: "2026-11-01T03:15:00Z", to: "2026-11-20T03:15:00Z").enumerated()
        .map { index, candidate in
          var candidate = candidate
          candidate.state =
            [4, 5, 6, 18, 19].contains(index)
            ? .suspect : [8, 17].contains(index) ? .unverified : index == 10 ? .damaged : .verified
          return candidate
        }),
  ]

  private static func policy(_ tiers: [RetentionPolicy.Tier: Int], within: String? = nil)
    -> RetentionPolicy
  {
    var policy = RetentionPolicy()
    policy.counts = tiers
    policy.within = within.flatMap { RetentionSpan($0)?.seconds }
    return policy
  }

  static let policies: [String: RetentionPolicy] = [
    "last-3": policy([.last: 3]), "hourly-4": policy([.hourly: 4]), "daily-7": policy([.daily: 7]),
    "weekly-4": policy([.weekly: 4]), "monthly-3": policy([.monthly: 3]),
    "yearly-2": policy([.yearly: 2]), "within-7d": policy([:], within: "7d"),
    "all": policy(
      [.last: 2, .hourly: 3, .daily: 4, .weekly: 3, .monthly: 2, .yearly: 2], within: "36h"),
  ]

  @Test(arguments: policies.keys.sorted())
  func goldens(_ name: String) throws {
    var text = ""
    for history in Self.histories {
      var policy = try #require(Self.policies[name])
      policy.zone = try CivilZone.named(history.zone)
      let result = Retention(
        of: history.candidates, policy: policy, now: Self.time(history.now))
      text += "# \(history.name)\n"
      var lines: [(time: Int, text: String)] = []
      for kept in result.keep {
        let line = "keep    \(ISOTime(seconds: kept.candidate.time).text)  "
        lines.append((kept.candidate.time, line + kept.reasons.joined(separator: ", ")))
      }
      for candidate in result.remove {
        lines.append((candidate.time, "remove  \(ISOTime(seconds: candidate.time).text)"))
      }
      for line in lines.sorted(by: { $0.time < $1.time }) { text += line.text + "\n" }
    }
    try GoldenFile.compare(text, with: "retention/\(name).txt")
  }

  @Test func emptyPoliciesAreRefused() {
    for policy in [RetentionPolicy(), Self.policy([.daily: 0, .last: 0])] {
      #expect(throws: BackupError.self) { try policy.check() }
    }
  }

  @Test func nothingGoodMeansNothingRemoved() {
    let bad = (1...9).map { Self.candidate($0 * Self.day, $0 % 2 == 0 ? .suspect : .unverified) }
    let result = Retention(of: bad, policy: Self.policy([.last: 1]), now: 20 * Self.day)
    #expect(result.stop == .noGoodBackup)
    #expect(result.remove.isEmpty && result.keep.count == 9)
    #expect(result.heldBack.count == 7)
  }

  /// Nothing is removed while a backup newer than the last good one has lost a fifth.
  @Test func aShrunkenStoreStopsRotation() {
    var all = (1...9).map { Self.candidate($0 * Self.day) }
    all.append(Self.candidate(10 * Self.day, .suspect))
    all[9].records = 79
    let policy = Self.policy([.last: 1])
    let now = 20 * Self.day
    let stopped = Retention(of: all, policy: policy, now: now)
    #expect(stopped.stop == .shrunken(name: all[9].name, records: 79, lastGood: 100))
    #expect(stopped.remove.isEmpty && stopped.heldBack.count == 8)
    let allowed = Retention(of: all, policy: policy, now: now, allowsShrink: true)
    #expect(allowed.stop == nil && allowed.remove.count == 8)
    all[9].records = 80
    #expect(Retention(of: all, policy: policy, now: now).remove.count == 8)
    // A good backup behind it lifts the stop.
    all[9].records = 1
    all.append(Self.candidate(11 * Self.day))
    #expect(Retention(of: all, policy: policy, now: now).stop == nil)
  }

  @Test func spans() {
    for (text, seconds) in [
      ("1s", 1), ("90m", 5400), ("36h", 129_600), ("7d", 604_800), ("2w", 1_209_600),
    ] {
      #expect(RetentionSpan(text)?.seconds == seconds)
      #expect(RetentionSpan(seconds: seconds).text == (text == "2w" ? "2w" : text))
    }
    for text in ["7", "d", "", "-1d", "0d", "1.5d", "7 d", "7D", "1y", "99999999999999999d", "+7d"]
    {
      #expect(RetentionSpan(text) == nil, "\(text)")
    }
  }
}
