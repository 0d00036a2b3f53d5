import Testing

/// `salvage` of damaged backups: one damaged region costs no record, sidecar or not.
@Suite(.scratch) struct SalvageBackupTests {
  /// Everything comes back from one damaged stretch, in every compression, of every kind.
  @Test(arguments: ["zstd", "gzip", "none"])
  func oneDamagedRegion(_ compression: String) throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    for name in ["memory.jsonl", "coaia", "snapshot-v1.1.json", "archive"] {
      let store = "\(SalvageKindTests.samples)/intact/\(name)"
      let want = try scratch.digest(store)
      let archive = try scratch.backUp(store, ["--compression", compression])
      let whole = try TestFile.read(archive)
      let ending = compression == "zstd" ? "tar.zst" : compression == "gzip" ? "tar.gz" : "tar"
      for round in 0..<4 {
        var bytes = whole
        let length = 1 + Int.random(in: 0..<200, using: &random)
        let start = Int.random(in: 0..<bytes.count - length, using: &random)
        for at in start..<start + length {
          bytes[at] = round % 2 == 0 ? 0 : UInt8.random(in: 0...255, using: &random)
        }
        let broken = try scratch.write(
          bytes,
          to: "alone-\(round)/\(name)-20260101T000000Z.\(ending)")
        let out = scratch.fresh("out")
        let outcome = try scratch.holdfast("salvage", broken, "--to", out)
        #expect([0, 3].contains(outcome.status), "\(outcome)")
        let names = try TestFile.names(out + "/recovered")
        let isFile = names.count == 1 && names[0].hasPrefix(name.prefix { $0 != "." })
        let recovered = out + "/recovered" + (isFile && name.contains(".") ? "/\(names[0])" : "")
        let found = try scratch.holdfast("digest", recovered).text.prefix(64)
        #expect(
          found == want,
          "HOLDFAST_SEED=\(random.seed) \(name) bytes \(start) + \(length)\n\(outcome)")
      }
    }
  }

  /// Of a download that stopped half way: what there is, told as a loss.
  @Test func cutOff() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(3000), last: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let whole = try TestFile.read(archive)
    let broken = try scratch.write(
      Array(whole.prefix(whole.count * 6 / 10)), to: "cut/memory-20260101T000000Z.tar.zst")
    let found = try scratch.json(exit: 3, "salvage", broken, "--to", scratch.file("out"))
    #expect((found["counts"]?["entity"]?.integer ?? 0) > 0)
    #expect(found["inputs"]?[0]?["quarantined"]?["ranges"]?.integer == 1)
  }
}
