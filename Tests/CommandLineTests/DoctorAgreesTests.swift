import Glibc
import Testing

/// The health check goes by what the nightly job does: what that refuses it tells, and nothing else.
@Suite(.scratch) struct DoctorAgreesTests {
  private func write(_ scratch: Scratch, _ series: String, _ top: String = "") throws {
    try scratch.write(
      "repositories.main = \"repo\"\n\(top)\n[series.a]\n\(series)\n", to: "holdfast.toml")
  }

  private func run(_ scratch: Scratch, _ night: Int, _ words: String...) throws -> Outcome {
    var setting = Night.setting(night)
    setting.directory = scratch.path
    return try scratch.run([Binary.path] + words, setting)
  }

  /// The checks that are not well, as `subject: message`, in full.
  private func complaints(_ scratch: Scratch, _ night: Int) throws -> [JSONValue] {
    let outcome = try run(scratch, night, "doctor", "--json")
    let checks = try JSONValue(parsing: outcome.output)["checks"]?.elements ?? []
    let bad = checks.filter { $0["level"]?.text != "ok" && $0["subject"]?.text != "library" }
    #expect(outcome.status == (bad.isEmpty ? 0 : 3), "\(outcome)")
    return bad
  }

  private func text(_ check: JSONValue?) -> String {
    [check?["subject"], check?["path"], check?["message"], check?["hint"]]
      .compactMap { $0?.text }.joined(separator: ": ")
  }

  private func entity(_ name: String, _ context: String) -> String {
    "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[],"
      + "\"metadata\":{\"context\":\"\(context)\"}}\n"
  }

