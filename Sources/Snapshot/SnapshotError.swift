/// What went wrong with a backup as a backup.
package struct SnapshotError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case notBackup = "not-a-backup"
    case badManifest = "bad-manifest"
    case damaged
    case disagree = "encodings-disagree"
  }

  package var code: Code
  package var message: String
  package var path: String?
  package var offset: Int?
  package var hint: String?

  package init(
    _ code: Code, _ message: String, path: String? = nil, offset: Int? = nil, hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.offset = offset
    self.hint = hint
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}
