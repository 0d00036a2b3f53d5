import Glibc
import Testing

/// The health check: silent where all is well, and otherwise what is wrong and what to do.
@Suite(.scratch) struct DoctorTests {
  private func make(_ scratch: Scratch, _ more: String = "") throws {
    try scratch.graph(10, to: "a.jsonl")
    try scratch.write(
      "repositories.main = \"repo\"\n" + more + "[series.a]\nstore = \"a.jsonl\"\n",
      to: "holdfast.toml")
  }

  private func run(_ scratch: Scratch, _ night: Int, _ words: String...) throws -> Outcome {
    var setting = Night.setting(night)
    setting.directory = scratch.path
    return try scratch.run([Binary.path] + words, setting)
  }

  /// What is not well, as `subject: message`; and the exit code.
  private func complaints(_ scratch: Scratch, _ night: Int) throws -> (Int32, [String]) {
    let outcome = try run(scratch, night, "doctor", "--json")
    let json = try JSONValue(parsing: outcome.output)
    let bad =
      json["checks"]?.elements.filter {
        $0["level"]?.text != "ok" && $0["subject"]?.text != "library"
      } ?? []
    #expect(json["ok"]?.isTrue == bad.isEmpty)
    #expect(bad.allSatisfy { $0["hint"]?.text?.isEmpty == false }, "\(outcome)")
    return (
      outcome.status, bad.map { "\($0["subject"]?.text ?? ""): \($0["message"]?.text ?? "")" }
    )
  }

