import Archive
import Backup
import Disk
import Records
import Snapshot
import Stores
import SystemPackage
import TestSupport
import Testing

let formats = StoreFormat.fileFormats

/// A backup of a graph with these names in it; returns its archive.
@discardableResult
func backUp(
  _ names: [String], _ scratch: Scratch, time: Int, series: String? = nil,
  _ change: (inout BackupRequest) -> Void = { _ in }
) throws -> FilePath {
  let lines = names.map {
    $0.isEmpty
      ? "{\"type\":"
      : "{\"type\":\"entity\",\"name\":\"\($0)\",\"entityType\":\"t\",\"observations\":[]}"
  }
  let store = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
  var request = BackupRequest(store: store, time: time)
  request.repository = scratch.file("repo")
  request.series = series
  request.allowsEmpty = true
  change(&request)
  let result = try BackupPlan(request, formats: formats).run(formats: formats)
  guard let archive = result.archive else { throw TestFailure("nothing was written") }
  return archive
}

struct CatalogTests {
  private func states(_ scratch: Scratch) throws -> [String] {
    try Catalog(of: Repository(scratch.file("repo"))).entries.map {
      "\($0.path.lastComponent?.string ?? "") \($0.state.rawValue)"
    }
  }

  @Test func states() throws {
    let scratch = try Scratch()
    try backUp(["a", "b", "c", "d", "e"], scratch, time: 0)
    try backUp(["a", "b", "c", "d", "e"], scratch, time: 1) { $0.verifies = false }
    try backUp(["a", ""], scratch, time: 2)
    try backUp(["a", "b", "c"], scratch, time: 3)
    try backUp([], scratch, time: 4) { $0.kind = "memory-graph" }
    try backUp(["a", "b", "c", "d"], scratch, time: 5)
    try backUp(["a"], scratch, time: 6) { $0.allowsShrink = true }
    try scratch.run(
      "cd repo; rm *T000001Z.manifest.json; echo >> memory-19700101T000000Z.tar.zst; touch x.tar")
    try scratch.run("cd repo; echo '{' > memory-19700101T000005Z.manifest.json")
    #expect(
      try states(scratch) == [
        "memory-19700101T000000Z.tar.zst damaged", "x.tar damaged",
        "memory-19700101T000001Z.tar.zst damaged", "memory-19700101T000002Z.tar.zst suspect",
        "memory-19700101T000003Z.tar.zst suspect", "memory-19700101T000004Z.tar.zst suspect",
        "memory-19700101T000005Z.tar.zst damaged", "memory-19700101T000006Z.tar.zst verified",
      ])
  }

  @Test func backupsOfOneSecondKeepTheirOrder() throws {
    let scratch = try Scratch()
    let paths = try (0..<11).map { try backUp(["n\($0)"], scratch, time: 7) }
    #expect(paths.last?.lastComponent?.string == "memory-19700101T000007Z-11.tar.zst")
    let catalog = try Catalog(of: Repository(scratch.file("repo")))
    #expect(catalog.entries.map(\.path.lastComponent) == paths.map(\.lastComponent))
    let latest = try BackupReference("\(scratch.file("repo"))@latest").resolve()
    #expect(latest.lastComponent == paths.last?.lastComponent)
  }

  @Test func references() throws {
    let scratch = try Scratch()
    let day = 86_400
    let first = try backUp(["a", "b"], scratch, time: day)
    let second = try backUp(["a", "b"], scratch, time: 2 * day)
    try backUp(["a", ""], scratch, time: 3 * day)
    let repo = scratch.file("repo").string
    for (text, expected) in [
      (repo, second), (repo + "@latest", second), (repo + "@19700103T000000Z", second),
      (repo + "@1970-01-02", first), (repo + "@1970-01-02T23:59:59Z", first),
      (repo + "@1970-01-09", second), (first.string, first),
    ] {
      let found = try BackupReference(text).resolve()
      #expect(found.lastComponent == expected.lastComponent, "\(text)")
    }
    for (text, code) in [
      (repo + "@1970-01-01", BackupError.Code.notFound), (repo + "@noon", .usage),
      (repo + "x", .notFound), (repo + "x@latest", .notFound),
    ] {
      let error = #expect(throws: BackupError.self) { try BackupReference(text).resolve() }
      #expect(error?.code == code, "\(text)")
    }
    try backUp(["a"], scratch, time: 9, series: "other")
    let error = #expect(throws: BackupError.self) { try BackupReference(repo).resolve() }
    #expect(error?.code == .usage)
    #expect(
      try BackupReference(repo, series: "memory").resolve().lastComponent == second.lastComponent)
  }

  /// A pair that was renamed is not taken for what a killed run has left.
  @Test func renamedBackupsKeepTheirManifests() throws {
    let scratch = try Scratch()
    try backUp(["a"], scratch, time: 1)
    try scratch.run(
      """
      cd repo
      for f in memory-*; do mv $f kept${f#memory-19700101T000001Z}; done
      cp kept.manifest.json gone.manifest.json
      sed 's/"file": "[^"]*"/"file": "cut.tar.zst"/' kept.manifest.json >cut.manifest.json
      touch .holdfast-1-1-x.tmp .holdfast-2-7-cut.tar.zst.tmp .holdfast-mine
      """)
    try backUp(["a"], scratch, time: 2)
    #expect(scratch.exists("repo/kept.manifest.json"))
    // Its archive is gone; that of the other had still to get its name.
    #expect(scratch.exists("repo/gone.manifest.json"))
    #expect(!scratch.exists("repo/cut.manifest.json"))
    #expect(!scratch.exists("repo/.holdfast-2-7-cut.tar.zst.tmp"))
    #expect(!scratch.exists("repo/.holdfast-1-1-x.tmp"))
    #expect(scratch.exists("repo/.holdfast-mine"))
  }

  /// Whoever asks for a backup from a program is told of an id field that is none.
  @Test func anIDFieldThatIsNone() throws {
    let scratch = try Scratch()
    let error = #expect(throws: BackupError.self) {
      try backUp(["a"], scratch, time: 1_800_000_000) { $0.idField = "meta/id" }
    }
    #expect(error?.code == .usage && error?.message.contains("JSON pointer") == true)
    #expect(!scratch.exists("repo"))
  }
}
