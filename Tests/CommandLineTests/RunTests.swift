import Glibc
import Testing

/// The nightly job.
@Suite(.scratch) struct RunTests {
  private let head = """
    textfile = "holdfast.prom"
    [repositories]
    main = "repo"
    [retention]
    last = 2
    [hooks]
    before = "echo before $HOLDFAST_SERIES >> hooks"
    after = "cat > after.$HOLDFAST_SERIES; echo after $HOLDFAST_SERIES $HOLDFAST_EXIT_CODE >> hooks"
    failed = "cat > failed.$HOLDFAST_SERIES; echo failed $HOLDFAST_SERIES $HOLDFAST_EXIT_CODE >> hooks"
    time_limit = "90s"

    """

  private func write(_ scratch: Scratch, _ series: [String], head: String? = nil) throws {
    let tables = series.map { "[series.\($0)]\nstore = \"\($0).jsonl\"\n" }.joined()
    try scratch.write((head ?? self.head) + tables, to: "holdfast.toml")
  }

  private func run(_ scratch: Scratch, _ night: Int, _ words: String...) throws -> Outcome {
    var setting = Night.setting(night)
    setting.directory = scratch.path
    return try scratch.run([Binary.path, "run"] + words, setting)
  }

  private func metric(_ scratch: Scratch, _ name: String, _ series: String) throws -> String? {
    try TestFile.text(scratch.file("holdfast.prom")).split(separator: "\n")
      .first { $0.hasPrefix("holdfast_\(name){series=\"\(series)\"} ") }
      .flatMap { $0.split(separator: " ").last.map(String.init) }
  }

