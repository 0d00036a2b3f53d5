import Stores
import TestSupport
import Testing

/// Kinds are told by content; the names are chosen to mislead.
struct DetectionTests {
  static let entity = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"#
  static let relation = #"{"type":"relation","from":"a","to":"a","relationType":"r"}"#
  static let long = String(repeating: "x", count: 2 << 20)

  @Test(arguments: [
    ("graph.sqlite", entity + "\n" + relation, "memory-graph", 2),
    ("memory.json", "\u{FEFF}# a header\n// another\n\n" + entity + "\n", "memory-graph", 1),
    ("a.txt", entity + "\r\n" + relation + "\r\n", "memory-graph", 2),
    (
      "a", #"{"type":"entity","data":{"name":"a","entityType":"t","observations":[]}}"#,
      "memory-graph", 1
    ),
    ("a", #"{"type":"narrative_beat","x":1}"# + "\n" + entity, "memory-graph", 2),
    ("snapshot.json", "[\n" + entity + ",\n" + relation + "\n]", "memory-graph", 2),
    (
      "intents.json",
      "{\n  \"type\": \"entity\",\n  \"name\": \"a\",\n  \"entityType\": \"t\"\n}\n"
        + "{\n  \"type\": \"relation\",\n  \"from\": \"a\"\n}", "memory-graph", 2
    ),
    ("a", #"{"entities":[{"name":"a","entityType":"t"}],"relations":[]}"#, "memory-graph", 1),
    (
      "a", "{\n \"entities\": [\n" + entity + "\n], \"relations\": [" + relation + "]\n}",
      "memory-graph", 2
    ),
    (
      "a", #"{"type":"entity","name":"\#(long)","entityType":"t","observations":[]}"#,
      "memory-graph", 1
    ),
    (
      "memory.jsonl", #"{"intents":{},"edges":[],"version":"1.0","timestamp":0}"#,
      "intent-snapshot", 0
    ),
    (
      "memory.jsonl", #"{"rtfs":null,"edges":[],"intents":{"a":{"intent_id":"a"}}}"#,
      "intent-snapshot", 1
    ),
    (
      "a", #"{"version":"1.1","rtfs":"\#(long)","edges":[],"intents":{"a":{"intent_id":"a"}}}"#,
      "intent-snapshot", 1
    ),
    (
      "a", #"{"edges":[{"from":"\#(long)"}],"intents":{"a":{"intent_id":"a"}}}"#,
      "intent-snapshot", 2
    ),
    ("charts.jsonl", "{\"a\":1}\n{\"b\":2}\n", "jsonl", 2),
    ("charts.jsonl", "1\n\"two\"\n[3]", "jsonl", 3),
    ("a", "{\"a\":\"\(long)\"}\n{\"b\":2}\n", "jsonl", 2),
    ("a", "{\"a\":1}\n{\"b\":\"\(long)\"}\n", "jsonl", 2),
    ("charts.jsonl", "{\"a\":1}\n", "json", 1),
    ("charts.jsonl", "[\n  1\n]\n", "json", 1),
    ("a", "{\n  \"files\": [\n    \"a\",\n    \"b\"\n  ]\n}\n", "json", 1),
    ("a", "[\n  {\"a\":1},\n  {\"b\":2}\n]", "json", 1),
    ("a", "{\"a\":\"\(long)\"}\n", "json", 1),
    ("a", "{\n\"a\":\n\"\(long)\"\n}\n", "json", 1),
  ])
  func files(name: String, text: String, kind: String, records: Int) throws {
    let reading = try Reading.text(text, name: name)
    #expect(reading.format == kind)
    #expect(reading.labels.count == records)
    #expect(reading.findings.allSatisfy { $0.severity != .error })
  }

  @Test func linesWhoseFirstIsDamaged() throws {
    let reading = try Reading.text("{\"a\":\n{\"b\":2}\n{\"c\":3}\n")
    #expect(reading.format == "jsonl" && reading.labels.count == 2)
    #expect(reading.marks == ["error unreadable 1 0 5"])
  }

  @Test func directories() throws {
    let hash = String(repeating: "ab", count: 32)
    for (files, kind) in [
      (["charts.jsonl", "charts-work.jsonl"], "memory-graph"),
      (["ab/ab/\(hash).json", "index.json"], "content-archive"),
      (["\(hash)"], "content-archive"), (["intents/ab/ab/\(hash).json"], "content-archive"),
    ] {
      let scratch = try Scratch()
      for file in files {
        try scratch.write(kind == "memory-graph" ? Self.entity : "{}", to: "store/" + file)
      }
      #expect(try Reading(scratch.file("store")).format == kind)
    }
    let scratch = try Scratch()
    try scratch.write("hello", to: "store/README")
    #expect(throws: StoreError.self) { try Reading(scratch.file("store")) }
    #expect(throws: StoreError.self) { try Reading.text("") }
  }
}
