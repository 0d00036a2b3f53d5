extension Blow {
  private static let errors: [String: [String]] = {
    let room = ["ENOSPC", "EDQUOT"]
    var errors: [String: [String]] = [:]
    for name in Trace.changing { errors[name] = ["EIO"] }
    for name in ["write", "pwrite64", "writev", "ftruncate", "fallocate", "fsync", "syncfs"] {
      errors[name, default: []] += room
    }
    for name in ["openat", "mkdir", "rename", "renameat", "renameat2", "link", "linkat", "symlink"]
    {
      errors[name, default: []] += room + ["EACCES"]
    }
    for name in ["unlink", "unlinkat", "rmdir", "chmod", "fchmod", "utimensat"] {
      errors[name, default: []] += ["EACCES"]
    }
    for name in Trace.reading { errors[name] = ["EIO"] }
    return errors
  }()

  /// All blows at the calls that an undisturbed run makes.
  static func all(at calls: [TracedCall]) -> [Blow] {
    var seen: Set<String> = []
    return calls.flatMap { call -> [Blow] in
      guard seen.insert("\(call.name) \(call.number)").inserted else { return [] }
      let isCreating = call.text.contains("O_CREAT") || call.name != "openat"
      var blows = [Blow(call: call.name, number: call.number, act: .signal("KILL"))]
      for name in errors[call.name] ?? [] {
        if !isCreating, ["ENOSPC", "EDQUOT"].contains(name) { continue }
        for isForGood in [false, true] {
          blows.append(
            Blow(call: call.name, number: call.number, isForGood: isForGood, act: .error(name)))
        }
      }
      return blows
    }
  }

  /// The exit codes that one failing call may lead to.
  func statuses(_ hit: TracedCall) -> Set<Int32> {
    let isWriting = ["O_CREAT", "O_WRONLY", "O_RDWR"].contains { hit.text.contains($0) }
    let isOpening = ["openat", "openat2"].contains(hit.name)
    let isReading = Trace.reading.contains(hit.name) || isOpening && !isWriting
    return switch act {
    // A call for reading cannot fail so, but the Nth of a run is not always the same one.
    case .error("ENOSPC"), .error("EDQUOT"): isReading ? [15, 12, 13] : [15]
    case .error("EACCES"): isReading ? [15, 13, 12] : [15]
    // SQLite opens for reading what does not open for writing, whatever the reason.
    case .error("EIO"): isReading ? [1, 12, 13] : hit.name == "openat" ? [1, 15] : [1]
    default: []
    }
  }
}
