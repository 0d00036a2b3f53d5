import Glibc
import Testing

/// A store that another program changes between the look at it and the writing of what came of it.
@Suite(.scratchOnDisk) struct ChangedMeanwhileTests {
  private func entities(_ count: Int) -> [UInt8] {
    SampleRecords.lines((0..<count).map(SampleRecords.entity), last: "\n")
  }

  /// The run stands still where it has made its directory beside the target: all has been read once
  /// by then, and nothing for the second time.
  @Test(arguments: [
    (["merge", "a.jsonl", "b.jsonl", "--to", "t"], "b.jsonl: was changed while it was merged"),
    (["replay", "b.jsonl", "--to", "t"], "b.jsonl: was changed while it was replayed"),
    (["move", "b.jsonl", "--select", "entity:node 1*", "--into", "w"], "b.jsonl: was changed"),
  ])
  func nothingIsMadeOfTwoStates(_ words: [String], _ message: String) throws {
    let scratch = try Scratch.here()
    try scratch.write(entities(2), to: "a.jsonl")
    try scratch.write(entities(5), to: "b.jsonl")
    let strace = [
      "strace", "-f", "-o", "/dev/null", "-e", "trace=mkdir,mkdirat", "-e",
      "inject=mkdir,mkdirat:delay_exit=10000000:when=1",
    ]
    let child = try scratch.start(
      strace + [Binary.path] + words, Child.Setting(directory: scratch.path))
    try Child.until {
      try TestFile.names(scratch.path).contains { $0.hasPrefix(".holdfast-") }
    }
    let changed = entities(7)
    try scratch.write(changed, to: "b.jsonl")
    let outcome = try child.wait()
    #expect(outcome.status == 13 && outcome.message.contains(message), "\(outcome)")
    let left = try TestFile.names(scratch.path).filter { $0 != ".captured" }
    #expect(left == ["a.jsonl", "b.jsonl"])
    #expect(try TestFile.read(scratch.file("b.jsonl")) == changed)
  }

  /// What is written to a store in the very moment at which the new one takes its place comes back
  /// with it.
  @Test func inTheMomentOfTheStep() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(entities(5), to: "c/charts.jsonl")
    let child = try scratch.start([
      "strace", "-f", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
      "inject=renameat2:delay_enter=10000000:when=1", Binary.path, "move", scratch.file("c"),
      "--select", "entity:node 1*", "--into", "w",
    ])
    try Child.until { try TestFile.names(scratch.path).contains { $0.hasPrefix("c.undo-") } }
    let changed = entities(7)
    try TestFile.write(changed, to: store)
    let outcome = try child.wait()
    #expect(outcome.status == 13, "\(outcome)")
    #expect(outcome.message.contains("c: was changed meanwhile, and is left as it is"))
    #expect(try TestFile.names(scratch.path).filter { $0 != ".captured" } == ["c"])
    #expect(try TestFile.names(scratch.file("c")) == ["charts.jsonl"])
    #expect(try TestFile.read(store) == changed)
  }
}
