import LosslessJSON
import Records
import Testing

@Suite("Hashes")
struct HashTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
  ])
  func knownAnswers(_ text: String, _ hex: String) {
    #expect(Hash256(of: Array(text.utf8).span).hex == hex)
    #expect(Hash256(hex: hex) == Hash256(of: Array(text.utf8).span))
  }

  @Test func hexadecimalRoundTrip() {
    var random = SeededRandom()
    for _ in 0..<500 {
      let hash = Hash256(of: bytes(Int.random(in: 0...200, using: &random), &random).span)
      #expect(Hash256(hex: hash.hex) == hash, "HOLDFAST_SEED=\(random.seed)")
      #expect(Hash256(hex: hash.hex.uppercased()) == hash, "HOLDFAST_SEED=\(random.seed)")
      #expect(hash.hex.utf8.count == 64)
    }
  }

  @Test(arguments: [
    "", "00", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
    String(repeating: "0", count: 63) + "g", " " + String(repeating: "0", count: 63),
    "0x" + String(repeating: "0", count: 62),
  ])
  func refusesOtherText(_ text: String) {
    #expect(Hash256(hex: text) == nil)
  }

  /// The order of hashes is that of their hexadecimal digits, whichever of the words differs.
  @Test func order() throws {
    var random = SeededRandom()
    let zeros = [UInt8](repeating: 0x30, count: 64)
    var texts = (0..<64).map { place in
      var digits = zeros
      digits[place] = 0x66
      return String(decoding: digits, as: UTF8.self)
    }
    texts += (0..<100).map { _ in Hash256(of: bytes(20, &random).span).hex }
    let hashes = try texts.map { try #require(Hash256(hex: $0)) }
    #expect(hashes.sorted().map(\.hex) == texts.sorted())
    #expect(!(hashes[0] < hashes[0]))
  }

  @Test func piecesAgreeWithSha256sum() throws {
    var random = SeededRandom()
    try TestFile.withDirectory { directory in
      for size in [0, 1, 55, 56, 63, 64, 65, 1000, 300_000] {
        let data = bytes(size, &random)
        try TestFile.write(data, to: directory + "/data")
        try TestFile.run(["sha256sum", directory + "/data"], output: directory + "/sum")
        let sum = String(decoding: try TestFile.read(directory + "/sum").prefix(64), as: UTF8.self)
        var hasher = Hasher256()
        var at = 0
        while at < size {
          let end = min(size, at + Int.random(in: 0...100_000, using: &random))
          hasher.update(data.span.extracting(at..<end))
          at = end
        }
        #expect(hasher.count == size)
        #expect(hasher.finish().hex == sum, "HOLDFAST_SEED=\(random.seed)")
        #expect(Hash256(of: data.span).hex == sum, "HOLDFAST_SEED=\(random.seed)")
      }
    }
  }

  private func bytes(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }
}
