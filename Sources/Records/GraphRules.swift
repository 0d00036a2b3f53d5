import LosslessJSON

/// The rules of graphs over all records of a store: unique names, ends that exist, times that
/// run forwards, known values, families that agree (FORMATS: memory-graph, intent-snapshot).
///
/// Holds a 64-bit keyed hash of each name instead of the name, so a million records cost a few
/// megabytes; two names of one store share a hash with a chance below 1 in 10^6 at ten million
/// records, and then only a finding is wrong, never a record.
package struct GraphRules: Sendable {
  /// Paths of the store's files, by the index that `RecordPlace.file` holds.
  package var paths: [String] = []
  package private(set) var log = FindingLog()

  var entities: Set<UInt64> = []
  var relations: Set<UInt64> = []
  var charts: Set<UInt64> = []
  var intents: Set<UInt64> = []
  var edges: Set<UInt64> = []
  var others: Set<UInt64> = []
  /// Ends seen before what they name, or without it: settled by `finish`.
  var openEnds: [OpenEnd] = []
  /// Charts named, the first time each.
  var namedCharts: [UInt64: OpenEnd] = [:]
  /// Pairs (parent, child) as one side tells them and not yet the other.
  var familyFromChild: [UInt64: OpenEnd] = [:]
  var familyFromParent: [UInt64: OpenEnd] = [:]
  private var names = ByteBuffer()
  var scratch = ByteBuffer()

  /// A mention of something that must exist, kept until all records have been seen.
  struct OpenEnd: Sendable {
    var target: UInt64
    var place: RecordPlace
    var code: Finding.Code
    /// Range of the text in `names`; empty once that is full.
    var nameStart: Int
    var nameEnd: Int
    var isIntent: Bool
    var count = 1
  }

  package init() {}

  /// Takes note of a record; findings that can be made at once go to `log`.
  package mutating func observe(_ record: borrowing Record) {
    switch record.kind {
    case .entity: observeEntity(record)
    case .relation: observeRelation(record)
    case .intent: observeIntent(record)
    case .edge: observeEdge(record)
    case .document: break
    default: observeOther(record)
    }
  }

  /// Makes the findings that need all records. Call once, after the last `observe`.
  package mutating func finish() {
    for end in openEnds where !(end.isIntent ? intents : entities).contains(end.target) {
      let what = end.isIntent ? "intent" : "entity"
      report(end, "names the \(what) \(name(of: end)), which does not exist")
    }
    for end in namedCharts.values.sorted(by: GraphRules.inOrder)
    where !charts.contains(end.target) {
      let more = end.count > 1 ? " (named \(end.count) times)" : ""
      report(end, "names the chart \(name(of: end)), which does not exist\(more)")
    }
    for end in (Array(familyFromChild.values) + Array(familyFromParent.values))
      .sorted(by: GraphRules.inOrder)
    where intents.contains(end.target) {
      report(end, name(of: end))
    }
    openEnds = []
    namedCharts = [:]
    familyFromChild = [:]
    familyFromParent = [:]
  }

  private static func inOrder(_ a: OpenEnd, _ b: OpenEnd) -> Bool {
    (a.place.file, a.place.offset, a.nameStart) < (b.place.file, b.place.offset, b.nameStart)
  }

  private mutating func report(_ end: OpenEnd, _ message: String) {
    add(.warning, end.code, message, at: end.place)
  }

  mutating func add(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String,
    at place: RecordPlace, record: String? = nil
  ) {
    log.add(
      Finding(
        severity, code, message, path: place.file < paths.count ? paths[place.file] : nil,
        line: place.line > 0 ? place.line : nil, offset: place.offset, length: place.length,
        record: record))
  }

  /// Texts kept for later messages stop at this many bytes; findings behind that name no name.
  private static let nameLimit = 8 << 20

  func openEnd(
    _ target: UInt64, at place: RecordPlace, _ code: Finding.Code, isIntent: Bool, start: Int
  ) -> OpenEnd {
    OpenEnd(
      target: target, place: place, code: code, nameStart: start, nameEnd: names.count,
      isIntent: isIntent)
  }

  /// Keeps `text` for a message; returns where it starts.
  mutating func keep(_ text: Span<UInt8>) -> Int {
    let start = names.count
    if start + text.count <= Self.nameLimit { names.append(text) }
    return start
  }

  private func name(of end: OpenEnd) -> String {
    if end.nameStart == end.nameEnd { return "it mentions" }
    let bytes = names.span.extracting(end.nameStart..<end.nameEnd)
    return String(decoding: (0..<bytes.count).map { bytes[$0] }, as: UTF8.self)
  }

  /// A keyed hash of an id; `salt` keeps different uses apart.
  static func key(_ bytes: Span<UInt8>, salt: Int = 0) -> UInt64 {
    var hasher = Hasher()
    hasher.combine(salt)
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// The unescaped string under `key`, into `scratch`; false if it is absent or no string.
  mutating func read(_ key: StaticString, of object: Int, _ record: borrowing Record) -> Bool {
    scratch.removeAll()
    guard let token = record.text.member(key, of: object), record.text.kind(token) == .string
    else { return false }
    record.text.appendDecoded(token, to: &scratch)
    return true
  }

  /// Checks that `key` is there as one of `kinds`; an error otherwise.
  @discardableResult
  mutating func require(
    _ key: StaticString, _ kinds: [JSONToken.Kind], of object: Int, _ record: borrowing Record,
    _ severity: Finding.Severity = .error
  ) -> Int? {
    guard let token = record.text.member(key, of: object) else {
      add(severity, .missingField, "has no \(key)", at: record.place, record: record.label)
      return nil
    }
    if !kinds.contains(record.text.kind(token)) {
      add(
        severity, .wrongType, "has a \(key) of the wrong type (\(record.text.kind(token)))",
        at: record.place, record: record.label)
      return nil
    }
    return token
  }

  /// Plans, actions, runs, tasks, users, projects: the id must be there, and only once.
  private mutating func observeOther(_ record: borrowing Record) {
    scratch.removeAll()
    scratch.append(record.kind.word)
    scratch.append(0x0A)
    scratch.append(record.scope)
    scratch.append(0x0A)
    guard record.appendID(to: &scratch) else {
      add(.error, .missingField, "has no id", at: record.place, record: record.label)
      return
    }
    if !others.insert(Self.key(scratch.span)).inserted {
      add(
        .warning, .duplicateID, "the same id occurs more than once", at: record.place,
        record: record.label)
    }
  }
}
