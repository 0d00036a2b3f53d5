import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What `merge` came to.
package struct MergeResult: Sendable {
  /// Absolute.
  package var root: FilePath
  package var counts: [RecordKind: Int]
  package var digest: Hash256
  package var undo: FilePath?
  /// What the new form does not say any more.
  package var log = FindingLog()
}

extension MergePlan {
  /// Writes the merged store beside the target, proves it, and puts it in place. Throws `conflict`
  /// where contents differ that nothing decides between; then nothing is written.
  package func run() throws -> MergeResult {
    if unresolvedCount > 0 { throw conflict }
    return try replacement.perform(stage)
  }

  /// Throws what `run` would throw for records that the kind has no place for. Leaves nothing.
  /// Returns what `run` would.
  package func rehearse() throws -> MergeResult {
    if unresolvedCount > 0 { throw conflict }
    return try Rehearsal.run(stage).result
  }

  private func stage(in staging: FilePath) throws -> (root: FilePath, result: MergeResult) {
    let united = try UnitedRecords(self)
    let options = try writeOptions(staging)
    let output = try StoreOutput(form.format, options)
    let router = try router()
    var losses = try contextLosses()
    try readAll { ordinal, store, record, hash in
      guard kept.contains(ordinal) else { return }
      var hash = hash
      if try united.replace(&record, ordinal) { hash = record.canonicalHash() }
      let tree = stores[store].tree
      if losses != nil, !tree.isSingleFile { losses?.take(record, of: tree) }
      let place = try place(of: record, in: store, router)
      do { try output.take(&record, hash, at: place) } catch var error as StoreError {
        error.path = error.path ?? stores[store].tree.displayPath(record.place.file)
        throw error
      }
    }
    let made = try output.finish()
    var result = MergeResult(
      root: replacement.target, counts: made.counts, digest: made.digest,
      undo: replacement.undo)
    if let losses { result.log = losses.findings }
    return (made.store.root, result)
  }

  private var conflict: BackupError {
    let first = conflicts.first { $0.isUnresolved }
    let places = first.map { $0.versions.map(\.place).joined(separator: " and ") } ?? ""
    var reason = "the contents differ"
    if case .unresolved(let text) = first?.outcome { reason = text }
    let more = unresolvedCount > 1 ? " (and \(unresolvedCount - 1) more)" : ""
    return BackupError(
      .conflict, "\(first?.record ?? "") in \(places): \(reason)\(more)",
      hint: "nothing was merged; \(advice)")
  }

  /// What was not asked for yet, and decides the first conflict.
  private var advice: String {
    var ways: [String] = []
    let versions = conflicts.first { $0.isUnresolved }?.versions ?? []
    if request.policy != .newest, versions.contains(where: { $0.updated != nil }) {
      ways.append("newest")
    }
    if request.policy != .first { ways.append("first") }
    let kind = versions.first?.kind ?? .document
    if request.policy != .keepBoth, !request.unitesObservations, holdsBoth(kind) {
      ways.append("keep-both")
    }
    var text = "decide with --on-conflict \(Self.list(ways))"
    if kind == .entity, !request.unitesObservations, request.policy == .fail {
      text += ", or with --union-observations"
    }
    return text
  }

