import Disk
import Records
import Stores
import SystemPackage

extension Storage: IntentStorage {
  /// What an update does to the record of a name: refused where it is no longer as it was read.
  func checkRevision(_ revision: String?, of name: RecordName) throws {
    guard let revision, let stored = try backend.find(name), stored.contentHash != revision else {
      return
    }
    throw StorageError(
      .conflict,
      "\(name.kind.rawValue) \(name.label) has been changed since it was read: it has the content "
        + "hash \(stored.contentHash), not \(revision)", path: backend.path,
      hint: "read it again, make the change on what it is now, and save that")
  }

  /// Refuses what the format's owner could not read again, and the whole file with it: an intent
  /// without an id, and numbers that it has no room for (FORMATS: intent-snapshot). A number that the
  /// store has already is no reason.
  private func checkFields(_ intent: StorableIntent) throws {
    let record = StoredRecord(intent)
    guard !record.name.key.isEmpty else { throw StorageError(.invalid, "an intent has an id") }
    let limits = [
      ("priority", Int(UInt32.max)), ("created_at", Int.max), ("updated_at", Int.max),
    ]
    for (field, most) in limits {
      guard let value = intent.text.integer(field), !(0...most).contains(value) else { continue }
      if try backend.find(record.name)?[field] == intent.text[field] { continue }
      throw StorageError(
        .invalid,
        "the \(field) of intent \(intent.id) is \(value), and the format has 0 to \(most)",
        path: backend.path)
    }
  }

  public func store(_ intent: StorableIntent) throws(StorageError) {
    let record = StoredRecord(intent)
    try update {
      try checkFields(intent)
      try checkRevision(intent.revision, of: record.name)
      return [.put(record)]
    }
  }

  private func read(_ record: StoredRecord) throws(StorageError) -> StorableIntent {
    var intent = try StorableIntent(text: record.text)
    intent.revision = record.text.contentHash
    return intent
  }

  public func intent(_ id: String) throws(StorageError) -> StorableIntent? {
    let name = RecordName(.intent, id)
    return try find(name).map { text throws(StorageError) in try read(StoredRecord(name, text)) }
  }

  public func update(_ intent: StorableIntent) throws(StorageError) {
    let record = StoredRecord(intent)
    try update {
      guard try backend.find(record.name) != nil else { throw missing("intent \(intent.id)") }
      try checkFields(intent)
      try checkRevision(intent.revision, of: record.name)
      return [.put(record)]
    }
  }

  public func deleteIntent(_ id: String) throws(StorageError) {
    let name = RecordName(.intent, id)
    try update {
      guard try backend.find(name) != nil else { throw missing("intent \(id)") }
      let edges = try backend.links(.edge, of: name.key, scope: nil)
      return edges.map { .remove($0.name) } + [.remove(name)]
    }
  }

  public func intents(_ filter: IntentFilter) throws(StorageError) -> [StorableIntent] {
    try all(.intent) { record throws(StorageError) in
      let intent = try read(record)
      return filter.passes(intent) ? intent : nil
    }
  }

  public func store(_ edge: IntentEdge) throws(StorageError) {
    try update { [.put(StoredRecord(.edge, of: edge))] }
  }

  public func edges() throws(StorageError) -> [IntentEdge] {
    try all(.edge) { record throws(StorageError) in try IntentEdge(text: record.text) }
  }

  public func edges(of id: String) throws(StorageError) -> [IntentEdge] {
    try links(of: id).compactMap { link in
      value(link) { record throws(StorageError) in try IntentEdge(text: record.text) }
    }
  }

  private func links(of id: String) throws(StorageError) -> [StoredRecord] {
    try told { try backend.links(.edge, of: Array(id.utf8), scope: nil) }
  }

  public func delete(_ edge: IntentEdge) throws(StorageError) {
    let name = StoredRecord(.edge, of: edge).name
    try update {
      guard try backend.find(name) != nil else { throw missing("edge \(name.label)") }
      return [.remove(name)]
    }
  }

