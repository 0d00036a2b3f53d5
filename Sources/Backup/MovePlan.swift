import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `move`.
package struct MoveRequest: Sendable {
  package var store: FilePath
  package var selection: Selection
  /// The context that the records go to.
  package var context: String
  /// Only records of these contexts; of all where empty.
  package var sources: [String] = []
  package var kind: String?
  /// Unix seconds, for the name of the undo copy.
  package var time: Int
  /// Seconds to wait for another run.
  package var lockWait: Double = 0

  package init(store: FilePath, selection: Selection, context: String, time: Int) {
    self.store = store
    self.selection = selection
    self.context = context
    self.time = time
  }
}

/// What `move` is going to do with a memory graph; `--dry-run` shows it.
///
/// A record is in the context of the file it lies in; in a graph of one file in that which its
/// `metadata.context` names, and a relation without one in that of its ends (`ContextRouter`).
/// Relations follow the entity they start from; where there is none, that which they end at.
package struct MovePlan {
  package let request: MoveRequest
  /// Absolute.
  package let store: FilePath
  package let isSingleFile: Bool
  package let replacement: Replacement
  /// How many records move, by kind; relations that follow among them.
  package private(set) var counts: [RecordKind: Int] = [:]
  package private(set) var followers = 0
  /// `kind:id` of the records that move, the first of them.
  package private(set) var moved: [String] = []
  /// The file that the records go to, by its name in the store.
  package let targetFile: FilePath
  /// The digest before and after: another one only where records name their context themselves.
  package private(set) var digest: Hash256
  package private(set) var newDigest: Hash256

  package var total: Int { counts.values.reduce(0, +) }

  let tree: DiskTree
  /// The parts of each file that are taken out or replaced, in their order.
  private(set) var edits: [Int: [FileEdit]] = [:]
  /// The texts that replace others, and those that go to the end of the target file, a line each.
  let texts = Shelf()
  let arrivals = Shelf()
  /// What the files were when they were read.
  let facts: [FilePath: FileFacts]

  /// A range of a file and what comes in its place.
  struct FileEdit {
    var offset: Int
    var length: UInt32
    /// Bytes of `texts`; none where the record is taken out.
    var textLength: UInt32
    var textStart: Int
  }

  private static let listLimit = 1000

  /// Reads the store and writes nothing. Throws `notFound` where nothing is selected, `refused`
  /// where the store is damaged, no directory or file of its own, or has the record there already.
  package init(_ request: MoveRequest, formats: [StoreFormat]) throws {
    self.request = request
    store = Disk.absolute(request.store)
    let opened = try OpenedStore(opening: request.store, formats: formats, kind: request.kind)
    guard opened.backup == nil, opened.format.name == StoreFormat.memoryGraph.name,
      let tree = opened.tree as? DiskTree
    else {
      throw BackupError(
        .refused, "is no memory graph of its own, and only those have contexts",
        path: request.store.string, hint: "restore it or export it first")
    }
    self.tree = tree
    isSingleFile = tree.isSingleFile
    replacement = try Replacement(of: store, time: request.time, keeping: DiskTree.kept)
    facts = try Self.facts(of: store, tree)
    targetFile = try Self.targetFile(request, tree)
    (digest, newDigest) = (Hash256(a: 0, b: 0, c: 0, d: 0), Hash256(a: 0, b: 0, c: 0, d: 0))
    try decide(opened.format)
    guard total > 0 else { return }
    for file in Set(edits.keys).union(tree.files.indices.filter(isTarget)) {
      guard try MemoryGraph.hasLines(tree, file) else {
        throw BackupError(
          .refused, "does not have its records a line each", path: tree.displayPath(file),
          hint: "write it anew first, with export --as contexts")
      }
    }
  }

  private func isTarget(_ file: Int) -> Bool {
    !isSingleFile && tree.files[file].name == targetFile
  }

  /// What lies in the store, to see whether it is still the same.
  static func facts(of store: FilePath, _ tree: DiskTree) throws -> [FilePath: FileFacts] {
    var facts: [FilePath: FileFacts] = [:]
    if tree.isSingleFile {
      facts[FilePath("")] = try FileFacts(at: store)
      return facts
    }
    for file in try DiskTree(store).files where !file.isDirectory {
      facts[file.name] = try FileFacts(at: store.pushing(file.name), following: false)
    }
    return facts
  }

  private static func targetFile(_ request: MoveRequest, _ tree: DiskTree) throws -> FilePath {
    let bytes = Array(request.context.utf8)
    guard !bytes.isEmpty, ![".", ".."].contains(request.context),
      bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else {
      throw BackupError(
        .usage,
        "\(request.context.isEmpty ? "nothing" : request.context) cannot be the name of a"
          + " context", hint: "it is a word without line feeds and other control characters")
    }
    if tree.isSingleFile { return tree.files[0].name }
    let known = tree.files.first { MemoryGraph.context(of: $0.name) == request.context }
    guard
      let name = known?.name ?? MemoryGraph.fileName(ofContext: Array(request.context.utf8))
    else {
      throw BackupError(
        .usage, "\(request.context) cannot be the name of a context",
        hint: "it becomes part of a file name: no slash, and 240 bytes at most")
    }
    return name
  }

  // MARK: Deciding

  /// The entities there are, by name and by context and name: those that move and those that stay.
  private struct Entities {
    var moving = NameSet()
    var staying = NameSet()
    var movingHere = NameSet()

    static func key(_ context: [UInt8], _ name: [UInt8]) -> [UInt8] { context + [0] + name }

    /// Whether a relation in `context` that names this entity goes where it goes; nil where there
    /// is no such entity.
    func takesAlong(_ name: [UInt8], in context: [UInt8]) -> Bool? {
      if movingHere.contains(Self.key(context, name).span) { return true }
      if staying.contains(name.span) { return false }
      return moving.contains(name.span) ? true : nil
    }
  }

  private mutating func decide(_ format: StoreFormat) throws {
    var router = ContextRouter()
    if self.isSingleFile { try read(format) { record, _ in router.observe(record) } }
    let contexts = Set(request.sources.map { Array($0.utf8) })
    let target = Array(request.context.utf8)
    var entities = Entities()
    var found = false
    let isSingleFile = isSingleFile
    let names = tree.files.map { Array((MemoryGraph.context(of: $0.name) ?? "").utf8) }
    func context(_ record: borrowing Record) -> [UInt8] {
      guard isSingleFile else { return names[record.place.file] }
      let context = router.context(of: record) ?? []
      return context.isEmpty ? Array("default".utf8) : context
    }
    let selection = SelectionTally(request.selection)
    func isWanted(_ record: borrowing Record, _ context: [UInt8]) -> Bool {
      (contexts.isEmpty || contexts.contains(context)) && selection.contains(record)
    }
    try read(format) { record, _ in
      let here = context(record)
      let isWanted = isWanted(record, here)
      found = found || isWanted
      guard record.kind == .entity, let name = record.text.string("name", of: record.body) else {
        return
      }
      if isWanted, here != target {
        entities.moving.insert(name.span)
        entities.movingHere.insert(Entities.key(here, name).span)
      } else {
        entities.staying.insert(name.span)
      }
    }
    guard found, selection.unmatched.isEmpty else {
      throw BackupError(
        .notFound, "holds no record for --select \(selection.unmatched.joined(separator: ", "))",
        path: request.store.string,
        hint: "nothing was moved; holdfast search finds records; --select takes entity:NAME, with"
          + " * and ?")
    }
    try act(format, entities, target, context, isWanted)
  }

  private mutating func act(
    _ format: StoreFormat, _ entities: Entities, _ target: [UInt8],
    _ context: @escaping (borrowing Record) -> [UInt8],
    _ isWanted: @escaping (borrowing Record, [UInt8]) -> Bool
  ) throws {
    let decision = MoveDecision(plan: self, entities.takesAlong)
    let survey = try read(format) { record, hash in
      let here = context(record)
      let wanted = isWanted(record, here)
      try decision.take(
        &record, hash, at: here, going: here == target ? nil : target, isWanted: wanted)
    }
    (digest, newDigest) = (survey.digest(), decision.digest.finish())
    (counts, followers, moved) = (decision.counts, decision.followers, decision.moved)
    edits = decision.edits
  }

  @discardableResult
  private func read(
    _ format: StoreFormat, _ body: @escaping (inout Record, Hash256) throws -> Void
  ) throws -> Survey {
    let survey = Survey(rules: false)
    tree.notes.forEach(survey.note)
    survey.onRecord = body
    try format.read(tree, ReadOptions(), survey)
    try survey.finish()
    if let first = survey.log.findings.first(where: { $0.severity == .error }) {
      throw BackupError(
        .refused, first.message, path: first.path ?? request.store.string, line: first.line,
        offset: first.offset, hint: "nothing was moved; recover makes the store whole",
        findings: survey.log.findings)
    }
    return survey
  }

  static let limit = listLimit
}

