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
    let (onlyLeft, onlyRight) = left.records.difference(from: &right.records)
    if onlyLeft.isEmpty, onlyRight.isEmpty { return }
    let before = try Self.labels(of: onlyLeft, in: a, options)
    let after = try Self.labels(of: onlyRight, in: b, options)
    for (label, count) in before {
      let shared = min(count, after[label] ?? 0)
      changed += Array(repeating: label, count: shared)
      removed += Array(repeating: label, count: count - shared)
    }
    for (label, count) in after {
      added += Array(repeating: label, count: count - min(count, before[label] ?? 0))
    }
    added.sort()
    removed.sort()
    changed.sort()
  }

  private static func labels(
    of hashes: [Hash256], in store: OpenedStore, _ options: ReadOptions
  ) throws -> [String: Int] {
    let wanted = Set(hashes)
    var left: [Hash256: Int] = [:]
    for hash in hashes { left[hash, default: 0] += 1 }
    var labels: [String: Int] = [:]
    let survey = Survey(rules: false)
    survey.onRecord = { record, hash in
      guard wanted.contains(hash), let count = left[hash], count > 0 else { return }
      left[hash] = count - 1
      labels[record.label, default: 0] += 1
    }
    try store.format.read(store.tree, options, survey)
    try survey.finish()
    return labels
  }
}
