/// What a policy comes to for the backups of one series.
///
/// A pure function of manifests, policy and time: it reads no disk and no clock. Good backups,
/// which were verified when they were written, are judged among themselves alone, so nothing that
/// is suspect, damaged or unverified can displace one. The others are judged by the same policy in
/// lists of their own, and stay as long as no good backup is newer.
package struct Retention: Sendable, Equatable {
  /// A backup as its manifest tells of it.
  package struct Candidate: Sendable, Equatable, Hashable {
    /// The archive's file name; tells backups of one moment apart.
    package var name: String
    /// Unix seconds.
    package var time: Int
    /// 2, 3 … for the second, third … of one second.
    package var number: Int
    package var state: Catalog.State
    package var records: Int

    package init(
      name: String, time: Int, number: Int = 1, state: Catalog.State, records: Int = 0
    ) {
      self.name = name
      self.time = time
      self.number = number
      self.state = state
      self.records = records
    }

    fileprivate static func isOlder(_ a: Self, _ b: Self) -> Bool {
      (a.time, a.number, a.name) < (b.time, b.number, b.name)
    }
  }

  package struct Kept: Sendable, Equatable {
    package var candidate: Candidate
    /// Every rule that keeps it: `daily 2026-11-20`, `within 7d`, `future`. Never empty.
    package var reasons: [String]
  }

  /// Why nothing is removed although the policy asks for it.
  package enum Stop: Sendable, Equatable {
    /// The series has no good backup that is not in the future.
    case noGoodBackup
    /// A backup newer than the last good one has lost more than a fifth of its records.
    case shrunken(name: String, records: Int, lastGood: Int)
  }

  /// Oldest first.
  package private(set) var keep: [Kept] = []
  /// Oldest first.
  package private(set) var remove: [Candidate] = []
  package private(set) var stop: Stop?
  /// What the policy alone would remove while `stop` holds it back.
  package private(set) var heldBack: [Candidate] = []
  /// The newest good backup that is not in the future: what all removals rest on.
  package private(set) var anchor: Candidate?
  /// Those that say they were made after `now`, by a clock that was wrong then or is wrong now.
  package private(set) var future: [Candidate] = []

  /// - Parameter candidates: all backups of one series, in any order.
  /// - Parameter now: unix seconds.
  /// - Parameter allowsShrink: goes on although the newest backups have lost records.
  package init(
    of candidates: [Candidate], policy: RetentionPolicy, now: Int, allowsShrink: Bool = false
  ) {
    let sorted = candidates.sorted(by: Candidate.isOlder)
    future = sorted.filter { $0.time > now }
    let past = sorted.filter { $0.time <= now }
    anchor = past.last { $0.state == .verified }
    stop = Self.stop(past, anchor, allowsShrink)
    var reasons: [Candidate: [String]] = [:]
    for candidate in future { reasons[candidate] = ["future"] }
    for state in [Catalog.State.verified, .unverified, .suspect, .damaged] {
      let group = past.filter { $0.state == state }
      let label = state == .verified ? "" : "\(state.rawValue) "
      for (candidate, rules) in Self.rules(group, policy, anchor) {
        reasons[candidate, default: []] += rules.map { label + $0 }
      }
    }
    if let anchor {
      if reasons[anchor] == nil { reasons[anchor] = ["newest good"] }
      for candidate in past
      where candidate.state != .verified && Candidate.isOlder(anchor, candidate)
        && reasons[candidate] == nil
      {
        reasons[candidate] = ["\(candidate.state.rawValue), newer than the newest good"]
      }
    }
    for candidate in sorted {
      if let why = reasons[candidate] {
        keep.append(Kept(candidate: candidate, reasons: why))
      } else if stop != nil {
        heldBack.append(candidate)
        keep.append(Kept(candidate: candidate, reasons: ["rotation stopped"]))
      } else {
        remove.append(candidate)
      }
    }
    if heldBack.isEmpty, case .noGoodBackup = stop { stop = nil }
  }

  private static func stop(
    _ past: [Candidate], _ anchor: Candidate?, _ allowsShrink: Bool
  ) -> Stop? {
    guard let anchor else { return .noGoodBackup }
    guard !allowsShrink else { return nil }
    let shrunken = past.last {
      $0.state == .suspect && Candidate.isOlder(anchor, $0)
        && ShrinkGuard.isShrunken($0.records, since: anchor.records)
    }
    return shrunken.map {
      .shrunken(name: $0.name, records: $0.records, lastGood: anchor.records)
    }
  }

  /// The rules that keep each of `group`, which is sorted, oldest first.
  private static func rules(
    _ group: [Candidate], _ policy: RetentionPolicy, _ anchor: Candidate?
  ) -> [Candidate: [String]] {
    var reasons: [Candidate: [String]] = [:]
    for tier in RetentionPolicy.Tier.allCases {
      var left = policy.counts[tier] ?? 0
      var number = 0
      var seen: Set<String> = []
      for candidate in group.reversed() where left > 0 {
        number += 1
        let bucket = tier == .last ? "\(number)" : policy.bucket(tier, of: candidate.time)
        guard seen.insert(bucket).inserted else { continue }
        left -= 1
        reasons[candidate, default: []].append("\(tier.rawValue) \(bucket)")
      }
    }
    if let within = policy.within, let newest = anchor ?? group.last {
      for candidate in group where candidate.time >= newest.time - within {
        reasons[candidate, default: []].append("within \(RetentionSpan(seconds: within).text)")
      }
    }
    return reasons
  }
}

/// When a store has lost so many records that its backup must displace nothing.
package enum ShrinkGuard {
  /// Whether more than a fifth of the records are gone.
  package static func isShrunken(_ records: Int, since last: Int) -> Bool {
    last > 0 && records < last && (last - records) * 5 > last
  }
}
