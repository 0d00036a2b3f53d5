import Database
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `export`.
package struct ExportRequest: Sendable {
  package var source: FilePath
  package var target: FilePath
  /// A kind of store, `contexts`, or `csv`; nil: the kind that the store had.
  package var form: String?
  /// Which store of a database, by name or number, where it holds several.
  package var store: String?
  package var kind: String?
  /// Only these contexts of a memory graph; all where empty.
  package var contexts: [String] = []
  package var options = ReadOptions()
  /// Where documents have their id, as text.
  package var idField: String?
  package var replaces = false
  /// Unix seconds.
  package var time: Int

  package init(source: FilePath, target: FilePath, time: Int) {
    self.source = source
    self.target = target
    self.time = time
  }
}

/// What `export` is going to do; `--dry-run` shows it.
package struct ExportPlan {
  package enum Way: Sendable {
    /// The store's own files, byte for byte.
    case files(StoredStore)
    /// The files of a store that is one already, byte for byte.
    case copies
    /// Its records, as another kind of store.
    case records(StoreForm)
    /// The compact bytes of each record on a line.
    case lines
    /// A table a file, for people.
    case tables
  }

  package let request: ExportRequest
  package let source: OpenedStore
  private let formats: [StoreFormat]
  /// What holds the records that are wanted, and reads them: a database, where it keeps one
  /// store, as that.
  private let tree: any StoreTree
  private let format: StoreFormat
  package let way: Way
  /// As in `--as`.
  package let form: String
  /// Absolute.
  package let target: FilePath
  package var undo: FilePath? { replacement.undo }
  private let replacement: Replacement

  package static let tablesForm = "csv"

  /// Looks at everything and writes nothing.
  package init(_ request: ExportRequest, formats: [StoreFormat]) throws {
    self.request = request
    self.formats = formats
    source = try OpenedStore(opening: request.source, formats: formats, kind: request.kind)
      .restricted(to: request.contexts)
    target = Disk.absolute(request.target)
    let isDatabase = source.format.name == StoreFormat.sqlite.name
    var stores: [StoredStore] = []
    if isDatabase {
      stores = try DatabaseReading(source.tree, inPlace: true).use { try StoredStore.all(in: $0) }
    }
    if let name = request.store {
      guard isDatabase else {
        throw MigrationError(
          .usage, "is no database of several stores", path: request.source.string,
          hint: "leave --store out")
      }
      stores = stores.filter { $0.name == name || String($0.number) == name }
      guard !stores.isEmpty else {
        throw MigrationError(
          .notFound, "holds no store called \(name)", path: request.source.string,
          hint: "holdfast query lists them: SELECT id, name, kind FROM stores")
      }
    }
    let own = stores.count == 1 ? stores[0] : nil
    let named =
      request.store == nil
      ? source.format : .sqlite(store: own?.number, contexts: request.contexts)
    let inner = try named.kept?(source.tree)
    tree = inner?.tree ?? source.tree
    format = inner?.format ?? named
    if stores.count > 1, request.form == nil || request.store != nil {
      throw MigrationError(
        .usage, "holds \(stores.count) stores", path: request.source.string,
        hint: "say with --store which one, or with --as what to make of them all: "
          + stores.map { "\($0.number) (\($0.name))" }.joined(separator: ", "))
    }
    let isDirectory = format.name == StoreFormat.memoryGraph.name && !tree.isSingleFile
    let usual = isDirectory ? StoreForm.contextsName : format.name
    let form = request.form ?? usual
    self.form = form
    if form == Self.tablesForm {
      guard !isDatabase || request.contexts.isEmpty else {
        throw MigrationError(
          .usage, "the tables of a database hold all its contexts", path: request.source.string,
          hint: "leave --context out, or query it")
      }
      way = .tables
    } else if form == usual, let own, inner?.writeFiles != nil {
      way = .files(own)
    } else if form == usual, !isDatabase, format.contexts.isEmpty {
      way = .copies
    } else if form == StoreFormat.jsonLines.name {
      way = .lines
    } else {
      way = .records(try formats.form(form))
    }
    let isFile =
      switch way {
      case .files(let store): store.isSingleFile
      case .copies: tree.isSingleFile
      case .records(let form): form.isFile
      case .lines: true
      case .tables: false
      }
    let kept = isFile ? [] : DiskTree.kept
    try TargetPlace.check(request.target, outside: [request.source], keeping: kept)
    replacement = try Replacement(of: target, time: request.time, keeping: kept)
    guard replacement.isFree(forFile: isFile) || request.replaces else {
      throw MigrationError(
        .exists, "is there already", path: target.string,
        hint: "choose another name, or keep what is there as an undo copy with --replace")
    }
  }
}

