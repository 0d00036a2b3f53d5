import LosslessJSON
import Records

/// Rows that were deleted and not written over yet: on free pages, on pages that nothing leads to
/// any more, and in the free space of the others.
extension DatabaseSalvage {
  func takeDeleted() throws {
    for number in file.numbers {
      let page = try file.page(number)
      guard let kind = cells.kind(page.span, number), kind == .leafTable else { continue }
      let known = owner[number].flatMap { $0 >= 0 ? $0 : nil }
      if owner[number] == Self.indexOwner { continue }
      if known == nil {
        let place = free.contains(number) ? "free page" : "page out of use"
        for row in try cells.rows(page.span, number, kind).rows {
          try add(row, to: nil, "\(place) \(number)")
        }
      }
      let candidates = known.map { [tables[$0]] } ?? tables
      for (row, at) in try cells.deleted(page.span, number, candidates) {
        try add(row, to: known, "page \(number), byte \(at)")
      }
    }
    if let deleted, deleted.count > 0 {
      sink.note(Finding(.note, .leftover, "\(deleted.count) deleted rows are in deleted/"))
    }
  }

  /// - Parameter table: nil where no tree says: then by its values.
  private func add(_ row: PageRow, to table: Int?, _ place: String) throws {
    let table = table ?? tables.indices.first { tables[$0].fits([row]) }
    if let table, try output?.holds(row, tables[table], table) == true { return }
    try deleted?.add(row, table.map { tables[$0] }, place)
  }
}