  /// Some contexts of one file: their records count, not those of the others.
  @Test func contextsOfOneFile() throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work") + entity("b", "home"), to: "m.jsonl")
    try write(scratch, "store = \"m.jsonl\"\ncontexts = [\"work\"]", "skip_unchanged = true")
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    // Old, but of what the store still is.
    #expect(try complaints(scratch, 9).isEmpty)
    #expect(try run(scratch, 9, "doctor").text.contains("memory-graph, 1 records"))
    try scratch.write(entity("a", "work") + entity("b", "home") + "\n", to: "m.jsonl")
    #expect(try complaints(scratch, 9).isEmpty)
    try scratch.write(entity("c", "work") + entity("b", "home"), to: "m.jsonl")
    #expect(try complaints(scratch, 9).map { $0["subject"]?.text } == ["backup"])
  }

  /// What no backup can be made of, whatever the backups that there are.
  @Test(arguments: [
    ("store = \"m.jsonl\"\ncontexts = [\"wrok\"]", 10, "store: @/m.jsonl: there is no context"),
    ("store = \"c\"\ncontexts = [\"wrok\"]", 10, "store: @/c: there is no context called wrok"),
    ("store = \"c\"\nrepository = \"in\"", 64, "store: @/c: the repository lies inside the store"),
    ("store = \"cut.tar.zst\"", 12, "store: @/cut.tar.zst: the file ends inside a frame: holdfast"),
    ("store = \"e\"\nkind = \"memory-graph\"", 13, "store: @/e: holds no records: restore it"),
    ("store = \"e\"", 13, "store: @/e: is no store that Holdfast knows"),
  ])
  func noBackupCanBeMade(_ series: String, _ status: Int32, _ message: String) throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work"), to: "m.jsonl")
    try scratch.write(entity("a", "work"), to: "c/charts.jsonl")
    try scratch.write("", to: "e/charts.jsonl")
    let bytes = try TestFile.read(try scratch.backUp(scratch.file("m.jsonl")))
    try scratch.write(Array(bytes.prefix(200)), to: "cut.tar.zst")
    let more = "repositories.in = \"c/backups\""
    let isNamed = series.contains("repository")
    try write(scratch, series + (isNamed ? "" : "\nrepository = \"main\""), more)
    // The repository has a good backup of the series.
    _ = try scratch.backUp(scratch.file("m.jsonl"), ["--name", "a"], time: Night.first)
    let found = try complaints(scratch, 0)
    let wanted = message.replacing("@", with: scratch.path)
    #expect(text(found.first).hasPrefix(wanted), "\(found.map(text))")
    #expect(try run(scratch, 0, "run", "-q").status == status)
  }

  /// A file without a byte that may be empty is backed up, and no trouble as a store.
  @Test func anEmptyFileThatMayBe() throws {
    let scratch = try Scratch.here()
    try scratch.write("", to: "log.jsonl")
    try write(scratch, "store = \"log.jsonl\"\nallow_empty = true")
    #expect(try complaints(scratch, 0).map { $0["subject"]?.text } == ["repository"])
    let outcome = try run(scratch, 0, "run", "-q")
    #expect(outcome.status == 3 && outcome.message.contains("holds no records"), "\(outcome)")
    let archive = try #require(try scratch.archives(scratch.file("repo")).first)
    let told = try scratch.json("inspect", scratch.file("repo/\(archive)"))
    #expect(told["kind"]?.text == "jsonl" && told["records"]?.integer == 0, "\(told)")
  }

  /// What lies where the lock belongs.
  @Test(arguments: ["a directory", "a link", "a link to nothing"])
  func noLock(_ what: String) throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work"), to: "m.jsonl")
    try write(scratch, "store = \"m.jsonl\"")
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    let lock = scratch.file("repo/.lock")
    try scratch.tool("rm", lock)
    switch what {
    case "a directory": try scratch.tool("mkdir", lock)
    case "a link": try scratch.tool("ln", "-s", "../m.jsonl", lock)
    default: try scratch.tool("ln", "-s", "nowhere", lock)
    }
    let found = try complaints(scratch, 0)
    let wanted = "lock: \(lock): cannot open the lock: "
    #expect(found.count == 1 && text(found.first).hasPrefix(wanted), "\(found.map(text))")
    #expect(try run(scratch, 1, "run", "-q").status != 0)
    #expect(try TestFile.text(scratch.file("m.jsonl")) == entity("a", "work"))
  }

  /// A store for which there is no room, with backups there or none yet.
  @Test func noRoom() throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work"), to: "c/charts.jsonl")
    try write(scratch, "store = \"c\"")
    for count in [1, 0] {
      try scratch.tool("truncate", "-s", "8T", scratch.file("c/other"))
      let found = try complaints(scratch, 0).map(text)
      #expect(found.count == 1 + count, "\(found)")
      #expect(found.last?.contains("a backup takes about") == true, "\(found)")
      #expect(found.last?.hasPrefix("space: ") == true, "\(found)")
      #expect(try run(scratch, 0, "run", "-q").status == 15)
      try scratch.tool("rm", scratch.file("c/other"))
      #expect(try run(scratch, 0, "run", "-q").status == 0)
    }
  }

  /// The day on which the disk is full, and a warning where that is soon.
  @Test func theDayOnWhichItIsFull() throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work"), to: "m.jsonl")
    try write(scratch, "store = \"m.jsonl\"")
    #expect(try run(scratch, 0, "run", "-q").status == 0)
    let old = scratch.file("repo/.trash/20261101T031500Z/a-20261031T031500Z.tar.zst")
    try scratch.write("", to: String(old.dropFirst(scratch.path.count + 1)))
    var facts = statvfs()
    try #require(statvfs(scratch.path, &facts) == 0)
    let free = Int(facts.f_bavail) * Int(facts.f_frsize)
    // Two days have added as much as fills the disk in two days, and in a thousand.
    for (size, isSoon) in [(free, true), (free / 500, false)] {
      try scratch.tool("truncate", "-s", String(size), old)
      let outcome = try run(scratch, 1, "doctor")
      let line = try #require(outcome.lines.first { $0.contains(": full on 20") }, "\(outcome)")
      #expect(outcome.status == (isSoon ? 3 : 0) && line.hasPrefix(isSoon ? "warning" : "ok"))
      #expect(line.contains("purge the trash") == isSoon, "\(line)")
      #expect(!isSoon || line.contains("full on 2026-11-0"), "\(line)")
    }
  }

  /// What cannot be replaced by a textfile is told before a night fails for it.
  @Test func aTextfileThatIsADirectory() throws {
    let scratch = try Scratch.here()
    try scratch.write(entity("a", "work"), to: "m.jsonl")
    try scratch.directory("metrics")
    for (name, status) in [("metrics", 3), ("metrics/holdfast.prom", 0)] as [(String, Int32)] {
      try write(scratch, "store = \"m.jsonl\"", "textfile = \"\(name)\"")
      #expect(try run(scratch, 0, "run", "-q").status == status)
      let found = try complaints(scratch, 0).map(text)
      #expect(found.count == (status == 0 ? 0 : 1), "\(found)")
      #expect(found.allSatisfy { $0.hasPrefix("textfile: \(scratch.file("metrics")): is a dir") })
    }
    #expect(try TestFile.names(scratch.file("metrics")) == ["holdfast.prom"])
  }
}
