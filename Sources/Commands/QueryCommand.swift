import ArgumentParser
import Database
import LosslessJSON
import Migration
import Records
import SystemPackage

struct QueryCommand: Verb {
  static let verb = "query"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Ask a migrated database a question in SQL; it cannot be changed.",
    discussion: """
      One statement that only reads. sqlite3 DB .schema shows the tables and what they mean; \
      search has the full text: SELECT key FROM records JOIN search ON search.rowid = records.id \
      WHERE search MATCH 'words'.

      \(ExitStatus.help([.notFound, .locked, .refused]))
      """)

  @Argument(help: "A database that migrate wrote, or a run history.", completion: .file())
  var database: String

  @Argument(help: "One statement of SQL.")
  var sql: String

  @Option(
    name: .long, help: ArgumentHelp("table, json, jsonl or csv.", valueName: "format"),
    completion: .list(RowFormat.allCases.map(\.rawValue)))
  var format: RowFormat = .table

  @OptionGroup var shared: SharedOptions

  enum RowFormat: String, ExpressibleByArgument, CaseIterable { case table, json, jsonl, csv }

  func perform(_ console: Console) throws -> ExitStatus {
    var out = ByteBuffer()
    var names: [String] = []
    var rows: [[String]] = []
    var count = 0
    let isText = !console.isJSON && !console.isQuiet
    try Query.run(sql, on: FilePath(database)) { statement, isRow in
      guard isRow else {
        names = (0..<statement.columnCount).map { statement.name($0) }
        if isText, format == .csv { CSVRows.appendHeader(statement, to: &out) }
        return
      }
      defer { count += 1 }
      if console.isJSON || format == .json || format == .jsonl {
        if format != .jsonl || console.isJSON { out.append(count == 0 ? "\n  " : ",\n  ") }
        JSONRows.append(statement, to: &out)
        if format == .jsonl, !console.isJSON { out.append(0x0A) }
      } else if format == .csv {
        CSVRows.append(statement, to: &out)
      } else {
        rows.append((0..<statement.columnCount).map { Self.cell(statement, $0) })
      }
      if isText, format != .table, format != .json, out.count > 256 << 10 {
        Console.write(out.array, to: .standardOutput)
        out.removeAll()
      }
    }
    if console.isJSON {
      console.json(Self.verb) { root in
        root.key("columns")
        root.array(of: names) { $0.value($1) }
        root.member("count", count)
        root.key("rows")
        root.raw(ByteBuffer(Array("[".utf8) + out.array + Array("\n]".utf8)).span)
      }
    } else if isText {
      switch format {
      case .table: table(names, rows, console)
      case .json:
        Console.write(Array("[".utf8) + out.array + Array("\n]\n".utf8), to: .standardOutput)
      case .jsonl, .csv: Console.write(out.array, to: .standardOutput)
      }
    }
    return .done
  }

  private static func cell(_ statement: borrowing Statement, _ column: Int) -> String {
    switch statement.kind(column) {
    case .null: "NULL"
    case .integer: String(statement.integer(column))
    case .real: statement.real(column).description
    case .text: printable(statement.text(column))
    case .blob: "x'" + statement.bytes(column).map(hex).joined() + "'"
    }
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  /// Columns as wide as what is in them, up to 60 characters a cell on a terminal.
  private func table(_ names: [String], _ rows: [[String]], _ console: Console) {
    if names.isEmpty { return }
    let limit = Console.isTerminal ? 60 : Int.max
    func cut(_ text: String) -> String {
      text.count > limit ? text.prefix(limit - 1) + "…" : text
    }
    let shown = ([names] + rows).map { $0.map(cut) }
    let widths = names.indices.map { column in shown.map { $0[column].count }.max() ?? 0 }
    for (index, row) in shown.enumerated() {
      var line = ""
      for (column, text) in row.enumerated() {
        line += column + 1 == row.count ? text : text.padded(to: widths[column]) + "  "
      }
      console.result(line)
      if index == 0 {
        console.result(
          widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "))
      }
    }
  }
}