  /// "a", "a or b", "a, b or c".
  private static func list(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.joined() }
    return "\(words.dropLast().joined(separator: ", ")) or \(last)"
  }

  /// Reads all stores in their order once more. Throws `changed` where one of them is not what it
  /// was when the plan was made.
  func readAll(
    _ body:
      @escaping (
        _ ordinal: Int, _ store: Int, _ record: inout Record, _ hash: Hash256
      ) throws -> Void
  ) throws {
    var ordinal = 0
    for (number, store) in stores.enumerated() {
      let (source, _) = try Self.read(store, request.options, columns) { record, hash in
        try body(ordinal, number, &record, hash)
        ordinal += 1
      }
      guard source.sequence == sources[number].sequence else {
        throw DiskError(
          .changed, "was changed while it was merged", path: store.path,
          hint: "stop the program that writes to it, and run it again")
      }
    }
  }

  private func writeOptions(_ staging: FilePath) throws -> WriteOptions {
    var options = WriteOptions(directory: staging)
    options.sourceKind = try Self.sourceKind(stores)
    options.time = request.time
    options.layout = form.layout == .contexts ? .files : .oneFile
    if form.layout != .contexts { options.fileName = replacement.target.lastComponent.map(name) }
    return options
  }

  private func name(_ component: FilePath.Component) -> FilePath {
    FilePath(root: nil, [component])
  }

  /// Where the records of a graph of one file belong in a directory of contexts.
  private func router() throws -> ContextRouter? {
    guard form.layout == .contexts, stores.contains(where: { $0.tree.isSingleFile }) else {
      return nil
    }
    var router = ContextRouter()
    try readAll { _, store, record, _ in
      if stores[store].tree.isSingleFile { router.observe(record) }
    }
    return router
  }

  /// The contexts of directories that one file does not say any more; nil where none is made of one.
  private func contextLosses() throws -> ContextLosses? {
    let graph = StoreFormat.memoryGraph.name
    guard form.layout != .contexts, form.format.name == graph,
      stores.contains(where: { $0.format.name == graph && !$0.tree.isSingleFile })
    else { return nil }
    var losses = ContextLosses()
    try readAll { ordinal, _, record, _ in if kept.contains(ordinal) { losses.observe(record) } }
    return losses
  }

  private func place(
    of record: borrowing Record, in store: Int, _ router: ContextRouter?
  ) throws -> WritePlace {
    let tree = stores[store].tree
    let mode = tree.files.first { !$0.isDirectory }?.mode ?? 0o600
    guard form.layout == .contexts else { return WritePlace(mode: mode) }
    if !tree.isSingleFile {
      let file = tree.files[record.place.file]
      return WritePlace(file: file.name, mode: file.mode)
    }
    let context = router?.context(of: record) ?? []
    guard let name = MemoryGraph.fileName(ofContext: context) else {
      var error = StoreError.refusal(
        of: record,
        "its context, \(String(decoding: context, as: UTF8.self)), cannot be part of a file name",
        hint: "rename the context first, or make one file of it with --as memory-graph")
      error.path = tree.displayPath(record.place.file)
      throw error
    }
    return WritePlace(file: name, mode: mode)
  }
}

extension MergeConflict.Version {
  /// `path:line` of what has a line to itself, `path:line: byte N` of what may share one; the path
  /// alone for the row of a table.
  package var place: String {
    if kind == .run { return path }
    let start = line > 0 ? "\(path):\(line)" : path
    let hasLine = line > 0 && [.entity, .relation, .document].contains(kind)
    return hasLine ? start : "\(start): byte \(offset)"
  }
}

/// The entities whose observations are united, in the order in which they are written.
private final class UnitedRecords {
  /// An entry each: the number of the record, the length of the text, the text.
  private let spill: SpillFile
  private var at = 0
  private var next: (ordinal: Int, length: Int)?
  private var text = ByteBuffer()

  init(_ plan: MergePlan) throws {
    spill = try SpillFile(in: SpillFile.standardDirectory)
    guard !plan.unions.isEmpty else { return }
    var sorter: RunSorter? = RunSorter(spillingTo: SpillFile.standardDirectory)
    var position = 0
    var (key, text) = (ByteBuffer(), ByteBuffer())
    try plan.readAll { ordinal, _, record, _ in
      guard position < plan.unions.count, Int(plan.unions[position].ordinal) == ordinal else {
        return
      }
      let base = Int(plan.unions[position].base)
      position += 1
      key.removeAll()
      key.append(key: base)
      // The version that is kept comes first.
      key.append(key: ordinal == base ? 0 : ordinal + 1)
      text.removeAll()
      record.text.appendCompact(to: &text)
      let (name, bytes) = (key, text)
      try sorter?.insert(key: name.span, payload: bytes.span)
    }
    if let sorted = sorter.take() { try fill(sorted) }
    try load()
  }

  private func fill(_ sorter: consuming RunSorter) throws {
    var current: (base: Int, united: UnitedObservations)?
    func flush() throws {
      guard let done = current else { return }
      let text = done.united.text()
      var head = ByteBuffer()
      head.append(word: done.base)
      head.append(word: text.count)
      try spill.append(head.span)
      try spill.append(text.span)
    }
    var record = Record()
    record.kind = .entity
    try sorter.drain { key, text in
      let base = Int(truncatingIfNeeded: key.word(at: 0).byteSwapped)
      try record.text.parse(text)
      if current?.base == base {
        current?.united.add(record)
      } else {
        try flush()
        current = (base, UnitedObservations(record))
      }
    }
    try flush()
  }

  private func load() throws {
    next = nil
    guard at < spill.count else { return }
    var head = ByteBuffer()
    try spill.read(at: at, into: &head, count: 16)
    at += 16
    next = (
      Int(truncatingIfNeeded: head.span.word(at: 0)), Int(truncatingIfNeeded: head.span.word(at: 8))
    )
  }

  /// Puts the united text in the place of the record's own, if it has one; false if not. To be
  /// asked in the order of the numbers.
  func replace(_ record: inout Record, _ ordinal: Int) throws -> Bool {
    guard let entry = next, entry.ordinal == ordinal else { return false }
    text.removeAll()
    try spill.read(at: at, into: &text, count: entry.length)
    at += entry.length
    let united = text
    try record.text.parse(united.span)
    try load()
    return true
  }
}
