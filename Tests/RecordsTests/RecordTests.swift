import LosslessJSON
import Records
import Testing

@Suite("Records")
struct RecordTests {
  private func record(
    _ kind: RecordKind, _ text: String, scope: String = "", line: Int = 7
  ) throws -> Record {
    var record = Record()
    record.kind = kind
    record.scope = Array(scope.utf8)
    record.place.line = line
    let bytes = Array(text.utf8)
    try record.text.parse(bytes.span)
    return record
  }

  @Test(arguments: [
    (RecordKind.entity, #"{"type":"entity","name":"Ada"}"#, "entity:Ada"),
    (.entity, #"{"type":"entity","data":{"name":"Ada"}}"#, "entity:Ada"),
    (.entity, #"{"name":"outer","data":{"name":"inner"}}"#, "entity:outer"),
    (.entity, #"{"name":"\u0041\n\ud83d\ude00"}"#, "entity:A\n\u{1F600}"),
    (.entity, #"{"name":"first","name":"last"}"#, "entity:last"),
    (.entity, #"{"n\u0061me":"escaped"}"#, "entity:escaped"),
    (.entity, #"{"name":null}"#, "entity:line 7"), (.entity, "[1]", "entity:line 7"),
    (.relation, #"{"from":"a","to":"b","relationType":"knows"}"#, "relation:a -knows-> b"),
    (.relation, #"{"data":{"from":"a","to":"b","relationType":"r"}}"#, "relation:a -r-> b"),
    (.relation, #"{"from":"a","to":"b"}"#, "relation:line 7"),
    (.intent, #"{"intent_id":"i1"}"#, "intent:i1"),
    (.edge, #"{"from":"a","to":"b","edge_type":"Blocks"}"#, "edge:a -Blocks-> b"),
    (.plan, #"{"plan_id":"p1","action_id":"a1"}"#, "plan:p1"),
    (.action, #"{"plan_id":"p1","action_id":"a1"}"#, "action:a1"),
    (.run, #"{"run_id":"r1"}"#, "run:r1"),
    (.task, #"{"id":"6f","title":"t"}"#, "task:6f"), (.task, #"{"id":12}"#, "task:12"),
    (.project, #"{"id":3}"#, "project:3"), (.user, #"{"username":"eve","id":4}"#, "user:eve"),
    (.document, #"{"id":"x"}"#, "document:line 7"),
  ])
  func labels(_ kind: RecordKind, _ text: String, _ label: String) throws {
    let record = try record(kind, text)
    #expect(record.label == label)
    var out = ByteBuffer()
    #expect(record.appendID(to: &out) == !label.hasSuffix("line 7"))
  }

  @Test func scopeAndDocumentID() throws {
    #expect(try record(.intent, "{}", scope: "key").label == "intent:key")
    #expect(try record(.intent, #"{"intent_id":"i"}"#, scope: "key").label == "intent:i")
    var document = try record(.document, "1")
    document.documentID = Array("pointer".utf8)
    #expect(document.label == "document:pointer")
  }

  @Test func loneSurrogatesAreShownAsReplacement() throws {
    #expect(try record(.entity, #"{"name":"a\ud800"}"#).label.hasPrefix("entity:a\u{FFFD}"))
  }

  @Test(arguments: RecordKind.allCases)
  func kinds(_ kind: RecordKind) {
    #expect(String(describing: kind.word) == kind.rawValue)
    #expect(RecordKind.allCases[kind.rank] == kind)
    #expect(kind.plural == (kind == .entity ? "entities" : kind.rawValue + "s"))
  }

  /// The canonical hash is that of kind, LF, scope, LF and the canonical form, which is written
  /// here by hand.
  @Test(arguments: RecordKind.allCases, ["", "user/7"])
  func canonicalHash(_ kind: RecordKind, _ scope: String) throws {
    let form = "\(kind.rawValue)\n\(scope)\n{\"a\":[1,\"\u{E9}\"],\"b\":0.5}"
    let expected = try sha256sum(Array(form.utf8))
    var first = try record(kind, #"{ "b":5e-1, "a":[1.0,"\u00e9"] }"#, scope: scope)
    var second = try record(kind, "{\"a\":[1,\"\u{E9}\"],\"b\":0.50}", scope: scope, line: 9)
    #expect(first.canonicalHash().hex == expected)
    #expect(second.canonicalHash().hex == expected)
    #expect(second.canonicalHash().hex == expected)
  }

  /// Archive entries as their owner writes them: pretty-printed, named by the hash of the compact
  /// serialisation in the same key order, neither of which is canonical.
  @Test func contentHashesOfAnArchive() throws {
    let program = """
      import hashlib, json, random, sys
      words = ["plain", "caf\\u00e9", "\\U0001F600", 'q"u\\\\o', "tab\\tlf\\n", "sp  ace", "a:b, c"]
      for n in range(40):
          keys = ["intent_id", "name", "goal", "weight", "tags", "empty", "none", "deep"]
          random.shuffle(keys)
          values = {"intent_id": f"intent-{n}", "name": random.choice(words), "goal": words[n % 7],
                    "weight": n / 7, "tags": words[: n % 5], "empty": {}, "none": None,
                    "deep": {"z": [[], [n, {}], True], "a": {"\\u00e9": -n}}}
          value = {k: values[k] for k in keys}
          ascii = n % 2 == 0
          compact = json.dumps(value, separators=(",", ":"), ensure_ascii=ascii)
          pretty = json.dumps(value, indent=2, ensure_ascii=ascii)
          name = hashlib.sha256(compact.encode()).hexdigest()
          with open(f"{sys.argv[1]}/{name}.json", "wb") as out:
              out.write(pretty.encode())
          print(name)
      """
    try TestFile.withDirectory { directory in
      try TestFile.run(["python3", "-c", program, directory], output: directory + "/names")
      let names = String(decoding: try TestFile.read(directory + "/names"), as: UTF8.self)
        .split(separator: "\n")
      #expect(names.count == 40)
      for name in names {
        var record = Record()
        let bytes = try TestFile.read("\(directory)/\(name).json")
        try record.text.parse(bytes.span)
        #expect(record.contentHash().hex == name)
      }
    }
  }

  private func sha256sum(_ bytes: [UInt8]) throws -> String {
    try TestFile.withDirectory { directory in
      try TestFile.write(bytes, to: directory + "/data")
      try TestFile.run(["sha256sum", directory + "/data"], output: directory + "/sum")
      return String(decoding: try TestFile.read(directory + "/sum").prefix(64), as: UTF8.self)
    }
  }
}
