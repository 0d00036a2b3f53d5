import Disk
import LosslessJSON
import Records

/// What reading a store tells: how many records of each kind, their digest, and the findings.
///
/// Itself the sink: `read` a tree into it, or pass it records from elsewhere. Holds 32 bytes a
/// record for the digest and about 16 a name for the graph rules.
package final class Survey: RecordSink {
  package private(set) var counts: [RecordKind: Int] = [:]
  package private(set) var log = FindingLog()
  private var hashes = StoreDigest()
  private var rules: GraphRules?
  private var isFinished = false
  /// Sees each record with its canonical hash, before the next one is read.
  package var onRecord: ((inout Record, Hash256) throws -> Void)?

  /// - Parameter rules: whether to check the rules of graphs over all records.
  /// - Parameter paths: the files of the tree as the user would type them, for findings.
  package init(rules checksRules: Bool, paths: [String] = []) {
    guard checksRules else { return }
    var rules = GraphRules()
    rules.paths = paths
    self.rules = rules
  }

  /// Reads all of `tree` as `format` has it.
  package static func read(
    _ tree: any StoreTree, as format: StoreFormat, options: ReadOptions = ReadOptions(),
    rules: Bool
  ) throws -> Survey {
    let survey = Survey(rules: rules, paths: rules ? tree.files.indices.map(tree.displayPath) : [])
    tree.notes.forEach(survey.note)
    try format.read(tree, options, survey)
    survey.finish()
    return survey
  }

  package func take(_ record: inout Record) throws {
    let hash = record.canonicalHash()
    hashes.insert(hash)
    counts[record.kind, default: 0] += 1
    rules?.observe(record)
    try onRecord?(&record, hash)
  }

  package func note(_ finding: Finding) { log.add(finding) }

  /// Makes the findings that need all records. Call once after the last record.
  package func finish() {
    guard !isFinished else { return }
    isFinished = true
    rules?.finish()
    if let rules { log.add(rules.log) }
    rules = nil
  }

  /// Says of lines that are cut off that their writer was in the middle of them.
  package func markTornTailsAsLive() {
    log.soften(.tornTail, "a writer was in the middle of this line; it is no record yet")
  }

  package var total: Int { hashes.count }

  /// The store digest of the records taken.
  package func digest() -> Hash256 { hashes.finish() }

  /// The hashes of the records taken, for comparing with another survey's.
  package var records: StoreDigest {
    get { hashes }
    set { hashes = newValue }
  }

  /// Whether bytes of the store are lost, or records such that their owner would refuse them.
  package var hasErrors: Bool { log.errors > 0 }
}