  @Test func aNightThatGoesWellIsSilent() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a", "b"])
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name).jsonl") }
    for night in 0..<4 {
      let outcome = try run(scratch, night, "--quiet")
      #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    }
    #expect(
      try scratch.archives(scratch.file("repo"))
        == ["a", "b"].flatMap { name in
          [3, 4].map { "\(name)-2026110\($0)T031500Z.tar.zst" }
        })
    #expect(
      try TestFile.text(scratch.file("hooks")).split(separator: "\n").prefix(4)
        == ["before a", "after a 0", "before b", "after b 0"])
    let told = try JSONValue(parsing: TestFile.read(scratch.file("after.b")))
    #expect(told["backup"]?.text == scratch.file("repo/b-20261104T031500Z.tar.zst"))
    #expect(told["rotation"]?["remove"]?.elements.count == 1)
    #expect(
      try metric(scratch, "last_success_timestamp_seconds", "a")
        == String(Night.first + 3 * Night.day))
    #expect(try metric(scratch, "records", "a") == "10")
    #expect(try metric(scratch, "exit_code", "b") == "0")
  }

  /// One series that fails does not stop the others; the worst code is that of the run; what failed
  /// removes nothing.
  @Test func oneThatFailsDoesNotStopTheOthers() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a", "gone", "torn", "z"])
    for name in ["a", "torn", "z"] { try scratch.graph(10, to: "\(name).jsonl") }
    try scratch.graph(10, to: "gone.jsonl")
    for night in 0..<2 { #expect(try run(scratch, night, "-q").status == 0) }
    try scratch.tool("rm", scratch.file("gone.jsonl"))
    let torn = try scratch.graph(10, to: "torn.jsonl")
    try TestFile.write(Array(TestFile.read(torn).dropLast(20)), to: torn)
    for night in 2..<5 {
      let outcome = try run(scratch, night, "-q")
      #expect(outcome.status == 10 && outcome.output.isEmpty, "\(outcome)")
      #expect(outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains("gone.jsonl") && outcome.message.contains("suspect"))
    }
    let names = try scratch.archives(scratch.file("repo"))
    func count(_ series: String) -> Int { names.count { $0.hasPrefix("\(series)-") } }
    #expect(count("a") == 2 && count("z") == 2 && count("gone") == 2 && count("torn") == 5)
    #expect(try metric(scratch, "exit_code", "gone") == "10")
    #expect(try metric(scratch, "exit_code", "torn") == "3")
    let second = String(Night.first + Night.day)
    #expect(try metric(scratch, "last_success_timestamp_seconds", "gone") == second)
    #expect(try metric(scratch, "last_success_timestamp_seconds", "torn") == second)
    #expect(try metric(scratch, "last_attempt_timestamp_seconds", "torn") != second)
    let told = try JSONValue(parsing: TestFile.read(scratch.file("failed.gone")))
    #expect(told["error"]?["exit_code"]?.integer == 10 && told["rotation"] == nil)
    #expect(try TestFile.text(scratch.file("hooks")).contains("failed torn 3"))
    // Alone, the suspect one ends with 3.
    #expect(try run(scratch, 6, "torn", "-q").status == 3)
    #expect(try run(scratch, 6, "none").status == 64)
  }

  @Test func unknownKeysNameTheirLine() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    let text = try TestFile.text(scratch.file("holdfast.toml"))
    try scratch.write(text + "retension = 4\n", to: "holdfast.toml")
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
    for words in [["run"], ["schedule", "cron"], ["doctor"]] {
      var setting = Night.setting(0)
      setting.directory = scratch.path
      let outcome = try scratch.run([Binary.path] + words, setting)
      #expect(outcome.status == 64 && outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains("holdfast.toml:\(lines): byte"), "\(outcome)")
      #expect(outcome.message.contains("series.a.retension"))
    }
    #expect(!TestFile.exists(scratch.file("repo")))
    var setting = Child.Setting(environment: ["HOME": scratch.path])
    setting.directory = try scratch.directory("empty")
    let none = try scratch.run([Binary.path, "run"], setting)
    #expect(none.status == 10 && none.message.contains("--config"), "\(none)")
  }

  @Test func unchangedStoresAreNotWrittenAgain() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"], head: "skip_unchanged = true\n" + head)
    try scratch.graph(10, to: "a.jsonl")
    for night in 0..<3 { #expect(try run(scratch, night, "-q").status == 0) }
    #expect(try scratch.archives(scratch.file("repo")).count == 1)
    #expect(
      try metric(scratch, "last_success_timestamp_seconds", "a")
        == String(Night.first + 2 * Night.day))
    try scratch.graph(11, to: "a.jsonl")
    #expect(try run(scratch, 3, "-q").status == 0)
    #expect(try scratch.archives(scratch.file("repo")).count == 2)
  }

  /// A store that had shrunk and is what it was again: a new good backup clears the series.
  @Test func aStoreThatHasComeBackIsWrittenAgain() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"], head: "skip_unchanged = true\n" + head)
    for (night, (count, status)) in [(10, 0), (5, 3), (10, 0), (10, 0)].enumerated() {
      try scratch.graph(count, to: "a.jsonl")
      let outcome = try run(scratch, night, "-q")
      #expect(outcome.status == Int32(status), "night \(night): \(outcome)")
    }
    let left = try scratch.archives(scratch.file("repo"))
    #expect(left.contains("a-20261103T031500Z.tar.zst"), "\(left)")
    #expect(!left.contains("a-20261104T031500Z.tar.zst"), "\(left)")
  }

  @Test func aStrictSeriesIsRefused() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    #expect(try run(scratch, 0, "-q").status == 0)
    try scratch.graph(7, to: "a.jsonl")
    #expect(try run(scratch, 1, "-q", "--strict").status == 13)
    #expect(try scratch.archives(scratch.file("repo")).count == 1)
    #expect(try run(scratch, 2, "-q").status == 3)
    #expect(try run(scratch, 3, "-q", "--allow-shrink").status == 0)
    let left = try scratch.archives(scratch.file("repo"))
    #expect(
      left.contains("a-20261104T031500Z.tar.zst") && left.contains("a-20261101T031500Z.tar.zst"))
  }

  /// What a store has lost is seen although its last backup has been damaged since, and that is told
  /// as well, every night.
  @Test(arguments: ["truncate -s 500 repo/*.zst", "rm repo/*.manifest.json"])
  func damageDoesNotHideWhatIsLost(_ damage: String) throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(20, to: "a.jsonl")
    #expect(try run(scratch, 0, "-q").status == 0)
    try scratch.tool("sh", "-c", "cd '\(scratch.path)' && \(damage)")
    try scratch.graph(2, to: "a.jsonl")
    try compare(scratch, 1, [], 3, "suspect")
    let outcome = try run(scratch, 2, "-q")
    #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
    #expect(outcome.message.contains("2 records, 20 at the last good backup"), "\(outcome)")
    #expect(outcome.message.contains("displaced nothing"), "\(outcome)")
    try compare(scratch, 3, ["--strict"], 13, "failed")
    // The store is what it was; the damaged one is still told of.
    try scratch.graph(20, to: "a.jsonl")
    try compare(scratch, 4, [], 3, "verified")
    #expect(try run(scratch, 5, "-q").message.contains("displaced nothing"))
    #expect(try scratch.archives(scratch.file("repo")).count == 5)
  }

  /// A hook that fails or takes too long: before, there is no backup; after, it is told.
  @Test(arguments: [
    ("before", "exit 7", 1, 0), ("after", "echo no mail >&2; exit 7", 3, 1),
    ("after", "sleep 60 & wait", 3, 1), ("before", "sleep 60", 1, 0), ("after", "kill -9 $$", 3, 1),
    ("after", "true", 0, 1), ("before", "head -c 100 > /dev/null", 0, 1),
    ("after", "head -c 3000000 /dev/zero", 0, 1), ("before", "no-such-program-at-all", 1, 0),
  ])
  func hooks(_ event: String, _ command: String, _ status: Int32, _ count: Int) throws {
    let scratch = try Scratch.here()
    let head = """
      [repositories]
      main = "repo"
      [hooks]
      \(event) = '''x'''
      time_limit = "\(command.contains("sleep") ? "1s" : "90s")"

      """.split(separator: "'''").joined(separator: "'")
    try write(scratch, ["a"], head: head.split(separator: "'x'").joined(separator: "'\(command)'"))
    try scratch.graph(10, to: "a.jsonl")
    let outcome = try run(scratch, 0, "-q")
    #expect(outcome.status == status, "\(outcome)")
    let there =
      TestFile.exists(scratch.file("repo")) ? try scratch.archives(scratch.file("repo")) : []
    #expect(there.count == count)
    #expect(outcome.messages.count == (status == 0 ? 0 : 1), "\(outcome)")
    if status != 0 { #expect(outcome.message.contains("hook '\(event)'"), "\(outcome)") }
    if command.contains("mail") { #expect(outcome.message.contains("no mail"), "\(outcome)") }
  }

  /// A hook `after` that fails does not undo the backup, and somebody is told of it.
  @Test func afterThatFailsIsAFailure() throws {
    let scratch = try Scratch.here()
    let failing = head.split(separator: "\n").map { line in
      line.hasPrefix("after") ? "after = \"exit 7\"" : String(line)
    }.joined(separator: "\n")
    try write(scratch, ["a"], head: failing + "\n")
    try scratch.graph(10, to: "a.jsonl")
    let outcome = try run(scratch, 0, "-q")
    #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
    #expect(try TestFile.text(scratch.file("hooks")) == "before a\nfailed a 3\n")
    let told = try JSONValue(parsing: TestFile.read(scratch.file("failed.a")))
    #expect(told["state"]?.text == "verified" && told["exit_code"]?.integer == 3)
    #expect(try metric(scratch, "last_success_timestamp_seconds", "a") == String(Night.first))
    #expect(try metric(scratch, "exit_code", "a") == "3")
  }

  /// Before anything has been done there is nothing that could have failed.
  @Test func beforeIsToldOfTheStart() throws {
    let scratch = try Scratch.here()
    let hooks = "repositories.main = \"repo\"\nhooks.before = \"cat > before\"\n"
    try write(scratch, ["a"], head: hooks)
    try scratch.graph(10, to: "a.jsonl")
    #expect(try run(scratch, 0, "-q").status == 0)
    let told = try JSONValue(parsing: TestFile.read(scratch.file("before")))
    #expect(told["state"]?.text == "starting" && told["series"]?.text == "a")
    #expect(told["store"]?.text == scratch.file("a.jsonl"))
    #expect(told["repository"]?.text == scratch.file("repo"))
    #expect(told["exit_code"] == nil && told["message"] == nil)
  }

  /// What the textfile tells of the last backup outlives nights that have none.
  @Test func theTextfileKeepsWhatTheLastBackupWas() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    #expect(try run(scratch, 0, "-q").status == 0)
    let names = ["records", "findings", "bytes", "last_success_timestamp_seconds"]
    let before = try names.map { try metric(scratch, $0, "a") }
    try scratch.tool("rm", scratch.file("a.jsonl"))
    #expect(try run(scratch, 1, "-q").status == 10)
    #expect(try names.map { try metric(scratch, $0, "a") } == before && !before.contains(nil))
    #expect(try metric(scratch, "exit_code", "a") == "10")
  }

  @Test func logAsJSON() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a", "gone"])
    try scratch.graph(10, to: "a.jsonl")
    let outcome = try run(scratch, 0, "--log-json")
    #expect(outcome.status == 10)
    let lines = try outcome.messages.map { try JSONValue(parsing: Array($0.utf8)) }
    #expect(lines.map { $0["event"]?.text } == ["start", "end", "start", "end"])
    #expect(lines.map { $0["level"]?.text } == ["info", "info", "info", "error"])
    let quiet = try run(scratch, 1, "--log-json", "-q")
    #expect(quiet.messages.count == 1 && quiet.output.isEmpty, "\(quiet)")
  }

  @Test func theTextfileIsReplacedWholeAndReadable() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a", "b"])
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name).jsonl") }
    #expect(try run(scratch, 0, "-q").status == 0)
    let before = try TestFile.text(scratch.file("holdfast.prom"))
    #expect(try run(scratch, 1, "b", "-q").status == 0)
    let after = try TestFile.text(scratch.file("holdfast.prom"))
    let kept = before.split(separator: "\n").filter { $0.contains("\"a\"") }
    #expect(kept == after.split(separator: "\n").filter { $0.contains("\"a\"") } && kept.count == 7)
    try scratch.tool("sh", "-c", "test \"$(stat -c %a '\(scratch.file("holdfast.prom"))')\" = 644")
    #expect(try TestFile.names(scratch.path).filter { $0.hasSuffix(".tmp") } == [])
    // A textfile that cannot be written is told, and the backups are made.
    let text = try TestFile.text(scratch.file("holdfast.toml"))
    try scratch.write(
      "textfile = \"none/x.prom\"\n"
        + text.split(separator: "\n").dropFirst().joined(separator: "\n"), to: "holdfast.toml")
    let outcome = try run(scratch, 2, "-q")
    #expect(outcome.status == 3 && outcome.message.contains("textfile"), "\(outcome)")
    #expect(try scratch.archives(scratch.file("repo")).contains("a-20261103T031500Z.tar.zst"))
  }

  @Test func dryRunsWriteNothing() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    let first = try run(scratch, 0, "--dry-run")
    #expect(first.status == 0 && !TestFile.exists(scratch.file("repo")), "\(first)")
    for night in 0..<2 { #expect(try run(scratch, night, "-q").status == 0) }
    let before = try scratch.bytes(scratch.file("repo"))
    let told = try run(scratch, 2, "--dry-run", "--json")
    let plan = try JSONValue(parsing: told.output)
    #expect(plan["series"]?[0]?["rotation"]?["remove"]?.elements.count == 1, "\(told)")
    #expect(try scratch.bytes(scratch.file("repo")) == before)
    #expect(try TestFile.names(scratch.file("repo")).count == before.count + 1)
  }

  /// What a dry run tells is what the run then does: state, name, records, what is removed and
  /// purged, and the exit code.
  @Test func dryRunsTellWhatARunDoes() throws {
    let scratch = try Scratch.here()
    let more = "skip_unchanged = true\npurge_after = \"2d\"\nfallback_to = \"other\"\n"
    try write(scratch, ["a"], head: more + head)
    let nights: [(count: Int, words: [String], status: Int32, state: String)] = [
      (10, [], 0, "verified"), (10, [], 0, "unchanged"), (11, [], 0, "verified"),
      (12, [], 0, "verified"), (5, [], 3, "suspect"), (5, ["--strict"], 13, "failed"),
      (12, [], 0, "verified"), (5, ["--allow-shrink"], 0, "verified"), (6, [], 0, "verified"),
      (0, [], 13, "failed"), (7, [], 0, "verified"), (8, [], 0, "verified"),
    ]
    for (night, (count, words, status, state)) in nights.enumerated() {
      try scratch.graph(count, to: "a.jsonl")
      try compare(scratch, night, words, status, state)
    }
    try scratch.write("{\"type\":", to: "a.jsonl")
    try compare(scratch, 12, [], 13, "failed")
    // The name is taken, and the place cannot be written to.
    try scratch.graph(9, to: "a.jsonl")
    try compare(scratch, 11, [], 0, "verified")
    try scratch.tool("mv", scratch.file("repo"), scratch.file("away"))
    try scratch.write("x", to: "repo")
    try compare(scratch, 13, [], 3, "verified")
  }

  private func compare(
    _ scratch: Scratch, _ night: Int, _ words: [String], _ status: Int32, _ state: String
  ) throws {
    var setting = Night.setting(night)
    setting.directory = scratch.path
    let run = [Binary.path, "run", "--json"] + words
    let told = try scratch.run(run + ["--dry-run"], setting)
    let done = try scratch.run(run, setting)
    #expect(done.status == status && told.status == status, "night \(night): \(told) \(done)")
    let plan = try #require(try JSONValue(parsing: told.output)["series"]?[0])
    let real = try #require(try JSONValue(parsing: done.output)["series"]?[0])
    #expect(real["state"]?.text == state, "night \(night): \(done)")
    for key in ["state", "backup", "records", "digest", "exit_code", "unchanged_since"] {
      #expect(plan[key] == real[key], "night \(night), \(key): \(told) \(done)")
    }
    #expect(plan["purged"] == real["purged"], "night \(night): \(told) \(done)")
    let (planned, made) = (plan["rotation"], real["rotation"])
    #expect(planned?["keep"] == made?["keep"], "night \(night): \(told) \(done)")
    func names(_ rotation: JSONValue?) -> [String?]? {
      rotation?["remove"]?.elements.map { $0["backup"]?.text }
    }
    #expect(names(planned) == names(made), "night \(night): \(told) \(done)")
  }

  /// The hook `before` may make the store, whether or not the repository is named.
  @Test(arguments: [true, false]) func beforeMakesTheStore(_ isNamed: Bool) throws {
    let scratch = try Scratch.here()
    let repository = isNamed ? "repositories.main = \"repo\"\n" : ""
    try scratch.graph(10, to: "dump.jsonl")
    try scratch.write(
      repository + "hooks.before = \"mkdir -p in && cp dump.jsonl in/a.jsonl\"\n"
        + "[series.a]\nstore = \"in/a.jsonl\"\n", to: "holdfast.toml")
    for night in 0..<2 { #expect(try run(scratch, night, "-q").status == 0) }
    let place = scratch.file(isNamed ? "repo" : "in/.backup")
    #expect(try scratch.archives(place).count == 2)
  }

  /// Who is asked to stop tells somebody first, and the textfile has it too.
  @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func askedToStop(_ number: Int32) throws {
    let status = 128 + number
    let scratch = try Scratch.here()
    let waiting = head.split(separator: "\n").map { line in
      line.hasPrefix("before") ? "before = \"touch ready; sleep 100\"" : String(line)
    }.joined(separator: "\n")
    try write(scratch, ["a", "b"], head: waiting + "\n")
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name).jsonl") }
    var setting = Night.setting(0)
    setting.directory = scratch.path
    let child = try scratch.start([Binary.path, "run", "-q"], setting)
    while !TestFile.exists(scratch.file("ready")) { usleep(5000) }
    child.signal(number)
    let outcome = try child.wait()
    #expect(outcome.status == status && outcome.messages.count == 1, "\(outcome)")
    #expect(try TestFile.text(scratch.file("hooks")) == "failed a \(status)\n")
    let told = try JSONValue(parsing: TestFile.read(scratch.file("failed.a")))
    #expect(told["error"]?["exit_code"]?.integer == Int(status))
    #expect(try metric(scratch, "exit_code", "a") == String(status))
    #expect(try metric(scratch, "exit_code", "b") == nil)
    #expect(try scratch.archives(scratch.file("repo")) == [])
  }

  /// Who starts it with nohup means it to outlive the terminal.
  @Test func aHangUpThatIsIgnored() throws {
    let scratch = try Scratch.here()
    let waiting = head.split(separator: "\n").map { line in
      line.hasPrefix("before")
        ? "before = \"touch ready; while ! test -e go; do sleep 0.01; done\"" : String(line)
    }.joined(separator: "\n")
    try write(scratch, ["a"], head: waiting + "\n")
    try scratch.graph(10, to: "a.jsonl")
    var setting = Night.setting(0)
    setting.directory = scratch.path
    let child = try scratch.start(
      ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", Binary.path, "run", "-q"], setting)
    try Child.until { TestFile.exists(scratch.file("ready")) }
    child.signal(SIGHUP)
    try scratch.write("", to: "go")
    let outcome = try child.wait()
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
  }

  /// The backup is there by then; who waits for the end of the run is told.
  @Test func askedToStopDuringAfter() throws {
    let scratch = try Scratch.here()
    let waiting = head.split(separator: "\n").map { line in
      line.hasPrefix("after") ? "after = \"touch ready; sleep 100\"" : String(line)
    }.joined(separator: "\n")
    try write(scratch, ["a", "b"], head: waiting + "\n")
    for name in ["a", "b"] { try scratch.graph(10, to: "\(name).jsonl") }
    var setting = Night.setting(0)
    setting.directory = scratch.path
    let child = try scratch.start([Binary.path, "run", "-q"], setting)
    try Child.until { TestFile.exists(scratch.file("ready")) }
    child.signal(SIGTERM)
    let outcome = try child.wait()
    #expect(outcome.status == 143 && outcome.messages.count == 1, "\(outcome)")
    #expect(try TestFile.text(scratch.file("hooks")) == "before a\nfailed a 143\n")
    #expect(try metric(scratch, "exit_code", "a") == "143")
    #expect(try metric(scratch, "last_success_timestamp_seconds", "a") == String(Night.first))
    #expect(try scratch.archives(scratch.file("repo")) == ["a-20261101T031500Z.tar.zst"])
  }

  /// What a hook starts ends with it when its time is over, in whatever group it is.
  @Test func nothingOutlivesTheTimeLimit() throws {
    let scratch = try Scratch.here()
    let hook =
      "setsid sh -c 'trap : TERM; setsid sleep 100 & echo $! > inner; echo $$ > outer; "
      + "while :; do sleep 100; done' & while ! test -s outer; do sleep 0.01; done; sleep 100"
    try scratch.graph(10, to: "a.jsonl")
    // On a busy machine they may not all have started when the time is over.
    for limit in [2, 20, 90] where !TestFile.exists(scratch.file("outer")) {
      try scratch.write(
        "repositories.main = \"repo\"\nhooks.before = \"\(hook)\"\n"
          + "hooks.time_limit = \"\(limit)s\"\n[series.a]\nstore = \"a.jsonl\"\n",
        to: "holdfast.toml")
      #expect(try run(scratch, 0, "-q").status == 1)
    }
    for name in ["inner", "outer"] {
      let text = try TestFile.text(scratch.file(name)).split(separator: "\n").first ?? ""
      let process = try #require(pid_t(text))
      #expect(kill(process, 0) != 0, "\(name) still runs")
    }
  }

  /// Who reads backups keeps rotation waiting for a while; that is no trouble.
  @Test func aReaderIsWaitedFor() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    for night in 0..<2 { #expect(try run(scratch, night, "-q").status == 0) }
    let hold = """
      import fcntl, os, sys, time
      file = os.open(sys.argv[1], os.O_RDONLY)
      fcntl.flock(file, fcntl.LOCK_SH)
      open(sys.argv[2], 'w').close()
      while not os.path.exists(sys.argv[3]): time.sleep(0.01)
      time.sleep(1)
      """
    let ready = scratch.file("ready")
    let holder = try scratch.start([
      "python3", "-c", hold, scratch.file("repo"), ready,
      scratch.file("repo/a-20261103T031500Z.tar.zst"),
    ])
    defer { holder.signal(SIGKILL) }
    while !TestFile.exists(ready) { usleep(5000) }
    let outcome = try run(scratch, 2, "-q")
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try scratch.archives(scratch.file("repo")).count == 2)
  }

  @Test func jsonKeys() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a", "gone"])
    try scratch.graph(10, to: "a.jsonl")
    for (name, words) in [("run", ["--json"]), ("run-plan", ["--json", "--dry-run"])] {
      var setting = Night.setting(0)
      setting.directory = scratch.path
      let outcome = try scratch.run([Binary.path, "run"] + words, setting)
      #expect(outcome.status == 10, "\(outcome)")
      let shape = try JSONValue(parsing: outcome.output).shape()
      try Golden.compare(shape.joined(separator: "\n") + "\n", with: "json-keys/\(name).txt")
    }
  }

  /// A command that the system does not take, and one that does not end when it is asked to.
  @Test func hooksThatCannotBeRunOrEnded() throws {
    let scratch = try Scratch.here()
    let long = String(repeating: "x", count: 200_000)
    let before = "repositories.main = \"repo\"\nhooks.before = [\"/bin/echo\", \"\(long)\"]\n"
    try write(scratch, ["a"], head: before)
    try scratch.graph(10, to: "a.jsonl")
    let refused = try run(scratch, 0, "-q")
    #expect(refused.status == 1, "\(refused)")
    #expect(refused.message.contains("cannot run /bin/sh: argument list too long"), "\(refused)")
    #expect(try !TestFile.names(scratch.file("repo")).contains { $0.contains(".tar") })
    let after = """
      repositories.main = "repo"
      hooks.after = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
      hooks.time_limit = "1s"

      """
    try write(scratch, ["a"], head: after)
    let ended = try run(scratch, 0, "-q")
    #expect(ended.status == 3 && ended.message.contains("took longer than 1 s"), "\(ended)")
    let process = try #require(
      pid_t(String(TestFile.text(scratch.file("pid")).dropLast())), "it never ran")
    #expect(kill(process, 0) != 0 && errno == ESRCH)
  }

  /// A backup that is kept and has rotted without a trace in its size is told where rotation relies
  /// on it, and nothing goes in its stead.
  @Test func rotationTellsWhatHasRotted() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"], head: "repositories.main = \"repo\"\nretention.last = 3\n")
    try scratch.graph(10, to: "a.jsonl")
    for night in 0..<3 { #expect(try run(scratch, night, "-q").status == 0) }
    let rotten = scratch.file("repo/a-20261103T031500Z.tar.zst")
    var bytes = try TestFile.read(rotten)
    bytes[bytes.count / 2] ^= 1
    try TestFile.write(bytes, to: rotten)
    let outcome = try run(scratch, 3, "-q")
    #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
    #expect(
      outcome.message.contains("\(rotten): is not what its manifest says and displaced nothing"))
    #expect(try scratch.archives(scratch.file("repo")).count == 4)
  }

  /// Lines of a textfile that this program did not write are no values of it.
  @Test func aTextfileOfSomebodyElse() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"])
    try scratch.graph(10, to: "a.jsonl")
    let kept = "holdfast_records{series=\"b\"} 7"
    try scratch.write(
      "\(kept)\nholdfast_records{host=\"c\"} 8\nholdfast_records{series=\"d\"} many\nother 1\n",
      to: "holdfast.prom")
    #expect(try run(scratch, 0, "-q").status == 0)
    let lines = try TestFile.text(scratch.file("holdfast.prom")).split(separator: "\n")
    #expect(lines.contains { $0 == kept } && lines.contains("holdfast_records{series=\"a\"} 10"))
    for word in ["host", "many", "other"] {
      #expect(!lines.contains { $0.contains(word) }, "\(word)")
    }
  }

  @Test func noHome() throws {
    let scratch = try Scratch.here()
    try write(scratch, ["a"], head: "repositories.main = \"~/repo\"\n")
    try scratch.graph(10, to: "a.jsonl")
    let setting = Child.Setting(environment: ["HOME": ""], directory: scratch.path)
    let outcome = try scratch.run([Binary.path, "run"], setting)
    #expect(outcome.status == 64 && outcome.message.contains(":1: byte 0: ~ means"), "\(outcome)")
    let home = Child.Setting(environment: ["HOME": scratch.path], directory: scratch.path)
    #expect(try scratch.run([Binary.path, "run", "-q"], home).status == 0)
    #expect(try scratch.archives(scratch.file("repo")).count == 1)
  }
}
