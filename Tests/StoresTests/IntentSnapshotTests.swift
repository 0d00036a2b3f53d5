import Disk
import LosslessJSON
import Records
import Stores
import TestSupport
import Testing

struct IntentSnapshotTests {
  @Test(arguments: [
    (
      #"{"intents":{"a":{"intent_id":"a"},"k":{"intent_id":"b"},"c":{}},"edges":[]}"#,
      ["intent:a", "intent:b | k", "intent:c | c"], []
    ),
    (
      #"{"intents":{"a":{"intent_id":"a"},"a":{"intent_id":"a","x":1}}}"#,
      ["intent:a", "intent:a"], []
    ),
    (#"{"intents":[{"intent_id":"a"},{"intent_id":"b"}]}"#, ["intent:a", "intent:b"], []),
    (
      #"{"intents":{},"version":"1.1","timestamp":1,"manifest":null,"rtfs":"(x)","own":{"y":1}}"#,
      ["document:own | own"], []
    ),
    (#"{"intents":{},"edges":{"from":"a"}}"#, ["document:edges | edges"], []),
    (
      #"{"intents":{},"edges":[],"plans":[{"plan_id":"p"}],"runs":[{"run_id":"r"}]}"#,
      ["plan:p", "run:r"], []
    ),
    (
      #"{"intents":{"a":{"intent_id":"a"},"b":{"intent_id":b},"c":{"intent_id":"c"}},"edges":[]}"#,
      ["intent:a", "intent:c"], ["error unreadable 1 38 15"]
    ),
    (
      #"{"intents":{"a":{"intent_id":"a"}},"edges":[{"from":"x","edge_type":"t","to":"y"},}]}"#,
      ["intent:a", "edge:x -t-> y"], ["error unreadable 1 82 1"]
    ),
    (
      #"{"intents":{"a":{"intent_id":"a"},"b":{"intent_id":"b"#, ["intent:a"],
      ["error torn-tail 1 38 15"]
    ),
    (
      #"{"intents":{"a":{"$scope":"s","$record":{"intent_id":"a"}},"b":{"$record":1,"$scope":""}}}"#,
      ["intent:a | s", "intent:b | b"], []
    ),
    (
      #"{"intents":{},"edges":[{"$scope":"s","$record":{"$scope":"","$record":{}}}]}"#,
      ["edge:s | s"], []
    ),
  ])
  func members(text: String, labels: [String], marks: [String]) throws {
    let reading = try Reading.text(text, kind: .intentSnapshot)
    #expect(reading.labels == labels)
    #expect(reading.marks.filter { $0.hasPrefix("error") } == marks)
  }

  @Test func orderAndSpellingDoNotChangeTheDigest() throws {
    let one = try Reading.text(
      #"{"version":"1.0","intents":{"a":{"intent_id":"a","n":1.0},"b":{"intent_id":"b"}},"edges":[{"from":"a","to":"b","edge_type":"t"}]}"#
    )
    let other = try Reading.text(
      """
      {"edges": [{"edge_type": "t", "to": "b", "from": "\\u0061"}],
       "intents": {"b": {"intent_id": "b"}, "a": {"n": 10e-1, "intent_id": "a"}}}
      """)
    #expect(one.format == "intent-snapshot" && other.format == "intent-snapshot")
    #expect(one.digest == other.digest)
  }
}
