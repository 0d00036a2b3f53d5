import ArgumentParser
import HoldfastStorage
import LosslessJSON
import Records
import Stores

struct GraphCommand: Verb {
  static let verb = "graph"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "graph",
    abstract: "Show how the records of a store stand to one another.",
    discussion: """
      With one record its neighbours: the edges or relations that start or end there. With two the \
      shortest ways from the first to the second along them, none where there is no way. With none \
      all of them. Of any store, database or backup that holds intents with edges or entities with \
      relations. --dot prints the same for Graphviz; what an edge names and the store does not hold \
      is dashed there.

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @Argument(help: "A store, a migrated database or a backup.", completion: .file())
  var store: String

  @Argument(help: "An entity or an intent, by its name or id.")
  var record: String?

  @Argument(help: "Another one.")
  var to: String?

  @Flag(name: .long, help: "Print the graph in the DOT language of Graphviz.")
  var dot = false

  @Option(name: .long, help: ArgumentHelp("At most so many ways.", valueName: "n"))
  var limit: Int = 10

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if limit < 1 { throw ValidationError("--limit is a number from 1") }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    let opened = try reading.open(store, kind: shared.kind)
    let graph = RecordGraph()
    try opened.format.read(opened.tree, try reading.options(), graph)
    let start = try record.map { try graph.node($0) }
    let end = try to.map { try graph.node($0) }
    var ways: [[RecordGraph.Link]] = []
    var links = graph.links
    if let start, let end {
      ways = graph.paths(from: start, to: end, limit: limit)
      var seen: Set<RecordGraph.Link> = []
      links = ways.flatMap { $0 }.filter { seen.insert($0).inserted }
    } else if let start {
      links = graph.neighbours(of: start)
    }
    let named = Set([start, end].compactMap { $0 } + links.flatMap { [$0.from, $0.to] })
    let nodes = start == nil ? Array(graph.nodes.indices) : named.sorted()
    console.json(Self.verb) { encode(graph, nodes, links, end == nil ? nil : ways, to: &$0) }
    if dot {
      console.result(graph.dot(links, nodes: nodes))
    } else if end != nil {
      show(graph, ways, console)
    } else {
      for link in links { console.result(printable(line(graph, link))) }
    }
    guard graph.log.errors > 0 else { return .done }
    console.failure(FindingsReport.headline(graph.log))
    return .findings
  }

  private func line(_ graph: RecordGraph, _ link: RecordGraph.Link) -> String {
    "\(graph.nodes[link.from].id) -\(link.type)-> \(graph.nodes[link.to].id)"
  }

  private func show(_ graph: RecordGraph, _ ways: [[RecordGraph.Link]], _ console: Console) {
    if ways.isEmpty { console.result("there is no way") }
    for way in ways {
      let text = way.reduce(way.first.map { graph.nodes[$0.from].id } ?? "") {
        "\($0) -\($1.type)-> \(graph.nodes[$1.to].id)"
      }
      console.result(printable(text))
    }
  }

  private func encode(
    _ graph: RecordGraph, _ nodes: [Int], _ links: [RecordGraph.Link],
    _ ways: [[RecordGraph.Link]]?, to root: inout JSONBuilder
  ) {
    func encode(_ link: RecordGraph.Link, to list: inout JSONBuilder) {
      list.object {
        $0.member("from", graph.nodes[link.from].id)
        $0.member("type", link.type)
        $0.member("to", graph.nodes[link.to].id)
      }
    }
    root.key("nodes")
    root.array(of: nodes) { list, node in
      list.object {
        $0.member("id", graph.nodes[node].id)
        $0.member("kind", ifPresent: graph.nodes[node].kind?.rawValue)
      }
    }
    root.key("links")
    root.array(of: links) { encode($1, to: &$0) }
    guard let ways else { return }
    root.key("paths")
    root.array(of: ways) { list, way in
      list.array { inner in for link in way { encode(link, to: &inner) } }
    }
  }
}
