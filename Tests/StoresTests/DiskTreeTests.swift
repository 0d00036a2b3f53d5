import Records
import Stores
import SystemPackage
import TestSupport
import Testing

struct DiskTreeTests {
  @Test func whatBelongsToTheStore() throws {
    let scratch = try Scratch()
    for name in [
      "charts.jsonl", ".backup/b", ".recovery/r", "sub/.backup/kept", "sub/.recovery/kept",
      ".archive_lock", "sub/.archive_lock", ".holdfast-12-3-x.tmp", "sub/.holdfast-1-1-y.tmp",
      ".holdfast-notes.json", ".hidden",
    ] { try scratch.write("x", to: "store/" + name) }
    try scratch.run("cd store; ln -s charts.jsonl link; mkfifo fifo; mkdir empty")
    let tree = try DiskTree(scratch.file("store"))
    #expect(
      tree.files.map(\.name.string) == [
        ".hidden", ".holdfast-notes.json", "charts.jsonl", "empty", "sub", "sub/.backup",
        "sub/.backup/kept", "sub/.recovery", "sub/.recovery/kept",
      ])
    #expect(tree.notes.map(\.code) == [.skippedFile, .skippedFile])
    #expect(tree.notes.map { FilePath($0.path ?? "").lastComponent?.string } == ["fifo", "link"])
  }

  @Test func aStoreOfOneFile() throws {
    let scratch = try Scratch()
    try scratch.write("{}", to: "real.json")
    try scratch.run("ln -s real.json link.json; mkfifo fifo")
    for name in ["real.json", "link.json"] {
      let tree = try DiskTree(scratch.file(name))
      #expect(tree.isSingleFile && tree.files.map(\.name.string) == [name])
      #expect(tree.files[0].size == 2)
    }
    #expect(throws: (any Error).self) { try DiskTree(scratch.file("fifo")) }
    #expect(throws: (any Error).self) { try DiskTree(scratch.file("absent")) }
  }
}
