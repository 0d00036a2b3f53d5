import Archive
import LosslessJSON
import Records
import Stores

/// What a backup says of itself: `manifest.json`, the first member of its archive, and the same
/// again beside the archive with what is known of the archive as a file.
package struct Manifest: Sendable, Equatable {
  package static let format = "holdfast-backup"
  package static let formatVersion = 1
  package static let implementation = "holdfast"
  package static let implementationVersion = "0.1.0"
  /// At most this many findings are written out; `findingCounts` has them all.
  package static let findingLimit = 200

  /// A file or directory of the archive.
  package struct Entry: Sendable, Equatable {
    /// Name of the member, `store/…` for the store's own.
    package var header: MemberHeader
    /// SHA-256 of the content; nil for a directory.
    package var sha256: Hash256?
    /// For `backup.json`: where in it the value of `rtfs` starts, if there is one.
    package var rtfsOffset: Int?

    package init(header: MemberHeader, sha256: Hash256?, rtfsOffset: Int? = nil) {
      self.header = header
      self.sha256 = sha256
      self.rtfsOffset = rtfsOffset
    }
  }

  /// Unix seconds.
  package var time: Int
  package var series: String
  /// Name of the store's kind.
  package var kind: String
  package var isSingleFile: Bool
  package var contexts: [String]
  /// The contexts that alone were asked for: what these name and do not hold may be in another.
  package var onlyContexts: [String]
  package var counts: [RecordKind: Int]
  package var digest: Hash256
  /// The store digest of the backup of this series before this one.
  package var parent: Hash256?
  /// Why this backup must not displace a good one; empty if it may.
  package var suspicions: [String]
  package var findings: [Finding]
  package var findingCounts: [String: Int]
  package var compression: String
  package var hasRTFS: Bool
  package var note: String?
  /// JSON pointer that gave documents their ids.
  package var idField: String?
  /// All members but this manifest and `SHA256SUMS`, in the archive's order.
  package var entries: [Entry]

  package init(time: Int, series: String, kind: String, isSingleFile: Bool, digest: Hash256) {
    self.time = time
    self.series = series
    self.kind = kind
    self.isSingleFile = isSingleFile
    self.digest = digest
    contexts = []
    onlyContexts = []
    counts = [:]
    parent = nil
    suspicions = []
    findings = []
    findingCounts = [:]
    compression = ""
    hasRTFS = true
    note = nil
    idField = nil
    entries = []
  }

  package var isSuspect: Bool { !suspicions.isEmpty }

  package var recordCount: Int { counts.values.reduce(0, +) }

  /// The entries of the store itself, without the `store/` in front.
  package var storeEntries: [Entry] {
    entries.filter { $0.header.path.starts(with: Self.storePrefix) }
  }

  /// The directory that the store is; nil for a store of one file.
  package var root: MemberHeader? {
    entries.last { $0.header.path == Self.rootName && $0.header.kind == .directory }?.header
  }

  package static let storePrefix = Array("store/".utf8)
  package static let rootName = Array("store".utf8)
  package static let manifestName = Array("manifest.json".utf8)
  package static let hybridName = Array("backup.json".utf8)
  package static let sumsName = Array("SHA256SUMS".utf8)

  /// The bytes of `manifest.json`; with `archive`, those of the sidecar.
  package func encoded(archive: ArchiveSeal? = nil) -> [UInt8] {
    var builder = JSONBuilder(pretty: true)
    builder.object { root in
      root.member("format", Self.format)
      root.member("version", Self.formatVersion)
      root.key("implementation")
      root.object {
        $0.member("id", Self.implementation)
        $0.member("version", Self.implementationVersion)
      }
      root.member("timestamp", ISOTime(seconds: time).text)
      root.member("unix_time", time)
      root.member("series", series)
      root.member("kind", kind)
      root.member("single_file", isSingleFile)
      root.key("contexts")
      root.array(of: contexts) { $0.value($1) }
      if !onlyContexts.isEmpty {
        root.key("only_contexts")
        root.array(of: onlyContexts) { $0.value($1) }
      }
      root.key("counts")
      root.object { counts in
        for kind in RecordKind.allCases {
          counts.member(kind.rawValue, ifPresent: self.counts[kind])
        }
      }
      root.member("digest", digest.hex)
      root.member("parent", ifPresent: parent?.hex)
      root.member("suspect", isSuspect)
      root.key("suspicions")
      root.array(of: suspicions) { $0.value($1) }
      root.key("finding_counts")
      root.object { counts in
        for (code, count) in findingCounts.sorted(by: { $0.key < $1.key }) {
          counts.member(code, count)
        }
      }
      root.key("findings")
      root.array(of: findings) { $1.encode(to: &$0) }
      root.member("compression", compression)
      root.member("rtfs", hasRTFS ? "full" : "none")
      root.member("note", ifPresent: note)
      root.member("id_field", ifPresent: idField)
      root.key("members")
      root.array(of: entries) { $1.encode(to: &$0) }
      if let archive {
        root.key("archive")
        archive.encode(to: &root)
      }
    }
    return builder.bytes.array + [0x0A]
  }

  /// The text of `SHA256SUMS`: one line a file, in the archive's order, as `sha256sum` writes it.
  package func checksums(manifest: Hash256) -> [UInt8] {
    var out = Self.checksumLine(manifest, Self.manifestName)
    for entry in entries {
      guard let sha256 = entry.sha256 else { continue }
      out += Self.checksumLine(sha256, entry.header.path)
    }
    return out
  }

  /// Names with a backslash, LF or CR are escaped and the line marked by a backslash, as GNU
  /// coreutils do.
  private static func checksumLine(_ hash: Hash256, _ name: [UInt8]) -> [UInt8] {
    var escaped: [UInt8] = []
    for byte in name {
      switch byte {
      case 0x5C: escaped += [0x5C, 0x5C]
      case 0x0A: escaped += [0x5C, 0x6E]
      case 0x0D: escaped += [0x5C, 0x72]
      default: escaped.append(byte)
      }
    }
    let mark: [UInt8] = escaped == name ? [] : [0x5C]
    return mark + Array(hash.hex.utf8) + [0x20, 0x20] + escaped + [0x0A]
  }
}

