import Glibc
import Testing

/// Stores that are written to while they are backed up: what is saved is a state they had. Five hundred
/// backups of each in `make torture`.
@Suite(.scratchOnDisk, .serialized) struct LiveWriterTests {
  /// Rewrites the file as the MCP server does, truncating and writing it, and records every
  /// state that it has written whole.
  private static let rewriter = """
    import hashlib, os, sys, time
    path, states, ready = sys.argv[1:4]
    line = '{"type":"entity","name":"n%d-%d","entityType":"t","observations":["%s"]}'
    log = open(states, 'w', buffering=1)
    number = 0
    while True:
        number += 1
        text = '\\n'.join(line % (number, i, 'x' * (number % 90)) for i in range(400)).encode()
        log.write(hashlib.sha256(text).hexdigest() + '\\n')
        with open(path, 'wb', buffering=0) as file:
            for start in range(0, len(text), 8192):
                file.write(text[start:start + 8192])
        if number == 1:
            open(ready, 'w').close()
        time.sleep(0.3)
    """

  /// Appends lines, each in two writes, and often rests inside one, long enough for a reader to
  /// believe that it is done.
  private static let appender = """
    import sys, time
    path, ready = sys.argv[1:3]
    file = open(path, 'ab', buffering=0)
    number = 0
    while True:
        number += 1
        line = b'{"type":"entity","name":"n%d","entityType":"t","observations":["seen"]}\\n' % number
        file.write(line[:20])
        time.sleep(0.12 if number % 12 == 6 else 0.002)
        file.write(line[20:])
        if number == 1:
            open(ready, 'w').close()
        time.sleep(0.12 if number % 12 == 0 else 0.002)
    """

  private func wait(for path: String) throws {
    for _ in 0..<2000 {
      if TestFile.exists(path) { return }
      usleep(5000)
    }
    throw TestFailure("no \(path)")
  }

