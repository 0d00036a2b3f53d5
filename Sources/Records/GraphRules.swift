import LosslessJSON

/// The rules that need all records of a store: unique names, ends and charts that exist, families
/// that agree (FORMATS: memory-graph, intent-snapshot).
///
/// Holds a 64-bit keyed hash of each name instead of the name, so a million records cost a few
/// megabytes; two names of one store share a hash with a chance below 1 in 10^5 at ten million
/// records, and then only a finding is wrong, never a record.
package struct GraphRules: Sendable {
  /// Paths of the store's files, by the index that `RecordPlace.file` holds.
  package var paths: [String] = []
  /// What is added to such an index: see `begin`.
  private var firstPath = 0
  /// Whether the records are a part of a graph the rest of which is not to be had: what they name and
  /// do not hold may well be there.
  package var isPart = false
  package private(set) var log = FindingLog()

  private var entities = KeySet()
  private var relations = KeySet()
  private var charts = KeySet()
  private var intents = KeySet()
  private var edges = KeySet()
  private var others = KeySet()
  private var users = KeySet()
  private var projects = KeySet()
  /// Users and projects named by tasks and projects, the first time each.
  private var namedUsers: [UInt64: OpenEnd] = [:]
  private var namedProjects: [UInt64: OpenEnd] = [:]
  /// Ends seen before what they name, or without it: settled by `finish`.
  private var openEnds: [OpenEnd] = []
  /// Charts named, the first time each.
  private var namedCharts: [UInt64: OpenEnd] = [:]
  /// Pairs (parent, child) as one side tells them and not yet the other.
  private var familyFromChild: [UInt64: OpenEnd] = [:]
  private var familyFromParent: [UInt64: OpenEnd] = [:]
  private var names = ByteBuffer()
  private var scratch = ByteBuffer()
  /// Only there so that `glance` is not left out.
  private var seen: UInt64 = 0

  /// A mention of something that must exist, kept until all records have been seen.
  private struct OpenEnd: Sendable {
    var target: UInt64
    var place: RecordPlace
    var code: Finding.Code
    /// Range of the text in `names`; empty once that is full.
    var name: Range<UInt32>
    var isIntent: Bool
    var count: UInt32 = 1
  }

  package init() {}

  /// The records to come lie in one more file, `path`.
  /// - Parameter isNewStore: they also have nothing to do with those observed; call `finish` first.
  package mutating func begin(_ path: String, isNewStore: Bool) {
    if isNewStore {
      var next = Self()
      (next.paths, next.log) = (paths, log)
      self = next
    }
    firstPath = paths.count
    paths.append(path)
  }

  private func located(_ place: RecordPlace) -> RecordPlace {
    var place = place
    place.file += firstPath
    return place
  }

  /// Adds findings that `RecordRules` made, now that their file is known.
  package mutating func add(_ findings: [(finding: Finding, file: Int)]) {
    for (finding, file) in findings {
      var finding = finding
      let path = file + firstPath
      finding.path = path < paths.count ? paths[path] : nil
      log.add(finding)
    }
  }

  /// Brings what `observe` will ask for, of records to come, into the processor's caches: the sets
  /// of a large store lie far beyond them.
  package mutating func prepare(for facts: [GraphFacts]) {
    for fact in facts {
      guard let id = fact.id else { continue }
      if fact.isRelation {
        seen ^= relations.glance(id)
        if let from = fact.first { seen ^= entities.glance(from.key) }
        if let to = fact.second { seen ^= entities.glance(to.key) }
      } else {
        seen ^= entities.glance(id)
      }
    }
  }

  /// Takes note of a record; findings that can be made at once go to `log`. The record stays as
  /// it is: it is lent for writing so that none of it is copied.
  /// - Parameter facts: what `GraphFacts` made of this very record.
  package mutating func observe(_ record: inout Record, _ facts: GraphFacts) {
    switch record.kind {
    case .entity: observeEntity(record, facts)
    case .relation: observeRelation(record, facts)
    case .intent: observeIntent(record)
    case .edge: observeEdge(record)
    case .document: break
    default: observeOther(record)
    }
  }

  // MARK: Memory graphs

  private mutating func observeEntity(_ record: borrowing Record, _ facts: GraphFacts) {
    if let name = facts.id, !entities.insert(name) {
      add(.duplicateID, "another entity has the same name", record)
    }
    if facts.definesChart, let chart = facts.first { _ = charts.insert(chart.key) }
    if let chart = facts.first { nameChart(chart, record) }
    if let parent = facts.second { nameChart(parent, record) }
  }

  private mutating func nameChart(_ mention: GraphFacts.Mention, _ record: borrowing Record) {
    if charts.contains(mention.key) { return }
    if let known = namedCharts.index(forKey: mention.key) {
      namedCharts.values[known].count += 1
      return
    }
    namedCharts[mention.key] = OpenEnd(
      target: mention.key, place: located(record.place), code: .missingChart,
      name: keep(mention, of: record), isIntent: false)
  }

  private mutating func observeRelation(_ record: borrowing Record, _ facts: GraphFacts) {
    if let id = facts.id, !relations.insert(id) {
      add(.duplicateEdge, "the same relation occurs more than once", record)
    }
    if let from = facts.first { mentionEntity(from, record) }
    if let to = facts.second { mentionEntity(to, record) }
  }

  private mutating func mentionEntity(_ mention: GraphFacts.Mention, _ record: borrowing Record) {
    if entities.contains(mention.key) { return }
    openEnds.append(
      OpenEnd(
        target: mention.key, place: located(record.place), code: .danglingEnd,
        name: keep(mention, of: record), isIntent: false))
  }

  // MARK: Intent graphs

  private mutating func observeIntent(_ record: borrowing Record) {
    guard read("intent_id", of: 0, record) else { return }
    let id = scratch.array
    if !intents.insert(KeyHash.key(id.span)) {
      add(.duplicateID, "another intent has the same id", record)
      // A second version says again what the first has settled with its family.
      return
    }
    if read("parent_intent", of: 0, record), !scratch.isEmpty {
      let parent = scratch.array
      settle(
        pair: pairKey(parent: parent, child: id), from: \.familyFromChild,
        against: \.familyFromParent, other: parent, at: record.place,
        message: "names \(text(parent)) as its parent, which does not list it as a child")
      mentionIntent(parent, at: record.place)
    }
    guard let children = record.text.member("child_intents"),
      record.text.kind(children) == .array
    else { return }
    var told: Set<UInt64> = []
    for child in record.text.children(of: children) where record.text.kind(child) == .string {
      let name = record.text.decoded(child)
      guard told.insert(KeyHash.key(name.span)).inserted else { continue }
      settle(
        pair: pairKey(parent: id, child: name), from: \.familyFromParent,
        against: \.familyFromChild, other: name, at: record.place,
        message: "lists \(text(name)) as a child, which does not name it as its parent")
      mentionIntent(name, at: record.place)
    }
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private func pairKey(parent: [UInt8], child: [UInt8]) -> UInt64 {
    KeyHash.key(child.span, salt: KeyHash.key(parent.span))
  }

  /// A parent must list its child and a child must name its parent: each pair is held until the
  /// other side has told it too.
  private mutating func settle(
    pair: UInt64, from mine: WritableKeyPath<Self, [UInt64: OpenEnd]>,
    against theirs: WritableKeyPath<Self, [UInt64: OpenEnd]>, other: [UInt8],
    at place: RecordPlace, message: String
  ) {
    if self[keyPath: theirs].removeValue(forKey: pair) != nil { return }
    self[keyPath: mine][pair] = OpenEnd(
      target: KeyHash.key(other.span), place: located(place), code: .familyMismatch,
      name: keep(Array(message.utf8).span), isIntent: true)
  }

  private mutating func mentionIntent(_ intent: [UInt8], at place: RecordPlace) {
    let target = KeyHash.key(intent.span)
    if intents.contains(target) { return }
    openEnds.append(
      OpenEnd(
        target: target, place: located(place), code: .danglingEnd, name: keep(intent.span),
        isIntent: true))
  }

  private mutating func observeEdge(_ record: borrowing Record) {
    if GraphFacts.hasEnds(record, "edge_type", of: 0) {
      scratch.removeAll()
      record.appendID(to: &scratch)
      if !edges.insert(KeyHash.key(scratch.span)) {
        add(.duplicateEdge, "the same edge occurs more than once", record)
      }
    }
    if let from = record.text.string("from") { mentionIntent(from, at: record.place) }
    if let to = record.text.string("to") { mentionIntent(to, at: record.place) }
  }

  /// Plans, actions, runs, tasks, users, projects: an id occurs once within its scope.
  private mutating func observeOther(_ record: borrowing Record) {
    switch record.kind {
    case .user: own(record, \.users, "username")
    case .project:
      own(record, \.projects, "id")
      if let owner = record.text.string("user_id") {
        nameOwner(owner, record, \.users, \.namedUsers)
      }
    case .task:
      let keys = TaskScope.keys(record.scope) ?? []
      if let user = keys.first { nameOwner(user, record, \.users, \.namedUsers) }
      if keys.count > 1 { nameOwner(keys[1], record, \.projects, \.namedProjects) }
    default: break
    }
    scratch.removeAll()
    scratch.append(record.kind.word)
    scratch.append(0x0A)
    scratch.append(record.scope)
    scratch.append(record.hasValueID ? 0x0B : 0x0A)
    if record.appendID(to: &scratch), !others.insert(KeyHash.key(scratch.span)) {
      add(.duplicateID, "the same id occurs more than once", record)
    }
  }

  /// A user or a project is known by its id and by the key it is stored under.
  private mutating func own(
    _ record: borrowing Record, _ set: WritableKeyPath<Self, KeySet>, _ key: StaticString
  ) {
    if !record.scope.isEmpty {
      _ = self[keyPath: set].insert(KeyHash.key(record.scope.span))
    }
    guard let id = record.text.member(key) else { return }
    scratch.removeAll()
    if record.text.kind(id) == .string {
      record.text.appendDecoded(id, to: &scratch)
    } else {
      record.text.appendCompact(id, to: &scratch)
    }
    _ = self[keyPath: set].insert(KeyHash.key(scratch.span))
  }

  private mutating func nameOwner(
    _ name: [UInt8], _ record: borrowing Record, _ set: KeyPath<Self, KeySet>,
    _ named: WritableKeyPath<Self, [UInt64: OpenEnd]>
  ) {
    let key = KeyHash.key(name.span)
    if self[keyPath: set].contains(key) { return }
    if self[keyPath: named][key] != nil {
      self[keyPath: named][key]?.count += 1
      return
    }
    self[keyPath: named][key] = OpenEnd(
      target: key, place: located(record.place), code: .danglingEnd, name: keep(name.span),
      isIntent: false)
  }

  // MARK: Settling

  /// Whether anything is named that has not been seen, so that a graph around the one observed may
  /// still have it.
  package var hasOpenNames: Bool {
    openEnds.contains { !$0.isIntent && !entities.contains($0.target) }
      || namedCharts.keys.contains { !charts.contains($0) }
  }

  /// Takes note that a record exists, in a part of the graph that is not asked about itself.
  package mutating func learn(_ record: borrowing Record) {
    guard record.kind == .entity else { return }
    let facts = GraphFacts(record, GraphFields(record), scratch: &scratch)
    if let name = facts.id { _ = entities.insert(name) }
    if facts.definesChart, let chart = facts.first { _ = charts.insert(chart.key) }
  }

  /// Makes the findings that need all records. Call once, after the last `observe`.
  package mutating func finish() {
    for end in openEnds where !(end.isIntent ? intents : entities).contains(end.target) {
      let what = end.isIntent ? "intent" : "entity"
      report(end, "names the \(what) \(name(of: end)), which \(absence)")
    }
    for end in namedCharts.values.sorted(by: Self.inOrder) where !charts.contains(end.target) {
      let more = end.count > 1 ? " (named \(end.count) times)" : ""
      report(end, "names the chart \(name(of: end)), which \(absence)\(more)")
    }
    for (what, named, known) in [
      ("user", namedUsers, users), ("project", namedProjects, projects),
    ] {
      for end in named.values.sorted(by: Self.inOrder) where !known.contains(end.target) {
        let more = end.count > 1 ? " (named \(end.count) times)" : ""
        report(end, "names the \(what) \(name(of: end)), which does not exist\(more)")
      }
    }
    // Where the other one does not exist at all, that has been said already.
    for end in (Array(familyFromChild.values) + Array(familyFromParent.values))
      .sorted(by: Self.inOrder)
    where intents.contains(end.target) {
      report(end, name(of: end))
    }
    openEnds = []
    namedCharts = [:]
    namedUsers = [:]
    namedProjects = [:]
    familyFromChild = [:]
    familyFromParent = [:]
  }

  private static func inOrder(_ a: OpenEnd, _ b: OpenEnd) -> Bool {
    (a.place.file, a.place.offset, a.name.lowerBound)
      < (b.place.file, b.place.offset, b.name.lowerBound)
  }

  private var absence: String { isPart ? "is in none of the contexts here" : "does not exist" }

  private mutating func report(_ end: OpenEnd, _ message: String) {
    add(end.code, message, at: end.place, record: nil, isPart ? .note : .warning)
  }

  private mutating func add(
    _ code: Finding.Code, _ message: String, _ record: borrowing Record
  ) {
    add(code, message, at: located(record.place), record: record.label)
  }

  private mutating func add(
    _ code: Finding.Code, _ message: String, at place: RecordPlace, record: String?,
    _ severity: Finding.Severity = .warning
  ) {
    log.add(
      Finding(
        severity, code, message, path: place.file < paths.count ? paths[place.file] : nil,
        line: place.line > 0 ? place.line : nil, offset: place.offset, length: place.length,
        record: record))
  }

  // MARK: Names and keys

  /// Texts kept for later messages stop at this many bytes; findings behind that name no name.
  private static let nameLimit = 8 << 20

  private mutating func keep(_ text: Span<UInt8>) -> Range<UInt32> {
    let start = names.count
    // The limit keeps positions within 32 bits.
    if start + text.count <= Self.nameLimit { names.append(text) }
    return UInt32(start)..<UInt32(names.count)
  }

  private mutating func keep(_ mention: GraphFacts.Mention, of record: borrowing Record)
    -> Range<UInt32>
  {
    keep(record.text.decoded(mention.token).span)
  }

  private func name(of end: OpenEnd) -> String {
    if end.name.isEmpty { return "it mentions" }
    let bytes = names.span.extracting(Int(end.name.lowerBound)..<Int(end.name.upperBound))
    return String(decoding: (0..<bytes.count).map { bytes[$0] }, as: UTF8.self)
  }

  /// The unescaped string under `key`, into `scratch`; false if it is absent or no string.
  private mutating func read(_ key: StaticString, of object: Int, _ record: borrowing Record)
    -> Bool
  {
    guard let token = record.text.member(key, of: object), record.text.kind(token) == .string
    else { return false }
    scratch.removeAll()
    record.text.appendDecoded(token, to: &scratch)
    return true
  }
}