/// What `export` came to.
package struct ExportResult: Sendable {
  /// Absolute.
  package var root: FilePath
  package var files: [FilePath]
  /// Nil for tables, which hold a part of each record.
  package var digest: Hash256?
  package var records: Int
  /// Whether the files are those that were migrated, byte for byte.
  package var isIdentical: Bool
  package var undo: FilePath?
  /// What the form has no place for, and was left out.
  package var findings = FindingLog()
}

extension ExportPlan {
  /// Stages the files beside the target, proves them, and puts them in place.
  package func run() throws -> ExportResult {
    var result = try replacement.perform { staging in
      let (result, root) = try stage(in: staging)
      return (root, result)
    }
    result.root = target
    result.undo = undo
    return result
  }

  /// Throws what `run` would throw for records that the kind has no place for, and returns what it
  /// would find. Leaves nothing.
  package func rehearse() throws -> FindingLog {
    switch way {
    case .files, .tables: return FindingLog()
    case .records, .lines, .copies: return try Rehearsal.run { try stage(in: $0).0.findings }
    }
  }

  private func stage(in staging: FilePath) throws -> (ExportResult, FilePath) {
    switch way {
    case .files(let store): return try stageFiles(store, staging)
    case .copies: return try stageCopies(staging)
    case .records(let form): return try stageRecords(form, staging)
    case .lines: return try stageLines(staging)
    case .tables: return try stageTables(staging)
    }
  }

  private func stageFiles(_ store: StoredStore, _ staging: FilePath) throws -> (
    ExportResult, FilePath
  ) {
    let names = try DatabaseReading(source.tree, inPlace: true).use {
      try StoredFiles(store: store, directory: staging).write($0)
    }
    let root =
      store.isSingleFile ? names.first.map { staging.pushing($0) } ?? staging : staging
    let options = ReadOptions(idField: store.idField.flatMap(JSONPointer.init))
    let formats = StoreFormat.databaseFormats + StoreFormat.fileFormats
    let survey = try Survey.read(
      DiskTree(root), as: formats.named(store.kind), options: options, rules: false)
    guard survey.digest().hex == store.digest else {
      throw MigrationError(
        .verificationFailed, "what was written does not have the digest of the store",
        path: source.path.string, hint: "nothing was written; check the disk and run it again")
    }
    return (
      ExportResult(
        root: target, files: names, digest: survey.digest(), records: survey.total,
        isIdentical: true), root
    )
  }

  private func stageCopies(_ staging: FilePath) throws -> (ExportResult, FilePath) {
    var tree = tree
    if let disk = tree as? DiskTree, let freeze = format.freeze { tree = try freeze(disk) }
    let survey = try Survey.read(tree, as: format, options: request.options, rules: false)
    try refuseDamage(survey.log)
    var names: [FilePath] = []
    for (index, file) in tree.files.enumerated() {
      let path = staging.pushing(file.name)
      if file.isDirectory {
        try Disk.makeDirectory(path, durably: false)
        continue
      }
      let output = try StagedFile(path)
      let stream = try tree.open(index)
      var block = ByteBuffer()
      while try stream.read(into: &block, atMost: 256 << 10) > 0 {
        try output.write(block.span)
        block.removeAll()
      }
      try output.close()
      names.append(file.name)
    }
    for file in tree.files.reversed() {
      let path = staging.pushing(file.name)
      try Disk.setFacts(
        path, mode: file.mode, modified: (file.modifiedSeconds, file.modifiedNanoseconds))
    }
    let root = tree.isSingleFile ? names.first.map { staging.pushing($0) } ?? staging : staging
    let copied = try Survey.read(DiskTree(root), as: format, options: request.options, rules: false)
    guard copied.digest() == survey.digest() else {
      throw DiskError(
        .changed, "was changed while it was exported", path: source.path,
        hint: "stop the program that writes to it, and run it again")
    }
    return (
      ExportResult(
        root: target, files: names, digest: copied.digest(), records: copied.total,
        isIdentical: true), root
    )
  }

  private func stageRecords(_ form: StoreForm, _ staging: FilePath) throws -> (
    ExportResult, FilePath
  ) {
    var copy = StoreCopy(tree, as: format)
    copy.options = request.options
    copy.form = form
    copy.time = request.time
    guard let made = try copy.run(into: staging) else {
      throw MigrationError(.refused, "holds no records", path: source.path.string)
    }
    try refuseDamage(made.log)
    var result = ExportResult(
      root: target, files: made.store.files, digest: made.digest, records: made.total,
      isIdentical: false)
    result.findings = made.losses
    return (result, made.store.root)
  }

