import Salvage
import SystemPackage
import TestSupport
import Testing

/// What fuzzing has found, in `Found/`: each has an outcome now, and its bytes add up.
struct FoundTests {
  private static let folder = FilePath(#filePath).removingLastComponent().appending("Found")

  @Test(arguments: [
    "short-header.db", "no-value.tar.gz", "list-and-projects.json", "virtual-table.db",
    "bad-byte-in-a-key.json", "nothing-three-times.tar.gz", "names-of-no-store.tar.gz",
    "free-block-that-leads-to-itself.db",
  ])
  func inputs(_ name: String) throws {
    let path = Self.folder.appending(name)
    let bytes = try Scratch.read(path)
    let kind = name.hasPrefix("bad-byte") ? "task-list" : nil
    let result = try Salvaged(bytes, as: name, kind: kind) { $0.takesDeleted = true }
    #expect(Fate.allCases.reduce(0) { $0 + result.account[$1].bytes } == bytes.count)
  }
}
