import Glibc

/// What a program ended with.
struct Outcome: CustomStringConvertible {
  let words: [String]
  /// The exit code, or 128 and the signal's number.
  let status: Int32
  let output: [UInt8]
  let errors: [UInt8]

  var text: String { String(decoding: output, as: UTF8.self) }
  var message: String { String(decoding: errors, as: UTF8.self) }
  var lines: [String] { text.split(separator: "\n").map(String.init) }
  var messages: [String] { message.split(separator: "\n").map(String.init) }

  /// For the comment of an expectation.
  var description: String {
    "\(words.joined(separator: " "))\nexit \(status)\n\(text.prefix(4000))\(message.prefix(4000))"
  }
}

/// A program that runs; both its outputs go to files, so that none of them can fill up and block.
final class Child {
  private let words: [String]
  private let process: pid_t
  private let files: (output: String, errors: String)

  /// Where and how a program runs.
  struct Setting {
    /// Added to what is passed on, which is no more than `passedOn`.
    var environment: [String: String] = [:]
    var directory: String?
    /// As the shell's `umask` takes it.
    var umask: String?
    /// Bytes; the shell's `ulimit -f`, in units of 1024.
    var fileSizeLimit: Int?
    /// Where standard output goes instead of to a file of its own.
    var output: String?
    /// Seconds after which a program that still runs is killed.
    var timeLimit = 150.0
  }

  /// Starts a program. `capture` is the path that the files of its output begin with.
  init(_ words: [String], capture: String, _ setting: Setting = Setting()) throws {
    self.words = words
    timeLimit = setting.timeLimit
    files = (setting.output ?? capture + ".out", capture + ".err")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, files.output, flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, files.errors, flags, 0o600)
    // Threads of tests have signals blocked, which a program must not inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var prefix: [String] = []
    if setting.umask != nil || setting.fileSizeLimit != nil || setting.directory != nil {
      let place = setting.directory == nil ? "" : "cd \"$0\" && "
      let mask = setting.umask.map { "umask \($0) && " } ?? ""
      let limit = setting.fileSizeLimit.map { "ulimit -f \($0 / 1024) && " } ?? ""
      prefix = [
        "/bin/bash", "-c", "\(place)\(mask)\(limit)exec \"$@\"", setting.directory ?? "bash",
      ]
    }
    var environment = ["LC_ALL": "C.UTF-8", "TZ": "UTC"]
    for name in Self.passedOn {
      environment[name] = getenv(name).map { String(cString: $0) }
    }
    if words.first == "strace", let profile = environment["LLVM_PROFILE_FILE"] {
      // A fault at what writes the counts of one program must not cost those of others.
      environment["LLVM_PROFILE_FILE"] = profile.replacing("%9m", with: "%p")
    }
    environment.merge(setting.environment) { $1 }
    var arguments = (prefix + words).map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for word in arguments + variables { free(word) } }
    var child = pid_t()
    let program = prefix.first ?? words[0]
    let failure = posix_spawnp(&child, program, &actions, &attributes, &arguments, &variables)
    guard failure == 0 else { throw TestFailure("cannot run \(program): error \(failure)") }
    process = child
  }

  private let timeLimit: Double

  /// Beside what every program needs, what one needs that measures coverage or looks after memory.
  private static let passedOn = [
    "PATH", "HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "ASAN_OPTIONS",
  ]

  func signal(_ number: Int32) { kill(process, number) }

  /// Whether it has a handler for a signal; not yet, and no more once it has ended.
  func isReady(for number: Int32) -> Bool {
    let lines = (try? TestFile.text("/proc/\(process)/status"))?.split(separator: "\n") ?? []
    guard let mask = lines.first(where: { $0.hasPrefix("SigCgt:") })?.dropFirst(8),
      let bits = UInt64(mask, radix: 16)
    else { return false }
    return bits >> UInt64(number - 1) & 1 == 1
  }

  /// Whether it has a file open.
  func hasOpen(_ path: String) -> Bool {
    let directory = "/proc/\(process)/fd"
    return ((try? TestFile.names(directory)) ?? []).contains { name in
      var target = [CChar](repeating: 0, count: 4096)
      let count = readlink("\(directory)/\(name)", &target, target.count)
      let bytes = target.prefix(max(count, 0)).map(UInt8.init(bitPattern:))
      return String(decoding: bytes, as: UTF8.self) == path
    }
  }

  /// Waits until something is true, for minutes at the most: what takes longer has failed.
  static func until(_ condition: () throws -> Bool) throws {
    for _ in 0..<240_000 {
      if try condition() { return }
      usleep(1000)
    }
    throw TestFailure("waited in vain")
  }

  /// Nil while it runs.
  private func poll() throws -> Int32? {
    var status: Int32 = 0
    let result = waitpid(process, &status, WNOHANG)
    if result == 0 { return nil }
    guard result == process else { throw TestFailure("lost \(words[0])") }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }

  /// Waits for its end. Throws if it takes too long.
  func wait() throws -> Outcome {
    var pause: UInt32 = 200
    var waited = 0.0
    while true {
      if let status = try poll() {
        let isOwn = !files.output.hasPrefix("/dev/") || files.output.hasPrefix("/dev/shm/")
        return Outcome(
          words: words, status: status, output: isOwn ? try TestFile.read(files.output) : [],
          errors: try TestFile.read(files.errors))
      }
      usleep(pause)
      waited += Double(pause) / 1e6
      pause = min(pause * 2, 4000)
      if waited > timeLimit {
        kill(process, SIGKILL)
        throw TestFailure("still ran after \(timeLimit) s: \(words.joined(separator: " "))")
      }
    }
  }
}

/// The program under test.
enum Binary {
  /// HOLDFAST_BINARY, or the product that was built along with the tests.
  static let path: String = {
    if let given = getenv("HOLDFAST_BINARY") { return String(cString: given) }
    var own = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &own, own.count)
    let bytes = own.prefix(max(count, 0)).map(UInt8.init(bitPattern:))
    let directory = bytes[..<(bytes.lastIndex(of: 0x2F) ?? 0)]
    return String(decoding: directory, as: UTF8.self) + "/holdfast"
  }()
}
