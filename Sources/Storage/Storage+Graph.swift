import Records
import Stores
import SystemPackage

extension Storage: GraphStorage {
  private func scope(_ context: String) -> [UInt8] { Array(context.utf8) }

  /// Refuses a name that no file of a context could have (FORMATS: memory-graph): a graph can be taken
  /// from any place to any other.
  static func checkContext(_ name: [UInt8]) throws(StorageError) {
    let text = String(decoding: name, as: UTF8.self)
    guard (1...200).contains(name.count), Array(text.utf8) == name,
      !name.contains(where: { $0 < 0x20 || $0 == 0x2F })
    else {
      throw StorageError(
        .invalid, "\(text) is no name for a context",
        hint: "choose one of 1 to 200 bytes that may be part of a file name")
    }
  }

  private func append(_ record: StoredRecord, context: String) throws(StorageError) {
    try Self.checkContext(scope(context))
    try update {
      guard try backend.find(record.name) == nil else {
        throw StorageError(
          .exists, "the context \(context) has \(record.name.kind.rawValue) \(record.name.label)",
          path: backend.path)
      }
      return [.put(record)]
    }
  }

  public func append(_ entity: Entity, to context: String) throws(StorageError) {
    try append(StoredRecord(.entity, of: entity, scope: scope(context)), context: context)
  }

  public func append(_ relation: Relation, to context: String) throws(StorageError) {
    try append(StoredRecord(.relation, of: relation, scope: scope(context)), context: context)
  }

  @discardableResult
  public func addObservations(_ observations: [String], to entity: String, in context: String)
    throws(StorageError) -> [String]
  {
    let name = RecordName(.entity, entity, scope: scope(context))
    var added: [String] = []
    try update {
      guard let text = try backend.find(name) else { throw missing("entity \(entity)") }
      var entity = try Entity(text: text)
      if let value = entity.fields["observations"], value.first != 0x5B, value != RecordText.null {
        throw StorageError(
          .invalid, "the observations of entity \(entity.name) are no list, and would be lost",
          path: backend.path, hint: "holdfast record put saves the entity as it is to be")
      }
      // Compared as bytes: letters that look alike may be different ones.
      var known = Set(entity.observations.map { Array($0.utf8) })
      added = observations.filter { known.insert(Array($0.utf8)).inserted }
      if added.isEmpty { return [] }
      entity.observations += added
      return [.put(StoredRecord(name, entity.text))]
    }
    return added
  }

  public func deleteEntity(_ name: String, in context: String) throws(StorageError) {
    let entity = RecordName(.entity, name, scope: scope(context))
    try update {
      guard try backend.find(entity) != nil else { throw missing("entity \(name)") }
      let relations = try backend.links(.relation, of: entity.key, scope: entity.scope)
      return relations.map { .remove($0.name) } + [.remove(entity)]
    }
  }

  public func delete(_ relation: Relation, in context: String) throws(StorageError) {
    let name = StoredRecord(.relation, of: relation, scope: scope(context)).name
    try update {
      guard try backend.find(name) != nil else { throw missing("relation \(name.label)") }
      return [.remove(name)]
    }
  }

  public func readGraph(_ context: String) throws(StorageError) -> KnowledgeGraph {
    KnowledgeGraph(
      entities: try all(.entity, scope: scope(context)) { record throws(StorageError) in
        try Entity(text: record.text)
      },
      relations: try all(.relation, scope: scope(context)) { record throws(StorageError) in
        try Relation(text: record.text)
      })
  }

  public nonisolated func search(_ text: String, in context: String?)
    -> AsyncThrowingStream<Entity, any Error>
  {
    let wanted = Array(text.lowercased().utf8)
    return AsyncThrowingStream { continuation in
      let work = Task {
        do {
          let all = context == nil ? try await self.contexts() : []
          for context in context.map({ [$0] }) ?? all where !Task.isCancelled {
            try await self.search(wanted, context) { continuation.yield($0) }
          }
          continuation.finish()
        } catch { continuation.finish(throwing: error) }
      }
      continuation.onTermination = { _ in work.cancel() }
    }
  }

  private func search(
    _ wanted: [UInt8], _ context: String, _ found: (Entity) -> Void
  ) throws(StorageError) {
    try each(.entity, scope: scope(context)) { record in
      let made = value(record) { record throws(StorageError) in try Entity(text: record.text) }
      guard let entity = made else { return !Task.isCancelled }
      let texts = [entity.name, entity.type] + entity.observations
      if texts.contains(where: { Array($0.lowercased().utf8).holds(wanted) }) { found(entity) }
      return !Task.isCancelled
    }
  }

  public func openNodes(_ names: [String], in context: String) throws(StorageError)
    -> KnowledgeGraph
  {
    var graph = KnowledgeGraph()
    var seen: Set<RecordName> = []
    for name in names {
      let name = RecordName(.entity, name, scope: scope(context))
      if seen.insert(name).inserted, let text = try find(name) {
        graph.entities.append(try Entity(text: text))
      }
    }
    let ends = graph.entities.map { $0.fields.bytes("name") ?? [] }
    let wanted = Set(ends)
    for end in ends {
      for link in try told({ try backend.links(.relation, of: end, scope: scope(context)) })
      where link.name.id[0] == end && wanted.contains(link.name.id[2]) {
        graph.relations.append(try Relation(text: link.text))
      }
    }
    return graph
  }

  public func contexts() throws(StorageError) -> [String] {
    try told {
      try backend.contexts().sorted { $0.lexicographicallyPrecedes($1) }
        .map { String(decoding: $0, as: UTF8.self) }
    }
  }

  public func validateIntegrity() throws(StorageError) -> [StorageFinding] {
    var records: [StoredRecord] = []
    for kind in [RecordKind.entity, .relation] {
      try each(kind) {
        records.append($0)
        return true
      }
    }
    return try told {
      try findings + Self.rules(over: records, path: backend.path ?? "memory")
    }
  }

  private static func rules(over records: [StoredRecord], path: String) throws
    -> [StorageFinding]
  {
    let survey = Survey(rules: true, paths: [path])
    var record = Record()
    for (number, stored) in records.enumerated() {
      record.kind = stored.name.kind
      record.place = RecordPlace(file: 0, offset: number, length: 0, line: 0)
      try record.text.parse(stored.text.bytes.span)
      try survey.take(&record)
    }
    try survey.finish()
    return survey.log.findings.map { finding in
      // Its offset is the number of a record here, for what lies in a backend has no other place.
      var finding = finding
      if let number = finding.offset, records.indices.contains(number) {
        finding.record = records[number].name.title
      }
      (finding.line, finding.offset) = (nil, nil)
      return StorageFinding(finding)
    }
  }
}