/// What becomes of each record of the store, in its order.
private final class MoveDecision {
  private let isSingleFile: Bool
  private let texts: Shelf
  private let arrivals: Shelf
  private let tree: DiskTree
  private let context: String
  private let takesAlong: (_ name: [UInt8], _ context: [UInt8]) -> Bool?
  private(set) var digest = StoreDigest()
  private(set) var counts: [RecordKind: Int] = [:]
  private(set) var followers = 0
  private(set) var moved: [String] = []
  private(set) var edits: [Int: [MovePlan.FileEdit]] = [:]
  /// The entities of the target, and those that have come to it.
  private var there = NameSet()
  private var arriving = NameSet()
  private var line = ByteBuffer()

  init(plan: MovePlan, _ takesAlong: @escaping ([UInt8], [UInt8]) -> Bool?) {
    isSingleFile = plan.isSingleFile
    (texts, arrivals, tree) = (plan.texts, plan.arrivals, plan.tree)
    context = plan.request.context
    self.takesAlong = takesAlong
  }

  /// - Parameter target: the context that it would go to; nil for a record that is there.
  func take(
    _ record: inout Record, _ hash: Hash256, at here: [UInt8], going target: [UInt8]?,
    isWanted: Bool
  ) throws {
    guard let target else {
      try occupy(record)
      return digest.insert(hash)
    }
    let follows = !isWanted && self.follows(record, here)
    guard isWanted || follows else { return digest.insert(hash) }
    try arrive(record)
    counts[record.kind, default: 0] += 1
    if follows { followers += 1 }
    if moved.count < MovePlan.limit { moved.append(record.label) }
    let place = record.place
    // A relation of a graph of one file that names no context is where its entities are.
    let edited: ByteBuffer?
    do throws(StoreError) {
      edited = try ContextEdit.text(
        of: record, naming: target, always: isSingleFile && !follows)
    } catch {
      var error = error
      error.path = tree.displayPath(place.file)
      throw error
    }
    line.removeAll()
    if let edited { line = edited } else { record.text.appendCompact(to: &line) }
    var newHash = hash
    if edited != nil {
      let bytes = line
      try record.text.parse(bytes.span)
      newHash = record.canonicalHash()
    }
    digest.insert(newHash)
    if isSingleFile, edited == nil { return }
    var edit = MovePlan.FileEdit(
      offset: place.offset, length: UInt32(place.length), textLength: 0, textStart: 0)
    if isSingleFile {
      let bytes = line
      edit.textStart = try texts.append(bytes.span)
      edit.textLength = UInt32(bytes.count)
    } else {
      line.append(0x0A)
      let bytes = line
      try arrivals.append(bytes.span)
    }
    edits[place.file, default: []].append(edit)
  }

  private func follows(_ record: borrowing Record, _ here: [UInt8]) -> Bool {
    guard record.kind == .relation else { return false }
    for key in ["from", "to"] as [StaticString] {
      guard let name = record.text.string(key, of: record.body) else { continue }
      if let answer = takesAlong(name, here) { return answer }
    }
    return false
  }

  private func occupy(_ record: borrowing Record) throws {
    guard record.kind == .entity, let name = record.text.string("name", of: record.body) else {
      return
    }
    there.insert(name.span)
    if arriving.contains(name.span) { throw refusal(record) }
  }

  private func arrive(_ record: borrowing Record) throws {
    guard record.kind == .entity, let name = record.text.string("name", of: record.body) else {
      return
    }
    if there.contains(name.span) || !arriving.insert(name.span) { throw refusal(record) }
  }

  private func refusal(_ record: borrowing Record) -> BackupError {
    BackupError(
      .refused, "\(record.label): the context \(context) has, or would get, another of this name",
      path: tree.displayPath(record.place.file), line: record.place.line,
      offset: record.place.offset,
      hint: "nothing was moved; say with --context from where, or rename one of them first")
  }
}
