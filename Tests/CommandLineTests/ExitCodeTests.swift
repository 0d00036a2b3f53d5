import Glibc
import Testing

/// Each exit code, as the contract has it, in the situation it is for.
@Suite(.scratch) struct ExitCodeTests {
  private func graph(_ scratch: Scratch, _ count: Int = 10) throws -> String {
    try scratch.write(
      SampleRecords.lines(SampleRecords.graph(count), last: "\n"), to: "memory.jsonl")
  }

  @Test func done() throws {
    let scratch = try Scratch.here()
    let store = try graph(scratch)
    for verb in ["inspect", "digest", "backup", "verify"] {
      try scratch.holdfast(exit: 0, verb, store)
    }
    try scratch.holdfast(exit: 0, "list", scratch.path)
  }

  /// A target in the way is a failure that no other code stands for.
  @Test func failure() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(graph(scratch))
    try scratch.write("mine", to: "target/file")
    let outcome = try scratch.holdfast(
      exit: 1, "restore", archive, "--to", scratch.file("target"))
    #expect(outcome.message.contains("--overwrite"))
    #expect(try TestFile.names(scratch.file("target")) == ["file"])
    #expect(try !TestFile.names(scratch.path).contains { $0.hasPrefix(".holdfast-") })
  }

  /// Without /proc the runtime hands over no arguments: that is no call for help.
  @Test func noArguments() throws {
    let scratch = try Scratch.here()
    let graph = try scratch.graph(3, to: "memory.jsonl")
    let outcome = try scratch.run([
      "strace", "-f", "-o", "/dev/null", "-e", "trace=openat", "-P", "/proc/self/maps", "-e",
      "inject=openat:error=ENOENT", Binary.path, "backup", graph, "--to", scratch.file("repo"),
    ])
    #expect(outcome.status == 1 && outcome.text.isEmpty, "\(outcome)")
    #expect(outcome.message.contains("see that /proc is mounted"), "\(outcome)")
    #expect(!TestFile.exists(scratch.file("repo")))
  }

  @Test func findings() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("{}\n{\"a\n{}\n", to: "log.jsonl")
    try scratch.holdfast(exit: 3, "inspect", store)
    try scratch.holdfast(exit: 3, "digest", store)
    try scratch.holdfast(exit: 3, "backup", store)
  }

  @Test(arguments: [
    ["inspect", "none"], ["digest", "none"], ["backup", "none"], ["verify", "none"],
    ["list", "none"], ["show", "none"], ["restore", "none", "--to", "t"], ["diff", "none", "none"],
    ["show", "none@latest"], ["restore", "none@2026-01-01", "--to", "t"],
    ["restore", "empty", "--to", "t"], ["show", "empty@latest"], ["verify", "empty@latest"],
    ["backup", "broken-link"],
  ])
  func notFound(_ words: [String]) throws {
    let scratch = try Scratch.here()
    try scratch.directory("empty")
    try scratch.tool("ln", "-s", "nowhere", scratch.file("broken-link"))
    let before = try TestFile.names(scratch.path)
    let outcome = try scratch.run(
      [Binary.path] + words, Child.Setting(directory: scratch.path))
    #expect(outcome.status == 10, "\(outcome)")
    #expect(outcome.messages.count == 1)
    #expect(try TestFile.names(scratch.path) == before, "something was made")
  }

  /// Holds the lock as any program may, with `flock`.
  private static let holder = """
    import fcntl, os, sys, time
    file = open(sys.argv[1], 'a')
    fcntl.flock(file, fcntl.LOCK_EX)
    open(sys.argv[2], 'w').close()
    time.sleep(900)
    """

  @Test func locked() throws {
    let scratch = try Scratch.here()
    let store = try graph(scratch)
    try scratch.directory("repo")
    let ready = scratch.file("ready")
    let holder = try scratch.start([
      "python3", "-c", Self.holder, scratch.file("repo/.lock"), ready,
    ])
    defer { holder.signal(SIGKILL) }
    try Child.until { TestFile.exists(ready) }
    let repository = scratch.file("repo")
    let outcome = try scratch.holdfast(exit: 11, "backup", store, "--to", repository)
    #expect(outcome.message.contains(".lock"))
    try scratch.holdfast(exit: 11, "backup", store, "--to", repository, "--dry-run")
    #expect(outcome.message.contains("--wait-lock"))
    try scratch.holdfast(exit: 11, "backup", store, "--to", repository, "--wait-lock", "0.2s")
    #expect(try TestFile.names(repository) == [".lock"])
    // Who only looks does not need the lock.
    try scratch.holdfast(exit: 0, "list", repository)
    let waiting = try scratch.start(
      [Binary.path, "backup", store, "--to", repository, "--wait-lock", "1m"])
    try Child.until { waiting.hasOpen(repository + "/.lock") }
    #expect(try TestFile.names(repository) == [".lock"])
    holder.signal(SIGKILL)
    let done = try waiting.wait()
    #expect(done.status == 0, "\(done)")
    try scratch.holdfast(exit: 0, "verify", repository)
  }

  @Test func verificationFailed() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(graph(scratch))
    var bytes = try TestFile.read(archive)
    bytes[bytes.count / 2] ^= 1
    try TestFile.write(bytes, to: archive)
    try scratch.holdfast(exit: 12, "verify", archive)
    let damaged = try scratch.write("{}\n{", to: "log.jsonl")
    try scratch.holdfast(exit: 12, "verify", damaged)
  }

  @Test(arguments: [
    "empty.jsonl", "blank.jsonl", "nul.jsonl", "binary", "directory", "comment.jsonl",
  ])
  func refused(_ name: String) throws {
    let scratch = try Scratch.here()
    let path = scratch.file(name)
    switch name {
    case "blank.jsonl": try scratch.write("\n \n\r\n", to: name)
    case "nul.jsonl": try scratch.write([UInt8](repeating: 0, count: 4096), to: name)
    case "binary": try scratch.write((0...255).map { UInt8($0 ^ 0xA5) }, to: name)
    case "directory": try scratch.directory(name)
    case "comment.jsonl": try scratch.write("# nothing\n", to: name)
    default: try scratch.write("", to: name)
    }
    let outcome = try scratch.holdfast(
      exit: 13, "backup", path, "--to", scratch.file("repo"), "--quiet")
    #expect(outcome.messages.count == 1)
    #expect(outcome.message.contains(path))
    let left = TestFile.exists(scratch.file("repo")) ? try TestFile.names(scratch.file("repo")) : []
    #expect(left.filter { $0 != ".lock" }.isEmpty)
  }

  @Test func emptyIsAllowedWhenAsked() throws {
    let scratch = try Scratch.here()
    try scratch.write("", to: "store/memory.jsonl")
    let path = scratch.file("store/memory.jsonl")
    try scratch.holdfast(
      exit: 13, "backup", path, "--kind", "memory-graph", "--to", scratch.file("repo"))
    let made = try scratch.json(
      exit: 3, "backup", path, "--kind", "memory-graph", "--allow-empty", "--to",
      scratch.file("repo"))
    #expect(made["state"]?.text == "suspect")
    let archive = try #require(made["backup"]?.text)
    try scratch.proveBackup(
      archive, of: .init(path: path, root: scratch.file("store")), restoredBy: 3)
  }

  @Test(arguments: ["below a file", "no space", "no space at the end", "read-only", "file size"])
  func notWritable(_ reason: String) throws {
    let scratch = try Scratch.here()
    let store = try graph(scratch, 2000)
    try scratch.directory("repo")
    let words = [Binary.path, "backup", store, "--to", scratch.file("repo")]
    let strace = ["strace", "-f", "-o", "/dev/null", "-e"]
    let outcome: Outcome
    switch reason {
    case "below a file":
      outcome = try scratch.holdfast("backup", store, "--to", store + "/repo")
    case "no space":
      outcome = try scratch.run(strace + ["inject=write,pwrite64:error=ENOSPC:when=1+"] + words)
    case "no space at the end":
      outcome = try scratch.run(strace + ["inject=fsync:error=ENOSPC:when=2+"] + words)
    case "read-only":
      outcome = try scratch.run(
        strace + ["inject=link,rename,renameat2:error=EROFS:when=1+"] + words)
    default:
      outcome = try scratch.run(words + ["--compression", "none"], .init(fileSizeLimit: 64 << 10))
    }
    #expect(outcome.status == 15, "\(outcome)")
    #expect(outcome.messages.count == 1 || reason == "no space")
    #expect(try TestFile.names(scratch.file("repo")).filter { $0 != ".lock" }.isEmpty)
  }

  @Test(arguments: [
    [], ["frobnicate"], ["diff"], ["backup", "a", "b"], ["restore", "x"], ["merge", "x"],
    ["backup", "x", "--compression", "lzma"], ["backup", "x", "--compression", "zstd:99"],
    ["backup", "x", "--rtfs", "some"], ["inspect", "--kind", "sqlite9", "x"],
    ["restore", "repo", "--to", "t", "--overwrite", "perhaps"],
    ["restore", "repo", "--to", "t", "--select", "thing:x"],
    ["show", "repo", "--rtfs", "--snapshot"],
    ["backup", "x", "--name", "../up"], ["backup", "x", "--name", "a b"],
    ["backup", "x", "--wait-lock", "soon"], ["inspect", "x", "--id-field", "no pointer"],
    ["restore", "repo@whenever", "--to", "t"], ["--nonsense"],
  ])
  func usage(_ words: [String]) throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("{}\n{}\n", to: "x")
    _ = try scratch.backUp(store)
    let before = try TestFile.names(scratch.path)
    let outcome = try scratch.run([Binary.path] + words, Child.Setting(directory: scratch.path))
    // Without a verb the help is the answer.
    #expect(outcome.status == (words.isEmpty ? 0 : 64), "\(outcome)")
    #expect(try TestFile.names(scratch.path) == before)
  }

  @Test(
    arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129), (SIGKILL, 137)] as [(Int32, Int32)])
  func stopped(_ signal: Int32, _ status: Int32) throws {
    let scratch = try Scratch.here()
    let line = SampleRecords.lines(SampleRecords.graph(3000), last: "\n")
    let store = try scratch.write(
      (0..<20).reduce(into: []) { bytes, _ in bytes += line }, to: "memory.jsonl")
    let first = try scratch.backUp(store, ["--rtfs", "none", "--no-verify"], time: 1_000_000_000)
    let bytes = try TestFile.read(first)
    let repository = scratch.file("repo")
    let before = try TestFile.names(repository)
    let child = try scratch.start(
      [Binary.path, "backup", store, "--to", repository, "--compression", "zstd:15"])
    // While it reads there is only a nameless file; it listens to signals and holds the lock.
    try Child.until { child.hasOpen(repository + "/.lock") }
    child.signal(signal)
    let outcome = try child.wait()
    #expect(outcome.status == status, "\(outcome)")
    #expect(outcome.output.isEmpty)
    if signal != SIGKILL {
      #expect(try TestFile.names(repository) == before, "something was left behind")
      #expect(outcome.messages.count == 1)
    }
    try scratch.holdfast(exit: 0, "backup", store, "--to", repository, "--rtfs", "none")
    let names = try TestFile.names(repository)
    #expect(names.count == before.count + 2, "\(names)")
    #expect(!names.contains { $0.hasSuffix(".tmp") })
    #expect(try TestFile.read(first) == bytes)
  }

  /// Output that nobody reads, or that has no room, does not undo what was done.
  @Test func aReaderThatWentAway() throws {
    let scratch = try Scratch.here()
    let store = try graph(scratch)
    let words = [Binary.path, "backup", store, "--to", scratch.file("repo")]
    let quoted = words.map { "'\($0)'" }.joined(separator: " ")
    let outcome = try scratch.run(
      ["bash", "-c", "{ sleep 0.1; \(quoted); echo $? >'\(scratch.file("status"))'; } | true"])
    #expect(outcome.status == 0)
    #expect(try TestFile.text(scratch.file("status")) == "0\n")
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
  }
}
