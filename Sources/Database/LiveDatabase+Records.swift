import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// The records of a database by where they stand in it: in a file of a store, which may be a
/// context of a graph.
extension LiveDatabase {
  /// A row of `records`.
  package struct Row: Sendable {
    package var id: Int
    package var file: Int
    package var line: Int
    package var offset: Int
    package var scope: [UInt8]
    /// Compact.
    package var payload: [UInt8]
  }

  private static let columns = """
    SELECT r.id, r.file, r.line, r.offset, r.scope, coalesce(r.payload, o.payload)
    FROM records AS r
    LEFT JOIN objects AS o ON r.payload IS NULL AND o.hash = lower(hex(r.content_hash))
    """

  /// Makes an empty database where there is nothing, as `StoreDatabase.create` does.
  package static func create(_ path: FilePath) throws {
    try StoreDatabase.create(path) { try FreshDatabase($0).finish() }
  }

  private func row(_ statement: borrowing Statement) -> Row {
    Row(
      id: statement.integer(0), file: statement.integer(1), line: statement.integer(2),
      offset: statement.integer(3),
      scope: statement.kind(4) == .null ? [] : statement.bytes(4), payload: statement.bytes(5))
  }

  /// What SQLite's own checks say: nothing where all is well.
  package func problems() throws -> [String] { try StoreDatabase.problems(connection) }

  /// The rows of a kind and an id, as `Record.appendID` has it, in the order of the database.
  package func rows(_ kind: RecordKind, key: [UInt8]) throws -> [Row] {
    let statement = try Statement(
      Self.columns + " WHERE r.key = ?1 AND r.kind = ?2 ORDER BY r.id", on: connection)
    statement.bind(1, text: key.span)
    statement.bind(2, text: kind.rawValue)
    var found: [Row] = []
    while try statement.step() { found.append(row(statement)) }
    return found
  }

  /// Every record of a kind in the order of the database, until `body` returns false.
  package func each(_ kind: RecordKind, _ body: (Row) throws -> Bool) throws {
    let statement = try Statement(Self.columns + " WHERE r.kind = ?1 ORDER BY r.id", on: connection)
    statement.bind(1, text: kind.rawValue)
    while try statement.step() {
      if try !body(row(statement)) { return }
    }
  }

  /// The edges, or relations, that start or end at `end`.
  package func links(_ kind: RecordKind, of end: [UInt8]) throws -> [Row] {
    let table = kind == .edge ? "edges" : "relations"
    let owner = kind == .edge ? "intent" : "entity"
    let statement = try Statement(
      Self.columns
        + """
         WHERE r.id IN (
          SELECT record FROM \(table) WHERE from_\(owner) = ?1
          UNION SELECT record FROM \(table) WHERE to_\(owner) = ?1)
        ORDER BY r.id
        """, on: connection)
    statement.bind(1, text: end.span)
    var found: [Row] = []
    while try statement.step() { found.append(row(statement)) }
    return found
  }

  /// The payloads of runs, newest first; of one time, the one that was saved last.
  package func newestRuns(limit: Int, offset: Int) throws -> [[UInt8]] {
    let statement = try Statement(
      """
      SELECT r.payload FROM runs AS u JOIN records AS r ON r.key = u.run_id AND r.kind = 'run'
      ORDER BY u.created_at DESC, r.id DESC LIMIT ?1 OFFSET ?2
      """, on: connection)
    statement.bind(1, limit)
    statement.bind(2, offset)
    var found: [[UInt8]] = []
    while try statement.step() { found.append(statement.bytes(0)) }
    return found
  }

  /// The contexts of graphs by the number of their file; nil for one that has none.
  package func contexts() throws -> [Int: [UInt8]?] {
    let statement = try Statement(
      """
      SELECT f.id, f.context FROM files AS f JOIN stores AS s ON s.id = f.store
      WHERE s.kind = 'memory-graph' AND f.is_directory = 0
      """, on: connection)
    var found: [Int: [UInt8]?] = [:]
    while try statement.step() {
      found[statement.integer(0)] = .some(statement.kind(1) == .null ? nil : statement.bytes(1))
    }
    return found
  }

