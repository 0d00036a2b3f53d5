import Glibc
import Testing

/// What may not be read or written, tried without the rights that root has over permissions.
@Suite(.scratch) struct PermissionTests {
  private func run(_ words: [String], _ night: Int = 9) throws -> Outcome {
    let own = [Binary.path] + words
    guard geteuid() == 0 else { return try Scratch.here().run(own, Night.setting(night)) }
    // The same user without the capabilities to pass over the modes of its files.
    let less = "-dac_override,-dac_read_search"
    return try Scratch.here().run(
      ["setpriv", "--bounding-set", less, "--inh-caps", less] + own, Night.setting(night))
  }

  private func mode(_ mode: UInt32, _ path: String, _ body: () throws -> Void) throws {
    try TestFile.setMode(mode, of: path)
    defer { try? TestFile.setMode(0o755, of: path) }
    try body()
  }

  /// The rights are gone indeed; else nothing below would prove anything.
  @Test func modesCount() throws {
    let scratch = try Scratch.here()
    let file = try scratch.write("{}\n", to: "a.jsonl")
    #expect(try run(["digest", file]).status == 0)
    try mode(0, file) {
      let outcome = try run(["digest", file])
      #expect(outcome.status == 13, "\(outcome)")
    }
  }

  /// A repository that may not be looked into: who reads is refused, who writes cannot write.
  @Test func anUnreadableRepository() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<3)
    let (repository, store) = (scratch.file("repo"), scratch.file("memory.jsonl"))
    let reading = [
      ["list", repository], ["list", repository, "--trash"], ["verify", repository],
      ["verify", made[0]], ["show", made[0]], ["diff", store, made[0]], ["digest", made[0]],
      ["inspect", made[0]], ["restore", repository, "--to", scratch.file("out")],
      ["restore", made[0], "--to", scratch.file("out")],
    ]
    let writing = [
      ["backup", store, "--to", repository], ["rotate", repository, "--keep-last", "1"],
      ["rotate", repository, "--keep-last", "1", "--dry-run"],
      ["purge", repository, "--older-than", "1d"], ["undelete", repository, "memory"],
    ]
    for bits in [0, 0o300] as [UInt32] {
      try mode(bits, repository) {
        for words in reading where bits == 0 || words[1] == repository && words[0] != "verify" {
          let outcome = try run(words)
          #expect(outcome.status == 13 && outcome.messages.count == 1, "\(outcome)")
          #expect(!TestFile.exists(scratch.file("out")))
        }
        for words in writing {
          let outcome = try run(words)
          #expect(outcome.status == 15 && outcome.messages.count == 1, "\(outcome)")
        }
      }
    }
    #expect(try scratch.archives(repository).count == 3)
  }

  /// Reading needs no right to write; what would change something says so, also when it only shows.
  @Test func aReadOnlyRepository() throws {
    let scratch = try Scratch.here()
    let made = try scratch.nights(0..<3)
    let (repository, store) = (scratch.file("repo"), scratch.file("memory.jsonl"))
    let before = try scratch.bytes(repository)
    try mode(0o555, repository) {
      for words in [
        ["list", repository], ["verify", repository], ["show", made[0]],
        ["restore", repository, "--to", scratch.file("out")],
      ] {
        let outcome = try run(words)
        #expect(outcome.status == 0, "\(outcome)")
      }
      for more in [[], ["--dry-run"]] {
        for words in [
          ["rotate", repository, "--keep-last", "1"], ["backup", store, "--to", repository],
        ] where words[0] != "backup" || more == [] {
          let outcome = try run(words + more)
          #expect(outcome.status == 15 && outcome.messages.count == 1, "\(outcome)")
        }
      }
      let fallback = ["--fallback-to", scratch.file("other")]
      let elsewhere = try run(["backup", store, "--to", repository] + fallback)
      #expect(elsewhere.status == 3, "\(elsewhere)")
    }
    #expect(try scratch.bytes(repository) == before)
    #expect(!TestFile.exists(repository + "/.trash"))
    try scratch.holdfast(exit: 0, "verify", scratch.file("other"))
  }

  @Test func aStoreThatMayNotBeRead() throws {
    let scratch = try Scratch.here()
    let (store, repository) = (try scratch.graph(10), scratch.file("repo"))
    try mode(0, store) {
      let outcome = try run(["backup", store, "--to", repository])
      #expect(outcome.status == 13 && outcome.messages.count == 1, "\(outcome)")
    }
    let directory = try SampleStore.contexts.make(in: scratch).path
    try mode(0, directory) {
      let outcome = try run(["backup", directory, "--to", repository])
      #expect(outcome.status == 13 && outcome.messages.count == 1, "\(outcome)")
    }
    #expect(!TestFile.exists(repository))
  }

  /// A part of a store that may not be read is told of, and nothing of it can be mended.
  @Test func aPartThatMayNotBeRead() throws {
    let scratch = try Scratch.here()
    let graph = SampleRecords.lines(SampleRecords.graph(5), last: "\n")
    try scratch.write(graph, to: "store/charts.jsonl")
    let hidden = try scratch.write(graph, to: "store/charts-b.jsonl")
    try mode(0, hidden) {
      let outcome = try run([
        "salvage", scratch.file("store"), "--to", scratch.file("out"), "--json",
      ])
      #expect(outcome.status == 3, "\(outcome)")
      let inputs = try JSONValue(parsing: outcome.output)["inputs"]?.elements ?? []
      let unread = inputs.first { $0["kind"]?.text == "unread" }
      #expect(unread?["path"]?.text?.hasSuffix("charts-b.jsonl") == true, "\(outcome)")
      for _ in 0..<2 {
        #expect(try run(["recover", scratch.file("store"), "--yes"]).status == 13)
        #expect(try TestFile.names(scratch.file("store/.recovery")).allSatisfy { $0 == ".lock" })
      }
    }
  }

  /// A trash that takes nothing: nothing is moved, and both `rotate` and `purge` say it.
  @Test func anUnwritableTrash() throws {
    let scratch = try Scratch.here()
    try scratch.nights(0..<4)
    let repository = scratch.file("repo")
    try scratch.holdfast(exit: 0, "rotate", repository, "--keep-last", "3", with: Night.setting(5))
    let (trash, before) = (repository + "/.trash", try scratch.bytes(repository))
    try mode(0o555, trash) {
      for words in [
        ["rotate", repository, "--keep-last", "1"], ["purge", repository, "--older-than", "1d"],
        ["undelete", repository, "memory-20261101T031500Z"],
      ] where words[0] != "undelete" {
        for more in [[], ["--dry-run"]] {
          let outcome = try run(words + more)
          #expect(outcome.status == 15 && outcome.messages.count == 1, "\(outcome)")
        }
      }
    }
    #expect(try scratch.bytes(repository) == before)
    let moved = try scratch.bytes(trash + "/20261106T031500Z")
    // Its batch is locked too: the archive stays with its manifest, and the log does not count it.
    try mode(0o555, trash + "/20261106T031500Z") {
      let outcome = try run(["purge", repository, "--older-than", "1d"])
      #expect(outcome.status == 15, "\(outcome)")
    }
    #expect(try scratch.bytes(trash + "/20261106T031500Z") == moved)
    try scratch.holdfast(exit: 0, "undelete", repository, "memory-20261101T031500Z")
  }

  /// The night itself: what it cannot do is told by code and by doctor, and costs nothing.
  @Test func nights() throws {
    let scratch = try Scratch.here()
    try scratch.graph(10, to: "a.jsonl")
    try scratch.write(
      "repositories.main = \"repo\"\nretention.last = 1\n[series.a]\nstore = \"a.jsonl\"\n",
      to: "holdfast.toml")
    let config = ["--config", scratch.file("holdfast.toml")]
    for night in 0..<2 { #expect(try run(["run", "-q"] + config, night).status == 0) }
    let repository = scratch.file("repo")
    let before = try scratch.bytes(repository)
    for bits in [0, 0o555] as [UInt32] {
      try mode(bits, repository) {
        for more in [[], ["--dry-run"]] {
          let outcome = try run(["run", "-q"] + config + more, 2)
          #expect(outcome.status == 15 && outcome.messages.count == 1, "\(outcome)")
        }
        let doctor = try run(["doctor", "-q"] + config, 2)
        #expect(doctor.status == 3 && doctor.messages.count == 1, "\(doctor)")
      }
    }
    #expect(try scratch.bytes(repository) == before)
    // Where none can be made, there is more to say than that there is none yet.
    let place = try scratch.directory("place")
    let text = try TestFile.text(scratch.file("holdfast.toml"))
    try scratch.write(text.replacing("repo\"", with: "place/repo\""), to: "other.toml")
    try mode(0o555, place) {
      let outcome = try run(["doctor", "--config", scratch.file("other.toml")], 2)
      #expect(outcome.status == 3 && outcome.message.contains("cannot be made"), "\(outcome)")
    }
    // Tonight's backup is made though nothing can be rotated.
    try mode(0o555, repository + "/.trash") {
      for more in [["--dry-run"], []] {
        let outcome = try run(["run", "-q"] + config + more, 3)
        #expect(outcome.status == 3 && outcome.messages.count == 1, "\(outcome)")
      }
    }
    #expect(try scratch.archives(repository).count == 2)
  }
}
