import Glibc
import Testing

/// Expected outputs, kept as files. With UPDATE_GOLDEN=1 they are written anew, and the test
/// fails all the same, so that no new one goes unseen.
enum Golden {
  private static let directory: String = {
    let file = #filePath
    let support = file[..<(file.lastIndex(of: "/") ?? file.startIndex)]
    return support[..<(support.lastIndex(of: "/") ?? support.startIndex)] + "/Golden"
  }()

  static func compare(
    _ actual: String, with name: String, at location: SourceLocation = #_sourceLocation
  ) throws {
    let path = "\(directory)/\(name)"
    if getenv("UPDATE_GOLDEN").map({ String(cString: $0) }) == "1" {
      try TestFile.makeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
      try TestFile.write(Array(actual.utf8), to: path)
      Issue.record("recorded \(name): look at it, then run without", sourceLocation: location)
      return
    }
    let expected = try TestFile.text(path)
    #expect(actual == expected, "differs from Golden/\(name)", sourceLocation: location)
  }
}
