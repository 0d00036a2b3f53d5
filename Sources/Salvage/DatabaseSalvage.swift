import Disk
import LosslessJSON
import Records
import SystemPackage

/// Recovers the rows of a SQLite database from its pages, without SQLite: every leaf of a table
/// that can be read gives its rows, whatever leads to it is still there or not.
///
/// The rows are written as SQL that makes the database anew: `sqlite3 new.db < recovered/x.sql`.
final class DatabaseSalvage {
  private struct Table {
    var name: String
    var sql: String?
    var columns: [String]
    /// The column that stands for the row id: its values are stored as NULL.
    var idColumn: Int?
    /// Whether it is told from its rows, without a schema.
    var isInferred = false
    var seen: [Int: Int] = [:]
  }

  private let file: PageFile
  private let reader: PageRows
  private let sink: PieceSink
  private let output: PendingFile
  private let deleted: PendingFile?
  /// Rows that may have been altered.
  private let suspects: PendingFile
  private let size: Int
  private var tables: [Table] = []
  /// Other things that the schema has, made behind the rows.
  private var others: [String] = []
  /// Which table a leaf belongs to, where an interior page still says so.
  private var owner: [Int: Int] = [:]

  init(
    _ path: FilePath, size: Int, to output: PendingFile, suspects: PendingFile,
    deleted: PendingFile?, _ sink: PieceSink
  ) throws {
    self.suspects = suspects
    file = try PageFile(path)
    reader = PageRows(file: file)
    self.size = size
    self.sink = sink
    self.output = output
    self.deleted = deleted
  }

  func run() throws {
    try readSchema()
    let free = try file.freePages()
    try output.append(Array("PRAGMA foreign_keys=OFF;\nBEGIN;\n".utf8).span)
    for table in tables { if let sql = table.sql { try line(sql + ";", to: output) } }
    for number in 1...max(1, file.pageCount) { try take(number, isFree: free.contains(number)) }
    for other in others { try line(other + ";", to: output) }
    try line("COMMIT;", to: output)
    try output.close()
    try deleted?.close()
    try suspects.close()
    if file.missingPages > 0 {
      sink.note(Finding(.error, .tornTail, "\(file.missingPages) pages are missing at its end"))
    }
    if tables.isEmpty { sink.note(Finding(.error, .unreadable, "no table was found")) }
    if !file.hasHeader {
      sink.note(
        Finding(
          .error, .unreadable,
          "its header is lost: pages of \(file.pageSize) bytes by what they hold"))
    }
    for table in tables where table.isInferred {
      sink.note(
        Finding(.warning, .unknownType, "the table \(table.name) is told from its rows"))
    }
  }

  private func line(_ text: String, to file: PendingFile) throws {
    try file.append(Array((text + "\n").utf8).span)
  }

  // MARK: Schema

  private func readSchema() throws {
    for leaf in try leaves(below: 1) {
      let page = try file.page(leaf)
      guard reader.kind(page.span, leaf) == 0x0D else { continue }
      for row in try reader.rows(page.span, leaf).rows where row.values.count == 5 {
        guard case .text(let type) = row.values[0], case .text(let name) = row.values[1],
          case .integer(let root) = row.values[3], case .text(let sql) = row.values[4]
        else { continue }
        let text = String(decoding: sql, as: UTF8.self)
        guard String(decoding: type, as: UTF8.self) == "table" else {
          others.append(text)
          continue
        }
        let title = String(decoding: name, as: UTF8.self)
        if title.hasPrefix("sqlite_") { continue }
        let (columns, id) = Self.columns(of: text)
        tables.append(Table(name: title, sql: text, columns: columns, idColumn: id))
        for page in try leaves(below: root) { owner[page] = tables.count - 1 }
      }
      owner[leaf] = -1
    }
  }

  /// The leaves of the tree whose root is `root`, as far as its interior pages can be read.
  private func leaves(below root: Int) throws -> [Int] {
    var stack = [root]
    var seen: Set<Int> = []
    var found: [Int] = []
    while let number = stack.popLast() {
      guard number > 0, number <= file.pageCount, seen.insert(number).inserted else { continue }
      let page = try file.page(number)
      switch reader.kind(page.span, number) {
      case 0x0D: found.append(number)
      case 0x05: stack += reader.children(page.span, number).reversed()
      default: break
      }
    }
    return found
  }

  /// The names of the columns of a CREATE TABLE statement.
  static func columns(of sql: String) -> ([String], Int?) {
    guard let open = sql.firstIndex(of: "("), let close = sql.lastIndex(of: ")"), open < close
    else { return ([], nil) }
    var parts: [String] = [""]
    var depth = 0
    var quote: Character?
    for character in sql[sql.index(after: open)..<close] {
      if let current = quote {
        if character == current { quote = nil }
      } else if character == "'" || character == "\"" || character == "`" {
        quote = character
      } else if character == "(" {
        depth += 1
      } else if character == ")" {
        depth -= 1
      } else if character == ",", depth == 0 {
        parts.append("")
        continue
      }
      parts[parts.count - 1].append(character)
    }
    let constraints: Set<String> = ["PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT"]
    var names: [String] = []
    var id: Int?
    for part in parts {
      let words = part.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let first = words.first, !constraints.contains(first.uppercased()) else { continue }
      let upper = words.dropFirst().joined(separator: " ").uppercased()
      if upper.hasPrefix("INTEGER PRIMARY KEY") { id = names.count }
      names.append(first.filter { !"\"`[]".contains($0) })
    }
    return (names, id)
  }

