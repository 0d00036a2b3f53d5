import Disk
import LosslessJSON
import Records
import Snapshot
import Stores

/// A record that two stores have with different content.
package struct RecordChange: Sendable {
  /// `kind:id`.
  package var record: String
  package var fields: [FieldChange]
  /// What the containers said of it, where they do not say the same.
  package var scopes: (before: [UInt8], after: [UInt8])?
}

/// Which records two stores do not share, by kind, id and canonical hash, and in what those that
/// both have differ.
package struct StoreDiff: Sendable {
  /// `kind:id` of records only in the second store, and only in the first; sorted.
  package var added: [String] = []
  package var removed: [String] = []
  /// Records that both have with different content, sorted by `kind:id`. Where an id occurs more
  /// than once, the first one is compared with the first, and so on.
  package var changes: [RecordChange] = []
  package var changed: [String] { changes.map(\.record) }
  package var digests: (Hash256, Hash256)
  /// Errors met while reading either.
  package var findings = FindingLog()

  package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changes.isEmpty }

  /// A record of the first store that is not in the second: where its bytes are put aside.
  private struct Shelved {
    var start: Int
    var count: Int
    var scope: [UInt8]
  }

  /// Memory is bounded by 64 bytes a record and the size of the difference.
  package init(_ a: OpenedStore, _ b: OpenedStore, options: ReadOptions = ReadOptions()) throws {
    let left = try Survey.read(a.tree, as: a.format, options: options, rules: false)
    let right = try Survey.read(b.tree, as: b.format, options: options, rules: false)
    digests = (left.digest(), right.digest())
    findings.add(left.log)
    findings.add(right.log)
    let (onlyLeft, onlyRight) = left.records.difference(from: right.records)
    if onlyLeft.isEmpty, onlyRight.isEmpty { return }
    let shelf = Shelf()
    var before: [[UInt8]: [Shelved]] = [:]
    var bytes = ByteBuffer()
    try Self.read(onlyLeft, in: a, options) { label, record in
      bytes.removeAll()
      record.text.appendCompact(to: &bytes)
      let text = bytes
      let start = try shelf.append(text.span)
      before[label, default: []].append(
        Shelved(start: start, count: text.count, scope: record.scope))
    }
    var used: [[UInt8]: Int] = [:]
    var (added, changes): ([[UInt8]], [(label: [UInt8], change: RecordChange)]) = ([], [])
    try Self.read(onlyRight, in: b, options) { label, record in
      let next = used[label, default: 0]
      guard let known = before[label], next < known.count else {
        added.append(label)
        return
      }
      used[label] = next + 1
      bytes.removeAll()
      try shelf.read(at: known[next].start, count: known[next].count, into: &bytes)
      let old = try JSONText(bytes.span)
      let isMoved = known[next].scope != record.scope
      changes.append(
        (
          label,
          RecordChange(
            record: String(decoding: label, as: UTF8.self),
            fields: FieldComparison.changes(from: old, to: record.text),
            scopes: isMoved ? (known[next].scope, record.scope) : nil)
        ))
    }
    self.added = Self.sorted(added)
    self.changes = changes.sorted { $0.label.lexicographicallyPrecedes($1.label) }.map(\.change)
    removed = Self.sorted(
      before.flatMap { label, all in
        Array(repeating: label, count: all.count - used[label, default: 0])
      })
  }

  private static func sorted(_ labels: [[UInt8]]) -> [String] {
    labels.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Calls `body` for each record with one of these hashes, as often as the hash is listed, in
  /// store order. Labels are bytes: strings would take names that differ in their Unicode form
  /// for one.
  private static func read(
    _ hashes: [Hash256], in store: OpenedStore, _ options: ReadOptions,
    _ body: @escaping (_ label: [UInt8], _ record: inout Record) throws -> Void
  ) throws {
    var left: [Hash256: Int] = [:]
    for hash in hashes { left[hash, default: 0] += 1 }
    let survey = Survey(rules: false)
    survey.onRecord = { record, hash in
      guard let count = left[hash], count > 0 else { return }
      left[hash] = count - 1
      var label = ByteBuffer(record.kind.word)
      label.append(0x3A)
      record.appendID(to: &label)
      try body(label.array, &record)
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
  }
}
