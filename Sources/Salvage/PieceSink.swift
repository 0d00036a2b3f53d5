import Disk
import LosslessJSON
import Records
import SystemPackage

/// Takes the pieces of one input in their order, without a gap: writes each where it belongs and
/// keeps the account.
final class PieceSink {
  private let ledger: LedgerFile
  private let quarantine: Quarantine
  private let irregularFile: PendingFile
  private let repairedFile: PendingFile
  private(set) var report: InputReport
  /// The range that may still grow.
  private var open: LedgerRange?
  /// How the text of the input is stored, for the lengths of pieces.
  var encoding = TextSource.Encoding.utf8
  /// Bytes of the input itself, for what is stored in another encoding than it is read in.
  var original: ((_ offset: Int, _ length: Int) throws -> ByteBuffer)?
  private var counts: [RecordKind: Int] = [:]
  /// White space behind quarantined bytes that may still grow: theirs if they do.
  private var held = ByteBuffer()
  private static let heldLimit = 64

  init(
    _ report: InputReport, name: FilePath, ledger: LedgerFile, in directory: OutputDirectory
  ) throws {
    self.report = report
    self.ledger = ledger
    quarantine = Quarantine(name, in: directory)
    irregularFile = PendingFile(FilePath("irregular").pushing(name), in: directory)
    repairedFile = PendingFile(FilePath("repaired").pushing(name), in: directory)
    try ledger.beginInput(
      path: TreeWalk.bytes(of: report.path), kind: report.kind, size: report.size)
  }

  /// Where the next piece starts.
  var position: Int {
    guard let open else { return report.account.end }
    return open.end + held.count
  }

  private func stored(_ bytes: Span<UInt8>) -> Int { TextSource.stored(bytes, as: encoding) }

  /// Bytes that mean nothing: white space, separators, marks.
  func insignificant(_ bytes: Span<UInt8>) throws {
    if let open, open.fate == .quarantined, let shape = open.shape, Self.grows(shape),
      encoding == .utf8, held.count + bytes.count <= Self.heldLimit
    {
      return held.append(bytes)
    }
    try insignificant(length: stored(bytes))
  }

  func insignificant(length: Int) throws {
    if length == 0 { return }
    if open?.fate == .recovered || open?.fate == .insignificant {
      open?.length += length
      open?.insignificant += length
      return
    }
    try close()
    open = LedgerRange(offset: report.account.end, length: length, fate: .insignificant)
  }

  /// A record that has been written to the recovered store.
  func recovered(_ bytes: Span<UInt8>, _ kind: RecordKind) throws {
    try recovered(length: stored(bytes), kind)
  }

  func recovered(length: Int, _ kind: RecordKind, line: Int? = nil) throws {
    counts[kind, default: 0] += 1
    if open?.fate == .recovered || open?.fate == .insignificant {
      open?.fate = .recovered
      open?.length += length
      open?.records += 1
      return
    }
    try close()
    open = LedgerRange(
      offset: report.account.end, length: length, fate: .recovered, records: 1, line: line)
  }

  /// A record that came back although its bytes here are lost or belong elsewhere.
  func count(_ kind: RecordKind, _ records: Int = 1) { counts[kind, default: 0] += records }

  /// Says what was written to `unproven/`.
  func unproven(records: Int, bytes: Int) {
    report.unproven = InputAccount.Tally(records: records, bytes: bytes)
  }

  /// Says how many records came of the range that is open, or of others beside it where that was not
  /// recovered.
  func credit(_ records: Int) {
    if open?.fate == .recovered { open?.records += records } else { creditAll(records) }
  }

  /// Says how many records came of an input beside those of its ranges.
  func creditAll(_ records: Int, _ fate: Fate = .recovered) { report.account.credit(records, fate) }

  /// Whether nothing so far was quarantined or irregular.
  var isSound: Bool {
    report.account[.quarantined].bytes == 0 && report.account[.irregular].records == 0
      && (open == nil || open?.fate == .recovered || open?.fate == .insignificant)
  }

  var recordCounts: [RecordKind: Int] { counts }

