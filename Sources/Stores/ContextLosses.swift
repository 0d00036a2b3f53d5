import LosslessJSON
import Records

extension StoreTree {
  /// Whether just one context was asked for, of a directory of them: who takes that out of its store
  /// knows what it is.
  package func isOneContext(of format: StoreFormat) -> Bool {
    format.contexts.count == 1 || (self is PartialTree && files.count == 1)
  }
}

/// Records of a directory of contexts that one file would no longer have in their context: there
/// only `metadata.context` tells it, and theirs says nothing or something else. Records stay as
/// they are, so this is told and not mended.
///
/// To be shown all records twice: for `observe`, then for `take`.
package struct ContextLosses {
  private var router = ContextRouter()
  private var found: [String: Loss] = [:]
  /// The paths in the order in which they were met.
  private var order: [String] = []

  private struct Loss {
    var context: String
    var count = 0
    var first: String
  }

  package init() {}

  package mutating func observe(_ record: borrowing Record) { router.observe(record) }

  /// - Parameter file: where the record lies in `tree`, a directory of contexts.
  package mutating func take(_ record: borrowing Record, of tree: any StoreTree) {
    let file = record.place.file
    guard let context = MemoryGraph.context(of: tree.files[file].name),
      router.name(of: record) != Array(context.utf8)
    else { return }
    let path = tree.displayPath(file)
    if found[path] == nil {
      found[path] = Loss(context: context, first: record.label)
      order.append(path)
    }
    found[path]?.count += 1
  }

  package var findings: FindingLog {
    var log = FindingLog()
    for path in order {
      guard let loss = found[path] else { continue }
      let others = loss.count - 1
      let (what, they) =
        others == 0
        ? ("is", "it does") : ("and \(others) other\(others == 1 ? "" : "s") are", "they do")
      log.add(
        Finding(
          .warning, .contextLost,
          "\(what) no longer in the context \(loss.context): in one file metadata.context alone "
            + "tells, and \(they) not name it", path: path, record: loss.first))
    }
    return log
  }
}
