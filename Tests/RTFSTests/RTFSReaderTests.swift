import LosslessJSON
import RTFS
import Records
import Testing

@Suite struct RTFSReaderTests {
  private func canonical(_ text: String) throws -> [String] {
    try readAll(Array(text.utf8)).map { String(decoding: $0.facts.canonical, as: UTF8.self) }
  }

  /// As upstream writes it: tabs and line ends raw in strings, part of the fields only.
  @Test func upstreamsSnapshotsAreRead() throws {
    let text = """
      ;; Intent Graph Snapshot (hybrid backup)
      (intent-graph
        (intents
          (intent {:id "i-2" :goal "tab\there
      line \\\\ \\"q\\"" :status "Executing" :priority 67 })
          (intent {:id "i-1" :goal "g" :status "Active" :priority 0 :name "n" :rtfs-intent "(x)" })
        )
        (edges
          (edge {:from "i-2" :to "i-1" :type "Enables" :weight 0.0000001 })
          (edge {:from "i-1" :to "i-2" :type "Blocks" })
        )
      )

      """
    let back = try readAll(Array(text.utf8))
    #expect(
      try canonical(text) == [
        #"{"goal":"tab\there\nline \\ \"q\"","intent_id":"i-2","priority":67,"status":"Executing"}"#,
        #"{"goal":"g","intent_id":"i-1","name":"n","priority":0,"rtfs_intent_source":"(x)","#
          + #""status":"Active"}"#,
        #"{"edge_type":"Enables","from":"i-2","to":"i-1","weight":1e-7}"#,
        #"{"edge_type":"Blocks","from":"i-1","to":"i-2"}"#,
      ])
    #expect(back.map(\.facts.kind) == [.intent, .intent, .edge, .edge])
    #expect(back.map(\.at.line) == [4, 6, 9, 10])
  }

  @Test func anyLayoutAndCommentsAreRead() throws {
    let text = """
      #| a ( comment |#;
      ( ;intents
      knowledge-graph\t( #|x|# entities(entity{"a"[1 2(json "3")]:name"x"}:scope"s\\n"))
      ; ) in a comment |#
      (relations ( relation #|| |# {
        :from ; the start
        "a" } ) ) )
      (document +007)(document -0.50e+02 ; end
      )(user (json " { \\"a\\" : 1 } ") :scope (json "\\"\\\\ud800\\""))
      ;; no line end
      """
    #expect(
      try canonical(text) == [
        #"{"a":[1,2,3],"name":"x"}"#, #"{"from":"a"}"#, "7", "-50", #"{"a":1}"#,
      ])
    let back = try readAll(Array(text.utf8))
    #expect(back.map(\.facts.scope) == [Array("s\n".utf8), [], [], [], [0xED, 0xA0, 0x80]])
    #expect(back.map(\.at.line) == [3, 5, 8, 8, 9])
    for window in 1...20 {
      #expect(try readAll(Array(text.utf8), window: window).map(\.facts) == back.map(\.facts))
    }
  }

  @Test func commentsLongerThanManyReadsAreSkipped() throws {
    let long = String(repeating: "x | ( \" # ", count: 100_000)
    for text in ["#|\(long)|#(document 1)", ";\(long)\n(document 1);\(long)"] {
      for window in [1, 4096] {
        let back = try readAll(Array(text.utf8), window: window)
        #expect(back.map(\.facts.canonical) == [[0x31]])
      }
    }
  }

  struct Malformed: Sendable, CustomTestStringConvertible {
    var text: String
    var code: RTFSError.Code
    var offset: Int
    init(_ text: String, _ code: RTFSError.Code, _ offset: Int) {
      self.text = text
      self.code = code
      self.offset = offset
    }
    var testDescription: String { text }
  }

  @Test(arguments: [
    Malformed("(document", .unexpectedEnd, 9),
    Malformed("(document 1", .unexpectedEnd, 11),
    Malformed("(document \"a", .unexpectedEnd, 12),
    Malformed("(intent-graph (intents)", .unexpectedEnd, 23),
    Malformed("#| never closed |", .unexpectedEnd, 17),
    Malformed("#", .unexpectedEnd, 1),
    Malformed("(document)", .unexpectedByte, 9),
    Malformed("(document 1 2)", .unexpectedByte, 12),
    Malformed("(document 1))", .unexpectedByte, 12),
    Malformed("()", .unexpectedByte, 1),
    Malformed("document", .unexpectedByte, 0),
    Malformed("(document [1, 2])", .unexpectedByte, 12),
    Malformed("(document [1 })", .unexpectedByte, 13),
    Malformed("(document #x 1)", .unexpectedByte, 10),
    Malformed("(document [:a])", .unexpectedByte, 11),
    Malformed("(document {\"a\"})", .unexpectedByte, 14),
    Malformed("(document 'a)", .unexpectedByte, 10),
    Malformed("(document (json 5))", .unexpectedByte, 16),
    Malformed("(document (json \"5\" 6))", .unexpectedByte, 20),
    Malformed("(document 1 :scope 5)", .unexpectedByte, 19),
    Malformed("(document 1 :scope \"a\" :scope \"b\")", .unexpectedByte, 23),
    Malformed("(document \"\\u0041\")", .badEscape, 11),
    Malformed("(document \"\\b\")", .badEscape, 11),
    Malformed("(document (json \"\\/\"))", .badEscape, 17),
    Malformed("(document 1.)", .badNumber, 12),
    Malformed("(document -)", .badNumber, 11),
    Malformed("(document 1e5)", .badNumber, 11),
    Malformed("(document 1.0e)", .badNumber, 14),
    Malformed("(document 1/2)", .badNumber, 11),
    Malformed("(document 2026-01-01T00:00:00Z)", .badNumber, 14),
    Malformed("(document [1:a])", .badNumber, 12),
    Malformed("(document .5)", .unknownWord, 10),
    Malformed("(document null)", .unknownWord, 10),
    Malformed("(document True)", .unknownWord, 10),
    Malformed("(document (list 1))", .unknownWord, 11),
    Malformed("(documented 1)", .unknownWord, 1),
    Malformed("(intent-graph (things))", .unknownWord, 15),
    Malformed("(document {1 2})", .expectedKey, 11),
    Malformed("(intent {:id {:id 1}})", .expectedKey, 14),
    Malformed("(document {a 2})", .expectedKey, 11),
    Malformed("(intent {:identity 2})", .unknownKeyword, 9),
    Malformed("(document {:id 2})", .unknownKeyword, 11),
    Malformed("(document 1 :place \"s\")", .unknownKeyword, 12),
    Malformed("(intent {:id 2 :goal 1 :id 3})", .repeatedKeyword, 23),
    Malformed("(document (json \"1,2\"))", .badJSON, 16),
    Malformed("(document {\"a\" (json \"\")})", .badJSON, 21),
    Malformed("(intents)", .misplaced, 0),
    Malformed("(intent-graph (entities))", .misplaced, 14),
    Malformed("(intent-graph (intent 1))", .misplaced, 14),
    Malformed("(intent-graph (documents))", .misplaced, 14),
    Malformed("(intent-graph (intents (edge 1)))", .misplaced, 23),
    Malformed("(intent-graph (intents (edges)))", .misplaced, 23),
    Malformed("(intent-graph (intent-graph))", .misplaced, 14),
  ]) func malformedTextIsRefused(malformed: Malformed) throws {
    for lines in 0..<3 {
      let text = Array((String(repeating: "; line\n", count: lines) + malformed.text).utf8)
      for window in [1, 1 << 18] {
        let error = try #require(try readError(text, window: window))
        #expect(error.code == malformed.code)
        #expect(error.offset == malformed.offset + 7 * lines)
        #expect(error.line == lines + 1)
      }
    }
  }

  @Test(arguments: [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC0, 0x80]])
  func stringsThatAreNotUTF8AreRefused(bytes: [UInt8]) throws {
    let text = Array("\n(document [\"é\n".utf8) + bytes + Array("\"])".utf8)
    let error = try #require(try readError(text))
    #expect(error == RTFSError(.invalidUTF8, at: 16, line: 3))
  }

  @Test(arguments: ["[", "{\"a\"", "(", "(json ", "#|", "{\"a\" [", "(document "])
  func nestingWithoutEndIsRefused(open: String) throws {
    let text = Array(("(document " + String(repeating: open, count: 100_000)).utf8)
    let error = try #require(try readError(text))
    #expect(error.code != .tooDeep || open.hasPrefix("[") || open.hasPrefix("{"))
    #expect(error.line == 1)
  }

  @Test func nestingBeyondTheLimitIsRefusedAndUpToItRead() throws {
    func text(_ levels: Int) -> [UInt8] {
      Array(
        ("(document " + String(repeating: "[", count: levels)
          + String(repeating: "]", count: levels) + ")").utf8)
    }
    #expect(try readAll(text(10_000)).count == 1)
    #expect(try readError(text(10_001)) == RTFSError(.tooDeep, at: 10_010))
    let inside = "(document [(json \"\(String(repeating: "[", count: 10_000))"
    let closing = "\(String(repeating: "]", count: 10_000))\")])"
    #expect(try readError(Array((inside + closing).utf8))?.code == .tooDeep)
  }

  @Test func aRecordWithoutEndIsRefusedBeforeItFillsTheMemory() throws {
    struct Endless: ByteSource {
      var given = 0
      mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
        if given == 0 { buffer.append("(document 1) (document \"") } else { buffer.append("x") }
        let count = given == 0 ? 24 : 1
        given += count
        return given < 10_000_000 ? count : 0
      }
    }
    var reader = RTFSReader(Endless(), window: 64, longest: 1000)
    var record = Record()
    #expect(try reader.next(&record))
    #expect(throws: RTFSError(.tooLong, at: 13)) { _ = try reader.next(&record) }
  }

  @Test func aSourceThatFailsIsNotTheEnd() throws {
    struct Failing: ByteSource {
      struct Failure: Error {}
      var isFirst = true
      mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
        guard isFirst else { throw Failure() }
        isFirst = false
        buffer.append("(document 1)")
        return 12
      }
    }
    var reader = RTFSReader(Failing())
    var record = Record()
    #expect(throws: Failing.Failure.self) { while try reader.next(&record) {} }
  }

  @Test func theScannerReadsARecordInTheMiddleOfRubbish() throws {
    let text = ByteBuffer(Array("\u{0}\"junk (entity {:name \"x\" } :scope \"s\")(ent".utf8))
    var scanner = RTFSRecordScanner()
    var record = Record()
    let end = try scanner.scan(text, from: 7, into: &record)
    #expect(record.label == "entity:x")
    #expect(record.scope == [0x73])
    #expect(end == text.count - 4)
    #expect(throws: RTFSError(.unexpectedEnd, at: text.count)) {
      _ = try scanner.scan(text, from: end, into: &record)
    }
    for start in [0, 8, text.count - 1, text.count, text.count + 5] {
      #expect(throws: RTFSError.self) { _ = try scanner.scan(text, from: start, into: &record) }
    }
  }
}