/// What the sidecar adds: the archive as a file.
package struct ArchiveSeal: Sendable, Equatable {
  /// Name of the archive's file.
  package var file: String
  /// Bytes.
  package var size: Int
  package var sha256: Hash256
  /// Bytes of the archive's content, decompressed.
  package var contentSize: Int
  /// Whether the archive was read back and found good after it was written.
  package var isVerified: Bool
  /// The absolute path of the store, symbolic links resolved, as bytes: what tells two stores of
  /// one name apart. Nil in sidecars that were written before there was one.
  package var origin: [UInt8]?

  package init(
    file: String, size: Int, sha256: Hash256, contentSize: Int, isVerified: Bool,
    origin: [UInt8]? = nil
  ) {
    self.file = file
    self.size = size
    self.sha256 = sha256
    self.contentSize = contentSize
    self.isVerified = isVerified
    self.origin = origin
  }

  func encode(to builder: inout JSONBuilder) {
    builder.object {
      $0.member("file", file)
      $0.member("size", size)
      $0.member("sha256", sha256.hex)
      $0.member("content_size", contentSize)
      $0.member("verified", isVerified)
      if let origin {
        $0.key("origin")
        $0.value(path: origin)
        $0.member("origin_sha256", Hash256(of: origin.span).hex)
      }
    }
  }
}

extension Manifest.Entry {
  func encode(to builder: inout JSONBuilder) {
    builder.object {
      $0.key("path")
      $0.value(path: header.path)
      if header.kind == .directory { $0.member("type", "directory") }
      $0.member("size", header.size)
      $0.member("mode", "0" + String(header.mode, radix: 8))
      $0.member("mtime", header.seconds)
      $0.member("mtime_nsec", header.nanoseconds)
      $0.member("sha256", ifPresent: sha256?.hex)
      $0.member("rtfs_offset", ifPresent: rtfsOffset)
    }
  }
}

extension Finding {
  /// The form that `--json` and manifests share.
  package func encode(to builder: inout JSONBuilder) {
    builder.object {
      $0.member("severity", severity.rawValue)
      $0.member("code", code.rawValue)
      $0.member("message", message)
      $0.member("path", ifPresent: path)
      $0.member("line", ifPresent: line)
      $0.member("offset", ifPresent: offset)
      $0.member("length", ifPresent: length)
      $0.member("record", ifPresent: record)
    }
  }
}
