import Testing

/// The store digest depends on the records alone.
@Suite(.scratch) struct DigestTests {
  /// The same intents as an archive, as a pretty snapshot, and shuffled over and over.
  @Test func shapeMakesNoDifference() throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    var intents = SampleRecords.intents(15)
    var edges = SampleRecords.edges(intents)
    try ContentArchive.write(intents, to: "archive/intents", in: scratch)
    try ContentArchive.write(edges, to: "archive/edges", in: scratch)
    let digest = try scratch.digest(scratch.file("archive"))
    for round in 0..<12 {
      let version = round % 2 == 0 ? "1.0" : "1.1"
      let snapshot = SampleRecords.snapshot(intents, edges, version: version)
      let bytes = round == 0 ? Spelling.pretty(snapshot) : Spelling.shuffled(snapshot, &random)
      let path = try scratch.write(bytes, to: "snapshot-\(round).json")
      #expect(try scratch.digest(path) == digest, "seed \(random.seed), round \(round)")
      intents.shuffle(using: &random)
      edges.shuffle(using: &random)
    }
  }

  @Test func linesShuffledAndSpeltAnew() throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    var values = SampleRecords.graph(60)
    let digest = try scratch.digest(
      scratch.write(SampleRecords.lines(values), to: "first.jsonl"))
    for round in 0..<12 {
      values.shuffle(using: &random)
      let lines = values.map { Spelling.shuffled($0, &random) }
      let path = try scratch.write(
        Array(lines.joined(separator: [0x0A])) + [0x0A], to: "round-\(round).jsonl")
      #expect(try scratch.digest(path) == digest, "seed \(random.seed), round \(round)")
    }
  }

  /// One record differs by one character, one escape of another letter, one unit in the last
  /// place, or by being there twice.
  @Test(arguments: [
    (#"{"a":"café"}"#, #"{"a":"cafe"}"#), (#"{"a":"x"}"#, #"{"a":"x "}"#),
    (#"{"a":"x"}"#, #"{"A":"x"}"#), (#"{"a":"\u00e9"}"#, #"{"a":"e\u0301"}"#),
    (#"{"é":1}"#, "{\"e\u{301}\":1}"), (#"{"a":"\r\n"}"#, #"{"a":"\n"}"#),
    (#"{"a":9007199254740993}"#, #"{"a":9007199254740992}"#), (#"{"a":1e400}"#, #"{"a":1e401}"#),
    (#"{"a":0.1}"#, #"{"a":0.10000000000000001}"#), (#"{"a":1}"#, #"{"a":"1"}"#),
    (#"{"a":null}"#, "{}"), (#"{"a":[1,2]}"#, #"{"a":[2,1]}"#),
    (#"{"a":1,"a":2}"#, #"{"a":2,"a":1}"#), (#"{"a":"\ud800"}"#, #"{"a":"\ufffd"}"#),
    (#"{"a":1}"#, "{\"a\":1}\n{\"a\":1}"), (#"{"a":"\u0000"}"#, #"{"a":""}"#),
  ])
  func whatMakesADifference(_ a: String, _ b: String) throws {
    let scratch = try Scratch.here()
    let digests = try [a, b].enumerated().map {
      try scratch.write("{}\n" + $0.element + "\n", to: "\($0.offset).jsonl")
    }.map { try scratch.digest($0) }
    #expect(digests[0] != digests[1])
    try scratch.holdfast(exit: 3, "diff", scratch.file("0.jsonl"), scratch.file("1.jsonl"))
  }

  @Test(arguments: [
    ("1.0", "1"), ("10e-1", "0.1e1"), ("-0", "0"), ("-0.0e9", "0"), ("1E400", "10e399"),
    (#""\u0041\/""#, #""A/""#), (#""\uD83D\uDE00""#, "\"\u{1F600}\""), ("[ 1 ,\t2 ]", "[1,2]"),
    (#"{"b":1,"a":2}"#, #"{ "a" : 2, "b" : 1 }"#),
    ("123456789012345678901234567890", "12345678901234567890123456789.0e1"),
    (#""\u00E9""#, #""\u00e9""#), ("\"\u{7F}\"", #""\u007f""#),
  ])
  func whatMakesNone(_ a: String, _ b: String) throws {
    let scratch = try Scratch.here()
    let digests = try [a, b].enumerated().map {
      try scratch.write($0.element, to: "\($0.offset).json")
    }.map { try scratch.digest($0) }
    #expect(digests[0] == digests[1])
    try scratch.holdfast(exit: 0, "diff", scratch.file("0.json"), scratch.file("1.json"))
  }

  /// SHA-256 over the sorted canonical hashes, worked out here by other means.
  @Test func independentDigest() throws {
    let scratch = try Scratch.here()
    let lines = ["{\"b\":1.0,\"a\":\"é\"}", "[true,null]", "[true,null]"]
    let path = try scratch.write(lines.joined(separator: "\n"), to: "log.jsonl")
    let expected = try scratch.python(
      """
      import hashlib
      forms = [b'{"a":"\\xc3\\xa9","b":1}', b'[true,null]', b'[true,null]']
      hashes = sorted(hashlib.sha256(b'document\\n\\n' + form).digest() for form in forms)
      print(hashlib.sha256(b''.join(hashes)).hexdigest())
      """)
    #expect(try scratch.digest(path) == expected.lines.first)
  }

  @Test func severalStoresAndTheirPaths() throws {
    let scratch = try Scratch.here()
    let a = try scratch.write("{}\n{}\n", to: "a.jsonl")
    let b = try scratch.write("{}\n[]\n{\"x", to: "b.jsonl")
    let outcome = try scratch.holdfast("digest", a, b, a)
    #expect(outcome.status == 3)
    #expect(outcome.lines.map { String($0.dropFirst(66)) } == [a, b, a])
    #expect(outcome.lines.allSatisfy { $0.dropFirst(64).hasPrefix("  ") })
    let missing = try scratch.holdfast("digest", a, scratch.file("none"))
    #expect(missing.status == 10 && missing.lines.count == 1)
  }
}

/// Names that would break a line of `digest`, and output that cannot be written.
@Suite(.scratch) struct AwkwardOutputTests {
  @Test(arguments: ["a\\b.json", "a\nb.json", "a\rb.json", "plain.json"])
  func namesAsInSha256sum(_ name: String) throws {
    let scratch = try Scratch.here()
    let path = try scratch.write("{}", to: name)
    let theirs = try scratch.tool("sha256sum", path).text
    let ours = try scratch.holdfast(exit: 0, "digest", path).text
    let escape = theirs.hasPrefix("\\") ? 1 : 0
    #expect(ours.hasPrefix("\\") == (escape == 1))
    #expect(ours.dropFirst(64 + escape) == theirs.dropFirst(64 + escape))
  }

  @Test func aFullDevice() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch).path
    let archive = try scratch.backUp(store)
    let full = Child.Setting(output: "/dev/full")
    for words in [
      ["show", archive, "--snapshot"], ["show", archive, "--rtfs"], ["show", archive],
      ["inspect", store], ["digest", store], ["list", scratch.file("repo"), "--json"],
      ["verify", archive], ["diff", store, store, "--json"],
    ] {
      let outcome = try scratch.run([Binary.path] + words, full)
      #expect(outcome.status == 15 && outcome.messages.count == 1, "\(outcome)")
      #expect(outcome.message.contains("standard output"), "\(outcome)")
    }
  }

  /// A reader that went away is no failure.
  @Test func aReaderThatWentAway() throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(try SampleStore.graph.make(in: scratch).path)
    let outcome = try scratch.run([
      "bash", "-c", "set -o pipefail; \"$0\" show --snapshot \"$1\" | true", Binary.path, archive,
    ])
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
  }

  /// Findings beyond those that are kept are counted as what they are.
  @Test func moreFindingsThanAreKept() throws {
    let scratch = try Scratch.here()
    let comments = String(repeating: "# x\n", count: 10_050)
    let store = try scratch.write("{\"a\":1}\n{\"b\":2}\n" + comments, to: "log.jsonl")
    let outcome = try scratch.holdfast(exit: 0, "inspect", store)
    #expect(outcome.text.contains("10050 notes"), "\(outcome)")
    #expect(outcome.text.contains("--json lists the first 10,000 of each code"), "\(outcome)")
  }

  @Test func aBackupByItsRepository() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch).path
    let archive = try scratch.backUp(store, time: 1_000_000_000)
    let latest = scratch.file("repo@latest")
    #expect(try scratch.digest(latest) == scratch.digest(archive))
    try scratch.holdfast(exit: 0, "inspect", latest)
    try scratch.holdfast(exit: 0, "diff", store, scratch.file("repo@2001-09-10"))
    try scratch.holdfast(exit: 10, "digest", scratch.file("none@latest"))
  }
}
