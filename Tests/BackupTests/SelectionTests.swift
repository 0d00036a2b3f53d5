import Backup
import LosslessJSON
import Records
import Snapshot
import SystemPackage
import TestSupport
import Testing

struct SelectionTests {
  @Test(arguments: [
    ("entity", "Ada", true), ("relation", "Ada", false), ("entity:Ada", "Ada", true),
    ("entity:ada", "Ada", false), ("entity:A*", "Ada", true), ("entity:*", "", true),
    ("entity:", "", true), ("entity:", "a", false), ("entity:?da", "Éda", true),
    ("entity:??", "é", false), ("entity:?", "😀", true), ("entity:*a*b*c", "xxaxxbxxc", true),
    ("entity:*a*b*c", "xxaxxbxxcx", false), ("entity:a:b", "a:b", true),
    ("entity:\\*", "*", true), ("entity:\\*", "x", false), ("entity:a\\", "a\\", false),
    ("entity:\\\\", "\\", true), ("entity:**", "anything", true), ("entity:?*", "", false),
  ])
  func globs(text: String, name: String, isChosen: Bool) throws {
    var record = Record()
    record.kind = .entity
    var builder = JSONBuilder(pretty: false)
    builder.object { $0.member("name", name) }
    try record.text.parse(builder.bytes.span)
    #expect(try Selection([text]).contains(record) == isChosen)
    #expect(try Selection(["plan", text]).contains(record) == isChosen)
  }

  @Test func longGlobsComeToAnEnd() throws {
    var record = Record()
    record.kind = .entity
    let name = String(repeating: "a", count: 3000)
    try record.text.parse(Array("{\"name\":\"\(name)\"}".utf8).span)
    let glob = "entity:" + String(repeating: "*a", count: 1000) + "b"
    #expect(try !Selection([glob]).contains(record))
  }

  @Test func unknownKindsAreRefused() {
    for text in ["", "entities", "Entity:x", ":x"] {
      #expect(throws: BackupError.self) { try Selection([text]) }
    }
  }
}

struct StoreDiffTests {
  private func diff(_ a: [String], _ b: [String]) throws -> [[String]] {
    let scratch = try Scratch()
    func store(_ lines: [String], _ name: String) throws -> OpenedStore {
      let texts = lines.map { line -> String in
        let parts = line.split(separator: "=", omittingEmptySubsequences: false)
        return
          "{\"type\":\"entity\",\"name\":\"\(parts[0])\",\"entityType\":\"t\",\"observations\":[\"\(parts.count > 1 ? parts[1] : "")\"]}"
      }
      let path = try scratch.write(texts.joined(separator: "\n"), to: name)
      return try OpenedStore(opening: path, formats: formats, kind: nil)
    }
    let diff = try StoreDiff(try store(a, "a"), try store(b, "b"))
    #expect(diff.isEmpty == (diff.digests.0 == diff.digests.1))
    return [diff.added, diff.removed, diff.changed]
  }

  @Test func addedRemovedChanged() throws {
    #expect(try diff(["a", "b", "c"], ["c", "b", "a"]) == [[], [], []])
    #expect(
      try diff(["a", "b=1", "c"], ["d", "b=2", "a"]) == [["entity:d"], ["entity:c"], ["entity:b"]])
    #expect(try diff(["a", "a"], ["a"]) == [[], ["entity:a"], []])
    #expect(try diff(["a=1", "a=2"], ["a=3"]) == [[], ["entity:a"], ["entity:a"]])
    #expect(
      try diff(["z", "b", "x"], ["q"]) == [["entity:q"], ["entity:b", "entity:x", "entity:z"], []])
  }

  @Test func namesInTwoUnicodeFormsAreTwo() throws {
    let found = try diff(["caf\u{e9}", "x"], ["cafe\u{301}", "x"])
    #expect(
      found.map { $0.map { Array($0.utf8) } } == [
        [Array("entity:cafe\u{301}".utf8)], [Array("entity:caf\u{e9}".utf8)], [],
      ])
  }
}

struct RestoreSelectionTests {
  /// Intents without an id, under another key, and such as look wrapped, come back as they are.
  @Test func intentsOfAllSortsAreSelected() throws {
    let scratch = try Scratch()
    let store = try scratch.write(
      #"{"intents":[{"goal":"no id"},{"intent_id":"a"},{"$scope":"a","$record":{"intent_id":"a"}}],"edges":[],"own":5}"#,
      to: "snapshot.json")
    var request = BackupRequest(store: store, time: 1)
    request.repository = scratch.file("repo")
    let backup = try BackupPlan(request, formats: formats).run(formats: formats)
    let archive = try #require(backup.archive)
    var wanted = RestoreRequest(
      source: archive.string, target: scratch.file("part"),
      selection: try Selection(["intent"]), time: 1)
    wanted.overwrite = .never
    let result = try RestorePlan(wanted, formats: formats).run(formats: formats)
    #expect(result.records == 3)
    wanted = RestoreRequest(
      source: archive.string, target: scratch.file("whole"), selection: try Selection([]), time: 1)
    #expect(
      try RestorePlan(wanted, formats: formats).run(formats: formats).digest
        == backup.manifest.digest)
    try scratch.run("cmp snapshot.json whole/snapshot.json")
  }
}
