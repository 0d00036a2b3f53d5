import Testing

/// Whatever happens to an archive or to the manifest beside it, `verify` notices and says so.
@Suite(.scratch) struct DamagedArchiveTests {
  /// A backup whose bytes are damaged over and over.
  private struct Subject {
    let scratch: Scratch
    let archive: [UInt8]
    let sidecar: [UInt8]
    let name: String

    init(_ scratch: Scratch, _ compression: String = "zstd") throws {
      self.scratch = scratch
      let store = try SampleStore.contexts.make(in: scratch)
      let path = try scratch.backUp(store.path, ["--compression", compression])
      archive = try TestFile.read(path)
      sidecar = try TestFile.read(Scratch.sidecar(of: path))
      name = String(path.dropFirst(scratch.file("repo/").count))
    }

    /// Writes a variant into a directory of its own.
    func place(_ archive: [UInt8], _ sidecar: [UInt8]?, in slot: String) throws -> String {
      let path = scratch.file("\(slot)/\(name)")
      try TestFile.makeDirectory(scratch.file(slot))
      try TestFile.write(archive, to: path)
      if let sidecar { try TestFile.write(sidecar, to: Scratch.sidecar(of: path)) }
      return path
    }

    /// Verifies variants, a few at a time, and hands each outcome to `check`.
    func verify(
      _ count: Int, _ variant: (Int) -> (archive: [UInt8], sidecar: [UInt8]?),
      _ check: (Int, Outcome) throws -> Void
    ) throws {
      let lanes = 4
      for first in stride(from: 0, to: count, by: lanes) {
        let children = try (first..<min(first + lanes, count)).map { number in
          let (archive, sidecar) = variant(number)
          let path = try place(archive, sidecar, in: "lane-\(number - first)")
          return (number, try scratch.start([Binary.path, "verify", path]))
        }
        for (number, child) in children { try check(number, child.wait()) }
      }
    }
  }

