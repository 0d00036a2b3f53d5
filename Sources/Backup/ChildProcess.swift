import Disk
import Glibc
import SystemPackage

/// A program started by this one, in a process group of its own.
///
/// The one file of this room that handles unsafe pointers: those that `posix_spawn` is given.
final class ChildProcess {
  enum End: Equatable {
    case exit(Int32)
    case signal(Int32)
    /// It was ended because it took too long.
    case timeOut
  }

  private let process: pid_t

  /// Starts a program, which is looked for in PATH, in `directory`. One that cannot be run ends
  /// with 126 or 127, as with any shell, and says why. Throws `failed` without a shell.
  /// - Parameter input: descriptor of its standard input.
  /// - Parameter output: descriptor of both its outputs.
  init(
    _ words: [String], environment: [String: String], directory: FilePath, input: Int32,
    output: Int32
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What this process ignores and handles must not be ignored there.
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    let shell = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", directory.string]
    var arguments = (shell + words).map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var started = pid_t()
    let failure = posix_spawnp(
      &started, shell[0], &actions, &attributes, &arguments, &variables)
    guard failure == 0 else {
      let cause = Errno(rawValue: failure).description.lowercased()
      throw BackupError(
        .failed, "cannot run \(shell[0]): \(cause)", hint: "correct the hook's command")
    }
    process = started
  }

  /// Waits for its end, at most `limit` seconds. Then, and when this process is to stop, the whole
  /// group is ended: asked first, and after two seconds made to.
  func wait(limit: Double) throws -> End {
    let deadline = Clock.now + limit
    while true {
      if let end = poll() { return end }
      if Interruption.signalNumber != 0 {
        stop()
        try Interruption.check()
      }
      if Clock.now >= deadline {
        stop()
        return .timeOut
      }
      Clock.sleep(seconds: 0.01)
    }
  }

  private func poll() -> End? {
    var status: Int32 = 0
    let result = waitpid(process, &status, WNOHANG)
    guard result != 0 else { return nil }
    guard result == process else { return .exit(127) }
    return status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
  }

  private func stop() {
    kill(-process, SIGTERM)
    let deadline = Clock.now + 2
    var isOver = false
    while !isOver, Clock.now < deadline {
      isOver = poll() != nil
      Clock.sleep(seconds: 0.01)
    }
    kill(-process, SIGKILL)
    if !isOver {
      var status: Int32 = 0
      waitpid(process, &status, 0)
    }
  }
}
