import Glibc
import Synchronization
import Testing

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A directory of its own for each test: removed when the test has passed, kept and named when it
/// has failed.
final class Scratch: Sendable {
  @TaskLocal fileprivate static var current: Scratch?

  let path: String
  private let serial = Atomic<Int>(0)
  fileprivate let hasFailed = Atomic<Bool>(false)

  /// The directory of the test that runs; needs the trait `scratch`.
  static func here() throws -> Scratch { try #require(current, "the suite has no .scratch") }

  fileprivate init(isInMemory: Bool) throws {
    let root = isInMemory && Self.hasMemory ? "/dev/shm" : "/tmp"
    var template = Array("\(root)/holdfast-cli.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure("no scratch directory") }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    guard mkdir(path + "/.captured", 0o755) == 0 else { throw TestFailure("no \(path)") }
  }

  /// Whether there is a file system in memory with room enough.
  private static let hasMemory: Bool = {
    var facts = statvfs()
    guard statvfs("/dev/shm", &facts) == 0, access("/dev/shm", W_OK) == 0 else { return false }
    return facts.f_bavail * facts.f_frsize > 2 << 30
  }()

  fileprivate func remove() {
    _ = try? Child(["rm", "-rf", path], capture: "/dev/null").waitForRemoval()
  }

  /// A path in the directory; nothing is made.
  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// A path that no other call has returned.
  func fresh(_ stem: String = "dir") -> String {
    file("\(stem)-\(serial.add(1, ordering: .relaxed).newValue)")
  }

  @discardableResult func directory(_ name: String) throws -> String {
    let path = file(name)
    try TestFile.makeDirectory(path)
    return path
  }

  @discardableResult func write(_ text: String, to name: String) throws -> String {
    try write(Array(text.utf8), to: name)
  }

  /// Writes a file and the directories above it.
  @discardableResult func write(_ bytes: [UInt8], to name: String) throws -> String {
    let path = file(name)
    try TestFile.makeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    try TestFile.write(bytes, to: path)
    return path
  }

  func start(_ words: [String], _ setting: Child.Setting = Child.Setting()) throws -> Child {
    try Child(words, capture: fresh(".captured/run"), setting)
  }

  func run(_ words: [String], _ setting: Child.Setting = Child.Setting()) throws -> Outcome {
    try start(words, setting).wait()
  }

  /// Runs a program that must exit with 0.
  @discardableResult func tool(
    _ words: String..., in directory: String? = nil,
    at location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run(words, Child.Setting(directory: directory))
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    return outcome
  }

  /// Runs a Python program; its words are in `sys.argv[1:]`.
  @discardableResult func python(
    _ program: String, _ words: String..., at location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run(["python3", "-c", program] + words)
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    return outcome
  }

  func holdfast(_ words: String..., with setting: Child.Setting = Child.Setting()) throws -> Outcome
  {
    try run([Binary.path] + words, setting)
  }

  /// Runs the program and expects the exit code.
  @discardableResult func holdfast(
    exit status: Int32, _ words: String..., with setting: Child.Setting = Child.Setting(),
    at location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run([Binary.path] + words, setting)
    #expect(outcome.status == status, "\(outcome)", sourceLocation: location)
    return outcome
  }

  /// Runs a verb with `--json`, expects the exit code, and gives the object that it printed.
  func json(
    exit status: Int32 = 0, _ words: String..., with setting: Child.Setting = Child.Setting(),
    at location: SourceLocation = #_sourceLocation
  ) throws -> JSONValue {
    let outcome = try run([Binary.path] + words + ["--json"], setting)
    #expect(outcome.status == status, "\(outcome)", sourceLocation: location)
    return try JSONValue(parsing: outcome.output)
  }

  /// Backs a store up; the archive's path.
  func backUp(
    _ store: String, to repository: String? = nil, _ options: [String] = [],
    exit status: Int32 = 0, time: Int? = nil, at location: SourceLocation = #_sourceLocation
  ) throws -> String {
    var setting = Child.Setting()
    setting.environment["SOURCE_DATE_EPOCH"] = time.map(String.init)
    let words = [Binary.path, "backup", "--to", repository ?? file("repo"), "--json"] + options
    let outcome = try run(words + ["--", store], setting)
    try #require(outcome.status == status, "\(outcome)", sourceLocation: location)
    let archive = try JSONValue(parsing: outcome.output)["backup"]?.text
    return try #require(archive, "\(outcome)", sourceLocation: location)
  }

  /// The store digest that `holdfast digest` prints.
  func digest(_ store: String, at location: SourceLocation = #_sourceLocation) throws -> String {
    let outcome = try holdfast("digest", "--", store)
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    return String(outcome.text.prefix(64))
  }

  /// The sidecar of an archive.
  static func sidecar(of archive: String) -> String {
    for ending in [".tar.zst", ".tar.gz", ".tar"] where archive.hasSuffix(ending) {
      return archive.dropLast(ending.count) + ".manifest.json"
    }
    return archive + ".manifest.json"
  }
}

extension Child {
  fileprivate func waitForRemoval() throws { _ = try? wait() }
}

/// Gives every test of a suite its `Scratch`.
struct ScratchTrait: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }
  /// Most tests care for what is done rather than where, and would wait for the disk half the time.
  var isInMemory = true

  func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await body() }
    let scratch = try Scratch(isInMemory: isInMemory)
    let watch = IssueHandlingTrait.compactMapIssues { issue in
      scratch.hasFailed.store(true, ordering: .relaxed)
      return issue
    }
    defer {
      if scratch.hasFailed.load(ordering: .relaxed) {
        print("kept for '\(test.name)': \(scratch.path)")
      } else {
        scratch.remove()
      }
    }
    do {
      try await Scratch.$current.withValue(scratch) {
        try await watch.provideScope(for: test, testCase: testCase, performing: body)
      }
    } catch {
      scratch.hasFailed.store(true, ordering: .relaxed)
      throw error
    }
  }
}

extension Trait where Self == ScratchTrait {
  /// In memory, where there is room.
  static var scratch: Self { Self() }
  /// For kills, full disks, live writers, and one of each of the main verbs.
  static var scratchOnDisk: Self { Self(isInMemory: false) }
}
