import Database
import SystemPackage

/// Rows that are kept out of the recovered database, as SQL, each with the reason.
final class RowScript {
  private let file: PendingFile
  /// Rows written so far.
  private(set) var count = 0
  /// The numbers of values that a table was made for.
  private var widths: Set<Int> = []

  init(_ file: PendingFile) { self.file = file }

  /// - Parameter table: nil for a row of which the table is not known: then it goes to one by the
  ///   number of its values, which the script makes.
  func add(_ row: PageRow, _ table: SalvagedTable?, _ reason: String) throws {
    count += 1
    var names: [String] = []
    var texts: [String] = []
    for (index, value) in row.values.enumerated() {
      var value = value
      if let table {
        guard index < table.columns.count else { break }
        if index == table.idColumn, value == .null, let id = row.id { value = .integer(id) }
      }
      names.append(Connection.quoted(table.map { $0.columns[index].name } ?? "c\(index)"))
      texts.append(SQLText.literal(value))
    }
    let id = row.id.map { ", row \($0)" } ?? ""
    let name = table?.name ?? "lost_\(row.values.count)"
    var made = ""
    if table == nil, widths.insert(row.values.count).inserted {
      made = "CREATE TABLE IF NOT EXISTS \(name)(\(names.joined(separator: ",")));\n"
    }
    let line =
      "\(made)-- \(reason)\(id)\nINSERT INTO \(Connection.quoted(name))(\(names.joined(separator: ","))) "
      + "VALUES(\(texts.joined(separator: ",")));\n"
    try file.append(Array(line.utf8).span)
  }

  func close() throws { try file.close() }
}
