import Disk
import LosslessJSON
import Records
import Stores

extension StoreFormat {
  /// The SQLite table of runs (FORMATS: run-history), in any of its versions.
  package static let runHistory: StoreFormat = {
    var format = StoreFormat(
      name: "run-history",
      summary: "runs of plans in an SQLite table; also while another process writes to it",
      recordKinds: [.run],
      recognises: { tree in
        guard tree.isSingleFile,
          DatabaseSource.isDatabase(try tree.head(0, limit: 100)),
          DatabaseSource.applicationID(try tree.head(0, limit: 100)) == 0
        else { return false }
        if case .live(let path) = try tree.place(0) {
          return try DatabaseSource.read(path, isLenient: true) { try RunHistory.isThere($0) }
        }
        return try RunHistory.isThere(DatabaseReading(tree).connection)
      },
      read: { tree, _, sink in
        for index in tree.files.indices where !tree.files[index].isDirectory {
          try RunHistory(path: tree.displayPath(index), sink: sink).read(tree, index)
        }
      },
      write: { options in RunHistoryWriter(options) })
    format.freeze = { try FrozenDatabase.freeze($0) }
    return format
  }()
}

/// Reads the table `runs`: each row is a record, a JSON object of its columns in table order.
package struct RunHistory {
  let path: String
  let sink: any RecordSink

  /// A column as some version of the table has it.
  private struct Column {
    var name: String
    var kind: Statement.Kind
    /// Whether a row means nothing without it.
    var isRequired = true
    /// Whether the first version has it.
    var isOriginal = true
    var isJSON = false
  }

  private static let columns = [
    Column(name: "run_id", kind: .text),
    Column(name: "plan_id", kind: .text),
    Column(name: "objective", kind: .text),
    Column(name: "plan_result", kind: .text, isJSON: true),
    Column(name: "execution_result", kind: .text, isRequired: false, isJSON: true),
    Column(name: "created_at", kind: .real),
    Column(name: "approval_status", kind: .text, isRequired: false, isOriginal: false),
    Column(name: "approval_reason", kind: .text, isRequired: false, isOriginal: false),
    Column(name: "approved_at", kind: .real, isRequired: false, isOriginal: false),
    Column(name: "approved_by", kind: .text, isRequired: false, isOriginal: false),
  ]

  /// Whether there is a table `runs` that has runs.
  static func isThere(_ connection: borrowing Connection) throws -> Bool {
    let table = try Statement(
      "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'runs'", on: connection)
    guard try table.step() else { return false }
    return try names(connection).contains("run_id")
  }

  /// The columns of the table, in its order.
  private static func names(_ connection: borrowing Connection) throws -> [String] {
    let statement = try Statement("PRAGMA table_info(runs)", on: connection)
    var names: [String] = []
    while try statement.step() { names.append(statement.text(1)) }
    return names
  }

  func read(_ tree: any StoreTree, _ index: Int) throws {
    do {
      let reading = try DatabaseReading(tree)
      if let damage = reading.logDamage { sink.note(damage) }
      let columns = try readableColumns(reading)
      checkColumns(try Self.names(reading.connection))
      try readRows(reading.connection, columns)
      try checkIntegrity(reading.connection)
      try noteOthers(reading.connection)
    } catch let error as DatabaseError where error.code == .damaged || error.code == .sql {
      note(.error, .unreadable, error.message)
    }
  }

  private func note(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String, record: String? = nil
  ) {
    sink.note(Finding(severity, code, message, path: path, record: record))
  }

  /// Columns may be computed by functions, such as those for JSON, that SQLite runs only for a schema
  /// that is trusted; here it can do no more than compute. Notes where what computes one is not there,
  /// and leaves such columns out. Returns the columns as SQL.
  private func readableColumns(_ reading: DatabaseReading) throws -> String {
    let trust = "PRAGMA trusted_schema=ON"
    try reading.connection.execute(trust)
    let computed = try Statement(
      "SELECT name, hidden FROM pragma_table_xinfo('runs')", on: reading.connection)
    var (names, others): ([String], [String]) = ([], [])
    while try computed.step() {
      if computed.integer(1) == 2 {
        names.append(computed.text(0))
      } else {
        let name = computed.text(0).split(separator: "\"", omittingEmptySubsequences: false)
        others.append("\"\(name.joined(separator: "\"\""))\"")
      }
    }
    if names.isEmpty { return "*" }
    let strict = try Connection(reading.connection.path, reading.mode)
    do {
      try strict.execute(trust)
      let rows = try Statement("SELECT * FROM runs LIMIT 1", on: strict)
      _ = try rows.step()
      return "*"
    } catch {
      guard [.damaged, .sql, .failed].contains(error.code) else { throw error }
      note(
        .error, .unreadable,
        "the computed columns \(names.joined(separator: ", ")) cannot be told: \(error.message)")
      return others.joined(separator: ", ")
    }
  }

  private func checkColumns(_ names: [String]) {
    let later = Self.columns.filter { !$0.isOriginal }
    let count = later.lastIndex { names.contains($0.name) }.map { $0 + 1 } ?? 0
    for column in Self.columns where !names.contains(column.name) {
      if column.isOriginal {
        note(.error, .missingColumn, "the table runs has no column \(column.name)")
      } else if later.prefix(count).contains(where: { $0.name == column.name }) {
        note(
          .warning, .missingColumn,
          "the table runs has no column \(column.name), though it has later ones")
      }
    }
  }

  /// Whatever else the database has is kept by a copy of its file, and by nothing else.
  private func noteOthers(_ connection: borrowing Connection) throws {
    let others = try Statement(
      """
      SELECT type || ' ' || name FROM sqlite_schema
      WHERE type <> 'index' AND substr(name, 1, 7) <> 'sqlite_'
        AND NOT (type = 'table' AND name = 'runs')
      ORDER BY type, name
      """, on: connection)
    var names: [String] = []
    while try others.step() { names.append(others.text(0)) }
    guard !names.isEmpty else { return }
    let more = names.count > 5 ? " and \(names.count - 5) more" : ""
    note(
      .note, .unknownMember,
      "holds more than runs: \(names.prefix(5).joined(separator: ", "))\(more); a backup keeps it, "
        + "what is written anew from the records does not")
  }

  /// Every row, in the order of the table. Where a page cannot be read, those in front of it and,
  /// from the end of the table, those behind it.
  private func readRows(_ connection: borrowing Connection, _ columns: String) throws {
    var last: Int?
    do {
      try readRows(connection, "SELECT rowid, \(columns) FROM runs ORDER BY rowid", from: 1) {
        last = $0
        return true
      }
    } catch let error as DatabaseError where error.code == .sql {
      // A table without row ids.
      try readRows(connection, "SELECT 0, \(columns) FROM runs", from: 1) { _ in true }
    } catch let error as DatabaseError where error.code == .damaged {
      let place = last.map { "behind row \($0)" } ?? "at its start"
      note(.error, .unreadable, "the table runs cannot be read \(place): \(error.message)")
      let end = last
      do {
        try readRows(connection, "SELECT rowid, \(columns) FROM runs ORDER BY rowid DESC", from: 1)
        { row in
          end.map { row > $0 } ?? true
        }
      } catch let error as DatabaseError where error.code == .damaged {
        // What lies between the two places is lost, and said to be.
      }
    }
  }

  /// - Parameter takes: whether the row of this number is still wanted; the first that is not
  ///   ends the reading.
  private func readRows(
    _ connection: borrowing Connection, _ sql: String, from first: Int,
    _ takes: (Int) -> Bool
  ) throws {
    let statement = try Statement(sql, on: connection)
    let names = (first..<statement.columnCount).map { statement.name($0) }
    let known = names.map { name in Self.columns.first { $0.name == name } }
    var record = Record()
    var text = ByteBuffer()
    var keys: [[UInt8]] = []
    for (index, name) in names.enumerated() {
      var key = ByteBuffer(index == 0 ? "{" : ",")
      appendJSONString(Array(name.utf8).span, to: &key)
      key.append(0x3A)
      keys.append(key.array)
    }
    while try statement.step() {
      guard takes(statement.integer(0)) else { return }
      try Interruption.check()
      text.removeAll()
      for index in names.indices {
        text.append(keys[index])
        ColumnText.append(statement, first + index, to: &text)
      }
      text.append(0x7D)
      record.kind = .run
      do throws(JSONError) {
        try record.text.parse(text.span)
      } catch {
        note(.error, .unreadable, "row \(statement.integer(0)): \(error.reason.rawValue)")
        continue
      }
      record.place = RecordPlace(file: 0, offset: 0, length: text.count)
      for index in names.indices {
        if let column = known[index] { check(column, statement, first + index, record) }
      }
      try sink.take(&record)
    }
  }

  private func check(
    _ column: Column, _ statement: borrowing Statement, _ index: Int, _ record: borrowing Record
  ) {
    let kind = statement.kind(index)
    // A missing id is what the rules of all records tell.
    if kind == .null, column.name == "run_id" { return }
    let fault =
      kind == .text
      ? statement.withBytes(index) { Self.fault(column, kind, $0) }
      : Self.fault(column, kind, ByteBuffer().span)
    if let fault { note(.error, fault.code, fault.message, record: record.label) }
  }

  /// What the rules of the kind have against a value.
  package struct Fault: Sendable {
    package var code: Finding.Code
    package var message: String

    package init(code: Finding.Code, message: String) {
      self.code = code
      self.message = message
    }
  }

  /// Whether a table `runs` of these columns is one of runs, and no table of another program's.
  package static func isTable(ofColumns names: [String]) -> Bool {
    columns.allSatisfy { !$0.isOriginal || names.contains($0.name) }
  }

  /// What the rules have against a value of a column; nil where that is nothing, or the column is not
  /// one of theirs.
  /// - Parameter bytes: of a text.
  package static func fault(
    _ column: String, _ kind: Statement.Kind, _ bytes: Span<UInt8>
  ) -> Fault? {
    columns.first { $0.name == column }.flatMap { fault($0, kind, bytes) }
  }

  private static func fault(
    _ column: Column, _ kind: Statement.Kind, _ bytes: Span<UInt8>
  ) -> Fault? {
    if kind == .null {
      return column.isRequired ? Fault(code: .missingField, message: "has no \(column.name)") : nil
    }
    // Whole numbers stored in a column of reals come back as reals; both serve as times.
    guard kind == column.kind || (column.kind == .real && kind == .integer) else {
      return Fault(code: .wrongType, message: "its \(column.name) is of the wrong type (\(kind))")
    }
    guard column.kind == .text else { return nil }
    guard column.isJSON else {
      if !bytes.isUTF8 {
        return Fault(code: .wrongType, message: "its \(column.name) is no UTF-8")
      }
      return lostSector(in: bytes, of: 512, column.name)
    }
    do throws(JSONError) {
      var index = JSONIndex()
      try index.scan(bytes)
      return nil
    } catch {
      return Fault(
        code: .badJSON,
        message:
          "its \(column.name) is no JSON: \(error.reason.rawValue), at byte \(error.offset)")
    }
  }

  /// What is wrong with a text that holds as many NULs in a row as a disk has in a sector; nil where
  /// it does not.
  package static func lostSector(
    in text: Span<UInt8>, of sector: Int, _ column: String
  ) -> Fault? {
    var at = sector - 1
    while at < text.count {
      var start = at
      while text[start] == 0 {
        if at - start == sector - 1 {
          return Fault(
            code: .nulBytes, message: "its \(column) holds a run of NULs as of a lost sector")
        }
        start -= 1
      }
      at = start + sector
    }
    return nil
  }

  /// What SQLite says of the database as a whole.
  private func checkIntegrity(_ connection: borrowing Connection) throws {
    do {
      let found = try connection.integrity(limit: 100)
      for line in found.problems.flatMap({ $0.split(separator: "\n") }) where line.first != "*" {
        note(.error, .integrityCheck, String(line))
      }
      for remark in found.remarks { note(.note, .integrityCheck, remark) }
    } catch {
      guard error.code == .damaged else { throw error }
      note(.error, .integrityCheck, error.message)
    }
  }
}
