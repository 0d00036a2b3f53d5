import Testing

/// `salvage` of backups that another program has compressed as one stream, which one checksum at
/// its end covers: what is wrong in its middle makes text that looks like records, and is not.
@Suite(.scratch) struct SalvageRecompressedTests {
  private struct Subject {
    let scratch: Scratch
    let lines: Set<[UInt8]>
    let packed: [UInt8]
    let ending: String

    /// - Parameter members: of the archive that are kept; all where empty.
    init(_ scratch: Scratch, _ ending: String, count: Int, only members: [String] = []) throws {
      self.scratch = scratch
      self.ending = ending
      let text = SampleRecords.lines(SampleRecords.graph(count), last: "\n")
      lines = Set(try Self.lines(text))
      let store = try scratch.write(text, to: "memory.jsonl")
      var tar = try scratch.backUp(store, ["--compression", "none"])
      if !members.isEmpty {
        let place = scratch.fresh("unpacked")
        try scratch.tool("mkdir", place)
        try scratch.tool("tar", "-xf", tar, "-C", place)
        tar = scratch.file("some.tar")
        let words = ["tar", "-cf", tar, "-C", place] + members
        #expect(try scratch.run(words).status == 0)
      }
      let path = scratch.file("packed")
      let pack = ending == "tar.gz" ? "gzip -9 -n -c" : "zstd -q -19 --check -c"
      try scratch.tool("sh", "-c", "\(pack) <'\(tar)' >'\(path)'")
      packed = try TestFile.read(path)
    }

