/// What a record is. The raw value is the word that canonical hashes, `--select` and JSON use.
package enum RecordKind: String, Sendable, CaseIterable, Comparable {
  case intent, edge, entity, relation, plan, action, run, task, user, project, document

  /// The name of the array (for intents: the object) that holds this kind in a snapshot.
  package var plural: String {
    switch self {
    case .entity: "entities"
    default: rawValue + "s"
    }
  }

  /// The order of kinds in a snapshot.
  package var rank: Int {
    switch self {
    case .intent: 0
    case .edge: 1
    case .entity: 2
    case .relation: 3
    case .plan: 4
    case .action: 5
    case .run: 6
    case .task: 7
    case .user: 8
    case .project: 9
    case .document: 10
    }
  }

  package static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
}
