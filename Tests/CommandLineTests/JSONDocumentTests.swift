import Testing

/// What `digest --kind json` accepts and refuses, and where it says that a refused text breaks.
/// The whole JSON Parsing Test Suite is run in LosslessJSONTests; here it is the way out to the
/// user that counts.
@Suite(.scratch) struct JSONDocumentTests {
  @Test(arguments: [
    "0", "-0", "1e400", "[]", "{}", "\"\"", " [1] \n", "[null,true,false]", #"{"a":{"a":[]}}"#,
    #"{"a":1,"a":2}"#, #""\ud800""#, #""\udc00\ud800x""#, #""\u0000""#, "\"\u{10FFFF}\u{7F}\"",
    "[-1.5E+10,0e0]", "\r\n\t [ ] ", "\u{FEFF}{}",
    "9" + String(repeating: "0", count: 400),
    String(repeating: "[", count: 10_000)
      + String(repeating: "]", count: 10_000),
  ])
  func accepted(_ text: String) throws {
    let scratch = try Scratch.here()
    let path = try scratch.write(text, to: "x.json")
    let outcome = try scratch.holdfast(exit: 0, "digest", "--kind", "json", path)
    #expect(outcome.lines.count == 1 && outcome.messages.isEmpty)
    let found = try scratch.json("digest", "--kind", "json", path)
    #expect(found["digests"]?[0]?["records"]?.integer == 1)
  }

  /// Text, and the line and offset of the first byte that cannot be.
  @Test(arguments: [
    ("", 1, 0), ("   ", 1, 0), ("[1,]", 1, 3), ("{\"a\":1,}", 1, 7), ("[1 2]", 1, 3),
    ("nul", 1, 3), ("[1", 1, 2), ("01", 1, 1), ("-", 1, 1), ("1.", 1, 2), ("+1", 1, 0),
    (".5", 1, 0), ("NaN", 1, 0), ("'a'", 1, 0), ("{a:1}", 1, 1), ("\"\n\"", 1, 1),
    ("\"\\x\"", 1, 2), ("\"\\u12G4\"", 1, 5), ("[1]\n[2]", 2, 4), ("{\n\"a\":\n?}", 3, 7),
    ("// x\n1", 1, 0), ("{\"a\" 1}", 1, 5), ("[\"", 1, 2), ("{\"a\":1]", 1, 6), ("1\u{0}", 1, 1),
    (String(repeating: "[", count: 10_001), 1, 10_000),
  ])
  func refused(_ text: String, _ line: Int, _ offset: Int) throws {
    try expectRefusal(Array(text.utf8), line, offset)
  }

  @Test(
    arguments: [
      ([0x22, 0xFF, 0x22], 1), ([0x22, 0xC0, 0x80, 0x22], 1), ([0x22, 0xED, 0xA0, 0x80, 0x22], 1),
      ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1), ([0x5B, 0xE5, 0x5D], 1), ([0x22, 0xE2, 0x82], 1),
      ([0xFF, 0xFE, 0x5B, 0x00], 0), ([0x22, 0x61, 0x80, 0x22], 2),
    ] as [([UInt8], Int)])
  func noUTF8(_ bytes: [UInt8], _ offset: Int) throws { try expectRefusal(bytes, 1, offset) }

  private func expectRefusal(_ bytes: [UInt8], _ line: Int, _ offset: Int) throws {
    let scratch = try Scratch.here()
    let path = try scratch.write(bytes, to: "x.json")
    let plain = try scratch.holdfast(exit: 13, "digest", "--kind", "json", path)
    #expect(plain.output.isEmpty)
    #expect(plain.messages.count == 1)
    #expect(plain.message.contains(path))
    let finding = try scratch.json(exit: 13, "digest", "--kind", "json", path)["findings"]?[0]
    #expect(finding?["severity"]?.text == "error")
    #expect(finding?["path"]?.text == path)
    #expect(finding?["line"]?.integer == line)
    #expect(finding?["offset"]?.integer == offset)
  }
}
