import ArgumentParser
import Backup
import Disk
import Glibc
import LosslessJSON
import Records
import SystemPackage

struct RunCommand: Verb {
  static let verb = "run"
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Do the nightly job: back up, verify and rotate each configured series.",
    discussion: """
      One series that fails does not stop the others; the exit code is the worst of all. Rotation \
      follows only where tonight's backup is good. Without --config, holdfast.toml of this \
      directory is read, else .config/holdfast/holdfast.toml of the user, else \
      /etc/holdfast/holdfast.toml. A key that there is not is an error.

      KEYS
        timezone = "Europe/Berlin"    whose days, weeks and months; UTC by default
        textfile = "FILE.prom"        for the textfile collector of Prometheus
        wait_lock = "5m"              how long to wait for another run
        [schedule]                    at = "03:15", every = "1d"
        [repositories]                NAME = "DIRECTORY"; .backup/ at the store without one
        [retention]                   last, hourly, daily, weekly, monthly, yearly = N;
                                      within = "14d"; without one nothing is removed
        [hooks]                       before, after, failed = "command" or ["program", "word"];
                                      time_limit = "60s"
        [series.NAME]                 store = "PATH" (required), repository, kind, contexts,
                                      id_field, note, allow_empty, every
        [series.NAME.retention], [series.NAME.hooks]: in place of the general ones
      At the top or for one series: compression = "zstd:3", rtfs = "full" or "none", \
      skip_unchanged, strict, fallback_to = "DIRECTORY", verify = "full" or "written", \
      purge_after = "30d".

      Hooks get the result as JSON on their standard input, and HOLDFAST_EVENT, _SERIES, _STORE, \
      _REPOSITORY, _BACKUP, _DIGEST, _RECORDS, _EXIT_CODE and _MESSAGE in their environment. after \
      is for exit code 0, failed for any other, SIGTERM, SIGINT and SIGHUP included, also where after is \
      what failed. before is told what starts, and runs with the repository locked and before the \
      store is looked at, which it may write; when it fails there is no backup. A hook whose time_limit is over is ended with everything that it started. \
      --dry-run reads the stores and runs no hooks.

      \(ExitStatus.help([
        .findings, .notFound, .locked, .verificationFailed, .refused, .retentionRefused,
        .notWritable,
      ]))
      """)

  @Argument(help: ArgumentHelp("Only these series.", valueName: "series"))
  var series: [String] = []

  @OptionGroup var file: ConfigOption

  @Flag(
    name: .long, help: "Write nothing for a series whose last good backup holds the same files.")
  var skipUnchanged = false

  @Flag(name: .long, help: "Do not mark backups suspect because records are gone.")
  var allowShrink = false

  @Flag(name: .long, help: "Refuse stores that have lost a fifth of their records.")
  var strict = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where backups go when a repository has no room or may not be written to.",
      valueName: "dir"), completion: .directory)
  var fallbackTo: String?

  @Flag(name: .long, help: "Tell on standard error what happens, one JSON object a line.")
  var logJson = false

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let configuration = try file.read()
    let chosen = try configuration.chosen(series).map(adjust)
    if dryRun { return try show(chosen, console) }
    var results: [(result: NightResult, verdict: NightVerdict)] = []
    let log = NightLog(isJSON: logJson, console: console)
    for one in chosen {
      let night = Night(
        one, formats: HoldfastCommand.formats, time: try currentTime(), judge: NightReport.verdict)
      log.start(one.name)
      let (result, verdict) = try night.run()
      results.append((result, verdict))
      log.end(result, verdict)
      if result.isInterrupted { break }
    }
    let trouble = Interruption.postponed { tell(results, configuration) }
    if let trouble { log.trouble(trouble) }
    return finish(results, trouble, console)
  }

  private func adjust(_ series: Configuration.Series) -> Configuration.Series {
    var series = series
    if skipUnchanged { series.request.skipUnchanged = true }
    if allowShrink { series.request.allowsShrink = true }
    if strict { series.request.refusesShrink = true }
    if let fallbackTo { series.request.fallback = FilePath(fallbackTo) }
    if let kind = shared.kind { series.request.kind = kind }
    if shared.waitLock.seconds > 0 { series.request.lockWait = shared.waitLock.seconds }
    return series
  }

  /// Writes the textfile; what went wrong with it, if anything.
  private func tell(
    _ results: [(result: NightResult, verdict: NightVerdict)], _ configuration: Configuration
  ) -> Failure? {
    guard let path = configuration.textfile, !results.isEmpty else { return nil }
    do {
      try MetricsFile.update(path, with: results.map { ($0.result, $0.verdict.exitCode) })
      return nil
    } catch {
      var failure = Failure(error)
      failure.hint = failure.hint ?? "make its directory, or name another place with textfile"
      return failure
    }
  }

  private func finish(
    _ results: [(result: NightResult, verdict: NightVerdict)], _ trouble: Failure?,
    _ console: Console
  ) -> ExitStatus {
    var statuses = results.compactMap { ExitStatus(rawValue: Int32($0.verdict.exitCode)) }
    if let trouble {
      let isStopped = ExitStatus.signals.contains(trouble.status)
      statuses.append(isStopped ? trouble.status : .findings)
    }
    let worst = NightReport.worst(statuses)
    console.json(Self.verb) { root in
      root.member("dry_run", dryRun)
      root.member("exit_code", Int(worst.rawValue))
      root.key("series")
      root.array(of: results) { $0.raw($1.verdict.json.span) }
      if let trouble { trouble.encodeError(to: &root) }
    }
    for (result, verdict) in results {
      console.result(NightReport.line(result, verdict))
      for line in NightReport.details(result) { console.result(line) }
    }
    let messages =
      results.compactMap { result in
        result.verdict.message.map { "\(result.result.series): \($0)" }
      } + [trouble].compactMap { $0.map { "textfile: \($0.text)" } }
    if !messages.isEmpty, !logJson { console.failure(messages.joined(separator: "; ")) }
    return worst
  }

  private func show(_ chosen: [Configuration.Series], _ console: Console) throws -> ExitStatus {
    let results = try chosen.map { one in
      try Night(
        one, formats: HoldfastCommand.formats, time: try currentTime(), judge: NightReport.verdict
      ).foresee()
    }
    return finish(results, nil, console)
  }
}

/// Where the configuration is.
struct ConfigOption: ParsableArguments {
  @Option(
    name: .long, help: ArgumentHelp("The configuration.", valueName: "file"), completion: .file())
  var config: String?

  func path() throws -> FilePath {
    try config.map { FilePath($0) }
      ?? Configuration.standard(home: getenv("HOME").map { String(cString: $0) })
  }

  func read() throws -> Configuration {
    try Configuration(reading: path(), formats: HoldfastCommand.formats)
  }
}
