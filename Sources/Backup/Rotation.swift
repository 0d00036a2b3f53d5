import Disk
import Records
import Snapshot
import Stores
import SystemPackage

/// What rotation is going to do in a repository; `--dry-run` shows it.
package struct RotationPlan: Sendable {
  /// The decision for one series, which no other series has a part in.
  package struct Series: Sendable {
    package let name: String
    package let retention: Retention
    /// Good by their manifests, but not the bytes they were when they were written.
    package let rotten: [FilePath]
  }

  package let repository: Repository
  package let series: [Series]
  /// Archives without a manifest that can be read. Nothing says for certain which series they
  /// are of, so rotation leaves them alone.
  package let unknown: [Catalog.Entry]
  /// Those of the series whose manifest or size is not as it was written, or whose archive is gone.
  package let damaged: [Catalog.Entry]
  /// Unix seconds.
  package let time: Int

  /// Looks at the manifests, and where something is to be removed, reads the backup that all
  /// removals of its series rest on. Throws `usage` for an empty policy and `notFound` for a
  /// series that is not there; where something is to go, also for a trash that can take nothing.
  /// - Parameter name: only this series.
  /// - Parameter now: unix seconds.
  /// - Parameter planned: a good backup that is still to be made, for plans that are only shown.
  package init(
    _ repository: Repository, series name: String? = nil, policy: RetentionPolicy, now: Int,
    allowsShrink: Bool = false, planned: Retention.Candidate? = nil, formats: [StoreFormat]
  ) throws {
    try policy.check()
    self.repository = repository
    time = now
    let isStillToCome = try planned != nil && FileFacts(at: repository.path) == nil
    let catalog = isStillToCome ? nil : try Catalog(of: repository)
    let entries = catalog?.entries ?? []
    damaged = catalog.map { $0.troubled.filter { name == nil || $0.series == name } } ?? []
    unknown = name == nil ? entries.filter { $0.manifest == nil } : []
    let groups = Dictionary(grouping: entries.filter { $0.manifest != nil }, by: \.series)
    if let name, groups[name] == nil, planned == nil {
      throw BackupError(
        .notFound, "holds no backup of a series \(name)", path: repository.path.string,
        hint: "holdfast list shows what a repository holds")
    }
    let names = name.map { [$0] } ?? groups.keys.sorted()
    series = try names.map { name in
      let candidates = (groups[name] ?? []).map(\.candidate) + [planned].compactMap { $0 }
      return try Self.decide(
        name, candidates, repository, policy, now, allowsShrink, planned, formats)
    }
    if !removals.isEmpty { try Trash(of: repository).checkWritable() }
  }

  /// Decides, and decides anew for as long as a backup that stands in for a removed one, or the
  /// newest good one, turns out not to be what was written.
  private static func decide(
    _ name: String, _ candidates: [Retention.Candidate], _ repository: Repository,
    _ policy: RetentionPolicy, _ now: Int, _ allowsShrink: Bool, _ planned: Retention.Candidate?,
    _ formats: [StoreFormat]
  ) throws -> Series {
    var candidates = candidates
    var rotten: [FilePath] = []
    var sound: Set<String> = []
    while true {
      let retention = Retention(
        of: candidates, policy: policy, now: now, allowsShrink: allowsShrink)
      let found = try firstRotten(retention, planned) { candidate in
        if sound.contains(candidate.name) { return true }
        let isSound = try isIntact(repository.path.appending(candidate.name), formats)
        if isSound { sound.insert(candidate.name) }
        return isSound
      }
      guard let found else { return Series(name: name, retention: retention, rotten: rotten) }
      rotten.append(repository.path.appending(found.name))
      for index in candidates.indices where candidates[index] == found {
        candidates[index].state = .damaged
      }
    }
  }

  /// The first of the backups relied on that is not sound: the newest good one, and every verified
  /// one that is kept and younger than the oldest that goes, for it may be the reason why that
  /// goes. None where nothing goes.
  private static func firstRotten(
    _ retention: Retention, _ planned: Retention.Candidate?,
    _ isSound: (Retention.Candidate) throws -> Bool
  ) throws -> Retention.Candidate? {
    guard let oldest = retention.remove.map(\.time).min() else { return nil }
    let relied = retention.keep.map(\.candidate).filter {
      $0.state == .verified && $0.time >= oldest
    }
    for candidate in [retention.anchor].compactMap({ $0 }) + relied where candidate != planned {
      if try !isSound(candidate) { return candidate }
    }
    return nil
  }

  /// Whether an archive still is what its manifest says, byte for byte.
  static func isIntact(_ path: FilePath, _ formats: [StoreFormat]) throws -> Bool {
    do {
      return try Verification.run(path, formats: formats, quick: true).isGood
    } catch {
      // Who has been stopped has found out nothing.
      try Interruption.check()
      return false
    }
  }

  /// What is wrong with the archives that are there, on one line; nil if nothing is known to be.
  package var trouble: BackupError? {
    let rotten = series.flatMap(\.rotten).map {
      Trouble(path: $0, reason: "is not what its manifest says", isGone: false)
    }
    return Self.trouble(rotten + damaged.map(Trouble.init))
  }

  /// What is wrong with an archive.
  fileprivate struct Trouble {
    var path: FilePath
    var reason: String
    var isGone: Bool

    var error: BackupError {
      isGone
        ? BackupError(
          .verificationFailed, reason, path: path.string, hint: Catalog.hintForMissing)
        : BackupError(
          .verificationFailed, "\(reason) and displaced nothing", path: path.string,
          hint: "holdfast verify tells what is left of it")
    }
  }

  /// The same of entries that are damaged or missing.
  static func trouble(_ damaged: [Catalog.Entry]) -> BackupError? {
    trouble(damaged.map(Trouble.init))
  }

  private static func trouble(_ found: [Trouble]) -> BackupError? {
    guard var error = found.first?.error else { return nil }
    if found.count > 1 { error.message += " (and \(found.count - 1) more)" }
    return error
  }

  /// All that is going to be removed, oldest first in each series.
  package var removals: [FilePath] {
    series.flatMap { $0.retention.remove.map { repository.path.appending($0.name) } }
  }

  /// Series in which the policy asks for removals that are not made.
  package var stopped: [Series] { series.filter { $0.retention.stop != nil } }

  /// Removes what the plan says, into the trash. Needs the lock that the plan was made under.
  package func run() throws -> [FilePath] {
    for one in series where !one.retention.remove.isEmpty {
      guard let anchor = one.retention.anchor,
        try FileFacts(at: repository.path.appending(anchor.name))?.isRegular == true
      else {
        throw BackupError(
          .failed, "the newest good backup of \(one.name) has gone meanwhile",
          path: repository.path.string, hint: "nothing was removed; run it again")
      }
    }
    return try Trash(of: repository).take(removals, at: time)
  }
}

extension RotationPlan.Trouble {
  fileprivate init(_ entry: Catalog.Entry) {
    self.init(
      path: entry.path, reason: entry.reason ?? "it is damaged", isGone: entry.state == .missing)
  }
}

extension Catalog.Entry {
  /// What retention needs to know of it.
  package var candidate: Retention.Candidate {
    Retention.Candidate(
      name: path.lastComponent?.string ?? "", time: time, number: number, state: state,
      records: manifest?.recordCount ?? 0)
  }
}

extension Catalog {
  /// For each archive's name the periods whose newest good backup it is: `daily 2026-11-20`.
  package func tiers(zone: CivilZone) -> [String: [String]] {
    var policy = RetentionPolicy()
    policy.zone = zone
    for tier in RetentionPolicy.Tier.allCases where tier != .last { policy.counts[tier] = .max }
    var tiers: [String: [String]] = [:]
    for (_, group) in Dictionary(grouping: entries, by: \.series) {
      let good = group.filter { $0.state == .verified }.map(\.candidate)
      for kept in Retention(of: good, policy: policy, now: .max).keep {
        tiers[kept.candidate.name] = kept.reasons
      }
    }
    return tiers
  }
}
