import Glibc
import Testing

/// Places and stores that are not as one would wish: a full disk, and things in a store that are no
/// plain files. Nothing hangs, what cannot be done is said, and nothing is left behind.
@Suite(.scratchOnDisk) struct EnvironmentTests {
  /// A file system of its own for one command, which goes away with it.
  private static let unshare: [String]? = {
    let words = geteuid() == 0 ? ["unshare", "-m"] : ["unshare", "-rm"]
    let script = "mount -t tmpfs -o size=64k none /mnt"
    let child = try? Child(
      words + ["bash", "-c", script], capture: "/tmp/holdfast-unshare-\(getpid())")
    defer {
      for ending in ["out", "err"] { unlink("/tmp/holdfast-unshare-\(getpid()).\(ending)") }
    }
    return (try? child?.wait())?.status == 0 ? words : nil
  }()

  /// Runs a command with a disk of so many KiB at `disk`; afterwards `left` holds what is on it.
  private func run(_ scratch: Scratch, _ size: Int, _ words: [String]) throws -> Outcome {
    let script = """
      mount -t tmpfs -o size=\(size)k none "$1" || exit 99
      disk="$1"; left="$2"; shift 2
      "$@"; status=$?
      find "$disk" -mindepth 1 -printf '%P\\n' >"$left"
      exit $status
      """
    let place = try scratch.directory("disk")
    var setting = Child.Setting()
    setting.environment["TMPDIR"] = try scratch.directory("tmp")
    return try scratch.run(
      (Self.unshare ?? []) + ["bash", "-c", script, "-", place, scratch.file("left")]
        + [Binary.path] + words, setting)
  }

  @Test(
    .enabled(if: unshare != nil, "needs the right to mount a file system"),
    arguments: ["backup", "restore", "migrate", "export", "merge", "replay", "salvage"])
  func aFullDisk(_ verb: String) throws {
    let scratch = try Scratch.here()
    let count = 3000
    let store = try scratch.graph(count)
    let archive = try scratch.backUp(store)
    let torn = try scratch.write(Array(TestFile.read(store).dropLast(50)), to: "torn.jsonl")
    let target = scratch.file("disk/new")
    let source = ["restore": archive, "salvage": torn][verb] ?? store
    let more = ["export": ["--as", "jsonl"], "merge": [archive]][verb] ?? []
    let words = [verb, source] + more + ["--to", target]
    for size in [8, 32, 64, 96] {
      let outcome = try run(scratch, size, words)
      #expect(outcome.status == 15, "\(size) KiB: \(outcome)")
      let left = try TestFile.text(scratch.file("left")).split(separator: "\n")
      #expect(left.allSatisfy { ["new", "new/.lock"].contains($0) }, "\(size) KiB: \(left)")
    }
    let outcome = try run(scratch, 64 << 10, words)
    #expect(outcome.status == (verb == "salvage" ? 3 : 0), "\(outcome)")
  }

  /// Also where only the size of files is limited, for all that write more than that.
  @Test(arguments: Deed.all) func filesThatMayNotGrow(_ deed: Deed) throws {
    let stage = try Stage(deed)
    try stage.reset()
    let outcome = try stage.perform(["bash", "-c", "ulimit -f 1; exec \"$@\"", "-"])
    let now = try TreeImage(of: stage.scratch.file("world"))
    let comment = "\(deed.name): \(outcome)"
    try stage.expectWhole(now, isSuspect: outcome.status == 3 && stage.status == 0, comment)
    #expect(now.leftovers == [], "\(comment)")
    if outcome.status == stage.status {
      stage.expect(stage.isDone(now), "it is not done: \(comment)")
    } else {
      // What SQLite writes fails with an error that it does not tell from others.
      #expect([15, 1].contains(outcome.status), "\(comment)")
    }
    try stage.expectNextRun(after: now, comment)
  }

