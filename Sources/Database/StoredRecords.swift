import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

extension StoreFormat {
  /// A database that `migrate` wrote.
  package static let sqlite = sqlite(store: nil)

  /// The same, or only one of its stores, by number.
  package static func sqlite(store: Int?, contexts: [String] = []) -> StoreFormat {
    var format = StoreFormat(
      name: "sqlite",
      summary: "a store that holdfast migrate has put into SQLite",
      recordKinds: RecordKind.allCases, writableKinds: [],
      recognises: { tree in
        guard tree.isSingleFile else { return false }
        let head = try tree.head(0, limit: 100)
        guard DatabaseSource.isDatabase(head) else { return false }
        if DatabaseSource.applicationID(head) == StoreDatabase.applicationID { return true }
        throw StoreError(
          .refused, "is an SQLite database that holds no store that Holdfast knows",
          path: tree.displayPath(0), hint: "name its kind with --kind if its tables are damaged")
      },
      read: { tree, _, sink in
        for index in tree.files.indices where !tree.files[index].isDirectory {
          try StoredRecords(
            path: tree.displayPath(index), store: store, contexts: contexts, sink: sink
          ).read(tree)
        }
      })
    format.origin = { tree in
      try DatabaseReading(tree, inPlace: true).use { connection in
        let rows = try Statement(
          """
          SELECT kind, min(single_file) FROM stores WHERE ?1 IS NULL OR id = ?1 GROUP BY kind
          """, on: connection)
        if let store { rows.bind(1, store) } else { rows.bind(null: 1) }
        guard try rows.step() else { return nil }
        let origin = (kind: rows.text(0), isSingleFile: rows.integer(1) == 1)
        return try rows.step() ? nil : origin
      }
    }
    format.kept = { try StoredTree.keptStore(in: $0, store: store, contexts: contexts) }
    format.contexts = contexts
    format.restrict = { sqlite(store: store, contexts: $0) }
    format.freeze = { disk in
      disk.isSingleFile && DatabaseSource.isQuiet(disk.root)
        ? disk : try FrozenDatabase.freeze(disk)
    }
    return format
  }
}

