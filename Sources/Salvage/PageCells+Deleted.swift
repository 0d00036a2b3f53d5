import LosslessJSON

/// Rows in the free space of a page of a table. SQLite writes over the first four bytes of a cell
/// that it frees; what stood there is told from the rest, where that leaves one answer only.
extension PageCells {
  private struct Found {
    var row: PageRow
    var end: Int
  }

  /// - Parameter tables: those that the rows may be of.
  /// - Returns: the rows, each with its place on the page.
  func deleted(
    _ page: Span<UInt8>, _ number: Int, _ tables: [SalvagedTable]
  ) throws -> [(row: PageRow, at: Int)] {
    var found: [(row: PageRow, at: Int)] = []
    let (content, blocks) = freeSpace(page, number)
    let unused = pointers(number, .leafTable) + 2 * count(page, number)
    var regions = blocks.map { (range: $0, isBlock: true) }
    if content > unused, content < file.usable { regions.insert((unused..<content, false), at: 0) }
    for (range, isBlock) in regions {
      var at = range.lowerBound
      var mayBeCut = isBlock
      while at + 4 < range.upperBound {
        let rest = page.extracting(at..<range.upperBound)
        let known = mayBeCut ? cut(rest, tables) : isBlock ? nil : freed(rest, tables)
        let cell = try whole(rest, tables) ?? known
        if let cell {
          found.append((cell.row, at))
          at += cell.end
        } else {
          at += 1
        }
        mayBeCut = isBlock && cell != nil
      }
    }
    return found
  }

  /// A cell that stands there as it was.
  private func whole(_ bytes: Span<UInt8>, _ tables: [SalvagedTable]) throws -> Found? {
    guard let size = Bytes.varint(bytes, 0), size.value >= 2, size.value <= file.usable - 35,
      let id = Bytes.varint(bytes, size.end), id.end + size.value <= bytes.count,
      let cell = try cell(bytes, 0, 0, hasID: true), let row = cell.row, !cell.isDoubtful,
      isBelievable(row, tables)
    else { return nil }
    return Found(row: row, end: id.end + size.value)
  }

  /// A cell that was freed where it was the first one: the room in front of it grew over it, and it
  /// has the head of a free block all the same. That says how long it was, with those behind it that
  /// had been freed before.
  private func freed(_ bytes: Span<UInt8>, _ tables: [SalvagedTable]) -> Found? {
    let size = Bytes.number(bytes, 2, 2)
    guard size > 4, size <= bytes.count, Bytes.number(bytes, 0, 2) < file.usable,
      let found = cut(bytes.extracting(0..<size), tables)
    else { return nil }
    let rest = size - found.end
    let isOne = rest == 0 || (rest > 4 && Bytes.number(bytes, found.end + 2, 2) == rest)
    return isOne ? found : nil
  }

  private func isBelievable(_ row: PageRow, _ tables: [SalvagedTable]) -> Bool {
    guard row.values.contains(where: { $0 != .null }) else { return false }
    for case .text(let text) in row.values {
      // What is left of one cell may reach into the next.
      let isOdd = text.contains { $0 < 0x20 && !TextBytes.isBlank($0) }
      if isOdd || String(validating: text, as: UTF8.self) == nil { return false }
    }
    return tables.contains { $0.columns.count == row.values.count && $0.fits([row]) }
  }

  /// A cell whose first four bytes are lost: with them go the size, the row id, and, of small
  /// cells, the size of the head and the type of the first value.
  private func cut(_ bytes: Span<UInt8>, _ tables: [SalvagedTable]) -> Found? {
    var answers: [Found] = []
    for table in tables where table.hasRowID && !table.columns.isEmpty {
      // Bytes in front of the head.
      for before in 2...6 {
        guard let found = cut(bytes, table, before) else { continue }
        if !answers.contains(where: { $0.row.values == found.row.values }) { answers.append(found) }
      }
    }
    // What fills the block to its end is the likelier answer.
    let exact = answers.filter { $0.end == bytes.count }
    if exact.count == 1 { return exact[0] }
    return answers.count == 1 ? answers[0] : nil
  }

  private func cut(_ bytes: Span<UInt8>, _ table: SalvagedTable, _ before: Int) -> Found? {
    let columns = table.columns.count
    var types: [Int] = []
    var at = before + 1
    if before > 3 {
      guard before < bytes.count, Int(bytes[before]) > columns, bytes[before] < 0x80 else {
        return nil
      }
    }
    // The type of the first value is among the bytes that are lost.
    let lacksType = before == 2
    if lacksType {
      types.append(0)
      at += 1
    }
    while types.count < columns {
      guard let type = Bytes.varint(bytes, at), Self.size(ofType: type.value) != nil else {
        return nil
      }
      types.append(type.value)
      at = type.end
    }
    if before > 3, at - before != Int(bytes[before]) { return nil }
    var sum = 0
    for type in types {
      sum += Self.size(ofType: type) ?? 0
      if sum > bytes.count { return nil }
    }
    if lacksType, table.idColumn != 0 {
      let room = bytes.count - at - sum
      guard room >= 1, room <= 57, table.columns[0].affinity == .text else { return nil }
      types[0] = 13 + 2 * room
      sum += room
    }
    guard at + sum <= bytes.count else { return nil }
    var values: [PageValue] = []
    for type in types {
      let size = Self.size(ofType: type) ?? 0
      values.append(value(bytes, type, at, size))
      at += size
    }
    let row = PageRow(id: nil, values: values)
    var asked = row
    asked.id = 0
    guard isBelievable(asked, [table]) else { return nil }
    return Found(row: row, end: at)
  }
}
