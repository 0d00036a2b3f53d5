import CSQLite
import LosslessJSON

/// FTS5's tokenizer `unicode61`, for words that are not plain ASCII. Beside `Connection`,
/// `Statement`, `RowWriter` and `SourceVFS` the one file of this room that touches raw memory:
/// what it is given, and what it calls back with, is read before the call returns.
final class WordTokenizer {
  private var functions = fts5_tokenizer()
  private var instance: OpaquePointer?
  /// The tokens of the last call, one behind the other, and where each ends.
  private(set) var tokens = ByteBuffer()
  private(set) var ends: [Int] = []

  /// FTS5 cuts off longer tokens.
  static let sizeLimit = 32_768

  init(_ connection: borrowing Connection) throws(DatabaseError) {
    let result = holdfast_unicode61(connection.handle, &functions, &instance)
    if result != SQLITE_OK { throw connection.failure("cannot find the tokenizer", result) }
  }

  deinit { if let instance { functions.xDelete?(instance) } }

  /// Finds the tokens of `text`, UTF-8.
  func run(_ text: Span<UInt8>) throws(DatabaseError) {
    var found = (tokens: tokens, ends: ends)
    tokens = ByteBuffer()
    ends = []
    found.tokens.removeAll()
    found.ends.removeAll(keepingCapacity: true)
    let result = text.withUnsafeBytes { bytes in
      withUnsafeMutablePointer(to: &found) { found in
        functions.xTokenize?(
          instance, found, FTS5_TOKENIZE_DOCUMENT,
          bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count)
        ) { context, _, start, length, _, _ in
          guard let context, let start else { return SQLITE_OK }
          let memory = UnsafeRawBufferPointer(
            start: start, count: min(Int(length), WordTokenizer.sizeLimit))
          let found = context.assumingMemoryBound(to: (tokens: ByteBuffer, ends: [Int]).self)
          found.pointee.tokens.append(Span(_unsafeBytes: memory))
          found.pointee.ends.append(found.pointee.tokens.count)
          return SQLITE_OK
        }
      }
    }
    (tokens, ends) = found
    if let result, result != SQLITE_OK {
      throw DatabaseError(.failed, "cannot take words apart", result: result)
    }
  }
}
