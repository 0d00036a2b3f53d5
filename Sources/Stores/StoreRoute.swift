import Disk
import Glibc
import SystemPackage

/// Where the memory graph lies that is meant when none is named (FORMATS: a configured path, else
/// the project's `.coaia/`, else the default file).
package enum StoreRoute {
  /// Variables that the owning applications take the path of their memory from.
  package static let variables = ["COAIA_MEMORY_PATH", "MEMORY_FILE_PATH"]
  /// The default file of the memory server, and its older name.
  static let defaultFiles = ["memory.jsonl", "memory.json"]

  /// Throws `notFound`, saying where was looked.
  package static func find() throws -> FilePath {
    for name in variables {
      if let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty {
        return FilePath(text)
      }
    }
    let here = Disk.absolute(FilePath("."))
    var directory = here
    while true {
      let place = directory.appending(".coaia")
      if try FileFacts(at: place)?.kind == .directory { return place }
      let parent = directory.removingLastComponent()
      if parent == directory { break }
      directory = parent
    }
    for name in defaultFiles {
      if try FileFacts(at: FilePath(name)) != nil { return FilePath(name) }
    }
    throw StoreError(
      .notFound, "no store is named, and none is found", path: here.string,
      hint: "name one, set COAIA_MEMORY_PATH, or run it in a project that has a .coaia directory")
  }
}
