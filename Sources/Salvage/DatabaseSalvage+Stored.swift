import Database
import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A migrated database: its tables say the same records several times over, and must agree.
extension DatabaseSalvage {
  /// Whether the database is one that `migrate` made: the table of records tells.
  var isStored: Bool {
    tables.contains { table in
      table.name == "records"
        && table.columns.map(\.name).suffix(3) == ["content_hash", "canonical_hash", "payload"]
    }
  }

  /// Writes the database anew from its records where its tables do not agree any more, or a record
  /// does not have its hash. What the pages held then lies below `irregular/`, for the rows that no
  /// record goes with.
  /// - Returns: false where its tables lack what records are made of; nothing is changed then.
  func settleStored() throws -> Bool {
    let found = StoredRecordSink(nil)
    do {
      try StoreFormat.sqlite.read(DiskTree(target), ReadOptions(), found)
    } catch is DatabaseError { found.errors += 1 }
    if found.errors == 0 {
      count(found)
      return true
    }
    let name = target.lastComponent?.string ?? "store.db"
    let place = target.removingLastComponent().appending(".anew-\(name)")
    defer { try? Disk.remove(place) }
    try Disk.makeDirectory(place)
    var options = WriteOptions(directory: place)
    options.fileName = FilePath("store.db")
    let writer = try StoredWriter(options, like: target)
    let records = StoredRecordSink(writer)
    do {
      try StoredRecords.readSalvaged(target, into: records)
    } catch let error as DatabaseError where error.code == .sql { return false }
    let written = try writer.finish()
    count(records)
    for finding in records.unreadable { sink.note(finding) }
    for label in records.altered {
      sink.note(
        Finding(
          .error, .hashMismatch, "does not have the hash that stands beside it: it was altered",
          record: label))
    }
    try Disk.makeDirectory(irregular)
    try Disk.rename(target, to: irregular.appending(name), replacing: false)
    try Disk.rename(written.root, to: target, replacing: false)
    sink.note(
      Finding(
        .warning, .leftover,
        "its tables did not agree any more: it was made anew from its records, and all rows that "
          + "were found are in irregular/\(name)"))
    return true
  }

  private func count(_ records: StoredRecordSink) {
    for (kind, count) in records.counts { sink.count(kind, count) }
    if isSound { tallies[0, default: PageTally()].rows += records.counts.values.reduce(0, +) }
  }
}

/// Counts the records of a migrated database, and passes them on.
private final class StoredRecordSink: RecordSink {
  private let writer: StoredWriter?
  private(set) var counts: [RecordKind: Int] = [:]
  /// Labels of records that do not have the hash beside them.
  private(set) var altered: [String] = []
  /// What is wrong with rows that no record could be made of.
  private(set) var unreadable: [Finding] = []
  var errors = 0
  private var isAltered = false

  init(_ writer: StoredWriter?) { self.writer = writer }

  func take(_ record: inout Record) throws {
    if isAltered {
      isAltered = false
      return altered.append(record.label)
    }
    counts[record.kind, default: 0] += 1
    try writer?.write(&record, at: WritePlace())
  }

  func note(_ finding: Finding) {
    if finding.severity == .error { errors += 1 }
    if finding.code == .hashMismatch { isAltered = true }
    if finding.code == .unreadable {
      unreadable.append(
        Finding(.error, .unreadable, "\(finding.message): its row is in irregular/"))
    }
  }
}
