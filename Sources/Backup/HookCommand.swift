import Disk
import LosslessJSON
import SystemPackage

/// A program that is told what became of a series.
package struct HookCommand: Sendable, Equatable {
  /// The program and its arguments.
  package var words: [String]
  /// Where it runs.
  package var directory: FilePath

  /// Runs it with `input` on its standard input and `variables` added to the environment. Throws
  /// `failed` where it cannot be run, ends with anything but 0, or takes longer than `limit`
  /// seconds, after which it and all that it started are ended.
  /// - Parameter event: `before`, `after` or `failed`, for the message.
  package func run(
    _ event: String, input: [UInt8], variables: [String: String], limit: Int
  ) throws {
    let (given, said) = (try Self.scratch(), try Self.scratch())
    try given.append(input.span)
    var environment = EnvironmentVariables.current()
    environment.merge(variables) { $1 }
    environment["HOLDFAST_EVENT"] = event
    let process = try ChildProcess(
      words, environment: environment, directory: directory, input: try given.handOver(),
      output: try said.handOver())
    let end = try process.wait(limit: Double(limit))
    guard end != .exit(0) else { return }
    let what: String
    switch end {
    case .exit(let code): what = "ended with exit code \(code)"
    case .signal(let number): what = "was ended by signal \(number)"
    case .timeOut: what = "took longer than \(limit) s and was ended"
    }
    let last = try Self.lastLine(said)
    throw BackupError(
      .failed, "the hook '\(event)' \(what)" + (last.isEmpty ? "" : ": \(last)"),
      hint: "run the command of the hook by hand")
  }

  /// Nameless, in memory where that can be had: the disk may be what has failed.
  private static func scratch() throws -> SpillFile {
    let places = ["/dev/shm", EnvironmentVariables.current()["TMPDIR"], "/tmp", "/var/tmp"]
    for place in places.compactMap({ $0 }) {
      if let file = try? SpillFile(in: FilePath(place)) { return file }
    }
    throw BackupError(
      .failed, "there is no place for the input of a hook", hint: "set TMPDIR to a directory")
  }

  private static func lastLine(_ file: SpillFile) throws -> String {
    let size = try file.size()
    let count = min(size, 4096)
    var bytes = ByteBuffer()
    try file.read(at: size - count, into: &bytes, count: count)
    let lines = bytes.array.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
    return String(decoding: (lines.last ?? []).prefix(300), as: UTF8.self)
  }
}

/// The variables that this process was started with.
enum EnvironmentVariables {
  static func current() -> [String: String] {
    var bytes = ByteBuffer()
    do {
      let file = try InputFile(opening: "/proc/self/environ")
      _ = try file.read(at: 0, into: &bytes, atMost: 4 << 20)
    } catch { return [:] }
    var variables: [String: String] = [:]
    for entry in bytes.array.split(separator: 0) {
      let text = String(decoding: entry, as: UTF8.self)
      guard let mark = text.firstIndex(of: "=") else { continue }
      variables[String(text[..<mark])] = String(text[text.index(after: mark)...])
    }
    return variables
  }
}
