import Glibc
import Testing

/// Years of nights through the program, with a clock that the test moves. HOLDFAST_NIGHTS says how
/// many; two years are 730. HOLDFAST_SEED repeats one.
@Suite(.scratchOnDisk) struct NightsTests {
  private static func number(_ name: String) -> Int? {
    getenv(name).flatMap { Int(String(cString: $0)) }
  }

  /// The world as the test knows it: nothing here is asked of the program.
  private struct World {
    /// The bytes that the store had, for each good backup, by the archive's name.
    var good: [String: [UInt8]] = [:]
    /// The last of them to be made, whatever the clock said then.
    var lastGood: String?
    /// All archives that were ever seen.
    var seen: Set<String> = []
    var rotten: Set<String> = []
    var content: [UInt8] = []
    var count = 40
    var serial = 0
    var time = Night.first
    var skew = 0
    var now: Int { time + skew }
  }

  private enum Event: CaseIterable {
    case torn, shrunken, empty, gone, killed, locked, hook, rot, clock, holiday
  }

  private static let configuration = """
    timezone = "Europe/Berlin"
    textfile = "holdfast.prom"
    verify = "written"
    [repositories]
    main = "repo"
    [retention]
    last = 2
    daily = 4
    weekly = 3
    monthly = 3
    yearly = 2
    [hooks]
    before = "test ! -e stop"
    [series.m]
    store = "m.jsonl"
    """

  private func write(_ world: inout World, _ scratch: Scratch, _ count: Int) throws {
    world.serial += 1
    world.content = SampleRecords.lines(
      (0..<count).map { SampleRecords.entity(1000 * (world.serial % 7) + $0) }, last: "\n")
    try TestFile.write(world.content, to: scratch.file("m.jsonl"))
  }

  private func run(_ world: World, _ scratch: Scratch, _ words: String...) throws -> Outcome {
    var setting = Child.Setting(environment: ["SOURCE_DATE_EPOCH": String(world.now)])
    setting.directory = scratch.path
    return try scratch.run([Binary.path] + words, setting)
  }

