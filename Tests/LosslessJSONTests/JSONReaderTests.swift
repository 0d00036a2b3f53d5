import LosslessJSON
import TestSupport
import Testing

/// The pull reader against the reader of whole texts, whatever pieces the source gives.
struct JSONReaderTests {
  private static let sizes: [[Int]] = [[1], [7], [4096], [1, 2, 3, 5, 8, 13]]

  /// What reading `text` whole and strictly comes to: the compact bytes, or the error.
  private func pulled(_ text: [UInt8], _ sizes: [Int]) throws -> Result<[UInt8], JSONError> {
    var reader = JSONReader(ChunkSource(text, sizes: sizes))
    var value = JSONText()
    do {
      guard try reader.peek() != nil else { return .failure(JSONError(.empty, at: text.count)) }
      try reader.value(&value)
      guard try reader.isAtEnd() else {
        return .failure(JSONError(.trailingBytes, at: reader.offset))
      }
    } catch let error as JSONError { return .failure(error) }
    var out = ByteBuffer()
    value.appendCompact(to: &out)
    return .success(out.array)
  }

  private func whole(_ text: [UInt8]) -> Result<[UInt8], JSONError> {
    do throws(JSONError) {
      let value = try JSONText(text.span)
      var out = ByteBuffer()
      value.appendCompact(to: &out)
      return .success(out.array)
    } catch { return .failure(error) }
  }

  /// Walks containers member by member, down to `depth`, taking what is deeper as elements.
  private func walk(
    _ reader: inout JSONReader<ChunkSource>, depth: Int, _ out: inout [[UInt8]]
  ) throws {
    let next = try reader.peek()
    if depth > 0, next == 0x7B {
      try reader.expect(0x7B, .unexpectedByte)
      var first = true
      while let key = try reader.nextKey(first: first) {
        first = false
        out.append(key)
        try walk(&reader, depth: depth - 1, &out)
      }
    } else if depth > 0, next == 0x5B {
      try reader.expect(0x5B, .unexpectedByte)
      var first = true
      while try reader.nextElement(first: first) {
        first = false
        try walk(&reader, depth: depth - 1, &out)
      }
    } else {
      var value = JSONText()
      try reader.value(&value)
      out.append(value.kind() == .string ? value.decoded(0) : value.bytes.array)
    }
  }

  private func leaves(_ text: JSONText, _ token: Int, depth: Int, _ out: inout [[UInt8]]) {
    switch text.kind(token) {
    case .object where depth > 0:
      for key in text.children(of: token) {
        out.append(text.decoded(key))
        leaves(text, key + 1, depth: depth - 1, &out)
      }
    case .array where depth > 0:
      for child in text.children(of: token) { leaves(text, child, depth: depth - 1, &out) }
    case .string: out.append(text.decoded(token))
    default:
      let source = text.source(of: token)
      out.append((0..<source.count).map { source[$0] })
    }
  }

  @Test func agreesWithWholeTextsHoweverTheyArrive() throws {
    var random = SeededRandom()
    for _ in 0..<150 {
      var text = RandomSpelling(RandomJSON.make(&random), &random).spaced
      if random.chance(2) {
        for _ in 0...Int.random(in: 0..<2, using: &random) where !text.isEmpty {
          let at = Int.random(in: 0..<text.count, using: &random)
          switch Int.random(in: 0..<4, using: &random) {
          case 0: text.remove(at: at)
          case 1: text[at] = UInt8.random(in: 0...255, using: &random)
          case 2:
            text.insert("{}[],:\"\\0e-. \u{7f}".utf8.randomElement(using: &random) ?? 0, at: at)
          default: text = Array(text.prefix(at))
          }
        }
      }
      let expected = whole(text)
      let chance = (0..<9).map { _ in Int.random(in: 1...40, using: &random) }
      for sizes in Self.sizes + [chance] {
        let actual = try pulled(text, sizes)
        switch (expected, actual) {
        case (.success(let a), .success(let b)): #expect(a == b, "seed \(random.seed)")
        case (.failure, .failure(let error)):
          #expect(error.offset >= 0 && error.offset <= text.count, "seed \(random.seed)")
        default:
          Issue.record(
            "seed \(random.seed), pieces of \(sizes): whole \(expected), pulled \(actual)")
        }
      }
    }
  }

  @Test func walksIntoContainersHoweverTheyArrive() throws {
    var random = SeededRandom()
    for _ in 0..<150 {
      let text = RandomSpelling(RandomJSON.make(&random), &random).spaced
      for depth in [1, 3] {
        var expected: [[UInt8]] = []
        leaves(try JSONText(text.span), 0, depth: depth, &expected)
        for sizes in Self.sizes {
          var reader = JSONReader(ChunkSource(text, sizes: sizes))
          var actual: [[UInt8]] = []
          try walk(&reader, depth: depth, &actual)
          #expect(try reader.isAtEnd())
          #expect(actual == expected, "seed \(random.seed), pieces of \(sizes)")
        }
      }
    }
  }

  @Test func strictnessOfAWalkIsThatOfWholeTexts() throws {
    var random = SeededRandom()
    for _ in 0..<400 {
      var text = RandomSpelling(RandomJSON.make(&random), &random).spaced
      guard !text.isEmpty else { continue }
      let at = Int.random(in: 0..<text.count, using: &random)
      text[at] = UInt8.random(in: 0...255, using: &random)
      var reader = JSONReader(ChunkSource(text, sizes: [3, 1, 64]))
      var leaves: [[UInt8]] = []
      var isAccepted = false
      do {
        try walk(&reader, depth: 3, &leaves)
        isAccepted = try reader.isAtEnd()
      } catch is JSONError {}
      let isValid = (try? whole(text).get()) != nil
      #expect(isAccepted == isValid, "seed \(random.seed): \(text)")
    }
  }

