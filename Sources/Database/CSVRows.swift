import LosslessJSON

/// Rows as comma-separated values (RFC 4180, with LF): a field with a comma, a quote or a line
/// break is quoted; NULL is an empty field, an empty text `""`; a BLOB is hexadecimal.
package enum CSVRows {
  package static func appendHeader(_ rows: borrowing Statement, to out: inout ByteBuffer) {
    for column in 0..<rows.columnCount {
      if column > 0 { out.append(0x2C) }
      appendField(Array(rows.name(column).utf8).span, to: &out)
    }
    out.append(0x0A)
  }

  package static func append(_ rows: borrowing Statement, to out: inout ByteBuffer) {
    for column in 0..<rows.columnCount {
      if column > 0 { out.append(0x2C) }
      switch rows.kind(column) {
      case .null: break
      case .integer: out.append(decimal: rows.integer(column))
      case .real: ColumnText.append(rows.real(column), to: &out)
      case .text: rows.withBytes(column) { appendField($0, to: &out) }
      case .blob: rows.withBytes(column) { ColumnText.appendHex($0, to: &out) }
      }
    }
    out.append(0x0A)
  }

  private static func appendField(_ text: Span<UInt8>, to out: inout ByteBuffer) {
    var isPlain = text.count > 0
    for index in 0..<text.count {
      switch text[index] {
      case 0x2C, 0x22, 0x0A, 0x0D: isPlain = false
      default: break
      }
    }
    if isPlain { return out.append(text) }
    out.append(0x22)
    for index in 0..<text.count {
      if text[index] == 0x22 { out.append(0x22) }
      out.append(text[index])
    }
    out.append(0x22)
  }
}

/// Rows as JSON: an object of the columns, values as `ColumnText` has them.
package enum JSONRows {
  package static func append(_ rows: borrowing Statement, to out: inout ByteBuffer) {
    out.append(0x7B)
    for column in 0..<rows.columnCount {
      if column > 0 { out.append(0x2C) }
      appendJSONString(Array(rows.name(column).utf8).span, to: &out)
      out.append(0x3A)
      ColumnText.append(rows, column, to: &out)
    }
    out.append(0x7D)
  }
}
