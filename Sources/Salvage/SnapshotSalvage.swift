import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Recovers the records of an intent snapshot, or of a backup's `backup.json`, around damage.
///
/// As long as the text is sound it is walked by its containers. Behind damage the walk goes on at
/// the next object that has the fields of a record, or at the key of a container. Run twice: the
/// first pass only learns which records the JSON holds, so that the second knows which of those
/// in `rtfs` are missing from it.
final class SnapshotSalvage {
  /// Where the walk is.
  enum Context: Equatable {
    /// Before the outermost brace.
    case start
    case root
    /// In the object of intents.
    case intents
    case list(RecordKind)
    /// In an object of task lists, under these keys; in such a list. The user is nil where damage
    /// has taken the key.
    case tasks([[UInt8]?])
    case taskList([[UInt8]?])
    /// In a map of users or projects.
    case keyed(RecordKind)
    /// Behind damage.
    case lost
    /// Behind a record that was found behind damage: in which container is not known.
    case loose
    /// Behind the outermost brace.
    case end
  }

  /// What to do with what is found; the first pass has no sink.
  let sink: PieceSink?
  let output: (any RecordTaker)?
  /// What the JSON holds, by kind and id: canonical hashes.
  var known: [SalvagedID: Hash256]
  /// The intents of which a text that is not whole has several versions, as behind a shorter one that
  /// was written over it: which one is recovered, for an object has room for one under a key.
  var versions: [SalvagedID: Hash256] = [:]
  /// When the intents in `known` were updated: Unix seconds.
  private var times: [SalvagedID: Int] = [:]
  var context = Context.start
  var record = Record()
  var index = JSONIndex()
  var line = 1
  /// Whether `rtfs` is being read, from behind its opening quote.
  var isInRTFS = false
  var rtfs = RTFSLines()
  /// For a task list: what tells where its records belong.
  var places: TaskPlaces?
  /// That of the last task that was whole.
  var taskForm = TaskForm()
  /// Bytes of objects that were looked into after they had been read as a whole.
  var descended = 0
  /// Whether a record may have taken others for its own: where the text is not whole.
  var looksInside = false
  /// Whether bytes are lost, or brackets: then a member may stand where it does for want of them.
  var isBroken = false
  /// The names of the members of intents that are objects, as the first of them have them.
  var intentParts: Set<[UInt8]> = []
  var intentsLearned = 0
  /// The kinds of which there was a container.
  var seen: Set<RecordKind> = []
  /// Commas since the last value or bracket; whether that was a bracket that opens.
  var commas = 0
  var isFirst = true
  /// Whether there is a comma too many or too few, or a container under a name of no container.
  var isMalformed = false
  /// Whether the outermost object has members that are of no snapshot.
  var hasOwnMembers = false
  private(set) var filled = FilledRecords()
  /// Bytes that belonged to no record, in the pass so far.
  private(set) var losses = 0

  init(
    _ sink: PieceSink?, to output: (any RecordTaker)?, known: [SalvagedID: Hash256] = [:]
  ) {
    self.sink = sink
    self.output = output
    self.known = known
  }

  /// Whether nothing is lost and the text is JSON from its first to its last byte.
  var isWhole: Bool { losses == 0 && !isMalformed && context == .end }

  func run(_ stream: ByteStream) throws {
    var source = try TextSource(stream)
    sink?.encoding = source.encoding
    try sink?.insignificant(length: source.markLength)
    try TextWindow.run(&source) { text, isFinal in try walk(text, isFinal: isFinal) }
    guard losses == 0, !isWhole else { return }
    sink?.note(
      Finding(
        .error, .badJSON,
        context == .end || context == .start
          ? "is no JSON as it stands: a bracket or a comma is missing or one too many; "
            + "it was written anew"
          : "is no JSON as it stands: its end is missing, and records may be lost with it; "
            + "it was written anew"))
  }

  private func walk(_ text: Span<UInt8>, isFinal: Bool) throws -> Int {
    var at = 0
    while at < text.count {
      let next: Int
      if isInRTFS {
        next = try takeRTFS(text, from: at, isFinal: isFinal)
      } else if context == .lost {
        next = try search(text, from: at, isFinal: isFinal)
      } else {
        next = try step(text, from: at, isFinal: isFinal)
      }
      if next == at, !isInRTFS, context != .lost, !isFinal { return at }
      if next == at, isInRTFS || context == .lost { if !isFinal { return at } }
      at = next
    }
    return at
  }

  // MARK: Pieces

  func pass(_ bytes: Span<UInt8>) throws {
    line += bytes.occurrences(of: 0x0A)
    try sink?.insignificant(bytes)
  }

  /// Bytes that say again what was recovered, or frame it.
  func frame(_ bytes: Span<UInt8>) throws {
    line += bytes.occurrences(of: 0x0A)
    try sink?.redundant(bytes)
  }

  func lose(_ bytes: Span<UInt8>, _ error: JSONError?) throws {
    var start = 0
    var end = bytes.count
    while start < end, TextBytes.isBlank(bytes[start]) { start += 1 }
    while end > start, TextBytes.isBlank(bytes[end - 1]) { end -= 1 }
    try pass(bytes.extracting(0..<start))
    let core = bytes.extracting(start..<end)
    if !core.isEmpty {
      losses += core.count
      var fragment = Fragment(start: 0)
      if let error { fragment.note(error, start: 0, isPlaced: true) }
      let shape = fragment.shape(of: core, hasNext: false, isEnd: false, isBehind: false)
      try sink?.quarantine(core, shape: shape, reason: error?.reason.rawValue, line: line)
      line += core.occurrences(of: 0x0A)
    }
    try pass(bytes.extracting(end..<bytes.count))
  }