  @Test func aFileRewrittenInPlace() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("", to: "live/memory.jsonl")
    let writer = try scratch.start(
      ["python3", "-c", Self.rewriter, store, scratch.file("states"), scratch.file("ready")])
    defer { writer.signal(SIGKILL) }
    try wait(for: scratch.file("ready"))
    var saved = 0
    let runs = Torture.isFull ? 500 : 50
    for run in 0..<runs {
      let repository = scratch.file("repo-\(run)")
      let outcome = try scratch.holdfast("backup", store, "--to", repository, "--json")
      // A file that never held still is refused, not saved halfway.
      if outcome.status == 13 {
        guard TestFile.exists(repository) else { continue }
        #expect(try TestFile.names(repository).filter { $0 != ".lock" }.isEmpty)
        continue
      }
      #expect(outcome.status == 0, "\(outcome)")
      guard let archive = try JSONValue(parsing: outcome.output)["backup"]?.text else { continue }
      saved += 1
      try scratch.holdfast(exit: 0, "verify", archive)
      let sum = try scratch.tool(
        "bash", "-c", "tar --zstd -xOf '\(archive)' store/memory.jsonl | sha256sum")
      let states = try TestFile.text(scratch.file("states"))
      #expect(states.contains(sum.text.prefix(64)), "a state that never was: \(outcome)")
    }
    #expect(saved * 10 >= runs * 8, "only \(saved) of \(runs) were saved")
  }

  @Test func aFileAppendedTo() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("", to: "live/memory.jsonl")
    let writer = try scratch.start(
      ["python3", "-c", Self.appender, store, scratch.file("ready")])
    defer { writer.signal(SIGKILL) }
    try wait(for: scratch.file("ready"))
    let runs = Torture.isFull ? 500 : 12
    for run in 0..<runs {
      let repository = scratch.file("repo-\(run)")
      let made = try scratch.holdfast("backup", store, "--to", repository, "--json")
      #expect(made.status == 0, "\(made)")
      guard let archive = try JSONValue(parsing: made.output)["backup"]?.text else { continue }
      try scratch.holdfast(exit: 0, "verify", archive)
      let copy = scratch.file("copy-\(run)")
      try scratch.tool(
        "bash", "-c", "tar --zstd -xOf '\(archive)' store/memory.jsonl >'\(copy)'")
      let (now, then) = (try TestFile.read(store), try TestFile.read(copy))
      #expect(!then.isEmpty && now.starts(with: then), "not a state the file had")
    }
  }

  /// Torn now and whole a moment later: the tear is told apart from damage.
  @Test func theLineOfALiveAppender() throws {
    let scratch = try Scratch.here()
    let whole = SampleRecords.lines(SampleRecords.graph(10), last: "\n")
    let line = Spelling.compact(SampleRecords.entity(99))
    let store = try scratch.write(whole + line.prefix(40), to: "live/memory.jsonl")
    let rest = try scratch.write(Array(line.dropFirst(40)) + [0x0A], to: "rest")
    let child = try scratch.start(
      [Binary.path, "backup", store, "--to", scratch.file("repo"), "--json"])
    usleep(150_000)
    try scratch.tool("bash", "-c", "cat '\(rest)' >>'\(store)'")
    let outcome = try child.wait()
    #expect(outcome.status == 0, "\(outcome)")
    let made = try JSONValue(parsing: outcome.output)
    #expect(made["state"]?.text == "verified")
    #expect(made["manifest"]?["counts"]?["entity"]?.integer == 7)
  }

  /// Torn, and torn it stays: that is damage.
  @Test func aTearThatStays() throws {
    let scratch = try Scratch.here()
    let whole = SampleRecords.lines(SampleRecords.graph(10), last: "\n")
    let torn = whole + Spelling.compact(SampleRecords.entity(99)).prefix(40)
    let store = try scratch.write(torn, to: "memory.jsonl")
    let made = try scratch.json(exit: 3, "backup", store, "--to", scratch.file("repo"))
    #expect(made["state"]?.text == "suspect")
    #expect(made["manifest"]?["finding_counts"]?["torn-tail"]?.integer == 1)
  }

  /// One file grows all the time; another is torn and stays so: that one is damaged.
  @Test func aTearThatStaysBesideALiveFile() throws {
    let scratch = try Scratch.here()
    let graph = SampleRecords.lines(SampleRecords.graph(10), last: "\n")
    try scratch.write(graph, to: "store/charts.jsonl")
    let torn = try scratch.write(
      graph + Spelling.compact(SampleRecords.entity(99)).prefix(40), to: "store/charts-torn.jsonl")
    let live = try scratch.write(graph, to: "store/charts-live.jsonl")
    let writer = try scratch.start(
      ["python3", "-c", Self.appender, live, scratch.file("ready")])
    defer { writer.signal(SIGKILL) }
    try wait(for: scratch.file("ready"))
    let made = try scratch.json(
      exit: 3, "backup", scratch.file("store"), "--to", scratch.file("repo"))
    #expect(made["state"]?.text == "suspect")
    let errors = made["findings"]?.elements.filter { $0["severity"]?.text == "error" } ?? []
    #expect(errors.map { $0["path"]?.text } == [torn])
    #expect(errors.first?["code"]?.text == "torn-tail")
  }

  /// Adds objects as CCOS does, under the lock, each time with a new index in the old one's place.
  private static let archivist = """
    import hashlib, json, os, sys, time, uuid
    root, count, ready = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    index = {}
    def place(number):
        value = {'intent_id': 'i%d' % number, 'goal': 'g', 'status': 'Active', 'n': number}
        name = hashlib.sha256(json.dumps(value, separators=(',', ':')).encode()).hexdigest()
        path = '%s/%s/%s.json' % (name[:2], name[2:4], name)
        os.makedirs(os.path.dirname(root + '/' + path), exist_ok=True)
        index[name] = path
        return root + '/' + path, json.dumps(value, indent=2)
    def write(path, text):
        temporary = os.path.dirname(path) + '/' + str(uuid.uuid4()) + '.tmp'
        open(temporary, 'w').write(text)
        os.rename(temporary, path)
    for number in range(count):
        write(*place(number))
    while True:
        open(root + '/.archive_lock', 'w').close()
        number += 1
        write(*place(number))
        write(root + '/index.json', json.dumps(index, indent=2))
        os.unlink(root + '/.archive_lock')
        if number == count:
            open(ready, 'w').close()
        time.sleep(0.1)
    """

  @Test func anArchiveAddedTo() throws {
    let scratch = try Scratch.here()
    let store = try scratch.directory("archive")
    let writer = try scratch.start(
      ["python3", "-c", Self.archivist, store, "40", scratch.file("ready")])
    defer { writer.signal(SIGKILL) }
    try wait(for: scratch.file("ready"))
    for run in 0..<3 {
      let made = try scratch.json("backup", store, "--to", scratch.file("repo-\(run)"))
      #expect(made["state"]?.text == "verified")
      #expect((made["manifest"]?["counts"]?["intent"]?.integer ?? 0) > 40)
    }
  }

  /// Starts Python to do `change` to a file, open as `file`, every few milliseconds.
  private func change(
    _ store: String, by change: String, every milliseconds: Int, in scratch: Scratch
  ) throws -> Child {
    let text = """
      import os, sys, time
      file = os.open(sys.argv[1], os.O_WRONLY)
      number = 0
      while True:
          number += 1
          \(change)
          time.sleep(0.001 * \(milliseconds))
      """
    let writer = try scratch.start(["python3", "-c", text, store])
    usleep(200_000)
    return writer
  }

  /// A graph of some megabytes, behind a record whose name begins at offset 26.
  private func largeGraph(in scratch: Scratch) throws -> String {
    let lines = SampleRecords.lines(SampleRecords.graph(3000), last: "\n")
    let first = #"{"type":"entity", "name":"000000000","entityType":"t","observations":[]}"# + "\n"
    return try scratch.write(
      (0..<40).reduce(into: Array(first.utf8)) { bytes, _ in bytes += lines }, to: "memory.jsonl")
  }

  /// A file that never holds still long enough is refused after three readings, with nothing kept.
  @Test func aFileThatNeverHoldsStill() throws {
    let scratch = try Scratch.here()
    let store = try largeGraph(in: scratch)
    let writer = try change(
      store, by: "os.pwrite(file, b'%09d' % number, 26)", every: 1, in: scratch)
    defer { writer.signal(SIGKILL) }
    let outcome = try scratch.holdfast("backup", store, "--to", scratch.file("repo"))
    #expect(outcome.status == 13, "\(outcome)")
    #expect(outcome.message.contains("three times"))
    #expect(try TestFile.names(scratch.file("repo")) == [".lock"])
  }

  /// What two readings find alike may be a mixture all the same, where bytes change to and fro: the
  /// last byte is never 1 while the first is 0.
  @Test(arguments: [false, true])
  func aMixtureThatIsReadTwice(_ isAppendedTo: Bool) throws {
    let scratch = try Scratch.here()
    let store = try largeGraph(in: scratch)
    let lines = try TestFile.read(store)
    let last = lines.count
    try TestFile.write(
      lines + Array(#"{"type":"entity","name":"0","entityType":"t","observations":[]}"#.utf8) + [
        0x0A
      ],
      to: store)
    let writer = try change(
      store,
      by: """
        if \(isAppendedTo ? "True" : "False"):
                os.pwrite(file, b'\\n', os.fstat(file).st_size)
            for at, number in ((26, 1), (\(last + 25), 1), (\(last + 25), 0), (26, 0)):
                os.pwrite(file, b'%d' % number, at)
                time.sleep(0.001)
        """, every: 1, in: scratch)
    defer { writer.signal(SIGKILL) }
    for run in 0..<4 {
      // Readings that take long, so that no pause of the writer is as long as one.
      let outcome = try scratch.run([
        "strace", "-f", "-o", "/dev/null", "-P", store, "-e", "trace=pread64", "-e",
        "inject=pread64:delay_enter=4000", Binary.path, "backup", store, "--to",
        scratch.file("repo-\(run)"),
      ])
      if outcome.status == 13, outcome.message.contains("three times") { continue }
      #expect(outcome.status == 0, "\(outcome)")
      let archive = try #require(
        try TestFile.names(scratch.file("repo-\(run)")).first { $0.hasSuffix(".zst") })
      let saved = try scratch.tool(
        "tar", "--zstd", "-xOf", scratch.file("repo-\(run)/\(archive)"), "store/memory.jsonl"
      ).output
      #expect(saved[26] == 0x31 || saved[last + 25] == 0x30)
    }
  }

  /// A write changes the time of a file before it changes anything else, so a changed time alone,
  /// as `touch` gives, is no change of what was read.
  @Test func aFileOfWhichOnlyTheTimeChanges() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(3000), last: "\n"), to: "memory.jsonl")
    let writer = try change(store, by: "os.utime(file)", every: 5, in: scratch)
    defer { writer.signal(SIGKILL) }
    try scratch.holdfast(exit: 0, "backup", store, "--to", scratch.file("repo"))
    let archive = try #require(
      try TestFile.names(scratch.file("repo")).first { $0.hasSuffix(".zst") })
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo/\(archive)"))
    let saved = try scratch.tool(
      "tar", "--zstd", "-xOf", scratch.file("repo/\(archive)"), "store/memory.jsonl")
    #expect(saved.output == (try TestFile.read(store)))
  }
}

