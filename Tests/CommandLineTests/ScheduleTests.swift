import Testing

/// What `schedule` prints runs as it is.
@Suite(.scratch) struct ScheduleTests {
  private static let samples: String = {
    let file = #filePath
    let parts = file.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/samples"
  }()

  /// A directory whose name means something to shells, cron and systemd.
  private func make(_ scratch: Scratch, _ schedule: String = "") throws -> String {
    let place = "a b%c'd$e"
    try scratch.graph(10, to: "\(place)/m.jsonl")
    return try scratch.write(
      schedule + "repositories.main = \"repo\"\n[series.m]\nstore = \"m.jsonl\"\n",
      to: "\(place)/holdfast.toml")
  }

  private func print(_ scratch: Scratch, _ words: String...) throws -> Outcome {
    let outcome = try scratch.run([Binary.path, "schedule"] + words)
    #expect(outcome.status == 0, "\(outcome)")
    return outcome
  }

  @Test func theCrontabLineRuns() throws {
    let scratch = try Scratch.here()
    let file = try make(scratch, "schedule.at = \"04:05\"\n")
    let line = try print(scratch, "cron", "--config", file).text
    #expect(line.hasPrefix("5 4 * * * /") && line.split(separator: "\n").count == 1)
    // cron takes \% for a % and hands the rest to sh.
    let command = line.split(separator: " ", maxSplits: 5)[5].split(separator: "\\%").joined(
      separator: "%")
    let outcome = try scratch.run(["/bin/sh", "-c", command])
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    #expect(try scratch.archives(scratch.file("a b%c'd$e/repo")).count == 1)
  }

  @Test(arguments: [
    ("1h", "5 * * * *", "*-*-* *:05:00"), ("6h", "5 4,10,16,22 * * *", "*-*-* 4,10,16,22:05:00"),
    ("7d", "5 4 * * 0", "Sun *-*-* 04:05:00"), ("24h", "5 4 * * *", "*-*-* 04:05:00"),
  ])
  func howOften(_ every: String, _ cron: String, _ calendar: String) throws {
    let scratch = try Scratch.here()
    let file = try make(scratch, "schedule.at = \"04:05\"\nschedule.every = \"\(every)\"\n")
    #expect(try print(scratch, "cron", "--config", file).text.hasPrefix(cron + " /"))
    let timer = try print(scratch, "systemd", "--unit", "timer", "--config", file).text
    #expect(timer.contains("\nOnCalendar=\(calendar)\n"))
  }

  @Test func whatNoScheduleCanSay() throws {
    let scratch = try Scratch.here()
    let file = try make(scratch, "schedule.every = \"36h\"\n")
    let outcome = try scratch.holdfast(exit: 64, "schedule", "cron", "--config", file)
    #expect(outcome.message.contains("36h"))
    try scratch.holdfast(exit: 10, "schedule", "cron", "--config", scratch.file("none"))
    try scratch.holdfast(exit: 64, "schedule", "at", "--config", file)
    try scratch.holdfast(exit: 64, "schedule", "cron", "--unit", "timer", "--config", file)
  }

  private static let hasSystemd = TestFile.exists("/usr/bin/systemd-analyze")

  @Test func theUnitsAreWhatBothTogetherPrint() throws {
    let scratch = try Scratch.here()
    let file = try make(scratch)
    for unit in ["service", "timer"] {
      let text = try print(scratch, "systemd", "--unit", unit, "--config", file).text
      let both = try print(scratch, "systemd", "--config", file).text
      #expect(both.contains(text), "\(both)")
    }
    let sample = try TestFile.text(Self.samples + "/systemd/holdfast.service")
    #expect(sample.contains("holdfast run --quiet"))
  }

  @Test(.enabled(if: hasSystemd, "there is no systemd-analyze; make deps installs it"))
  func systemdAcceptsTheUnits() throws {
    let scratch = try Scratch.here()
    let file = try make(scratch)
    for unit in ["service", "timer"] {
      let text = try print(scratch, "systemd", "--unit", unit, "--config", file).text
      try scratch.write(text, to: "units/holdfast.\(unit)")
    }
    for directory in [scratch.file("units"), Self.samples + "/systemd"] {
      let outcome = try scratch.run([
        "systemd-analyze", "verify", "\(directory)/holdfast.service", "\(directory)/holdfast.timer",
      ])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  /// The sample configuration names every table there is, and the samples are backed up by it.
  @Test func theSampleConfiguration() throws {
    let scratch = try Scratch.here()
    let setting = Child.Setting(environment: ["HOME": scratch.path])
    let words = [Binary.path, "run", "--config", Self.samples + "/holdfast.toml"]
    let dry = try scratch.run(words + ["--dry-run"], setting)
    let series = dry.lines.filter { !$0.hasPrefix(" ") }
    #expect(dry.status == 0 && series.count == 4, "\(dry)")
    let outcome = try scratch.run(words + ["-q"], setting)
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(try scratch.archives(scratch.file("backups/holdfast-samples")).count == 4)
    let line = try TestFile.text(Self.samples + "/crontab").split(separator: "\n").last ?? ""
    #expect(line.hasPrefix("15 3 * * * /usr/local/bin/holdfast run --quiet"))
  }
}
