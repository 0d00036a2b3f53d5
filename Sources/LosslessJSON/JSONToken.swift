/// One value or key of a scanned text: where its bytes lie, and where its subtree ends.
package struct JSONToken: Sendable {
  package enum Kind: UInt8, Sendable { case object, array, string, number, `true`, `false`, null }

  /// Offset of the first byte, quotes and brackets included.
  package var start: UInt32
  /// Offset behind the last byte.
  package var end: UInt32
  /// Index of the first token that does not belong to this value.
  package var next: UInt32
  package var kind: Kind
  /// A string without escapes, or an integer of at most 18 digits: its canonical bytes are the
  /// bytes as they stand.
  package internal(set) var isPlain: Bool

  package var range: Range<Int> { Int(start)..<Int(end) }

  /// Fills room that no token has taken yet.
  static let blank = JSONToken(start: 0, end: 0, next: 0, kind: .null, isPlain: false)
}