  /// The number of the file that records of a kind go to; makes it, and its store, where there is
  /// none. Within a transaction.
  /// - Parameter context: of a graph; nil for other kinds, and for a graph that is one file.
  package func home(of store: StoreFormat, context: [UInt8]?, name: String) throws -> Int {
    let found = try Statement(
      """
      SELECT f.id FROM files AS f JOIN stores AS s ON s.id = f.store
      WHERE s.kind = ?1 AND f.context IS ?2 AND f.is_directory = 0 ORDER BY f.id LIMIT 1
      """, on: connection)
    found.bind(1, text: store.name)
    if let context { found.bind(2, text: context.span) } else { found.bind(null: 2) }
    if try found.step() { return found.integer(0) }
    let isSingle = context == nil
    let owner = try Statement(
      "SELECT id FROM stores WHERE kind = ?1 AND single_file = 0 ORDER BY id LIMIT 1",
      on: connection)
    owner.bind(1, text: store.name)
    var number = 0
    if !isSingle, try owner.step() {
      number = owner.integer(0)
    } else {
      number = try StoreDatabase.number("SELECT coalesce(max(id), 0) + 1 FROM stores", connection)
      let row = try Statement(
        "INSERT INTO stores VALUES (?1, ?2, ?3, ?4, NULL, 0, 0, '')", on: connection)
      row.bind(1, number)
      row.bind(2, text: isSingle ? name : "contexts")
      row.bind(3, text: store.name)
      row.bind(4, isSingle ? 1 : 0)
      try row.run()
    }
    let file = try StoreDatabase.number("SELECT coalesce(max(id), 0) + 1 FROM files", connection)
    let row = try Statement(
      "INSERT INTO files VALUES (?1, ?2, ?3, 0, 0, NULL, ?4, NULL)", on: connection)
    row.bind(1, file)
    row.bind(2, number)
    row.bind(3, text: name)
    if let context { row.bind(4, text: context.span) } else { row.bind(null: 4) }
    try row.run()
    return file
  }

  /// Puts a record in the place of `old`, or behind the last one. Within a transaction.
  /// - Parameter file: as `home` gives it.
  package func put(_ record: inout Record, replacing old: Row?, file: Int) throws {
    record.place = RecordPlace(file: 0, offset: old?.offset ?? 0, length: 0, line: old?.line ?? 0)
    if let old {
      try removeRows(record.kind, old)
      try insert(&record, old.id, file: old.file)
    } else {
      try insert(&record, try nextID(), file: file)
      try count(1, file: file)
    }
  }

  /// Takes a record away. Within a transaction.
  package func remove(_ kind: RecordKind, _ row: Row) throws {
    try removeRows(kind, row)
    try touch(row.file)
    try count(-1, file: row.file)
  }

  /// What CCOS keeps in `objects` goes too, unless another record says the very same.
  private func removeRows(_ kind: RecordKind, _ row: Row) throws {
    let named = try Statement("SELECT key, content_hash FROM records WHERE id = ?", on: connection)
    named.bind(1, row.id)
    guard try named.step() else { return }
    let (key, hash) = (named.bytes(0), named.bytes(1))
    named.reset()
    try remove(kind, row.id, key.span)
    guard RecordRows.isObject(kind) else { return }
    let others = try Statement(
      "SELECT 1 FROM records WHERE key = ? AND kind = ? AND content_hash = ?", on: connection)
    others.bind(1, text: key.span)
    others.bind(2, text: kind.rawValue)
    others.bind(3, blob: hash.span)
    if try others.step() { return }
    let object = try Statement("DELETE FROM objects WHERE hash = lower(hex(?))", on: connection)
    object.bind(1, blob: hash.span)
    try object.run()
  }
}

/// CCOS's objects by their hash.
extension LiveDatabase {
  package func objectHashes() throws -> [Hash256] {
    let statement = try Statement("SELECT hash FROM objects ORDER BY hash", on: connection)
    var found: [Hash256] = []
    while try statement.step() {
      if let hash = Hash256(hex: statement.text(0)) { found.append(hash) }
    }
    return found
  }

  package func object(_ hash: Hash256) throws -> [UInt8]? {
    let statement = try Statement("SELECT payload FROM objects WHERE hash = ?", on: connection)
    statement.bind(1, text: hash.hex)
    return try statement.step() ? statement.bytes(0) : nil
  }

  /// Takes an object away, with every record that says the same. Within a transaction.
  /// - Parameter kind: of those records; nil where there are none.
  package func removeObject(_ hash: Hash256, kind: RecordKind?, key: [UInt8]) throws {
    if let kind {
      for row in try rows(kind, key: key) where Hash256(of: row.payload.span) == hash {
        try remove(kind, row)
      }
    }
    let statement = try Statement("DELETE FROM objects WHERE hash = ?", on: connection)
    statement.bind(1, text: hash.hex)
    try statement.run()
  }
}
