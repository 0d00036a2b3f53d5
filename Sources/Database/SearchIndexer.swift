import Disk
import Dispatch
import LosslessJSON
import Synchronization
import SystemPackage

/// The full-text index of a database that is being made, built on a thread of its own in a
/// nameless file beside it; `finish` puts it in its place.
///
/// Rows are indexed in the order in which they are handed over, in one transaction, so the index
/// depends on nothing else.
final class SearchIndexer: Sendable {
  private struct State {
    var chunks: [ByteBuffer] = []
    var isEnded = false
    var failure: DatabaseError?
  }

  private let state = Mutex(State())
  private let available = DispatchSemaphore(value: 0)
  private let room = DispatchSemaphore(value: 0)
  private let done = DispatchSemaphore(value: 0)
  /// What waits to be indexed, at most.
  private static let chunkLimit = 4
  private static let chunkSize = 256 << 10

  /// As step 4 has it, without the tables that the words come from. Words are sorted in runs of
  /// 4 MiB, and runs merged only once there are 64 of them: half the work of SQLite's own settings,
  /// which the finished database has.
  private static let settings = """
    PRAGMA page_size=\(StoreDatabase.pageSize);
    PRAGMA locking_mode=EXCLUSIVE;
    PRAGMA cache_size=-4096;
    BEGIN;
    CREATE VIRTUAL TABLE search USING fts5 (title, body, content = '', tokenize = 'unicode61');
    INSERT INTO search (search, rank) VALUES ('hashsize', 4194304);
    INSERT INTO search (search, rank) VALUES ('automerge', 0);
    INSERT INTO search (search, rank) VALUES ('crisismerge', 64);
    """

  /// Begins to wait for rows. `path` is an empty file that is there until `finish` or `abandon`.
  init(_ path: FilePath) {
    for _ in 0..<Self.chunkLimit { room.signal() }
    DispatchQueue.global(qos: .userInitiated).async {
      var isAtEnd = false
      do throws(DatabaseError) {
        let connection = try Connection(path, .scratch)
        try connection.execute(Self.settings)
        let row = try Statement(
          "INSERT INTO search (rowid, title, body) VALUES (?, ?, ?)", on: connection)
        while let chunk = self.next() { try Self.index(chunk, row) }
        isAtEnd = true
        try connection.execute("COMMIT")
      } catch {
        self.state.withLock { $0.failure = error }
        // Whoever hands rows over must not wait for room in vain; behind the last there is no more.
        if !isAtEnd { while self.next() != nil {} }
      }
      self.done.signal()
    }
  }

  private func next() -> ByteBuffer? {
    available.wait()
    let chunk = state.withLock { $0.chunks.isEmpty ? nil : $0.chunks.removeFirst() }
    if chunk != nil { room.signal() }
    return chunk
  }

  /// The rows of a chunk: 8 bytes for the number of the record, then title and body as cells of
  /// `RowBuffer`.
  private static func index(_ chunk: ByteBuffer, _ row: borrowing Statement) throws(DatabaseError) {
    let bytes = chunk.span
    var at = 0
    func number(_ count: Int) -> Int {
      var value = 0
      for index in 0..<count { value |= Int(bytes[at + index]) << (8 * index) }
      at += count
      return value
    }
    while at < bytes.count {
      row.bind(1, number(8))
      for column in 2...3 {
        let cell = bytes[at]
        at += 1
        if cell == RowBuffer.Cell.text.rawValue {
          let length = number(4)
          row.bind(column, text: bytes.extracting(at..<at + length))
          at += length
        } else {
          row.bind(null: column)
        }
      }
      try row.run()
    }
  }

  /// Begins a row in `chunk`; its two cells follow.
  static func begin(_ record: Int, _ chunk: inout ByteBuffer) {
    for shift in stride(from: 0, to: 64, by: 8) {
      chunk.append(UInt8(truncatingIfNeeded: record >> shift))
    }
  }

  /// Hands a chunk over once it is large; waits while there is enough to do.
  func submit(_ chunk: inout ByteBuffer, atOnce: Bool = false) {
    guard chunk.count >= Self.chunkSize || (atOnce && !chunk.isEmpty) else { return }
    room.wait()
    let full = chunk
    state.withLock { $0.chunks.append(full) }
    available.signal()
    chunk = ByteBuffer()
  }

  /// Waits until all of it is in the file.
  func finish() throws(DatabaseError) {
    abandon()
    done.wait()
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Lets the thread come to its end; nothing may be handed over any more.
  func abandon() {
    let isFirst = state.withLock { state in
      defer { state.isEnded = true }
      return !state.isEnded
    }
    if isFirst { available.signal() }
  }
}
