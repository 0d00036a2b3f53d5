import Glibc

/// A scratch directory in which scripts run; removed when the last user lets go of it.
final class Shell {
  struct Outcome: CustomStringConvertible {
    let status: Int32
    let output: String
    let errors: String
    var description: String { "exit \(status)\n\(output)\(errors)" }
  }

  let directory: String
  private var runs = 0

  /// - Parameter stores: whether it holds a copy of `samples/intact` as `stores`.
  init(stores: Bool = false) throws {
    var template = Array("/tmp/holdfast-docs-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure(description: "no directory") }
    directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    guard access(Checkout.binary, X_OK) == 0 else {
      throw TestFailure(description: "no binary at \(Checkout.binary)")
    }
    try require("mkdir .run .run/bin && ln -s '\(Checkout.binary)' .run/bin/holdfast")
    if stores { try require("cp -a '\(Checkout.root)/samples/intact' stores") }
  }

  deinit { _ = try? Self.spawn("rm -rf '\(directory)'", at: "/", "/dev/null", "/dev/null") }

  /// Runs a script in the directory, `holdfast` on its path; both outputs go through files.
  func run(_ script: String) throws -> Outcome {
    runs += 1
    let files = (output: "\(directory)/.run-\(runs).out", errors: "\(directory)/.run-\(runs).err")
    defer {
      unlink(files.output)
      unlink(files.errors)
    }
    let status = try Self.spawn(script, at: directory, files.output, files.errors)
    return Outcome(
      status: status, output: try Checkout.contents(files.output),
      errors: try Checkout.contents(files.errors))
  }

  private func require(_ script: String) throws {
    let outcome = try run(script)
    if outcome.status != 0 { throw TestFailure(description: "\(script): \(outcome)") }
  }

  private static func spawn(
    _ script: String, at directory: String, _ output: String, _ errors: String
  ) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, flags, 0o600)
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let environment = [
      "PATH=\(directory)/.run/bin:\(path)", "HOME=\(directory)", "LC_ALL=C.UTF-8", "TZ=UTC",
    ]
    let words = ["/bin/bash", "-eu", "-o", "pipefail", "-c", "cd '\(directory)'; \(script)"]
    var arguments = words.map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer { for word in arguments + variables { free(word) } }
    var child = pid_t()
    guard posix_spawn(&child, words[0], &actions, nil, &arguments, &variables) == 0 else {
      throw TestFailure(description: "cannot run \(words[0])")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { throw TestFailure(description: "lost \(words[0])") }
    }
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }
}
