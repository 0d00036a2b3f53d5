import LosslessJSON

/// The values of a database as JSON.
enum ColumnText {
  /// Appends a column: text as a string, REAL as the shortest decimal that reads back as the same
  /// double, NULL as null. Bytes of a text that are no UTF-8 become `\udc80`…`\udcff`, one for
  /// each; a BLOB becomes `{"blob":"<hex>"}`.
  static func append(
    _ statement: borrowing Statement, _ column: Int, to out: inout ByteBuffer
  ) {
    switch statement.kind(column) {
    case .null: out.append("null")
    case .integer: out.append(decimal: statement.integer(column))
    case .real: append(statement.real(column), to: &out)
    case .text: statement.withBytes(column) { appendString($0, to: &out) }
    case .blob:
      out.append("{\"blob\":\"")
      statement.withBytes(column) { appendHex($0, to: &out) }
      out.append("\"}")
    }
  }

  static func append(_ value: Double, to out: inout ByteBuffer) {
    // JSON has no infinity; this is read as one wherever doubles are read.
    if value.isInfinite {
      out.append(value < 0 ? "-9e999" : "9e999")
    } else {
      out.append(utf8: value.description)
    }
  }

  static func appendHex(_ bytes: Span<UInt8>, to out: inout ByteBuffer) {
    let digits: StaticString = "0123456789abcdef"
    for index in 0..<bytes.count {
      out.append(digits.utf8Start[Int(bytes[index] >> 4)])
      out.append(digits.utf8Start[Int(bytes[index] & 15)])
    }
  }

  static func appendString(_ text: Span<UInt8>, to out: inout ByteBuffer) {
    if text.isUTF8 {
      appendJSONString(text, to: &out)
      return
    }
    var wide = ByteBuffer()
    var at = 0
    while at < text.count {
      let length = text.lengthOfUTF8Sequence(at: at)
      if length > 0 {
        wide.append(text.extracting(at..<at + length))
      } else {
        wide.append(scalar: 0xDC00 + UInt32(text[at]))
      }
      at += max(length, 1)
    }
    appendJSONString(wide.span, to: &out)
  }
}

extension Span<UInt8> {
  /// Whether all of it is well-formed UTF-8.
  var isUTF8: Bool {
    var at = 0
    while at < count {
      if self[at] < 0x80 {
        at += 1
        continue
      }
      let length = lengthOfUTF8Sequence(at: at)
      if length == 0 { return false }
      at += length
    }
    return true
  }
}