  @Test func allIsWell() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    let outcome = try run(scratch, 1, "doctor", "--quiet")
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    let told = try run(scratch, 1, "doctor")
    for word in ["store", "backup", "lock", "space", "libarchive 3.", "libzstd 1."] {
      #expect(told.text.contains(word), "\(told)")
    }
    let names = try TestFile.names(scratch.file("repo"))
    #expect(names.count == 3, "\(names)")
  }

  @Test func anOldBackup() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    let (status, found) = try complaints(scratch, 3)
    #expect(status == 3)
    #expect(found == ["backup: the newest good one is 3 days old, and one is due every 1d"])
    let quiet = try run(scratch, 3, "doctor", "-q")
    #expect(
      quiet.messages.count == 1 && quiet.output.isEmpty && quiet.message.contains("holdfast run a"))
    // Unchanged is not old, as long as nothing has changed.
    try make(scratch, "skip_unchanged = true\n")
    #expect(try complaints(scratch, 3).0 == 0)
    try scratch.graph(11, to: "a.jsonl")
    #expect(try complaints(scratch, 3).0 == 3)
    try make(scratch, "schedule.every = \"7d\"\n")
    #expect(try complaints(scratch, 3).0 == 0)
  }

  @Test func whatIsWrongWithStores() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    try scratch.write(
      "{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]}\n{\"x",
      to: "a.jsonl")
    #expect(try complaints(scratch, 1).1.first?.hasPrefix("store: is damaged") == true)
    try scratch.write("", to: "a.jsonl")
    #expect(try complaints(scratch, 1).1.count == 1)
    try scratch.tool("rm", scratch.file("a.jsonl"))
    #expect(try complaints(scratch, 1).1 == ["store: no such file or directory"])
  }

  @Test func whatIsWrongWithRepositories() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try complaints(scratch, 0).1 == ["repository: is not there yet"])
    try scratch.write("x", to: "repo")
    #expect(try complaints(scratch, 0).1.first?.contains("is no directory") == true)
    try scratch.tool("rm", scratch.file("repo"))
    for night in 0..<3 { #expect(try run(scratch, night, "run", "-q").status == 0) }
    let archive = scratch.file("repo/a-20261101T031500Z.tar.zst")
    try TestFile.write(Array(TestFile.read(archive).dropLast()), to: archive)
    #expect(try complaints(scratch, 2).1.first?.hasPrefix("backup: is damaged") == true)
    try scratch.tool("rm", archive)
    try scratch.tool("rm", Scratch.sidecar(of: archive))
    #expect(try complaints(scratch, 2).0 == 0)
    #expect(try complaints(scratch, 1).1.first?.contains("still to come") == true)
    try scratch.graph(3, to: "a.jsonl")
    #expect(try run(scratch, 3, "run", "-q").status == 3)
    #expect(try complaints(scratch, 3).1.first?.contains("suspect") == true)
    try scratch.write("x", to: "repo/.trash")
    #expect(
      try complaints(scratch, 3).1.contains(
        "repository: is not a directory, so nothing can be rotated"))
    try make(scratch, "textfile = \"none/x.prom\"\n")
    #expect(try complaints(scratch, 3).1.contains { $0.hasPrefix("textfile:") })
  }

  /// Repositories that no series goes to are looked through as well, and so is the fallback.
  @Test func whatNoSeriesUses() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    for night in 0..<2 { #expect(try run(scratch, night, "run", "-q").status == 0) }
    let old = try scratch.nights(0..<1, to: scratch.file("old"))
    let more = "repositories.old = \"old\"\n"
    let file = try TestFile.text(scratch.file("holdfast.toml"))
    try scratch.write(more + file + "repository = \"main\"\n", to: "holdfast.toml")
    #expect(try complaints(scratch, 1) == (0, []))
    try TestFile.write(Array(TestFile.read(old[0]).dropLast()), to: old[0])
    let (status, found) = try complaints(scratch, 1)
    #expect(status == 3 && found.count == 1 && found[0].hasPrefix("backup: is damaged"), "\(found)")
    try scratch.tool("rm", "-r", scratch.file("old"))
    #expect(try complaints(scratch, 1).1 == ["repository: is not there yet"])
    try scratch.write("x", to: "old")
    #expect(try complaints(scratch, 1).1.first?.contains("is no directory") == true)
    try make(scratch, "fallback_to = \"old\"\n")
    #expect(try complaints(scratch, 1).1.first?.hasPrefix("fallback: cannot be written") == true)
    try make(scratch, "fallback_to = \"elsewhere\"\n")
    #expect(try complaints(scratch, 1) == (0, []))
  }

  /// A suspect backup matters as long as the store is what made it one.
  @Test func aStoreThatWasMended() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    for (count, status) in [(3, 3), (7, 3), (8, 0), (10, 0)] {
      try scratch.graph(3, to: "a.jsonl")
      #expect(try run(scratch, 1, "run", "-q").status == 3)
      try scratch.graph(count, to: "a.jsonl")
      #expect(try complaints(scratch, 1).0 == Int32(status), "\(count) records")
    }
  }

  /// The newest good backup is read; one that has rotted is told, and does not count as new.
  @Test func aRottenBackup() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    for night in 0..<3 { #expect(try run(scratch, night, "run", "-q").status == 0) }
    func rot(_ night: Int) throws {
      let path = scratch.file("repo/a-2026110\(night + 1)T031500Z.tar.zst")
      var bytes = try TestFile.read(path)
      bytes[bytes.count / 2] ^= 1
      try TestFile.write(bytes, to: path)
    }
    try rot(2)
    #expect(try complaints(scratch, 2) == (3, ["backup: is no longer what was written"]))
    try rot(1)
    let (status, found) = try complaints(scratch, 2)
    #expect(status == 3 && found.count == 3)
    #expect(found.last?.contains("is 2 days old") == true, "\(found)")
    try rot(0)
    #expect(try complaints(scratch, 2).1.last == "backup: there is no good backup")
  }

  @Test func aLockThatIsHeldIsNoTrouble() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    let hold = """
      import fcntl, sys, time
      file = open(sys.argv[1], 'a')
      fcntl.flock(file, fcntl.LOCK_EX)
      open(sys.argv[2], 'w').close()
      time.sleep(900)
      """
    let holder = try scratch.start([
      "python3", "-c", hold, scratch.file("repo/.lock"), scratch.file("ready"),
    ])
    defer { holder.signal(SIGKILL) }
    while !TestFile.exists(scratch.file("ready")) { usleep(10_000) }
    let outcome = try run(scratch, 1, "doctor")
    #expect(outcome.status == 0 && outcome.text.contains("another run"), "\(outcome)")
  }

  @Test func jsonKeys() throws {
    let scratch = try Scratch.here()
    try make(scratch)
    let outcome = try run(scratch, 1, "doctor", "--json")
    let shape = try JSONValue(parsing: outcome.output).shape()
    try Golden.compare(shape.joined(separator: "\n") + "\n", with: "json-keys/doctor.txt")
  }

  /// What a night adds, and what purging takes off again.
  @Test func growth() throws {
    let scratch = try Scratch.here()
    func growth(_ night: Int) throws -> JSONValue? {
      let outcome = try run(scratch, night, "list", scratch.file("repo"), "--json")
      return try JSONValue(parsing: outcome.output)["growth"]
    }
    let made = try scratch.nights(0..<41)
    let size = try TestFile.read(made[0]).count
    #expect(try growth(0)?["bytes_per_day"] == nil)
    let steady = try growth(40)
    let rate = try #require(steady?["bytes_per_day"]?.integer)
    #expect(abs(rate - size) < size / 10, "\(rate) for \(size) a night")
    #expect(steady?["bytes"]?.integer ?? 0 > 40 * size)
    let words = ["--keep-last", "5"]
    var setting = Night.setting(40)
    let rotated = try scratch.run([Binary.path, "rotate", scratch.file("repo")] + words, setting)
    #expect(rotated.status == 0)
    // In the trash it still takes its room.
    #expect(try growth(40)?["bytes_per_day"]?.integer == rate)
    #expect(try growth(40)?["trash_bytes"]?.integer ?? 0 > 35 * size)
    setting = Night.setting(41)
    let purged = try scratch.run(
      [Binary.path, "purge", scratch.file("repo"), "--older-than", "0d"], setting)
    #expect(purged.status == 0)
    #expect(try growth(41)?["bytes_per_day"]?.integer ?? 0 < 0)
    #expect(try growth(41)?["full_on"] == nil)
  }
}
