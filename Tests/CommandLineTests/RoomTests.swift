import Testing

/// No room, no right to write, and the place for that case.
@Suite(.scratchOnDisk) struct RoomTests {
  /// A dry run tells what the run then comes to: state, digest and exit code.
  @Test(
    arguments: [
      (10, [], 0), (7, [], 3), (7, ["--strict"], 13), (7, ["--allow-shrink"], 0), (0, [], 13),
      (-1, [], 3), (-2, [], 13), (10, ["--no-verify"], 0), (10, ["--skip-unchanged"], 0),
    ] as [(Int, [String], Int32)])
  func dryRunsTellWhatIsDone(_ count: Int, _ words: [String], _ status: Int32) throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    _ = try scratch.backUp(store, time: Night.first)
    if count >= 0 { try scratch.graph(count) }
    if count == -1 {
      try scratch.write(TestFile.read(store) + Array("{\"a".utf8), to: "memory.jsonl")
    }
    if count == -2 { try scratch.write("{\"type\":", to: "memory.jsonl") }
    let run = [Binary.path, "backup", store, "--to", scratch.file("repo"), "--json"] + words
    let before = try scratch.bytes(scratch.file("repo"))
    let told = try scratch.run(run + ["--dry-run"], Night.setting(1))
    #expect(try scratch.bytes(scratch.file("repo")) == before)
    let done = try scratch.run(run, Night.setting(1))
    #expect(told.status == status && done.status == status, "\(told) \(done)")
    let (plan, real) = try (JSONValue(parsing: told.output), JSONValue(parsing: done.output))
    for key in ["backup", "state", "digest", "unchanged_since"] {
      #expect(plan["plan"]?[key] == real[key], "\(key): \(told) \(done)")
    }
    #expect(plan["error"] == real["error"], "\(told) \(done)")
    #expect(told.messages.count == done.messages.count, "\(told) \(done)")
  }

  /// The same where the repository may not be written to, with and without another place.
  @Test func dryRunsTellWhereItGoes() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    let repository = try scratch.write("x", to: "taken")
    let run = ["backup", store, "--to", repository]
    for more in [["--dry-run"], []] {
      let refused = try scratch.run([Binary.path] + run + more, Night.setting(0))
      #expect(refused.status == 15, "\(refused)")
      let other = ["--fallback-to", scratch.file("other"), "-q"]
      let outcome = try scratch.run([Binary.path] + run + other + more, Night.setting(0))
      #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains(scratch.file("other/memory-2026")), "\(outcome)")
      #expect(TestFile.exists(scratch.file("other")) == more.isEmpty)
    }
  }

  @Test func theFallbackTakesTheBackup() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    try scratch.write("in the way", to: "file")
    let words = ["backup", store, "--to", scratch.file("file")]
    let plain = try scratch.run([Binary.path] + words)
    #expect(plain.status == 15, "\(plain)")
    let there = words + ["--fallback-to", scratch.file("other")]
    let quiet = try scratch.run([Binary.path] + there + ["--quiet"], Night.setting(0))
    #expect(quiet.status == 3 && quiet.output.isEmpty && quiet.messages.count == 1, "\(quiet)")
    let told = try scratch.run([Binary.path] + there + ["--json"], Night.setting(1))
    let json = try JSONValue(parsing: told.output)
    #expect(told.status == 3 && json["state"]?.text == "verified", "\(told)")
    #expect(json["backup"]?.text == scratch.file("other/memory-20261102T031500Z.tar.zst"))
    #expect(json["findings"]?.elements.last?["code"]?.text == "written-elsewhere")
    try scratch.holdfast(exit: 0, "verify", scratch.file("other"))
    #expect(try TestFile.text(scratch.file("file")) == "in the way")
    // Both in the way.
    let neither = try scratch.run([Binary.path] + words + ["--fallback-to", scratch.file("file")])
    #expect(neither.status == 15, "\(neither)")
  }

  /// A file system that takes nothing in is no place that could not be found.
  @Test(.enabled(if: TestFile.exists("/proc/self")))
  func whereNothingCanBePut() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    let words = [Binary.path, "backup", store, "--to", "/proc/holdfast/repo", "-q"]
    let refused = try scratch.run(words)
    #expect(refused.status == 15 && refused.messages.count == 1, "\(refused)")
    let other = try scratch.run(words + ["--fallback-to", scratch.file("other")])
    #expect(other.status == 3, "\(other)")
    #expect(try scratch.archives(scratch.file("other")).count == 1)
  }

  /// The line says that a backup is suspect wherever it lies, and writes nothing twice.
  @Test func aStandInIsJudgedAsWell() throws {
    let scratch = try Scratch.here()
    try scratch.write("", to: "file")
    let options = ["--to", scratch.file("file/repo"), "--fallback-to", scratch.file("other")]
    func backUp(_ more: String...) throws -> Outcome {
      let words = [Binary.path, "backup", scratch.file("memory.jsonl"), "-q"]
      return try scratch.run(words + options + more)
    }
    try scratch.graph(100, to: "memory.jsonl")
    #expect(try backUp().status == 3)
    let unchanged = try backUp("--skip-unchanged")
    #expect(unchanged.status == 3 && unchanged.message.contains("unchanged here, not in the"))
    #expect(try scratch.archives(scratch.file("other")).count == 1)
    try scratch.graph(50, to: "memory.jsonl")
    let shrunken = try backUp()
    #expect(shrunken.status == 3 && shrunken.message.split(separator: "\n").count == 1)
    #expect(shrunken.message.contains("written here, not in the repository"), "\(shrunken)")
    #expect(shrunken.message.contains("suspect: the store has"), "\(shrunken)")
  }

  /// What the store had at the last good backup counts in the fallback directory too.
  @Test func theFallbackKnowsTheLastGoodBackup() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<2)
    let store = try scratch.graph(3)
    let outcome = try scratch.run(
      [
        "strace", "-f", "-o", "/dev/null", "-e", "trace=openat", "-e",
        "inject=openat:error=ENOSPC:when=1+", "-P", scratch.file("repo/.lock"), Binary.path,
        "backup", store, "--to", scratch.file("repo"), "--fallback-to", scratch.file("other"),
        "--json",
      ], Night.setting(2))
    let json = try JSONValue(parsing: outcome.output)
    #expect(outcome.status == 3 && json["state"]?.text == "suspect", "\(outcome)")
    #expect(json["backup"]?.text?.hasPrefix(scratch.file("other")) == true)
    #expect(try scratch.archives(scratch.file("repo")).count == 2)
  }

  /// Files may not grow past 24 KiB: there is no room for the archive, and nothing is left.
  @Test func noRoomLeavesNothing() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(2000)
    var setting = Night.setting(0)
    setting.fileSizeLimit = 24 << 10
    let repository = scratch.file("repo")
    try scratch.holdfast(exit: 15, "backup", store, "--to", repository, with: setting)
    #expect(try TestFile.names(repository) == [".lock"])
  }

  @Test func thePlanNamesTheRoom() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(2000)
    let plan = try scratch.json("backup", store, "--to", scratch.file("repo"), "--dry-run")["plan"]
    let (needed, free) = (plan?["bytes_needed"]?.integer ?? 0, plan?["bytes_free"]?.integer ?? 0)
    let taken = try scratch.json("backup", store, "--to", scratch.file("repo"))
    let size = taken["manifest"]?["archive"]?["size"]?.integer ?? 0
    #expect(free > needed && needed > size && needed < 40 * size, "\(needed) for \(size)")
    #expect(!TestFile.exists(scratch.file("repo/.holdfast")))
  }

  /// An unchanged store is not written again, unless the backup that holds it has rotted.
  @Test func unchangedOnlyWhereTheBackupIsStillGood() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<1)
    let words = [
      "backup", scratch.file("memory.jsonl"), "--to", scratch.file("repo"), "--skip-unchanged",
      "--json",
    ]
    let same = try scratch.run([Binary.path] + words, Night.setting(1))
    #expect(same.status == 0, "\(same)")
    #expect(try JSONValue(parsing: same.output)["unchanged_since"]?.text == made[0])
    var bytes = try TestFile.read(made[0])
    bytes[bytes.count / 2] ^= 1
    try TestFile.write(bytes, to: made[0])
    let anew = try scratch.run([Binary.path] + words, Night.setting(2))
    let json = try JSONValue(parsing: anew.output)
    #expect(json["backup"]?.text != nil && json["state"]?.text == "verified", "\(anew)")
    #expect(json["findings"]?.elements.last?["code"]?.text == "damaged-member")
  }
}
