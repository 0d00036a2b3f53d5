import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What is going to be done to one record, or has been: shown before it is carried out.
package struct RecordPlan: Sendable {
  package enum Outcome: String, Sendable { case added, replaced, unchanged, deleted }

  /// `kind:id`.
  package let record: String
  package let outcome: Outcome
  /// Records that go with it: edges and relations that would end nowhere.
  package let followers: [String]
  let changes: [Change]
}

extension RecordName {
  /// The id as `Record.appendID` has it: with the user and the project in front of a task's.
  var shown: [UInt8] {
    guard kind == .task, !scope.isEmpty else { return key }
    var out = ByteBuffer()
    TaskScope.appendShown(scope, to: &out)
    return out.array + [0x2F] + key
  }

  /// `kind:id`.
  package var title: String { "\(kind.rawValue):\(String(decoding: shown, as: UTF8.self))" }
}

/// Records by kind and id, for programs that know no more of them.
extension Storage {
  /// The record that `kind:id` names, or an id alone that one record has. Throws `notFound`, `invalid`
  /// for what names none, and `conflict` where several contexts have it and none is given, or several
  /// records the id.
  package func record(_ title: String, context: String?) throws(StorageError) -> StoredRecord {
    guard let colon = title.firstIndex(of: ":"),
      let kind = RecordKind(rawValue: String(title[..<colon]))
    else { return try record(id: title, context: context) }
    let id = String(title[title.index(after: colon)...])
    let scope = context.map { Array($0.utf8) }
    let isGraph = kind == .entity || kind == .relation
    if !isGraph || scope != nil, kind != .task, kind != .edge, kind != .relation {
      let name = RecordName(kind, id, scope: isGraph ? scope ?? [] : [])
      guard let text = try find(name) else { throw missing("record \(title)") }
      return StoredRecord(name, text)
    }
    let wanted = Array(title.utf8)
    var found: [StoredRecord] = []
    try each(kind, scope: isGraph ? scope : nil) { record in
      if Array(record.name.title.utf8) == wanted { found.append(record) }
      return found.count < 2
    }
    guard let first = found.first else { throw missing("record \(title)") }
    if found.count > 1, found[1].name.scope != first.name.scope {
      throw StorageError(
        .conflict, "several contexts have a record \(title)", path: backend.path,
        hint: "say which with --context")
    }
    return first
  }

  private func record(id: String, context: String?) throws(StorageError) -> StoredRecord {
    let wanted = Array(id.utf8)
    let scope = context.map { Array($0.utf8) }
    var found: [StoredRecord] = []
    for kind in backend.kinds {
      try each(kind, scope: kind == .entity || kind == .relation ? scope : nil) { record in
        if record.name.shown == wanted { found.append(record) }
        return found.count < 2
      }
    }
    guard let first = found.first else {
      throw StorageError(
        .invalid, "\(id) names no record", hint: "name it as in entity:Ada or task:mira/7")
    }
    guard found.count == 1 else {
      throw StorageError(
        .conflict, "\(found[0].name.title) and \(found[1].name.title) have the id \(id)",
        path: backend.path, hint: "name the record by its kind and id, and its context")
    }
    return first
  }

  /// The records of some kinds, in the order of the store; all kinds where none is given.
  package func records(_ kinds: [RecordKind], context: String?) throws(StorageError)
    -> [StoredRecord]
  {
    let scope = context.map { Array($0.utf8) }
    var found: [StoredRecord] = []
    for kind in backend.kinds.sorted() where kinds.isEmpty || kinds.contains(kind) {
      try each(kind, scope: kind == .entity || kind == .relation ? scope : nil) {
        found.append($0)
        return true
      }
    }
    return found
  }

  /// What putting a record would come to. Throws `invalid` for a text that is no record of a kind
  /// that the store has.
  package func plan(putting text: RecordText, context: String?, owner: TaskOwner?)
    throws(StorageError) -> RecordPlan
  {
    guard let kind = Self.kind(of: text, among: backend.kinds) else {
      throw StorageError(
        .invalid, "is no record of a kind that the store has a place for", path: backend.path,
        hint: "it has places for \(backend.kinds.map(\.rawValue).joined(separator: ", "))")
    }
    var scope: [UInt8] = []
    if kind == .entity || kind == .relation {
      scope = context.map { Array($0.utf8) } ?? Self.defaultContext
    } else if kind == .task {
      scope = self.scope(owner)
    }
    guard let record = StoredRecord(kind, text, scope: scope) else {
      throw StorageError(.invalid, "is a record of the kind \(kind.rawValue) without an id")
    }
    let old = try told { try backend.find(record.name) }
    return RecordPlan(
      record: record.name.title,
      outcome: old == nil ? .added : old == text ? .unchanged : .replaced, followers: [],
      changes: old == text ? [] : [.put(record)])
  }

