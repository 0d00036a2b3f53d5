import LosslessJSON
import Records

extension StoreFormat {
  /// This kind of a store of one file, read as if it held only the records of some contexts, by
  /// `ContextRouter`. The file is read twice. Reading throws `notFound` where a context has none.
  package func restricted(to contexts: [String]) -> StoreFormat {
    var format = StoreFormat(
      name: name, summary: summary, recordKinds: recordKinds, writableKinds: writableKinds,
      recognises: recognises,
      read: { tree, options, sink in
        let filter = ContextFilter(
          try ContextRouter(reading: tree, as: self, options), contexts)
        try self.read(tree, options, FilteringSink(filter, sink))
        try filter.checkAllFound(path: tree.files.isEmpty ? nil : tree.displayPath(0))
      }, write: write)
    format.freeze = freeze
    format.contexts = contexts
    return format
  }
}

/// Lets the records of some contexts pass.
package final class ContextFilter {
  private let router: ContextRouter
  private let wanted: Set<[UInt8]>
  private var found: Set<[UInt8]> = []

  package init(_ router: ContextRouter, _ contexts: [String]) {
    self.router = router
    wanted = Set(contexts.map { Array($0.utf8) })
  }

  /// - Parameter context: that of the file which the record lies in; nil for a graph of one file.
  package func passes(_ record: borrowing Record, context: String? = nil) -> Bool {
    let name = context.map { Array($0.utf8) } ?? router.name(of: record)
    guard wanted.contains(name) else { return false }
    found.insert(name)
    return true
  }

  /// Throws `notFound` where a context has had no record.
  package func checkAllFound(path: String?) throws(StoreError) {
    guard let missing = wanted.subtracting(found).map({ String(decoding: $0, as: UTF8.self) }).min()
    else { return }
    throw StoreError(
      .notFound, "there is no context called \(missing)", path: path,
      hint: "holdfast contexts lists them")
  }
}

extension ContextRouter {
  /// Reads all of `tree` and takes note of its entities.
  package init(
    reading tree: any StoreTree, as format: StoreFormat, _ options: ReadOptions = ReadOptions()
  ) throws {
    let sink = RoutingSink()
    try format.read(tree, options, sink)
    self = sink.router
  }

  /// The name of a record's context, `default` for the default one.
  package func name(of record: borrowing Record) -> [UInt8] {
    let context = context(of: record) ?? []
    return context.isEmpty ? Array("default".utf8) : context
  }
}

private final class RoutingSink: RecordSink {
  var router = ContextRouter()
  func take(_ record: inout Record) { router.observe(record) }
  func note(_ finding: Finding) {}
}

private final class FilteringSink: RecordSink {
  private let filter: ContextFilter
  private let sink: any RecordSink

  init(_ filter: ContextFilter, _ sink: any RecordSink) {
    self.filter = filter
    self.sink = sink
  }

  func take(_ record: inout Record) throws {
    if filter.passes(record) { try sink.take(&record) }
  }
  func note(_ finding: Finding) { sink.note(finding) }
}