  /// FIFOs, sockets and links in circles are passed over beside a store, and no store themselves.
  @Test func nothingHangs() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let clean = try scratch.digest(store.path)
    try scratch.python(
      """
      import os, socket, sys
      os.chdir(sys.argv[1])
      os.mkfifo('charts-fifo.jsonl')
      socket.socket(socket.AF_UNIX).bind('charts-socket.jsonl')
      os.symlink('charts-a.jsonl', 'charts-b.jsonl')
      os.symlink('charts-b.jsonl', 'charts-a.jsonl')
      os.symlink('.', 'notes/circle')
      """, store.path)
    let archive = try scratch.backUp(store.path, exit: 3)
    try scratch.holdfast(exit: 0, "verify", archive)
    #expect(try scratch.digest(archive) == clean)
    for name in ["charts-fifo.jsonl", "charts-socket.jsonl", "charts-a.jsonl"] {
      let path = "\(store.path)/\(name)"
      let to = ["--to", scratch.file("out")]
      let commands: [[String]] = [
        ["inspect", path], ["digest", path], ["backup", path] + to, ["verify", path],
        ["restore", path] + to, ["diff", path, store.path], ["merge", path, store.path] + to,
        ["migrate", path] + to, ["export", path, "--as", "jsonl"] + to, ["replay", path] + to,
        ["salvage", path] + to, ["recover", path, "--yes"], ["search", path, "word"],
        ["show", path], ["list", path], ["contexts", path],
        ["move", path, "--select", "entity", "--into", "x"],
        ["run", "--config", path], ["rotate", path, "--keep-last", "1"],
      ]
      for words in commands {
        let outcome = try scratch.run([Binary.path] + words + ["-q"])
        #expect([1, 10, 12, 13, 14, 15, 64].contains(outcome.status), "\(outcome)")
        #expect(outcome.messages.count == 1, "\(outcome)")
        #expect(!TestFile.exists(scratch.file("out")), "\(outcome)")
      }
    }
  }

  /// A directory where a file is to be, and a file where a directory is to be.
  @Test func theOtherKind() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let file = try scratch.write("a file", to: "file")
    let filled = try scratch.directory("filled")
    try scratch.write("precious", to: "filled/precious")
    let words: [[String]] = [
      ["backup", store.path, "--to", file], ["backup", store.path, "--to", file + "/repo"],
      ["restore", archive, "--to", file], ["restore", archive, "--to", filled],
      ["restore", archive, "--to", file + "/below"], ["migrate", store.path, "--to", filled],
      ["migrate", store.path, "--to", file], ["migrate", store.path, "--to", file + "/a.db"],
      ["export", store.path, "--as", "jsonl", "--to", filled],
      ["export", store.path, "--as", "contexts", "--to", file],
      ["merge", store.path, store.path, "--to", file], ["replay", filled, "--to", file],
      ["salvage", store.path, "--to", file], ["salvage", store.path, "--to", filled],
      ["salvage", store.path, "--to", file + "/below"], ["run", "--config", filled],
    ]
    let before = try TreeImage(of: scratch.path).nodes.filter { !$0.key.hasPrefix(".captured") }
    for command in words {
      let outcome = try scratch.run([Binary.path] + command + ["-q"])
      #expect([1, 10, 13, 15, 64].contains(outcome.status), "\(outcome)")
      #expect(outcome.messages.count == 1, "\(outcome)")
      let after = try TreeImage(of: scratch.path).nodes.filter { !$0.key.hasPrefix(".captured") }
      #expect(after.keys.sorted() == before.keys.sorted(), "\(outcome)")
      #expect(after["file"] == before["file"], "\(outcome)")
    }
  }

  /// Deep, wide, large, and named as only the file system allows.
  @Test func treesOfEveryShape() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let (files, holes) = Torture.isFull ? (100_000, 5 << 30) : (1000, 48 << 20)
    try scratch.python(
      """
      import os, sys
      root = os.fsencode(sys.argv[1])
      deep = root + b'/deep'
      for level in range(300):
          deep += b'/d%d' % (level % 10)
      os.makedirs(deep)
      open(deep + b'/end.txt', 'w').write('deep')
      os.mkdir(root + b'/wide')
      for number in range(int(sys.argv[2])):
          open(root + b'/wide/%d' % number, 'w').write(str(number))
      for name in [b'a\\nb', b'\\xff\\xfe', b'\\xc3', b' ', b'-rf', b'*', b'\\\\', b'"', b'n' * 255,
              b'tab\\there', b'\\xe2\\x80\\xae']:
          open(root + b'/notes/' + name, 'wb').write(name)
      hole = open(root + b'/sparse.bin', 'wb')
      hole.truncate(int(sys.argv[3]))
      """, store.path, String(files), String(holes))
    var setting = Child.Setting()
    setting.timeLimit = 1800
    let backup = try scratch.json(
      "backup", store.path, "--to", scratch.file("repo"), with: setting)
    let archive = backup["backup"]?.text ?? ""
    let check = try scratch.run([Binary.path, "verify", archive], setting)
    #expect(check.status == 0, "\(check)")
    let back = try scratch.run(
      [Binary.path, "restore", archive, "--to", scratch.file("back")], setting)
    #expect(back.status == 0, "\(back)")
    let same = try scratch.run(
      ["diff", "-r", "-x", ".backup", "-x", ".recovery", store.path, scratch.file("back")], setting)
    #expect(same.status == 0, "\(same)")
    let plain = try scratch.directory("plain")
    let unpacked = try scratch.run(
      ["tar", "--zstd", "-xf", archive, "-C", plain, "store/wide", "store/deep"], setting)
    #expect(unpacked.status == 0, "\(unpacked)")
  }

  /// Files that go while a store is read make it another state of it, or no backup, never half one.
  @Test func filesThatVanish() throws {
    let scratch = try Scratch.here()
    let root = try scratch.directory("store")
    for number in 0..<40 {
      try scratch.graph(5 + number, to: "store/charts-\(number).jsonl")
    }
    for number in [0, 7, 21, 39] {
      // The program finds each of them in the listing, and is then held until it is gone.
      let path = "\(root)/charts-\(number).jsonl"
      let bytes = try TestFile.read(path)
      let repository = scratch.file("repo-\(number)")
      let outcome = try scratch.run([
        "strace", "-f", "-o", "/dev/null", "-e", "trace=openat", "-P", path, "-e",
        "inject=openat:error=ENOENT:when=1", Binary.path, "backup", root, "--to", repository,
        "--json",
      ])
      #expect([0, 13].contains(outcome.status), "\(outcome)")
      if outcome.status == 0 { try scratch.holdfast(exit: 0, "verify", repository) }
      try TestFile.write(bytes, to: path)
    }
  }
}
