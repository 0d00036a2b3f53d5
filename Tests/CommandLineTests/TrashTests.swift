import Glibc
import Testing

/// The trash: in and out by renames, emptied by `purge` alone.
@Suite(.scratch) struct TrashTests {
  private let keepOne = ["--keep-last", "1"]

  @Test func undeleteBringsBackTheSameBytes() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<5)
    let repository = scratch.file("repo")
    let before = try scratch.bytes(repository)
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    #expect(try scratch.archives(repository).count == 1)
    let trash = repository + "/.trash/20261106T031500Z"
    let moved = try scratch.bytes(trash)
    #expect(moved.count == 8)
    for (name, bytes) in moved { #expect(before[name] == bytes, "\(name)") }
    let listed = try scratch.json("list", repository, "--trash")["trash"]?.elements ?? []
    #expect(
      listed.map { $0["removed"]?.text } == [String?](repeating: "2026-11-06T03:15:00Z", count: 4))
    let names = (1...4).map { "memory-2026110\($0)T031500Z" + ($0 == 2 ? ".tar.zst" : "") }
    let dry = try scratch.run([Binary.path, "undelete", repository] + names + ["--dry-run"])
    let real = try scratch.run([Binary.path, "undelete", repository] + names)
    #expect(real.status == 0 && dry.output == real.output, "\(real)")
    #expect(try scratch.bytes(repository) == before)
    #expect(try TestFile.names(repository + "/.trash") == [])
    try scratch.holdfast(exit: 0, "verify", repository)
  }

  @Test func undeleteTakesAllOrNothing() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    let gone = "memory-20261101T031500Z"
    try scratch.holdfast(exit: 10, "undelete", repository, gone, "memory-20300101T000000Z")
    try scratch.holdfast(exit: 10, "undelete", repository, "../../etc/passwd")
    #expect(try scratch.archives(repository).count == 1)
    // A backup that has the name now stays as it is.
    try scratch.write("taken", to: "repo/\(gone).tar.zst")
    let bytes = try scratch.bytes(repository)
    let outcome = try scratch.holdfast(exit: 1, "undelete", repository, gone)
    #expect(outcome.message.contains("is there already"))
    #expect(try scratch.bytes(repository) == bytes)
  }

  @Test func purgeGoesByTheTimeOfRemoval() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<6)
    let repository = scratch.file("repo")
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "3", with: Night.setting(10))
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(14))
    func purge(_ span: String, _ night: Int, _ more: String...) throws -> [String] {
      let words = [Binary.path, "purge", repository, "--older-than", span, "--json"] + more
      let outcome = try scratch.run(words, Night.setting(night))
      #expect(outcome.status == 0, "\(outcome)")
      return try JSONValue(parsing: outcome.output)["purged"]?.elements.compactMap(\.text) ?? []
    }
    #expect(try purge("7d", 16) == [])
    #expect(try purge("7d", 9) == [], "removed in what is still the future")
    #expect(try purge("7d", 17, "--dry-run").count == 3)
    func batches() throws -> [String] {
      try TestFile.names(repository + "/.trash").filter { $0 != "purged.txt" }
    }
    #expect(try batches().count == 2)
    #expect(try purge("7d", 17).count == 3)
    #expect(try batches() == ["20261115T031500Z"])
    #expect(try scratch.archives(repository).count == 1)
    #expect(try purge("0d", 17).count == 2)
    #expect(try batches() == [])
    for span in ["7", "", "0", "-1d", "d"] {
      try scratch.holdfast(exit: 64, "purge", repository, "--older-than=\(span)")
    }
  }

  /// The only good backups of a series are not purged, though somebody emptied the repository.
  @Test func purgeSparesTheLastGoodOnes() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    try scratch.tool("sh", "-c", "rm '\(repository)'/memory-*")
    let outcome = try scratch.holdfast(exit: 14, "purge", repository, "--older-than", "0d")
    #expect(outcome.message.contains("undelete"))
    #expect(try scratch.json("list", repository, "--trash")["trash"]?.elements.count == 2)
  }

  /// A trash that is a link somewhere else is not followed.
  @Test func aLinkIsNoTrash() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    try scratch.directory("elsewhere/20261101T000000Z")
    try scratch.write("x", to: "elsewhere/20261101T000000Z/a.tar")
    try scratch.tool("ln", "-s", scratch.file("elsewhere"), repository + "/.trash")
    let before = try scratch.bytes(repository)
    try scratch.holdfast(exit: 1, "rotate", repository, "--keep-last", "1")
    try scratch.holdfast(exit: 1, "purge", repository, "--older-than", "0d")
    #expect(try scratch.bytes(repository) == before)
    #expect(TestFile.exists(scratch.file("elsewhere/20261101T000000Z/a.tar")))
  }

  /// Killed at any rename, a rotation or an undelete leaves every backup whole, here or in the
  /// trash, and the next run puts archive and manifest together again.
  @Test(arguments: ["rotate", "undelete"], ["signal=KILL", "error=EIO"])
  func killedAnywhere(_ verb: String, _ blow: String) throws {
    let scratch = try Scratch.here()
    for at in [1, 2, 3, 6, 9] {
      let repository = scratch.fresh("repo")
      try scratch.nights(0..<5, to: repository)
      let before = try scratch.bytes(repository)
      var words = ["rotate", repository] + keepOne
      if verb == "undelete" {
        let done = try scratch.run([Binary.path] + words, Night.setting(5))
        #expect(done.status == 0, "\(done)")
        words = ["undelete", repository] + (1...4).map { "memory-2026110\($0)T031500Z" }
      }
      let outcome = try scratch.run(
        [
          "strace", "-f", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2", "-e",
          "inject=rename,renameat,renameat2:\(blow):when=\(at)", Binary.path,
        ] + words, Night.setting(6))
      // Whatever is listed is whole.
      let listed = try scratch.json("list", repository)["backups"]?.elements ?? []
      #expect(listed.allSatisfy { $0["state"]?.text == "verified" }, "\(at): \(outcome)")
      #expect(!listed.isEmpty)
      let next = try scratch.run(
        [Binary.path, "backup", scratch.file("memory.jsonl"), "--to", repository], Night.setting(7))
      #expect(next.status == 0, "\(next)")
      var found = try scratch.bytes(repository)
      for batch in try TestFile.names(repository).contains(".trash")
        ? TestFile.names(repository + "/.trash") : []
      {
        let there = try scratch.bytes("\(repository)/.trash/\(batch)")
        // The two files of a backup are in one place.
        for name in there.keys where name.hasSuffix(".tar.zst") {
          #expect(there[name.dropLast(8) + ".manifest.json"] != nil, "\(at): \(name)")
        }
        found.merge(there) { $1 }
      }
      for (name, bytes) in before { #expect(found[name] == bytes, "\(verb) \(at): \(name)") }
      try scratch.holdfast(exit: 0, "verify", repository)
    }
  }

  /// Killed at any step, a purge leaves whole backups, and the next run clears the rest; what has
  /// gone is in the log once, and nothing else is.
  @Test(arguments: ["signal=KILL", "error=EIO"])
  func purgeKilledAnywhere(_ blow: String) throws {
    let scratch = try Scratch.here()
    let calls = "unlink,unlinkat,rename,renameat,renameat2,rmdir,fsync"
    for at in 1...16 {
      let repository = scratch.fresh("repo")
      try scratch.nights(0..<5, to: repository)
      try scratch.holdfast(
        exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
      let batch = repository + "/.trash/20261106T031500Z"
      let before = try scratch.bytes(batch)
      let outcome = try scratch.run(
        [
          "strace", "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
          "inject=\(calls):\(blow):when=\(at)", Binary.path, "purge", repository, "--older-than",
          "1d",
        ], Night.setting(8))
      try scratch.holdfast(exit: 0, "list", repository, "--trash")
      let next = try scratch.run(
        [Binary.path, "backup", scratch.file("memory.jsonl"), "--to", repository], Night.setting(9))
      #expect(next.status == 0, "\(at): \(next)")
      let left = TestFile.exists(batch) ? try scratch.bytes(batch) : [:]
      for (name, bytes) in left { #expect(before[name] == bytes, "\(at): \(outcome)") }
      let archives = left.keys.filter { $0.hasSuffix(".tar.zst") }
      #expect(left.count == 2 * archives.count, "\(at): \(left.keys.sorted()) \(outcome)")
      #expect(!TestFile.exists(batch) || !left.isEmpty, "\(at): an empty batch")
      // Another purge takes the rest; then the log has all four, each once.
      try scratch.holdfast(
        exit: 0, "purge", repository, "--older-than", "1d", with: Night.setting(10))
      #expect(try TestFile.names(repository + "/.trash") == ["purged.txt"], "\(at)")
      let log = try TestFile.text(repository + "/.trash/purged.txt").split(separator: "\n")
      let gone = Set(log.compactMap { $0.split(separator: " ").last })
      #expect(log.count == 4 && gone.count == 4, "\(at): \(log) \(outcome)")
    }
  }

  /// Who reads a backup keeps it from being taken away; who only adds one is not kept waiting.
  @Test func readersAndRotation() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    let hold = """
      import fcntl, os, sys, time
      file = os.open(sys.argv[1], os.O_RDONLY)
      fcntl.flock(file, fcntl.LOCK_SH)
      open(sys.argv[2], 'w').close()
      time.sleep(900)
      """
    let holder = try scratch.start(["python3", "-c", hold, repository, scratch.file("ready")])
    defer { holder.signal(SIGKILL) }
    while !TestFile.exists(scratch.file("ready")) { usleep(10_000) }
    try scratch.holdfast(exit: 0, "list", repository)
    try scratch.holdfast(exit: 0, "verify", repository)
    try scratch.holdfast(exit: 0, "restore", made[0], "--to", scratch.file("out"))
    try scratch.holdfast(
      exit: 11, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    #expect(try scratch.archives(repository).count == 3)
    try scratch.holdfast(
      exit: 0, "backup", scratch.file("memory.jsonl"), "--to", repository, with: Night.setting(6))
    holder.signal(SIGKILL)
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", "--wait-lock", "10s",
      with: Night.setting(7))
    #expect(try scratch.archives(repository).count == 1)
  }
}
