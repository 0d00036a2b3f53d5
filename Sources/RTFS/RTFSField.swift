import LosslessJSON
import Records

/// A field of a record that has a keyword of its own at the front of the record's map.
///
/// Intents and edges have the keywords of upstream's snapshot, in its order; the other kinds
/// follow their manner. A field stands behind, under its string key, where its value is none of
/// `values`, where the record repeats its key, or where upstream leaves it out.
struct RTFSField: Sendable {
  /// The kinds of value that the keyword takes, by the raw values of `JSONToken.Kind`.
  struct Values: OptionSet, Sendable {
    let rawValue: UInt8
    init(rawValue: UInt8) { self.rawValue = rawValue }
    init(_ kind: JSONToken.Kind) { self.init(rawValue: 1 << kind.rawValue) }

    static let string = Values(.string)
    static let number = Values(.number)
    static let array = Values(.array)
    static let boolean: Values = [Values(.true), Values(.false)]
  }

  /// With its colon.
  let keyword: StaticString
  /// The key in the record's JSON object; plain ASCII.
  let key: StaticString
  let values: Values
  /// Whether an empty string is left out at the front, as upstream does.
  var omitsEmpty = false

  init(_ keyword: StaticString, _ key: StaticString, _ values: Values, omitsEmpty: Bool = false) {
    self.keyword = keyword
    self.key = key
    self.values = values
    self.omitsEmpty = omitsEmpty
  }

  static let intent = [
    RTFSField(":id", "intent_id", .string), RTFSField(":goal", "goal", .string),
    RTFSField(":status", "status", .string), RTFSField(":priority", "priority", .number),
    RTFSField(":name", "name", .string),
    RTFSField(":rtfs-intent", "rtfs_intent_source", .string, omitsEmpty: true),
  ]
  static let edge = [
    RTFSField(":from", "from", .string), RTFSField(":to", "to", .string),
    RTFSField(":type", "edge_type", .string), RTFSField(":weight", "weight", .number),
  ]
  static let entity = [
    RTFSField(":name", "name", .string), RTFSField(":type", "entityType", .string),
    RTFSField(":observations", "observations", .array),
  ]
  static let relation = [
    RTFSField(":from", "from", .string), RTFSField(":to", "to", .string),
    RTFSField(":type", "relationType", .string),
  ]
  static let plan = [
    RTFSField(":id", "plan_id", .string), RTFSField(":name", "name", .string),
    RTFSField(":status", "status", .string),
  ]
  static let action = [
    RTFSField(":id", "action_id", .string), RTFSField(":plan", "plan_id", .string),
    RTFSField(":type", "action_type", .string),
  ]
  static let run = [
    RTFSField(":id", "run_id", .string), RTFSField(":plan", "plan_id", .string),
    RTFSField(":objective", "objective", .string),
  ]
  static let task = [
    RTFSField(":id", "id", [.string, .number]), RTFSField(":title", "title", .string),
    RTFSField(":description", "description", .string),
    RTFSField(":completed", "completed", .boolean),
  ]
  static let user = [RTFSField(":username", "username", .string)]
  static let project = [
    RTFSField(":id", "id", [.string, .number]), RTFSField(":name", "name", .string),
    RTFSField(":user", "user_id", [.string, .number]),
  ]
}

extension RecordKind {
  /// The fields with a keyword, in the order in which they are written.
  var fields: [RTFSField] {
    switch self {
    case .intent: RTFSField.intent
    case .edge: RTFSField.edge
    case .entity: RTFSField.entity
    case .relation: RTFSField.relation
    case .plan: RTFSField.plan
    case .action: RTFSField.action
    case .run: RTFSField.run
    case .task: RTFSField.task
    case .user: RTFSField.user
    case .project: RTFSField.project
    case .document: []
    }
  }
}
