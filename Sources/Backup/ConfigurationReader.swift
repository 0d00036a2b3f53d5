import Archive
import Disk
import Records
import Stores
import SystemPackage

/// Takes the known keys out of a configuration, each of the type it must have; what is left in the
/// end is unknown.
struct ConfigurationReader {
  typealias Entry = ConfigurationText.Entry

  private let text: ConfigurationText
  private let file: FilePath
  private let directory: FilePath
  private let formats: [StoreFormat]
  private var taken: Set<[String]> = []
  private var knownTables: Set<[String]> = [["repositories"], ["series"], ["schedule"]]

  init(_ text: ConfigurationText, file: FilePath, formats: [StoreFormat]) {
    self.text = text
    self.formats = formats
    self.file = file
    directory = Disk.absolute(file).removingLastComponent()
  }

  func failure(_ message: String, _ entry: Entry) -> BackupError {
    BackupError(
      .usage, message, path: file.string, line: entry.line, offset: entry.offset,
      hint: "correct the line and run it again")
  }

  /// At the table of that name, or at the first key in it.
  func failure(_ message: String, under path: [String]) -> BackupError {
    let table = text.tables.first { $0.path == path }
    let entry = text.entries.first { $0.path.starts(with: path) }
    return BackupError(
      .usage, message, path: file.string, line: table?.line ?? entry?.line,
      offset: table?.offset ?? entry?.offset, hint: "correct it and run it again")
  }

  /// The names of tables or keys directly under a table, in the order of the file.
  func names(under path: [String]) -> [String] {
    var names: [(offset: Int, name: String)] = []
    for (name, offset) in text.tables.map({ ($0.path, $0.offset) })
      + text.entries.map({ ($0.path, $0.offset) })
    where name.count > path.count && name.starts(with: path) {
      names.append((offset, name[path.count]))
    }
    var seen: Set<String> = []
    return names.sorted { $0.offset < $1.offset }.map(\.name).filter { seen.insert($0).inserted }
  }

  func hasTable(_ path: [String]) -> Bool {
    text.tables.contains { $0.path == path }
      || text.entries.contains { $0.path.count > path.count && $0.path.starts(with: path) }
  }

  mutating func take(_ path: [String]) -> Entry? {
    guard let entry = text.entries.first(where: { $0.path == path }) else { return nil }
    taken.insert(path)
    return entry
  }

  /// Counts keys as known without looking at them.
  mutating func drop(_ keys: [String]) { for key in keys { taken.insert([key]) } }

  /// The key of the series, else the one of that name at the top.
  mutating func inherited(_ key: String, _ base: [String]) -> Entry? {
    let general = take([key])
    return take(base + [key]) ?? general
  }

  func checked<T>(_ entry: Entry, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as BackupError {
      throw failure(error.message, entry)
    } catch let error as ArchiveError {
      throw failure(error.message, entry)
    } catch let error as StoreError { throw failure(error.message, entry) }
  }

  private func wrong(_ entry: Entry, _ expected: String) -> BackupError {
    failure(
      "\(ConfigurationText.text(entry.path)) takes \(expected), not \(entry.value.kind)", entry)
  }

  mutating func text(_ path: [String]) throws -> (String, Entry)? {
    guard let entry = take(path) else { return nil }
    return (try text(entry), entry)
  }

  func text(_ entry: Entry) throws -> String {
    guard case .text(let value) = entry.value else { throw wrong(entry, "a string") }
    guard !value.isEmpty else { throw failure("the string is empty", entry) }
    return value
  }

  func flag(_ entry: Entry) throws -> Bool {
    guard case .flag(let value) = entry.value else { throw wrong(entry, "true or false") }
    return value
  }

  func span(_ entry: Entry) throws -> Int? {
    let value = try text(entry)
    guard let span = RetentionSpan(value) else {
      throw failure("\(value) is no span of time; it looks like 36h, 7d or 2w", entry)
    }
    return span.seconds
  }

  mutating func span(_ path: [String]) throws -> Int? { try take(path).flatMap { try span($0) } }

  /// A path; relative ones count from the file's directory, and `~/` from that of the user.
  mutating func path(_ path: [String]) throws -> FilePath? {
    try take(path).map { try self.path($0) }
  }

  func path(_ entry: Entry) throws -> FilePath {
    let value = try text(entry)
    if value.hasPrefix("~/") {
      guard let home = EnvironmentVariables.current()["HOME"], !home.isEmpty else {
        throw failure("~ means nothing here, since HOME is not set", entry)
      }
      return FilePath(home).pushing(FilePath(String(value.dropFirst(2))))
    }
    return directory.pushing(FilePath(value)).lexicallyNormalized()
  }

