import Glibc
import Testing

/// Verbs that put a store in the place of another, killed at any system call: what is there is the
/// old store or the new one, whole, and nothing of what was read has changed. The next run works.
@Suite(.scratchOnDisk) struct KilledTests {
  enum Arm: String, CaseIterable {
    case mergedFile, mergedArchive, mergedTasks, mergedContexts, movedInFile, movedInContexts
    case replayed, exportedFile, exportedContexts

    var isMove: Bool { self == .movedInFile || self == .movedInContexts }
  }

  private struct Job {
    /// The command without what it reads and writes.
    var words: [String]
    /// What it reads, below the directory `stores`; none for a move.
    var sources: [String]
    /// What is at the target before.
    var old: String
  }

  private func job(_ arm: Arm, _ scratch: Scratch) throws -> Job {
    let folder = scratch.file("stores")
    func sample(_ sample: SampleStore, _ name: String) throws -> String {
      try sample.make(in: scratch, "stores/\(name)").path
    }
    func graph(_ name: String, _ numbers: Range<Int>) throws -> String {
      try scratch.write(
        SampleRecords.lines(numbers.map { SampleRecords.entity($0) }, last: "\n"),
        to: "stores/\(name)")
    }
    try TestFile.makeDirectory(folder)
    let file = try graph("memory.jsonl", 0..<30)
    switch arm {
    case .mergedFile:
      return Job(
        words: ["merge"], sources: [file, try graph("other.jsonl", 20..<50)],
        old: try graph("old.jsonl", 60..<70))
    case .mergedArchive:
      return Job(
        words: ["merge"], sources: [try sample(.archivePair, "a"), try sample(.snapshot11, "b")],
        old: try sample(.archive, "old"))
    case .mergedTasks:
      let tasks = try sample(.tasks, "a")
      return Job(
        words: ["merge"], sources: [tasks, tasks], old: try graph("old.jsonl", 60..<70))
    case .mergedContexts:
      return Job(
        words: ["merge"], sources: [try sample(.contexts, "a"), file],
        old: try sample(.archive, "old"))
    case .movedInFile:
      return Job(words: ["move", "--select", "entity:*1*", "--into", "w"], sources: [], old: file)
    case .movedInContexts:
      return Job(
        words: ["move", "--select", "entity:*1*", "--into", "default"], sources: [],
        old: try sample(.contexts, "c"))
    case .replayed:
      return Job(words: ["replay"], sources: [file], old: try graph("old.jsonl", 60..<70))
    case .exportedFile:
      return Job(words: ["export"], sources: [file], old: try graph("old.jsonl", 60..<70))
    case .exportedContexts:
      return Job(
        words: ["export", "--as", "contexts"], sources: [file], old: try sample(.contexts, "c"))
    }
  }

  private static let calls =
    "write,pwrite64,fsync,fdatasync,ftruncate,openat,mkdir,rmdir,rename,renameat,renameat2,link,unlink,"
    + "symlink,chmod,fchmod,utimensat"

  @Test(arguments: Arm.allCases) func anywhere(_ arm: Arm) throws {
    let scratch = try Scratch.here()
    let job = try job(arm, scratch)
    func command(_ target: String) -> [String] {
      [Binary.path] + job.words
        + (arm.isMove ? [target] : job.sources + ["--to", target, "--replace"]) + ["--quiet"]
    }
    func place(_ name: String) throws -> String {
      let parent = try scratch.directory(name)
      try scratch.tool("cp", "-a", job.old, parent + "/target")
      return parent + "/target"
    }
    // Of a move, the bytes: where records do not name their context, the digest stays.
    func state(_ path: String) throws -> String {
      guard arm.isMove else { return try scratch.digest(path) }
      let script = "cd \"$1\" 2>/dev/null && sha256sum *.jsonl || sha256sum <\"$1\""
      return try scratch.tool("bash", "-c", script, "-", path).text
    }
    let (old, whole) = (try state(job.old), try place("whole"))
    let log = scratch.file("trace")
    try scratch.run(["strace", "-f", "-o", log, "-e", "trace=\(Self.calls)"] + command(whole))
      .isDone()
    let new = try state(whole)
    #expect(new != old)
    let sources = try scratch.listing(scratch.file("stores"))
    let made = try Trace.calls(in: log, Self.calls.split(separator: ",").map(String.init))
    #expect(made.count > 25, "the trace was not understood: \(made.count) calls")
    var random = SeededRandom()
    var killed = 0
    for round in 0..<8 {
      // Every other one is among the last, where the old gives way to the new.
      let last = round % 2 == 0 ? made.suffix(25) : made[...]
      let call = try #require(round == 0 ? made.first : last.randomElement(using: &random))
      let (name, at) = (call.name, call.number)
      let target = try place("place-\(round)")
      let outcome = try scratch.run(
        [
          "strace", "-f", "-o", "/dev/null", "-e", "trace=\(Self.calls)", "-e",
          "inject=\(name):signal=KILL:when=\(at)",
        ] + command(target))
      let comment = "\(arm) killed at \(name) \(at), seed \(random.seed): \(outcome)"
      if outcome.status == 128 + SIGKILL { killed += 1 }
      let found = try state(target)
      #expect(found == old || found == new, "\(comment)")
      if outcome.status == 0 { #expect(found == new, "\(comment)") }
      #expect(try scratch.listing(scratch.file("stores")) == sources, "\(comment)")
      try scratch.run(command(target)).isDone()
      #expect(try state(target) == new, "\(comment)")
    }
    #expect(killed > 0, "\(arm) was never hit, seed \(random.seed)")
  }
}

extension Outcome {
  fileprivate func isDone(at location: SourceLocation = #_sourceLocation) {
    #expect(status == 0, "\(self)", sourceLocation: location)
  }
}
