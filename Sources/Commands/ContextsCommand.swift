import ArgumentParser
import Backup
import LosslessJSON
import Records
import Snapshot
import Stores

struct ContextsCommand: Verb {
  static let verb = "contexts"
  static let configuration = CommandConfiguration(
    commandName: "contexts",
    abstract: "List the contexts of a memory graph.",
    discussion: """
      Of a directory, each of its context files with its records, its size and its last change; of \
      a graph of one file, what the metadata.context of its records says. Other verbs take \
      one of them with --context, and without it see all contexts as one graph.

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @Argument(
    help: ArgumentHelp("A directory of contexts, a memory file, or a backup. \(RoutedStore.help)"),
    completion: .file())
  var store: String?

  @OptionGroup var contexts: ContextOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let name = try RoutedStore.name(store)
    let opened = try ReadingOptions.open(name, kind: shared.kind, contexts: contexts.context)
    let list = try ContextList(opened)
    let hasErrors = list.findings.errors > 0
    console.json(Self.verb) { root in
      root.member("path", name)
      root.key("contexts")
      root.array(of: list.contexts) { all, context in
        all.object { context.encode(to: &$0) }
      }
      root.key("findings")
      root.array(of: list.findings.findings) { $1.encode(to: &$0) }
    }
    show(list, console)
    if hasErrors { console.failure(FindingsReport.headline(list.findings)) }
    return hasErrors ? .findings : .done
  }

  private func show(_ list: ContextList, _ console: Console) {
    let rows =
      [["CONTEXT", "ENTITIES", "RELATIONS", "OTHER", "SIZE", "CHANGED"]]
      + list.contexts.map { context in
        let (entities, relations) = (context.counts[.entity] ?? 0, context.counts[.relation] ?? 0)
        return [
          printable(context.name), grouped(entities), grouped(relations),
          grouped(context.records - entities - relations), humanBytes(context.bytes),
          context.changed?.text ?? "-",
        ]
      }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      let cells = row.indices.map { column in
        (1...4).contains(column)
          ? row[column].leftPadded(to: widths[column]) : row[column].padded(to: widths[column])
      }
      console.result(cells.joined(separator: "  ").trimmingEnd)
    }
  }
}

/// The store that is meant where none is named.
enum RoutedStore {
  static let help =
    "By default $COAIA_MEMORY_PATH or $MEMORY_FILE_PATH, else the project's .coaia/, else "
    + "memory.jsonl here."

  static func name(_ named: String?) throws -> String {
    try named ?? StoreRoute.find().string
  }
}

extension String {
  /// Without the spaces at its end.
  fileprivate var trimmingEnd: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}

extension ContextList.Context {
  fileprivate func encode(to root: inout JSONBuilder) {
    root.member("context", name)
    root.member("path", path)
    root.member("counts", counts)
    root.member("records", records)
    root.member("bytes", bytes)
    root.member("changed", ifPresent: changed?.text)
  }
}
