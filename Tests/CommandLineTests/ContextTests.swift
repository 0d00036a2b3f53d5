import Testing

/// The contexts of a memory graph: listed, looked into one by one, seen as one graph, and found
/// where no store is named.
@Suite(.scratch) struct ContextTests {
  private static func entity(_ name: String, _ more: String = "") -> String {
    "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[\"seen \(name)\"]\(more)}"
  }

  private static let relation =
    "{\"type\":\"relation\",\"from\":\"ada\",\"to\":\"eve\",\"relationType\":\"r\"}"

  /// A project with a directory of contexts.
  private func project(_ scratch: Scratch) throws -> String {
    try scratch.write(Self.entity("ada") + "\n" + Self.relation, to: "p/.coaia/charts.jsonl")
    try scratch.write(
      Self.entity("eve") + "\n{\"type\":\"beat\"}\n", to: "p/.coaia/charts-wörk.jsonl")
    try scratch.write(Self.entity("old"), to: "p/.coaia/completed-charts.jsonl")
    try scratch.write("kept", to: "p/.coaia/notes.txt")
    try scratch.directory("p/a/b")
    return scratch.file("p/.coaia")
  }

  @Test func listed() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    try scratch.tool("touch", "-d", "2026-05-20T03:15:00Z", store + "/charts-wörk.jsonl")
    let list = try scratch.json("contexts", store)["contexts"]?.elements ?? []
    #expect(list.map { $0["context"]?.text } == ["default", "completed-charts", "wörk"])
    #expect(list.map { $0["records"]?.integer } == [2, 1, 2])
    #expect(list[0]["counts"]?["entity"]?.integer == 1)
    #expect(list[0]["counts"]?["relation"]?.integer == 1)
    #expect(list[2]["counts"]?["document"]?.integer == 1)
    #expect(list[2]["changed"]?.text == "2026-05-20T03:15:00Z")
    #expect(list[2]["path"]?.text == store + "/charts-wörk.jsonl")
    for context in list {
      let size = try scratch.tool("stat", "-c", "%s", context["path"]?.text ?? "").text
      #expect(context["bytes"]?.integer == Int(size.dropLast()))
    }
    let table = try scratch.holdfast(exit: 0, "contexts", store)
    #expect(table.lines.count == 4 && table.lines[0].hasPrefix("CONTEXT"))
    // A backup has the same; so has a graph of one file by what its records say.
    let archive = try scratch.backUp(store)
    #expect(try scratch.json("contexts", archive)["contexts"]?.elements.count == 3)
    let file = try scratch.write(
      [
        Self.entity("ada"), Self.relation,
        Self.entity("eve", ",\"metadata\":{\"context\":\"w\",\"updatedAt\":\"2026-01-02\"}"),
        "{\"type\":\"relation\",\"from\":\"eve\",\"to\":\"ada\",\"relationType\":\"r\"}",
      ].joined(separator: "\n"), to: "memory.jsonl")
    let parts = try scratch.json("contexts", file)["contexts"]?.elements ?? []
    #expect(parts.map { $0["context"]?.text } == ["default", "w"])
    #expect(parts.map { $0["records"]?.integer } == [1, 3])
    #expect(parts[1]["changed"]?.text == "2026-01-02T00:00:00Z")
    // Only graphs have contexts; damage is told.
    let tasks = try SampleStore.tasks.make(in: scratch, "t").path
    try scratch.holdfast(exit: 13, "contexts", tasks)
    try scratch.write("{\"type\":\"entity\"", to: "p/.coaia/charts-torn.jsonl")
    let torn = try scratch.holdfast(exit: 3, "contexts", store)
    #expect(torn.message.contains("charts-torn.jsonl:1"))
  }

  /// Every verb that takes a memory graph takes one of its contexts, from whatever holds the graph.
  @Test func oneContext() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let part = store + "/charts-wörk.jsonl"
    let digest = try scratch.digest(part)
    let archive = try scratch.backUp(store)
    try scratch.holdfast(exit: 0, "migrate", store, "--to", scratch.file("db"), "--quiet")
    for source in [store, archive, scratch.file("db")] {
      func words(_ words: String...) throws -> Outcome {
        let outcome = try scratch.run([Binary.path] + words + ["--context", "wörk"])
        #expect(outcome.status == 0, "\(outcome)")
        return outcome
      }
      #expect(try words("digest", source).text.prefix(64) == digest)
      #expect(try words("inspect", source).text.contains("records   2 "))
      #expect(try words("diff", source, store, "--stat").text.contains("0 added"))
      #expect(try words("search", source, "seen").lines.count == 2)
      let target = scratch.fresh("x")
      _ = try words("export", source, "--to", target, "--as", "memory-graph")
      #expect(try scratch.digest(target) == digest)
      let folder = scratch.fresh("x")
      _ = try words("export", source, "--to", folder, "--as", "contexts")
      #expect(try scratch.digest(folder) == digest)
      let merged = scratch.fresh("x")
      _ = try words("merge", source, store, "--to", merged)
      #expect(try scratch.digest(merged) == digest)
      let outcome = try scratch.holdfast(exit: 10, "digest", source, "--context", "none")
      #expect(outcome.message.contains("no context called none"), "\(outcome)")
    }
    for source in [store, archive] {
      let db = scratch.fresh("db")
      try scratch.holdfast(
        exit: 0, "migrate", source, "--to", db, "--context", "wörk", "--quiet")
      #expect(try scratch.digest(db) == digest)
      let state = scratch.fresh("state")
      try scratch.holdfast(
        exit: 0, "replay", source, "--to", state, "--context", "wörk", "--quiet")
      #expect(try scratch.digest(state) == digest)
    }
    try scratch.holdfast(exit: 0, "verify", store, "--context", "wörk")
    // What a restore gives back of it is the file, byte for byte, with its times.
    let target = scratch.file("target")
    let told = try scratch.json("restore", archive, "--to", target, "--context", "wörk")
    #expect(told["digest"]?.text == digest && told["records"]?.integer == 2)
    #expect(try TestFile.names(target) == ["charts-wörk.jsonl"])
    try scratch.tool("cmp", part, target + "/charts-wörk.jsonl")
    let times = try scratch.tool("stat", "-c", "%y %a", part, target + "/charts-wörk.jsonl")
    #expect(Set(times.lines).count == 1)
    // Of a graph of one file, the records that name it.
    let file = try scratch.write(
      [Self.entity("a"), Self.entity("b", ",\"metadata\":{\"context\":\"w\"}")]
        .joined(separator: "\n"), to: "memory.jsonl")
    let one = try scratch.backUp(file, to: scratch.file("one"))
    try scratch.holdfast(exit: 0, "restore", one, "--to", scratch.file("o"), "--context", "w", "-q")
    #expect(
      try TestFile.text(scratch.file("o/memory.jsonl"))
        == Self.entity("b", ",\"metadata\":{\"context\":\"w\"}") + "\n")
    #expect(try scratch.json("inspect", file, "--context", "default")["records"]?.integer == 1)
    try scratch.holdfast(exit: 10, "inspect", file, "--context", "none")
    let tasks = try SampleStore.tasks.make(in: scratch, "t").path
    try scratch.holdfast(exit: 13, "inspect", tasks, "--context", "w")
  }

  /// A context is salvaged and recovered by itself: the damage of others is left as it is.
  @Test func oneDamagedContext() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let archive = try scratch.backUp(store)
    let digest = try scratch.digest(store + "/charts-wörk.jsonl")
    for name in ["charts-wörk.jsonl", "completed-charts.jsonl"] {
      let bytes = try TestFile.read(store + "/" + name)
      try TestFile.write(Array(bytes.dropLast(30)), to: store + "/" + name)
    }
    let told = try scratch.json(
      exit: 3, "salvage", store, "--to", scratch.file("out"), "--context", "wörk")
    #expect(told["inputs"]?.elements.map { $0["path"]?.text } == [store + "/charts-wörk.jsonl"])
    #expect(try TestFile.names(scratch.file("out/recovered")) == ["charts-wörk.jsonl"])
    try scratch.holdfast(
      exit: 0, "salvage", store, "--to", scratch.file("sound"), "--context", "default", "-q")
    let missing = try scratch.holdfast(
      exit: 10, "salvage", store, "--to", scratch.file("none"), "--context", "none")
    #expect(missing.message.contains("no context called none") && !TestFile.exists("none"))
    // Nothing is wrong with this one, and the others are not asked for.
    #expect(
      try scratch.json("recover", store, "--context", "default", "--yes")["sound"]?.isTrue == true)
    let plan = try scratch.json(
      exit: 3, "recover", store, "--context", "wörk", "--with", archive)
    #expect(plan["filled"]?.integer == 2)
    let done = try scratch.json(
      exit: 3, "recover", store, "--context", "wörk", "--with", archive, "--yes")
    #expect(done["replaced"]?.elements.map(\.text) == [store + "/charts-wörk.jsonl"])
    #expect(try scratch.digest(store + "/charts-wörk.jsonl") == digest)
    let left = try scratch.json(exit: 3, "inspect", store)["findings"]?.elements ?? []
    #expect(
      left.filter { $0["severity"]?.text == "error" }.map { $0["path"]?.text }
        == [store + "/completed-charts.jsonl"])
    try scratch.holdfast(exit: 10, "recover", store, "--context", "none")
  }

  /// What is recovered of contexts that were not asked for is kept apart.
  @Test func contextsInOneFile() throws {
    let scratch = try Scratch.here()
    func named(_ context: String) -> String { ",\"metadata\":{\"context\":\"\(context)\"}" }
    let lines = [
      Self.entity("ada"), Self.entity("eve", named("w")), Self.relation,
      Self.entity("bob", named("w")), Self.entity("dan", named("x")),
    ]
    let store = try scratch.write(lines.joined(separator: "\n") + "\n", to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let broken = lines.map { $0 == lines[3] ? String($0.prefix(50)) : $0 }
    let torn = try scratch.write(broken.joined(separator: "\n") + "\n", to: "t/memory.jsonl")
    func salvage(_ exit: Int32, _ source: String, _ words: String...) throws -> String {
      let target = scratch.fresh("out")
      let outcome = try scratch.run(
        [Binary.path, "salvage", source, "--to", target, "--context", "w", "--json"] + words)
      #expect(outcome.status == exit, "\(outcome)")
      let told = try JSONValue(parsing: outcome.output)
      #expect(told["other_contexts"]?.integer == 2, "\(outcome)")
      #expect(
        try TestFile.text(target + "/other-contexts/memory.jsonl")
          == "\(lines[0])\n\(lines[4])\n", "\(outcome)")
      return try TestFile.text(target + "/recovered/memory.jsonl")
    }
    #expect(try salvage(3, torn) == "\(lines[1])\n\(lines[2])\n")
    let all = "\(lines[1])\n\(lines[2])\n\(lines[3])\n"
    #expect(try salvage(3, torn, "--with", archive) == all)
    #expect(try salvage(0, archive) == all)
    #expect(try salvage(0, store) == all)
    try scratch.holdfast(
      exit: 10, "salvage", torn, "--to", scratch.file("none"), "--context", "none")
    #expect(!TestFile.exists(scratch.file("none")))
    // They share the file, and it is recovered as a whole.
    try scratch.holdfast(
      exit: 3, "recover", torn, "--with", archive, "--context", "w", "--yes", "-q")
    #expect(try scratch.digest(torn) == scratch.digest(store))
    try scratch.holdfast(exit: 10, "recover", torn, "--context", "none")
    // Other stores have none.
    for sample in [SampleStore.tasks, .archivePair, .snapshot11] {
      let other = try sample.make(in: scratch, "\(sample)").path
      for words in [["salvage", other, "--to", scratch.fresh("out")], ["recover", other]] {
        let outcome = try scratch.run([Binary.path] + words + ["--context", "w"])
        #expect(
          outcome.status == 13 && outcome.message.contains("only memory graphs")
            || outcome.message.contains("only those"), "\(outcome)")
      }
    }
  }

  /// Of a damaged backup of contexts, those that were not asked for are kept apart.
  @Test func oneContextSalvagedFromABackup() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let archive = try scratch.backUp(store, to: scratch.file("repo"), ["--compression", "none"])
    let bytes = try TestFile.read(archive)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: "seen ada".utf8) })
    let torn = try scratch.write(bytes[..<place] + [0] + bytes[(place + 1)...], to: "torn.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out, "--context", "wörk")
    #expect(told["other_contexts"]?.integer == 3 && told["counts"]?["entity"]?.integer == 1)
    #expect(try TestFile.names(out + "/recovered") == ["charts-wörk.jsonl"])
    let others = ["charts.jsonl", "completed-charts.jsonl", "notes.txt"]
    #expect(try TestFile.names(out + "/other-contexts") == others)
    for name in others {
      try scratch.tool("cmp", "\(store)/\(name)", "\(out)/other-contexts/\(name)")
    }
    let none = ["--to", scratch.file("none"), "--context", "none"]
    let missing = try scratch.run([Binary.path, "salvage", torn] + none)
    #expect(missing.status == 10 && missing.message.contains("no context called none"))
    let garbage = try scratch.write("garbage", to: "garbage.tar")
    let nothing = try scratch.run([Binary.path, "salvage", garbage] + none)
    #expect(nothing.status == 10 && nothing.message.contains("was recovered"), "\(nothing)")
    #expect(!TestFile.exists(scratch.file("none")))
  }

  /// A backup of a graph of one file whose manifest is lost still has its contexts.
  @Test func oneContextWithoutTheManifest() throws {
    let scratch = try Scratch.here()
    let lines = [Self.entity("ada"), Self.entity("eve", ",\"metadata\":{\"context\":\"w\"}")]
    let file = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(file, to: scratch.file("repo"), ["--compression", "none"])
    let bytes = try TestFile.read(archive)
    // The first member, header and all.
    let torn = try scratch.write(
      [UInt8](repeating: 0, count: 1536) + bytes[1536...], to: "torn.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out, "--context", "w")
    #expect(told["other_contexts"]?.integer == 1)
    #expect(try TestFile.text(out + "/recovered/memory.jsonl") == lines[1] + "\n")
    #expect(try TestFile.text(out + "/other-contexts/memory.jsonl") == lines[0] + "\n")
    let none = scratch.file("none")
    try scratch.holdfast(exit: 10, "salvage", torn, "--to", none, "--context", "none")
    #expect(!TestFile.exists(none))
  }

  /// Of a backup, what the context has is proved, and no more.
  @Test func oneContextOfABackup() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let digest = try scratch.digest(store + "/charts-wörk.jsonl")
    let archive = try scratch.backUp(store, to: scratch.file("repo"), ["--compression", "none"])
    func verify(_ exit: Int32, _ words: String...) throws -> JSONValue {
      let outcome = try scratch.run(
        [Binary.path, "verify", archive, "--json", "--context"] + words)
      #expect(outcome.status == exit, "\(outcome)")
      return try JSONValue(parsing: outcome.output)
    }
    #expect(try verify(0, "wörk")["targets"]?[0]?["digest"]?.text == digest)
    #expect(try verify(10, "none")["error"]?["message"]?.text?.contains("none") == true)
    #expect(try verify(0, "wörk", "--context", "default")["ok"]?.isTrue == true)
    try scratch.holdfast(exit: 64, "verify", archive, "--context", "wörk", "--quick")
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"), "--context", "wörk")
    // One byte of a record in its file, in the JSON and in the RTFS, in this order.
    let bytes = try TestFile.read(archive)
    func places(_ word: String) -> [Int] {
      let word = Array(word.utf8)
      return bytes.indices.filter { bytes[$0...].starts(with: word) }
    }
    for (word, own, other) in [("seen eve", "wörk", "default"), ("seen ada", "default", "wörk")] {
      #expect(places(word).count == 3)
      for place in places(word) {
        var damaged = bytes
        damaged[place] = 0x53
        try TestFile.write(damaged, to: archive)
        try scratch.holdfast(exit: 12, "verify", archive)
        let told = try verify(12, own)
        let findings = told["targets"]?[0]?["findings"]?.elements ?? []
        #expect(findings.contains { $0["severity"]?.text == "error" }, "\(told)")
        #expect(try verify(0, other)["ok"]?.isTrue == true)
      }
    }
  }

  /// Without `--context` all of them are one graph: a relation may end in another one.
  @Test func oneGraph() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let whole = try scratch.json("inspect", store)
    #expect(whole["finding_counts"]?["dangling-end"] == nil)
    try oneGraph(store, "default", scratch)
    let hits = try scratch.json("search", store, "seen")["hits"]?.elements ?? []
    #expect(hits.count == 3)
    try scratch.holdfast(exit: 0, "migrate", store, "--to", scratch.file("db"), "--quiet")
    let query = try scratch.holdfast(exit: 0, "query", scratch.file("db"), "SELECT * FROM dangling")
    #expect(query.lines.count == 2, "\(query)")
    // So it is where only some of its contexts are asked about, whatever holds it.
    let chart = ",\"metadata\":{\"context\":\"w\",\"chartId\":\"c\"}"
    let lines = [
      Self.entity("ada"), Self.relation, Self.entity("eve", chart),
      "{\"type\":\"entity\",\"name\":\"c\",\"entityType\":\"structural_tension_chart\","
        + "\"observations\":[],\"metadata\":{\"chartId\":\"c\"}}",
    ]
    let file = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    try scratch.holdfast(exit: 0, "migrate", file, "--to", scratch.file("one.db"), "--quiet")
    for source in [scratch.file("db"), try scratch.backUp(store)] {
      try oneGraph(source, "default", scratch)
    }
    for source in [file, scratch.file("one.db"), try scratch.backUp(file)] {
      for context in ["default", "w"] { try oneGraph(source, context, scratch) }
    }
  }

  /// A backup of some contexts knows that it is a part: what it names and does not hold is a note.
  /// In the series of the whole store it must not stand for that, however many records it has.
  @Test(arguments: [true, false]) func aPartByItself(_ isDirectory: Bool) throws {
    let scratch = try Scratch.here()
    let named = ",\"metadata\":{\"context\":\"w\"}"
    let relation = "{\"type\":\"relation\",\"from\":\"eve\",\"to\":\"ada\",\"relationType\":\"r\"}"
    let part = [Self.entity("eve", named), Self.entity("e", named), Self.entity("v", named)]
    let lines = part + [Self.entity("w", named), Self.entity("x", named), relation]
    let store = scratch.file(isDirectory ? "store" : "store.jsonl")
    if isDirectory {
      try scratch.write(Self.entity("ada"), to: "store/charts.jsonl")
      try scratch.write(lines.joined(separator: "\n"), to: "store/charts-w.jsonl")
    } else {
      try scratch.write(
        ([Self.entity("ada")] + lines).joined(separator: "\n"), to: "store.jsonl")
    }
    let repository = scratch.file("repo")
    func backUp(_ exit: Int32, _ words: String...) throws -> JSONValue {
      let outcome = try scratch.run(
        [Binary.path, "backup", store, "--to", repository, "--json"] + words)
      #expect(outcome.status == exit, "\(outcome)")
      return try JSONValue(parsing: outcome.output)
    }
    let told = try backUp(0, "--context", "w", "--name", "part")
    #expect(told["findings"]?.elements.isEmpty == true)
    #expect(told["manifest"]?["only_contexts"]?.elements.map(\.text) == ["w"])
    let archive = try #require(told["backup"]?.text)
    for verb in [["inspect", archive], ["migrate", archive, "--to", scratch.file("db")]] {
      let outcome = try scratch.run([Binary.path] + verb + ["--json"])
      #expect(outcome.status == 0, "\(outcome)")
      let findings = try JSONValue(parsing: outcome.output)["findings"]
      #expect(findings?.elements.map { $0["severity"]?.text } == ["note"], "\(outcome)")
    }
    let copy = try scratch.json("backup", archive, "--to", scratch.file("copies"))
    #expect(copy["manifest"]?["only_contexts"]?.elements.map(\.text) == ["w"])
    // The same contexts again, then the whole, then a part of that.
    #expect(try backUp(0, "--context", "w", "--name", "part")["state"]?.text == "verified")
    #expect(try backUp(0, "--name", "part")["manifest"]?["only_contexts"] == nil)
    let suspect = try backUp(3, "--context", "w", "--name", "part")
    let reason = suspect["manifest"]?["suspicions"]?[0]?.text ?? ""
    #expect(reason.contains("only w was asked for"), "\(reason)")
    _ = try backUp(13, "--context", "w", "--name", "part", "--strict")
    _ = try backUp(0, "--context", "w", "--name", "part", "--allow-shrink")
  }

  /// What a context names and another one has is there; what none of them has is not.
  private func oneGraph(_ store: String, _ context: String, _ scratch: Scratch) throws {
    let told = try scratch.json("inspect", store, "--context", context)
    #expect(told["findings"]?.elements.isEmpty == true, "\(told)")
    let verified = try scratch.json("verify", store, "--context", context)
    #expect(verified["targets"]?[0]?["findings"]?.elements.isEmpty == true, "\(verified)")
  }

  /// A context that shares its file, or lies in a database, is backed up and migrated as a file of
  /// its own.
  @Test(arguments: ["file", "backup", "database"]) func withoutFilesOfItsOwn(_ holder: String)
    throws
  {
    let scratch = try Scratch.here()
    let named = ",\"metadata\":{\"context\":\"w\"}"
    let back = "{\"type\":\"relation\",\"from\":\"eve\",\"to\":\"ada\",\"relationType\":\"r\"}"
    let lines = [Self.entity("ada"), Self.relation, Self.entity("eve", named), back]
    let file = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    var source = file
    if holder == "backup" { source = try scratch.backUp(file) }
    if holder == "database" {
      source = scratch.file("memory.db")
      try scratch.holdfast(exit: 0, "migrate", file, "--to", source, "--quiet")
    }
    let words = ["--context", "w", "--name", "part"]
    let told = try scratch.run(
      [Binary.path, "backup", source, "--to", scratch.file("parts"), "--json"] + words)
    #expect(told.status == 0, "\(told)")
    let result = try JSONValue(parsing: told.output)
    #expect(result["findings"]?.elements.isEmpty == true, "\(told)")
    let archive = try #require(result["backup"]?.text)
    try scratch.holdfast(exit: 0, "verify", archive)
    let target = scratch.file("target")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", target, "--quiet")
    let text = lines[1...].map { $0 + "\n" }.joined()
    #expect(try TestFile.text(target + "/memory.jsonl") == text)
    #expect(try scratch.digest(archive) == scratch.digest(target + "/memory.jsonl"))
    let again = try scratch.run(
      [Binary.path, "backup", source, "--to", scratch.file("parts"), "--skip-unchanged"] + words)
    #expect(again.status == 0 && again.text.hasPrefix("unchanged since"), "\(again)")
    let db = scratch.file("part.db")
    try scratch.holdfast(exit: 0, "migrate", source, "--to", db, "--context", "w", "--quiet")
    try scratch.holdfast(exit: 0, "export", db, "--to", scratch.file("out"), "--quiet")
    #expect(try TestFile.text(scratch.file("out")) == text)
    for verb in ["backup", "migrate"] {
      let to = scratch.fresh("none")
      let none = try scratch.holdfast(exit: 10, verb, source, "--to", to, "--context", "none")
      #expect(none.message.contains("no context called none"), "\(none)")
      #expect(!TestFile.exists(to))
    }
  }

  /// What cannot be read of a shared file may have been of the context: its backup is suspect.
  @Test func aSharedFileThatIsDamaged() throws {
    let scratch = try Scratch.here()
    let lines = [Self.entity("ada"), "{\"type\":\"ent", Self.entity("bob")]
    let file = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    let told = try scratch.json(
      exit: 3, "backup", file, "--to", scratch.file("repo"), "--context", "default")
    #expect(told["state"]?.text == "suspect")
    #expect(told["findings"]?[0]?["path"]?.text == file)
    #expect(told["findings"]?[0]?["line"]?.integer == 2)
    let to = scratch.file("db")
    try scratch.holdfast(exit: 13, "migrate", file, "--to", to, "--context", "default")
    try scratch.holdfast(
      exit: 3, "migrate", file, "--to", to, "--context", "default", "--skip-damaged")
    #expect(try scratch.json("inspect", to)["records"]?.integer == 2)
  }

  /// Where no store is named: the configured path, then the project's directory, then the default
  /// file.
  @Test func routing() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    let file = try scratch.write(Self.entity("conf"), to: "conf/graph.jsonl")
    func digest(_ directory: String, _ environment: [String: String] = [:]) throws -> Outcome {
      let setting = Child.Setting(environment: environment, directory: scratch.file(directory))
      return try scratch.holdfast("digest", with: setting)
    }
    let own = try scratch.digest(store)
    #expect(try digest("p").text.hasPrefix(own))
    #expect(try digest("p/a/b").text.hasPrefix(own))
    for name in ["COAIA_MEMORY_PATH", "MEMORY_FILE_PATH"] {
      #expect(try digest("p/a", [name: file]).text.hasPrefix(scratch.digest(file)))
    }
    #expect(
      try digest("p", ["COAIA_MEMORY_PATH": store, "MEMORY_FILE_PATH": file]).text.hasPrefix(own))
    #expect(try digest("p", ["COAIA_MEMORY_PATH": "/none"]).status == 10)
    try scratch.directory("plain")
    let nothing = try digest("plain")
    #expect(nothing.status == 10 && nothing.message.contains("COAIA_MEMORY_PATH"), "\(nothing)")
    let old = try scratch.write(Self.entity("older"), to: "plain/memory.json")
    #expect(try digest("plain").text.hasPrefix(scratch.digest(old)))
    let newer = try scratch.write(Self.entity("newer"), to: "plain/memory.jsonl")
    #expect(try digest("plain").text.hasPrefix(scratch.digest(newer)))
    // The other verbs that can do without a name go the same way.
    let setting = Child.Setting(directory: scratch.file("p/a"))
    let backup = try scratch.json("backup", with: setting)["backup"]?.text ?? ""
    #expect(backup.hasPrefix(store + "/.backup/coaia-"), "\(backup)")
    for words in [
      ["inspect"], ["verify"], ["contexts"], ["inspect", "--context", "wörk"],
      ["export", "--as", "memory-graph", "--to", scratch.file("x")],
      ["search", "eve"], ["recover"], ["salvage", "--to", scratch.file("salvaged")],
      ["migrate", "--to", scratch.file("db")],
      ["replay", "--context", "default", "--to", scratch.file("state")],
      ["move", "--select", "entity:eve", "--into", "default"],
    ] {
      let outcome = try scratch.run([Binary.path] + words, setting)
      // One file does not tell of these contexts any more.
      #expect(outcome.status == (words[0] == "export" ? 3 : 0), "\(outcome)")
    }
    #expect(try TestFile.text(store + "/charts.jsonl").contains("seen eve"))
  }

  /// A context without a record is there, and is backed up where that is asked for.
  @Test func anEmptyContext() throws {
    let scratch = try Scratch.here()
    let store = try project(scratch)
    try scratch.write("", to: "p/.coaia/charts-none.jsonl")
    let words = ["--to", scratch.file("repo"), "--context", "none"]
    let refused = try scratch.run([Binary.path, "backup", store] + words)
    #expect(refused.status == 13 && refused.message.contains("--allow-empty"), "\(refused)")
    let saved = try scratch.run([Binary.path, "backup", store, "--allow-empty"] + words)
    #expect(saved.status == 3, "\(saved)")
    try scratch.holdfast(exit: 10, "backup", store, "--context", "nowhere")
  }
}
