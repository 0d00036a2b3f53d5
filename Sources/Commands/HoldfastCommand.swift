import Archive
import ArgumentParser
import Backup
import CLinux
import Database
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
      intent snapshot, a content archive, a task list, a run history in SQLite, any other JSONL or \
      JSON file, or a backup of one of these or the database that migrate made of it. A REPO is a directory of backups; by default .backup/ in a store directory, or \
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
      InspectCommand.self,
      DigestCommand.self,
      BackupCommand.self,
      ListCommand.self,
      ShowCommand.self,
      VerifyCommand.self,
      RestoreCommand.self,
      DiffCommand.self,
      MergeCommand.self,
      MoveCommand.self,
      ReplayCommand.self,
      ContextsCommand.self,
      RotateCommand.self,
      UndeleteCommand.self,
      PurgeCommand.self,
      RunCommand.self,
      ScheduleCommand.self,
      MigrateCommand.self,
      ExportCommand.self,
      QueryCommand.self,
      SearchCommand.self,
      RecordCommand.self,
      GraphCommand.self,
      RunsCommand.self,
      TasksCommand.self,
      DoctorCommand.self,
      SalvageCommand.self,
      RecoverCommand.self,
    ])

  package init() {}

  /// Runs the command line and ends the process with the verb's exit code.
  package static func start() -> Never {
    Interruption.install()
    // Swift's runtime finds the arguments by /proc/self/maps. Where that cannot be read it hands over
    // none at all, and a nightly job that printed its help and ended with 0 would be a lie.
    guard !CommandLine.arguments.isEmpty else {
      Console(isQuiet: false, isJSON: false).failure(
        "cannot read the command line: /proc/self/maps cannot be read; see that /proc is mounted "
          + "and run it again")
      Glibc.exit(ExitStatus.failure.rawValue)
    }
    // Buffers wander from thread to thread; with an arena for each thread glibc would keep room for
    // the most that each has ever held.
    _ = mallopt(holdfast_arena_limit, 2)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      reportUsage(error)
      if isQuiet, exitCode(for: error).rawValue == ExitStatus.usage.rawValue, !(error is ExitCode) {
        let lines = message(for: error).split(separator: "\n").joined(separator: "; ")
        Console(isQuiet: false, isJSON: false).failure(
          "\(printable(lines)); holdfast --help shows how it is called")
        Glibc.exit(ExitStatus.usage.rawValue)
      }
      if exitCode(for: error) == .success { answer(fullMessage(for: error)) }
      exit(withError: error)
    }
    Glibc.exit(ExitStatus.done.rawValue)
  }

  /// Prints help, version or a completion script; that it cannot be written is a failure like any.
  private static func answer(_ text: String) -> Never {
    let console = Console(isQuiet: false, isJSON: false)
    console.answer(text)
    do { try Console.check() } catch {
      let failure = Failure(error)
      console.failure(failure.text)
      Glibc.exit(failure.status.rawValue)
    }
    Glibc.exit(ExitStatus.done.rawValue)
  }

  /// Whether the words ask for quiet, as far as can be told of words that make no sense.
  private static var isQuiet: Bool {
    CommandLine.arguments.dropFirst().prefix { $0 != "--" }.contains { word in
      word == "--quiet" || (word.hasPrefix("-") && !word.hasPrefix("--") && word.contains("q"))
    }
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
  static let formats = StoreFormat.databaseFormats + StoreFormat.fileFormats

  /// The libraries of the system that this program runs with.
  static let libraries = [
    (name: "libarchive", version: LibraryVersions.libarchive),
    (name: "libzstd", version: LibraryVersions.zstd),
    (name: "SQLite", version: SQLiteLibrary.version),
  ]
}
