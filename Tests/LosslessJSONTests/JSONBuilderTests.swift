import LosslessJSON
import TestSupport
import Testing

struct JSONBuilderTests {
  private func text(_ builder: JSONBuilder) -> String {
    String(decoding: builder.bytes.array, as: UTF8.self)
  }

  private func build(_ builder: inout JSONBuilder) {
    builder.object {
      $0.member("a", "x\"\n\u{1}é")
      $0.member("n", -5)
      $0.member("t", true)
      $0.member("absent", ifPresent: nil as String?)
      $0.key("empty")
      $0.array { _ in }
      $0.key("nested")
      $0.object {
        $0.key("list")
        $0.array(of: [1, 2]) { $0.value($1) }
        $0.key("none")
        $0.null()
      }
      $0.key("raw")
      $0.raw(Array("[0]".utf8).span)
      $0.key("object")
      $0.object { _ in }
      $0.member("last", ifPresent: 7)
    }
  }

  @Test func compact() {
    var builder = JSONBuilder(pretty: false)
    build(&builder)
    #expect(
      text(builder)
        == #"{"a":"x\"\n\u0001é","n":-5,"t":true,"empty":[],"nested":{"list":[1,2],"none":null},"#
        + #""raw":[0],"object":{},"last":7}"#)
  }

  @Test func pretty() {
    var builder = JSONBuilder(pretty: true)
    build(&builder)
    #expect(
      text(builder) == #"""
        {
          "a": "x\"\n\u0001é",
          "n": -5,
          "t": true,
          "empty": [],
          "nested": {
            "list": [
              1,
              2
            ],
            "none": null
          },
          "raw": [0],
          "object": {},
          "last": 7
        }
        """#)
  }

  @Test func pathsOfAnyBytesComeBack() throws {
    var random = Seeded()
    for round in 0..<500 {
      var path = round == 0 ? Array(UInt8.min...UInt8.max) : random.bytes(random.below(12))
      if random.chance(2) { path += Array("é😀\u{D7FF}\u{E000}".utf8) }
      if random.chance(3) { path += [0xED, 0xB2, 0x80, 0xED, 0xA0, 0x80] }
      var builder = JSONBuilder(pretty: false)
      builder.value(path: path)
      let text = try JSONText(builder.bytes.span)
      #expect(text.bytes(ofPath: 0) == path, "seed \(random.seed)")
    }
  }

  @Test(arguments: [
    ("{\"k\":12}", 12), ("{\"k\":-0}", 0), ("{\"k\":9223372036854775807}", Int.max),
    ("{\"k\":9223372036854775808}", nil), ("{\"k\":1.0}", nil), ("{\"k\":\"1\"}", nil),
    ("{}", nil), ("[1]", nil),
  ])
  func integers(text: String, value: Int?) throws {
    #expect(try JSONText(Array(text.utf8).span).integer("k") == value)
  }
}
