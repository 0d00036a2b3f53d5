import Disk
import LosslessJSON
import SystemPackage
import TestSupport
import Testing

/// What somebody else has done to a place in the meantime is noticed and left alone.
struct MeanwhileTests {
  private func append(_ text: String, to path: FilePath, knownAs facts: FileFacts) throws(DiskError)
    -> FileFacts
  {
    try Disk.append(Array(text.utf8).span, to: path, knownAs: facts)
  }

  @Test func appendedToWhatIsKnown() throws {
    let scratch = try Scratch()
    let path = try scratch.write("one\n", to: "log")
    let first = try #require(try FileFacts(at: path))
    let second = try append("two\n", to: path, knownAs: first)
    #expect(second.size == 8 && second.inode == first.inode)
    // It has grown since, or another file has taken its name.
    for replaces in [false, true] {
      if replaces { try scratch.run("cp log new; mv new log") }
      let facts = replaces ? second : first
      let error = #expect(throws: DiskError.self) {
        _ = try append("late\n", to: path, knownAs: facts)
      }
      #expect(error?.code == .changed && error?.path == path)
      #expect(try scratch.read("log") == Array("one\ntwo\n".utf8))
    }
    try scratch.run("rm log")
    let error = #expect(throws: DiskError.self) {
      _ = try append("late\n", to: path, knownAs: second)
    }
    #expect(error?.code == .notFound && !scratch.exists("log"))
  }

  /// A name that is taken stays as it is, with and without a second name on the way.
  @Test(arguments: [true, false]) func aNameThatIsTaken(linking: Bool) throws {
    let scratch = try Scratch()
    let (source, target) = (try scratch.write("new", to: "a"), try scratch.write("old", to: "b"))
    let error = #expect(throws: DiskError.self) {
      try Disk.rename(source, to: target, replacing: false, linking: linking)
    }
    #expect(error?.code == .exists && error?.path == target)
    #expect(try scratch.read("a") == Array("new".utf8))
    #expect(try scratch.read("b") == Array("old".utf8))
    try Disk.rename(source, to: scratch.file("c"), replacing: false, linking: linking)
    #expect(try scratch.read("c") == Array("new".utf8) && !scratch.exists("a"))
  }

  /// A tree of second names has the directories, modes and times of the first.
  @Test func aTreeOfSecondNames() throws {
    let scratch = try Scratch()
    try scratch.write("x", to: "from/a/b/file")
    try scratch.write("y", to: "from/top")
    try scratch.run("ln -s ../nowhere from/a/link; mkdir from/hollow; chmod 711 from/a from")
    try scratch.run("touch -d 2020-01-02 from/a/b from/a from/hollow from")
    try Disk.link(treeAt: scratch.file("from"), to: scratch.file("to"))
    let list = "find . -printf '%P %y %m %i %l %T@\\n' | grep -v ' d ' | sort"
    let (from, to) = (try scratch.run("cd from; \(list)"), try scratch.run("cd to; \(list)"))
    #expect(from == to && from.contains("a/b/file f"))
    let directories = "find . -type d -printf '%P %m %T@\\n' | sort"
    #expect(try scratch.run("cd to; \(directories)") == scratch.run("cd from; \(directories)"))
  }
}
