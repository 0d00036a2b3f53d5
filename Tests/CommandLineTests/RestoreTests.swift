import Glibc
import Testing

/// What `restore` does to the place it restores to, and what it can be told.
@Suite(.scratchOnDisk) struct RestoreTests {
  @Test func aTargetInUseIsLeftAlone() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(SampleStore.graph.make(in: scratch).path)
    try scratch.write("mine", to: "target/file")
    let before = try scratch.listing(scratch.path, except: [".captured"])
    for words in [[], ["--overwrite", "never"]] {
      let outcome = try scratch.run(
        [Binary.path, "restore", archive, "--to", scratch.file("target")] + words)
      #expect(outcome.status == 1, "\(outcome)")
      #expect(outcome.messages.count == 1)
    }
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
    // A file in the way is as good as a directory with something in it.
    try scratch.write("mine", to: "plain")
    try scratch.holdfast(exit: 1, "restore", archive, "--to", scratch.file("plain"))
    #expect(try TestFile.text(scratch.file("plain")) == "mine")
    // An empty directory is not in the way.
    try scratch.directory("hollow")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file("hollow"))
  }

  @Test func alwaysKeepsAnUndoCopy() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let old = try SampleStore.emptyParts.make(in: scratch, "target")
    try scratch.tool("cp", "-a", old.root, scratch.file("reference"))
    let outcome = try scratch.holdfast(
      exit: 0, "restore", archive, "--to", old.root, "--overwrite", "always")
    let undo = try #require(
      outcome.lines.first { $0.hasPrefix("  undo ") }?.split(separator: " ").last.map(String.init))
    #expect(undo.hasPrefix(scratch.file("target.undo-")))
    try scratch.expectSame(scratch.file("reference"), undo)
    try scratch.expectSame(store.root, old.root, except: store.outside)
    // Once more: another undo copy, and the first is still there.
    let again = try scratch.json(
      "restore", archive, "--to", old.root, "--overwrite", "always")
    let second = try #require(again["undo"]?.text)
    #expect(second != undo)
    try scratch.expectSame(store.root, second, except: store.outside)
    try scratch.expectSame(scratch.file("reference"), undo)
  }

  /// The repository in the directory of the store outlives every restore of the store.
  @Test func inPlaceLeavesTheBackupsWhereTheyAre() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    try scratch.holdfast(exit: 0, "backup", store.root)
    try scratch.write("what was done", to: "store/.recovery/recovery-2026-11-20.log")
    let kept = [".backup", ".recovery"]
    let before = try kept.map { try scratch.listing("\(store.root)/\($0)") }
    try scratch.write("{\"type\":\"note\"}\n", to: "store/charts-later.jsonl")
    let outcome = try scratch.json(
      "restore", store.root, "--to", store.root, "--overwrite", "always", "--name", "store")
    #expect(try kept.map { try scratch.listing("\(store.root)/\($0)") } == before)
    #expect(!TestFile.exists(store.root + "/charts-later.jsonl"))
    let undo = try #require(outcome["undo"]?.text)
    #expect(try TestFile.names(undo).filter(kept.contains).isEmpty)
    #expect(TestFile.exists(undo + "/charts-later.jsonl"))
    let again = try scratch.json(
      "restore", store.root, "--to", store.root, "--overwrite", "if-changed", "--name", "store")
    #expect(again["unchanged"]?.isTrue == true)
    // Nothing but backups there: nothing that would need an undo copy.
    let bare = try scratch.directory("bare")
    try scratch.tool("cp", "-a", store.root + "/.backup", bare + "/.backup")
    let first = try scratch.json("restore", bare, "--to", bare, "--name", "store")
    #expect(first["undo"]?.text == nil)
    #expect(try TestFile.names(bare).contains(".backup"))
    try scratch.expectSame(store.root, bare, except: store.outside + kept)
  }

  /// What someone else keeps beside the backups stays, and so does what is put there at the very
  /// moment at which the stores change places.
  @Test func inPlaceLosesNothingThatLiesBesideTheBackups() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    try scratch.holdfast(exit: 0, "backup", store.root)
    try scratch.tool("ln", "-s", "elsewhere", store.root + "/.backup/latest")
    try scratch.write("{\"type\":\"note\"}\n", to: "store/charts-later.jsonl")
    let restore = try scratch.start([
      "strace", "-f", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
      "inject=renameat2:delay_enter=5000000", Binary.path, "restore", store.root, "--to",
      store.root, "--overwrite", "always", "--name", "store",
    ])
    var undo: String?
    while undo == nil {
      undo = try TestFile.names(scratch.path).first { $0.hasPrefix("store.undo-") }
      usleep(10_000)
    }
    try scratch.write("of another run", to: "store/.backup/other-20261120T031500Z.tar.zst")
    let outcome = try restore.wait()
    #expect(outcome.status == 0, "\(outcome)")
    let link = try scratch.tool("readlink", store.root + "/.backup/latest")
    #expect(link.lines == ["elsewhere"])
    let aside = scratch.file(try #require(undo) + "/.backup")
    #expect(try TestFile.names(aside) == ["other-20261120T031500Z.tar.zst"])
  }

  @Test func theDirectoryItselfIsRestoredToo() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    try scratch.tool("chmod", "700", store.root)
    try scratch.tool("touch", "-d", "2020-01-02T03:04:05.678Z", store.root)
    let archive = try scratch.backUp(store.root)
    let target = scratch.file("target")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target)
    let unpacked = try scratch.directory("unpacked")
    try scratch.tool("tar", "-C", unpacked, "--zstd", "-xpf", archive)
    for path in [target, unpacked + "/store"] {
      let facts = try scratch.tool("stat", "-c", "%a %.9Y", path).lines.first
      #expect(facts == "700 1577934245.678000000", "\(path)")
    }
  }

  /// A backup that was not read back when it was made is read when it is restored.
  @Test func theNewestOfASoundStoreIsTaken() throws {
    let scratch = try Scratch.here()
    let repository = scratch.file("repo")
    for (number, options) in [[], ["--no-verify"]].enumerated() {
      let store = try scratch.write(
        SampleRecords.lines(SampleRecords.graph(10 + number)), to: "memory.jsonl")
      _ = try scratch.backUp(store, options, time: 1_577_880_000 + number)
    }
    try scratch.holdfast(exit: 0, "restore", repository, "--to", scratch.file("target"))
    let restored = try TestFile.read(scratch.file("target/memory.jsonl"))
    #expect(restored == SampleRecords.lines(SampleRecords.graph(11)))
  }

  /// A repository of which no manifest can be read is not one without backups.
  @Test func noManifestThatCanBeRead() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(9, to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    try TestFile.write(Array("{".utf8), to: Scratch.sidecar(of: archive))
    let target = scratch.file("target")
    let outcome = try scratch.holdfast(
      exit: 12, "restore", scratch.file("repo"), "--to", target)
    #expect(outcome.message.contains("no backup that may be relied on"), "\(outcome)")
    #expect(!TestFile.exists(target))
    // Named itself, it is read all the same.
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target)
    #expect(try TestFile.read(target + "/memory.jsonl") == TestFile.read(store))
  }

  /// A damaged backup is what is wrong only where it is old enough to be wanted.
  @Test func beforeADamagedBackup() throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(9, to: "memory.jsonl")
    let archive = try scratch.backUp(store, time: 1_577_880_000)
    try TestFile.write(Array("{".utf8), to: Scratch.sidecar(of: archive))
    let repository = scratch.file("repo")
    func restore(_ time: String, exit status: Int32) throws -> String {
      let target = scratch.fresh("target")
      return try scratch.holdfast(
        exit: status, "restore", "\(repository)@\(time)", "--to", target
      ).message
    }
    #expect(try restore("2019-12-31", exit: 10).contains("no backup as old as that"))
    let message = try restore("2020-01-02", exit: 12)
    #expect(message.contains("no backup as old as that that may be relied on"), "\(message)")
  }

  @Test func ifChanged() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let target = scratch.file("target")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target)
    func restore() throws -> JSONValue {
      try scratch.json("restore", archive, "--to", target, "--overwrite", "if-changed")
    }
    let before = try scratch.listing(scratch.path, except: [".captured"])
    #expect(try restore()["unchanged"]?.isTrue == true)
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
    // One byte, one mode, one time, one more file: each is a change.
    for change in [
      "printf x | dd of=charts.jsonl conv=notrunc bs=1 seek=9 status=none",
      "chmod 700 charts.jsonl",
      "touch -d @5 charts-work.jsonl", "touch more", "rm charts-work.jsonl",
    ] {
      try scratch.tool("bash", "-c", change, in: target)
      let done = try restore()
      #expect(done["unchanged"]?.isTrue == false, "\(change)")
      #expect(done["undo"]?.text != nil, "\(change)")
      try scratch.expectSame(store.root, target, except: store.outside)
    }
  }

  /// Records that are written anew are what is there already, or they are not: of a part of a store,
  /// of another kind of it, and of a database.
  @Test(arguments: [
    ["--select", "entity"], ["--as", "memory-graph"], ["--context", "default"], [],
  ]) func ifChangedAnew(_ words: [String]) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    var source = scratch.file("store.db")
    try scratch.holdfast(exit: 0, "migrate", store.path, "--to", source, "-q")
    if !words.isEmpty { source = try scratch.backUp(store.path) }
    let target = scratch.file("target/here")
    func restore(_ more: String...) throws -> JSONValue {
      let outcome = try scratch.run(
        [Binary.path, "restore", source, "--to", target, "--json", "--overwrite", "if-changed"]
          + words + more)
      #expect([0, 3].contains(outcome.status), "\(outcome)")
      return try JSONValue(parsing: outcome.output)
    }
    #expect(try restore()["unchanged"]?.isTrue == false)
    let before = try scratch.listing(scratch.file("target"))
    let again = try restore()
    #expect(again["unchanged"]?.isTrue == true && again["undo"] == nil)
    #expect(again["restored"]?.elements.isEmpty == false)
    #expect(try scratch.listing(scratch.file("target")) == before)
    if words.first == "--select" {
      let plan = try restore("--dry-run")["plan"]
      #expect(plan?["unchanged"]?.isTrue == true && plan?["undo"] == nil)
    }
    let file = try #require(try TestFile.names(target).first { $0.hasSuffix(".jsonl") })
    try scratch.tool("bash", "-c", "echo >> '\(file)'", in: target)
    let changed = try restore()
    #expect(changed["unchanged"]?.isTrue == false && changed["undo"]?.text != nil)
  }

  @Test func dryRunWritesNothing() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let planned = try scratch.json(
      "backup", store.path, "--to", scratch.file("repo"), "--dry-run")
    #expect(planned["dry_run"]?.isTrue == true)
    #expect(!TestFile.exists(scratch.file("repo")))
    let archive = try scratch.backUp(store.path)
    let before = try scratch.listing(scratch.path, except: [".captured"])
    let plan = try scratch.json("restore", archive, "--to", scratch.file("t"), "--dry-run")
    #expect(plan["plan"]?["files"]?.elements.count == 4)
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
  }

  @Test func latestAndTimes() throws {
    let scratch = try Scratch.here()
    let repository = scratch.file("repo")
    // 2020-01-01, 2020-01-02 and 2020-01-03, at noon.
    let times = [1_577_880_000, 1_577_966_400, 1_578_052_800]
    var archives: [String] = []
    for (number, time) in times.enumerated() {
      let store = try scratch.write(
        SampleRecords.lines(SampleRecords.graph(10 + number)), to: "memory.jsonl")
      archives.append(try scratch.backUp(store, time: time))
    }
    for (reference, index) in [
      ("", 2), ("@latest", 2), ("@2020-01-01", 0), ("@2020-01-02", 1),
      ("@2020-01-02T11:59:59Z", 0), ("@2020-01-02T12:00:00Z", 1), ("@20200102T120000Z", 1),
      ("@2020-01-02T13:00:00+02:00", 0), ("@2030-01-01", 2),
    ] {
      let shown = try scratch.json("show", repository + reference)
      #expect(shown["backup"]?.text == archives[index], "\(reference)")
      let target = scratch.fresh("t")
      try scratch.holdfast(exit: 0, "restore", repository + reference, "--to", target)
      let restored = try TestFile.read(target + "/memory.jsonl")
      #expect(restored == SampleRecords.lines(SampleRecords.graph(10 + index)), "\(reference)")
    }
    try scratch.holdfast(
      exit: 10, "restore", repository + "@2019-12-31", "--to", scratch.file("no"))
    #expect(!TestFile.exists(scratch.file("no")))
  }

  @Test func severalSeries() throws {
    let scratch = try Scratch.here()
    let a = try scratch.write(SampleRecords.lines(SampleRecords.graph(5)), to: "alpha.jsonl")
    let b = try scratch.write(SampleRecords.lines(SampleRecords.graph(6)), to: "beta.jsonl")
    _ = try scratch.backUp(a)
    _ = try scratch.backUp(b)
    _ = try scratch.backUp(b, ["--name", "beta-2"])
    let repository = scratch.file("repo")
    let outcome = try scratch.holdfast(
      exit: 64, "restore", repository, "--to", scratch.file("t"))
    #expect(outcome.message.contains("alpha, beta, beta-2"))
    try scratch.holdfast(
      exit: 0, "restore", repository, "--name", "beta", "--to", scratch.file("t"))
    #expect(try TestFile.names(scratch.file("t")) == ["beta.jsonl"])
    try scratch.holdfast(
      exit: 10, "restore", repository, "--name", "gamma", "--to", scratch.file("u"))
    let listed = try scratch.json("list", repository, "--name", "alpha")
    #expect(listed["backups"]?.elements.map { $0["series"]?.text } == ["alpha"])
    #expect(try scratch.json("list", repository)["backups"]?.elements.count == 3)
  }

  @Test(arguments: [
    (["entity"], 6), (["relation"], 4), (["entity", "relation"], 10), (["entity:node 3 *"], 1),
    (["entity:*caf*"], 1), (["entity:nothing"], 0), (["intent"], 0),
  ])
  func selectFromAGraph(_ select: [String], _ count: Int) throws {
    let scratch = try Scratch.here()
    let records = SampleRecords.graph(10)
    let store = try scratch.write(SampleRecords.lines(records), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let target = scratch.file("t")
    let words = [Binary.path, "restore", archive, "--to", target, "--json"]
    let outcome = try scratch.run(words + select.flatMap { ["--select", $0] })
    guard count > 0 else {
      #expect(outcome.status == 10, "\(outcome)")
      #expect(!TestFile.exists(target))
      return
    }
    #expect(outcome.status == 0, "\(outcome)")
    let restored = try JSONValue(parsing: outcome.output)
    #expect(restored["records"]?.integer == count)
    let lines = try TestFile.read(target + "/memory.jsonl").split(separator: 0x0A).map(Array.init)
    #expect(lines.count == count)
    let all = records.map(Spelling.compact)
    #expect(lines.allSatisfy(all.contains), "a record was altered")
    #expect(try scratch.digest(target + "/memory.jsonl") == restored["digest"]?.text)
  }

  @Test(arguments: [SampleStore.snapshot11, .archivePair])
  func selectIntents(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let target = scratch.file("t")
    let restored = try scratch.json(
      "restore", archive, "--to", target, "--select", "intent:intent-1-*", "--select",
      "intent:intent-4-*")
    #expect(restored["records"]?.integer == 2)
    let path = sample == .snapshot11 ? target + "/graph.json" : target
    let seen = try scratch.json("inspect", path)
    #expect(seen["counts"]?["intent"]?.integer == 2)
    #expect(seen["kind"]?.text == sample.kind)
    #expect(seen["digest"] == restored["digest"])
    let diff = try scratch.json(exit: 3, "diff", path, store.path)
    #expect(diff["removed"]?.elements.isEmpty == true && diff["changed"]?.elements.isEmpty == true)
  }

  /// A backup.json that CCOS wrote itself, in either version.
  @Test(arguments: [SampleStore.snapshot10, .snapshot11])
  func upstreamSnapshots(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let target = scratch.file("t")
    let restored = try scratch.json("restore", store.path, "--to", target)
    try scratch.expectSame(store.root, target)
    #expect(restored["digest"]?.text == (try scratch.digest(store.path)))
    // Unknown fields are kept, missing optional ones are fine.
    let odd = try scratch.write(
      #"{"version":"1.0","future":[1],"edges":[],"intents":{"a":{"intent_id":"a","goal":"g","new":1}}}"#,
      to: "odd/graph.json")
    try scratch.holdfast(exit: 0, "restore", odd, "--to", scratch.file("u"))
    try scratch.expectSame(scratch.file("odd"), scratch.file("u"))
    // A damaged one is no backup to restore from.
    let torn = try scratch.write(
      Array(TestFile.read(store.path).dropLast(50)), to: "torn/graph.json")
    try scratch.holdfast(exit: 12, "restore", torn, "--to", scratch.file("v"))
    #expect(!TestFile.exists(scratch.file("v")))
  }

  /// The hybrid snapshot in our own archive is one that restores by itself too.
  @Test func theHybridAlone() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archivePair.make(in: scratch)
    let unpacked = try scratch.unpack(scratch.backUp(store.path))
    #expect(try scratch.digest(unpacked + "/backup.json") == (try scratch.digest(store.path)))
    try scratch.holdfast(
      exit: 0, "restore", unpacked + "/backup.json", "--to", scratch.file("t"))
  }

  /// A selection that finds nothing among others that do is told, by the word that was given.
  @Test func aSelectionThatFindsNothing() throws {
    let scratch = try Scratch.here()
    func line(_ name: String) -> String {
      "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]}"
    }
    let store = try scratch.write(
      [line("Ada"), line("Bob")].joined(separator: "\n"), to: "m.jsonl")
    let archive = try scratch.backUp(store)
    let words = ["--select", "entity:Ada", "--select", "entity:Eve*", "--select", "entity:A*"]
    for more in [["--dry-run"], []] {
      let outcome = try scratch.run(
        [Binary.path, "restore", archive, "--to", scratch.file("x"), "--json"] + words + more)
      #expect(outcome.status == 3, "\(outcome)")
      #expect(outcome.message.contains("--select entity:Eve*"), "\(outcome)")
      #expect(!outcome.message.contains("entity:A"), "\(outcome)")
      let told = try JSONValue(parsing: outcome.output)
      #expect(told["unmatched"]?.elements.map(\.text) == ["entity:Eve*"])
    }
    #expect(try TestFile.text(scratch.file("x/m.jsonl")) == line("Ada") + "\n")
    let none = try scratch.holdfast(
      exit: 10, "restore", archive, "--to", scratch.file("y"), "--select", "entity:Eve")
    #expect(none.message.contains("entity:Eve") && !TestFile.exists(scratch.file("y")))
  }

  /// Tasks are shown, and selected, by the user's name as it is but for a slash. Ids are numbers or
  /// texts, and one however a number is spelt.
  @Test func tasksOfUsersWithMarksInTheirNames() throws {
    let scratch = try Scratch.here()
    let names = ["~", "a/b", "~1", "~0/", ""]
    let task = "{\"id\":1,\"title\":\"x\",\"completed\":false}"
    func list(_ tasks: String) -> String {
      let users = names.map { "\"\($0)\":{\"username\":\"\($0)\"}" }.joined(separator: ",")
      let lists = names.map { "\"\($0)\":[\(tasks)]" }.joined(separator: ",")
      return "{\"users\":{\(users)},\"tasks_by_user\":{\(lists)}}"
    }
    let store = try scratch.write(list(task), to: "tasks.json")
    let archive = try scratch.backUp(store)
    let all = try scratch.json("show", archive, "--record", "task:*")["records"]?.elements ?? []
    #expect(
      Set(all.map { $0["record"]?.text })
        == ["task:~/1", "task:a~1b/1", "task:~01/1", "task:~00~1/1", "task:/1"])
    for record in all.compactMap({ $0["record"]?.text }) {
      let one = try scratch.json(
        "restore", archive, "--to", scratch.fresh("x"), "--select", record)
      #expect(one["records"]?.integer == 1, "\(record)")
    }
    let twice = try scratch.write(
      list(task + ",{\"id\":1.0,\"title\":\"y\",\"completed\":true}"), to: "twice.json")
    let found = try scratch.json("inspect", twice)["findings"]?.elements ?? []
    #expect(found.filter { $0["code"]?.text == "duplicate-id" }.count == names.count)
    let text = try scratch.write(
      list(task + ",{\"id\":\"1\",\"title\":\"y\",\"completed\":true}"), to: "text.json")
    #expect(try scratch.json("inspect", text)["finding_counts"]?["duplicate-id"] == nil)
  }
}
