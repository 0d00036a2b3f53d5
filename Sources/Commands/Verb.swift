import Archive
import ArgumentParser
import Disk
import Glibc
import LosslessJSON
import Records
import Stores
import SystemPackage

/// What every verb takes.
struct SharedOptions: ParsableArguments {
  @Flag(name: .long, help: "Print one JSON object instead of text.")
  var json = false

  @Flag(name: [.short, .long], help: "Print nothing on success, one line on failure.")
  var quiet = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Take the store as this kind instead of looking at its content: "
        + "\(HoldfastCommand.formats.map(\.name).joined(separator: ", ")).",
      valueName: "kind"),
    completion: .list(HoldfastCommand.formats.map(\.name)))
  var kind: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long to wait for another run to release the repository: 30s, 5m, 1h.",
      valueName: "span"))
  var waitLock: TimeSpan = TimeSpan(seconds: 0)

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The most that an archive may unpack to if that is more than 1000 times its own size: 500M, "
        + "64G, 2T.",
      valueName: "size"))
  var maxUnpacked = ByteCount(bytes: ContentLimit.standard)

  /// A kind that does not exist is a usage error of every verb, before anything is opened.
  func validate() throws {
    guard let kind else { return }
    do throws(StoreError) { _ = try HoldfastCommand.formats.named(kind) } catch {
      throw ValidationError("\(error.message); \(error.hint ?? "")")
    }
  }

  var console: Console { Console(isQuiet: quiet, isJSON: json) }
}

/// A length of time as people write it: `30s`, `5m`, `2h`, `7d`; a bare number is seconds.
struct TimeSpan: ExpressibleByArgument, Sendable {
  var seconds: Double

  init(seconds: Double) { self.seconds = seconds }

  init?(argument: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
    var number = argument[...]
    var unit = 1.0
    if let last = number.last, let factor = units[last] {
      unit = factor
      number = number.dropLast()
    }
    guard let value = Double(number), value >= 0, value < 1e9 else { return nil }
    seconds = value * unit
  }

  var defaultValueDescription: String { "0s" }
}

/// A number of bytes as people write it: `500M`, `64G`, `2T`, each 1024 times the one before.
struct ByteCount: ExpressibleByArgument, Sendable {
  var bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let units: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40, "P": 50]
    let shift = argument.last.flatMap { units[$0] }
    guard let number = Int(shift == nil ? argument[...] : argument.dropLast()), number >= 0 else {
      return nil
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
    guard !overflow else { return nil }
    self.bytes = bytes
  }

  var defaultValueDescription: String { bytes % (1 << 30) == 0 ? "\(bytes >> 30)G" : "\(bytes)" }
}

/// A subcommand: does its work, and says with which code it ended. Failures become one line on
/// stderr, or the `error` of the JSON object, and the exit code that the contract names.
protocol Verb: ParsableCommand {
  /// The name in `schema`.
  static var verb: String { get }
  /// Whether it writes nothing but what it prints.
  static var onlyReads: Bool { get }
  var shared: SharedOptions { get }
  func perform(_ console: Console) throws -> ExitStatus
}

extension Verb {
  static var onlyReads: Bool { false }

  func run() throws {
    let console = shared.console
    ContentLimit.set(shared.maxUnpacked.bytes)
    let status: ExitStatus
    do {
      let outcome = try perform(console)
      if outcome == .done { try Console.check() }
      status = outcome
    } catch let error as ExitCode {
      throw error
    } catch let error as ValidationError {
      throw error
    } catch {
      var failure = Self.onlyReads ? Failure(error).ofReading : Failure(error)
      // What went wrong after it was asked to stop may have gone wrong because of that.
      do throws(DiskError) { try Interruption.check() } catch { failure = Failure(error) }
      failure.report(Self.verb, to: console)
      console.finish()
      throw ExitCode(failure.status.rawValue)
    }
    console.finish()
    if status != .done { throw ExitCode(status.rawValue) }
  }
}

/// Unix seconds now, or `SOURCE_DATE_EPOCH` where that is set to a number.
func currentTime() throws -> Int {
  guard let text = getenv("SOURCE_DATE_EPOCH").map({ String(cString: $0) }), !text.isEmpty else {
    return Int(Clock.wall)
  }
  guard let seconds = Int(text), seconds >= 0, seconds < 253_402_300_800 else {
    throw ValidationError("SOURCE_DATE_EPOCH is no count of seconds since 1970: \(text)")
  }
  return seconds
}
