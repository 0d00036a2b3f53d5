import LosslessJSON
import Records
import Stores

/// The records of a store that stand to one another by edges or relations.
package final class RecordGraph: RecordSink {
  /// An edge between two nodes, by their numbers.
  package struct Link: Sendable, Hashable {
    package var from: Int
    package var to: Int
    package var type: String
  }

  package struct Node: Sendable {
    /// The id of an intent, or the name of an entity.
    package var id: String
    /// Nil where an edge ends at something that is not there.
    package var kind: RecordKind?
  }

  package private(set) var nodes: [Node] = []
  package private(set) var links: [Link] = []
  package private(set) var log = FindingLog()
  private var numbers: [[UInt8]: Int] = [:]
  /// The links of each node, by number.
  private var out: [[Int]] = []
  private var into: [[Int]] = []

  package init() {}

  package func take(_ record: inout Record) {
    let name = record.name()
    switch record.kind {
    case .intent, .entity: nodes[number(name.key)].kind = record.kind
    case .edge, .relation:
      guard name.id.count == 3 else { return }
      let link = Link(
        from: number(name.id[0]), to: number(name.id[2]),
        type: String(decoding: name.id[1], as: UTF8.self))
      out[link.from].append(links.count)
      into[link.to].append(links.count)
      links.append(link)
    default: break
    }
  }

  package func note(_ finding: Finding) { log.add(finding) }

  private func number(_ id: [UInt8]) -> Int {
    if let number = numbers[id] { return number }
    numbers[id] = nodes.count
    nodes.append(Node(id: String(decoding: id, as: UTF8.self), kind: nil))
    out.append([])
    into.append([])
    return nodes.count - 1
  }

  /// The node of an id, which may have its kind in front. Throws `notFound`.
  package func node(_ id: String) throws(StorageError) -> Int {
    if let number = numbers[Array(id.utf8)] { return number }
    for kind in [RecordKind.entity, .intent] where id.hasPrefix("\(kind.rawValue):") {
      let rest = Array(id.dropFirst(kind.rawValue.count + 1).utf8)
      if let number = numbers[rest], nodes[number].kind == kind { return number }
    }
    throw StorageError(.notFound, "there is no entity or intent \(id)")
  }

  /// The links that start or end at a node, in the order of the store.
  package func neighbours(of node: Int) -> [Link] {
    Set(out[node] + into[node]).sorted().map { links[$0] }
  }

  /// The shortest ways from one node to another along links, each as its links; at most `limit`, in
  /// the order of the store. None where there is no way.
  package func paths(from start: Int, to end: Int, limit: Int) -> [[Link]] {
    var distance: [Int: Int] = [end: 0]
    var queue = [end]
    var next = 0
    while next < queue.count, distance[start] == nil {
      let node = queue[next]
      next += 1
      for link in into[node] where distance[links[link].from] == nil {
        distance[links[link].from] = (distance[node] ?? 0) + 1
        queue.append(links[link].from)
      }
    }
    guard let length = distance[start], length > 0 else { return [] }
    var found: [[Link]] = []
    // Ways that have been begun, the next one last; every step comes one nearer to the end.
    var open: [(node: Int, way: [Link])] = [(start, [])]
    while let (node, way) = open.popLast(), found.count < limit {
      if node == end {
        found.append(way)
        continue
      }
      let left = length - way.count
      for link in out[node].reversed().map({ links[$0] }) where distance[link.to] == left - 1 {
        open.append((link.to, way + [link]))
      }
    }
    return found
  }

  /// Some of the graph in the DOT language of Graphviz.
  package func dot(_ links: [Link], nodes wanted: [Int]) -> String {
    var text = "digraph holdfast {\n"
    for node in wanted {
      let isThere = nodes[node].kind != nil
      text += "  \(quoted(nodes[node].id))\(isThere ? "" : " [style=dashed]");\n"
    }
    for link in links {
      text += "  \(quoted(nodes[link.from].id)) -> \(quoted(nodes[link.to].id))"
      text += " [label=\(quoted(link.type))];\n"
    }
    return text + "}"
  }

  /// A quoted string of DOT, in which a quote and a backslash are escaped.
  private func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
