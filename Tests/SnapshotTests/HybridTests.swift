import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage
import TestSupport
import Testing

struct HybridTests {
  static let snapshot = """
    {"intents":{"z":{"intent_id":"z","n":1.50},"a":{"intent_id":"a"},"k":{"intent_id":"other"},
     "é":{"intent_id":"\\u00e9"},"w":{"$scope":"w","$record":{"intent_id":"w"}}},
     "edges":[{"from":"a","edge_type":"Enables","to":"z"},{"$scope":"s","$record":{"$scope":"t","$record":1}}],
     "plans":[{"plan_id":"p"}],"documents":[[1e400,"\\ud800"]],"own":{"x":1},"version":"1.1"}
    """

  @Test func thePlaceOfEverythingAsPythonReadsIt() throws {
    let scratch = try Scratch()
    let store = try scratch.write(Self.snapshot, to: "s.json")
    let archive = try backUp(store, to: scratch.path)
    #expect(try verify(archive).log.findings == [])
    let said = try scratch.python(
      """
      import json, subprocess, sys
      text = subprocess.run(["tar", "--zstd", "-xOf", sys.argv[1], "backup.json"],
                            check=True, capture_output=True).stdout
      top = json.loads(text)
      print(" ".join(top))
      print(" ".join(top["intents"]))
      print(top["version"], top["timestamp"], top["manifest"]["source"], top["manifest"]["note"])
      print(len(top["edges"]), len(top["plans"]), len(top["documents"]))
      print(top["rtfs"].splitlines()[0])
      """, archive.string)
    #expect(
      said == """
        version timestamp intents edges plans documents manifest rtfs
        a k w z é
        1.1 \(backupTime) s.json None
        2 1 2
        ;; Intent Graph Snapshot (hybrid backup)

        """)
  }

  /// Scopes, records that look wrapped, lone surrogates: all three encodings have the same.
  @Test func scopesComeBackFromEveryEncoding() throws {
    let scratch = try Scratch()
    let store = try scratch.write(Self.snapshot, to: "s.json")
    let archive = try backUp(store, to: scratch.path)
    let verbatim = try records(archive, .verbatim).sorted()
    #expect(verbatim.count == 10)
    #expect(try records(archive, .json).sorted() == verbatim)
    #expect(try records(archive, .rtfs).sorted() == verbatim)
  }

  /// A file that an index names in two places is one member.
  @Test func anIndexThatNamesItselfIsCapturedOnce() throws {
    let scratch = try Scratch()
    let text = Array("{\"intent_id\":\"a\"}".utf8)
    let hash = Hash256(of: text.span).hex
    try scratch.write(text, to: "store/aa/\(hash).json")
    try scratch.write(
      "{\"\(hash)\":\"aa/\(hash).json\",\"\(String(repeating: "1", count: 64))\":\"index.json\"}",
      to: "store/index.json")
    let archive = try backUp(scratch.file("store"), to: scratch.path)
    let names = try BackupFile(opening: archive).manifest.entries.map {
      String(decoding: $0.header.path, as: UTF8.self)
    }
    #expect(
      names == ["backup.json", "store/index.json", "store/aa/\(hash).json", "store/aa", "store"])
    #expect(try verify(archive).isGood)
  }
}

struct FrameTests {
  /// Each member's header, each member's content and the value of `rtfs` start a frame, and none
  /// holds more than 4 MiB.
  @Test func everyMemberAndTheRTFSStartAFrame() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import os
      os.mkdir("store")
      with open("store/charts.jsonl", "w") as f:
          for i in range(9000):
              f.write('{"type":"entity","name":"n%d","entityType":"t","observations":["%s"]}\\n'
                      % (i, os.urandom(500).hex()))
      open("store/charts-b.jsonl", "w").write(
          '{"type":"entity","name":"b","entityType":"t","observations":[]}')
      open("store/charts-empty.jsonl", "w").close()
      """)
    for compression in [Compression.zstd(level: 1), .none] {
      let path = try backUp(scratch.file("store"), to: scratch.path, compression: compression)
      #expect(try verify(path).isGood)
      let backup = try BackupFile(opening: path)
      let archive = try ArchiveFile(opening: path)
      let members = try archive.members()
      #expect(members.count == backup.manifest.entries.count + 2)
      guard archive.format == .zstd else { continue }
      #expect(archive.damage.isEmpty)
      let starts = Set(archive.frames.compactMap(\.contentOffset))
      for member in members {
        #expect(starts.contains(member.headerOffset))
        if member.header.size > 0 { #expect(starts.contains(member.contentOffset)) }
      }
      let entry = try #require(backup.hybridEntry)
      let offset = try #require(backup.manifest.entries[entry].rtfsOffset)
      #expect(starts.contains(members[entry + 1].contentOffset + offset))
      #expect(archive.frames.allSatisfy { ($0.contentSize ?? .max) <= 4 << 20 })
      #expect(archive.frames.count > 12)
    }
  }

  @Test func theSameStoreGivesTheSameBytes() throws {
    let scratch = try Scratch()
    let store = try scratch.write(graph, to: "memory.jsonl")
    for compression in [Compression.zstd(level: 3), .gzip(level: 6), .none] {
      let one = try Scratch.read(backUp(store, to: scratch.path, compression: compression))
      try scratch.run("rm b.*")
      let other = try Scratch.read(backUp(store, to: scratch.path, compression: compression))
      try scratch.run("rm b.*")
      #expect(one == other)
    }
  }
}
