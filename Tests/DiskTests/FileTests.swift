import Disk
import Glibc
import LosslessJSON
import SystemPackage
import TestSupport
import Testing

struct OutputFileTests {
  /// What somebody else has written meanwhile is not written over.
  @Test func publishedOverWhatWasSeen() throws {
    let scratch = try Scratch()
    let target = scratch.file("store")
    try scratch.write(Array("old".utf8), to: "store")
    let seen = try #require(try FileFacts(at: target))
    var first = try OutputFile(for: target)
    try first.write(Array("new".utf8).span)
    try first.publish(over: seen)
    #expect(try scratch.read("store") == Array("new".utf8))
    for facts in [seen, nil] {
      var late = try OutputFile(for: target)
      try late.write(Array("late".utf8).span)
      var failure: DiskError?
      do { try late.publish(over: facts) } catch { failure = error }
      #expect(failure?.code == (facts == nil ? .exists : .changed))
      #expect(try scratch.read("store") == Array("new".utf8))
    }
    #expect(try TreeWalk.names(in: target.removingLastComponent()).count == 1)
  }

  @Test func absentUntilItIsPublished() throws {
    let scratch = try Scratch()
    let target = scratch.file("out")
    var file = try OutputFile(for: target)
    try file.write(Array("abc".utf8).span)
    let temporary = file.temporaryPath.lastComponent?.string ?? ""
    #expect(!scratch.exists("out"))
    #expect(OutputFile.isTemporary(temporary))
    try file.publish()
    #expect(try scratch.read("out") == Array("abc".utf8))
    #expect(try TreeWalk.names(in: scratch.path).map(\.string) == ["out"])
  }

  @Test func whatIsDroppedIsGone() throws {
    let scratch = try Scratch()
    func drop() throws {
      var file = try OutputFile(for: scratch.file("out"))
      try file.write(Array("abc".utf8).span)
      #expect(try TreeWalk.names(in: scratch.path).count == 1)
    }
    try drop()
    #expect(try TreeWalk.names(in: scratch.path).isEmpty)
  }

  @Test func anExistingFileStaysUnlessItIsToBeReplaced() throws {
    let scratch = try Scratch()
    let target = try scratch.write("old", to: "out")
    func publish(replacing: Bool) throws {
      var file = try OutputFile(for: target)
      try file.write(Array("new".utf8).span)
      try file.publish(replacing: replacing)
    }
    let error = #expect(throws: DiskError.self) { try publish(replacing: false) }
    #expect(error?.code == .exists)
    #expect(try scratch.read("out") == Array("old".utf8))
    #expect(try TreeWalk.names(in: scratch.path).map(\.string) == ["out"])
    try publish(replacing: true)
    #expect(try scratch.read("out") == Array("new".utf8))
    #expect(try TreeWalk.names(in: scratch.path).map(\.string) == ["out"])
  }
}

struct InputFileTests {
  @Test func readsAtOffsetsAndStopsAtTheEndOnly() throws {
    let scratch = try Scratch()
    let path = try scratch.write("0123456789", to: "in")
    var buffer = ByteBuffer()
    let file = try InputFile(opening: path)
    var counts: [Int] = []
    for (offset, limit) in [(8, 5), (10, 5), (99, 5), (0, 0)] {
      counts.append(try file.read(at: offset, into: &buffer, atMost: limit))
    }
    #expect(counts == [2, 0, 0, 0])
    #expect(buffer.array == Array("89".utf8))
  }

  @Test func whatIsNoRegularFileIsRefusedAndNotWaitedFor() throws {
    let scratch = try Scratch()
    try scratch.run("mkfifo fifo; mkdir dir; ln -s nowhere dangling")
    for (name, code) in [
      ("fifo", DiskError.Code.notRegular), ("dir", .notRegular), ("dangling", .notFound),
      ("absent", .notFound),
    ] {
      let error = #expect(throws: DiskError.self) {
        _ = try InputFile(opening: scratch.file(name)).path
      }
      #expect(error?.code == code)
    }
  }
}

struct StoreLockTests {
  private final class Holder {
    let lock: StoreLock
    init(_ lock: consuming StoreLock) { self.lock = lock }
  }

  private func take(_ path: FilePath, _ seconds: Double = 0) throws {
    _ = try StoreLock(path, waitingUpTo: seconds)
  }

  @Test func anotherProcessIsWaitedForAndItsDeathReleases() throws {
    let scratch = try Scratch()
    let path = scratch.file("lock")
    try scratch.write(
      """
      import fcntl, time
      f = open("lock", "w")
      fcntl.flock(f, fcntl.LOCK_EX)
      open("held", "w").close()
      time.sleep(60)
      """, to: "holder.py")
    try scratch.run(
      "python3 holder.py >said 2>&1 & echo $! >pid; while [ ! -e held ]; do sleep 0.02; done")
    var error = #expect(throws: DiskError.self) { try take(path) }
    #expect(error?.code == .locked)
    let start = Clock.now
    error = #expect(throws: DiskError.self) { try take(path, 0.3) }
    #expect(error?.code == .locked && Clock.now - start >= 0.3)
    try scratch.run("kill -9 $(cat pid)")
    try take(path, 10)
  }

  @Test func oneHolderAtATimeInOneProcessToo() throws {
    let scratch = try Scratch()
    let path = scratch.file("lock")
    let first = Holder(try StoreLock(path))
    #expect(throws: DiskError.self) { try take(path) }
    withExtendedLifetime(first) {}
  }

