import LosslessJSON
import Testing

@Suite("Random values")
struct PropertyTests {
  @Test func spellingDoesNotMatter() throws {
    var random = SeededRandom()
    for _ in 0..<2000 {
      let value = RandomJSON.make(&random)
      let first = RandomSpelling(value, &random)
      let second = RandomSpelling(value, &random)
      #expect(
        try canonical(first.spaced) == canonical(second.spaced), "HOLDFAST_SEED=\(random.seed)")
    }
  }

  @Test func compactBytesAreTheTextWithoutWhitespace() throws {
    var random = SeededRandom()
    for _ in 0..<2000 {
      let spelling = RandomSpelling(RandomJSON.make(&random), &random)
      let text = try JSONText(spelling.spaced.span)
      var out = ByteBuffer()
      text.appendCompact(to: &out)
      #expect(out.array == spelling.compact, "HOLDFAST_SEED=\(random.seed)")
    }
  }

  @Test func canonicalFormIsItsOwn() throws {
    var random = SeededRandom()
    for _ in 0..<1000 {
      let once = try canonical(RandomSpelling(RandomJSON.make(&random), &random).spaced)
      #expect(try canonical(once) == once, "HOLDFAST_SEED=\(random.seed)")
    }
  }

  @Test func anotherValueHasAnotherForm() throws {
    var random = SeededRandom()
    for _ in 0..<2000 {
      let value = RandomJSON.make(&random)
      let before = try canonical(RandomSpelling(value, &random).spaced)
      let after = try canonical(RandomSpelling(value.changed(&random), &random).spaced)
      #expect(before != after, "HOLDFAST_SEED=\(random.seed)")
    }
  }

  @Test func agreesWithTheReference() throws {
    var random = SeededRandom()
    let texts = (0..<3000).map { _ in RandomSpelling(RandomJSON.make(&random), &random).spaced }
    let answers = try Reference.canonical(texts)
    for (text, answer) in zip(texts, answers) {
      #expect(try canonical(text) == answer, "HOLDFAST_SEED=\(random.seed)")
    }
  }

  @Test func numbersAgreeWithTheReference() throws {
    var random = SeededRandom()
    let texts = (0..<5000).map { _ in
      RandomSpelling(RandomJSON.number(&random), &random).compact
    }
    for (text, answer) in zip(texts, try Reference.canonical(texts)) {
      #expect(try canonical(text) == answer, "HOLDFAST_SEED=\(random.seed)")
    }
  }

  /// Texts with a few bytes changed: refused by both, or the same value to both.
  @Test func mutantsAgreeWithTheReference() throws {
    var random = SeededRandom()
    let marks =
      Array("[]{},:\"\\0123456789.-+eEtrufalsn \t\n/bu\u{80}".utf8) + [0, 0x1F, 0xED, 0xFF]
    let mutants = (0..<5000).map { _ in
      var text = RandomSpelling(RandomJSON.make(depth: 3, &random), &random).spaced
      for _ in 0..<Int.random(in: 1...3, using: &random) where !text.isEmpty {
        let at = Int.random(in: 0..<text.count, using: &random)
        let byte = marks.randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<4, using: &random) {
        case 0: text[at] = byte
        case 1: text.insert(byte, at: at)
        case 2: text.remove(at: at)
        default: text.removeSubrange(at...)
        }
      }
      return text
    }
    var refused = 0
    for (text, answer) in zip(mutants, try Reference.canonical(mutants)) {
      let mine = try? canonical(text)
      if mine == nil { refused += 1 }
      #expect(mine == answer, "HOLDFAST_SEED=\(random.seed) text \(text)")
    }
    #expect((500...4900).contains(refused))
  }

  /// Python accepts and refuses what this room does, case by case.
  @Test func suiteAgreesWithTheReference() throws {
    let cases = (SuiteCase.accepted + SuiteCase.refused + SuiteCase.undecided).filter {
      $0.bytes.count < 10_000
    }
    for (suiteCase, answer) in zip(cases, try Reference.canonical(cases.map(\.bytes))) {
      #expect((try? canonical(suiteCase.bytes)) == answer, "\(suiteCase.name)")
    }
  }
}

/// The canonical form of a text.
func canonical(_ text: [UInt8]) throws(JSONError) -> [UInt8] {
  var json = try JSONText(text.span)
  var out = ByteBuffer()
  json.appendCanonical(to: &out)
  return out.array
}

/// The same for text, as a string to read.
func canonical(_ text: String) throws(JSONError) -> String {
  String(decoding: try canonical(Array(text.utf8)), as: UTF8.self)
}