  @Test(arguments: [("zstd", 1000), ("gzip", 150), ("none", 150)])
  func everyFlippedByteIsNoticed(_ compression: String, _ count: Int) throws {
    let subject = try Subject(try Scratch.here(), compression)
    var random = SeededRandom()
    let flips = (0..<count).map { _ in
      (
        at: Int.random(in: 0..<subject.archive.count, using: &random),
        mask: UInt8.random(in: 1...255, using: &random)
      )
    }
    try subject.verify(count) { number in
      var bytes = subject.archive
      bytes[flips[number].at] ^= flips[number].mask
      return (bytes, subject.sidecar)
    } _: { number, outcome in
      #expect(
        outcome.status == 12 && !outcome.messages.isEmpty,
        "seed \(random.seed), byte \(flips[number]): \(outcome)")
    }
  }

  @Test func everyFlippedByteOfTheSidecarIsNoticed() throws {
    let subject = try Subject(try Scratch.here())
    var random = SeededRandom()
    let places = Array(subject.sidecar.indices.shuffled(using: &random).prefix(200))
    try subject.verify(places.count) { number in
      var bytes = subject.sidecar
      bytes[places[number]] ^= 1 << UInt8(number % 8)
      return (subject.archive, bytes)
    } _: { number, outcome in
      #expect(
        outcome.status == 12 && !outcome.messages.isEmpty,
        "seed \(random.seed), byte \(places[number]), bit \(number % 8): \(outcome)")
    }
  }

  @Test(arguments: ["zstd", "gzip", "none"])
  func truncated(_ compression: String) throws {
    let subject = try Subject(try Scratch.here(), compression)
    var random = SeededRandom()
    let whole = subject.archive.count
    let lengths =
      [0, 1, 4, 9, 100, whole - 1] + (0..<30).map { _ in Int.random(in: 0..<whole, using: &random) }
    for sidecar in [subject.sidecar, nil] {
      try subject.verify(lengths.count) {
        (Array(subject.archive.prefix(lengths[$0])), sidecar)
      } _: { number, outcome in
        #expect(
          outcome.status == 12 && !outcome.messages.isEmpty,
          "\(lengths[number]) bytes: \(outcome)")
      }
      for lane in 0..<4 where sidecar != nil {
        try subject.scratch.tool("rm", "-r", subject.scratch.file("lane-\(lane)"))
      }
    }
  }

  @Test(arguments: ["zstd", "gzip", "none"])
  func zeroedAndOverwritten(_ compression: String) throws {
    let subject = try Subject(try Scratch.here(), compression)
    var random = SeededRandom()
    let ranges = (0..<40).map { _ in
      let start = Int.random(in: 0..<subject.archive.count, using: &random)
      return start..<min(subject.archive.count, start + Int.random(in: 16...4096, using: &random))
    }
    try subject.verify(ranges.count) { number in
      var bytes = subject.archive
      for at in ranges[number] { bytes[at] = number % 2 == 0 ? 0 : UInt8.random(in: 0...255) }
      // A tar ends in zeros, which zeros do not damage.
      if bytes == subject.archive { bytes[0] ^= 1 }
      return (bytes, subject.sidecar)
    } _: { number, outcome in
      #expect(outcome.status == 12 && !outcome.messages.isEmpty, "\(ranges[number]): \(outcome)")
    }
  }

  @Test(arguments: ["bytes behind", "two archives", "bytes before", "empty", "not ours", "renamed"])
  func otherDamage(_ damage: String) throws {
    let scratch = try Scratch.here()
    let subject = try Subject(scratch)
    var path = try subject.place(subject.archive, subject.sidecar, in: "damaged")
    switch damage {
    case "bytes behind": try TestFile.write(subject.archive + [0], to: path)
    case "two archives": try TestFile.write(subject.archive + subject.archive, to: path)
    case "bytes before": try TestFile.write([0x20] + subject.archive, to: path)
    case "empty": try TestFile.write([], to: path)
    case "not ours":
      try scratch.write("hello", to: "x")
      try scratch.tool("tar", "--zstd", "-cf", path, "-C", scratch.path, "x")
    default:
      let other = scratch.file("damaged/other-20200101T000000Z.tar.zst")
      try scratch.tool("mv", path, other)
      try scratch.tool("mv", Scratch.sidecar(of: path), Scratch.sidecar(of: other))
      path = other
    }
    let outcome = try scratch.holdfast(exit: 12, "verify", path)
    #expect(!outcome.messages.isEmpty)
    try scratch.holdfast(exit: 12, "verify", "--quick", path)
    let found = try scratch.json(exit: 12, "verify", path)
    #expect(found["ok"] == .word("false"))
    #expect(try TestFile.read(scratch.file("repo/\(subject.name)")) == subject.archive)
  }

  @Test func withoutItsSidecar() throws {
    let scratch = try Scratch.here()
    let subject = try Subject(scratch)
    let path = try subject.place(subject.archive, nil, in: "alone")
    let outcome = try scratch.holdfast(exit: 3, "verify", path)
    #expect(outcome.message.contains("sidecar-missing"))
    try scratch.holdfast(exit: 0, "restore", path, "--to", scratch.file("back"))
    try scratch.expectSame(
      scratch.file("store"), scratch.file("back"), except: [".backup", ".recovery"])
    let listed = try scratch.json("list", scratch.file("alone"))
    #expect(listed["backups"]?[0]?["state"]?.text == "damaged")
  }

  private static let names = [
    "verbatim": "the verbatim files", "json": "the JSON snapshot", "rtfs": "the RTFS snapshot",
  ]

  /// Damage in one encoding alone: the findings say that the two others hold every record, the
  /// message repeats it, and where the verbatim files hold the restore works.
  @Test(arguments: ["verbatim", "json", "rtfs"], ["zstd", "none"])
  func whatStillHolds(_ encoding: String, _ compression: String) throws {
    let scratch = try Scratch.here()
    let subject = try Subject(scratch, compression)
    let start: [UInt8] = Array(
      ["verbatim": "{\"type\":\"entity\"", "json": "{\"version\"", "rtfs": "\""][encoding]?.utf8
        ?? "".utf8)
    var bytes = subject.archive
    let range: Range<Int>
    if compression == "zstd" {
      let frames = try ArchiveFrames.split(bytes, in: scratch)
      let frame = try #require(frames.first { $0.content.starts(with: start) })
      range = frame.range
    } else {
      // The same record stands in the JSON first, so verbatim is the last of them.
      let mark = encoding == "rtfs" ? Array("(knowledge-graph".utf8) : start
      let last = bytes.indices.last { bytes[$0...].starts(with: mark) }
      range = try #require(last.map { $0..<$0 + mark.count })
    }
    bytes[range.lowerBound + range.count / 2] ^= 0x55
    let path = try subject.place(bytes, subject.sidecar, in: "damaged")
    let outcome = try scratch.holdfast(exit: 12, "verify", path)
    let holding = ["verbatim", "json", "rtfs"].filter { $0 != encoding }.compactMap {
      Self.names[$0]
    }
    let expected = "every record is still in \(holding.joined(separator: " and "))"
    #expect(outcome.message.contains(expected), "\(outcome)")
    let findings = try scratch.json(exit: 12, "verify", path)["targets"]?[0]?["findings"]?.elements
    #expect(findings?.contains { $0["message"]?.text == expected } == true)
    #expect(findings?.contains { $0["severity"]?.text == "error" } == true)
    let target = scratch.file("back")
    if encoding == "verbatim" {
      try scratch.holdfast(exit: 12, "restore", path, "--to", target)
      #expect(!TestFile.exists(target))
    } else {
      try scratch.holdfast(exit: 0, "restore", path, "--to", target)
      try scratch.expectSame(scratch.file("store"), target, except: [".backup", ".recovery"])
    }
  }

  /// One bad backup among good ones: the repository as a whole is not good, the good are named.
  @Test func aRepositoryWithOneBadBackup() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    let good = try scratch.backUp(store.path, time: 1_000_000_000)
    let bad = try scratch.backUp(store.path, time: 1_000_000_060)
    var bytes = try TestFile.read(bad)
    bytes[bytes.count / 2] ^= 0xFF
    try TestFile.write(bytes, to: bad)
    let found = try scratch.json(exit: 12, "verify", scratch.file("repo"))
    #expect(found["targets"]?.elements.map { $0["path"]?.text } == [good, bad])
    #expect(found["targets"]?.elements.map { $0["ok"] } == [.word("true"), .word("false")])
  }
}
