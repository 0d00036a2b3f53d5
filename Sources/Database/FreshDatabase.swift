import Disk
import LosslessJSON
import Records
import SystemPackage

/// A database that is being made of records that come in the order of their stores. It counts
/// only when it has been finished.
///
/// The indexes of tables come last: sorting is quicker than finding each place. The full-text
/// index grows meanwhile on another thread.
package final class FreshDatabase {
  private let connection: Connection
  private let rows: RowWriter
  private let indexer: SearchIndexer
  private let spill: SpillFile
  private var chunk = ByteBuffer()

  /// The step that makes the indexes.
  private static let indexes = 2

  /// Begins in the empty file `path`.
  package init(_ path: FilePath) throws {
    connection = try Connection(path, .scratch)
    try StoreDatabase.begin(connection)
    for step in SchemaStep.all where step.number > 1 && step.number != Self.indexes {
      try StoreDatabase.apply(step, to: connection)
    }
    rows = try RowWriter(connection)
    spill = try SpillFile(in: path.removingLastComponent())
    indexer = SearchIndexer(try spill.openableName())
  }

  deinit { indexer.abandon() }

  package func prepare(_ sql: String) throws(DatabaseError) -> Statement {
    try Statement(sql, on: connection)
  }

  /// Writes what `RecordRows` has made of the record number `record` of the file number `file`.
  package func write(_ made: Span<UInt8>, record: Int, file: Int) throws(DatabaseError) {
    try rows.write(made, record: record, file: file, to: connection, words: &chunk)
    indexer.submit(&chunk)
  }

  /// A hash over those of all records written.
  package var hashes: RecordChain { rows.hashes }

  /// Makes the indexes, takes the full-text index over, and ends the transaction.
  /// - Parameter older: a state of the database whose other tables are to be kept.
  package func finish(keepingOthersOf older: FilePath? = nil) throws {
    indexer.submit(&chunk, atOnce: true)
    for step in SchemaStep.all where step.number == Self.indexes {
      try StoreDatabase.apply(step, to: connection)
    }
    try connection.execute("PRAGMA user_version=\(StoreDatabase.version)")
    try addRuns()
    try indexer.finish()
    try connection.attach(try spill.openableName(), as: "built")
    for table in ["search_data", "search_idx", "search_docsize"] {
      try connection.execute(
        "DELETE FROM main.\(table); INSERT INTO main.\(table) SELECT * FROM built.\(table)")
    }
    if let older { try Self.takeOver(from: older, to: connection) }
    try connection.execute("COMMIT")
  }

  /// The words of runs, which are those of their table: of several with one id, the first has it.
  private func addRuns() throws(DatabaseError) {
    let runs = try Statement(
      """
      SELECT r.id, u.run_id, u.objective FROM runs AS u
      JOIN records AS r ON r.key = u.run_id AND r.kind = 'run' ORDER BY r.id
      """, on: connection)
    while try runs.step() {
      SearchIndexer.begin(runs.integer(0), &chunk)
      for column in 1...2 { runs.withBytes(column) { RowBuffer.text($0, &chunk) } }
      indexer.submit(&chunk)
    }
    indexer.submit(&chunk, atOnce: true)
  }
}
