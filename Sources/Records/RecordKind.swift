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
  package var rank: Int { Self.allCases.firstIndex(of: self) ?? Self.allCases.count }

  package static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
}