  @Test func everyInvariantHoldsAfterEveryNight() throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    let seed = random.seed
    try scratch.write(Self.configuration, to: "holdfast.toml")
    var world = World()
    var goods = 0
    let nights = Self.number("HOLDFAST_NIGHTS") ?? 30
    for night in 0..<nights {
      world.time += Night.day + Int.random(in: 0..<7200, using: &random) - 3600
      if world.skew != 0, Int.random(in: 0..<2, using: &random) == 0 { world.skew = 0 }
      world.count = max(30, world.count + Int.random(in: 0..<7, using: &random) - 2)
      try write(&world, scratch, world.count)
      let event =
        Int.random(in: 0..<5, using: &random) < 2
        ? Event.allCases[Int.random(in: 0..<Event.allCases.count, using: &random)] : nil
      let before = Set(try archives(scratch))
      let outcome = try happen(event, &world, scratch, &random)
      let isGood = outcome.map { wentWell($0, world) } ?? false
      let isHarmless = event.map { [.rot, .clock, .holiday].contains($0) } ?? true
      #expect(
        isGood || !isHarmless,
        "night \(night), \(String(describing: event)), seed \(seed): \(String(describing: outcome))"
      )
      let after = Set(try archives(scratch))
      let new = after.subtracting(world.seen)
      // What is dated after tonight stays.
      let future = before.filter { $0.split(separator: "-")[1] > Self.compact(world.now) }
      #expect(future.isSubset(of: after), "night \(night), seed \(seed)")
      if isGood {
        goods += 1
        #expect(new.count == 1, "night \(night), seed \(seed): \(String(describing: outcome))")
        for name in new {
          world.good[name] = world.content
          world.lastGood = name
        }
      } else if let outcome {
        // A run that failed, or saved what is suspect, removes nothing.
        #expect(before.isSubset(of: after), "night \(night), seed \(seed): \(outcome)")
        #expect(outcome.messages.count == 1, "night \(night), seed \(seed): \(outcome)")
      }
      world.seen.formUnion(after)
      try check(
        world, scratch, isRotated: isGood,
        "night \(night), \(event.map { "\($0)" } ?? "plain"), seed \(seed)")
      for name in ["stop"] where TestFile.exists(scratch.file(name)) {
        try scratch.tool("rm", scratch.file(name))
      }
    }
    #expect(goods > 0, "seed \(seed)")
  }

  /// Whether a run ended well, apart from what it says of backups that were damaged on the disk.
  private func wentWell(_ outcome: Outcome, _ world: World) -> Bool {
    guard outcome.status == 3, outcome.messages.count == 1 else { return outcome.status == 0 }
    let troubles = outcome.message.split(separator: ";").filter {
      !$0.hasPrefix(" holdfast verify tells")
    }
    return troubles.allSatisfy { trouble in
      trouble.contains(" and displaced nothing")
        && world.rotten.contains { trouble.contains("/repo/\($0):") }
    }
  }

  private func archives(_ scratch: Scratch) throws -> [String] {
    TestFile.exists(scratch.file("repo")) ? try scratch.archives(scratch.file("repo")) : []
  }

  /// One night; nil where the run was killed.
  private func happen(
    _ event: Event?, _ world: inout World, _ scratch: Scratch, _ random: inout SeededRandom
  ) throws -> Outcome? {
    let store = scratch.file("m.jsonl")
    switch event {
    case .torn: try TestFile.write(Array(world.content.dropLast(20)), to: store)
    case .shrunken: try write(&world, scratch, world.count / 2)
    case .empty: try TestFile.write([], to: store)
    case .gone: try scratch.tool("rm", store)
    case .hook: try scratch.write("", to: "stop")
    case .clock:
      world.skew =
        [-40 * Night.day, -7200, 3 * Night.day, 400 * Night.day][
          Int.random(in: 0..<4, using: &random)]
    case .holiday: world.time += (3 + Int.random(in: 0..<18, using: &random)) * Night.day
    case .rot:
      // One that is not the last good one loses its end, or has a byte flipped.
      let others = try archives(scratch).filter { $0 != world.lastGood }
      if !others.isEmpty {
        let name = others[others.startIndex + Int.random(in: 0..<others.count, using: &random)]
        let path = scratch.file("repo/\(name)")
        var bytes = try TestFile.read(path)
        bytes[bytes.count / 2] ^= 4
        if Int.random(in: 0..<2, using: &random) == 0 { bytes.removeLast(10) }
        try TestFile.write(bytes, to: path)
        world.rotten.insert(name)
      }
    case .locked:
      let ready = scratch.fresh("ready")
      try TestFile.makeDirectory(scratch.file("repo"))
      let holder = try scratch.start([
        "python3", "-c",
        "import fcntl, sys, time\nf = open(sys.argv[1], 'a')\nfcntl.flock(f, fcntl.LOCK_EX)\nopen(sys.argv[2], 'w').close()\ntime.sleep(900)",
        scratch.file("repo/.lock"), ready,
      ])
      defer { holder.signal(SIGKILL) }
      while !TestFile.exists(ready) { usleep(5000) }
      let outcome = try run(world, scratch, "run", "-q")
      #expect(outcome.status == 11, "\(outcome)")
      return outcome
    case .killed:
      var setting = Child.Setting(environment: ["SOURCE_DATE_EPOCH": String(world.now)])
      setting.directory = scratch.path
      let child = try scratch.start([Binary.path, "run", "-q"], setting)
      usleep(UInt32(Int.random(in: 0..<400_000, using: &random)))
      child.signal(SIGKILL)
      let outcome = try child.wait()
      // Where it had come far enough, its backup counts.
      if outcome.status == 0 { return outcome }
      for name in Set(try archives(scratch)).subtracting(world.seen) {
        world.good[name] = world.content
        world.lastGood = name
      }
      return nil
    case nil: break
    }
    return try foreseen(world, scratch, hasHook: event == .hook)
  }

  /// A run that a dry run has told of: what is made, what goes, and the exit code. A hook that
  /// fails is not foreseen.
  private func foreseen(_ world: World, _ scratch: Scratch, hasHook: Bool) throws -> Outcome {
    let plan = try run(world, scratch, "run", "--dry-run", "--json")
    let before = Set(try archives(scratch))
    let outcome = try run(world, scratch, "run", "-q")
    guard !hasHook else { return outcome }
    let told = try JSONValue(parsing: plan.output)["series"]?[0]
    func name(_ value: JSONValue?) -> String? {
      value?.text.flatMap { $0.split(separator: "/").last.map(String.init) }
    }
    let going = told?["rotation"]?["remove"]?.elements.compactMap { name($0["backup"]) } ?? []
    let after = before.union([name(told?["backup"])].compactMap { $0 }).subtracting(going)
    #expect(plan.status == outcome.status, "\(plan) \(outcome)")
    #expect(try after == Set(archives(scratch)), "\(plan) \(outcome)")
    return outcome
  }

  /// Point by point what must hold, whatever the night was like.
  private func check(
    _ world: World, _ scratch: Scratch, isRotated: Bool, _ comment: String
  ) throws {
    guard TestFile.exists(scratch.file("repo")) else { return }
    let here = try archives(scratch)
    let trash = scratch.file("repo/.trash")
    let batches = TestFile.exists(trash) ? try TestFile.names(trash) : []
    let gone = try batches.flatMap { try scratch.archives("\(trash)/\($0)") }
    // Nothing that was ever there is lost.
    #expect(world.seen == Set(here + gone), "\(comment)")
    #expect(here.count + gone.count == world.seen.count, "\(comment)")
    let listed =
      try JSONValue(
        parsing: run(world, scratch, "list", "repo", "--json").output)["backups"]?.elements ?? []
    for entry in listed where entry["state"]?.text == "verified" {
      let name = String(entry["path"]?.text?.split(separator: "/").last ?? "")
      #expect(world.good[name] != nil, "\(comment): \(name) is no good backup")
    }
    // The last good backup that was made is here, though a wrong clock may have dated it.
    if let last = world.lastGood {
      #expect(here.contains(last), "\(comment): the last good backup \(last) is not there")
      let target = scratch.fresh("restored")
      let outcome = try run(world, scratch, "restore", "repo/\(last)", "--to", target)
      #expect(outcome.status == 0, "\(comment): \(outcome)")
      if outcome.status == 0 {
        let bytes = try TestFile.read(target + "/m.jsonl")
        #expect(bytes == world.good[last], "\(comment): \(last) gives back something else")
      }
      try scratch.tool("rm", "-rf", target)
    }
    // Once rotated, the same again removes nothing more.
    guard isRotated else { return }
    let words = [
      "rotate", "repo", "--keep-last", "2", "--keep-daily", "4", "--keep-weekly", "3",
      "--keep-monthly", "3", "--keep-yearly", "2", "--timezone", "Europe/Berlin", "--json",
      "--dry-run",
    ]
    var setting = Child.Setting(environment: ["SOURCE_DATE_EPOCH": String(world.now)])
    setting.directory = scratch.path
    let again = try scratch.run([Binary.path] + words, setting)
    let plan = try JSONValue(parsing: again.output)
    let removed = plan["remove"]?.elements.compactMap { $0["backup"]?.text } ?? []
    let isRotten = !world.rotten.isDisjoint(with: here)
    #expect(
      removed == [] && (again.status == 0 || isRotten && again.status == 3),
      "\(comment): \(again)")
  }

  /// `20261120T031500Z`.
  private static func compact(_ time: Int) -> String {
    var seconds = time_t(time)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))Z"
  }

  /// Two hundred at once: each does it all or finds it locked, and the repository is sound.
  @Test func manyRunsAtOnce() throws {
    let scratch = try Scratch.here()
    try scratch.write(Self.configuration, to: "holdfast.toml")
    try scratch.graph(20, to: "m.jsonl")
    let script = """
      import os, subprocess, sys
      binary, count, base = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
      running = []
      for index in range(count):
          environment = dict(os.environ, SOURCE_DATE_EPOCH=str(base + index))
          running.append(subprocess.Popen([binary, 'run', '-q'], env=environment,
              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
      for process in running:
          text = process.communicate()[1]
          print(process.returncode, text.decode().strip().replace(chr(10), ' | '))
      """
    try scratch.write(script, to: "many.py")
    let count = 200
    var setting = Child.Setting()
    setting.directory = scratch.path
    setting.timeLimit = 1800
    let outcome = try scratch.run(
      ["python3", "many.py", Binary.path, String(count), String(Night.first)], setting)
    let codes = outcome.lines.compactMap { $0.split(separator: " ").first.map(String.init) }
    #expect(codes.count == count)
    let odd = outcome.lines.filter { !$0.hasPrefix("0 ") && $0 != "0" && !$0.hasPrefix("11 ") }
    #expect(odd == [])
    let done = codes.count { $0 == "0" }
    #expect(done > 0)
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
    let trash = scratch.file("repo/.trash")
    let gone =
      try TestFile.exists(trash)
      ? TestFile.names(trash).flatMap { try scratch.archives("\(trash)/\($0)") } : []
    let here = try scratch.archives(scratch.file("repo"))
    #expect(here.count + gone.count == done, "\(here) \(gone)")
    let names = try TestFile.names(scratch.file("repo"))
    #expect(names.filter { $0.hasSuffix(".tmp") } == [])
    let metrics = try TestFile.text(scratch.file("holdfast.prom"))
    #expect(metrics.split(separator: "\n").count { $0.hasPrefix("holdfast_last_success") } == 1)
    // The next run finds nothing in its way.
    setting.environment = ["SOURCE_DATE_EPOCH": String(Night.first + 1000)]
    let next = try scratch.run([Binary.path, "run", "-q"], setting)
    #expect(next.status == 0, "\(next)")
  }
}