  func strings(_ entry: Entry) throws -> [String] {
    guard case .list(let values) = entry.value else { throw wrong(entry, "an array of strings") }
    return try values.map { value in
      guard case .text(let text) = value else { throw wrong(entry, "an array of strings") }
      return text
    }
  }

  /// What a series says of its backups. Returns whether the encodings are to be compared too.
  mutating func request(_ request: inout BackupRequest, _ base: [String]) throws -> Bool {
    if let (kind, entry) = try text(base + ["kind"]) {
      request.kind = try checked(entry) { try formats.named(kind).name }
    }
    request.note = try text(base + ["note"])?.0
    if let (pointer, entry) = try text(base + ["id_field"]) {
      guard JSONPointer(pointer) != nil else {
        throw failure("\(pointer) is no JSON pointer; it looks like /meta/id", entry)
      }
      request.idField = pointer
    }
    if let entry = take(base + ["contexts"]) { request.contexts = try strings(entry) }
    if let entry = take(base + ["allow_empty"]) { request.allowsEmpty = try flag(entry) }
    if let entry = inherited("compression", base) {
      let value = try text(entry)
      request.compression = try checked(entry) { try Compression(parsing: value) }
    }
    if let entry = inherited("rtfs", base) {
      request.hasRTFS = try choice(entry, ["full", "none"]) == "full"
    }
    if let entry = inherited("skip_unchanged", base) { request.skipUnchanged = try flag(entry) }
    if let entry = inherited("strict", base) { request.refusesShrink = try flag(entry) }
    if let entry = inherited("fallback_to", base) { request.fallback = try path(entry) }
    guard let entry = inherited("verify", base) else { return true }
    return try choice(entry, ["full", "written"]) == "full"
  }

  private func choice(_ entry: Entry, _ choices: [String]) throws -> String {
    let value = try text(entry)
    guard choices.contains(value) else {
      throw failure("\(value) is none of \(choices.joined(separator: ", "))", entry)
    }
    return value
  }

  /// Nil where there is no such table.
  mutating func retention(_ path: [String], _ zone: CivilZone) throws -> RetentionPolicy? {
    guard hasTable(path) else { return nil }
    knownTables.insert(path)
    var policy = RetentionPolicy()
    policy.zone = zone
    for tier in RetentionPolicy.Tier.allCases {
      guard let entry = take(path + [tier.rawValue]) else { continue }
      guard case .number(let count) = entry.value, count >= 0 else {
        throw failure("\(tier.rawValue) takes a number from 0 up", entry)
      }
      policy.counts[tier] = count
    }
    policy.within = try span(path + ["within"])
    guard !policy.isEmpty else {
      let unknown = text.entries.first { $0.path.starts(with: path) && !taken.contains($0.path) }
      if let unknown { throw self.unknown(unknown) }
      throw failure("the retention policy has no rule", under: path)
    }
    return policy
  }

  mutating func hooks(_ path: [String]) throws -> Configuration.Hooks? {
    guard hasTable(path) else { return nil }
    knownTables.insert(path)
    var hooks = Configuration.Hooks()
    hooks.before = try command(path + ["before"])
    hooks.after = try command(path + ["after"])
    hooks.failed = try command(path + ["failed"])
    if let limit = try span(path + ["time_limit"]) { hooks.timeLimit = limit }
    return hooks
  }

  private mutating func command(_ path: [String]) throws -> HookCommand? {
    guard let entry = take(path) else { return nil }
    if case .text = entry.value {
      return HookCommand(words: ["/bin/sh", "-c", try text(entry)], directory: directory)
    }
    let words = try strings(entry)
    guard words.first?.isEmpty == false else { throw failure("the command is empty", entry) }
    return HookCommand(words: words, directory: directory)
  }

  private func unknown(_ entry: Entry) -> BackupError {
    failure("there is no key \(ConfigurationText.text(entry.path))", entry)
  }

  /// Throws for the first key or table that is not known, and names the lines of all others.
  func finish() throws {
    let tables = text.tables.filter { table in
      !knownTables.contains(table.path)
        && !(table.path.count == 2 && table.path[0] == "series")
    }.map { (line: $0.line, offset: $0.offset, text: "table \(ConfigurationText.text($0.path))") }
    let keys = text.entries.filter { !taken.contains($0.path) }.map {
      (line: $0.line, offset: $0.offset, text: "key \(ConfigurationText.text($0.path))")
    }
    let all = (tables + keys).sorted { $0.offset < $1.offset }
    guard let first = all.first else { return }
    let others = all.dropFirst().map { "line \($0.line) \($0.text)" }.joined(separator: ", ")
    throw BackupError(
      .usage, "there is no \(first.text)" + (others.isEmpty ? "" : "; nor \(others)"),
      path: file.string, line: first.line, offset: first.offset,
      hint: "holdfast run --help lists the keys")
  }
}