    /// The records of a file with their keys in order: the RTFS text has them so.
    private static func lines(_ text: [UInt8]) throws -> [[UInt8]] {
      func sorted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements): .array(elements.map(sorted))
        case .object(let members):
          .object(
            members.map { JSONValue.Member(units: $0.key, sorted($0.value)) }
              .sorted { $0.key.lexicographicallyPrecedes($1.key) })
        default: value
        }
      }
      return try text.split(separator: 0x0A).map {
        Spelling.compact(sorted(try JSONValue(parsing: Array($0))))
      }
    }

    struct Result {
      var recovered: [[UInt8]]
      var unproven: [[UInt8]]
      var hasUnproven: Bool
      var outcome: Outcome
    }

    func salvage(_ bytes: [UInt8]) throws -> Result {
      let broken = try scratch.write(
        bytes, to: "\(scratch.fresh("alone").split(separator: "/").last ?? "x")/memory.\(ending)")
      let out = scratch.fresh("out")
      let outcome = try scratch.holdfast("salvage", broken, "--to", out)
      func lines(_ part: String) throws -> [[UInt8]] {
        let file = "\(out)/\(part)/memory.jsonl"
        guard TestFile.exists(file) else { return [] }
        return try Self.lines(TestFile.read(file))
      }
      return Result(
        recovered: try lines("recovered"), unproven: try lines("unproven"),
        hasUnproven: TestFile.exists("\(out)/unproven"), outcome: outcome)
    }
  }

  /// Wherever it is damaged, and whether it says so or not: no record that was never written.
  @Test(arguments: ["tar.gz", "tar.zst"], [[], ["store/memory.jsonl"]])
  func inventsNothing(_ ending: String, _ members: [String]) throws {
    let subject = try Subject(try Scratch.here(), ending, count: 200, only: members)
    var random = SeededRandom()
    for round in 0..<8 {
      var bytes = subject.packed
      for _ in 0..<1 + round % 2 {
        let at = Int.random(in: 20..<bytes.count, using: &random)
        bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
      let result = try subject.salvage(bytes)
      let story = "HOLDFAST_SEED=\(random.seed) round \(round)"
      #expect([0, 3].contains(result.outcome.status), "\(story) \(result.outcome)")
      let invented = result.recovered.filter { !subject.lines.contains($0) }
      #expect(
        invented.isEmpty,
        "\(story) \(invented.count) \(String(decoding: invented.first ?? [], as: UTF8.self))")
      #expect(Set(result.recovered).count == result.recovered.count, "\(story)")
    }
  }

  /// Where the checksum alone is wrong, the manifest still proves all of it; without a manifest
  /// nothing does, and everything is kept apart.
  @Test(arguments: ["tar.gz", "tar.zst"])
  func theChecksumItself(_ ending: String) throws {
    for members in [[], ["store/memory.jsonl"]] {
      let subject = try Subject(try Scratch.here(), ending, count: 60, only: members)
      var bytes = subject.packed
      let last = ending == "tar.gz" ? bytes.count - 8 : bytes.count - 1
      bytes[last] ^= 1
      let result = try subject.salvage(bytes)
      #expect(result.outcome.status == 3, "\(result.outcome)")
      let proven = members.isEmpty
      #expect(Set(result.recovered) == (proven ? subject.lines : []), "\(result.outcome)")
      #expect(Set(result.unproven) == (proven ? [] : subject.lines))
      #expect(result.hasUnproven == !proven)
      #expect(result.outcome.text.contains("unproven/") == !proven, "\(result.outcome)")
    }
  }

  /// What only ends too soon is believed as far as it goes.
  @Test(arguments: ["tar.gz", "tar.zst"], [[], ["store/memory.jsonl"]])
  func cutOff(_ ending: String, _ members: [String]) throws {
    let subject = try Subject(try Scratch.here(), ending, count: 900, only: members)
    let result = try subject.salvage(Array(subject.packed.prefix(subject.packed.count * 7 / 10)))
    #expect(result.outcome.status == 3)
    #expect(result.recovered.count > 100, "\(result.outcome)")
    #expect(Set(result.recovered).isSubset(of: subject.lines))
    #expect(result.unproven.isEmpty)
    let summary = "  recovered      \(result.recovered.count) records, "
    #expect(result.outcome.text.contains(summary), "\(result.outcome)")
    // The manifest stands in front of the cut: where the JSON gave all records, it proves them.
    let isAll = Set(result.recovered) == subject.lines && members.isEmpty
    let words = "was cut off before its checksum: what was recovered of it is unproven"
    #expect(result.outcome.text.contains(words) == !isAll, "\(result.outcome)")
  }

  /// Of an archive with digests only what these do not prove is called unproven, be it cut off or
  /// not, and a member that a digest contradicts is kept apart.
  @Test(arguments: [false, true]) func digestsInside(_ isWrong: Bool) throws {
    let scratch = try Scratch.here()
    let records = SampleRecords.graph(900)
    let texts = [records.prefix(400), records.dropFirst(400)].map {
      SampleRecords.lines(Array($0), last: "\n")
    }
    for (name, text) in zip(["a", "b"], texts) {
      _ = try scratch.write(text, to: "pack/store/\(name).jsonl")
    }
    try scratch.tool(
      "sh", "-c",
      "cd '\(scratch.file("pack"))' && sha256sum store/*.jsonl >SHA256SUMS"
        + (isWrong ? " && sed -i 's/^..../0000/' SHA256SUMS" : "")
        + " && tar -cf ../all.tar SHA256SUMS store/a.jsonl store/b.jsonl"
        + " && gzip -c ../all.tar >../all.tar.gz")
    let whole = try TestFile.read(scratch.file("all.tar.gz"))
    let cut = try scratch.write(Array(whole.prefix(whole.count * 8 / 10)), to: "cut.tar.gz")
    let out = scratch.fresh("out")
    let outcome = try scratch.holdfast("salvage", cut, "--to", out)
    #expect(outcome.status == 3, "\(outcome)")
    let place = isWrong ? "unproven" : "recovered"
    let files = try scratch.run([
      "sh", "-c", "find '\(out)/\(place)' -name 'a.jsonl' -exec cat {} +",
    ]).output
    #expect(files.starts(with: texts[0]), "\(outcome)")
    #expect(TestFile.exists("\(out)/unproven") == isWrong)
    if isWrong {
      #expect(!TestFile.exists("\(out)/recovered"), "\(outcome)")
    } else {
      #expect(outcome.text.contains("but for the files whose digests are right: store/a.jsonl"))
    }
  }

  /// How much is unproven is told to programs too.
  @Test func unprovenIsCounted() throws {
    let subject = try Subject(
      try Scratch.here(), "tar.zst", count: 60, only: ["store/memory.jsonl"])
    var bytes = subject.packed
    bytes[bytes.count - 1] ^= 1
    let broken = try subject.scratch.write(bytes, to: "broken/memory.tar.zst")
    let out = subject.scratch.fresh("out")
    let outcome = try subject.scratch.holdfast("salvage", broken, "--to", out, "--json")
    let report = try JSONValue(parsing: outcome.output)
    let ledger = try JSONValue(parsing: TestFile.read("\(out)/ledger.json"))
    let size = try subject.scratch.run([
      "sh", "-c", "find '\(out)/unproven' -type f -exec cat {} + | wc -c",
    ]).text
    for tally in [report["inputs"]?[0], ledger["inputs"]?[0]?["totals"]] {
      #expect(tally?["unproven"]?["records"]?.integer == 60, "\(outcome)")
      #expect(tally?["unproven"]?["bytes"]?.integer == Int(size.filter(\.isNumber)), "\(outcome)")
      #expect(tally?["recovered"]?["records"]?.integer == 0)
    }
    for (name, value) in [("salvage", report), ("ledger", ledger)] {
      try Golden.compare(
        value.shape(opaque: []).joined(separator: "\n") + "\n", with: "json-keys/\(name).txt")
    }
    let shown = try subject.scratch.holdfast(
      "salvage", broken, "--to", subject.scratch.fresh("out"))
    #expect(shown.text.contains("unproven       60 records, "), "\(shown)")
  }
}
