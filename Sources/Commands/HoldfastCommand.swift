import ArgumentParser
import Backup
import Disk
import Glibc
import Snapshot
import Stores

/// `holdfast`: every verb is a subcommand of its own.
package struct HoldfastCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "holdfast",
    abstract: "Back up, prove and recover the stores that programs keep in plain files.",
    discussion: """
      A STORE is a memory graph (one JSONL file, or a directory of contexts such as .coaia/), an \
      intent snapshot, a content archive, a task list, any other JSONL or JSON file, or a backup \
      of one of these. A REPO is a directory of backups; by default .backup/ in a store directory, or \
      beside a store file.

      START HERE
        holdfast inspect memory.jsonl          what is in it, and is it sound?
        holdfast backup memory.jsonl           one verified backup into .backup/
        holdfast list .backup                  what backups are there?
        holdfast restore .backup@latest --to recovered
        holdfast diff recovered/memory.jsonl memory.jsonl

      \(ExitStatus.help(ExitStatus.allCases))
      """,
    version: "holdfast \(Manifest.implementationVersion)",
    subcommands: [
      InspectCommand.self, DigestCommand.self, BackupCommand.self, ListCommand.self,
      ShowCommand.self, VerifyCommand.self, RestoreCommand.self, DiffCommand.self,
      RotateCommand.self, UndeleteCommand.self, PurgeCommand.self, RunCommand.self,
      ScheduleCommand.self,
      SalvageCommand.self, RecoverCommand.self,
    ])

  package init() {}

  /// Runs the command line and ends the process with the verb's exit code.
  package static func start() -> Never {
    Interruption.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      reportUsage(error)
      exit(withError: error)
    }
    Glibc.exit(ExitStatus.done.rawValue)
  }

  /// A usage error as the object that `--json` promises: no verb runs that could print it.
  private static func reportUsage(_ error: any Error) {
    let words = CommandLine.arguments.dropFirst()
    guard exitCode(for: error).rawValue == ExitStatus.usage.rawValue, words.contains("--json"),
      !(error is ExitCode)
    else { return }
    let verbs = configuration.subcommands.compactMap { $0.configuration.commandName }
    let verb = words.first { verbs.contains($0) } ?? "usage"
    let failure = Failure(BackupError(.usage, message(for: error)))
    Console(isQuiet: false, isJSON: true).json(verb) { failure.encode(to: &$0) }
  }

  /// The kinds of stores there are: a new kind is one more entry here.
  static let formats = StoreFormat.fileFormats
}
