import ArgumentParser
import Backup
import Disk
import LosslessJSON
import SystemPackage

struct PurgeCommand: Verb {
  static let verb = "purge"
  static let configuration = CommandConfiguration(
    commandName: "purge",
    abstract: "Remove for good what has been in the trash for long.",
    discussion: """
      The only verb that removes backups. It looks at nothing but .trash/ of the repository. The \
      last good backups of a series that has no other stay there (exit 14).

      \(ExitStatus.help([.notFound, .locked, .retentionRefused, .notWritable]))
      """)

  @Argument(help: "The repository.", completion: .directory)
  var repo: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long a backup must have been in the trash: 36h, 7d, 8w; 0d for all.", valueName: "span"))
  var olderThan: String

  @Flag(name: .long, help: "Show what would be done, and remove nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let isAll = ["0s", "0m", "0h", "0d", "0w"].contains(olderThan)
    guard let seconds = isAll ? 0 : RetentionSpan(olderThan)?.seconds else {
      throw ValidationError("--older-than takes a span with its unit, as 7d, not \(olderThan)")
    }
    let repository = try Repository.existing(FilePath(repo))
    let now = try currentTime()
    if dryRun {
      return report(
        try PurgePlan(repository, olderThan: seconds, now: now, formats: HoldfastCommand.formats),
        console)
    }
    let lock = try repository.lock(waitingUpTo: shared.waitLock.seconds)
    let removal = try repository.removalLock(waitingUpTo: shared.waitLock.seconds)
    defer {
      withExtendedLifetime(lock) {}
      withExtendedLifetime(removal) {}
    }
    try repository.clearLeftovers()
    let plan = try PurgePlan(
      repository, olderThan: seconds, now: now, formats: HoldfastCommand.formats)
    try plan.run()
    return report(plan, console)
  }

  private func report(_ plan: PurgePlan, _ console: Console) -> ExitStatus {
    console.json(Self.verb) {
      $0.member("dry_run", dryRun)
      $0.key("purged")
      $0.array(of: plan.items) { $0.value(Disk.absolute($1.path).string) }
      $0.member("bytes", plan.size)
      $0.key("spared")
      $0.array(of: plan.spared) { $0.value(Disk.absolute($1.path).string) }
    }
    for item in plan.items { console.result("purge  \(item.path)") }
    console.result("\(plan.items.count) backups, \(humanBytes(plan.size))")
    guard let first = plan.spared.first else { return .done }
    console.failure(
      "\(first.path): stays, as the repository holds no good backup of its series; "
        + "bring it back with undelete")
    return .retentionRefused
  }
}