  /// The intents of these ids that there are, each once.
  private func intents(_ ids: [[UInt8]]) throws(StorageError) -> [StorableIntent] {
    var seen: Set<[UInt8]> = []
    var found: [StorableIntent] = []
    for id in ids where seen.insert(id).inserted {
      let name = RecordName(.intent, [id])
      if let text = try find(name) { found.append(try read(StoredRecord(name, text))) }
    }
    return found
  }

  /// The other ends of edges that are wanted: `from` where this intent is the `to`, and so on.
  private func ends(of id: String, _ type: EdgeType?, from: Bool, to: Bool)
    throws(StorageError) -> [[UInt8]]
  {
    let own = Array(id.utf8)
    let wanted = type.map { Array($0.rawValue.utf8) }
    var ends: [[UInt8]] = []
    for link in try links(of: id) where wanted == nil || link.name.id[1] == wanted {
      if from, link.name.id[2] == own { ends.append(link.name.id[0]) }
      if to, link.name.id[0] == own { ends.append(link.name.id[2]) }
    }
    return ends
  }

  public func related(to id: String) throws(StorageError) -> [StorableIntent] {
    try intents(ends(of: id, nil, from: true, to: true))
  }

  public func dependents(of id: String) throws(StorageError) -> [StorableIntent] {
    try intents(ends(of: id, .dependsOn, from: true, to: false))
  }

  public func subgoals(of id: String) throws(StorageError) -> [StorableIntent] {
    let own = Array(id.utf8)
    var found: [StorableIntent] = try all(.intent) { record throws(StorageError) in
      record.text.bytes("parent_intent") == own ? try read(record) : nil
    }
    let known = Set(found.map { $0.text.bytes("intent_id") ?? [] })
    let ends = try ends(of: id, .isSubgoalOf, from: true, to: false)
    found += try intents(ends.filter { !known.contains($0) })
    return found
  }

  public func conflicts(of id: String) throws(StorageError) -> [StorableIntent] {
    try intents(ends(of: id, .conflictsWith, from: true, to: true))
  }

  public func backup(to path: String) throws(StorageError) {
    var changes: [Change] = []
    for kind in [RecordKind.intent, .edge] {
      try each(kind) {
        changes.append(.put($0))
        return true
      }
    }
    let found = try told { try backend.findings }
    if fallback == nil, let first = found.first(where: { $0.severity == .error }) {
      throw StorageError(
        .damaged, "not all of it can be read: \(first.message)", path: first.path,
        offset: first.offset, line: first.line,
        hint: "holdfast backup keeps the damaged bytes too; holdfast salvage recovers the rest")
    }
    try told {
      let target = FilePath(path)
      guard try FileFacts(at: target, following: false) == nil else {
        throw StorageError(
          .exists, "is there already", path: path, hint: "choose another name for the backup")
      }
      let file = TextFile(target, as: .intentSnapshot, now: configuration.now)
      if let staged = try file.staged(changes) { try file.publish(staged) }
    }
  }

  public func restore(from path: String) throws(StorageError) {
    let source = try StoreContents(path, formats: StorageFactory.formats)
    try source.refuseDamage()
    let records = source.records.filter { $0.name.kind == .intent || $0.name.kind == .edge }
    try update {
      let kept = Set(records.map(\.name))
      return try removals { !kept.contains($0) } + records.map { .put($0) }
    }
  }

  private func removals(_ isWanted: (RecordName) -> Bool = { _ in true }) throws -> [Change] {
    var changes: [Change] = []
    for kind in [RecordKind.edge, .intent] {
      try backend.scan(kind, scope: nil) {
        if isWanted($0.name) { changes.append(.remove($0.name)) }
        return true
      }
    }
    return changes
  }

  public func healthCheck() throws(StorageError) -> StorageHealth {
    try told {
      let found = try backend.check()
      var counts: [String: Int] = [:]
      for kind in backend.kinds {
        try backend.scan(kind, scope: nil) { record in
          counts[kind.rawValue, default: 0] += 1
          checkType(record)
          return true
        }
      }
      return StorageHealth(
        counts: counts, findings: (found + ownFindings).map(StorageFinding.init))
    }
  }

  public func clearAll() throws(StorageError) { try update { try removals() } }
}
