import Testing

/// Archives that are gone while their manifest is still there.
@Suite(.scratch) struct MissingTests {
  private let name = "memory-20261102T031500Z.tar.zst"

  /// Three nights in `repo`, and a configuration for a fourth.
  private func make(_ scratch: Scratch) throws -> [String] {
    try scratch.write(
      "repositories.main = \"repo\"\n[retention]\nlast = 2\n"
        + "[series.memory]\nstore = \"memory.jsonl\"\n", to: "holdfast.toml")
    return try scratch.nights(0..<3)
  }

  private func run(_ scratch: Scratch, _ night: Int, _ words: String...) throws -> Outcome {
    var setting = Night.setting(night)
    setting.directory = scratch.path
    return try scratch.run([Binary.path] + words, setting)
  }

  @Test func isToldByAll() throws {
    let scratch = try Scratch.here()
    let made = try make(scratch)
    try scratch.tool("rm", made[1])
    let sidecar = try TestFile.read(Scratch.sidecar(of: made[1]))
    let list = try scratch.json("list", scratch.file("repo"))["backups"]?.elements ?? []
    #expect(list.map { $0["state"]?.text } == ["verified", "missing", "verified"])
    #expect(list[1]["path"]?.text == made[1] && list[1]["reason"]?.text != nil)
    let expected: [(status: Int32, words: [String])] = [
      (12, ["verify", "repo", "-q"]), (3, ["doctor", "-q"]),
      (3, ["rotate", "repo", "--keep-last", "1", "--dry-run", "-q"]),
      (3, ["run", "-q", "--dry-run"]),
      (3, ["run", "-q"]), (3, ["rotate", "repo", "--keep-last", "1", "-q"]), (3, ["run", "-q"]),
    ]
    for (night, (status, words)) in expected.enumerated() {
      var setting = Night.setting(3 + night)
      setting.directory = scratch.path
      let outcome = try scratch.run([Binary.path] + words, setting)
      #expect(outcome.status == status, "\(outcome)")
      #expect(outcome.output.isEmpty && outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains(name) && outcome.message.contains("put it back"))
    }
    #expect(try TestFile.read(Scratch.sidecar(of: made[1])) == sidecar)
    try scratch.tool("rm", Scratch.sidecar(of: made[1]))
    for words in [["verify", "repo"], ["doctor"], ["run"]] {
      var setting = Night.setting(10)
      setting.directory = scratch.path
      let outcome = try scratch.run([Binary.path] + words + ["-q"], setting)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  /// Nothing can be put into a directory that is gone; what has a path of its own works there.
  @Test(arguments: [
    (15, "backup 'S/tasks.json' --to repo"), (15, "backup 'S/tasks.json' --to ./a/repo"),
    (15, "salvage 'S/torn.json' --to out"), (15, "migrate 'S/tasks.json' --to a.db"),
    (0, "backup 'S/tasks.json' --to 'S/repo'"), (3, "salvage 'S/torn.json' --to 'S/out'"),
  ])
  func theWorkingDirectory(_ status: Int32, _ words: String) throws {
    let scratch = try Scratch.here()
    let tasks = #"{"tasks":[{"id":"1","title":"a"},{"id":"2","title":"b"}]}"#
    try scratch.write(Array(tasks.utf8), to: "tasks.json")
    try scratch.write(Array(tasks.utf8.dropLast(10)), to: "torn.json")
    let gone = try scratch.directory("gone")
    let command = words.split(separator: "S/").joined(separator: scratch.path + "/")
    let outcome = try scratch.run([
      "bash", "-c", "cd '\(gone)'; rmdir '\(gone)'; exec '\(Binary.path)' \(command)",
    ])
    #expect(outcome.status == status, "\(outcome)")
    #expect(status != 15 || outcome.message.contains("choose another place"))
  }

  /// The last of all too, and one of a repository that has no other.
  @Test func theOnlyOne() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<1)
    try scratch.tool("rm", made[0])
    for (words, status) in [("verify", 12), ("list", 0)] as [(String, Int32)] {
      let outcome = try scratch.run([Binary.path, words, scratch.file("repo")])
      #expect(outcome.status == status, "\(outcome)")
      #expect((outcome.text + outcome.message).contains("the archive is gone"), "\(outcome)")
    }
    // What the store has lost since is told although the backup is gone.
    try scratch.graph(3)
    let next = try scratch.run(
      [
        Binary.path, "backup", scratch.file("memory.jsonl"), "--to", scratch.file("repo"), "--json",
      ],
      Night.setting(1))
    #expect(next.status == 3, "\(next)")
    #expect(try JSONValue(parsing: next.output)["state"]?.text == "suspect")
  }

  /// An archive that was about to get its name when its run was killed is not missing: it never was
  /// there, and the next run clears what is left of it.
  @Test func whatARunThatWasKilledLeaves() throws {
    let scratch = try Scratch.here()
    let made = try make(scratch)
    try scratch.tool(
      "mv", made[2], scratch.file("repo/.holdfast-1-1-memory-20261103T031500Z.tar.zst.tmp"))
    let list = try scratch.json("list", scratch.file("repo"))["backups"]?.elements ?? []
    #expect(list.map { $0["state"]?.text } == ["verified", "verified"])
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
    #expect(try run(scratch, 2, "doctor", "-q").status == 0)
    let outcome = try run(scratch, 3, "run", "-q")
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(!TestFile.exists(Scratch.sidecar(of: made[2])))
    #expect(try TestFile.names(scratch.file("repo")).allSatisfy { !$0.hasSuffix(".tmp") })
  }

  /// One that a rotation or an undelete was killed with is in the trash.
  @Test func halfWayIntoTheTrash() throws {
    let scratch = try Scratch.here()
    let made = try make(scratch)
    let batch = scratch.file("repo/.trash/20261104T031500Z")
    try TestFile.makeDirectory(batch)
    try scratch.tool("mv", made[0], batch)
    let list = try scratch.json("list", scratch.file("repo"))["backups"]?.elements ?? []
    #expect(list.map { $0["state"]?.text } == ["verified", "verified"])
    #expect(try run(scratch, 3, "doctor", "-q").status == 0)
    #expect(try run(scratch, 4, "run", "-q").status == 0)
    let names = try TestFile.names(batch).sorted()
    #expect(names.count == 2, "\(names)")
  }
}
