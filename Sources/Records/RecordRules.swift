import LosslessJSON

/// The rules that one record can break by itself: fields that must be there, types, known values,
/// times (FORMATS: memory-graph, intent-snapshot). Pure, for any thread.
package struct RecordRules: Sendable {
  /// Findings so far, without their path; `place.file` of the record they came from is beside.
  package private(set) var findings: [(finding: Finding, file: Int)] = []
  private var scratch = ByteBuffer()
  private var keys: Set<UInt64> = []

  package init() {}

  /// The values that upstream's enumerations have (FORMATS: StorableIntent, Edge).
  private static let statuses: [StaticString] = [
    "Active", "Executing", "Completed", "Failed", "Archived", "Suspended",
  ]
  private static let triggers: [StaticString] = [
    "HumanRequest", "PlanExecution", "SystemEvent", "IntentCompletion", "ArbiterInference",
  ]
  private static let edgeTypes: [StaticString] = [
    "DependsOn", "IsSubgoalOf", "ConflictsWith", "Enables", "RelatedTo", "TriggeredBy", "Blocks",
  ]

  /// Checks a record, which stays as it is: lent for writing so that none of it is copied.
  /// Returns what `GraphRules` needs of it.
  package mutating func check(_ record: inout Record) -> GraphFacts {
    switch record.kind {
    case .entity, .relation:
      let fields = GraphFields(record)
      if record.kind == .entity {
        checkEntity(record, fields)
      } else {
        checkRelation(record, fields)
      }
      checkTimes(record, fields)
      if let key = fields.repeatedKey {
        addRepeated(key, record)
      } else if fields.hasOtherKeys {
        checkKeys(record)
      }
      return GraphFacts(record, fields, scratch: &scratch)
    case .intent: checkIntent(record)
    case .edge: checkEdge(record)
    case .document: return GraphFacts()
    case .task: checkTask(record)
    case .user, .project: checkOwner(record)
    default: checkOther(record)
    }
    checkKeys(record)
    return GraphFacts()
  }

  /// No writer of these stores repeats a key: two records that lost what was between them may.
  private mutating func checkKeys(_ record: borrowing Record) {
    guard record.text.kind() == .object else { return }
    keys.removeAll(keepingCapacity: true)
    for key in record.text.children(of: 0) {
      scratch.removeAll()
      record.text.appendDecoded(key, to: &scratch)
      if !keys.insert(KeyHash.key(scratch.span)).inserted { return addRepeated(key, record) }
    }
  }

  private mutating func addRepeated(_ key: Int, _ record: borrowing Record) {
    let name = String(decoding: record.text.decoded(key), as: UTF8.self)
    add(.error, .repeatedKey, "has the key \(name) twice: its readers drop the first", record)
  }

  private mutating func checkEntity(_ record: borrowing Record, _ fields: GraphFields) {
    require(fields.name, "name", .string, record)
    require(fields.entityType, "entityType", .string, record)
    if let list = require(fields.observations, "observations", .array, record) {
      let count = record.text.countChildren(of: list, otherThan: .string)
      if count > 0 {
        let what =
          count == 1
          ? "an observation that is no string" : "\(count) observations that are no strings"
        add(.error, .wrongType, "has \(what)", record)
      }
    }
  }

  private mutating func checkRelation(_ record: borrowing Record, _ fields: GraphFields) {
    require(fields.from, "from", .string, record)
    require(fields.relationType, "relationType", .string, record)
    require(fields.to, "to", .string, record)
  }

  private mutating func checkTimes(_ record: borrowing Record, _ fields: GraphFields) {
    let created = time(fields.createdAt, "createdAt", record)
    let updated = time(fields.updatedAt, "updatedAt", record)
    _ = time(fields.dueDate, "dueDate", record)
    if let created, let updated, updated < created {
      add(.warning, .timeOrder, "was updated before it was created", record)
    }
  }

  private mutating func time(_ token: Int?, _ key: StaticString, _ record: borrowing Record)
    -> ISOTime?
  {
    guard let token, record.text.kind(token) == .string else { return nil }
    scratch.removeAll()
    record.text.appendDecoded(token, to: &scratch)
    if scratch.isEmpty { return nil }
    if let time = ISOTime(scratch.span) { return time }
    let shown = String(decoding: scratch.array, as: UTF8.self)
    add(.warning, .badTime, "has a \(key) that is no ISO 8601 time: \(shown)", record)
    return nil
  }

  private mutating func checkIntent(_ record: borrowing Record) {
    require("intent_id", .string, of: 0, record)
    if !record.scope.isEmpty {
      let key = String(decoding: record.scope, as: UTF8.self)
      add(.warning, .keyMismatch, "is stored under the key \(key)", record)
    }
    require("goal", .string, of: 0, record)
    if let status = require("status", .string, of: 0, record) {
      checkValue(status, "status", Self.statuses, record)
    }
    require("original_request", .string, of: 0, record, .warning)
    require("rtfs_intent_source", .string, of: 0, record, .warning)
    require("constraints", .object, of: 0, record, .warning)
    require("preferences", .object, of: 0, record, .warning)
    require("generation_context", .object, of: 0, record, .warning)
    require("metadata", .object, of: 0, record, .warning)
    if let trigger = require("triggered_by", .string, of: 0, record, .warning) {
      checkValue(trigger, "triggered_by", Self.triggers, record)
    }
    require("priority", .number, of: 0, record, .warning)
    let created = seconds("created_at", record)
    let updated = seconds("updated_at", record)
    if let created, let updated, updated < created {
      add(.warning, .timeOrder, "was updated before it was created", record)
    }
  }

  /// Unix seconds.
  private mutating func seconds(_ key: StaticString, _ record: borrowing Record) -> Int? {
    guard require(key, .number, of: 0, record, .warning) != nil else { return nil }
    if let value = record.text.integer(key) { return value }
    add(.warning, .badTime, "has a \(key) that is no count of seconds", record)
    return nil
  }

  private mutating func checkEdge(_ record: borrowing Record) {
    require("from", .string, of: 0, record)
    require("to", .string, of: 0, record)
    if let type = require("edge_type", .string, of: 0, record) {
      checkValue(type, "edge_type", Self.edgeTypes, record)
    }
  }

  private mutating func checkValue(
    _ token: Int, _ key: StaticString, _ known: [StaticString], _ record: borrowing Record
  ) {
    for value in known where record.text.isString(token, equalTo: value) { return }
    let value = String(decoding: record.text.decoded(token), as: UTF8.self)
    add(.warning, .unknownValue, "has an unknown \(key): \(value)", record)
  }

  private mutating func checkTask(_ record: borrowing Record) {
    guard record.text.kind() == .object else {
      return add(.error, .wrongType, "is no object (\(record.text.kind()))", record)
    }
    checkTaskID(record)
    let key: StaticString = record.text.member("title") != nil ? "title" : "description"
    if let text = record.text.string(key) {
      if text.allSatisfy({ $0 <= 0x20 }) { add(.warning, .blankText, "has a blank \(key)", record) }
    } else {
      add(.error, .missingField, "has neither a description nor a title", record)
    }
    if let completed = record.text.member("completed") {
      let kind = record.text.kind(completed)
      if kind != .true, kind != .false {
        add(.error, .wrongType, "has a completed of the wrong type (\(kind))", record)
      }
    } else {
      add(.error, .missingField, "has no completed", record)
    }
    checkTimes(record)
    guard let keys = TaskScope.keys(record.scope), let user = keys.first,
      let named = record.text.string("user"), named != user
    else { return }
    let (a, b) = (String(decoding: named, as: UTF8.self), String(decoding: user, as: UTF8.self))
    add(.warning, .keyMismatch, "names the user \(a) and is stored under \(b)", record)
  }

  /// A task with no user above it has a UUID (FORMATS: task-list, the first shape).
  private mutating func checkTaskID(_ record: borrowing Record) {
    scratch.removeAll()
    guard record.appendID(to: &scratch) else {
      return add(.error, .missingField, "has no id", record)
    }
    guard record.scope.isEmpty else { return }
    let id = record.text.string("id") ?? []
    let isUUID =
      id.count == 36
      && id.indices.allSatisfy { index in
        [8, 13, 18, 23].contains(index) ? id[index] == 0x2D : Self.isHex(id[index])
      }
    if !isUUID { add(.warning, .badID, "has an id that is no UUID", record) }
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
  }

  /// Users and projects: known by their own id, or by the key they are stored under.
  private mutating func checkOwner(_ record: borrowing Record) {
    guard record.text.kind() == .object else {
      return add(.error, .wrongType, "is no object (\(record.text.kind()))", record)
    }
    scratch.removeAll()
    let hasID = record.appendID(to: &scratch)
    if !hasID, record.scope.isEmpty { add(.error, .missingField, "has no id", record) }
    if hasID, !record.scope.isEmpty {
      let key = String(decoding: record.scope, as: UTF8.self)
      add(.warning, .keyMismatch, "is stored under the key \(key)", record)
    }
    checkTimes(record)
  }

  /// Times of task lists, where they are there: ISO 8601, in their order.
  private mutating func checkTimes(_ record: borrowing Record) {
    func isText(_ key: StaticString) -> Bool {
      guard let token = record.text.member(key) else { return true }
      return [.string, .null].contains(record.text.kind(token))
    }
    for key in ["created_at", "updated_at"] as [StaticString] where !isText(key) {
      add(.warning, .badTime, "has a \(key) that is no ISO 8601 time", record)
    }
    let created = time(record.text.member("created_at"), "created_at", record)
    let updated = time(record.text.member("updated_at"), "updated_at", record)
    if let created, let updated, updated < created {
      add(.warning, .timeOrder, "was updated before it was created", record)
    }
  }

  /// Plans, actions, runs: the id must be there.
  private mutating func checkOther(_ record: borrowing Record) {
    scratch.removeAll()
    if !record.appendID(to: &scratch) { add(.error, .missingField, "has no id", record) }
  }

  /// Checks that the object has `key`, with a value of `kind`.
  @discardableResult
  private mutating func require(
    _ key: StaticString, _ kind: JSONToken.Kind, of object: Int, _ record: borrowing Record,
    _ severity: Finding.Severity = .error
  ) -> Int? {
    require(record.text.member(key, of: object), key, kind, record, severity)
  }

  /// Checks that `key` is there, at `token`, with a value of `kind`.
  @discardableResult
  private mutating func require(
    _ token: Int?, _ key: StaticString, _ kind: JSONToken.Kind, _ record: borrowing Record,
    _ severity: Finding.Severity = .error
  ) -> Int? {
    guard let token else {
      add(severity, .missingField, "has no \(key)", record)
      return nil
    }
    if record.text.kind(token) == kind { return token }
    let found = record.text.kind(token)
    add(severity, .wrongType, "has a \(key) of the wrong type (\(found))", record)
    return nil
  }

  private mutating func add(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String,
    _ record: borrowing Record
  ) {
    let place = record.place
    findings.append(
      (
        Finding(
          severity, code, message, line: place.line > 0 ? place.line : nil, offset: place.offset,
          length: place.length, record: record.label), place.file
      ))
  }
}
