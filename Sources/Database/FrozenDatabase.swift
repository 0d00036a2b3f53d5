import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A database as it was at one moment, in a nameless file: taken through SQLite's online backup,
/// so that a WAL beside it counts and a writer is neither disturbed nor waited for.
final class FrozenDatabase: StoreTree {
  private let spill: SpillFile
  private let path: FilePath
  let files: [StoreFile]
  let notes: [Finding]
  /// What is wrong with the log beside it: a part of `notes`.
  let logDamage: Finding?

  /// The store of one file at `disk`, frozen; as it lies where SQLite cannot make sense of it.
  static func freeze(_ disk: DiskTree) throws -> any StoreTree {
    guard disk.isSingleFile else { return disk }
    do {
      return try FrozenDatabase(disk)
    } catch let error as DatabaseError where error.code == .damaged {
      return disk
    }
  }

  private init(_ disk: DiskTree) throws {
    let spill = try DatabaseSource.read(disk.root) { source in
      // A new one each time: SQLite does not open what a first attempt has left in one.
      let spill = try SpillFile(in: SpillFile.standardDirectory)
      let copy = try Connection(try spill.openableName(), .scratch)
      try copy.copy(from: source)
      return spill
    }
    try spill.takeSize()
    self.spill = spill
    path = disk.root
    logDamage = try WriteAheadLog.finding(of: disk.root)
    notes = disk.notes + [logDamage].compactMap { $0 }
    files = disk.files.map { file in
      var file = file
      file.size = spill.count
      return file
    }
  }

  var isSingleFile: Bool { true }
  func displayPath(_ index: Int) -> String { path.string }
  func place(_ index: Int) throws -> FilePlace { .still(try spill.openableName()) }

  func open(_ index: Int) -> ByteStream {
    var at = 0
    return ByteStream { [spill] buffer, limit in
      let count = min(limit, spill.count - at)
      try spill.read(at: at, into: &buffer, count: count)
      at += count
      return count
    }
  }

  func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    try spill.read(at: 0, into: &bytes, count: min(limit, spill.count))
    return bytes
  }
}

/// A database that belongs to a tree, open for reading.
package final class DatabaseReading {
  let connection: Connection
  /// How it was opened.
  let mode: Connection.Mode
  /// What is wrong with the log beside one that was frozen here.
  var logDamage: Finding? { (holder as? FrozenDatabase)?.logDamage }
  /// Keeps the bytes there.
  private let holder: AnyObject?

  /// Opens the one file of `tree`: where it lies, if nobody writes there; else frozen; else
  /// unpacked into a nameless file.
  /// - Parameter inPlace: reads a live one under its own locks rather than freezing it, so long
  ///   as it has no journal beside it.
  package init(_ tree: any StoreTree, inPlace: Bool = false) throws {
    switch try tree.place(0) {
    case .live(let path) where inPlace && DatabaseSource.isQuiet(path):
      connection = try Connection(Disk.absolute(path), .source, isLenient: true)
      holder = nil
      mode = .source
      try connection.execute("BEGIN")
    case .still(let path):
      mode = .immutable
      connection = try Connection(path, .immutable, isLenient: true)
      holder = nil
    case .live(let path):
      mode = .immutable
      let frozen = try FrozenDatabase.freeze(DiskTree(path))
      if case .still(let name) = try frozen.place(0) {
        connection = try Connection(name, .immutable, isLenient: true)
        holder = frozen
      } else {
        connection = try Connection(Disk.absolute(path), .immutable, isLenient: true)
        holder = nil
      }
    case .stream:
      mode = .immutable
      let spill = try SpillFile(in: SpillFile.standardDirectory)
      let stream = try tree.open(0)
      var block = ByteBuffer()
      while try stream.read(into: &block, atMost: 256 << 10) > 0 {
        try spill.append(block.span)
        block.removeAll()
      }
      connection = try Connection(try spill.openableName(), .immutable, isLenient: true)
      holder = spill
    }
  }

  package func use<Result>(_ body: (borrowing Connection) throws -> Result) rethrows -> Result {
    try body(connection)
  }
}
