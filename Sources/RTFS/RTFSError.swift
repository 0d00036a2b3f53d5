import LosslessJSON

/// Why a text is not a snapshot, and where that shows.
package struct RTFSError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable, CaseIterable {
    case unexpectedEnd = "unexpected-end"
    case unexpectedByte = "unexpected-byte"
    case badEscape = "bad-escape"
    case badNumber = "bad-number"
    case badJSON = "bad-json"
    case invalidUTF8 = "invalid-utf8"
    case expectedKey = "expected-key"
    case unknownWord = "unknown-word"
    case unknownKeyword = "unknown-keyword"
    case repeatedKeyword = "repeated-keyword"
    case misplaced
    case tooDeep = "too-deep"
    case tooLong = "too-long"
  }

  package var code: Code
  /// Byte offset in the text.
  package var offset: Int
  /// Counted from 1.
  package var line: Int
  /// For `badJSON`: what is wrong with the text inside the string.
  package var cause: JSONError?

  package init(_ code: Code, at offset: Int, line: Int = 1, cause: JSONError? = nil) {
    self.code = code
    self.offset = offset
    self.line = line
    self.cause = cause
  }

  package var message: String {
    switch code {
    case .unexpectedEnd: "the text ends inside a list"
    case .unexpectedByte: "unexpected byte"
    case .badEscape: "unknown escape in a string"
    case .badNumber: "malformed number"
    case .badJSON: "the string after json is no JSON value: \(cause?.description ?? "unknown")"
    case .invalidUTF8: "invalid UTF-8"
    case .expectedKey: "expected a key: a string or a keyword of this kind of record"
    case .unknownWord: "a word that no snapshot has here"
    case .unknownKeyword: "a keyword that this kind of record does not have"
    case .repeatedKeyword: "the keyword stands twice"
    case .misplaced: "a list that does not belong here"
    case .tooDeep: "nested deeper than 10,000 levels"
    case .tooLong: "record too long to hold"
    }
  }

  package var description: String { "line \(line), byte \(offset): \(message)" }
}
