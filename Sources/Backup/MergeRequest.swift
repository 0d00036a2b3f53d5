import Records
import Snapshot
import Stores
import SystemPackage

/// What was asked of `merge`.
package struct MergeRequest: Sendable {
  /// What becomes of records that have the same id and different content.
  package enum Policy: String, Sendable, CaseIterable {
    /// The version that was changed last, by `updated_at` or `updatedAt`.
    case newest
    /// The version of the store that was named first.
    case first
    /// All versions.
    case keepBoth = "keep-both"
    /// Nothing is merged.
    case fail
  }

  package var target: FilePath
  package var policy = Policy.fail
  /// Whether the observations of an entity are united, those of the version kept first.
  package var unitesObservations = false
  /// What to make, a word of `--as`; nil: what the first store is.
  package var form: String?
  package var options = ReadOptions()
  /// Whether what is at the target is kept as an undo copy and replaced.
  package var replaces = false
  /// Unix seconds.
  package var time: Int

  package init(target: FilePath, time: Int) {
    self.target = target
    self.time = time
  }
}

/// A record that the stores have with different content.
package struct MergeConflict: Sendable {
  /// One of the contents, where it occurs first.
  package struct Version: Sendable {
    /// The store, by its place among those named.
    package var store: Int
    package var kind: RecordKind
    /// The file as the user would type it; line from 1, 0 where lines mean nothing.
    package var path: String
    package var line: Int
    package var offset: Int
    package var updated: ISOTime?
    package var hash: Hash256
    /// The number of the record in the order of reading.
    var ordinal: Int
  }

  /// What becomes of it.
  package enum Outcome: Sendable, Equatable {
    /// One version is kept, by its place in `versions`.
    case kept(Int)
    case keptAll
    /// The observations of all versions, the other fields those of one.
    case united(Int)
    /// It stands in the way of the merge, and why.
    case unresolved(String)
  }

  /// `kind:id`.
  package var record: String
  package var versions: [Version]
  package var outcome: Outcome
  /// In what the second version differs from the first; only of the conflicts listed first.
  package var fields: [FieldChange] = []

  package var isUnresolved: Bool {
    if case .unresolved = outcome { return true }
    return false
  }
}

/// A store that takes part in a merge.
package struct MergeSource: Sendable {
  package var path: String
  package var kind: String
  package var records: Int
  package var digest: Hash256
  /// Of all records' canonical hashes in their order: tells whether a second reading was of the
  /// same store.
  var sequence: Hash256
}