  // MARK: Pages

  private func take(_ number: Int, isFree: Bool) throws {
    let offset = (number - 1) * file.pageSize
    guard offset < size else { return }
    let page = try file.page(number)
    let span = page.span
    let length = min(file.pageSize, size - offset)
    let stored = span.extracting(0..<min(length, span.count))
    guard let kind = reader.kind(span, number) else {
      if number == 1 || TextBytes.isAll(stored, 0) == false && overflowing(span, isFree: isFree) {
        try sink.redundant(stored)
      } else {
        let shape: DamageShape = TextBytes.isAll(stored, 0) ? .nulRun : .damagedPage
        try sink.quarantine(stored, shape: shape, line: nil)
      }
      return
    }
    guard kind == 0x0D, owner[number] != -1 else {
      try sink.redundant(stored)
      return
    }
    let (rows, suspect, bad) = try reader.rows(span, number)
    if isFree {
      if let deleted { for row in rows { try write(row, to: deleted, owner[number]) } }
      try sink.redundant(stored)
      return
    }
    try sink.redundant(stored)
    var count = 0
    for row in rows where try write(row, to: output, owner[number]) { count += 1 }
    sink.credit(count)
    for row in suspect { try write(row, to: suspects, owner[number]) }
    if bad > 0 {
      let apart = suspect.isEmpty ? "" : "; \(suspect.count) beside them are in irregular/"
      sink.note(
        Finding(
          .error, .unreadable, "\(bad) rows of page \(number) cannot be read\(apart)",
          offset: offset,
          length: file.pageSize))
    }
  }

  /// Whether a page may be one that holds the rest of a long row: it starts with the number of
  /// another page, or with none.
  private func overflowing(_ page: Span<UInt8>, isFree: Bool) -> Bool {
    guard page.count == file.pageSize else { return false }
    return isFree || Bytes.number(page, 0, 4) <= file.pageCount
  }

  /// Writes a row once. Returns whether it was new.
  @discardableResult
  private func write(_ row: PageRow, to target: PendingFile, _ known: Int?) throws -> Bool {
    let index = try known ?? table(for: row)
    var values = row.values
    if let id = tables[index].idColumn, id < values.count, values[id] == .null {
      values[id] = .integer(row.id)
    }
    if target === output {
      guard tables[index].seen.updateValue(1, forKey: row.id) == nil else { return false }
      sink.count(tables[index].name == "runs" ? .run : .document)
    }
    let columns = tables[index].columns.prefix(values.count)
    let names = columns.map { "\"\($0)\"" }.joined(separator: ",")
    let texts = values.prefix(columns.count).map(Self.literal).joined(separator: ",")
    try line("INSERT INTO \"\(tables[index].name)\"(\(names)) VALUES(\(texts));", to: target)
    return true
  }

  /// The columns of a run history (FORMATS: run-history), any prefix of the last four.
  private static let runColumns = [
    "run_id", "plan_id", "objective", "plan_result", "execution_result", "created_at",
    "approval_status", "approval_reason", "approved_at", "approved_by",
  ]

  /// The table of a row whose page no tree leads to: by its number of values, else a new one.
  private func table(for row: PageRow) throws -> Int {
    let fitting = tables.indices.filter { tables[$0].columns.count == row.values.count }
    if let only = fitting.first { return only }
    let wider = tables.indices.filter {
      !tables[$0].isInferred && tables[$0].columns.count > row.values.count
    }
    if wider.count == 1 { return wider[0] }
    let isRun = (6...10).contains(row.values.count) && Self.isRun(row.values)
    let name = isRun ? "runs" : "lost_\(row.values.count)"
    let columns =
      isRun
      ? Array(Self.runColumns.prefix(row.values.count))
      : (0..<row.values.count).map { "c\($0)" }
    let key = isRun ? " PRIMARY KEY" : ""
    let sql =
      "CREATE TABLE \"\(name)\"("
      + columns.enumerated().map { number, column in
        "\"\(column)\"\(isRun && number == 0 ? " TEXT\(key)" : "")"
      }.joined(separator: ",") + ")"
    tables.append(
      Table(name: name, sql: sql, columns: columns, idColumn: nil, isInferred: true))
    try line(sql + ";", to: output)
    return tables.count - 1
  }

  private static func isRun(_ values: [PageValue]) -> Bool {
    for index in 0..<4 {
      guard case .text = values[index] else { return false }
    }
    switch values[5] {
    case .real, .integer: return true
    default: return false
    }
  }

  /// A value as SQL spells it, exactly.
  private static func literal(_ value: PageValue) -> String {
    switch value {
    case .null: return "NULL"
    case .integer(let number): return String(number)
    case .real(let number):
      if number.isInfinite { return number < 0 ? "-9e999" : "9e999" }
      return number.isNaN ? "NULL" : "\(number)"
    case .text(let bytes):
      guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
        return "CAST(\(hex(bytes)) AS TEXT)"
      }
      var out = "'"
      for scalar in text.unicodeScalars {
        if scalar == "'" { out += "'" }
        out.unicodeScalars.append(scalar)
      }
      return out + "'"
    case .blob(let bytes): return hex(bytes)
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    "X'" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
  }
}
