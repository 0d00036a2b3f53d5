import SystemPackage

/// What SQLite keeps beside a database while it is open, or after whoever had it open was killed
/// (sqlite.org/tempfiles.html). Whatever lies there under these names is taken to belong to the
/// database of that name, whichever that is by then.
extension Disk {
  private static let logEndings = ["-wal", "-journal", "-shm"]

  /// Those that are there, with what follows the database's name.
  package static func logs(
    of database: FilePath
  ) throws(DiskError) -> [(path: FilePath, ending: String)] {
    var found: [(path: FilePath, ending: String)] = []
    for ending in logEndings {
      let path = database.followed(by: ending)
      if try FileFacts(at: path, following: false)?.isRegular == true {
        found.append((path, ending))
      }
    }
    return found
  }

  /// Throws `exists` where a log that is not empty lies beside `target`: SQLite would write it into
  /// a new database there, and the old one is not whole without it.
  static func checkNoLog(of target: FilePath) throws(DiskError) {
    for (path, ending) in try logs(of: target) where ending != "-shm" {
      guard let facts = try FileFacts(at: path), facts.size > 0 else { continue }
      throw DiskError(
        .exists, "is the log of the database there, which holds changes that are not in it yet",
        path: path,
        hint: "close what has that database open, or open and close it once with sqlite3; "
          + "if there is no such database any more, move the log away")
    }
  }
}

extension FilePath {
  /// The path with `suffix` behind its last component: of a file that SQLite keeps beside a database.
  package func followed(by suffix: String) -> FilePath {
    FilePath(bytes: TreeWalk.bytes(of: self) + Array(suffix.utf8)) ?? self
  }
}
