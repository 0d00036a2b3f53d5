import Disk
import Dispatch
import LosslessJSON
import Records
import Synchronization

/// Some records in store order, or pieces that they are made of, and what the hashing threads make
/// of them.
package struct RecordBatch: Sendable {
  /// Slots, of which the first `count` are filled; the others keep their memory for reuse.
  package var records: [Record] = []
  package private(set) var count = 0
  /// Makes the records, where those taken are pieces that have not been parsed yet.
  var reading: RecordReading?
  /// What that has found, in store order.
  private(set) var findings: [Finding] = []
  /// The canonical hash of each.
  package var hashes: [Hash256] = []
  /// What `Survey.prepare` wrote for each record, one behind the other.
  package var prepared = ByteBuffer()
  /// Where the piece of each record in `prepared` ends.
  package var ends: [Int] = []
  /// Entries for a sorter, as many as `prepare` likes.
  package var entries = RunEntries()
  /// What the records break by themselves, and what the rules over all of them need.
  var rules = RecordRules()
  var facts: [GraphFacts] = []
  /// How many there are of each kind, by its rank.
  private(set) var counts = [Int](repeating: 0, count: RecordKind.allCases.count)
  private var bytes = 0
  private var hasher = RecordHasher()

  private let recordLimit: Int

  /// - Parameter recordLimit: how many records it takes at most; what comes of them does not depend
  ///   on it.
  package init(recordLimit: Int = Self.standardLimit) { self.recordLimit = recordLimit }

  package static let standardLimit = 256
  static let byteLimit = 256 << 10

  var isFull: Bool { count == recordLimit || bytes >= Self.byteLimit }

  /// Takes the record's content and gives it an empty one instead, kind kept.
  mutating func take(_ record: inout Record) {
    if count == records.count { records.append(Record()) }
    let kind = record.kind
    bytes += record.text.bytes.count
    swap(&records[count], &record)
    count += 1
    record.kind = kind
    record.scope = []
    record.documentID = nil
    record.documentIDIsText = true
  }

  mutating func clear() {
    // A slot that has held a very long record would keep its memory for as long as the reading.
    if bytes > 2 * Self.byteLimit { records = [] }
    count = 0
    bytes = 0
    reading = nil
    findings.removeAll()
    hashes.removeAll(keepingCapacity: true)
    for rank in counts.indices { counts[rank] = 0 }
    prepared.removeAll()
    ends.removeAll(keepingCapacity: true)
    entries.removeAll()
    rules = RecordRules()
    facts.removeAll(keepingCapacity: true)
  }

  private static func check(
    _ records: inout [Record], _ count: Int, _ facts: inout [GraphFacts]
  ) -> RecordRules {
    var rules = RecordRules()
    for index in 0..<count { facts.append(rules.check(&records[index])) }
    return rules
  }

  /// Has records made of the pieces; those that are none leave the filled slots.
  private mutating func readPieces() {
    guard let reading = reading.take() else { return }
    var kept = 0
    for index in 0..<count where reading.body(&records[index], &findings) {
      if kept != index { records.swapAt(kept, index) }
      kept += 1
    }
    count = kept
  }

  /// The work that needs no other record: runs on any thread.
  mutating func process(_ prepare: Survey.Prepare?, checksRules: Bool) {
    readPieces()
    for index in 0..<count {
      hashes.append(hasher.canonicalHash(of: &records[index]))
      counts[records[index].kind.rank] += 1
    }
    if checksRules {
      rules = Self.check(&records, count, &facts)
    }
    prepare?(&self)
  }
}

/// A batch whose processing may happen on any thread: on that which comes to it first, once.
final class BatchJob: Sendable {
  private struct State {
    var batch: RecordBatch
    var isClaimed = false
  }

  private let state: Mutex<State>
  private let done = DispatchSemaphore(value: 0)
  private let prepare: Survey.Prepare?
  private let checksRules: Bool

  init(_ batch: consuming RecordBatch, _ prepare: Survey.Prepare?, checksRules: Bool) {
    state = Mutex(State(batch: consume batch))
    self.prepare = prepare
    self.checksRules = checksRules
  }

  /// Lets another thread process the batch. Nobody else may hold it any more, or what is written
  /// to it would have to be copied first.
  func start() { WorkPool.shared.submit { _ = self.runUnlessClaimed() } }

  /// Processes the batch on the calling thread. Returns false, at once, where another thread does
  /// or has done so.
  func runUnlessClaimed() -> Bool {
    var batch = RecordBatch()
    let isMine = state.withLock { state in
      if state.isClaimed { return false }
      state.isClaimed = true
      swap(&batch, &state.batch)
      return true
    }
    guard isMine else { return false }
    batch.process(prepare, checksRules: checksRules)
    state.withLock { swap(&batch, &$0.batch) }
    done.signal()
    return true
  }

  /// Waits for the batch; called once, after it has been claimed.
  func wait() -> RecordBatch {
    WorkPool.shared.wait(for: done)
    var batch = RecordBatch()
    state.withLock { swap(&batch, &$0.batch) }
    return batch
  }
}
