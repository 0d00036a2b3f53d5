import HoldfastStorage
import TestSupport
import Testing

struct RuntimeIntentTests {
  @Test func thereAndBackKeepsEveryByte() throws {
    let json = """
      {"intent_id":"i","unknown":[1.0,"\\u00e9"],"goal":"g","constraints":{"c1":"(< x  89) ; why",\
      "c0":"(and [1 2.50] {:k \\"v\\"})"},"preferences":{"p":":auto"},"success_criteria":null,\
      "status":"Active","priority":7e0}
      """
    let stored = try StorableIntent(json: json)
    #expect(stored.json == json)
    var runtime = try RuntimeIntent(stored)
    #expect(runtime.storable.json == json)
    guard case .list(let items) = runtime.constraints["c1"]?.expression.form else {
      Issue.record("no list")
      return
    }
    #expect(items.map(\.range) == [1..<2, 3..<4, 6..<8])
    #expect(items[2].form == .integer("89") && items[1].form == .symbol("x"))
    #expect(runtime.preferences["p"]?.expression.form == .keyword("auto"))
    runtime.constraints["c2"] = try RuntimeIntent.Parsed("true")
    runtime.successCriteria = try RuntimeIntent.Parsed("(done? s)")
    let changed = runtime.storable
    #expect(changed.constraints["c1"] == "(< x  89) ; why")
    #expect(changed.json.contains("\"unknown\":[1.0,\"\\u00e9\"]"))
    #expect(changed.successCriteria == "(done? s)")
    #expect(try RuntimeIntent(changed).constraints == runtime.constraints)
  }

  @Test(arguments: [
    ("(< x", 0, 1), ("(a\n b]", 5, 2), (")", 0, 1), ("\"a\\q\"", 2, 1), ("1.", 0, 1),
    ("(f)\n(g)", 4, 2), ("{:a}", 1, 1), ("{a 1}", 1, 1), ("", 0, 1), ("(f #x)", 3, 1),
    ("\"open", 0, 1), ("\n#| open", 1, 2), ("(: a)", 1, 1), ("12ab", 0, 1),
  ]) func errorsHaveAPlace(_ source: String, _ offset: Int, _ line: Int) throws {
    var intent = StorableIntent(id: "i", goal: "g", createdAt: 0)
    intent.constraints = ["c": source]
    do throws(StorageError) {
      _ = try RuntimeIntent(intent)
      Issue.record("\(source) was read")
    } catch {
      #expect(error.offset == offset && error.line == line, "\(error)")
      #expect(error.message.hasPrefix("the constraint c of intent i is no RTFS"))
    }
  }

  @Test func valuesAreRead() throws {
    let all = try RTFSExpression.all(
      in: "nil true -7 +3 1.5 1.0e21 :a-b \"x\\n\\\"\" f? [] {} () ; end\n#| c |# \"raw\nline\"")
    #expect(
      all.map(\.form) == [
        .nil, .boolean(true), .integer("-7"), .integer("+3"), .float("1.5"), .float("1.0e21"),
        .keyword("a-b"), .string("x\n\""), .symbol("f?"), .vector([]), .map([]), .list([]),
        .string("raw\nline"),
      ])
  }

  /// Deep nesting is an error, not the end of the process.
  @Test func deep() {
    let source = String(repeating: "(", count: 100_000)
    #expect(throws: StorageError.self) { try RTFSExpression(source) }
  }
}
