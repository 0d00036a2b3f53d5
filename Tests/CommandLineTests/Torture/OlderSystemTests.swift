import Testing

/// Kernels, containers and file systems that can do less: no `openat2`, no rename that keeps or
/// exchanges what is there, no second names. Every verb that writes comes to the same result there, or
/// says that it cannot be done and leaves all as it was.
@Suite(.scratch) struct OlderSystemTests {
  /// What fails, and how: as an older kernel says it, as a container's filter, as a file system.
  static let systems = [
    ["openat2:error=ENOSYS", "renameat2:error=ENOSYS"],
    ["openat2:error=EPERM", "renameat2:error=EINVAL", "link,linkat:error=EPERM"],
  ]

  /// What keeps the backups in a store's directory, which it replaces as a whole, by second names.
  static let linking: Set = [
    "restore of what differs", "move between contexts", "export as contexts",
  ]

  @Test(arguments: Deed.all) func sameResult(_ deed: Deed) throws {
    let stage = try Stage(deed)
    for (number, system) in Self.systems.enumerated() {
      try stage.reset()
      let faults = system.flatMap { ["-e", "inject=\($0)"] }
      let calls = "trace=openat2,renameat2,link,linkat"
      let outcome = try stage.perform(["strace", "-f", "-o", "/dev/null", "-e", calls] + faults)
      let comment = "\(deed.name), \(system): \(outcome)"
      let isRefused = number == 1 && Self.linking.contains(deed.name)
      #expect(outcome.status == (isRefused ? 15 : stage.status), "\(comment)")
      if isRefused { #expect(outcome.message.contains("cannot link"), "\(comment)") }
      let now = try TreeImage(of: stage.scratch.file("world"))
      var (found, wanted) = (now.lasting, (isRefused ? stage.before : stage.after).lasting)
      // It tells how long the run took.
      found.nodes["metrics.prom"] = nil
      wanted.nodes["metrics.prom"] = nil
      stage.expect(found == wanted, "\(found.difference(from: wanted)) after \(comment)")
    }
  }
}
