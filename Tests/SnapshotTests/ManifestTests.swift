import Archive
import LosslessJSON
import Records
import Snapshot
import TestSupport
import Testing

struct ManifestTests {
  private func text(_ random: inout Seeded) -> String {
    let pieces = ["a", "é", "e\u{301}", "\"", "\\", "\n", "\u{0}", "😀", "store/", " ", "\u{7f}"]
    return (0..<random.below(6)).map { _ in random.pick(pieces) }.joined()
  }

  private func hash(_ random: inout Seeded) -> Hash256 { Hash256(of: random.bytes(8).span) }

  private func manifest(_ random: inout Seeded) -> Manifest {
    var manifest = Manifest(
      time: random.pick([0, -1, 1_700_000_000, 253_402_300_799]), series: text(&random),
      kind: "memory-graph", isSingleFile: random.chance(2), digest: hash(&random))
    manifest.contexts = (0..<random.below(3)).map { _ in text(&random) }
    for kind in RecordKind.allCases where random.chance(3) {
      manifest.counts[kind] = random.below(1_000_000)
    }
    if random.chance(2) { manifest.parent = hash(&random) }
    manifest.suspicions = (0..<random.below(3)).map { _ in "s" + text(&random) }
    for code in Finding.Code.allCases where random.chance(4) {
      manifest.findingCounts[code.rawValue] = random.below(100)
      manifest.findings.append(
        Finding(
          random.pick([.error, .warning, .note]), code, text(&random),
          path: random.chance(2) ? text(&random) : nil, line: random.chance(2) ? 7 : nil,
          offset: random.chance(2) ? random.below(1 << 40) : nil,
          length: random.chance(2) ? 0 : nil, record: random.chance(2) ? text(&random) : nil))
    }
    manifest.compression = random.pick(["zstd:1", "gzip:6", "none", ""])
    manifest.hasRTFS = random.chance(2)
    if random.chance(2) { manifest.note = text(&random) }
    if random.chance(2) { manifest.idField = "/a~1b" }
    for _ in 0..<random.below(5) {
      let isDirectory = random.chance(3)
      let name =
        random.chance(2) ? random.bytes(1 + random.below(20)) : Array(("n" + text(&random)).utf8)
      let size = isDirectory ? 0 : random.below(1 << 50)
      manifest.entries.append(
        Manifest.Entry(
          header: MemberHeader(
            path: Manifest.storePrefix + name, kind: isDirectory ? .directory : .regular,
            size: size, mode: random.below(0o10000), seconds: random.below(1 << 40) - (1 << 39),
            nanoseconds: random.below(1_000_000_000)),
          sha256: isDirectory ? nil : hash(&random),
          rtfsOffset: !isDirectory && random.chance(3) ? random.below(size + 1) : nil))
    }
    return manifest
  }

  @Test func readingBackGivesTheSame() throws {
    var random = Seeded()
    for _ in 0..<300 {
      let manifest = manifest(&random)
      let seal = ArchiveSeal(
        file: "a.tar.zst", size: random.below(1 << 50), sha256: hash(&random),
        contentSize: random.below(1 << 50), isVerified: random.chance(2))
      let inside = try Manifest.parse(manifest.encoded().span)
      #expect(inside.manifest == manifest && inside.seal == nil, "seed \(random.seed)")
      #expect(inside.manifest.encoded() == manifest.encoded(), "seed \(random.seed)")
      let beside = try Manifest.parse(manifest.encoded(archive: seal).span)
      #expect(beside.manifest == manifest && beside.seal == seal, "seed \(random.seed)")
    }
  }

