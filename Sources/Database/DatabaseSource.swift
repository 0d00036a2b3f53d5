import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Opens databases on disk for reading: nothing is written, made or removed beside them.
package enum DatabaseSource {
  /// The first bytes of every SQLite database (sqlite.org/fileformat2.html, 1.3).
  static let magic = ByteBuffer("SQLite format 3\0")

  /// Where the header says what: the read version (2 for WAL), and the application's own number.
  static let readVersionOffset = 19
  static let applicationOffset = 68

  static func isDatabase(_ head: ByteBuffer) -> Bool {
    head.count >= 100 && head.span.extracting(0..<magic.count).isEqual(to: magic.span)
  }

  /// The number that says whose database it is.
  static func applicationID(_ head: ByteBuffer) -> UInt32 {
    (0..<4).reduce(0) { $0 << 8 | UInt32(head[applicationOffset + $1]) }
  }

  /// What lies beside a database under its name with `suffix` behind it.
  private static func beside(_ path: FilePath, _ suffix: String) throws -> FileFacts? {
    try FileFacts(at: path.followed(by: suffix))
  }

  /// Whether nothing lies beside a database that belongs to its content.
  static func isQuiet(_ path: FilePath) -> Bool {
    let path = Disk.absolute(path)
    return ["-wal", "-journal"].allSatisfy { suffix in
      (try? beside(path, suffix)) == .some(nil)
    }
  }

  /// The files of a database, to see whether any of them has changed.
  private struct State: Equatable {
    var main: FileFacts?
    var log: FileFacts?
    var index: FileFacts?
    var journal: FileFacts?
  }

  private static func state(_ path: FilePath) throws -> State {
    State(
      main: try FileFacts(at: path), log: try beside(path, "-wal"),
      index: try beside(path, "-shm"), journal: try beside(path, "-journal"))
  }

  /// Runs `body` on the database at `path`, again where it changed in a way that no lock kept off.
  /// - Parameter isLenient: reads what there is of a database that has been cut off.
  package static func read<Result>(
    _ path: FilePath, isLenient: Bool = false, _ body: (borrowing Connection) throws -> Result
  ) throws -> Result {
    let path = Disk.absolute(path)
    var attempt = 1
    while true {
      let before = try state(path)
      let mode = try mode(path, before)
      do {
        let result = try body(try Connection(path, mode, isLenient: isLenient))
        if mode == .source { return result }
        if try state(path) == before { return result }
      } catch let error as DatabaseError {
        if error.result == Self.hotJournal {
          // The copy stands for the database only if neither of the two changes meanwhile.
          let spill = try undone(path)
          let result = try body(
            try Connection(try spill.openableName(), .immutable, isLenient: isLenient))
          if try state(path) == before { return result }
        } else if error.result == Self.staleIndex {
          let result = try body(try Connection(path, .sourceAlone, isLenient: isLenient))
          if try state(path) == before { return result }
        } else if try attempt == attempts || state(path) == before {
          // Otherwise a WAL has appeared or gone between being looked for and being opened.
          throw error
        }
      }
      if attempt == attempts {
        throw DiskError(
          .changed, "changed each of the \(attempts) times it was read", path: path,
          hint: "stop what writes to it, or try again when it is quiet")
      }
      attempt += 1
      Clock.sleep(seconds: 0.05)
    }
  }

  /// A database that is opened and closed for every row changes while it is read more often than not.
  private static let attempts = 12

  /// SQLITE_READONLY_ROLLBACK.
  private static let hotJournal: Int32 = 776

  /// SQLITE_PROTOCOL: the index of a write-ahead log agrees with the log no more, since a program died
  /// as it began one, or the log's head is damaged. Whoever only reads never mends it, but can do
  /// without it.
  private static let staleIndex: Int32 = 15

  /// The length of what stands in front of a log's frames (sqlite.org/fileformat2.html, 4.1).
  private static let logHead = 32

  /// The database as it was before the transaction that a program died in.
  private static func undone(_ path: FilePath) throws -> SpillFile {
    let spill = try SpillFile(in: SpillFile.standardDirectory)
    guard let journal = try HotJournal(path.followed(by: "-journal")) else {
      throw DatabaseError(
        .damaged, "a program died in the middle of a transaction that cannot be undone here",
        path: path.string, result: hotJournal,
        hint: "open it once with its own program, which undoes what was unfinished")
    }
    try journal.restore(path, into: spill)
    return spill
  }

  private static func mode(_ path: FilePath, _ state: State) throws -> Connection.Mode {
    var head = ByteBuffer()
    _ = try InputFile(opening: path).read(at: 0, into: &head, atMost: 100)
    guard isDatabase(head), head[readVersionOffset] == 2 else { return .source }
    guard let log = state.log else { return .immutable }
    // SQLite tries for ten seconds to agree with a log that has a head and no content yet.
    if state.index != nil, log.size != logHead { return .source }
    return log.size == 0 ? .immutable : .sourceAlone
  }
}
