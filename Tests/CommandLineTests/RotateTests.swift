import Glibc
import Testing

/// Rotation through the program: what it says, what it does, and when it refuses.
@Suite(.scratch) struct RotateTests {
  /// Bytes that have gone bad without a change of size: such a backup displaces nothing, whichever
  /// one it is, and neither rotation nor purge gives up the good one for it.
  @Test(arguments: [0, 1, 2])
  func rottenBackupsDisplaceNothing(_ which: Int) throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    // Two nights with two backups each.
    let archives = try [0, 3600, Night.day, Night.day + 3600].map {
      try scratch.backUp(store, time: Night.first + $0)
    }
    let rotten = archives[which == 0 ? 1 : 3]
    var bytes = try TestFile.read(rotten)
    for index in bytes.count / 2..<bytes.count / 2 + 40 { bytes[index] ^= 0xFF }
    try TestFile.write(bytes, to: rotten)
    let repository = scratch.file("repo")
    let policy = which == 2 ? ["--keep-last", "1"] : ["--keep-daily", "7"]
    let outcome = try scratch.run(
      [Binary.path, "rotate", "--quiet", repository] + policy, Night.setting(2))
    #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
    let left = try scratch.archives(repository)
    let good = archives[which == 0 ? 0 : 2]
    #expect(left.contains { good.hasSuffix($0) }, "\(left)")
  }

  @Test func purgeKeepsWhatNoSoundBackupReplaces() throws {
    let scratch = try Scratch.here()
    let archives = try scratch.nights(0..<2)
    let repository = scratch.file("repo")
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(2))
    var bytes = try TestFile.read(archives[1])
    for index in bytes.count / 2..<bytes.count / 2 + 40 { bytes[index] ^= 0xFF }
    try TestFile.write(bytes, to: archives[1])
    _ = try scratch.holdfast("purge", repository, "--older-than", "1d", with: Night.setting(9))
    let name = try #require(archives[0].split(separator: "/").last)
    try scratch.holdfast(exit: 0, "undelete", repository, String(name), with: Night.setting(9))
    try scratch.holdfast(exit: 0, "verify", archives[0])
  }

  @Test func aDryRunSaysWhatARealRunDoes() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<10)
    let repository = scratch.file("repo")
    let before = try scratch.bytes(repository)
    let words = ["rotate", repository, "--keep-last", "2", "--keep-weekly", "3"]
    let dry = try scratch.run([Binary.path] + words + ["--dry-run"], Night.setting(10))
    let dryJSON = try scratch.run(
      [Binary.path] + words + ["--dry-run", "--json"], Night.setting(10))
    #expect(try scratch.bytes(repository) == before)
    #expect(!TestFile.exists(repository + "/.trash"))
    let real = try scratch.run([Binary.path] + words, Night.setting(10))
    #expect(dry.status == 0 && real.status == 0 && dry.output == real.output)
    #expect(
      dry.lines == [
        "memory: keep 4, remove 6",
        "  keep    memory-20261101T031500Z.tar.zst  weekly 2026-W44",
        "  keep    memory-20261108T031500Z.tar.zst  weekly 2026-W45",
        "  keep    memory-20261109T031500Z.tar.zst  last 2",
        "  keep    memory-20261110T031500Z.tar.zst  last 1, weekly 2026-W46",
      ] + [2, 3, 4, 5, 6, 7].map { "  remove  memory-2026110\($0)T031500Z.tar.zst" })
    let plan = try JSONValue(parsing: dryJSON.output)
    let left = try scratch.archives(repository)
    #expect(
      left
        == plan["keep"]?.elements.compactMap { $0["backup"]?.text?.split(separator: "/").last }
        .map(String.init))
    #expect(plan["remove"]?.elements.count == 6)
    // What is left verifies, and the same again removes nothing more.
    try scratch.holdfast(exit: 0, "verify", repository)
    let again = try scratch.run([Binary.path] + words + ["--json"], Night.setting(10))
    #expect(try JSONValue(parsing: again.output)["remove"]?.elements.count == 0)
    #expect(try scratch.archives(repository) == left)
  }

  @Test(arguments: [
    [], ["--keep-daily", "0"], ["--keep-within", "7"], ["--keep-within", "0d"],
    ["--keep-last=-1"], ["--keep-last", "x"], ["--keep-daily", "1", "--timezone", "Mars/Phobos"],
    ["--keep-daily", "1", "--timezone", "../../etc/passwd"], ["--keep-within", "-3d"],
  ])
  func noPolicyOrABadOneIsRefused(_ words: [String]) throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let before = try scratch.bytes(scratch.file("repo"))
    let outcome = try scratch.run([Binary.path, "rotate", scratch.file("repo")] + words)
    #expect(outcome.status == 64, "\(outcome)")
    #expect(try scratch.bytes(scratch.file("repo")) == before)
    #expect(!TestFile.exists(scratch.file("repo/.trash")))
  }

  /// A trash that can take nothing is told by the dry run as well.
  @Test func aFileForATrash() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    try scratch.write("x", to: "repo/.trash")
    let words = [Binary.path, "rotate", repository, "--keep-last", "1"]
    let dry = try scratch.run(words + ["--dry-run"])
    let real = try scratch.run(words)
    #expect(dry.status == 1 && real.status == 1 && dry.errors == real.errors, "\(dry) \(real)")
    // Where nothing is to go, neither of them minds.
    let idle = [Binary.path, "rotate", repository, "--keep-last", "9"]
    #expect(try scratch.run(idle + ["--dry-run"]).status == 0)
    #expect(try scratch.run(idle).status == 0)
  }

  /// An archive that is a link to a disk that is not there just now keeps its manifest.
  @Test func aDanglingArchiveKeepsItsManifest() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<3)
    try scratch.tool("mkdir", scratch.file("disk"))
    try scratch.tool("mv", made[0], scratch.file("disk/a.tar.zst"))
    try scratch.tool("ln", "-s", scratch.file("disk/a.tar.zst"), made[0])
    try scratch.holdfast(exit: 0, "verify", made[0])
    try scratch.tool("mv", scratch.file("disk"), scratch.file("away"))
    _ = try scratch.backUp(scratch.file("memory.jsonl"), time: Night.first + 3 * Night.day)
    #expect(TestFile.exists(Scratch.sidecar(of: made[0])))
    try scratch.tool("mv", scratch.file("away"), scratch.file("disk"))
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
  }

  /// Each series is thinned out on its own, also where one name begins like another.
  @Test func seriesNeverTouchEachOther() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    for night in 0..<6 {
      for name in ["a", "a-b", "a-20261101T031500Z"] {
        _ = try scratch.backUp(store, ["--name", name], time: Night.first + night * Night.day)
      }
    }
    let repository = scratch.file("repo")
    let others = try scratch.archives(repository).filter {
      !$0.hasPrefix("a-20261") || $0.count > 26
    }
    let result = try scratch.json(
      "rotate", repository, "--name", "a", "--keep-last", "1", with: Night.setting(9))
    #expect(result["remove"]?.elements.count == 5)
    #expect(result["remove"]?.elements.allSatisfy { $0["series"]?.text == "a" } == true)
    let left = try scratch.archives(repository)
    #expect(left.count == 13 && Set(others).isSubset(of: left), "\(left)")
    try scratch.holdfast(exit: 10, "rotate", repository, "--name", "b", "--keep-last", "1")
    try scratch.holdfast(
      exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(9))
    #expect(try scratch.archives(repository).count == 3)
  }

  /// Rotation frees the name of the first backup of a second: the next of that second must not take
  /// it, or it would be the oldest of them.
  @Test func aFreedNumberIsNotGivenAgain() throws {
    let scratch = try Scratch.here()
    let repository = scratch.file("repo")
    for version in 1...5 {
      let store = try scratch.write(
        #"{"type":"entity","name":"a","entityType":"t","observations":["v\#(version)"]}"# + "\n",
        to: "memory.jsonl")
      let made = try scratch.backUp(store, time: Night.first)
      if version == 2 { _ = try scratch.backUp(store, time: Night.first) }
      try scratch.holdfast(
        exit: 0, "rotate", repository, "--keep-last", "1", with: Night.setting(1))
      if version != 2 { #expect(TestFile.exists(made)) }
      #expect(try scratch.digest(repository + "@latest") == scratch.digest(store))
    }
    #expect(try scratch.archives(repository) == ["memory-20261101T031500Z-6.tar.zst"])
  }

  /// The newest good backup has rotted without its size changing: it counts for nothing, and what
  /// is intact stays.
  @Test func aRottenAnchorIsNoneAtAll() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<5)
    let repository = scratch.file("repo")
    var bytes = try TestFile.read(made[4])
    bytes[bytes.count / 2] ^= 1
    try TestFile.write(bytes, to: made[4])
    let result = try scratch.json(
      exit: 3, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    #expect(result["findings"]?[0]?["path"]?.text?.hasSuffix("20261105T031500Z.tar.zst") == true)
    let left = try scratch.archives(repository)
    #expect(left == ["memory-20261104T031500Z.tar.zst", "memory-20261105T031500Z.tar.zst"])
    // Once all are rotten, nothing is removed at all.
    bytes = try TestFile.read(made[3])
    bytes[bytes.count / 2] ^= 1
    try TestFile.write(bytes, to: made[3])
    _ = try scratch.backUp(
      scratch.file("memory.jsonl"), ["--no-verify"], time: Night.first + 7 * Night.day)
    let refused = try scratch.holdfast(
      exit: 3, "rotate", repository, "--keep-last", "1", with: Night.setting(8))
    #expect(refused.lines.first == "memory: keep 3, remove 0", "\(refused)")
  }

  /// Nothing good, so nothing goes: unverified ones only, and archives without a manifest.
  @Test func nothingGoodNothingRemoved() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    for night in 0..<4 {
      _ = try scratch.backUp(store, ["--no-verify"], time: Night.first + night * Night.day)
    }
    let repository = scratch.file("repo")
    try scratch.tool("rm", repository + "/memory-20261101T031500Z.manifest.json")
    let outcome = try scratch.holdfast(
      exit: 14, "rotate", repository, "--keep-last", "1", with: Night.setting(5))
    #expect(outcome.messages.count == 1 && outcome.message.contains("no verified backup"))
    #expect(try scratch.archives(repository).count == 4)
    try scratch.holdfast(
      exit: 14, "rotate", repository, "--keep-last", "1", "--quiet", with: Night.setting(5))
    // A good one, and all but the unknown and what the lists of their own keep may go.
    _ = try scratch.backUp(store, time: Night.first + 4 * Night.day)
    let told = try scratch.holdfast(
      exit: 3, "rotate", repository, "--keep-last", "1", "-q", with: Night.setting(5))
    #expect(told.messages.count == 1 && told.message.contains("manifest beside it is missing"))
    #expect(
      try scratch.archives(repository) == [1, 4, 5].map { "memory-2026110\($0)T031500Z.tar.zst" })
  }

  /// One that was cut down counts for nothing, and that is told.
  @Test func oneThatWasCutDownIsTold() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<4)
    let repository = scratch.file("repo")
    try scratch.tool("truncate", "-s", "500", made[3])
    for more in [["--dry-run"], []] {
      let told = try scratch.run(
        [Binary.path, "rotate", repository, "--keep-last", "1", "-q"] + more, Night.setting(4))
      #expect(told.status == 3 && told.messages.count == 1 && told.output.isEmpty, "\(told)")
      #expect(told.message.contains("20261104T031500Z.tar.zst: it has 500 bytes"), "\(told)")
    }
    #expect(
      try scratch.archives(repository) == [3, 4].map { "memory-2026110\($0)T031500Z.tar.zst" })
  }

  @Test func aShrunkenStoreStopsRotation() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<4)
    let repository = scratch.file("repo")
    let store = try scratch.graph(7)
    let before = try scratch.bytes(repository)
    let strict = try scratch.holdfast(
      exit: 13, "backup", store, "--to", repository, "--strict", with: Night.setting(4))
    #expect(strict.message.contains("--allow-shrink"))
    #expect(try scratch.bytes(repository) == before)
    #expect(try TestFile.names(repository).filter { $0.hasSuffix(".tmp") } == [])
    try scratch.holdfast(exit: 3, "backup", store, "--to", repository, with: Night.setting(4))
    let words = ["rotate", repository, "--keep-last", "1"]
    let stopped = try scratch.run([Binary.path] + words, Night.setting(5))
    #expect(stopped.status == 14 && stopped.message.contains("7 records"), "\(stopped)")
    #expect(try scratch.archives(repository).count == 5)
    try scratch.holdfast(
      exit: 0, "backup", store, "--to", repository, "--allow-shrink", with: Night.setting(5))
    let freed = try scratch.run([Binary.path] + words, Night.setting(6))
    #expect(freed.status == 0, "\(freed)")
    let kept = try scratch.archives(repository)
    #expect(kept == [5, 6].map { "memory-2026110\($0)T031500Z.tar.zst" })
  }

  /// Days are those of the zone: these two are one day in UTC and two in Auckland.
  @Test func daysOfAnotherZone() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(10)
    let noon = Night.first - 3 * 3600 - 900 + 10 * 3600
    for time in [noon, noon + 3 * 3600, noon + 2 * 86_400] {
      _ = try scratch.backUp(store, time: time)
    }
    let words = ["rotate", scratch.file("repo"), "--keep-daily", "9", "--json", "--dry-run"]
    for (zone, count) in [("UTC", 1), ("Pacific/Auckland", 0), ("+13:00", 0), ("-05:00", 1)] {
      let outcome = try scratch.run(
        [Binary.path] + words + ["--timezone=\(zone)"], Night.setting(9))
      let removed = try JSONValue(parsing: outcome.output)["remove"]?.elements.count
      #expect(removed == count, "\(zone): \(outcome)")
    }
  }

  @Test func tiersInTheList() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    _ = try scratch.backUp(
      scratch.file("memory.jsonl"), ["--no-verify"], time: Night.first + 3 * Night.day)
    let backups = try scratch.json("list", scratch.file("repo"))["backups"]?.elements ?? []
    #expect(
      backups.map { $0["tiers"]?.elements.compactMap(\.text) ?? [] } == [
        ["hourly 2026-11-01T03", "daily 2026-11-01", "weekly 2026-W44"],
        ["hourly 2026-11-02T03", "daily 2026-11-02"],
        [
          "hourly 2026-11-03T03", "daily 2026-11-03", "weekly 2026-W45", "monthly 2026-11",
          "yearly 2026",
        ], [],
      ])
  }

  @Test func jsonKeys() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<3)
    let repository = scratch.file("repo")
    let store = try scratch.graph(10, to: "other.jsonl")
    for night in 0..<2 {
      _ = try scratch.backUp(store, ["--no-verify"], time: Night.first + night * Night.day)
    }
    _ = try scratch.backUp(store, ["--name", "memory"], time: Night.first + 99 * Night.day)
    let cases: [(String, [String], Int32)] = [
      ("rotate", ["rotate", repository, "--keep-last", "1"], 14),
      ("list-trash", ["list", repository, "--trash"], 0),
      ("undelete", ["undelete", repository, "memory-20261101T031500Z"], 0),
      ("purge", ["purge", repository, "--older-than", "0d"], 0),
    ]
    for (name, words, status) in cases {
      let outcome = try scratch.run([Binary.path] + words + ["--json"], Night.setting(5))
      #expect(outcome.status == status, "\(outcome)")
      let shape = try JSONValue(parsing: outcome.output).shape()
      try Golden.compare(shape.joined(separator: "\n") + "\n", with: "json-keys/\(name).txt")
    }
  }
}
