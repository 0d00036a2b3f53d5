import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

struct ContentArchiveTests {
  private func object(_ id: String, _ scratch: Scratch, in root: String = "store") throws -> (
    hash: String, path: String
  ) {
    let text = "{\"intent_id\":\"\(id)\"}"
    let hash = Hash256(of: Array(text.utf8).span).hex
    let path = "\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash).json"
    try scratch.write(text + "\n", to: "\(root)/\(path)")
    return (hash, path)
  }

  private func index(_ entries: [(String, String)]) -> String {
    "{\n" + entries.map { "  \"\($0.0)\": \"\($0.1)\"" }.joined(separator: ",\n") + "\n}"
  }

  private func codes(_ reading: Reading) -> [String] {
    reading.findings.map { "\($0.severity.rawValue) \($0.code.rawValue)" }
  }

  @Test func byItsIndex() throws {
    let scratch = try Scratch()
    let (a, orphan) = (try object("a", scratch), try object("orphan", scratch))
    try scratch.write(index([(a.hash, a.path)]), to: "store/index.json")
    try scratch.write("x", to: "store/0b.tmp")
    try scratch.write("{}", to: "store/plan_index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels == ["intent:a"])
    #expect(codes(reading) == ["note leftover", "note orphan"])
    #expect(reading.findings.last?.path?.hasSuffix(orphan.path) == true)
  }

  /// An index may call its objects what it likes: FORMATS, content-archive.
  @Test(arguments: ["any name.json", "sub/plan", "sub/left.tmp", "intent_index.json"])
  func objectsOfAnyName(path: String) throws {
    let scratch = try Scratch()
    try scratch.write("{\"plan_id\":\"p\"}", to: "store/\(path)")
    try scratch.write("x", to: "store/others")
    let hash = Hash256(of: Array("{\"plan_id\":\"p\"}".utf8).span).hex
    try scratch.write(index([(hash, path)]), to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels == ["plan:p"])
    #expect(codes(reading) == ["note unknown-member"])
    #expect(reading.findings.first?.path?.hasSuffix("others") == true)
  }

  @Test func withoutAnIndex() throws {
    let scratch = try Scratch()
    for id in ["a", "b"] { _ = try object(id, scratch) }
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels.sorted() == ["intent:a", "intent:b"])
    #expect(codes(reading) == ["warning bad-index"])
  }

  @Test(arguments: [
    "../../../../../../../../etc/passwd", "/etc/passwd", "aa/../../x", "", ".", "./x", "a\\u0000b",
  ])
  func entriesThatLeadOut(path: String) throws {
    let scratch = try Scratch()
    let a = try object("a", scratch)
    try scratch.write(
      index([(String(repeating: "00", count: 32), path), (a.hash, a.path)]),
      to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels == ["intent:a"])
    #expect(codes(reading) == ["error bad-index"])
    #expect(reading.findings.first?.line == 2)
  }

  @Test func entriesOfOtherSorts() throws {
    let scratch = try Scratch()
    let a = try object("a", scratch)
    let zero = String(repeating: "00", count: 32)
    try scratch.write(
      "{\"\(a.hash)\":\"\(a.path)\",\"\(zero)\":5,\"short\":\"x\",\"\(zero)\":\"gone\"}",
      to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels == ["intent:a"])
    #expect(codes(reading) == ["error bad-index", "error bad-index", "error missing-file"])
  }

  @Test func aDamagedIndexLosesNoObject() throws {
    let scratch = try Scratch()
    let (a, b) = (try object("a", scratch), try object("b", scratch))
    try scratch.write(
      String(index([(a.hash, a.path), (b.hash, b.path)]).dropLast(70)), to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels.sorted() == ["intent:a", "intent:b"])
    #expect(codes(reading) == ["error torn-tail"])
  }

  @Test func contentThatIsNotWhatItsNameSays() throws {
    let scratch = try Scratch()
    let a = try object("a", scratch)
    try scratch.write("{\"intent_id\":\"other\"}", to: "store/" + a.path)
    try scratch.write(index([(a.hash, a.path)]), to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels == ["intent:other"])
    #expect(reading.marks == ["error hash-mismatch 1 0 21"])
  }

  /// Two entries lead to one file: both hashes are checked, and the file is read once.
  @Test func everyHashOfAFileIsChecked() throws {
    let scratch = try Scratch()
    let a = try object("a", scratch)
    let wrong = String(repeating: "ff", count: 32)
    for entries in [[(a.hash, a.path), (wrong, a.path)], [(wrong, a.path), (a.hash, a.path)]] {
      try scratch.write(index(entries), to: "store/index.json")
      let reading = try Reading(scratch.file("store"))
      #expect(reading.labels == ["intent:a"])
      #expect(reading.findings.map(\.code) == [.hashMismatch])
      #expect(reading.findings.first?.message.hasSuffix(wrong) == true)
    }
  }

  /// No file is opened twice, as `StoreTree` asks: an index that names itself, or the objects
  /// and the index of another archive of the store.
  @Test func noFileIsReadTwice() throws {
    let scratch = try Scratch()
    let (a, b) = (try object("a", scratch), try object("b", scratch, in: "store/intents"))
    try scratch.write(
      index([
        (a.hash, a.path), (String(repeating: "1", count: 64), "index.json"),
        (b.hash, "intents/" + b.path), (String(repeating: "2", count: 64), "intents/index.json"),
      ]), to: "store/index.json")
    try scratch.write(index([(b.hash, b.path)]), to: "store/intents/index.json")
    let tree = CountingTree(try DiskTree(scratch.file("store")))
    let survey = try Survey.read(tree, as: .contentArchive, rules: false)
    #expect(tree.opened.values.allSatisfy { $0 == 1 })
    #expect(survey.total == 2)
    #expect(survey.log.findings.map(\.code) == [.badIndex, .badIndex, .badIndex])
  }

  @Test func emptyAndTornObjects() throws {
    let scratch = try Scratch()
    let (a, b) = (try object("a", scratch), try object("b", scratch))
    try scratch.write("", to: "store/" + a.path)
    try scratch.write("{\"intent_id\":\"b\"", to: "store/" + b.path)
    try scratch.write(index([(a.hash, a.path), (b.hash, b.path)]), to: "store/index.json")
    let reading = try Reading(scratch.file("store"))
    #expect(reading.labels.isEmpty)
    #expect(Set(reading.marks) == ["error empty - - -", "error torn-tail 1 0 16"])
  }
}
