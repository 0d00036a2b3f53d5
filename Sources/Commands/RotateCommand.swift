import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import SystemPackage

struct RotateCommand: Verb {
  static let verb = "rotate"
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Thin out old backups by a retention policy.",
    discussion: """
      Keeps what any of the rules keeps and moves the rest into .trash/ of the repository, from \
      which undelete brings it back and purge alone removes it. Each series is judged on its own. \
      Rules count periods that have a backup, so a holiday costs none; --keep-within counts back \
      from the newest good backup, not from today.

      Only backups that were verified when they were written count. Suspect, damaged and unverified \
      ones take no good one's place: they are judged by the same rules in lists of their own, and \
      stay while no good backup is newer. The newest good backup always stays, and nothing is \
      removed unless its archive still is, byte for byte, what was written. Backups from the future \
      stay. Where a series has no good backup, or its newest has lost more than a fifth of its \
      records, nothing of it is removed (exit 14).

      \(ExitStatus.help([.findings, .notFound, .locked, .retentionRefused, .notWritable]))
      """)

  @Argument(help: "The repository.", completion: .directory)
  var repo: String

  @Option(name: .long, help: ArgumentHelp("Only this series.", valueName: "series"))
  var name: String?

  @OptionGroup(title: "Rules") var retention: RetentionOptions

  @Flag(name: .long, help: "Go on although the store has lost more than a fifth of its records.")
  var allowShrink = false

  @Flag(name: .long, help: "Show what would be done, and move nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let policy = try retention.policy()
    try policy.check()
    let repository = try Repository.existing(FilePath(repo))
    if dryRun {
      let lock = try repository.readingLock(waitingUpTo: shared.waitLock.seconds)
      defer { withExtendedLifetime(lock) {} }
      return finish(try plan(repository, policy), [:], console)
    }
    let lock = try repository.lock(waitingUpTo: shared.waitLock.seconds)
    let removal = try repository.removalLock(waitingUpTo: shared.waitLock.seconds)
    defer {
      withExtendedLifetime(lock) {}
      withExtendedLifetime(removal) {}
    }
    try repository.clearLeftovers()
    let plan = try plan(repository, policy)
    let moved = Dictionary(zip(plan.removals, try plan.run())) { $1 }
    return finish(plan, moved, console)
  }

  private func plan(_ repository: Repository, _ policy: RetentionPolicy) throws -> RotationPlan {
    try RotationPlan(
      repository, series: name, policy: policy, now: try currentTime(), allowsShrink: allowShrink,
      formats: HoldfastCommand.formats)
  }

  private func finish(
    _ plan: RotationPlan, _ moved: [FilePath: FilePath], _ console: Console
  ) -> ExitStatus {
    console.json(Self.verb) { root in
      root.member("dry_run", dryRun)
      RotationReport.encode(plan, moved, to: &root)
    }
    RotationReport.show(plan, console)
    for line in RotationReport.refusals(plan) { console.failure(line) }
    if RotationReport.isRefused(plan) { return .retentionRefused }
    guard let trouble = plan.trouble else { return .done }
    console.failure(Failure(trouble).text)
    return .findings
  }
}

/// A rotation as people and programs see it; `rotate` and `run` share it.
enum RotationReport {
  static func encode(
    _ plan: RotationPlan, _ moved: [FilePath: FilePath], to root: inout JSONBuilder
  ) {
    let repository = plan.repository
    root.member("repository", Disk.absolute(repository.path).string)
    root.key("keep")
    root.array { list in
      for series in plan.series {
        for kept in series.retention.keep {
          list.object {
            $0.member("backup", absolute(repository, kept.candidate.name).string)
            $0.member("series", series.name)
            $0.key("reasons")
            $0.array(of: kept.reasons) { $0.value($1) }
          }
        }
      }
      for entry in plan.unknown {
        list.object {
          $0.member("backup", Disk.absolute(entry.path).string)
          $0.key("reasons")
          $0.array(of: [unknownReason]) { $0.value($1) }
        }
      }
    }
    root.key("remove")
    root.array { list in
      for series in plan.series {
        for candidate in series.retention.remove {
          let path = repository.path.appending(candidate.name)
          list.object {
            $0.member("backup", absolute(repository, candidate.name).string)
            $0.member("series", series.name)
            $0.member("trash", ifPresent: moved[path].map { Disk.absolute($0).string })
          }
        }
      }
    }
    root.key("refused")
    root.array(of: refused(plan)) { list, refusal in
      list.object {
        $0.member("series", refusal.series)
        $0.member("message", refusal.message)
        $0.member("hint", refusal.hint)
      }
    }
    root.key("findings")
    root.array(of: findings(plan)) { $1.encode(to: &$0) }
  }

  private static let unknownReason = "its manifest cannot be read, so its series is not known"

  private static func absolute(_ repository: Repository, _ name: String) -> FilePath {
    Disk.absolute(repository.path).appending(name)
  }

  /// The same lines whether it was done or is only shown.
  static func show(_ plan: RotationPlan, _ console: Console) {
    func line(_ text: String) { console.result(printable(text)) }
    for series in plan.series {
      line(
        "\(series.name): keep \(series.retention.keep.count), "
          + "remove \(series.retention.remove.count)")
      for kept in series.retention.keep {
        line("  keep    \(kept.candidate.name)  \(kept.reasons.joined(separator: ", "))")
      }
      for candidate in series.retention.remove { line("  remove  \(candidate.name)") }
    }
    for entry in plan.unknown {
      line("  keep    \(entry.path.lastComponent?.string ?? "")  \(unknownReason)")
    }
    for finding in findings(plan) { console.result(FindingsReport.line(finding)) }
  }

  /// What is wrong with what is kept.
  static func findings(_ plan: RotationPlan) -> [Finding] {
    let damaged = plan.damaged.map {
      Finding(
        .error, $0.state == .missing ? .missingFile : .damagedMember, $0.reason ?? "is damaged",
        path: $0.path.string)
    }
    return damaged
      + plan.series.flatMap { series in
        series.rotten.map {
          Finding(
            .error, .damagedMember,
            "is not what it was when it was verified; it no longer counts as good", path: $0.string)
        }
          + series.retention.future.map {
            Finding(
              .warning, .futureTime,
              "was made at \(ISOTime(seconds: $0.time).text), which is still to come; it stays",
              path: plan.repository.path.appending($0.name).string)
          }
      }
  }

  static func isRefused(_ plan: RotationPlan) -> Bool { !refused(plan).isEmpty }

  private static func refused(_ plan: RotationPlan) -> [(
    series: String, message: String, hint: String
  )] {
    plan.stopped.compactMap { series in
      switch series.retention.stop {
      case nil: return nil
      case .noGoodBackup:
        return (
          series.name, "has no verified backup, so nothing of it was removed",
          "back it up, without --no-verify"
        )
      case .shrunken(let name, let records, let lastGood):
        return (
          series.name,
          "\(name) has \(records) records, the last good backup has \(lastGood), so nothing of the "
            + "series was removed",
          "if the records were meant to go, back it up once with --allow-shrink"
        )
      }
    }
  }

  /// A line for each series that was stopped.
  static func refusals(_ plan: RotationPlan) -> [String] {
    let all = refused(plan).map {
      "\(plan.repository.path): \($0.series): \($0.message); \($0.hint)"
    }
    return all.isEmpty ? [] : [all.joined(separator: "; ")]
  }
}