  @Test func aLinkIsNoLock() throws {
    let scratch = try Scratch()
    try scratch.run("touch other; ln -s other lock")
    #expect(throws: DiskError.self) { try take(scratch.file("lock")) }
  }
}

struct TreeTests {
  private func names(_ root: FilePath) throws -> [[UInt8]] {
    var found: [[UInt8]] = []
    try TreeWalk.walk(root) { entry in
      found.append(TreeWalk.bytes(of: entry.name))
      return true
    }
    return found
  }

  @Test func inByteOrderDirectoriesFirstLinksNotFollowed() throws {
    let scratch = try Scratch()
    try scratch.run(
      #"mkdir -p t/b/x t/a t/B; touch t/b.txt t/b/x/1 t/a/é "t/$(printf 'a\377')" t/b/0"#
        + "; ln -s .. t/a/up; ln -s ../nowhere t/a/broken; ln -s b t/c")
    let text = ["B", "a", "a/broken", "a/up", "a/é"].map { Array($0.utf8) }
    let rest = ["b", "b/0", "b/x", "b/x/1", "b.txt", "c"].map { Array($0.utf8) }
    #expect(try names(scratch.file("t")) == text + [[0x61, 0xFF]] + rest)
  }

  @Test func deepTreesAreWalkedAndRemoved() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import os
      os.mkdir("deep"); os.mkdir("kept"); open("kept/file", "w").close()
      p = "deep"
      for i in range(300):
          p += "/d%d" % i
          os.mkdir(p)
          open(p + "/f", "w").close()
      os.symlink(os.path.abspath("kept"), p + "/link")
      os.symlink(os.path.abspath("kept/file"), "deep/link")
      """)
    #expect(try names(scratch.file("deep")).count == 602)
    try Disk.remove(scratch.file("deep"))
    #expect(!scratch.exists("deep"))
    #expect(scratch.exists("kept/file"))
    try Disk.remove(scratch.file("deep"))
  }

  @Test func removingALinkToADirectoryRemovesTheLink() throws {
    let scratch = try Scratch()
    try scratch.run("mkdir kept; touch kept/file; ln -s kept link")
    try Disk.remove(scratch.file("link"))
    #expect(!scratch.exists("link") && scratch.exists("kept/file"))
  }

  @Test func factsAreSetAndDirectoriesMade() throws {
    let scratch = try Scratch()
    let path = scratch.file("a/b/c")
    try Disk.makeDirectory(path)
    try Disk.makeDirectory(path)
    try Disk.setFacts(path, mode: 0o710, modified: (-5, 123_456_789))
    let facts = try FileFacts(at: path)
    #expect(facts?.mode == 0o710)
    #expect(facts?.modified.seconds == -5 && facts?.modified.nanoseconds == 123_456_789)
    try scratch.write("", to: "file")
    #expect(throws: DiskError.self) { try Disk.makeDirectory(scratch.file("file")) }
    #expect(throws: DiskError.self) { try Disk.makeDirectory(scratch.file("file/below")) }
  }

  @Test func absolutePathsGoAsFarAsThereIsSomething() throws {
    let scratch = try Scratch()
    try scratch.run("mkdir real; ln -s real link")
    #expect(Disk.absolute(scratch.file("link/new/x")) == scratch.file("real/new/x"))
    #expect(Disk.absolute(scratch.file("link/../y")) == scratch.file("y"))
  }

  @Test func aSpillGivesBackWhatItGot() throws {
    var random = Seeded()
    let scratch = try Scratch()
    let spill = try SpillFile(in: scratch.path)
    var all: [UInt8] = []
    for _ in 0..<60 {
      let piece = random.bytes(random.chance(5) ? 70_000 : random.below(5000))
      try spill.append(piece.span)
      all += piece
      let start = random.below(all.count + 1)
      let length = random.below(all.count - start + 1)
      var back = ByteBuffer()
      try spill.read(at: start, into: &back, count: length)
      #expect(back.array == Array(all[start..<start + length]), "seed \(random.seed)")
    }
    var back = ByteBuffer()
    #expect(throws: DiskError.self) { try spill.read(at: all.count, into: &back, count: 1) }
    #expect(try TreeWalk.names(in: scratch.path).isEmpty)
  }
}

/// Files below a directory that were listed, and what has taken their place since.
struct InputBeneathTests {
  private func code(_ name: String, _ root: FilePath) -> DiskError.Code? {
    do throws(DiskError) {
      _ = try InputFile(opening: FilePath(name), beneath: root)
      return nil
    } catch { return error.code }
  }

  @Test func noLinkIsFollowed() throws {
    let scratch = try Scratch()
    try scratch.write("mine", to: "store/a/b/file")
    try scratch.write("secret", to: "outside/b/file")
    try scratch.run("ln -s store root; cd store; ln -s ../outside/b/file link; ln -s ../outside c")
    #expect(code("a/b/file", scratch.file("store")) == nil)
    // The way to the store itself may be a link.
    #expect(code("a/b/file", scratch.file("root")) == nil)
    for name in ["link", "c/b/file"] { #expect(code(name, scratch.file("store")) == .changed) }
    #expect(code("a/none", scratch.file("store")) == .notFound)
    for name in ["a/b", ""] { #expect(code(name, scratch.file("store")) == .notRegular) }
  }

  @Test(arguments: [
    ("abc", 3, "abc"), ("abc", 2, "ab"), ("aé", 2, "a"), ("😀😀", 7, "😀"), ("👩‍👩‍👧", 10, ""),
  ])
  func namesAreCutBetweenCharacters(_ name: String, _ limit: Int, _ expected: String) {
    #expect(Disk.shortened(name, to: limit) == expected)
  }
}
