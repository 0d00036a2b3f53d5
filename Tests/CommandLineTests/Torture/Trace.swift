import Glibc

/// A system call that a trace tells of.
struct TracedCall {
  var thread: String
  var name: String
  /// The how manieth of its name that the thread made, from 1.
  var number: Int
  /// All behind the name; where other threads came between, in two halves.
  var text: String
  var isInjected: Bool { text.contains("(INJECTED)") }

  /// Whether it is about something below one of these paths.
  func isAbout(_ places: [String]) -> Bool {
    // What is written comes behind the file.
    let head = Trace.writing.contains(name) ? text.prefix { $0 != "," } : text[...]
    return places.contains { head.contains($0) }
  }
}

/// The system calls that touch files, as strace tells of them.
enum Trace {
  static let writing: Set<String> = ["write", "pwrite64", "writev", "pwritev"]
  /// All that change something, and those that open.
  static let changing = [
    "write", "pwrite64", "writev", "fsync", "fdatasync", "syncfs", "ftruncate", "fallocate",
    "openat", "openat2", "mkdir", "rmdir", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "symlink",
    "chmod", "fchmod", "utimensat",
  ]
  static let reading = ["read", "pread64", "getdents64"]

  /// The calls of these names that a log of `strace -f -o` tells of, in its order.
  static func calls(in log: String, _ names: [String]) throws -> [TracedCall] {
    let names = Set(names)
    var counts: [String: Int] = [:]
    var open: [Substring: Int] = [:]
    var calls: [TracedCall] = []
    for line in try TestFile.text(log).split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard words.count == 2 else { continue }
      // Short numbers of processes are followed by more than one space.
      let text = words[1].drop { $0 == " " }
      if text.hasPrefix("<... "), let index = open.removeValue(forKey: words[0]) {
        calls[index].text += text
        continue
      }
      guard let end = text.firstIndex(of: "(") else { continue }
      let name = String(text[..<end])
      guard names.contains(name) else { continue }
      let key = "\(words[0]) \(name)"
      counts[key, default: 0] += 1
      if line.hasSuffix("<unfinished ...>") { open[words[0]] = calls.count }
      calls.append(
        TracedCall(
          thread: String(words[0]), name: name, number: counts[key, default: 1],
          text: String(text[end...])))
    }
    return calls
  }

  /// The words that run a program with its calls told of in `log`, and one of them perhaps hit.
  static func words(_ log: String, _ names: [String], _ blow: Blow? = nil) -> [String] {
    // Signals cannot be delivered where seccomp stops the program.
    (blow?.isSignal == true ? ["strace", "-f"] : ["strace", "-f", "--seccomp-bpf"])
      + ["-y", "-s", "0", "-o", log, "-e", "trace=\(names.joined(separator: ","))"]
      + (blow.map { ["-e", "inject=\($0.injection)"] } ?? [])
  }
}

/// What happens at a system call.
struct Blow: CustomStringConvertible {
  enum Act: Hashable {
    case error(String)
    case signal(String)
  }

  var call: String
  var number: Int
  /// Whether every later call of that name is hit as well.
  var isForGood = false
  var act: Act

  var injection: String {
    let what =
      switch act {
      case .error(let name): "error=\(name)"
      case .signal(let name): "signal=\(name)"
      }
    return "\(call):\(what):when=\(number)\(isForGood ? "+" : "")"
  }

  var description: String { injection }
  var isKill: Bool { act == .signal("KILL") }
  var isSignal: Bool {
    if case .signal = act { return true }
    return false
  }
}
