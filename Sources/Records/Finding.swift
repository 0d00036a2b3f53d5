/// Something worth knowing about a store or a backup, and exactly where it is.
package struct Finding: Sendable, Equatable {
  package enum Severity: String, Sendable, Comparable {
    /// Bytes are lost or unreadable, or the owning application would refuse or drop the record.
    case error
    /// The data are intact but disagree with the rules of their kind.
    case warning
    /// Worth knowing, nothing to do.
    case note

    private var rank: Int { self == .error ? 0 : self == .warning ? 1 : 2 }
    package static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
  }

  /// Stable names, for `--json` and for golden files.
  package enum Code: String, Sendable, CaseIterable {
    // Bytes.
    case unreadable
    case tornTail = "torn-tail"
    case byteOrderMark = "byte-order-mark"
    case commentLine = "comment-line"
    case nulBytes = "nul-bytes"
    case empty
    // Records.
    case missingField = "missing-field"
    case wrongType = "wrong-type"
    case repeatedKey = "repeated-key"
    case unknownType = "unknown-type"
    case unknownValue = "unknown-value"
    case duplicateID = "duplicate-id"
    case duplicateEdge = "duplicate-edge"
    case danglingEnd = "dangling-end"
    case missingChart = "missing-chart"
    case timeOrder = "time-order"
    case badTime = "bad-time"
    case badID = "bad-id"
    case blankText = "blank-text"
    case keyMismatch = "key-mismatch"
    case familyMismatch = "family-mismatch"
    case badJSON = "bad-json"
    // Files of a store.
    case hashMismatch = "hash-mismatch"
    case missingFile = "missing-file"
    case orphan
    case badIndex = "bad-index"
    case leftover
    case skippedFile = "skipped-file"
    case integrityCheck = "integrity-check"
    case missingColumn = "missing-column"
    // What becomes of a store in another form.
    case contextLost = "context-lost"
    // Backups.
    case damagedFrame = "damaged-frame"
    case damagedMember = "damaged-member"
    case badManifest = "bad-manifest"
    case sidecarMissing = "sidecar-missing"
    case sidecarMismatch = "sidecar-mismatch"
    case unproven
    case encodingsDisagree = "encodings-disagree"
    case encodingHolds = "encoding-holds"
    case unknownMember = "unknown-member"
    case futureTime = "future-time"
    case writtenElsewhere = "written-elsewhere"
  }

  package var severity: Severity
  package var code: Code
  package var message: String
  /// Path as the user would type it.
  package var path: String?
  /// Counted from 1.
  package var line: Int?
  /// Byte offset in the file.
  package var offset: Int?
  /// Bytes concerned, for ranges that could not be read.
  package var length: Int?
  /// `kind:id`.
  package var record: String?

  package init(
    _ severity: Severity, _ code: Code, _ message: String, path: String? = nil,
    line: Int? = nil, offset: Int? = nil, length: Int? = nil, record: String? = nil
  ) {
    self.severity = severity
    self.code = code
    self.message = message
    self.path = path
    self.line = line
    self.offset = offset
    self.length = length
    self.record = record
  }
}

/// Findings in the order they were made. Of each code the first `limit` are kept and the rest
/// only counted, so that a badly damaged store does not fill the memory.
package struct FindingLog: Sendable {
  package static let limit = 10_000

  package private(set) var findings: [Finding] = []
  /// How many there were of each code, kept or not.
  package private(set) var counts: [Finding.Code: Int] = [:]
  /// How many there were of each severity, kept or not.
  package private(set) var severities: [Finding.Severity: Int] = [:]
  package var errors: Int { severities[.error] ?? 0 }

  package init() {}

  package mutating func add(_ finding: Finding) {
    let count = (counts[finding.code] ?? 0) + 1
    counts[finding.code] = count
    severities[finding.severity, default: 0] += 1
    if count <= Self.limit { findings.append(finding) }
  }

  package mutating func add(_ more: FindingLog) {
    var room = counts.mapValues { max(Self.limit - $0, 0) }
    for finding in more.findings {
      let left = room[finding.code] ?? Self.limit
      room[finding.code] = left - 1
      if left > 0 { findings.append(finding) }
    }
    counts.merge(more.counts, uniquingKeysWith: +)
    severities.merge(more.severities, uniquingKeysWith: +)
  }

  /// All findings, those not kept included.
  package var total: Int { counts.values.reduce(0, +) }

  /// Turns every error that `isMeant` into a warning with this message.
  package mutating func soften(_ message: String, where isMeant: (Finding) -> Bool) {
    for index in findings.indices
    where findings[index].severity == .error && isMeant(findings[index]) {
      findings[index].severity = .warning
      findings[index].message = message
      severities[.error, default: 0] -= 1
      severities[.warning, default: 0] += 1
    }
  }
}
