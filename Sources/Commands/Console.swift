import Disk
import Glibc
import LosslessJSON
import Records
import Synchronization
import SystemPackage

/// Where output goes: results to stdout, everything else to stderr. Nothing else prints.
struct Console {
  var isQuiet: Bool
  var isJSON: Bool

  static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
  static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Colour only on a terminal, and never where `NO_COLOR` is set to anything (no-color.org).
  static var hasColour: Bool {
    guard isTerminal else { return false }
    return (getenv("NO_COLOR").map { $0.pointee != 0 } ?? false) == false
  }

  /// A line of the result for people; left out with `--quiet` and with `--json`.
  func result(_ line: String) {
    if !isQuiet, !isJSON { Self.write(line + "\n", to: .standardOutput) }
  }

  /// A line that is the result itself, as a digest is; only `--json` replaces it.
  func answer(_ line: String) {
    if !isJSON { Self.write(line + "\n", to: .standardOutput) }
  }

  /// Bytes that are the result itself, line feeds included; `--json` and `--quiet` leave them out.
  func answer(bytes: Span<UInt8>) {
    guard !isJSON, !isQuiet else { return }
    Self.write(bytes.indices.map { bytes[$0] }, to: .standardOutput)
  }

  /// The one object that `--json` prints.
  func json(_ schema: String, _ body: (inout JSONBuilder) -> Void) {
    guard isJSON else { return }
    var builder = JSONBuilder(pretty: true)
    builder.object {
      $0.member("schema", "holdfast.\(schema)/1")
      body(&$0)
    }
    Self.write(builder.bytes.array + [0x0A], to: .standardOutput)
  }

  /// Anything that is not the result.
  func message(_ line: String) {
    if !isQuiet { Self.write(line + "\n", to: .standardError) }
  }

  /// A line for each failure. When quiet they are kept until `finish`, which prints one.
  func failure(_ line: String) {
    guard isQuiet else { return Self.write("holdfast: \(line)\n", to: .standardError) }
    Self.state.withLock { $0.failures.append(line) }
  }

  /// Prints what `--quiet` promises of a failure: the first line of it, and how many more.
  func finish() {
    let lines = Self.state.withLock { state in
      let lines = state.failures
      state.failures = []
      return lines
    }
    guard let first = lines.first else { return }
    let more = lines.count > 1 ? " (and \(lines.count - 1) more like it; run without --quiet)" : ""
    Self.write("holdfast: \(first)\(more)\n", to: .standardError)
  }

  /// Throws what kept results from being written to standard output, if anything did. A reader
  /// that went away is no concern of ours.
  static func check() throws(DiskError) {
    let failure = state.withLock { $0.outputFailure }
    guard let failure, failure != .brokenPipe else { return }
    throw DiskError("cannot write", FilePath("standard output"), failure)
  }

  /// Whether nobody takes the results any more, so that there is no point in going on.
  static var isOutputGone: Bool { state.withLock { $0.outputFailure != nil } }

  static func write(_ text: String, to target: FileDescriptor) {
    write(Array(text.utf8), to: target)
  }

  static func write(_ bytes: [UInt8], to target: FileDescriptor) {
    do { try target.writeAll(bytes) } catch {
      // There is nowhere to complain of a standard error that cannot be written to.
      guard target == .standardOutput else { return }
      state.withLock { $0.outputFailure = error as? Errno ?? .ioError }
    }
  }

  private struct State {
    var failures: [String] = []
    var outputFailure: Errno?
  }

  private static let state = Mutex(State())
}

/// Text made safe for a terminal: control characters and what is no text are shown as `\xNN`.
func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
    return text
  }
  return text.unicodeScalars.reduce(into: "") { out, scalar in
    if scalar.value < 0x20 || scalar.value == 0x7F {
      let digits = String(scalar.value, radix: 16)
      out += "\\x" + (digits.count < 2 ? "0" : "") + digits
    } else {
      out.unicodeScalars.append(scalar)
    }
  }
}