/// Reads the records of a migrated store.
package struct StoredRecords {
  let path: String
  /// The number of the only store that is wanted; nil for all.
  let store: Int?
  /// The contexts of memory graphs that are wanted; all records where empty.
  let contexts: [String]
  /// The place of each file in the tree, by its number; nil where records are of the database.
  var places: [Int: Int]?
  /// Where documents have their id, where it is not to be the one that they were migrated with.
  var idField: JSONPointer?
  let sink: any RecordSink

  static let sql = """
    SELECT r.kind, r.key, r.scope, r.line, r.offset, r.content_hash,
      coalesce(r.payload, o.payload), r.file
    FROM records AS r
    LEFT JOIN objects AS o ON r.payload IS NULL AND o.hash = lower(hex(r.content_hash))
    WHERE ?1 IS NULL OR r.file IN (SELECT id FROM files WHERE store = ?1)
    ORDER BY r.id
    """

  /// Hands out the records of a database that was put together from what was left of one, whatever
  /// its other tables lack. What follows a finding of the code `hashMismatch` is the record in
  /// question.
  package static func readSalvaged(_ path: FilePath, into sink: any RecordSink) throws {
    let reading = StoredRecords(path: path.string, store: nil, contexts: [], sink: sink)
    var course: StoredCourse?
    try reading.readRecords(Connection(path, .immutable, isLenient: true), &course)
  }

  private func note(_ code: Finding.Code, _ message: String, record: String? = nil) {
    sink.note(Finding(.error, code, message, path: path, record: record))
  }

  func read(_ tree: any StoreTree) throws {
    do {
      let reading = try DatabaseReading(tree, inPlace: true)
      if let damage = reading.logDamage { sink.note(damage) }
      _ = try StoreDatabase.steps(reading.connection)
      let (path, mode) = (reading.connection.path, reading.mode)
      let check = BackgroundWork {
        try StoreDatabase.problems(Connection(path, mode, isLenient: true))
      }
      let read = Result {
        var course =
          places == nil ? try StoredCourse(reading.connection, database: self.path) : nil
        try readRecords(reading.connection, &course)
      }
      // Waited for in any case: it reads what the reading keeps there.
      let problems = check.result()
      try read.get()
      for problem in try problems.get() { note(.integrityCheck, problem) }
    } catch let error as DatabaseError where error.code == .damaged || error.code == .sql {
      note(.unreadable, error.message)
    }
  }

  /// Where the records of memory graphs lie, by number of the file: in a context, or in a file that
  /// is a graph by itself.
  private func graphFiles(_ connection: borrowing Connection) throws -> [Int: String?] {
    let rows = try Statement(
      """
      SELECT f.id, f.context, s.single_file FROM files AS f JOIN stores AS s ON s.id = f.store
      WHERE s.kind = 'memory-graph' AND (f.context IS NOT NULL OR s.single_file)
      """, on: connection)
    var files: [Int: String?] = [:]
    while try rows.step() {
      files[rows.integer(0)] = .some(rows.integer(2) == 1 ? nil : rows.text(1))
    }
    return files
  }

  /// Where the documents of the stores have their ids.
  private func idFields(_ connection: borrowing Connection) throws -> [JSONPointer] {
    let rows = try Statement(
      "SELECT DISTINCT id_field FROM stores WHERE id_field IS NOT NULL", on: connection)
    var pointers: [JSONPointer] = []
    while try rows.step() { if let found = JSONPointer(rows.text(0)) { pointers.append(found) } }
    return pointers
  }

  private func readRecords(
    _ connection: borrowing Connection, _ course: inout StoredCourse?
  ) throws {
    guard !contexts.isEmpty else {
      return try readRecords(connection) { record in try hand(&record, &course) }
    }
    let files = try graphFiles(connection)
    var router = ContextRouter()
    try readRecords(connection) { record in
      if let context = files[record.place.file], context == nil { router.observe(record) }
    }
    let filter = ContextFilter(router, contexts)
    try readRecords(connection) { record in
      guard let context = files[record.place.file], filter.passes(record, context: context) else {
        return
      }
      try hand(&record, &course)
    }
    try filter.checkAllFound(path: path)
  }

  /// Hands a record out, the number of its file turned into its place in the tree.
  private func hand(_ record: inout Record, _ course: inout StoredCourse?) throws {
    if let news = course?.next(record.place.file) {
      try sink.begin(news.path, isNewStore: news.isNewStore)
    }
    record.place.file = places?[record.place.file] ?? 0
    if let idField, record.kind == .document, record.scope.isEmpty { record.takeID(idField) }
    try sink.take(&record)
  }

  /// - Parameter take: sees the number of the file in the record's place.
  private func readRecords(
    _ connection: borrowing Connection, _ take: (inout Record) throws -> Void
  ) throws {
    let statement = try Statement(Self.sql, on: connection)
    if let store { statement.bind(1, store) }
    let pointers = try idFields(connection)
    var record = Record()
    var count = 0
    // The kind of the last record, and its name: seldom another than the one before.
    var known = RecordKind.document
    var name = Array(known.rawValue.utf8)
    while try statement.step() {
      try Interruption.check()
      count += 1
      if !statement.withBytes(0, { $0.isEqual(to: name.span) }) {
        let kind = statement.text(0)
        guard let found = RecordKind(rawValue: kind) else {
          note(.unreadable, "record \(count) is of an unknown kind, \(kind)")
          continue
        }
        (known, name) = (found, Array(kind.utf8))
      }
      record.kind = known
      record.scope = statement.kind(2) == .null ? [] : statement.bytes(2)
      record.place = RecordPlace(
        file: statement.integer(7), offset: statement.integer(4), length: 0,
        line: statement.integer(3))
      record.documentID = nil
      if known == .document, record.scope.isEmpty {
        let key = statement.bytes(1)
        if key != Array("line \(record.place.line)".utf8) { record.documentID = key }
      }
      guard try parse(statement, &record, count) else { continue }
      record.documentIDIsText = pointers.allSatisfy { pointer in
        pointer.token(in: record.text).map { record.text.kind($0) == .string } ?? true
      }
      try take(&record)
    }
  }

  /// Takes the payload, if it is JSON and has the hash that stands beside it.
  private func parse(
    _ statement: borrowing Statement, _ record: inout Record, _ count: Int
  ) throws -> Bool {
    let stored = statement.withBytes(5) { Hash256(bytes: $0) }
    var actual: Hash256?
    var reason: JSONError?
    statement.withBytes(6) { bytes in
      actual = Hash256(of: bytes)
      do throws(JSONError) { try record.text.parse(bytes) } catch { reason = error }
    }
    if let reason {
      note(
        .unreadable,
        "record \(count), \(record.kind.rawValue):\(statement.text(1)), is no JSON: "
          + reason.reason.rawValue)
      return false
    }
    record.place.length = record.text.bytes.count
    if let actual, actual != stored {
      note(
        .hashMismatch, "its content has the hash \(actual.hex), not the one beside it",
        record: record.label)
    }
    return true
  }
}
