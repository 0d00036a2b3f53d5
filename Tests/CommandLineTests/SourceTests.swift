import Glibc
import Testing

/// Stores that may not be read in part or at all, and names as long as they may be.
@Suite(.scratch) struct SourceTests {
  /// Runs the program as somebody to whom permissions apply, which they do not to root.
  private func asNobody(_ scratch: Scratch, _ words: [String]) throws -> Outcome {
    guard geteuid() == 0 else { return try scratch.run([Binary.path] + words) }
    // The program itself may lie where only root may look.
    let program = scratch.file("holdfast")
    if !TestFile.exists(program) { try scratch.tool("cp", Binary.path, program) }
    return try scratch.run(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program] + words)
  }

  private func house(_ scratch: Scratch) throws -> SampleStore.Made {
    let made = try SampleStore.contexts.make(in: scratch)
    try scratch.tool("chmod", "-R", "a+rX", made.root)
    try TestFile.setMode(0o777, of: scratch.path)
    return made
  }

  @Test func nothingMayBeRead() throws {
    let scratch = try Scratch.here()
    let made = try house(scratch)
    let file = "\(made.root)/charts.jsonl"
    try TestFile.setMode(0, of: file)
    for words in [
      ["inspect", file], ["digest", file], ["backup", file, "--to", scratch.file("repo")],
      ["verify", file],
    ] {
      let outcome = try asNobody(scratch, words)
      #expect(outcome.status == 13 && outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains("permission denied"), "\(outcome)")
    }
    let told = try JSONValue(parsing: asNobody(scratch, ["inspect", file, "--json"]).output)
    #expect(told["error"]?["code"]?.text == "not-readable")
  }

  /// One file, or one directory, that may not be read: the rest is, and the error says which.
  @Test(arguments: ["charts-work.jsonl", "notes"])
  func oneMayNot(_ name: String) throws {
    let scratch = try Scratch.here()
    let made = try house(scratch)
    try TestFile.setMode(0, of: "\(made.root)/\(name)")
    let outcome = try asNobody(scratch, ["inspect", made.root, "--json"])
    #expect(outcome.status == 3, "\(outcome)")
    let told = try JSONValue(parsing: outcome.output)
    let errors = told["findings"]?.elements.filter { $0["severity"]?.text == "error" } ?? []
    #expect(errors.map { $0["path"]?.text } == ["\(made.root)/\(name)"])
    #expect((told["records"]?.integer ?? 0) >= 35)
    let backup = try asNobody(
      scratch, ["backup", made.root, "--to", scratch.file("repo"), "--json"])
    #expect(backup.status == 3, "\(backup)")
    #expect(try JSONValue(parsing: backup.output)["state"]?.text == "suspect")
  }

  @Test(arguments: [
    String(repeating: "n", count: 238) + ".jsonl",
    String(repeating: "\u{1F600}", count: 60) + ".jsonl",
  ])
  func longNames(_ name: String) throws {
    let scratch = try Scratch.here()
    let graph = SampleRecords.lines(SampleRecords.graph(10), last: "\n")
    let store = try scratch.write(graph, to: "store/\(name)")
    try scratch.holdfast(exit: 0, "inspect", store)
    let archive = try scratch.backUp(store)
    try scratch.holdfast(exit: 0, "verify", archive)
    // The target has the long name too, and so have its staging directory and its undo copy.
    let target = scratch.file("out/\(name)")
    try scratch.directory("out")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target)
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target, "--overwrite", "always")
    #expect(try TestFile.read("\(target)/\(name)") == graph)
    let undo = try TestFile.names(scratch.file("out")).filter { $0 != name }
    #expect(undo.count == 1 && undo.allSatisfy { $0.contains(".undo-") && $0.utf8.count <= 255 })
  }

  /// A repository of one series stands for its newest good backup wherever a store may be named; one
  /// of several does not say which is meant.
  @Test func aRepositoryIsItsNewestBackup() throws {
    let scratch = try Scratch.here()
    let line = "{\"type\":\"entity\",\"name\":\"Ada\",\"entityType\":\"t\",\"observations\":[]}"
    let other = "{\"type\":\"entity\",\"name\":\"Eve\",\"entityType\":\"t\",\"observations\":[]}"
    let store = try scratch.write(line, to: "memory.jsonl")
    let repo = scratch.file("repo")
    _ = try scratch.backUp(store, to: repo, time: 1_700_000_000)
    try scratch.write(line + "\n" + other, to: "memory.jsonl")
    _ = try scratch.backUp(store, to: repo, time: 1_700_000_100)
    let digest = try scratch.digest(store)
    #expect(try scratch.digest(repo) == digest)
    #expect(try scratch.json("inspect", repo)["records"]?.integer == 2)
    try scratch.holdfast(exit: 0, "diff", repo, store)
    #expect(try scratch.json("search", repo, "Eve")["hits"]?.elements.count == 1)
    #expect(try scratch.json("contexts", repo)["contexts"]?.elements.count == 1)
    for words in [
      ["export", repo], ["migrate", repo], ["merge", repo, store], ["replay", repo],
    ] {
      let target = scratch.fresh("t")
      let outcome = try scratch.run([Binary.path] + words + ["--to", target, "--quiet"])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try scratch.digest(target) == digest)
    }
    _ = try scratch.backUp(store, to: repo, ["--name", "second"])
    for words in [
      ["inspect", repo], ["digest", repo], ["diff", repo, store], ["contexts", repo],
      ["export", repo, "--to", scratch.file("x")], ["migrate", repo, "--to", scratch.file("x")],
      ["inspect", repo + "@latest"],
    ] {
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == 64, "\(outcome)")
      #expect(outcome.message.contains("memory, second"), "\(outcome)")
      #expect(!outcome.message.contains("--name"), "\(outcome)")
    }
    // A store among whose files a backup lies is a store.
    let folder = try scratch.directory("c")
    try scratch.tool("cp", "-r", store, repo + "/.", folder)
    #expect(try scratch.json("inspect", folder)["path"]?.text == folder)
    #expect(try scratch.json("inspect", folder)["counts"]?["entity"]?.integer == 2)
  }
}
