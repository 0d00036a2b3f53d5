import Archive
import LosslessJSON
import Records
import Stores

extension Manifest {
  /// Reads a manifest, of an archive or from beside one. Unknown members are passed over;
  /// anything missing or of the wrong form throws `badManifest`.
  package static func parse(_ bytes: Span<UInt8>) throws(SnapshotError) -> (
    manifest: Manifest, seal: ArchiveSeal?
  ) {
    let text: JSONText
    do throws(JSONError) { text = try JSONText(bytes) } catch {
      throw SnapshotError(
        .badManifest, "the manifest is no JSON: \(error.reason.rawValue), at byte \(error.offset)")
    }
    guard text.text("format") == format else {
      throw SnapshotError(.badManifest, "the manifest is not of a Holdfast backup")
    }
    guard let version = text.integer("version"), version <= formatVersion else {
      throw SnapshotError(
        .badManifest,
        "the backup has format version \(text.integer("version").map(String.init) ?? "?"), "
          + "this Holdfast reads up to \(formatVersion)", hint: "use a newer Holdfast")
    }
    guard let time = text.integer("unix_time"), let series = text.text("series"),
      let kind = text.text("kind"), let isSingle = text.flag("single_file"),
      let digest = hash("digest", of: 0, text), let members = text.member("members")
    else { throw SnapshotError(.badManifest, "the manifest lacks a member or has a bad one") }
    var manifest = Manifest(
      time: time, series: series, kind: kind, isSingleFile: isSingle, digest: digest)
    manifest.parent = hash("parent", of: 0, text)
    manifest.contexts = strings("contexts", text)
    manifest.onlyContexts = strings("only_contexts", text)
    manifest.suspicions = strings("suspicions", text)
    if manifest.suspicions.isEmpty, text.flag("suspect") == true {
      manifest.suspicions = ["the manifest says so"]
    }
    guard abs(Double(time)) < Double(timeLimit) else {
      throw SnapshotError(.badManifest, "the manifest names a time that is out of range")
    }
    // Rotation goes by it, and never opens an archive: it is written twice.
    guard text.text("timestamp") == ISOTime(seconds: time).text else {
      throw SnapshotError(.badManifest, "the manifest names two different times")
    }
    for (kind, count) in integers("counts", text) {
      guard (0...countLimit).contains(count) else {
        throw SnapshotError(.badManifest, "the manifest counts \(count) records of a kind")
      }
      if let kind = RecordKind(rawValue: kind) { manifest.counts[kind] = count }
    }
    manifest.findingCounts = integers("finding_counts", text)
    if let list = text.member("findings") {
      manifest.findings = text.children(of: list).compactMap { Finding(text, $0) }
    }
    manifest.compression = text.text("compression") ?? ""
    manifest.hasRTFS = text.text("rtfs") != "none"
    manifest.note = text.text("note")
    manifest.idField = text.text("id_field")
    for token in text.children(of: members) { manifest.entries.append(try Entry(text, token)) }
    var seal: ArchiveSeal?
    if let token = text.member("archive") { seal = try ArchiveSeal(text, token) }
    return (manifest, seal)
  }

  /// Seconds either side of 1970, and records of a kind: beyond what there is, and far from where
  /// reckoning with them could overflow.
  private static let timeLimit = 1 << 40
  private static let countLimit = 1 << 48

  fileprivate static func hash(_ key: StaticString, of object: Int, _ text: JSONText) -> Hash256? {
    text.string(key, of: object).flatMap { Hash256(hex: $0.span) }
  }

  private static func strings(_ key: StaticString, _ text: JSONText) -> [String] {
    guard let list = text.member(key), text.kind(list) == .array else { return [] }
    return text.children(of: list).map { String(decoding: text.decoded($0), as: UTF8.self) }
  }

  private static func integers(_ key: StaticString, _ text: JSONText) -> [String: Int] {
    guard let object = text.member(key), text.kind(object) == .object else { return [:] }
    var result: [String: Int] = [:]
    for token in text.children(of: object) {
      let value = text.source(of: token + 1)
      let digits = String(decoding: (0..<value.count).map { value[$0] }, as: UTF8.self)
      result[String(decoding: text.decoded(token), as: UTF8.self)] = Int(digits)
    }
    return result
  }
}

extension Manifest.Entry {
  fileprivate init(_ text: JSONText, _ object: Int) throws(SnapshotError) {
    guard let path = text.member("path", of: object), text.kind(path) == .string,
      let size = text.integer("size", of: object), size >= 0,
      let mode = text.text("mode", of: object).flatMap({ Int($0, radix: 8) }),
      let seconds = text.integer("mtime", of: object), (0...0o7777).contains(mode)
    else { throw SnapshotError(.badManifest, "the manifest has a malformed member") }
    let isDirectory = text.text("type", of: object) == "directory"
    let nanoseconds = text.integer("mtime_nsec", of: object) ?? 0
    guard (0..<1_000_000_000).contains(nanoseconds), !isDirectory || size == 0 else {
      throw SnapshotError(.badManifest, "the manifest has a member with an impossible time or size")
    }
    let name = text.bytes(ofPath: path)
    // Verification reads these and no others, so nothing else may be among them.
    guard
      name == Manifest.hybridName || (name == Manifest.rootName && isDirectory)
        || (name.starts(with: Manifest.storePrefix) && name.count > Manifest.storePrefix.count)
    else {
      throw SnapshotError(
        .badManifest,
        "the manifest names a member that no backup has: \(MemberPath.printable(name))")
    }
    header = MemberHeader(
      path: name, kind: isDirectory ? .directory : .regular, size: size,
      mode: mode, seconds: seconds, nanoseconds: nanoseconds)
    sha256 = Manifest.hash("sha256", of: object, text)
    rtfsOffset = text.integer("rtfs_offset", of: object)
    if let rtfsOffset, !(0...size).contains(rtfsOffset) {
      throw SnapshotError(.badManifest, "the manifest has a member with a place outside it")
    }
    if sha256 == nil, !isDirectory {
      throw SnapshotError(.badManifest, "the manifest has a member without a hash")
    }
  }
}

extension ArchiveSeal {
  fileprivate init(_ text: JSONText, _ object: Int) throws(SnapshotError) {
    guard let file = text.text("file", of: object), let size = text.integer("size", of: object),
      let sha256 = Manifest.hash("sha256", of: object, text),
      let contentSize = text.integer("content_size", of: object),
      let isVerified = text.flag("verified", of: object)
    else { throw SnapshotError(.badManifest, "what the manifest says of the archive is malformed") }
    var origin: [UInt8]?
    if let token = text.member("origin", of: object), text.kind(token) == .string {
      let bytes = text.bytes(ofPath: token)
      // Nothing else would tell that a byte of it has changed.
      guard Manifest.hash("origin_sha256", of: object, text) == Hash256(of: bytes.span) else {
        throw SnapshotError(.badManifest, "the manifest names a place of the store that is damaged")
      }
      origin = bytes
    }
    self.init(
      file: file, size: size, sha256: sha256, contentSize: contentSize, isVerified: isVerified,
      origin: origin)
  }
}

extension Finding {
  fileprivate init?(_ text: JSONText, _ object: Int) {
    guard let severity = text.text("severity", of: object).flatMap(Severity.init(rawValue:)),
      let code = text.text("code", of: object).flatMap(Code.init(rawValue:))
    else { return nil }
    self.init(
      severity, code, text.text("message", of: object) ?? "", path: text.text("path", of: object),
      line: text.integer("line", of: object), offset: text.integer("offset", of: object),
      length: text.integer("length", of: object), record: text.text("record", of: object))
  }
}
