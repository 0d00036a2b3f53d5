import Glibc
import SystemPackage

/// Expected texts, kept as files in `Golden/` beside the test. With UPDATE_GOLDEN=1 they are
/// written anew, and the test fails all the same, so that no new one goes unseen.
package enum GoldenFile {
  /// Throws where `text` is not what the file holds.
  /// - Parameter source: the test's own file.
  package static func compare(_ text: String, with name: String, source: String = #filePath) throws
  {
    let path = FilePath(source).removingLastComponent().appending("Golden").pushing(FilePath(name))
    if getenv("UPDATE_GOLDEN").map({ String(cString: $0) }) == "1" {
      guard let stream = fopen(path.string, "wb") else { throw TestFailure("cannot write \(path)") }
      fputs(text, stream)
      fclose(stream)
      throw TestFailure("recorded \(name): look at it, then run without")
    }
    let expected = String(decoding: try Scratch.read(path), as: UTF8.self)
    guard text != expected else { return }
    let lines = zip(
      text.split(separator: "\n", omittingEmptySubsequences: false),
      expected.split(separator: "\n", omittingEmptySubsequences: false))
    let first = lines.first { $0 != $1 }
    throw TestFailure(
      "differs from Golden/\(name): '\(first?.0 ?? "")' where '\(first?.1 ?? "")' was expected")
  }
}
