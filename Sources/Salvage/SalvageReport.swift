import LosslessJSON
import Records
import SystemPackage

/// What became of one input.
package struct InputReport: Sendable {
  /// As the person named it, or below what they named.
  package var path: FilePath
  package var kind: String
  /// Bytes.
  package var size: Int
  package var account = InputAccount()
  /// What was written to `unproven/`: records, where they can be counted, and bytes of its files.
  /// It is no part of the account, for the bytes that it came from are quarantined.
  package var unproven = InputAccount.Tally()
  /// What is worth knowing beside the ranges: duplicate ids, an encoding, an empty file.
  package var notes: [Finding] = []
  /// How many notes there were beyond those kept.
  package var notesLeftOut = 0
  /// The ranges that are neither recovered nor insignificant, the first of them.
  package var losses: [LedgerRange] = []
  package static let lossLimit = 200
  package static let noteLimit = 200

  init(path: FilePath, kind: String, size: Int) {
    self.path = path
    self.kind = kind
    self.size = size
  }

  /// Whether every byte came back as a record or means nothing.
  package var isWhole: Bool {
    account[.quarantined].bytes == 0 && account[.irregular].records == 0
      && account[.repaired].records == 0 && !notes.contains { $0.severity == .error }
  }

  mutating func note(_ finding: Finding) {
    if notes.count < Self.noteLimit { notes.append(finding) } else { notesLeftOut += 1 }
  }

  /// The members that `--json` and the ledger share.
  package func encodeTally(to builder: inout JSONBuilder) {
    for fate in [Fate.recovered, .irregular, .repaired] {
      builder.key(fate.rawValue)
      builder.object {
        $0.member("records", account[fate].records)
        $0.member("bytes", account[fate].bytes)
      }
    }
    builder.key(Fate.insignificant.rawValue)
    builder.object { $0.member("bytes", account[.insignificant].bytes) }
    builder.key(Fate.quarantined.rawValue)
    builder.object {
      $0.member("ranges", account[.quarantined].ranges)
      $0.member("bytes", account[.quarantined].bytes)
    }
    builder.key("unproven")
    builder.object {
      $0.member("records", unproven.records)
      $0.member("bytes", unproven.bytes)
    }
  }
}

/// A record that came from elsewhere than the damaged store, or of which there is another version.
package struct FilledRecord: Sendable {
  package enum State: Sendable {
    /// The damage had destroyed it.
    case filled
    /// Both have it, and not the same: the damaged store's own was kept, for it may be newer.
    case differs
    /// Damage has altered it, for nothing has written the file since the backup: it was left out,
    /// and what the backup has of it, if anything, filled in.
    case altered
  }

  /// `kind:id`.
  package var record: String
  /// The backup that it came from, or the encoding within the input.
  package var origin: String
  package var state = State.filled

  func encode(to builder: inout JSONBuilder) {
    builder.object {
      $0.member("record", record)
      $0.member("origin", origin)
      $0.member("conflict", state == .differs)
      $0.member("altered", state == .altered)
    }
  }
}

/// The records that came from elsewhere, or differ: all of them counted, the first of them named.
package struct FilledRecords: Sendable {
  package private(set) var named: [FilledRecord] = []
  /// Records filled in.
  package private(set) var count = 0
  /// Records that both have and that differ.
  package private(set) var conflicts = 0
  /// Records that damage has altered without making them unreadable.
  package private(set) var altered = 0
  package static let limit = 100_000

  package var leftOut: Int { count + conflicts + altered - named.count }

  mutating func add(
    _ record: @autoclosure () -> FilledRecord, _ state: FilledRecord.State = .filled
  ) {
    switch state {
    case .filled: count += 1
    case .differs: conflicts += 1
    case .altered: altered += 1
    }
    if named.count < Self.limit { named.append(record()) }
  }

  mutating func add(_ other: FilledRecords) {
    count += other.count
    conflicts += other.conflicts
    altered += other.altered
    named += other.named.prefix(Self.limit - named.count)
  }
}

/// What a salvage did.
package struct SalvageReport: Sendable {
  package var inputs: [InputReport] = []
  package var output: FilePath
  /// Records recovered, by kind.
  package var counts: [RecordKind: Int] = [:]
  package var filled = FilledRecords()
  /// Records recovered from contexts that were not asked for, and kept apart.
  package var otherContexts = 0
  /// Files of the inputs that belong to no store.
  var skipped: [FilePath] = []
  /// The backup that was filled in from.
  var backup: FilePath?
  /// What may hold several contexts: the input, and its name below `recovered/`.
  var graphs: [(path: FilePath, name: FilePath)] = []

  /// Whether nothing was lost or refused.
  package var isWhole: Bool {
    inputs.allSatisfy(\.isWhole) && filled.count == 0 && filled.conflicts == 0
      && filled.altered == 0
  }

  package func total(_ fate: Fate) -> InputAccount.Tally {
    inputs.reduce(into: InputAccount.Tally()) {
      $0.records += $1.account[fate].records
      $0.bytes += $1.account[fate].bytes
      $0.ranges += $1.account[fate].ranges
    }
  }
}
