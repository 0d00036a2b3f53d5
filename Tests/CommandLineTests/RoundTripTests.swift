import Glibc
import Testing

/// The main job: back up, prove with plain tools, verify, get back, with nothing lost.
@Suite(.scratchOnDisk) struct RoundTripTests {
  @Test(arguments: SampleStore.allCases)
  func everyKindComesBackAsItWas(_ sample: SampleStore) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    let before = try scratch.listing(store.root)
    let made = try scratch.json("backup", store.path, "--to", scratch.file("repo"))
    let archive = try #require(made["backup"]?.text)
    #expect(made["manifest"]?["kind"]?.text == sample.kind)
    #expect(made["state"]?.text == "verified")
    let counted = made["manifest"]?["counts"]?.members.compactMap(\.value.integer)
    #expect(counted?.reduce(0, +) == sample.recordCount)
    try scratch.proveBackup(archive, of: store)
    #expect(try scratch.listing(store.root) == before, "the source was touched")
  }

  @Test(arguments: ["zstd:-5", "zstd:19", "gzip", "gzip:9", "none"], ["full", "none"])
  func everyCompression(_ compression: String, _ rtfs: String) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(
      store.path, ["--compression", compression, "--rtfs", rtfs])
    let ending =
      compression.hasPrefix("z") ? ".tar.zst" : compression == "none" ? ".tar" : ".tar.gz"
    #expect(archive.hasSuffix(ending))
    try scratch.proveBackup(archive, of: store)
    let unpacked = try scratch.unpack(archive)
    let hybrid = try JSONValue(parsing: TestFile.read(unpacked + "/backup.json"))
    #expect((hybrid["rtfs"]?.text != nil) == (rtfs == "full"))
    #expect(hybrid["version"]?.text == "1.1")
  }

  /// The backup of `.backup` and `.recovery` would grow with every night.
  @Test func whatIsOutsideStaysOutside() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let first = try scratch.json("backup", store.path)
    let archive = try #require(first["backup"]?.text)
    #expect(archive.hasPrefix(store.path + "/.backup/"))
    let names = try scratch.tool("tar", "--zstd", "-tf", archive).lines
    #expect(names.contains("store/charts.jsonl"))
    #expect(!names.contains { $0.contains(".backup") || $0.contains(".recovery") })
    // The second one, with the first and its lock inside the directory, is the same store.
    let second = try scratch.json("backup", store.path)
    #expect(second["digest"] == first["digest"])
    #expect(second["manifest"]?["members"] != nil)
    #expect(second["manifest"]?["parent"]?.text == first["digest"]?.text)
  }

  @Test func memberOrderAndFrames() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let names = try scratch.tool("tar", "--zstd", "-tf", archive).lines
    #expect(Array(names.prefix(2)) == ["manifest.json", "backup.json"])
    #expect(names.last == "SHA256SUMS")
    #expect(names.dropFirst(2).dropLast().allSatisfy { $0.hasPrefix("store/") })
    let unpacked = try scratch.unpack(archive)
    let hybrid = try JSONValue(parsing: TestFile.read(unpacked + "/backup.json"))
    let keys = hybrid.members.map(\.key)
    #expect(
      keys == [
        "version", "timestamp", "intents", "edges", "entities", "relations", "manifest", "rtfs",
      ])
  }

  @Test func oddNames() throws {
    let scratch = try Scratch.here()
    let root = try scratch.directory("store")
    try scratch.python(
      """
      import os, sys
      root = os.fsencode(sys.argv[1])
      line = b'{"type":"entity","name":"%d","entityType":"t","observations":[]}'
      names = [b'charts.jsonl', b'charts-with space.jsonl', b'charts-new\\nline.jsonl', b'-rf.jsonl',
          b'charts-\\xff\\xfe.jsonl', 'charts-é.jsonl'.encode(), b'charts-back\\\\slash.jsonl',
          b'charts-\\r.jsonl', b"charts-'quote\\".jsonl", b'charts-*.jsonl', b'charts-%s.jsonl',
          b'charts-' + b'x' * 200 + b'.jsonl', b'.hidden.jsonl']
      for number, name in enumerate(names):
          with open(os.path.join(root, name), 'wb') as file:
              file.write(line % number + b'\\n')
      os.makedirs(os.path.join(root, b'deep\\n', b'-\\xc3', *[b'd' * 60] * 5))
      open(os.path.join(root, b'deep\\n', b'-\\xc3', *[b'd' * 60] * 5, b'end'), 'wb').close()
      """, root)
    let store = SampleStore.Made(path: root, root: root)
    let archive = try scratch.backUp(root)
    try scratch.proveBackup(archive, of: store)
    let record = try scratch.json("inspect", archive)
    #expect(record["counts"]?["entity"]?.integer == 13)
    // What a command line cannot say, it says how to.
    let outcome = try scratch.python(
      """
      import os, subprocess, sys
      name = os.path.join(os.fsencode(sys.argv[1]), b'charts-\\xff\\xfe.jsonl')
      done = subprocess.run([sys.argv[2], 'inspect', name], capture_output=True)
      print(done.returncode, b'name the directory that it lies in' in done.stderr)
      """, root, Binary.path)
    #expect(outcome.lines == ["10 True"], "\(outcome)")
  }

  /// A store whose own name begins with a dash, or is not where we stand.
  @Test func oddStorePaths() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(5))
    try scratch.write(lines, to: "-odd name.jsonl")
    let setting = Child.Setting(directory: scratch.path)
    let made = try scratch.holdfast(
      exit: 0, "backup", "--to=-repo", "--", "-odd name.jsonl", with: setting)
    let archive = try #require(made.lines.first)
    #expect(archive.hasPrefix(scratch.path + "/-repo/-odd_name-"))
    try scratch.holdfast(exit: 0, "verify", "--", "-repo", with: setting)
    try scratch.holdfast(exit: 0, "restore", "--to=-out", "--", "-repo", with: setting)
    #expect(try TestFile.read(scratch.file("-out/-odd name.jsonl")) == lines)
  }

  @Test func tenThousandRecords() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(10_000), last: "\n")
    try scratch.write(lines, to: "store/memory.jsonl")
    let store = SampleStore.Made(
      path: scratch.file("store/memory.jsonl"), root: scratch.file("store"))
    let archive = try scratch.backUp(store.path)
    try scratch.proveBackup(archive, of: store)
    let shown = try scratch.json("show", archive)
    #expect(shown["manifest"]?["counts"]?["entity"]?.integer == 6666)
    #expect(shown["manifest"]?["counts"]?["relation"]?.integer == 3334)
  }

  /// Files of more than one frame, of exactly a frame, and around a tar block.
  @Test(arguments: [511, 512, 513, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9_000_001])
  func sizes(_ size: Int) throws {
    let scratch = try Scratch.here()
    let entity = SampleRecords.lines([SampleRecords.entity(1)], last: "\n")
    var random = SeededRandom()
    let noise = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    try scratch.write(entity, to: "store/charts.jsonl")
    try scratch.write(noise, to: "store/attachment.bin")
    let store = SampleStore.Made(path: scratch.file("store"), root: scratch.file("store"))
    let archive = try scratch.backUp(store.path)
    try scratch.proveBackup(archive, of: store)
  }
}
