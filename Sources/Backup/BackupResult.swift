import Records
import Snapshot
import SystemPackage

/// What `backup` came to.
package struct BackupResult: Sendable {
  /// Nil where nothing had changed and `--skip-unchanged` was given.
  package var archive: FilePath?
  package var manifest: Manifest
  package var seal: ArchiveSeal?
  package var log: FindingLog
  /// The backup that already holds this state.
  package var unchangedSince: FilePath?
  /// Why the backup is in the fallback directory, if it is.
  package var obstacle: (any Error)?
  /// Whether it was only found out, not made, and is going to be read back when it is.
  var isForeseenVerified = false

  /// Whether the archive was read back and found good, or is going to be.
  package var isVerified: Bool { seal?.isVerified ?? isForeseenVerified }

  /// Whether a good backup holds this state of the store now.
  package var isGood: Bool { unchangedSince != nil || (!manifest.isSuspect && isVerified) }
}

extension BackupResult {
  /// Tells why it is not where it was meant to be.
  mutating func note(_ obstacle: (any Error)?) {
    guard let obstacle else { return }
    self.obstacle = obstacle
    log.add(
      Finding(
        .warning, .writtenElsewhere,
        (archive == nil
          ? "still holds what the store does, and stands in: " : "was written here instead: ")
          + "\(obstacle)",
        path: (archive ?? unchangedSince)?.string))
  }
}