  /// What deleting a record would come to. The edges and relations that start or end at it go too.
  package func plan(deleting title: String, context: String?) throws(StorageError) -> RecordPlan {
    let name = try record(title, context: context).name
    var links: [RecordName] = []
    if name.kind == .intent || name.kind == .entity {
      let kind: RecordKind = name.kind == .intent ? .edge : .relation
      links = try told {
        guard backend.kinds.contains(kind) else { return [] }
        return try backend.links(kind, of: name.key, scope: kind == .edge ? nil : name.scope)
          .map(\.name)
      }
    }
    return RecordPlan(
      record: name.title, outcome: .deleted, followers: links.map(\.title),
      changes: links.map { .remove($0) } + [.remove(name)])
  }

  /// Carries a plan out.
  package func carryOut(_ plan: RecordPlan) throws(StorageError) { try update { plan.changes } }

  /// What a text is by its own fields.
  private static func kind(of text: RecordText, among kinds: [RecordKind]) -> RecordKind? {
    guard let parsed = try? JSONText(text.bytes.span) else { return nil }
    let graph = MemoryGraph.kind(of: parsed)
    if graph != .document { return kinds.contains(graph) ? graph : nil }
    let own: RecordKind
    if text["run_id"] != nil {
      own = .run
    } else if ContentArchive.kind(of: parsed) != .document {
      own = ContentArchive.kind(of: parsed)
    } else if text["completed"] != nil, text["id"] != nil {
      own = .task
    } else if text["username"] != nil {
      own = .user
    } else if text["user_id"] != nil {
      own = .project
    } else {
      return nil
    }
    return kinds.contains(own) ? own : nil
  }
}

extension StorageFactory {
  /// Every record of a store, a database or a backup, to be read alone: what changes does not come
  /// into it, and nothing that is done to it comes out.
  package static func view(_ store: OpenedStore) throws -> Storage {
    let contents = try StoreContents(store)
    return Storage(
      MemoryBackend(contents.records, findings: contents.log.findings),
      StorageConfiguration(.memory))
  }

  /// Opens what is there for writing, by its content. Throws `unsupported` for a kind that is not
  /// written to, a backup included.
  /// - Parameters:
  ///   - otherwise: what is made where nothing is there; nil: that is `notFound`.
  ///   - isPlan: whether nothing is to be written: then what is not there is in memory.
  package static func open(
    _ path: FilePath, kind: String?, otherwise: String?, waitLimit: Double, isPlan: Bool = false,
    now: @escaping @Sendable () -> Double
  ) throws(StorageError) -> Storage {
    do {
      var name = kind ?? otherwise
      let facts = try FileFacts(at: path)
      if facts?.kind == .directory, kind == nil, try ContentArchive.hasIndex(path) {
        name = StoreFormat.contentArchive.name
      } else if facts != nil {
        let opened = try OpenedStore(opening: path, formats: formats, kind: kind)
        guard opened.backup == nil else {
          throw StorageError(
            .unsupported, "is a backup, which is never changed", path: path.string,
            hint: "restore it, and change the store")
        }
        name = opened.format.name
      } else if name == nil {
        throw StorageError(
          .notFound, "no such file or directory", path: path.string,
          hint: "check the path, or say with --kind what is to be made")
      }
      let place = try place(path, name ?? "", isDirectory: facts?.kind == .directory)
      if facts == nil, isPlan {
        let format = formats.first { $0.name == name }
        let kinds = name == StoreFormat.sqlite.name ? nil : format?.writableKinds
        return Storage(
          kinds.map(MemoryBackend.init) ?? MemoryBackend(), StorageConfiguration(.memory, now: now))
      }
      return try open(StorageConfiguration(place, waitLimit: waitLimit, now: now))
    } catch { throw StorageError(error, path: path.string) }
  }

  private static func place(_ path: FilePath, _ kind: String, isDirectory: Bool)
    throws(StorageError) -> StorageConfiguration.Place
  {
    let text = path.string
    switch kind {
    case StoreFormat.intentSnapshot.name: return .snapshot(text)
    case StoreFormat.memoryGraph.name: return isDirectory ? .contexts(text) : .graph(text)
    case StoreFormat.taskList.name: return .tasks(text)
    case StoreFormat.runHistory.name: return .runs(text)
    case StoreFormat.sqlite.name: return .database(text)
    case StoreFormat.contentArchive.name: return .archive(text)
    default:
      throw StorageError(
        .unsupported, "records of the kind \(kind) are not written one at a time", path: text,
        hint: "migrate it to a database, or edit the file")
    }
  }
}
