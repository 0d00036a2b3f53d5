import Disk
import Records
import Stores
import SystemPackage

/// The newest backup of a directory of backups, read once when it is needed.
struct BackupFallback {
  private let directory: String
  private var contents: StoreContents?
  private var isRead = false
  private(set) var notes: [Finding] = []
  /// What has been deleted since, and is not to come back from the backup.
  private var removed: Set<RecordName> = []

  init(_ directory: String) { self.directory = directory }

  /// The newest backup that can be read; those that cannot are passed over, with a finding.
  private mutating func newest() -> StoreContents? {
    if isRead { return contents }
    isRead = true
    let place = FilePath(directory)
    let names = (try? TreeWalk.names(in: place).map(\.string)) ?? []
    let backups = names.compactMap { name in Self.time(of: name).map { (time: $0, name: name) } }
    for backup in backups.sorted(by: { ($0.time, $0.name) > ($1.time, $1.name) }) {
      let path = place.appending(backup.name).string
      do throws(StorageError) {
        let found = try StoreContents(path, formats: StorageFactory.formats)
        try found.refuseDamage()
        contents = found
        notes.append(
          Finding(
            .warning, .writtenElsewhere,
            "what the damaged store cannot give is read from this backup", path: path))
        return found
      } catch {
        notes.append(Finding(.warning, .unreadable, error.message, path: path))
      }
    }
    notes.append(
      Finding(.warning, .missingFile, "holds no backup that can be read", path: directory))
    return nil
  }

  /// The time in the name of a backup, `NAME-YYYYMMDDTHHMMSSZ.tar.zst` and so on.
  private static func time(of name: String) -> String? {
    guard let dot = name.range(of: ".tar") else { return nil }
    let stem = name[..<dot]
    let rest = name[dot...]
    guard [".tar", ".tar.gz", ".tar.zst"].contains(String(rest)), stem.count > 16 else {
      return nil
    }
    let time = stem.suffix(16)
    return time.hasSuffix("Z") && time.dropLast().allSatisfy { $0.isNumber || $0 == "T" }
      ? String(time) : nil
  }

  /// Takes note of a change that has been made to the store.
  mutating func follow(_ change: Change) {
    switch change {
    case .put(let record): removed.remove(record.name)
    case .remove(let name): removed.insert(name)
    }
  }

  mutating func find(_ name: RecordName) -> RecordText? {
    if removed.contains(name) { return nil }
    return newest()?.records.first { $0.name == name }?.text
  }

  mutating func records(_ kind: RecordKind, scope: [UInt8]?) -> [StoredRecord] {
    (newest()?.records ?? []).filter {
      $0.name.kind == kind && (scope == nil || $0.name.scope == scope) && !removed.contains($0.name)
    }
  }
}

extension String {
  /// Where a part starts; nil where it is none.
  fileprivate func range(of part: String) -> String.Index? {
    indices.first { self[$0...].hasPrefix(part) }
  }
}
