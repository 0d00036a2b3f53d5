import Glibc
import Testing

/// What `verify` says of what is no good backup, and how it says it.
@Suite(.scratch) struct VerifyTests {
  /// Frames that claim to hold nearly everything a number can say, put into an archive.
  private static let crafter = """
    import struct, sys
    source, target, place = sys.argv[1:4]
    archive = open(source, 'rb').read()
    magic = b'\\x28\\xb5\\x2f\\xfd'
    def frame(size, payload=b'A' * 10):
        return (magic + bytes([3 << 6, 0]) + struct.pack('<Q', size)
            + struct.pack('<I', len(payload) << 3 | 1)[:3] + payload)
    most = 2 ** 63 - 1
    at = len(archive)
    if 'middle' in place:
        at = archive.find(magic, archive.find(magic, 4) + 4)
    # Damage at the end alone leaves it known where the content of the first of them starts.
    damage = b'garbage!' if 'garbage' in place else b''
    claims = frame(most) * (1 if 'one' in place else 2)
    open(target, 'wb').write(archive[:at] + claims + archive[at:] + damage)
    """

  @Test(
    arguments: ["end", "end, garbage", "middle", "middle, garbage", "one, middle, garbage"],
    [true, false])
  func framesThatClaimTooMuch(_ place: String, _ hasSidecar: Bool) throws {
    let scratch = try Scratch.here()
    let archive = try scratch.backUp(try SampleStore.graph.make(in: scratch).path)
    let crafted = scratch.file("crafted/memory-20200101T000000Z.tar.zst")
    try scratch.directory("crafted")
    try scratch.python(Self.crafter, archive, crafted, place)
    if hasSidecar {
      try scratch.tool("cp", Scratch.sidecar(of: archive), Scratch.sidecar(of: crafted))
    }
    try scratch.holdfast(exit: 12, "verify", crafted)
    try scratch.holdfast(exit: 12, "verify", "--quick", crafted)
    for words in [["show"], ["show", "--rtfs"], ["inspect"], ["digest"], ["list"]] {
      let path = words == ["list"] ? scratch.file("crafted") : crafted
      let outcome = try scratch.run([Binary.path] + words + [path])
      #expect(outcome.status < 128, "\(outcome)")
    }
    let restored = try scratch.holdfast("restore", crafted, "--to", scratch.file("t"))
    #expect(restored.status < 128, "\(restored)")
  }

  /// Damage near the end leaves the manifest, which comes first, as it was.
  @Test(arguments: ["gzip", "none"])
  func aBadByteNearTheEnd(_ compression: String) throws {
    let scratch = try Scratch.here()
    // More than the one block that is decompressed at a time.
    let graph = SampleRecords.lines(SampleRecords.graph(2000), last: "\n")
    let store = try scratch.write(graph, to: "memory.jsonl")
    let archive = try scratch.backUp(store, ["--compression", compression])
    try scratch.tool("rm", Scratch.sidecar(of: archive))
    var bytes = try TestFile.read(archive)
    if compression == "none" {
      // Behind the last header, in the end mark.
      bytes[bytes.count - 600] ^= 0xFF
    } else {
      bytes.removeLast(12)
    }
    try TestFile.write(bytes, to: archive)
    try scratch.holdfast(exit: 0, "show", archive)
    let outcome = try scratch.holdfast(exit: 12, "verify", archive)
    #expect(!outcome.message.contains("holds no manifest"), "\(outcome)")
  }

  /// Without a manifest, what is wrong with the members is told all the same.
  @Test func theRealReason() throws {
    let scratch = try Scratch.here()
    let path = scratch.file("x.tar")
    try scratch.tool("ln", "-s", "/etc/passwd", scratch.file("link"))
    try scratch.tool("tar", "-cf", path, "-C", scratch.path, "link")
    let verified = try scratch.holdfast(exit: 12, "verify", path)
    #expect(verified.message.contains("is a link"), "\(verified)")
    let restored = try scratch.holdfast(exit: 12, "restore", path, "--to", scratch.file("t"))
    #expect(restored.message.contains("is a link"), "\(restored)")
  }

  @Test func whatIsNoBackup() throws {
    let scratch = try Scratch.here()
    try scratch.holdfast(exit: 12, "verify", try scratch.write("", to: "empty.jsonl"))
    let bare = try scratch.holdfast(exit: 10, "verify", try scratch.directory("repo"))
    #expect(bare.message.contains("holds no backup"), "\(bare)")
    try scratch.write("", to: "repo/.lock")
    try scratch.holdfast(exit: 10, "verify", scratch.file("repo"))
    for words in [["verify", "x"], ["backup", "x"], ["inspect", "x"], ["digest", "x"]] {
      let outcome = try scratch.run([Binary.path] + words + ["--kind", "nonsense"])
      #expect(outcome.status == 64 && outcome.message.contains("nonsense"), "\(outcome)")
    }
  }

  @Test func quietIsOneLineHoweverManyFail() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    for time in [1_000_000_000, 1_000_000_060] {
      let archive = try scratch.backUp(store.path, time: time)
      var bytes = try TestFile.read(archive)
      bytes[bytes.count / 2] ^= 0xFF
      try TestFile.write(bytes, to: archive)
    }
    for (words, status): ([String], Int32) in [
      (["verify", scratch.file("repo")], 12),
      (["digest", scratch.file("a"), scratch.file("b")], 10), (["show"], 64),
      (["backup", "x", "--compression", "lzma"], 64), (["backup", "x", "--nonsense"], 64),
      (["verify", "x", "--kind", "nonsense"], 64),
      (["restore", "x", "--to", "y", "--overwrite", "z"], 64),
    ] {
      for flag in ["--quiet", "-q"] {
        let outcome = try scratch.run([Binary.path] + words + [flag])
        #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.messages.count == 1, "\(outcome)")
        #expect(outcome.message.hasPrefix("holdfast: "), "\(outcome)")
      }
    }
    let both = try scratch.holdfast(exit: 12, "verify", scratch.file("repo"))
    #expect(both.messages.count >= 2, "\(both)")
  }

  /// SIGUSR1 asks for one line of status, wherever bytes are read.
  @Test(arguments: ["verify a backup", "verify a store", "restore"])
  func statusOnRequest(_ what: String) throws {
    let scratch = try Scratch.here()
    let graph = SampleRecords.lines(SampleRecords.graph(1000), last: "\n")
    let bytes = (0..<80).reduce(into: [UInt8]()) { all, _ in all += graph }
    let store = try scratch.write(bytes, to: "memory.jsonl")
    let words: [String]
    switch what {
    case "verify a store": words = ["verify", store]
    case "restore":
      words = ["restore", try scratch.backUp(store, ["--no-verify"]), "--to", scratch.file("t")]
    default: words = ["verify", try scratch.backUp(store, ["--no-verify"])]
    }
    let child = try scratch.start([Binary.path] + words)
    // Before the program listens, a signal would end it.
    try Child.until { child.isReady(for: SIGUSR1) }
    for _ in 0..<10_000 {
      // One that has ended listens no more.
      guard child.isReady(for: SIGUSR1) else { break }
      child.signal(SIGUSR1)
      usleep(2000)
    }
    let outcome = try child.wait()
    #expect(outcome.status == 0, "\(outcome)")
    let phase = what == "restore" ? "restoring  " : "verifying  "
    #expect(outcome.messages.contains { $0.hasPrefix(phase) && $0.contains("/s") }, "\(outcome)")
  }
}
