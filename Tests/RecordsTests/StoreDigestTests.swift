import Records
import Testing

@Suite("Store digest")
struct StoreDigestTests {
  private func hash(_ text: String) -> Hash256 { Hash256(of: Array(text.utf8).span) }

  private func digest(_ hashes: some Sequence<Hash256>) -> StoreDigest {
    var digest = StoreDigest()
    for hash in hashes { digest.insert(hash) }
    return digest
  }

  @Test func nothing() {
    let empty = StoreDigest()
    #expect(empty.count == 0)
    #expect(empty.finish() == Hash256(of: [UInt8]().span))
  }

  @Test func orderDoesNotMatterAndDuplicatesCount() {
    var random = SeededRandom()
    let hashes = (0..<2000).map { hash("\($0 % 1900)") }
    let first = digest(hashes)
    let second = digest(hashes.shuffled(using: &random))
    #expect(first.finish() == second.finish(), "HOLDFAST_SEED=\(random.seed)")
    let unique = digest(Set(hashes))
    #expect(unique.finish() != first.finish())
    #expect(unique.count == 1900)
    #expect(first.count == 2000)
  }

  @Test func insertingGoesOnAfterFinishing() {
    let hashes = (0..<600).map { hash("\($0)") }
    var growing = digest(hashes.prefix(300))
    _ = growing.finish()
    for hash in hashes.dropFirst(300) { growing.insert(hash) }
    let whole = digest(hashes)
    #expect(growing.finish() == whole.finish())
  }

  @Test func agreesWithPython() throws {
    let program = """
      import hashlib
      d = [hashlib.sha256(str(i % 900).encode()).digest() for i in range(1000)]
      print(hashlib.sha256(b"".join(sorted(d))).hexdigest(), end="")
      """
    let expected = try TestFile.withDirectory { directory in
      try TestFile.run(["python3", "-c", program], output: directory + "/out")
      return String(decoding: try TestFile.read(directory + "/out"), as: UTF8.self)
    }
    let mine = digest((0..<1000).map { hash("\($0 % 900)") })
    #expect(mine.finish().hex == expected)
  }

  @Test func difference() {
    let a = hash("a")
    let b = hash("b")
    let c = hash("c")
    let here = digest([a, a, a, b])
    let there = digest([a, b, b, c])
    let (onlyHere, onlyThere) = here.difference(from: there)
    #expect(onlyHere == [a, a])
    #expect(onlyThere.sorted() == [b, c].sorted())
    let same = digest([b, a, a, a])
    let none = here.difference(from: same)
    #expect(none.onlyHere.isEmpty && none.onlyThere.isEmpty)
  }
}
