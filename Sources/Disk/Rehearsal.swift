import SystemPackage

/// A directory for writing what a plan is going to write, to see whether that can be done.
package enum Rehearsal {
  /// Lets `stage` fill an empty directory among the temporary ones; it goes away in any case.
  package static func run<Result>(_ stage: (FilePath) throws -> Result) throws -> Result {
    let directory = Disk.temporaryPath(for: Disk.temporaryDirectory.appending("rehearsal"))
    try Disk.makeDirectory(directory, mode: 0o700, durably: false)
    defer { try? Disk.remove(directory) }
    return try stage(directory)
  }
}
