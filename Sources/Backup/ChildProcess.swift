import CLinux
import Disk
import Glibc
import LosslessJSON
import SystemPackage

/// A program started by this one, in a process group of its own. What it starts and leaves behind
/// becomes a child of this process, so that it can be ended although it has left the group.
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
  /// Children of this process from before, which are none of its concern.
  private let others: Set<pid_t>

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
    _ = holdfast_adopt_orphans()
    others = Set(Self.children())
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

  /// Waits for its end, at most `limit` seconds. Then, and when this process is to stop, it is ended
  /// with all that it has started: asked first, and after two seconds made to.
  func wait(limit: Double) throws -> End {
    let deadline = Clock.now + limit
    while true {
      if let end = poll() { return end }
      if Interruption.signalNumber != 0 {
        Interruption.postponed { stop() }
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
    stopOrphans()
  }

  /// Ends what was left behind. Each that ends hands its own children over, so it takes several
  /// rounds; those that start others faster than that are given up on after a while.
  private func stopOrphans() {
    let deadline = Clock.now + 5
    while case let left = Self.children().filter({ !others.contains($0) }), !left.isEmpty,
      Clock.now < deadline
    {
      for child in left { kill(child, SIGKILL) }
      for child in left {
        var status: Int32 = 0
        waitpid(child, &status, WNOHANG)
      }
      Clock.sleep(seconds: 0.01)
    }
  }

  /// The processes whose parent this one is, as /proc tells; none where it cannot be read.
  private static func children() -> [pid_t] {
    let names = (try? TreeWalk.names(in: "/proc").map(\.string)) ?? []
    return names.compactMap { pid_t($0) }.filter { parent(of: $0) == getpid() }
  }

  private static func parent(of process: pid_t) -> pid_t? {
    var bytes = ByteBuffer()
    do {
      let file = try InputFile(opening: FilePath("/proc/\(process)/stat"))
      _ = try file.read(at: 0, into: &bytes, atMost: 4096)
    } catch { return nil }
    // The program's name stands in parentheses, whatever it holds; state and parent follow.
    guard let end = bytes.array.lastIndex(of: 0x29) else { return nil }
    let words = bytes.array[(end + 1)...].split(separator: 0x20)
    return words.count > 1 ? pid_t(String(decoding: words[1], as: UTF8.self)) : nil
  }
}