  // MARK: Records

  /// Takes the record in `record.text`, which stands in `body`.
  func take(_ kind: RecordKind, scope: [UInt8], _ body: Span<UInt8>, origin: String? = nil) throws {
    record.kind = kind
    record.scope = scope
    record.documentID = nil
    record.place.line = line
    record.place.offset = sink?.position ?? 0
    record.place.length = body.count
    defer { record.scope = [] }
    let id = SalvagedID(&record)
    let isOther = versions[id].map { $0 != record.canonicalHash() } ?? false
    if output == nil {
      learn(id)
    } else if isOther, sink != nil {
      try sink?.irregular(
        body,
        reason: "another version of it is recovered, which was updated later or stands in front",
        line: line)
    } else {
      try deliver(body, isFromRTFS: false)
    }
    line += body.occurrences(of: 0x0A)
  }

  private func learn(_ id: SalvagedID) {
    let hash = record.canonicalHash()
    guard looksInside, id.kind == .intent else {
      known[id] = hash
      return
    }
    var rules = RecordRules()
    _ = rules.check(&record)
    let isSound = !rules.findings.contains { $0.finding.severity == .error }
    let time = isSound ? max(record.text.integer("updated_at") ?? 0, 0) : -1
    if let other = known[id], other != hash {
      let isNewer = time > times[id] ?? -1
      versions[id] = isNewer ? hash : other
      if !isNewer { return }
    }
    known[id] = hash
    times[id] = time
  }

  private func deliver(_ body: Span<UInt8>, isFromRTFS: Bool) throws {
    guard sink != nil else {
      try output?.take(&record, isFromRTFS: isFromRTFS)
      return
    }
    var rules = RecordRules()
    _ = rules.check(&record)
    var reason = rules.findings.first { $0.finding.severity == .error }?.finding.message
    if reason == nil {
      do { try output?.take(&record, isFromRTFS: isFromRTFS) } catch let error as StoreError {
        reason = error.message
      }
    }
    if let reason {
      try sink?.irregular(body, reason: reason, line: line)
    } else {
      try sink?.recovered(body, record.kind)
    }
  }

  /// Takes a record out of `rtfs`, whose bytes there are `body`.
  func takeFromRTFS(_ body: Span<UInt8>) throws {
    guard output != nil else { return }
    guard sink != nil else { return try deliver(body, isFromRTFS: true) }
    let id = SalvagedID(&record)
    if let hash = known[id] {
      // Upstream's text is a summary: only a full record can disagree.
      if isFull(), record.canonicalHash() != hash {
        sink?.note(
          Finding(
            .warning, .encodingsDisagree,
            "differs between the JSON and the RTFS text; the JSON was taken", line: line,
            record: record.label))
      }
      try sink?.redundant(body)
      return
    }
    known[id] = record.canonicalHash()
    if isFull() {
      filled.add(
        FilledRecord(record: record.label, origin: "rtfs in the same file"))
      return try deliver(body, isFromRTFS: true)
    }
    filled.add(
      FilledRecord(
        record: record.label, origin: "rtfs in the same file, a summary"))
    let text = record.text
    try sink?.irregular(
      text.source(), storedLength: body.count,
      reason: "from the RTFS text, which has a summary of it only", line: line)
  }

  /// Whether the record has all that its kind has, and not only what upstream's text gives.
  private func isFull() -> Bool {
    switch record.kind {
    case .intent: record.text.member("original_request") != nil
    case .edge: record.text.member("metadata") != nil
    default: true
    }
  }
}

/// A record by its kind, scope and id, as a keyed hash.
struct SalvagedID: Hashable {
  let kind: RecordKind
  private let hash: Int

  /// - Parameter file: where ids count in one file only.
  init(_ record: inout Record, in file: FilePath? = nil) {
    kind = record.kind
    var id = ByteBuffer()
    let isOwn = record.appendID(to: &id)
    if !isOwn {
      id.removeAll()
      record.text.appendCompact(to: &id)
    }
    var hasher = Hasher()
    hasher.combine(file)
    hasher.combine(record.scope)
    hasher.combine(id.array)
    hash = hasher.finalize()
  }
}

/// What recovered records are handed to.
protocol RecordTaker: AnyObject {
  /// Throws `StoreError` for a record that the store has no place for.
  /// - Parameter isFromRTFS: whether it comes from a text in RTFS and not from JSON.
  func take(_ record: inout Record, isFromRTFS: Bool) throws
}

/// A store being written in the output directory.
final class StoreTaker: RecordTaker {
  private let writer: any StoreWriter
  private let place: WritePlace

  init(_ format: StoreFormat, named name: FilePath, in directory: FilePath, time: Int) throws {
    try Disk.makeDirectory(directory)
    var options = WriteOptions(directory: directory)
    options.fileName = name
    options.sourceKind = format.name
    options.time = time
    writer = try format.writer(options)
    place = WritePlace(file: name)
  }

  func take(_ record: inout Record, isFromRTFS: Bool) throws {
    try writer.write(&record, at: place)
  }

  func finish() throws { _ = try writer.finish() }
}
