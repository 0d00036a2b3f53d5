import Records

/// What went wrong with a migration or an export.
package struct MigrationError: Error, Sendable {
  package enum Code: String, Sendable {
    case exists
    case refused
    case notFound = "not-found"
    case verificationFailed = "verification-failed"
    case usage
  }

  package var code: Code
  package var message: String
  package var path: String?
  package var line: Int?
  package var offset: Int?
  package var hint: String?
  package var findings: [Finding]

  package init(
    _ code: Code, _ message: String, path: String? = nil, line: Int? = nil, offset: Int? = nil,
    hint: String? = nil, findings: [Finding] = []
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.line = line
    self.offset = offset
    self.hint = hint
    self.findings = findings
  }
}