  /// Bytes that frame the records, or say again what was recovered elsewhere.
  func redundant(_ bytes: Span<UInt8>) throws {
    let length = stored(bytes)
    if length == 0 { return }
    if open?.fate == .recovered || open?.fate == .insignificant {
      open?.fate = .recovered
      open?.length += length
      return
    }
    try close()
    open = LedgerRange(offset: report.account.end, length: length, fate: .recovered)
  }

  /// Intact JSON that the rules of the kind refuse, or a record of which another copy is in use.
  func irregular(
    _ bytes: Span<UInt8>, storedLength: Int? = nil, shape: DamageShape = .badRecord,
    reason: String, line: Int?
  ) throws {
    try close()
    let start = report.account.end
    try writeIrregular(bytes)
    open = LedgerRange(
      offset: start, length: storedLength ?? stored(bytes), fate: .irregular, records: 1,
      line: line,
      shape: shape, reason: reason, file: irregularFile.name.string)
  }

  /// Writes what was made of the bytes taken last, which are irregular or in quarantine as if
  /// nothing had been made of them.
  func repaired(_ record: JSONText, _ done: String) throws {
    try repairedFile.write {
      record.appendCompact(to: &$0)
      $0.append(0x0A)
    }
    open?.fate = .repaired
    open?.records = 1
    open?.repair = LedgerRange.Mending(done: done, file: repairedFile.name.string)
    try close()
  }

  /// Verbatim where that is one line, else its compact form.
  private func writeIrregular(_ bytes: Span<UInt8>) throws {
    if bytes.firstIndex(of: 0x0A) != nil || bytes.firstIndex(of: 0x0D) != nil,
      let text = try? JSONText(bytes)
    {
      try irregularFile.write { text.appendCompact(to: &$0) }
    } else {
      try irregularFile.append(bytes)
    }
    try irregularFile.append(0x0A)
  }

  /// Bytes that belong to no record. Neighbours of the same shape that are no cut records grow
  /// together, unless `isAlone`.
  func quarantine(
    _ bytes: Span<UInt8>, shape: DamageShape, reason: String? = nil, line: Int?,
    isAlone: Bool = false
  ) throws {
    let length = stored(bytes)
    if length == 0 { return }
    if let open, open.fate == .quarantined, open.shape == shape, Self.grows(shape), !isAlone {
      if !held.isEmpty {
        let between = held
        try quarantine.append(between.span)
        self.open?.length += between.count
        held.removeAll()
      }
      try keep(bytes, at: position, length)
      self.open?.length += length
      return
    }
    try close()
    open = LedgerRange(
      offset: report.account.end, length: length, fate: .quarantined, line: line, shape: shape,
      reason: reason)
    quarantine.begin(report.account.end)
    try keep(bytes, at: report.account.end, length)
  }

  /// Whether ranges of the shape that follow each other are one.
  private static func grows(_ shape: DamageShape) -> Bool { shape == .nulRun || shape == .garbage }

  private func keep(_ bytes: Span<UInt8>, at offset: Int, _ length: Int) throws {
    guard encoding != .utf8, let original else { return try quarantine.append(bytes) }
    let stored = try original(offset, length)
    try quarantine.append(stored.span)
  }

  func note(_ finding: Finding) { report.note(finding) }

  private func close() throws {
    guard var range = open else { return }
    open = nil
    if range.file == nil, range.fate == .quarantined || range.fate == .repaired {
      range.file = try quarantine.end(length: range.length)
    }
    try report.account.add(range)
    try ledger.add(range)
    if range.fate == .quarantined || range.fate == .irregular || range.fate == .repaired {
      if report.losses.count < InputReport.lossLimit { report.losses.append(range) }
    }
    if held.isEmpty { return }
    let space = LedgerRange(
      offset: report.account.end, length: held.count, fate: .insignificant)
    held.removeAll()
    try report.account.add(space)
    try ledger.add(space)
  }

  /// Ends the input. Throws `account` unless every byte of it has been taken.
  func finish() throws -> InputReport {
    try close()
    try report.account.close(size: report.size)
    try quarantine.close()
    try irregularFile.close()
    try repairedFile.close()
    try ledger.endInput(report)
    return report
  }
}
