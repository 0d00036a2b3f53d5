/// The shapes in which bytes are damaged, or kept out of the recovered store. Stable names, for
/// the ledger.
package enum DamageShape: String, Sendable, CaseIterable {
  /// A record cut off, with the next one behind it on the same line.
  case tornSplice = "torn-splice"
  /// A record cut off at the end of its line.
  case tornRecord = "torn-record"
  /// The file ends inside a record.
  case tornTail = "torn-tail"
  /// The end of a record whose beginning is gone.
  case orphanSuffix = "orphan-suffix"
  /// What is left of a record around another one that stands whole inside it.
  case interleaved
  case nulRun = "nul-run"
  case conflictMarker = "conflict-marker"
  case commentLine = "comment-line"
  case invalidUTF8 = "invalid-utf8"
  case controlCharacter = "control-character"
  /// JSON that no parser takes, for another reason than a cut.
  case malformed
  /// Nothing of it looks like text of this kind.
  case garbage
  /// Intact JSON that the rules of the kind refuse.
  case badRecord = "bad-record"
  /// A value too deep or too long to be read.
  case tooLarge = "too-large"
  /// Intact JSON whose content hash is not the one that is on record for it.
  case hashMismatch = "hash-mismatch"
  /// A part of an archive that cannot be decompressed.
  case damagedFrame = "damaged-frame"
  /// A page of a database that holds no rows that can be read.
  case damagedPage = "damaged-page"

  /// For people: what it is and what can be done about it.
  package var explanation: String {
    switch self {
    case .tornSplice: "a record was cut off and the next one written behind it"
    case .tornRecord: "a record is cut off; what follows it is not affected"
    case .tornTail: "the file ends inside a record: a crash or a full disk"
    case .orphanSuffix: "the end of a record without its beginning: older, longer content"
    case .interleaved: "parts of a record with another one between them: two writers at once"
    case .nulRun: "NUL bytes: power was lost before the data reached the disk"
    case .conflictMarker: "a conflict marker of git"
    case .commentLine: "a comment: no record, and the owning application may refuse it"
    case .invalidUTF8: "a record with bytes that are no UTF-8"
    case .controlCharacter: "a record with a raw control character in a string"
    case .malformed: "a record that is no valid JSON"
    case .garbage: "bytes that look like nothing of this store"
    case .badRecord: "valid JSON, but the rules of this kind of store refuse it"
    case .tooLarge: "a value too deep or too long to be read"
    case .hashMismatch: "a record that was altered: its content hash is another"
    case .damagedFrame: "a part of an archive that cannot be decompressed"
    case .damagedPage: "a page of a database that cannot be read"
    }
  }
}
