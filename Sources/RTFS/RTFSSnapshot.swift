import LosslessJSON
import Records

/// The lists around the records: what stands between one record's line and the next one's.
///
/// Say `begin`, then before each record of which kind it is, then `finish`:
///
///     ;; Intent Graph Snapshot (hybrid backup)
///     (intent-graph
///       (intents
///         (intent …)
///       )
///       (edges
///       )
///     )
///     (knowledge-graph
///       (entities
///
/// The first line and the lists of the intent graph are upstream's and always there; the others
/// only where they hold records. Meant for records sorted by `order`; a kind that comes again
/// opens its list again, which `RTFSReader` takes as well.
package struct RTFSSnapshot: Sendable {
  /// The kinds in the order in which a snapshot has them.
  package static let order: [RecordKind] = [
    .intent, .edge, .entity, .relation, .plan, .action, .run, .user, .project, .task, .document,
  ]

  /// The list that is open, if any.
  private var open: RecordKind?
  private var hasEdges = false

  package init() {}

  /// Appends the first line and opens the list of intents.
  package mutating func begin(to out: inout ByteBuffer) {
    out.append(";; Intent Graph Snapshot (hybrid backup)\n(intent-graph\n  (intents")
    open = .intent
    hasEdges = false
  }

  /// Appends all that stands before a record of this kind, its indentation included. Then append
  /// the record, and nothing behind it.
  package mutating func next(_ kind: RecordKind, to out: inout ByteBuffer) {
    if open != kind {
      move(to: kind, &out)
      open = kind
    }
    out.append("\n    ")
  }

  /// Closes what is open. The text ends with LF.
  package mutating func finish(to out: inout ByteBuffer) {
    close(&out)
    out.append(0x0A)
    open = nil
  }

  private mutating func move(to kind: RecordKind, _ out: inout ByteBuffer) {
    if let open, open.group != nil, open.group == kind.group {
      out.append("\n  )\n  (")
    } else {
      close(&out)
      out.append("\n(")
      if let group = kind.group {
        out.append(group.word)
        out.append("\n  (")
      }
    }
    out.append(kind.listWord)
    if kind == .edge { hasEdges = true }
  }

  private mutating func close(_ out: inout ByteBuffer) {
    guard let open else { return }
    if open.group != nil { out.append("\n  )") }
    if open.group == .intentGraph, !hasEdges {
      out.append("\n  (edges\n  )")
      hasEdges = true
    }
    out.append("\n)")
  }
}

/// A list at the top of a snapshot that holds one list for each of its kinds.
enum RTFSGroup: Sendable, CaseIterable {
  case intentGraph, knowledgeGraph, planArchive, runHistory, taskList

  var word: StaticString {
    switch self {
    case .intentGraph: "intent-graph"
    case .knowledgeGraph: "knowledge-graph"
    case .planArchive: "plan-archive"
    case .runHistory: "run-history"
    case .taskList: "task-list"
    }
  }
}

extension RecordKind {
  /// The group in which this kind's list stands; nil for documents, whose list stands alone.
  var group: RTFSGroup? {
    switch self {
    case .intent, .edge: .intentGraph
    case .entity, .relation: .knowledgeGraph
    case .plan, .action: .planArchive
    case .run: .runHistory
    case .task, .user, .project: .taskList
    case .document: nil
    }
  }

  /// The word at the head of the list that holds records of this kind.
  var listWord: StaticString {
    switch self {
    case .intent: "intents"
    case .edge: "edges"
    case .entity: "entities"
    case .relation: "relations"
    case .plan: "plans"
    case .action: "actions"
    case .run: "runs"
    case .task: "tasks"
    case .user: "users"
    case .project: "projects"
    case .document: "documents"
    }
  }
}
