import ArgumentParser
import Backup
import Disk
import LosslessJSON
import SystemPackage

struct UndeleteCommand: Verb {
  static let verb = "undelete"
  static let configuration = CommandConfiguration(
    commandName: "undelete",
    abstract: "Bring backups back from the trash.",
    discussion: """
      What rotate removed lies in .trash/ of the repository until purge removes it. A backup comes \
      back under its old name, byte for byte. Where the trash holds several of that name, the one \
      that was removed last comes back.

      \(ExitStatus.help([.notFound, .locked, .notWritable]))
      """)

  @Argument(help: "The repository.", completion: .directory)
  var repo: String

  @Argument(help: ArgumentHelp("Backups, as list --trash names them.", valueName: "name"))
  var names: [String]

  @Flag(name: .long, help: "Show what would be done, and move nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let repository = try Repository.existing(FilePath(repo))
    if dryRun {
      let plan = try UndeletePlan(names, from: repository)
      report(plan.items.map { repository.path.appending($0.name) }, console)
      return .done
    }
    let lock = try repository.lock(waitingUpTo: shared.waitLock.seconds)
    defer { withExtendedLifetime(lock) {} }
    try repository.clearLeftovers()
    report(try UndeletePlan(names, from: repository).run(), console)
    return .done
  }

  private func report(_ paths: [FilePath], _ console: Console) {
    console.json(Self.verb) {
      $0.member("dry_run", dryRun)
      $0.key("backups")
      $0.array(of: paths) { $0.value(Disk.absolute($1).string) }
    }
    for path in paths { console.result(Disk.absolute(path).string) }
  }
}
