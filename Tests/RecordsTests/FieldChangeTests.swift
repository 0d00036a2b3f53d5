import LosslessJSON
import Records
import TestSupport
import Testing

/// Which fields of two versions of a record differ.
@Suite struct FieldChangeTests {
  private func changes(_ a: String, _ b: String) throws -> [String] {
    let (old, new) = (try JSONText(Array(a.utf8).span), try JSONText(Array(b.utf8).span))
    return FieldComparison.changes(from: old, to: new).map { change in
      func text(_ bytes: [UInt8]?) -> String {
        bytes.map { String(decoding: $0, as: UTF8.self) } ?? "-"
      }
      return "\(text(change.pointer)) \(text(change.before)) \(text(change.after))"
    }
  }

  @Test(arguments: [
    (#"{"a":1,"b":2}"#, #"{ "b" : 2.0, "a" : 1e0 }"#, []),
    (#"{"a":1}"#, #"{"a":2}"#, ["/a 1 2"]),
    (
      #"{"a":1,"b":{"c":[1,2]}}"#, #"{"b":{"c":[1,3],"d":null}}"#,
      ["/a 1 -", "/b/c/1 2 3", "/b/d - null"]
    ),
    (#"{"a/b":{"~":"x"}}"#, #"{"a/b":{"~":"y"}}"#, [#"/a~1b/~0 "x" "y""#]),
    (#"{"o":["a","b","c"]}"#, #"{"o":["new","a","b","c"]}"#, [#"/o/0 - "new""#]),
    (
      #"{"o":["a","b","c","d"]}"#, #"{"o":["b","x","d","e"]}"#,
      [#"/o/0 "a" "b""#, #"/o/1 "b" "x""#, #"/o/2 "c" "d""#, #"/o/3 "d" "e""#]
    ),
    (#"{"o":["a","b","c","d"]}"#, #"{"o":["b","x","d"]}"#, [#"/o/0 "a" -"#, #"/o/1 "c" "x""#]),
    ("[1,2,3]", "[1,3]", ["/1 2 -"]),
    ("[]", "[1]", ["/0 - 1"]),
    ("{}", "[]", [" {} []"]),
    ("1", "\"1\"", [" 1 \"1\""]),
    (#"{"a":1,"a":2}"#, #"{"a":2}"#, [#" {"a":1,"a":2} {"a":2}"#]),
    (#"{"a":{"b":1}}"#, #"{"a":{"b":1,"b":1}}"#, [#"/a {"b":1} {"b":1,"b":1}"#]),
    (#"{"":1}"#, #"{"":2}"#, ["/ 1 2"]),
    (
      #"{"n":9007199254740993}"#, #"{"n":9007199254740992}"#,
      ["/n 9007199254740993 9007199254740992"]
    ),
    (#"{"s":"\u0061"}"#, #"{"s":"a"}"#, []),
    (#"{"s":"café"}"#, "{\"s\":\"cafe\u{301}\"}", ["/s \"café\" \"cafe\u{301}\""]),
  ])
  func fields(_ a: String, _ b: String, _ expected: [String]) throws {
    #expect(try changes(a, b).map { Array($0.utf8) } == expected.map { Array($0.utf8) })
  }

  @Test func deepValuesNeedNoStack() throws {
    let depth = 9000
    let (open, close) = (
      String(repeating: "[", count: depth), String(repeating: "]", count: depth)
    )
    #expect(try changes("\(open)1\(close)", "\(open)2\(close)").count == 1)
  }

  @Test func longArraysAreComparedByPlace() throws {
    let numbers = (0..<2000).map(String.init)
    let text = { (list: [String]) in "[\(list.joined(separator: ","))]" }
    let found = try changes(text(numbers), text(["x"].map { "\"\($0)\"" } + numbers))
    #expect(found == ["/0 - \"x\""])
    let other = numbers.map { "7\($0)" }
    #expect(try changes(text(numbers), text(other)).count == 2000)
  }
}
