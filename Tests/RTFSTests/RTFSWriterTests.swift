import LosslessJSON
import RTFS
import Records
import Testing

@Suite struct RTFSWriterTests {
  struct Golden: Sendable, CustomTestStringConvertible {
    var kind: RecordKind
    var json: String
    var scope = ""
    var expected: String
    var testDescription: String { "\(kind) \(json)" }
  }

  /// What each kind looks like. The front fields of intents and edges are upstream's.
  @Test(arguments: [
    Golden(
      kind: .intent,
      json: #"""
        {"intent_id":"i-1","name":"Ship","original_request":"ship it","rtfs_intent_source":"(do)",
         "goal":"say \"hi\"\n","constraints":{"cost":"(< c 1)","b":"1"},"child_intents":["a","b"],
         "triggered_by":"HumanRequest","status":"Active","priority":3,"created_at":1700000000}
        """#,
      expected: #"(intent {:id "i-1" :goal "say \"hi\"\n" :status "Active" :priority 3 "#
        + #":name "Ship" :rtfs-intent "(do)" "child_intents" ["a" "b"] "#
        + #""constraints" {"b" "1" "cost" "(< c 1)"} "created_at" 1700000000 "#
        + #""original_request" "ship it" "triggered_by" "HumanRequest" })"#),
    Golden(
      kind: .intent,
      json: #"{"name":null,"intent_id":"i-2","rtfs_intent_source":"","goal":"g","priority":0}"#,
      expected: #"(intent {:id "i-2" :goal "g" :priority 0 "name" nil "rtfs_intent_source" "" })"#),
    Golden(
      kind: .edge,
      json: #"{"from":"a","to":"b","edge_type":"Enables","metadata":null,"weight":1.0}"#,
      expected: #"(edge {:from "a" :to "b" :type "Enables" :weight 1 "metadata" nil })"#),
    Golden(
      kind: .edge, json: #"{"weight":null,"to":"b","from":"a","edge_type":"Blocks"}"#,
      expected: #"(edge {:from "a" :to "b" :type "Blocks" "weight" nil })"#),
    Golden(
      kind: .entity,
      json: #"{"type":"entity","name":"Ada","entityType":"person","observations":["x",5,null]}"#,
      expected: #"(entity {:name "Ada" :type "person" :observations ["x" 5 nil] "type" "entity" })"#
    ),
    Golden(
      kind: .entity, json: #"{"type":"entity","data":{"name":"Ada","entityType":"person"}}"#,
      expected: #"(entity {"data" {"entityType" "person" "name" "Ada"} "type" "entity" })"#),
    Golden(
      kind: .relation,
      json: #"{"type":"relation","to":"b","from":"a","relationType":"knows","metadata":{}}"#,
      expected: #"(relation {:from "a" :to "b" :type "knows" "metadata" {} "type" "relation" })"#),
    Golden(
      kind: .plan, json: #"{"plan_id":"p","name":"n","body":{"a":[]},"status":"Draft"}"#,
      expected: #"(plan {:id "p" :name "n" :status "Draft" "body" {"a" []} })"#),
    Golden(
      kind: .action, json: #"{"action_id":"a","plan_id":"p","action_type":"Step","ok":true}"#,
      expected: #"(action {:id "a" :plan "p" :type "Step" "ok" true })"#),
    Golden(
      kind: .run, json: #"{"run_id":"r","plan_id":"p","objective":"o","created_at":1.5}"#,
      expected: #"(run {:id "r" :plan "p" :objective "o" "created_at" 1.5 })"#),
    Golden(
      kind: .task, json: #"{"id":7,"title":"t","completed":false,"user":"u"}"#, scope: "u",
      expected: #"(task {:id 7 :title "t" :completed false "user" "u" } :scope "u")"#),
    Golden(
      kind: .user, json: #"{"username":"u","created_at":"2026"}"#,
      expected: #"(user {:username "u" "created_at" "2026" })"#),
    Golden(
      kind: .project, json: #"{"id":"1","name":"n","user_id":2}"#,
      expected: #"(project {:id "1" :name "n" :user 2 })"#),
    Golden(kind: .document, json: "5", expected: "(document 5)"),
    Golden(kind: .document, json: " [ ] ", expected: "(document [])"),
    Golden(kind: .document, json: "{ }", expected: "(document {})"),
  ]) func aRecordReadsNaturally(golden: Golden) throws {
    let record = try makeRecord(golden.kind, golden.json, scope: golden.scope)
    #expect(String(decoding: line(record), as: UTF8.self) == golden.expected)
  }

  /// What cannot stand at the front stands behind.
  @Test(arguments: [
    (#"{"goal":"a","goal":"b"}"#, #"(intent {"goal" "a" "goal" "b" })"#),
    (#"{"goal":"a","g\u006fal":"b"}"#, #"(intent {"goal" "a" "goal" "b" })"#),
    (#"{"goal":["a"],"priority":"1"}"#, #"(intent {"goal" ["a"] "priority" "1" })"#),
    (#"{"g\u006fal":"b"}"#, #"(intent {:goal "b" })"#),
    (#"{"name":""}"#, #"(intent {:name "" })"#),
    (#"[{"goal":"g"}]"#, #"(intent [{"goal" "g"}])"#),
  ]) func repeatedAndUnsuitableFieldsStandBehind(json: String, expected: String) throws {
    #expect(String(decoding: line(try makeRecord(.intent, json)), as: UTF8.self) == expected)
  }

  @Test(arguments: [
    (#""\ud800""#, #"(json "\"\\ud800\"")"#),
    (#"["a\udfff\n","b"]"#, #"[(json "\"a\\udfff\\n\"") "b"]"#),
    (#"[{"b":1,"\ud800":{"a":"\""}}]"#, #"[(json "{\"b\":1,\"\\ud800\":{\"a\":\"\\\"\"}}")]"#),
    (#""\ud83d\ude00""#, #""😀""#),
    (#""\b\f\/\u0000\u007f""#, "\"\u{8}\u{c}/\u{0}\u{7f}\""),
  ]) func loneSurrogatesStandAsJSON(json: String, expected: String) throws {
    let text = String(decoding: line(try makeRecord(.document, json)), as: UTF8.self)
    #expect(text == "(document \(expected))")
  }

  @Test func aKeyThatIsNoTextMakesTheRecordJSON() throws {
    let record = try makeRecord(.entity, #"{"name":"x","\udc00":1}"#)
    #expect(
      String(decoding: line(record), as: UTF8.self)
        == #"(entity (json "{\"name\":\"x\",\"\\udc00\":1}"))"#)
  }

  @Test func aScopeThatIsNoTextIsJSON() throws {
    let record = try makeRecord(.document, Array("1".utf8), scope: [0x61, 0xED, 0xB0, 0x80])
    #expect(
      String(decoding: line(record), as: UTF8.self) == #"(document 1 :scope (json "\"a\\udc00\""))"#
    )
  }

  @Test(arguments: [
    ("1e21", "1.0e21"), ("-1e-9", "-1.0e-9"), ("1.5e30", "1.5e30"), ("100", "100"), ("1e2", "100"),
    ("-0", "0"), ("0.10", "0.1"), ("1.0", "1"), ("0.00001", "0.00001"), ("-20.5", "-20.5"),
    ("0.0000001", "1.0e-7"), ("1e400", "1.0e400"), ("12345678901234567890", "12345678901234567890"),
  ]) func numbersAreCanonicalAndHaveDigitsAroundThePoint(json: String, expected: String) throws {
    let text = String(decoding: line(try makeRecord(.document, json)), as: UTF8.self)
    #expect(text == "(document \(expected))")
  }

  @Test func theSnapshotHasUpstreamsLayout() throws {
    let empty = """
      ;; Intent Graph Snapshot (hybrid backup)
      (intent-graph
        (intents
        )
        (edges
        )
      )

      """
    #expect(String(decoding: snapshot([]), as: UTF8.self) == empty)
    let edge = try makeRecord(.edge, #"{"from":"a"}"#)
    let oneEdge = empty.replacing("  (edges\n", with: "  (edges\n    (edge {:from \"a\" })\n")
    #expect(String(decoding: snapshot([edge]), as: UTF8.self) == oneEdge)
  }

  @Test func theSnapshotOpensAListForEachKind() throws {
    let records = try RTFSSnapshot.order.flatMap { kind in
      [try makeRecord(kind, "1"), try makeRecord(kind, "2")]
    }
    func list(_ name: String, _ kind: RecordKind) -> String {
      "  (\(name)\n    (\(kind) 1)\n    (\(kind) 2)\n  )\n"
    }
    let expected =
      ";; Intent Graph Snapshot (hybrid backup)\n(intent-graph\n" + list("intents", .intent)
      + list("edges", .edge) + ")\n(knowledge-graph\n" + list("entities", .entity)
      + list("relations", .relation) + ")\n(plan-archive\n" + list("plans", .plan)
      + list("actions", .action) + ")\n(run-history\n" + list("runs", .run) + ")\n(task-list\n"
      + list("users", .user) + list("projects", .project) + list("tasks", .task)
      + ")\n(documents\n    (document 1)\n    (document 2)\n)\n"
    #expect(String(decoding: snapshot(records), as: UTF8.self) == expected)
  }

  @Test func intentsAndEdgesAreThereBeforeOtherKinds() throws {
    let text = String(decoding: snapshot([try makeRecord(.document, "1")]), as: UTF8.self)
    #expect(text.hasSuffix("(intents\n  )\n  (edges\n  )\n)\n(documents\n    (document 1)\n)\n"))
  }
}
