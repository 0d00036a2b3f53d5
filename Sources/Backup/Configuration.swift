import Archive
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// What `run`, `schedule` and `doctor` are told by `holdfast.toml`.
package struct Configuration: Sendable {
  package static let fileName = "holdfast.toml"

  package struct Series: Sendable {
    package var name: String
    /// What to back up and how; its time is set by who runs it.
    package var request: BackupRequest
    /// Nil: nothing is ever removed.
    package var retention: RetentionPolicy?
    package var hooks: Hooks
    /// How often it is meant to be backed up, in seconds.
    package var every: Int
    /// Seconds after which what rotation removed is purged; nil: never.
    package var purgeAfter: Int?
    /// Whether the encodings of each new backup are compared as well.
    package var verifiesFully: Bool
  }

  /// Programs to be told of a series.
  package struct Hooks: Sendable, Equatable {
    package var before: HookCommand?
    package var after: HookCommand?
    package var failed: HookCommand?
    /// Seconds.
    package var timeLimit: Int = 60
  }

  /// Absolute.
  package let path: FilePath
  /// Those of `[repositories]`, in the order of the file.
  package private(set) var repositories: [FilePath] = []
  /// In the order of the file.
  package private(set) var series: [Series] = []
  package private(set) var zone: CivilZone = .utc
  /// Where the Prometheus textfile goes.
  package private(set) var textfile: FilePath?
  /// Of a day, as the schedule has it.
  package private(set) var hour = 3
  package private(set) var minute = 15
  package private(set) var every = 86_400

  /// Reads and checks a file. Throws `notFound`, or `usage` with line and byte: for every key that
  /// there is not, for every value that is none, and for a reference to what is not there.
  /// - Parameter formats: the kinds of stores that there are.
  package init(reading file: FilePath, formats: [StoreFormat]) throws {
    path = Disk.absolute(file)
    var bytes = ByteBuffer()
    let input: InputFile
    do throws(DiskError) { input = try InputFile(opening: file) } catch {
      var error = error.ofReading
      error.hint = error.hint ?? "name the file with --config"
      throw error
    }
    _ = try input.read(at: 0, into: &bytes, atMost: 4 << 20)
    let text: ConfigurationText
    do throws(ConfigurationText.Failure) {
      text = try ConfigurationText(bytes.array)
    } catch {
      throw BackupError(
        .usage, error.message, path: file.string, line: error.line, offset: error.offset,
        hint: "correct the line and run it again")
    }
    var reader = ConfigurationReader(text, file: file, formats: formats)
    try read(&reader)
    try reader.finish()
  }

  /// The file that is meant where none is named: in this directory, of the user, of the system.
  package static func standard(home: String?) throws -> FilePath {
    var places = [FilePath(fileName)]
    if let home, !home.isEmpty {
      places.append(FilePath(home).appending(".config").appending("holdfast").appending(fileName))
    }
    places.append(FilePath("/etc/holdfast").appending(fileName))
    for place in places where try FileFacts(at: place) != nil { return place }
    throw BackupError(
      .notFound, "there is no \(places.map(\.string).joined(separator: ", nor "))",
      hint: "write one, or name it with --config")
  }

  /// The series of these names, in the file's order; all where none is named.
  package func chosen(_ names: [String]) throws -> [Series] {
    for name in names where !series.contains(where: { $0.name == name }) {
      throw BackupError(
        .usage, "there is no series \(name)", path: path.string,
        hint: "it has \(series.map(\.name).joined(separator: ", "))")
    }
    return series.filter { names.isEmpty || names.contains($0.name) }
  }

  private mutating func read(_ reader: inout ConfigurationReader) throws {
    if let (name, entry) = try reader.text(["timezone"]) {
      zone = try reader.checked(entry) { try CivilZone.named(name) }
    }
    textfile = try reader.path(["textfile"])
    try readSchedule(&reader)
    let wait = try reader.span(["wait_lock"])
    let named = try readRepositories(&reader)
    let retention = try reader.retention(["retention"], zone)
    let hooks = try reader.hooks(["hooks"])
    reader.drop(["compression", "rtfs", "skip_unchanged", "strict", "fallback_to", "verify"])
    reader.drop(["purge_after"])
    let names = reader.names(under: ["series"])
    if names.isEmpty {
      try reader.finish()
      throw BackupError(
        .usage, "names no series", path: path.string,
        hint: "add a table such as [series.memory] with store = \"…\"")
    }
    // A key that is misspelt is the likelier reason, so those that are not known come first.
    var missing: BackupError?
    for name in names {
      let base = ["series", name]
      guard Repository.isSeriesName(name) else {
        throw reader.failure(
          "\(name) is no name for a series: letters, digits, '.', '_' and '-'", under: base)
      }
      let store = try reader.path(base + ["store"])
      if store == nil, missing == nil {
        missing = reader.failure("the series \(name) has no store", under: base)
      }
      var request = BackupRequest(store: store ?? FilePath(), time: 0)
      request.series = name
      request.lockWait = Double(wait ?? 0)
      request.repository = try repository(of: name, named, &reader)
      let verifiesFully = try reader.request(&request, base)
      series.append(
        Series(
          name: name, request: request,
          retention: try reader.retention(base + ["retention"], zone) ?? retention,
          hooks: try reader.hooks(base + ["hooks"]) ?? hooks ?? Hooks(),
          every: try reader.span(base + ["every"]) ?? every,
          purgeAfter: try reader.inherited("purge_after", base).flatMap { try reader.span($0) },
          verifiesFully: verifiesFully))
    }
    guard let missing else { return }
    try reader.finish()
    throw missing
  }

  private mutating func readSchedule(_ reader: inout ConfigurationReader) throws {
    if let span = try reader.span(["schedule", "every"]) { every = span }
    guard let (text, entry) = try reader.text(["schedule", "at"]) else { return }
    let parts = text.utf8.split(separator: 0x3A, omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      part.count == 2 && part.allSatisfy { (0x30...0x39).contains($0) }
        ? Int(String(decoding: part, as: UTF8.self)) : nil
    }
    guard parts.count == 2, numbers.count == 2, numbers[0] < 24, numbers[1] < 60 else {
      throw reader.failure("\(text) is no time of day; it looks like 03:15", entry)
    }
    (hour, minute) = (numbers[0], numbers[1])
  }

  private mutating func readRepositories(_ reader: inout ConfigurationReader) throws
    -> [String: FilePath]
  {
    var named: [String: FilePath] = [:]
    for name in reader.names(under: ["repositories"]) {
      named[name] = try reader.path(["repositories", name])
      repositories += [named[name]].compactMap { $0 }
    }
    return named
  }

  /// The one named, else the only one there is, else that beside the store.
  private func repository(
    of name: String, _ repositories: [String: FilePath], _ reader: inout ConfigurationReader
  ) throws -> FilePath? {
    let key = ["series", name, "repository"]
    if let (chosen, entry) = try reader.text(key) {
      guard let path = repositories[chosen] else {
        throw reader.failure("there is no repository \(chosen) in [repositories]", entry)
      }
      return path
    }
    guard repositories.count > 1 else { return repositories.values.first }
    throw reader.failure(
      "the series \(name) does not say which of the repositories it goes to",
      under: ["series", name])
  }
}

extension Configuration.Series {
  /// Where its backups go.
  package func repository() throws -> Repository {
    if let path = request.repository { return Repository(path) }
    let isDirectory = try FileFacts(at: request.store)?.kind == .directory
    return .standard(for: request.store, isSingleFile: !isDirectory)
  }
}
