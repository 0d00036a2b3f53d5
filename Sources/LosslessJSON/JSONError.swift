/// Why bytes are not one JSON text, and the byte at which that shows.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Reason: String, Sendable {
    case empty = "no value"
    case unexpectedEnd = "the text ends inside a value"
    case unexpectedByte = "unexpected byte"
    case expectedKey = "expected a key in double quotes"
    case expectedColon = "expected a colon after a key"
    case expectedCommaOrEnd = "expected a comma or the end of the object or array"
    case trailingBytes = "bytes after the end of the value"
    case badLiteral = "not true, false or null"
    case badNumber = "malformed number"
    case badEscape = "malformed escape in a string"
    case controlCharacter = "raw control character in a string"
    case invalidUTF8 = "invalid UTF-8"
    case tooDeep = "nested deeper than 10,000 levels"
    case tooLong = "value too long"
  }

  package var reason: Reason
  /// Byte offset from the start of the text that was scanned.
  package var offset: Int

  package init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  package var description: String { reason.rawValue }
}
