import Disk
import LosslessJSON
import Records

/// What reading a store tells: how many records of each kind, their digest, and the findings.
///
/// Itself the sink: `read` a tree into it, or pass it records from elsewhere and `finish`. Records
/// are hashed in batches on other threads; everything that depends on their order happens on the
/// caller's, in store order. Holds 32 bytes a record for the digest and about 16 a name for the
/// graph rules.
package final class Survey: RecordSink {
  /// Work on single records, done behind the hashing on any thread: fills `prepared` and `ends`.
  package typealias Prepare = @Sendable (inout RecordBatch) -> Void

  package private(set) var counts: [RecordKind: Int] = [:]
  package private(set) var log = FindingLog()
  private var hashes = StoreDigest()
  private var sealed: Hash256?
  private var rules: GraphRules?
  private let prepare: Prepare?
  private let batchLimit: Int
  private var filling: RecordBatch
  private var jobs: [BatchJob] = []
  private var spares: [RecordBatch] = []
  /// Batches on their way; each holds a quarter of a MiB of records at most, or one long record.
  private static let jobLimit = 8

  /// Sees each record with its canonical hash, in store order.
  package var onRecord: ((inout Record, Hash256) throws -> Void)?
  /// Sees each batch, in store order, with what `prepare` made of it.
  package var onBatch: ((inout RecordBatch) throws -> Void)?

  /// The graph that the records taken are only a part of; nil where they are all of it.
  package var wholeGraph: WholeGraph?

  /// - Parameter rules: whether to check the rules of graphs over all records.
  /// - Parameter paths: the files of the tree as the user would type them, for findings.
  /// - Parameter batchLimit: how many records are hashed in one go.
  package init(
    rules checksRules: Bool, paths: [String] = [], batchLimit: Int = RecordBatch.standardLimit,
    prepare: Prepare? = nil
  ) {
    self.prepare = prepare
    self.batchLimit = batchLimit
    filling = RecordBatch(recordLimit: batchLimit)
    guard checksRules else { return }
    var rules = GraphRules()
    rules.paths = paths
    self.rules = rules
  }

  /// Reads all of `tree` as `format` has it.
  /// - Parameter wholeGraph: see the property.
  package static func read(
    _ tree: any StoreTree, as format: StoreFormat, options: ReadOptions = ReadOptions(),
    rules: Bool, wholeGraph: WholeGraph? = nil
  ) throws -> Survey {
    let survey = Survey(rules: rules, paths: rules ? tree.files.indices.map(tree.displayPath) : [])
    survey.wholeGraph = wholeGraph
    tree.notes.forEach(survey.note)
    try format.read(tree, options, survey)
    try survey.finish()
    return survey
  }

  package func take(_ record: inout Record) throws { try add(&record, nil) }

  package func take(_ piece: inout Record, by reading: RecordReading) throws {
    try add(&piece, reading)
  }

  private func add(_ record: inout Record, _ reading: RecordReading?) throws {
    if filling.count > 0, filling.reading !== reading { try submit() }
    filling.reading = reading
    filling.take(&record)
    if filling.isFull { try submit() }
  }

  private func submit() throws {
    if jobs.count == Self.jobLimit { try completeFirst() }
    var batch = spares.popLast() ?? RecordBatch(recordLimit: batchLimit)
    swap(&batch, &filling)
    let job = BatchJob(consume batch, prepare, checksRules: rules != nil)
    jobs.append(job)
    job.start()
  }

  /// Takes the oldest batch back. While another thread is at it, this one works on a younger batch
  /// rather than wait.
  private func completeFirst() throws {
    let first = jobs.removeFirst()
    if !first.runUnlessClaimed() { _ = jobs.reversed().contains { $0.runUnlessClaimed() } }
    var batch = first.wait()
    try complete(&batch)
    batch.clear()
    spares.append(consume batch)
  }

  private func complete(_ batch: inout RecordBatch) throws {
    batch.findings.forEach(note)
    tally(&batch)
    if let onRecord {
      for index in 0..<batch.count { try onRecord(&batch.records[index], batch.hashes[index]) }
    }
    try onBatch?(&batch)
  }

  /// What must happen in store order: counts, digest and the rules over all records.
  private func tally(_ batch: inout RecordBatch) {
    hashes.insert(batch.hashes)
    for (kind, count) in zip(RecordKind.allCases, batch.counts) where count > 0 {
      counts[kind, default: 0] += count
    }
    guard var rules = rules.take() else { return }
    rules.add(batch.rules.findings)
    rules.prepare(for: batch.facts)
    for index in 0..<batch.count { rules.observe(&batch.records[index], batch.facts[index]) }
    self.rules = rules
  }

  package func note(_ finding: Finding) { log.add(finding) }

  package func begin(_ path: String, isNewStore: Bool) throws {
    guard rules != nil else { return }
    try catchUp()
    // A part of a graph is judged by all of it, whatever store the rest lies in.
    if isNewStore, wholeGraph == nil { rules?.finish() }
    rules?.begin(path, isNewStore: isNewStore && wholeGraph == nil)
  }

  /// Waits for the records on their way.
  package func catchUp() throws {
    while !jobs.isEmpty { try completeFirst() }
    guard filling.count > 0 else { return }
    var last = filling
    filling = RecordBatch(recordLimit: batchLimit)
    last.process(prepare, checksRules: rules != nil)
    try complete(&last)
  }

  /// Waits for the records on their way and makes the findings that need all of them. Call after
  /// the last record; calling again changes nothing.
  package func finish() throws {
    try catchUp()
    spares = []
    if let wholeGraph, let rules, rules.hasOpenNames {
      let witness = GraphWitness(rules)
      self.rules = nil
      try wholeGraph.read?(witness)
      self.rules = witness.rules
      self.rules?.isPart = !wholeGraph.isHere
    }
    rules?.finish()
    if let rules { log.add(rules.log) }
    rules = nil
  }

  /// Records taken; like all results, complete after `finish`.
  package var total: Int { counts.values.reduce(0, +) }

  /// The store digest of the records taken.
  package func digest() -> Hash256 { sealed ?? hashes.finish() }

  /// Takes the digest and gives back the memory of the hashes; no record may come after.
  package func seal() {
    sealed = digest()
    hashes = StoreDigest()
  }

  /// The hashes of the records taken, for comparing with another survey's.
  package var records: StoreDigest {
    get { hashes }
    set { hashes = newValue }
  }

  /// Whether bytes of the store are lost, or records such that their owner would refuse them.
  package var hasErrors: Bool { log.errors > 0 }

  /// The files that end inside a value, as findings name them.
  package var tornFiles: Set<String> {
    Set(log.findings.filter { $0.code == .tornTail }.compactMap(\.path))
  }

  /// Says of the lines that are cut off in `files` that their writer was in the middle of them.
  /// One value that fills a whole file is no line: where it is cut off, records are lost.
  package func markTornTailsAsLive(in files: Set<String>) {
    log.soften("a writer was in the middle of this line; it is no record yet") { finding in
      finding.code == .tornTail && finding.message.hasPrefix(LineReader.tornLine)
        && finding.path.map(files.contains) ?? false
    }
  }
}

/// What a part of a memory graph is judged by: names that the part does not have.
package struct WholeGraph {
  /// Reads as much of the graph as there is; nil where there is no more than the part.
  package let read: ((any RecordSink) throws -> Void)?
  /// Whether that is all of it. A backup of some contexts does not have the others.
  package let isHere: Bool

  package init(isHere: Bool = true, _ read: ((any RecordSink) throws -> Void)?) {
    (self.read, self.isHere) = (read, isHere)
  }
}

/// Takes note of what there is in a graph, and of nothing else.
private final class GraphWitness: RecordSink {
  var rules: GraphRules

  init(_ rules: GraphRules) { self.rules = rules }

  func take(_ record: inout Record) { rules.learn(record) }
  func note(_ finding: Finding) {}
}
