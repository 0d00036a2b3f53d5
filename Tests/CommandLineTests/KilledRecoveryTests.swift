import Glibc
import Testing

/// `recover --yes`, killed at every system call that changes what is on the disk: the store is the
/// damaged one or the recovered one, the damaged one is never lost, and the next run finishes.
@Suite(.scratchOnDisk) struct KilledRecoveryTests {
  private static let calls = ["write", "fsync", "rename", "renameat2", "unlink", "mkdir", "rmdir"]

  private struct Subject {
    let scratch: Scratch
    let damaged: [UInt8]

    init(_ scratch: Scratch) throws {
      self.scratch = scratch
      let lines = SampleRecords.lines(SampleRecords.graph(12), last: "\n")
      try scratch.write(lines, to: "model/memory.jsonl")
      try scratch.holdfast(exit: 0, "backup", scratch.file("model/memory.jsonl"))
      damaged = Array(lines.prefix(lines.count / 2))
      try scratch.write(damaged, to: "model/memory.jsonl")
    }

    /// A copy of the damaged store and its backup, in a directory of its own.
    func place() throws -> String {
      let path = scratch.fresh("place")
      try scratch.tool("cp", "-a", scratch.file("model"), path)
      return path
    }

    /// Whether the damaged store lies in an undo copy.
    func isKept(_ place: String) throws -> Bool {
      let folder = place + "/.recovery"
      guard TestFile.exists(folder) else { return false }
      return try TestFile.names(folder).contains { name in
        let file = "\(folder)/\(name)/memory.jsonl"
        return try name.hasPrefix("undo-") && TestFile.exists(file)
          && TestFile.read(file) == damaged
      }
    }
  }

  @Test func anywhere() throws {
    let subject = try Subject(try Scratch.here())
    let scratch = subject.scratch
    func command(_ place: String) -> [String] {
      [Binary.path, "recover", place + "/memory.jsonl", "--yes", "--quiet"]
    }
    let whole = try subject.place()
    let log = scratch.file("trace")
    let trace = ["strace", "-f", "-o", log, "-e", "trace=\(Self.calls.joined(separator: ","))"]
    #expect(try scratch.run(trace + command(whole)).status == 3)
    let recovered = try TestFile.read(whole + "/memory.jsonl")
    #expect(recovered != subject.damaged)
    let ownNames = try TestFile.names(whole)
    let made = try Trace.calls(in: log, Self.calls)
    var killed = 0
    for name in Self.calls {
      // Counted in each thread for itself.
      guard let most = made.filter({ $0.name == name }).map(\.number).max() else { continue }
      for number in 1...most {
        let place = try subject.place()
        let outcome = try scratch.run(
          [
            "strace", "-f", "-o", "/dev/null", "-e", "trace=\(name)", "-e",
            "inject=\(name):signal=KILL:when=\(number)",
          ] + command(place))
        let comment = "killed at \(name) \(number): \(outcome)"
        if outcome.status == 128 + SIGKILL { killed += 1 }
        let found = try TestFile.read(place + "/memory.jsonl")
        #expect(found == subject.damaged || found == recovered, "\(comment)")
        let isKept = try subject.isKept(place)
        #expect(found == subject.damaged || isKept, "\(comment)")
        let next = try scratch.run(command(place))
        #expect([0, 3].contains(next.status), "\(comment)\n\(next)")
        #expect(try TestFile.read(place + "/memory.jsonl") == recovered, "\(comment)")
        #expect(try subject.isKept(place), "\(comment)")
        #expect(try TestFile.names(place) == ownNames, "\(comment)")
        try TestFile.remove(place)
      }
    }
    #expect(killed > 20, "killed \(killed) times")
  }
}
