import LosslessJSON
import Records
import Snapshot
import Stores

/// Which records two stores do not share, by kind, id and canonical hash.
package struct StoreDiff: Sendable {
  /// `kind:id` of records only in the second store, only in the first, and of those that both
  /// have with different content; sorted.
  package var added: [String] = []
  package var removed: [String] = []
  package var changed: [String] = []
  package var digests: (Hash256, Hash256)
  /// Errors met while reading either.
  package var findings = FindingLog()

  package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty }

  /// Memory is bounded by 64 bytes a record and the size of the difference.
  package init(_ a: OpenedStore, _ b: OpenedStore, options: ReadOptions = ReadOptions()) throws {
    let left = try Survey.read(a.tree, as: a.format, options: options, rules: false)
    let right = try Survey.read(b.tree, as: b.format, options: options, rules: false)
    digests = (left.digest(), right.digest())
    findings.add(left.log)
    findings.add(right.log)
    let (onlyLeft, onlyRight) = left.records.difference(from: right.records)
    if onlyLeft.isEmpty, onlyRight.isEmpty { return }
    let before = try Self.labels(of: onlyLeft, in: a, options)
    let after = try Self.labels(of: onlyRight, in: b, options)
    for (label, count) in before.sorted(by: Self.inOrder) {
      let text = String(decoding: label, as: UTF8.self)
      let shared = min(count, after[label] ?? 0)
      changed += Array(repeating: text, count: shared)
      removed += Array(repeating: text, count: count - shared)
    }
    for (label, count) in after.sorted(by: Self.inOrder) {
      let text = String(decoding: label, as: UTF8.self)
      added += Array(repeating: text, count: count - min(count, before[label] ?? 0))
    }
  }

  private static func inOrder(
    _ a: (key: [UInt8], value: Int), _ b: (key: [UInt8], value: Int)
  ) -> Bool {
    a.key.lexicographicallyPrecedes(b.key)
  }

  /// How many records there are of each `kind:id`, as bytes: strings would take names that differ
  /// in their Unicode form for one.
  private static func labels(
    of hashes: [Hash256], in store: OpenedStore, _ options: ReadOptions
  ) throws -> [[UInt8]: Int] {
    let wanted = Set(hashes)
    var left: [Hash256: Int] = [:]
    for hash in hashes { left[hash, default: 0] += 1 }
    var labels: [[UInt8]: Int] = [:]
    let survey = Survey(rules: false)
    survey.onRecord = { record, hash in
      guard wanted.contains(hash), let count = left[hash], count > 0 else { return }
      left[hash] = count - 1
      var label = ByteBuffer(record.kind.word)
      label.append(0x3A)
      record.appendID(to: &label)
      labels[label.array, default: 0] += 1
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
    return labels
  }
}
