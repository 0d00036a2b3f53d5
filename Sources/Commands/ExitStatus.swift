import Disk

/// The exit codes, once for all verbs: help texts, README and behaviour come from this table.
enum ExitStatus: Int32, CaseIterable, Sendable {
  case done = 0
  case failure = 1
  case findings = 3
  case notFound = 10
  case locked = 11
  case verificationFailed = 12
  case refused = 13
  case retentionRefused = 14
  case notWritable = 15
  case usage = 64
  case hungUp = 129
  case interrupted = 130
  case terminated = 143

  var meaning: String {
    switch self {
    case .done: "all that was asked is done"
    case .failure: "failure"
    case .findings: "done, but with losses or findings"
    case .notFound: "store, repository or backup not found"
    case .locked: "locked by another run"
    case .verificationFailed: "verification failed"
    case .refused: "source refused: empty or unreadable"
    case .retentionRefused: "retention refused"
    case .notWritable: "no space or not writable"
    case .usage: "usage error"
    case .hungUp: "hung up (SIGHUP)"
    case .interrupted: "interrupted (SIGINT)"
    case .terminated: "terminated (SIGTERM)"
    }
  }

  /// What a signal that asks to stop comes to.
  static let signals: [ExitStatus] = [.hungUp, .interrupted, .terminated]

  /// That of the signal that asked last.
  static var ofSignal: ExitStatus {
    ExitStatus(rawValue: 128 + Interruption.lastSignal).flatMap { signals.contains($0) ? $0 : nil }
      ?? .interrupted
  }

  /// The paragraph of a verb's help: the codes it may end with. Usage errors and signals may end
  /// any verb.
  static func help(_ codes: [ExitStatus]) -> String {
    let all = Set(codes).union([.done, .failure, .usage] + signals)
    let lines = allCases.filter(all.contains).map { status in
      let number = String(status.rawValue)
      return "  \(String(repeating: " ", count: 3 - number.count))\(number)  \(status.meaning)"
    }
    return "EXIT CODES\n" + lines.joined(separator: "\n")
  }
}