  private func stageLines(_ staging: FilePath) throws -> (ExportResult, FilePath) {
    let root = staging.appending("records.jsonl")
    let output = try StagedFile(root)
    var lines = ByteBuffer()
    var scoped = 0
    var losses = ContextLosses()
    let losesContexts =
      format.name == StoreFormat.memoryGraph.name && !tree.isSingleFile
      && !tree.isOneContext(of: format)
    if losesContexts {
      let first = Survey(rules: false)
      first.onRecord = { record, _ in losses.observe(record) }
      try format.read(tree, request.options, first)
      try first.finish()
    }
    let survey = Survey(rules: false)
    survey.onRecord = { record, _ in
      if !record.scope.isEmpty { scoped += 1 }
      if losesContexts { losses.take(record, of: tree) }
      record.text.appendCompact(to: &lines)
      lines.append(0x0A)
      if lines.count > 256 << 10 {
        let bytes = lines
        try output.write(bytes.span)
        lines.removeAll()
      }
    }
    try format.read(tree, request.options, survey)
    try survey.finish()
    let bytes = lines
    try output.write(bytes.span)
    try output.close()
    try refuseDamage(survey.log)
    var result = ExportResult(
      root: target, files: [FilePath("records.jsonl")], digest: survey.digest(),
      records: survey.total, isIdentical: false)
    if survey.total > 0 {
      // Lines are read as what they look like, which need not be what they were.
      let tree = try DiskTree(root)
      let kind = try StoreFormat.fileFormats.detect(tree, path: target.string)
      result.digest = try Survey.read(tree, as: kind, rules: false).digest()
    }
    result.findings = losses.findings
    if scoped > 0 {
      result.findings.add(
        Finding(
          .note, .keyMismatch,
          "\(scoped) record\(scoped == 1 ? "" : "s") lost the key under which the store had"
            + " \(scoped == 1 ? "it" : "them"), such as user and project: lines have no place for"
            + " that", path: request.source.string))
    }
    return (result, root)
  }

  /// What could not be read would be missing from what is written, and nobody would know.
  private func refuseDamage(_ log: FindingLog) throws {
    guard let first = log.findings.first(where: { $0.severity == .error }) else { return }
    throw MigrationError(
      .refused, first.message, path: first.path, line: first.line, offset: first.offset,
      hint: "nothing was written; salvage it first", findings: log.findings)
  }

  /// The tables of a database; those of any other store are made in one that lasts as long as
  /// this.
  private func stageTables(_ staging: FilePath) throws -> (ExportResult, FilePath) {
    if source.format.name == StoreFormat.sqlite.name {
      return try stageTables(of: source.tree, staging)
    }
    let path = staging.appending("tables.db")
    var migration = MigrationRequest(stores: [request.source], target: path, time: request.time)
    migration.kind = request.kind
    migration.options = request.options
    migration.idField = request.idField
    migration.contexts = request.contexts
    _ = try MigrationPlan(migration, formats: formats).run()
    let result = try stageTables(of: DiskTree(path), staging)
    try Disk.remove(path)
    return result
  }

  private func stageTables(
    of tree: any StoreTree, _ staging: FilePath
  ) throws -> (ExportResult, FilePath) {
    var names: [FilePath] = []
    var count = 0
    try DatabaseReading(tree, inPlace: true).use { connection in
      count = try StoreDatabase.number("SELECT count(*) FROM records", connection)
      for table in DataTable.allCases where table != .records && table != .texts {
        let isThere = try Statement("SELECT 1 FROM \(table) LIMIT 1", on: connection)
        guard try isThere.step() else { continue }
        let rows = try Statement("SELECT * FROM \(table)", on: connection)
        let name = FilePath("\(table).csv")
        let output = try StagedFile(staging.pushing(name))
        var text = ByteBuffer()
        CSVRows.appendHeader(rows, to: &text)
        while try rows.step() {
          CSVRows.append(rows, to: &text)
          if text.count > 256 << 10 {
            let bytes = text
            try output.write(bytes.span)
            text.removeAll()
          }
        }
        let bytes = text
        try output.write(bytes.span)
        try output.close()
        names.append(name)
      }
    }
    return (
      ExportResult(root: target, files: names, digest: nil, records: count, isIdentical: false),
      staging
    )
  }
}
