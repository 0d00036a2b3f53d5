import LosslessJSON

/// Intent graphs: intents by id, edges between them, parents and children that must agree.
extension GraphRules {
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

  mutating func observeIntent(_ record: borrowing Record) {
    if require("intent_id", [.string], of: 0, record) != nil {
      if !record.scope.isEmpty {
        add(
          .warning, .keyMismatch,
          "is stored under the key \(String(decoding: record.scope, as: UTF8.self))",
          at: record.place, record: record.label)
      }
      _ = read("intent_id", of: 0, record)
      if !intents.insert(Self.key(scratch.span)).inserted {
        add(
          .warning, .duplicateID, "another intent has the same id", at: record.place,
          record: record.label)
      }
    }
    require("goal", [.string], of: 0, record)
    if let status = require("status", [.string], of: 0, record) {
      checkValue(status, "status", Self.statuses, record)
    }
    for key in ["original_request", "rtfs_intent_source"] as [StaticString] {
      require(key, [.string], of: 0, record, .warning)
    }
    for key in ["constraints", "preferences", "generation_context", "metadata"] as [StaticString] {
      require(key, [.object], of: 0, record, .warning)
    }
    if let trigger = require("triggered_by", [.string], of: 0, record, .warning) {
      checkValue(trigger, "triggered_by", Self.triggers, record)
    }
    require("priority", [.number], of: 0, record, .warning)
    checkUnixTimes(record)
    observeFamily(record)
  }

  private mutating func checkValue(
    _ token: Int, _ key: StaticString, _ known: [StaticString], _ record: borrowing Record
  ) {
    for value in known where record.text.isString(token, equalTo: value) { return }
    let value = String(decoding: record.text.decoded(token), as: UTF8.self)
    add(
      .warning, .unknownValue, "has an unknown \(key): \(value)", at: record.place,
      record: record.label)
  }

  /// `created_at` and `updated_at`: unix seconds, in that order.
  private mutating func checkUnixTimes(_ record: borrowing Record) {
    var times: [Int?] = []
    for key in ["created_at", "updated_at"] as [StaticString] {
      guard let token = require(key, [.number], of: 0, record, .warning) else {
        times.append(nil)
        continue
      }
      scratch.removeAll()
      record.text.appendCompact(token, to: &scratch)
      let value = Int(String(decoding: scratch.array, as: UTF8.self))
      if value == nil {
        add(
          .warning, .badTime, "has a \(key) that is no count of seconds", at: record.place,
          record: record.label)
      }
      times.append(value)
    }
    if let created = times[0], let updated = times[1], updated < created {
      add(
        .warning, .timeOrder, "was updated before it was created", at: record.place,
        record: record.label)
    }
  }

  /// A parent must list its child and a child must name its parent; each pair is held until the
  /// other side has told it too.
  private mutating func observeFamily(_ record: borrowing Record) {
    guard let id = record.text.string("intent_id") else { return }
    if read("parent_intent", of: 0, record), !scratch.isEmpty {
      let parent = scratch.array
      settle(
        pair: pairKey(parent: parent, child: id), from: \.familyFromChild,
        against: \.familyFromParent, other: parent, at: record.place,
        message: "names \(text(parent)) as its parent, which does not list it as a child")
      mention(parent, at: record.place)
    }
    guard let children = record.text.member("child_intents"),
      record.text.kind(children) == .array
    else { return }
    for child in record.text.children(of: children) where record.text.kind(child) == .string {
      let name = record.text.decoded(child)
      settle(
        pair: pairKey(parent: id, child: name), from: \.familyFromParent,
        against: \.familyFromChild, other: name, at: record.place,
        message: "lists \(text(name)) as a child, which does not name it as its parent")
      mention(name, at: record.place)
    }
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private func pairKey(parent: [UInt8], child: [UInt8]) -> UInt64 {
    Self.key(child.span, salt: Int(truncatingIfNeeded: Self.key(parent.span, salt: 2)))
  }

  private mutating func settle(
    pair: UInt64, from mine: WritableKeyPath<Self, [UInt64: OpenEnd]>,
    against theirs: WritableKeyPath<Self, [UInt64: OpenEnd]>, other: [UInt8],
    at place: RecordPlace, message: String
  ) {
    if self[keyPath: theirs].removeValue(forKey: pair) != nil { return }
    let start = keep(Array(message.utf8).span)
    self[keyPath: mine][pair] = openEnd(
      Self.key(other.span), at: place, .familyMismatch, isIntent: true, start: start)
  }

  private mutating func mention(_ intent: [UInt8], at place: RecordPlace) {
    let target = Self.key(intent.span)
    if intents.contains(target) { return }
    let start = keep(intent.span)
    openEnds.append(openEnd(target, at: place, .danglingEnd, isIntent: true, start: start))
  }

  mutating func observeEdge(_ record: borrowing Record) {
    var complete = true
    for key in ["from", "edge_type", "to"] as [StaticString] {
      guard let token = require(key, [.string], of: 0, record) else {
        complete = false
        continue
      }
      if record.text.isString(token, equalTo: "") { complete = false }
    }
    if let type = record.text.member("edge_type"), record.text.kind(type) == .string {
      checkValue(type, "edge_type", Self.edgeTypes, record)
    }
    if complete {
      scratch.removeAll()
      record.appendID(to: &scratch)
      if !edges.insert(Self.key(scratch.span)).inserted {
        add(
          .warning, .duplicateEdge, "the same edge occurs more than once", at: record.place,
          record: record.label)
      }
    }
    for key in ["from", "to"] as [StaticString] where read(key, of: 0, record) {
      let end = scratch.array
      mention(end, at: record.place)
    }
  }
}
