import Disk
import LosslessJSON
import Records
import SystemPackage

/// Copies all or some records of one store into a new one, of the same kind or another, and
/// proves it.
package struct StoreCopy {
  package let tree: any StoreTree
  package let format: StoreFormat
  package var options = ReadOptions()
  /// What to make; nil: the same kind in the same files.
  package var form: StoreForm?
  /// Which records are wanted; all where nil.
  package var isWanted: ((borrowing Record) -> Bool)?
  /// Whether relations and edges are wanted too that start or end at a wanted entity or intent.
  package var takesRelations = false
  /// Unix seconds, for formats that say when they were written.
  package var time = 0

  package init(_ tree: any StoreTree, as format: StoreFormat) {
    self.tree = tree
    self.format = format
  }

  /// Whether the store's own files are what is asked for, so that they need no rewriting.
  package var keepsFiles: Bool {
    guard isWanted == nil else { return false }
    guard let form else { return true }
    guard form.format.name == format.name else { return false }
    switch form.layout {
    case .files: return true
    case .contexts: return !tree.isSingleFile
    case .oneFile: return tree.isSingleFile || format.name != StoreFormat.memoryGraph.name
    }
  }

  /// The kind that will be written.
  package var target: StoreFormat { form?.format ?? format }

  /// What is written, for `StoreFormat.writer`.
  private func writeOptions(_ directory: FilePath) throws -> WriteOptions {
    var write = WriteOptions(directory: directory)
    write.sourceKind = try format.sourceKind(of: tree)
    write.time = time
    let isSameKind = target.name == format.name
    if isSameKind, tree.isSingleFile {
      write.fileName = tree.files.first { !$0.isDirectory }?.name
    }
    write.layout = tree.isSingleFile ? .oneFile : .files
    if let form, target.name == StoreFormat.memoryGraph.name {
      write.layout = form.layout
      if form.layout == .contexts {
        write.fileName = nil
        // A directory is one of contexts already, and keeps its files.
        if isSameKind, !tree.isSingleFile { write.layout = .files }
      }
    }
    return write
  }

  /// Writes into `directory`, which must exist and be empty; nil where none of the records is
  /// wanted. Throws `StoreError.refused` for a record that cannot be held, and what
  /// `StoreOutput.finish` throws.
  package func run(into directory: FilePath) throws -> StoreOutput.Result? {
    let write = try writeOptions(directory)
    let output = try StoreOutput(target, write)
    var router = ContextRouter()
    var ends = SelectedEnds()
    let needsRouter = write.layout == .contexts
    let needsEnds = takesRelations && isWanted != nil
    let losesContexts = write.layout == .oneFile && losesContexts
    var losses = ContextLosses()
    if needsRouter || needsEnds || losesContexts {
      try read { record, _ in
        if needsRouter { router.observe(record) }
        if losesContexts { losses.observe(record) }
        if needsEnds, isWanted?(record) ?? true { ends.observe(record) }
      }
    }
    let files = tree.files
    let log = try read { record, hash in
      if let isWanted, !isWanted(record), !(needsEnds && ends.touches(record)) { return }
      if losesContexts { losses.take(record, of: tree) }
      let file = files[record.place.file]
      let place = WritePlace(
        file: format.origin == nil ? file.name : nil,
        context: needsRouter ? router.context(of: record) : nil, mode: file.mode)
      do { try output.take(&record, hash, at: place) } catch var error as StoreError {
        error.path = error.path ?? tree.displayPath(record.place.file)
        throw error
      }
    }
    if isWanted != nil, output.total == 0 { return nil }
    var result = try output.finish()
    result.log = log
    result.losses = losses.findings
    return result
  }

  /// Whether contexts are files of the source.
  private var losesContexts: Bool {
    format.name == StoreFormat.memoryGraph.name && !tree.isSingleFile
      && target.name == format.name && !tree.isOneContext(of: format)
  }

  @discardableResult
  private func read(
    _ body: @escaping (inout Record, Hash256) throws -> Void
  ) throws -> FindingLog {
    let survey = Survey(rules: false)
    survey.onRecord = body
    try format.read(tree, options, survey)
    try survey.finish()
    return survey.log
  }
}

/// The contexts of a memory graph's records: by `metadata.context`, and for a relation without
/// one by that of the entity it starts from, else the one it ends at.
package struct ContextRouter {
  private var names: [[UInt8]] = []
  private var numbers: [[UInt8]: UInt32] = [:]
  private var entities = NameMap<UInt32>()

  package init() {}

  /// The context that a record names itself.
  package static func ownContext(of record: borrowing Record) -> [UInt8]? {
    guard let metadata = record.text.member("metadata", of: record.body) else { return nil }
    return record.text.string("context", of: metadata)
  }

  /// Takes note of an entity, before any `context(of:)`.
  package mutating func observe(_ record: borrowing Record) {
    guard record.kind == .entity, let context = Self.ownContext(of: record),
      let name = record.text.string("name", of: record.body)
    else { return }
    let number = numbers[context] ?? UInt32(names.count)
    if numbers[context] == nil {
      numbers[context] = number
      names.append(context)
    }
    entities[name.span] = number
  }

  /// Nil for the default context.
  package func context(of record: borrowing Record) -> [UInt8]? {
    if let own = Self.ownContext(of: record) { return own }
    guard record.kind == .relation else { return nil }
    for key in ["from", "to"] as [StaticString] {
      if let name = record.text.string(key, of: record.body), let number = entities[name.span] {
        return names[Int(number)]
      }
    }
    return nil
  }
}

/// The entities and intents of a selection, for finding what starts or ends at one.
struct SelectedEnds {
  private var entities = NameSet()
  private var intents = NameSet()

  mutating func observe(_ record: borrowing Record) {
    switch record.kind {
    case .entity:
      if let name = record.text.string("name", of: record.body) { entities.insert(name.span) }
    case .intent:
      if let id = record.text.string("intent_id") { intents.insert(id.span) }
    default: break
    }
  }

  func touches(_ record: borrowing Record) -> Bool {
    let isRelation = record.kind == .relation
    guard isRelation || record.kind == .edge else { return false }
    for key in ["from", "to"] as [StaticString] {
      guard let name = record.text.string(key, of: record.body) else { continue }
      if (isRelation ? entities : intents).contains(name.span) { return true }
    }
    return false
  }
}
