import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What `merge` is going to do; `--dry-run` shows it.
///
/// Records are one by their id and canonical hash. Memory is bounded: a bit a record, eight bytes
/// for each version whose observations are united, and what `StoreOutput` holds.
package struct MergePlan {
  package let request: MergeRequest
  package let sources: [MergeSource]
  package let form: StoreForm
  package let replacement: Replacement
  /// Records that say what one before says.
  package private(set) var duplicates = 0
  /// The first of them, by id; how many there are, and how many stand in the way, is beside.
  package private(set) var conflicts: [MergeConflict] = []
  package private(set) var conflictCount = 0
  package private(set) var unresolvedCount = 0
  /// Records that will be written.
  package var records: Int { kept.count }

  let stores: [OpenedStore]
  /// How runs of histories with different columns become those of one; nil where there are none.
  package let columns: RunColumns?
  /// Records that are written, by their number in the order of reading.
  private(set) var kept = OrdinalSet()
  /// Versions of entities that are united: each with the one whose place and fields are kept.
  private(set) var unions: [Union] = []

  struct Union {
    var ordinal: UInt32
    var base: UInt32
  }

  /// Conflicts that are listed.
  private static let listLimit = 1000

  /// Reads all stores and writes nothing. Throws `refused` for a damaged store, and where no kind
  /// of store can hold what there is.
  package init(
    _ request: MergeRequest, of opened: [OpenedStore], formats: [StoreFormat]
  ) throws {
    self.request = request
    replacement = try Replacement(of: request.target, time: request.time)
    try Self.check(replacement, request, opened)
    stores = try opened.map { store in
      guard let disk = store.tree as? DiskTree, let freeze = store.format.freeze else {
        return try store.keptStore()
      }
      return try store.replacing(freeze(disk)).keptStore()
    }
    let columns = try Self.columns(stores, request.options)
    self.columns = columns
    var index: MergeIndex? = MergeIndex(comparesRests: request.unitesObservations)
    var sources: [MergeSource] = []
    var counts: Set<RecordKind> = []
    for (number, store) in stores.enumerated() {
      let defaults = Set(
        store.tree.files.indices.filter {
          !store.tree.isSingleFile
            && MemoryGraph.context(of: store.tree.files[$0].name) == "default"
        })
      let (source, kinds) = try Self.read(store, request.options, columns) { record, hash in
        var setting = MergeIndex.Setting(isDefault: defaults.contains(record.place.file))
        if let columns {
          setting.shape = columns.shape(of: number)
          setting.narrowed = try columns.narrowed(record, of: number)
        }
        try index?.insert(&record, hash, store: number, setting)
      }
      sources.append(source)
      counts.formUnion(kinds)
    }
    let total = sources.reduce(0) { $0 + $1.records }
    guard total > 0 else {
      throw BackupError(
        .refused, "there is no record in any of the stores", path: sources.first?.path,
        hint: "nothing was merged; name the stores that hold what is to be merged")
    }
    guard total < Int(UInt32.max) else {
      throw BackupError(.refused, "hold more records than can be merged at once")
    }
    self.sources = sources
    form = try Self.form(request, stores, counts, formats)
    try Self.checkFree(replacement, request, forFile: form.isFile)
    try index.take()?.drain { group in take(group) }
    unions.sort { $0.ordinal < $1.ordinal }
    try describe()
  }

  private static func check(
    _ replacement: Replacement, _ request: MergeRequest, _ stores: [OpenedStore]
  ) throws {
    for store in stores where Disk.absolute(store.path) == replacement.target {
      throw BackupError(
        .usage, "is one of the stores to be merged", path: store.path.string,
        hint: "merge into a new place, then put it where it belongs")
    }
    try TargetPlace.check(request.target, outside: stores.map(\.path))
    try checkFree(replacement, request, forFile: false)
  }

  private static func checkFree(
    _ replacement: Replacement, _ request: MergeRequest, forFile isFile: Bool
  ) throws {
    guard replacement.isFree(forFile: isFile) || request.replaces else {
      throw BackupError(
        .exists, "is there already", path: replacement.target.string,
        hint: "choose another name, or keep what is there as an undo copy with --replace")
    }
  }

  /// Of the histories of runs among the stores.
  private static func columns(_ stores: [OpenedStore], _ options: ReadOptions) throws -> RunColumns?
  {
    let histories = try stores.map { try $0.format.sourceKind(of: $0.tree) == "run-history" }
    guard histories.count(where: { $0 }) > 1 else { return nil }
    return RunColumns(
      try zip(stores, histories).map { store, isHistory in
        guard isHistory else { return nil }
        return try RunColumns.columns { try store.format.read(store.tree, options, $0) }
      })
  }

  /// Reads a store to its end, its runs with all of `columns`, and says what it came to.
  static func read(
    _ store: OpenedStore, _ options: ReadOptions, _ columns: RunColumns?,
    _ body: @escaping (inout Record, Hash256) throws -> Void
  ) throws -> (MergeSource, Set<RecordKind>) {
    let reading = try StoreReading(of: store, options) { record, hash in
      guard let columns, record.kind == .run else { return try body(&record, hash) }
      try columns.unite(&record)
      try body(&record, record.canonicalHash())
    }
    let survey = reading.survey
    if let first = survey.log.findings.first(where: { $0.severity == .error }) {
      throw BackupError(
        .refused, first.message, path: first.path ?? store.path.string, line: first.line,
        offset: first.offset, hint: "nothing was merged; salvage it first",
        findings: survey.log.findings)
    }
    let source = MergeSource(
      path: store.path.string, kind: store.format.name, records: survey.total,
      digest: survey.digest(), sequence: reading.sequence)
    return (source, Set(survey.counts.keys))
  }

  /// The form asked for; else that of the stores, contexts where one of them has them.
  private static func form(
    _ request: MergeRequest, _ stores: [OpenedStore], _ kinds: Set<RecordKind>,
    _ formats: [StoreFormat]
  ) throws -> StoreForm {
    let source = try sourceKind(stores)
    let form: StoreForm
    if let name = request.form {
      do throws(StoreError) { form = try formats.form(name) } catch {
        throw BackupError(.usage, error.message, hint: error.hint)
      }
    } else {
      let all = formats.forms.filter { $0.layout == .oneFile }
      let own = try stores.compactMap { store in
        try all.first { try $0.format.name == store.format.sourceKind(of: store.tree) }
      }.first
      let able = all.first { $0.format.refusal(of: kinds, from: source) == nil }
      guard let found = own ?? able else {
        throw BackupError(
          .refused, "there is no kind of store that holds all of it",
          hint: "merge stores of one kind; migrate puts stores of several into one database")
      }
      let hasContexts = stores.contains {
        $0.format.name == StoreFormat.memoryGraph.name && !$0.tree.isSingleFile
      }
      let isGraph = found.format.name == StoreFormat.memoryGraph.name
      form = isGraph && hasContexts ? try formats.form(StoreForm.contextsName) : found
    }
    if var error = form.format.refusal(of: kinds, from: source) {
      error.path = request.target.string
      error.hint = [error.hint, "migrate puts stores of several kinds into one database"]
        .compactMap { $0 }.joined(separator: "; ")
      throw error
    }
    return form
  }

  /// The kind that all stores are of; nil where they are of several.
  static func sourceKind(_ stores: [OpenedStore]) throws -> String? {
    let names = try Set(stores.map { try $0.format.sourceKind(of: $0.tree) })
    return names.count == 1 ? names.first ?? nil : nil
  }

  // MARK: Deciding

  private mutating func take(_ group: MergeIndex.Group) {
    duplicates += group.duplicates
    for ordinal in group.repeated { kept.insert(ordinal) }
    guard let label = group.label, group.versions.count > 1 else {
      if let first = group.versions.first { kept.insert(first.ordinal) }
      return
    }
    let outcome = decide(group.versions)
    switch outcome {
    case .kept(let index): kept.insert(group.versions[index].ordinal)
    case .keptAll: for version in group.versions { kept.insert(version.ordinal) }
    case .united(let index):
      let base = group.versions[index].ordinal
      kept.insert(base)
      for version in group.versions {
        unions.append(Union(ordinal: UInt32(version.ordinal), base: UInt32(base)))
      }
    case .unresolved: unresolvedCount += 1
    }
    conflictCount += 1
    if case .unresolved = outcome, conflicts.count == Self.listLimit {
      // Those that stand in the way come before the others.
      if let last = conflicts.lastIndex(where: { !$0.isUnresolved }) { conflicts.remove(at: last) }
    }
    guard conflicts.count < Self.listLimit else { return }
    conflicts.append(
      MergeConflict(
        record: String(decoding: label, as: UTF8.self), versions: group.versions.map(version),
        outcome: outcome))
  }

  private func version(_ entry: MergeIndex.Entry) -> MergeConflict.Version {
    let tree = stores[entry.store].tree
    return MergeConflict.Version(
      store: entry.store, kind: entry.kind, path: tree.displayPath(entry.file), line: entry.line,
      offset: entry.offset, updated: entry.updated, hash: entry.hash, ordinal: entry.ordinal)
  }

  private func decide(_ versions: [MergeIndex.Entry]) -> MergeConflict.Outcome {
    let rests = Set(versions.map(\.rest))
    let canUnite = request.unitesObservations && !rests.contains(nil)
    switch request.policy {
    case .fail:
      if canUnite, rests.count == 1 { return .united(0) }
      return .unresolved("the contents differ")
    case .first: return canUnite ? .united(0) : .kept(0)
    case .keepBoth:
      if canUnite, rests.count == 1 { return .united(0) }
      if let reason = refusalOfBoth(versions) { return .unresolved(reason) }
      return .keptAll
    case .newest:
      if canUnite, rests.count == 1 { return .united(newest(versions) ?? 0) }
      guard let newest = newest(versions) else {
        return .unresolved("no version says that it is the newest")
      }
      return canUnite ? .united(newest) : .kept(newest)
    }
  }

  /// The version that was changed last; nil where none says when, or several say the same.
  private func newest(_ versions: [MergeIndex.Entry]) -> Int? {
    guard let latest = versions.compactMap(\.updated).max() else { return nil }
    let found = versions.indices.filter { versions[$0].updated == latest }
    return found.count == 1 ? found[0] : nil
  }

  /// Whether a store of the form can hold several records of this kind with one id.
  func holdsBoth(_ kind: RecordKind) -> Bool {
    let kinds: [String: Set<RecordKind>] = [
      StoreFormat.intentSnapshot.name: [.intent, .document],
      StoreFormat.taskList.name: [.user, .project, .document], "run-history": [.run],
    ]
    return !(kinds[form.format.name]?.contains(kind) ?? false)
  }

  /// Why a store of the form cannot hold several records of one id.
  private func refusalOfBoth(_ versions: [MergeIndex.Entry]) -> String? {
    guard let kind = versions.first?.kind, !holdsBoth(kind) else { return nil }
    return "a store of the kind \(form.format.name) holds one \(kind.rawValue) of an id"
  }

  /// Reads again what the conflicts listed first are about, to tell in what they differ.
  private mutating func describe() throws {
    let shown = conflicts.indices.prefix(100)
    var wanted: [Int: JSONText?] = [:]
    for index in shown {
      for version in conflicts[index].versions.prefix(2) { wanted[version.ordinal] = .some(nil) }
    }
    if wanted.isEmpty { return }
    var ordinal = 0
    for store in stores {
      _ = try Self.read(store, request.options, columns) { record, _ in
        if wanted[ordinal] != nil, record.text.bytes.count < 1 << 20 {
          wanted[ordinal] = record.text
        }
        ordinal += 1
      }
    }
    for index in shown {
      let texts = conflicts[index].versions.prefix(2).map { wanted[$0.ordinal] ?? nil }
      guard let old = texts[0], let new = texts[1] else { continue }
      conflicts[index].fields = FieldComparison.changes(from: old, to: new)
    }
  }
}
