import Archive
import Disk
import Records
import Snapshot
import Stores
import SystemPackage
import TestSupport
import Testing

struct VerificationTests {
  /// Replaces the `which`th occurrence of a text in a member of a plain tar by one of the same
  /// length, and makes the hashes in manifest and SHA256SUMS agree again.
  private static let forge = """
    import hashlib, sys, tarfile
    path, member, old, new, which = sys.argv[1:6]
    old, new = old.encode(), new.encode()
    assert len(old) == len(new)
    data = bytearray(open(path, "rb").read())
    members = {m.name: (m.offset_data, m.offset_data + m.size) for m in tarfile.open(path)}
    def replace(name, change):
        start, end = members[name]
        before = bytes(data[start:end])
        after = change(before)
        assert len(after) == len(before) and after != before, name
        data[start:end] = after
        return [hashlib.sha256(b).hexdigest().encode() for b in (before, after)]
    def nth(body):
        at = -1
        for _ in range(int(which)):
            at = body.index(old, at + 1)
        return body[:at] + new + body[at + len(old):]
    h = replace(member, nth)
    m = h if member == "manifest.json" else replace("manifest.json", lambda b: b.replace(*h))
    replace("SHA256SUMS", lambda b: b.replace(*h).replace(*m))
    open(path, "wb").write(data)
    """

  private func forged(_ member: String, _ old: String, _ new: String, which: Int = 1) throws
    -> Verification
  {
    let scratch = try Scratch()
    let store = try scratch.write(graph, to: "memory.jsonl")
    let archive = try backUp(store, to: scratch.path, compression: .none)
    #expect(try verify(archive).isGood)
    try Disk.remove(BackupFile.sidecarPath(of: archive))
    try scratch.python(Self.forge, archive.string, member, old, new, "\(which)")
    return try verify(archive)
  }

  private func disagreements(_ result: Verification) -> [String] {
    result.log.findings.filter { $0.code == .encodingsDisagree }.map {
      "\($0.record ?? "-") \($0.message)"
    }
  }

  @Test func aRecordForgedInTheJSONIsNamed() throws {
    let result = try forged("backup.json", "12345", "12346")
    #expect(!result.isGood)
    #expect(result.holding == [.verbatim, .rtfs])
    #expect(
      disagreements(result) == [
        "- the JSON snapshot does not have the digest that the manifest names",
        "entity:Ada only in the JSON snapshot", "entity:Ada missing from the JSON snapshot",
      ])
  }

  @Test func aRecordForgedInTheRTFSIsNamed() throws {
    let result = try forged("backup.json", "12345", "12346", which: 2)
    #expect(!result.isGood)
    #expect(result.holding == [.verbatim, .json])
    #expect(disagreements(result).contains("entity:Ada only in the RTFS snapshot"))
  }

  @Test func aRecordForgedInTheStoreIsNamed() throws {
    let result = try forged("store/memory.jsonl", "knows", "Knows")
    #expect(!result.isGood)
    #expect(result.holding == [.json, .rtfs])
    #expect(
      disagreements(result).contains("relation:Ada -knows-> Bob missing from the verbatim files"))
  }

  @Test func aRecordThatWasMadeUnreadableIsFound() throws {
    let result = try forged("backup.json", "\"observations\":[]", "\"observations\":[}")
    #expect(!result.isGood)
    #expect(result.holding == [.verbatim, .rtfs])
  }

  @Test func aKindThatNobodyKnowsIsDamage() throws {
    let result = try forged(
      "manifest.json", "\"kind\": \"memory-graph\"", "\"kind\": \"memory-grape\"")
    #expect(!result.isGood)
  }

  /// Any byte of archive or sidecar, whichever bit of it.
  @Test(arguments: [Compression.none, .zstd(level: 1), .gzip(level: 6)])
  func everyFlippedByteIsNoticed(compression: Compression) throws {
    var random = Seeded()
    let scratch = try Scratch()
    let store = try scratch.write(graph, to: "memory.jsonl")
    let archive = try backUp(store, to: scratch.path, compression: compression)
    let sidecar = BackupFile.sidecarPath(of: archive)
    let wholes = (try Scratch.read(archive), try Scratch.read(sidecar))
    let name = archive.lastComponent?.string ?? ""
    for round in 0..<400 {
      let inArchive = random.below(4) > 0
      var bytes = inArchive ? wholes.0 : wholes.1
      let at = random.below(bytes.count)
      bytes[at] ^= 1 << UInt8(random.below(8))
      let file = inArchive ? archive : sidecar
      try scratch.write(bytes, to: file.lastComponent?.string ?? "")
      let comment: Comment =
        "seed \(random.seed), round \(round), byte \(at) of \(inArchive ? "archive" : "sidecar")"
      do {
        #expect(try !verify(archive).isGood, comment)
      } catch { Issue.record("\(comment): \(error)") }
      if inArchive {
        // Without its sidecar as well: it need not be noticed in the padding of a tar, but it
        // must come to an end.
        try scratch.run("mv '\(sidecar)' kept")
        do { _ = try verify(archive) } catch { Issue.record("\(comment), alone: \(error)") }
        try scratch.run("mv kept '\(sidecar)'")
      }
      try scratch.write(wholes.0, to: name)
      try scratch.write(wholes.1, to: sidecar.lastComponent?.string ?? "")
    }
    #expect(try verify(archive).isGood)
  }

  @Test func cutArchivesAreNoticed() throws {
    var random = Seeded()
    let scratch = try Scratch()
    let store = try scratch.write(graph, to: "memory.jsonl")
    let archive = try backUp(store, to: scratch.path)
    let whole = try Scratch.read(archive)
    for _ in 0..<60 {
      let length = random.below(whole.count)
      try scratch.write(Array(whole.prefix(length)), to: "b.tar.zst")
      #expect(try !verify(archive).isGood, "seed \(random.seed), \(length) bytes")
      #expect(try !verify(archive, quick: true).isGood, "seed \(random.seed), \(length) bytes")
    }
  }
}
