import Testing

/// Killed or failing at one system call after the other: earlier backups stay as they are, the
/// new one is complete or absent, the source is untouched and the next run works.
@Suite(.scratchOnDisk) struct AtomicityTests {
  enum Blow: String, CaseIterable {
    case kill = "signal=KILL"
    case full = "error=ENOSPC"
    case broken = "error=EIO"
  }

  @Test(
    arguments: ["write", "fsync", "rename,renameat2,link", "openat"],
    Blow.allCases)
  func backup(_ calls: String, _ blow: Blow) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let repository = scratch.file("repo")
    let first = try scratch.backUp(store.path, time: 1_000_000_000)
    let (bytes, sidecar) = (try TestFile.read(first), try TestFile.read(Scratch.sidecar(of: first)))
    let source = try scratch.listing(store.root)
    var reached = 0
    let before = try calls == "openat" ? opened(before: store.path, in: scratch) : 0
    for (run, step) in [1, 2, 3, 4, 6, 9, 14, 22, 40].enumerated() {
      let (at, trace) = (before + step, scratch.fresh("trace"))
      var setting = Child.Setting()
      setting.environment["SOURCE_DATE_EPOCH"] = String(1_000_000_060 + 60 * run)
      let outcome = try scratch.run(
        [
          "strace", "-f", "-o", trace, "-e", "trace=\(calls)", "-e",
          "inject=\(calls):\(blow.rawValue):when=\(at)",
          Binary.path, "backup", store.path, "--to", repository,
        ], setting)
      if try TestFile.text(trace).contains(blow == .kill ? "killed by SIGKILL" : "(INJECTED)") {
        reached += 1
      }
      #expect(try TestFile.read(first) == bytes)
      #expect(try TestFile.read(Scratch.sidecar(of: first)) == sidecar)
      #expect(try scratch.listing(store.root) == source)
      let check = try scratch.holdfast("verify", repository)
      #expect(check.status == 0, "\(calls) \(at) \(blow): \(check)\nafter \(outcome)")
      let archives = try TestFile.names(repository).filter { $0.hasSuffix(".tar.zst") }
      // libdispatch looks at its threads in /proc and traps where that fails: not our error.
      let isForeign = try TestFile.text(trace).split(separator: "\n").contains {
        $0.contains("(INJECTED)") && $0.contains("\"/proc/")
      }
      if outcome.status == 0 {
        #expect(archives.count == 2, "\(outcome)")
      } else {
        #expect(!outcome.message.isEmpty || blow == .kill || isForeign, "\(outcome)")
        #expect(archives.count <= 2)
      }
      if blow != .kill && !isForeign {
        let names = try TestFile.names(repository)
        let left = names.filter { $0.hasSuffix(".tmp") }
        #expect(left.isEmpty, "\(calls) \(at): \(left)")
      }
      setting.environment["SOURCE_DATE_EPOCH"] = String(1_100_000_000 + 60 * run)
      let next = try scratch.json("backup", store.path, "--to", repository, with: setting)
      #expect(next["state"]?.text == "verified")
      let names = try TestFile.names(repository)
      #expect(!names.contains { $0.hasSuffix(".tmp") }, "\(names)")
      let whole = names.filter { $0.hasSuffix(".tar.zst") }
      #expect(names.count == 2 * whole.count + 1, "\(names)")
      for name in names
      where name != ".lock" && !first.hasSuffix(name)
        && !Scratch.sidecar(of: first).hasSuffix(name)
      {
        try scratch.tool("rm", "\(repository)/\(name)")
      }
    }
    #expect(reached > 0, "no call of \(calls) was ever hit")
  }

  /// How many files the loader and the runtime open, differing from machine to machine, before a
  /// backup looks at the store.
  private func opened(before store: String, in scratch: Scratch) throws -> Int {
    let trace = scratch.fresh("trace")
    let outcome = try scratch.run([
      "strace", "-o", trace, "-e", "trace=openat", Binary.path, "inspect", store,
    ])
    #expect(outcome.status == 0, "\(outcome)")
    let lines = try TestFile.text(trace).split(separator: "\n")
    return try #require(lines.firstIndex { $0.contains("\"\(store)") })
  }

  /// The target of a restore is as it was, or it is the restored store.
  @Test(
    arguments: ["write", "fsync", "rename,renameat2", "mkdir", "utimensat,chmod,fchmod"],
    Blow.allCases)
  func restore(_ calls: String, _ blow: Blow) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let outside = store.outside
    for at in [1, 2, 3, 5, 8] {
      let parent = scratch.fresh("parent")
      let target = parent + "/target"
      try TestFile.makeDirectory(target)
      try TestFile.write(Array("old".utf8), to: target + "/old.txt")
      let outcome = try scratch.run([
        "strace", "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
        "inject=\(calls):\(blow.rawValue):when=\(at)",
        Binary.path, "restore", archive, "--to", target, "--overwrite", "always",
      ])
      let undo = try TestFile.names(parent).first { $0.hasPrefix("target.undo-") }
      let old = [target, undo.map { "\(parent)/\($0)" }].compactMap { $0 }.filter {
        TestFile.exists($0 + "/old.txt")
      }
      #expect(old.count == 1, "\(calls) \(at) \(blow): what was there is gone; \(outcome)")
      #expect(TestFile.exists(target), "\(calls) \(at) \(blow): the target is gone; \(outcome)")
      if !TestFile.exists(target + "/old.txt") {
        try scratch.expectSame(store.root, target, except: outside)
      } else {
        #expect(outcome.status != 0, "\(outcome)")
      }
      try scratch.holdfast(exit: 0, "restore", archive, "--to", target, "--overwrite", "always")
      try scratch.expectSame(store.root, target, except: outside)
      let left = try TestFile.names(parent).filter { $0.hasPrefix(".holdfast-") }
      #expect(left.isEmpty, "\(calls) \(at) \(blow): \(left)")
    }
  }

  /// Nothing takes its place before each file and each directory of it is on the disk.
  @Test func durableFirst() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archive.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    let (target, trace) = (scratch.fresh("target"), scratch.fresh("trace"))
    let outcome = try scratch.run([
      "strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,rename,renameat,renameat2",
      Binary.path, "restore", archive, "--to", target,
    ])
    #expect(outcome.status == 0, "\(outcome)")
    let lines = try TestFile.text(trace).split(separator: "\n")
    let named = try #require(lines.firstIndex { $0.contains("rename") })
    let synced = Set(
      lines[..<named].compactMap { line -> Substring? in
        guard let start = line.firstRange(of: "fsync("),
          let open = line[start.upperBound...].firstIndex(of: "<"),
          let end = line[open...].firstIndex(of: ">")
        else { return nil }
        return line[line.index(after: open)..<end]
      })
    let root = try #require(synced.min { $0.utf8.count < $1.utf8.count })
    let names = try scratch.tool("find", target, "-mindepth", "1", "-printf", "%P\\n").text
      .split(separator: "\n")
    #expect(names.count > 10)
    for name in names { #expect(synced.contains("\(root)/\(name)"), "\(name) may be lost") }
    // The name itself.
    #expect(lines[named...].contains { $0.contains("fsync(") })
  }

  /// Where two names cannot change places, the target is moved away first: it comes back when the new
  /// one does not get there.
  @Test func withoutAnExchange() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    try scratch.write("mine", to: "target/file")
    let before = try scratch.listing(scratch.file("target"))
    let words = [Binary.path, "restore", archive, "--to", scratch.file("target")]
    let strace = [
      "strace", "-f", "-o", scratch.file("trace"), "-e", "trace=renameat2,rename,renameat", "-e",
      "inject=renameat2:error=ENOSYS", "-e", "inject=rename,renameat:error=EIO:when=4",
    ]
    let outcome = try scratch.run(strace + words + ["--overwrite", "always"])
    #expect(outcome.status == 1 && outcome.message.contains("cannot rename"), "\(outcome)")
    let calls = try TestFile.text(scratch.file("trace")).split(separator: "\n")
    let last = try #require(calls.firstIndex { $0.contains("EIO") })
    #expect(calls[last].contains("/target\"") && calls[last + 1].contains(".undo-"), "\(calls)")
    #expect(try scratch.listing(scratch.file("target")) == before)
    let names = try TestFile.names(scratch.path)
    #expect(!names.contains { $0.contains(".undo-") || $0.hasSuffix(".tmp") }, "\(names)")
  }
}