  /// Whatever is read can be used: nothing in it traps.
  @Test func damagedManifestsAreRefusedOrHarmless() throws {
    var random = Seeded()
    let numbers = [
      "9223372036854775807", "-9223372036854775808", "-1", "1e9", "null", "\"0999999999999\"",
      "\"-7\"", "\"01777777777777777777777\"", "[]", "{}", "4611686018427387904",
    ]
    for _ in 0..<3000 {
      var bytes = manifest(&random).encoded()
      for _ in 0...random.below(3) where !bytes.isEmpty {
        let at = random.below(bytes.count)
        switch random.below(4) {
        case 0: bytes[at] = UInt8(random.below(256))
        case 1: bytes.removeSubrange(at..<min(at + random.below(9), bytes.count))
        default:
          // A value of another sort behind some key.
          guard let colon = bytes[at...].firstIndex(of: 0x3A),
            let end = bytes[colon...].firstIndex(where: { $0 == 0x2C || $0 == 0x0A })
          else { continue }
          bytes.replaceSubrange(colon + 1..<end, with: Array(random.pick(numbers).utf8))
        }
      }
      use(bytes)
    }
  }

  private func use(_ bytes: [UInt8]) {
    do throws(SnapshotError) {
      let (manifest, seal) = try Manifest.parse(bytes.span)
      _ = manifest.recordCount * 5
      _ = manifest.encoded(archive: seal)
      _ = manifest.checksums(manifest: Hash256(of: bytes.span))
      for entry in manifest.entries {
        #expect((0...0o7777).contains(entry.header.mode))
        #expect(entry.rtfsOffset.map { $0 >= 0 && $0 <= entry.header.size } ?? true)
      }
    } catch { #expect(error.code == .badManifest) }
  }

  @Test(arguments: [
    #""unix_time": 1"#: #""unix_time": -9223372036854775808"#,
    #""timestamp": "1970-01-01T00:00:01Z""#: #""timestamp": "1970-01-01T00:00:02Z""#,
    #""entity": 3"#: #""entity": 9223372036854775807"#,
    #""entity": 4"#: #""entity": -4"#,
    #""mode": "0644""#: #""mode": "0-44""#,
    #""mode": "0640""#: #""mode": "077777777777""#,
    #""rtfs_offset": 5"#: #""rtfs_offset": 15"#,
    #""rtfs_offset": 6"#: #""rtfs_offset": -6"#,
    #""mtime_nsec": 7"#: #""mtime_nsec": 1000000000"#,
  ])
  func numbersThatNoBackupHasAreRefused(written: String, forged: String) throws {
    for mode in [0o644, 0o640] {
      for offset in [5, 6] {
        var manifest = Manifest(
          time: 1, series: "s", kind: "jsonl", isSingleFile: true,
          digest: Hash256(of: [UInt8]().span))
        manifest.counts = [.entity: offset - 2]
        manifest.entries = [
          Manifest.Entry(
            header: MemberHeader(
              path: Manifest.hybridName, size: 10, mode: mode, seconds: 0, nanoseconds: 7),
            sha256: Hash256(of: [UInt8]().span), rtfsOffset: offset)
        ]
        let text = String(decoding: manifest.encoded(), as: UTF8.self)
        guard text.contains(written) else { continue }
        let bad = text.replacing(written, with: forged)
        #expect(throws: SnapshotError.self) { try Manifest.parse(Array(bad.utf8).span) }
      }
    }
  }

  @Test func checksumsAreThoseOfTheTool() throws {
    let scratch = try Scratch()
    var manifest = Manifest(
      time: 1, series: "s", kind: "jsonl", isSingleFile: true,
      digest: Hash256(of: [UInt8]().span))
    let names = ["plain", "two\nlines", "back\\slash", "é ü", "cr\r", "-dash"]
    for name in names {
      try scratch.write(name, to: "store/" + name)
      manifest.entries.append(
        Manifest.Entry(
          header: MemberHeader(
            path: Array("store/\(name)".utf8), size: name.utf8.count, mode: 0o644, seconds: 0),
          sha256: Hash256(of: Array(name.utf8).span)))
    }
    let own = manifest.encoded()
    try scratch.write(own, to: "manifest.json")
    try scratch.write(manifest.checksums(manifest: Hash256(of: own.span)), to: "SHA256SUMS")
    let said = try scratch.run("sha256sum --strict -c SHA256SUMS")
    #expect(said.split(separator: "\n").filter { $0.hasSuffix(": OK") }.count == names.count + 1)
  }
}
