import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Puts one store into a database that `StoreDatabase.begin` has made: its records, what lies
/// between them, and its files.
final class StoreImport: StoreTree {
  private let base: any StoreTree
  private let format: StoreFormat
  private let database: FreshDatabase
  private let gaps: Statement
  private let storeNumber: Int
  /// The number of the file at position 0; the others follow.
  private let firstFile: Int
  private(set) var nextRecord: Int
  private let progress: (Int) -> Void
  /// Files that have been opened and not yet accounted for, in the order of opening.
  private var traces: [FileTrace] = []
  private var isDone: [Bool]
  /// Whether records have places in their files, as all but those of databases have.
  private let hasPlaces: Bool

  init(
    _ base: any StoreTree, as format: StoreFormat, number: Int, firstFile: Int, firstRecord: Int,
    database: FreshDatabase, progress: @escaping (Int) -> Void
  ) throws {
    self.base = base
    self.format = format
    self.database = database
    self.progress = progress
    storeNumber = number
    self.firstFile = firstFile
    nextRecord = firstRecord
    isDone = [Bool](repeating: false, count: base.files.count)
    hasPlaces = ![StoreFormat.runHistory.name, StoreFormat.sqlite.name].contains(format.name)
    gaps = try database.prepare("INSERT INTO gaps VALUES (?, ?, ?, ?)")
  }

  var files: [StoreFile] { base.files }
  var isSingleFile: Bool { base.isSingleFile }
  var notes: [Finding] { base.notes }
  func displayPath(_ index: Int) -> String { base.displayPath(index) }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try base.head(index, limit: limit) }
  func place(_ index: Int) throws -> FilePlace {
    hasPlaces ? .stream : try base.place(index)
  }

  func open(_ index: Int) throws -> ByteStream {
    let stream = try base.open(index)
    if isDone[index] { return stream }
    isDone[index] = true
    let trace = FileTrace(index, stream)
    traces.append(trace)
    let tap = trace.tap()
    return ByteStream { [progress] buffer, limit in
      let count = try tap.read(into: &buffer, atMost: limit)
      progress(count)
      return count
    }
  }

  /// Reads the whole store. Its records are hashed, and their rows made, on other threads.
  /// - Parameter rules: whether to check the rules over all records.
  /// - Parameter wholeGraph: see `Survey.wholeGraph`.
  func run(
    _ options: ReadOptions, rules: Bool, wholeGraph: WholeGraph? = nil,
    batchLimit: Int = RecordBatch.standardLimit
  ) throws -> Survey {
    let survey = Survey(
      rules: rules, paths: files.indices.map(displayPath), batchLimit: batchLimit
    ) { batch in
      var maker = RecordRows()
      for index in 0..<batch.count {
        maker.append(&batch.records[index], batch.hashes[index], to: &batch.prepared)
        batch.ends.append(batch.prepared.count)
      }
    }
    survey.wholeGraph = wholeGraph
    base.notes.forEach(survey.note)
    survey.onBatch = { [unowned self] batch in try self.take(&batch) }
    try format.read(self, options, survey)
    try survey.finish()
    survey.onBatch = nil
    while !traces.isEmpty { try close(traces.removeFirst()) }
    for index in files.indices {
      if files[index].isDirectory {
        try insertFile(index, size: 0, hash: nil, separator: nil)
      } else if !isDone[index] {
        _ = try open(index)
        try close(traces.removeFirst())
      }
    }
    return survey
  }

  private func take(_ batch: inout RecordBatch) throws {
    try Interruption.check()
    let prepared = batch.prepared
    var start = 0
    for index in 0..<batch.count {
      let file = batch.records[index].place.file
      if hasPlaces {
        let text = batch.records[index].text.tokens[0].range
        let offset = batch.records[index].place.offset + text.lowerBound
        try account(file, offset, text.count)
      }
      let end = batch.ends[index]
      try database.write(
        prepared.span.extracting(start..<end), record: nextRecord, file: firstFile + file)
      nextRecord += 1
      start = end
    }
  }

  /// Keeps what lies in front of a record.
  private func account(_ file: Int, _ offset: Int, _ length: Int) throws {
    while let first = traces.first, first.file != file { try close(traces.removeFirst()) }
    switch try traces.first?.pass(offset, length) ?? .backwards {
    case .usual: break
    case .other(let range):
      var part = 0
      try traces.first?.lend(range) { bytes in
        try insertGap(file, before: nextRecord, part: part, bytes)
        part += 1
      }
      if part == 0 { try insertGap(file, before: nextRecord, part: 0, ByteBuffer().span) }
    case .backwards:
      throw MigrationError(
        .refused, "a record is not behind the one before it", path: displayPath(file),
        offset: offset)
    }
  }

  private func insertGap(_ file: Int, before: Int, part: Int, _ bytes: Span<UInt8>) throws {
    gaps.bind(1, firstFile + file)
    gaps.bind(2, before)
    gaps.bind(3, part)
    gaps.bind(4, blob: bytes)
    try gaps.run()
  }

  /// Keeps what lies behind the last record, and the file itself.
  private func close(_ trace: FileTrace) throws {
    var part = 0
    let hash = try trace.finish { bytes in
      // A database is not taken apart into bytes: its rows are its records.
      guard hasPlaces else { return }
      try insertGap(trace.file, before: 0, part: part, bytes)
      part += 1
    }
    try insertFile(trace.file, size: trace.size, hash: hash, separator: trace.separator)
  }

  private func insertFile(
    _ index: Int, size: Int, hash: Hash256?, separator: [UInt8]?
  ) throws {
    let row = try database.prepare("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    row.bind(1, firstFile + index)
    row.bind(2, storeNumber)
    row.bind(3, text: TreeWalk.bytes(of: files[index].name).span)
    row.bind(4, files[index].isDirectory ? 1 : 0)
    row.bind(5, size)
    if let hash { row.bind(6, text: hash.hex) } else { row.bind(null: 6) }
    let isGraph = format.name == StoreFormat.memoryGraph.name && !isSingleFile
    if isGraph, !files[index].isDirectory, let context = MemoryGraph.context(of: files[index].name)
    {
      row.bind(7, text: context)
    } else {
      row.bind(null: 7)
    }
    if let separator { row.bind(8, blob: separator.span) } else { row.bind(null: 8) }
    try row.run()
  }
}