  @Test(arguments: [1, 2, 3, 5, 6, 7, 11, 12, 13, 20, 4096])
  func stringsInPiecesKeepTheirCharacters(limit: Int) throws {
    var random = SeededRandom()
    var units: [[UInt8]] = [
      Array("\\ud83d\\ude00".utf8), Array("\\ud83d".utf8), Array("\\ude00".utf8),
      Array("\\u00e9\\n\\\"".utf8), Array("日本".utf8), Array("😀".utf8), Array("abcdefgh".utf8),
      Array("\\uD83D\\u0041".utf8), Array("\\ud83d\\ud83d\\ude00".utf8),
    ]
    units.append(Array("x".utf8))
    for _ in 0..<60 {
      var inner: [UInt8] = []
      for _ in 0..<Int.random(in: 0..<12, using: &random) {
        inner += units.randomElement(using: &random) ?? []
      }
      let text = [0x22] + inner + [0x22]
      let expected = try JSONText(text.span).decoded(0)
      for sizes in Self.sizes + [[5], [11], [12]] {
        var reader = JSONReader(ChunkSource(text, sizes: sizes))
        try reader.beginString()
        var out = ByteBuffer()
        while try reader.readString(into: &out, atMost: limit) > 0 {}
        #expect(out.array == expected, "seed \(random.seed), \(sizes), \(text)")
        #expect(try reader.isAtEnd())
      }
    }
  }

  /// The end of the source is known before the string is read: a failed look ahead told it.
  @Test(arguments: 1...20)
  func pairsOfSurrogatesStayTogetherAtTheEndOfTheSource(limit: Int) throws {
    for padding in 0..<14 {
      let inner = String(repeating: "a", count: padding) + "\\ud83d\\ude00"
      var reader = JSONReader(ChunkSource(Array("\"\(inner)b".utf8), sizes: [4096]))
      #expect(throws: JSONError.self) { try reader.skip() }
      try reader.beginString()
      var out = ByteBuffer()
      while out.count < padding + 5 { _ = try reader.readString(into: &out, atMost: limit) }
      #expect(out.array == Array((String(repeating: "a", count: padding) + "😀b").utf8))
    }
  }

  @Test(arguments: [
    ("\"a\\x\"", JSONError(.badEscape, at: 2)), ("\"a\\u12g4\"", JSONError(.badEscape, at: 2)),
    ("\"ab\u{1}c\"", JSONError(.controlCharacter, at: 3)),
    ("\"abc", JSONError(.unexpectedEnd, at: 4)), ("\"abc\\", JSONError(.badEscape, at: 4)),
    ("\"", JSONError(.unexpectedEnd, at: 1)),
  ])
  func malformedStringsInPiecesAreRefused(text: String, error: JSONError) throws {
    for sizes in Self.sizes {
      var reader = JSONReader(ChunkSource(Array(text.utf8), sizes: sizes))
      try reader.beginString()
      var out = ByteBuffer()
      #expect(throws: error) { while try reader.readString(into: &out, atMost: 3) > 0 {} }
    }
  }

  @Test func anElementThatIsNoJSONDoesNotEndTheWalk() throws {
    let text = Array("[1, {\"a\":tru}, \"\\x\", 5]".utf8)
    for sizes in Self.sizes {
      var reader = JSONReader(ChunkSource(text, sizes: sizes), offset: 100)
      try reader.expect(0x5B, .unexpectedByte)
      var value = JSONText()
      var extents: [[Int]] = []
      var errors: [JSONError?] = []
      var first = true
      while try reader.nextElement(first: first) {
        first = false
        let extent = try reader.element(&value)
        extents.append([extent.offset, extent.length])
        errors.append(extent.error)
      }
      #expect(extents == [[101, 1], [104, 9], [115, 4], [121, 1]])
      #expect(
        errors == [nil, JSONError(.badLiteral, at: 112), JSONError(.badEscape, at: 117), nil])
    }
  }

  @Test func linesAndOffsetsAreThoseOfTheSource() throws {
    let text = Array("[\n1,\n\n  2,\n{\"a\":\n3}]\n".utf8)
    for sizes in Self.sizes {
      var reader = JSONReader(ChunkSource(text, sizes: sizes), offset: 10, linesBefore: 4)
      var value = JSONText()
      var places: [[Int]] = []
      try reader.expect(0x5B, .unexpectedByte)
      var first = true
      while try reader.nextElement(first: first) {
        first = false
        _ = try reader.peek()
        places.append([reader.line, reader.offset])
        try reader.value(&value)
      }
      #expect(places == [[6, 12], [8, 18], [9, 21]])
    }
  }

  @Test func aStringWithoutEndIsGivenUpAtTheLimit() throws {
    for opening in ["\"", "1", "[\""] {
      let text = Array(opening.utf8) + [UInt8](repeating: 0x61, count: 3 << 20)
      var reader = JSONReader(
        ChunkSource(text, sizes: [1 << 16]), elementLimit: 1 << 20)
      var value = JSONText()
      #expect(throws: JSONError(.tooLong, at: 0)) { try reader.value(&value) }
      try reader.drain()
      #expect(try reader.isAtEnd())
    }
  }
}