/// `.archive_lock`, which the writers of content archives hold.
@Suite(.scratchOnDisk) struct ArchiveLockTests {
  @Test(arguments: ["", "intents", "edges"])
  func aFreshOneIsWaitedFor(_ place: String) throws {
    let scratch = try Scratch.here()
    let store = try (place.isEmpty ? SampleStore.archive : .archivePair).make(in: scratch)
    let lock = try scratch.write("", to: "store/\(place)/.archive_lock")
    let child = try scratch.start(
      [Binary.path, "backup", store.path, "--to", scratch.file("repo"), "--json"])
    usleep(700_000)
    #expect(!TestFile.exists(scratch.file("repo")), "did not wait")
    try scratch.tool("rm", lock)
    let outcome = try child.wait()
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test(arguments: ["", "intents"])
  func anOldOneIsNot(_ place: String) throws {
    let scratch = try Scratch.here()
    let store = try (place.isEmpty ? SampleStore.archive : .archivePair).make(in: scratch)
    let lock = try scratch.write("", to: "store/\(place)/.archive_lock")
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    try TestFile.setTime((now.tv_sec - 11) * 1_000_000_000, of: lock)
    var setting = Child.Setting()
    setting.timeLimit = 5
    let made = try scratch.json(
      "backup", store.path, "--to", scratch.file("repo"), with: setting)
    #expect(made["state"]?.text == "verified")
    let archive = try #require(made["backup"]?.text)
    let names = try scratch.tool("tar", "--zstd", "-tf", archive).lines
    #expect(!names.contains { $0.contains("archive_lock") })
    #expect(TestFile.exists(lock), "the source was touched")
  }

  /// Interrupted while it waits.
  @Test func waitingCanBeStopped() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archive.make(in: scratch)
    try scratch.write("", to: "store/.archive_lock")
    let child = try scratch.start(
      [Binary.path, "backup", store.path, "--to", scratch.file("repo")])
    usleep(300_000)
    child.signal(SIGTERM)
    #expect(try child.wait().status == 143)
    #expect(!TestFile.exists(scratch.file("repo")))
  }
}
