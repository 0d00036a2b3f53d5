import Archive
import LosslessJSON
import Testing

@Suite struct FrameWriterTests {
  static let compressions: [Compression] = [.zstd(level: 1), .gzip(level: 6), .none]

  /// Members of random sizes around the frame limit, written in random pieces.
  static func members(_ random: inout SeededGenerator) -> [TestMember] {
    let edges = [0, 1, 511, 512, (4 << 20) - 1536, 4 << 20, (4 << 20) + 1, 13 << 20]
    return (0..<6).map { index in
      let size =
        Bool.random(using: &random)
        ? edges.randomElement(using: &random) ?? 0 : Int.random(in: 0...(3 << 20), using: &random)
      return TestMember("store/file\(index)", random.bytes(size))
    }
  }

  @Test(arguments: compressions, [UInt64.random(in: 0 ... .max), 1])
  func theRealToolsReadIt(_ compression: Compression, _ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let members = Self.members(&random)
    let scratch = try Scratch()
    let made = try archive(members, compression)
    let file = try scratch.write(made.bytes, to: "a.\(compression.fileExtension)")
    switch compression {
    case .zstd:
      try scratch.run("zstd -qt a.tar.zst && mkdir out && tar --zstd -C out -xf a.tar.zst")
    case .gzip: try scratch.run("gzip -t a.tar.gz && mkdir out && tar -C out -xzf a.tar.gz")
    case .none: try scratch.run("mkdir out && tar -C out -xf a.tar")
    }
    var sums: [UInt8] = []
    let archive = try ArchiveFile(opening: file)
    for (member, found) in zip(members, try archive.members()) {
      #expect(found.header == member.header)
      let bytes = try content(archive, from: found.contentOffset, count: found.header.size)
      #expect(bytes == member.content, "seed \(seed)")
      let name = String(decoding: member.header.path, as: UTF8.self)
      try scratch.write(bytes, to: "bytes")
      try scratch.run("sha256sum <bytes | sed 's|-|out/\(name)|' >>SHA256SUMS")
      sums += member.header.path
    }
    #expect(!sums.isEmpty)
    try scratch.run("sha256sum --quiet -c SHA256SUMS && [ $(wc -l <SHA256SUMS) = 6 ]")
    if case .zstd = compression {
      #expect(archive.frames == made.frames)
      #expect(archive.damage.isEmpty)
      #expect(archive.contentSize == made.frames.reduce(0) { $0 + ($1.contentSize ?? 0) })
      for frame in archive.frames { #expect((frame.contentSize ?? 0) <= Frame.contentLimit) }
    }
  }

  @Test(arguments: compressions) func workersDoNotChangeTheBytes(_ compression: Compression) throws
  {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    let members = Self.members(&random)
    let one = try archive(members, compression, workers: 1).bytes
    for workers in 2...4 {
      let same = try archive(members, compression, workers: workers).bytes == one
      #expect(same, "seed \(seed), \(workers) workers")
    }
  }

  @Test(arguments: compressions)
  func piecesDoNotChangeTheBytes(_ compression: Compression) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    let bytes = random.bytes(9 << 20)
    var outputs: [[UInt8]] = []
    for largest in [bytes.count, 100_000] {
      let output = Output()
      let writer = try FrameWriter(compression) { output.append($0) }
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + Int.random(in: 1...largest, using: &random))
        try writer.write(bytes.span.extracting(start..<end))
        start = end
      }
      try writer.finish()
      try writer.finish()
      #expect(writer.contentSize == bytes.count)
      #expect(writer.frames.map(\.contentSize) == [4 << 20, 4 << 20, 1 << 20])
      outputs.append(output.bytes)
    }
    #expect(outputs[0] == outputs[1], "seed \(seed)")
  }

  @Test(arguments: compressions) func cutsStartFrames(_ compression: Compression) throws {
    let writer = try FrameWriter(compression) { _ in }
    try writer.cut()
    for size in [1, 2, 3] {
      try writer.write([UInt8](repeating: 7, count: size))
      try writer.cut()
      try writer.cut()
    }
    try writer.finish()
    #expect(writer.frames.map(\.contentSize) == [1, 2, 3])
    #expect(writer.frames.map(\.contentOffset) == [0, 1, 3])
  }

  struct Refusal: Error {}

  @Test(arguments: compressions) func errorsOfTheOutputStay(_ compression: Compression) throws {
    let writer = try FrameWriter(compression) { _ in throw Refusal() }
    let bytes = [UInt8](repeating: 1, count: 1 << 20)
    #expect(throws: Refusal.self) {
      for _ in 0..<100 { try writer.write(bytes) }
    }
    #expect(throws: Refusal.self) { try writer.cut() }
    #expect(throws: Refusal.self) { try writer.finish() }
    #expect(writer.frames.isEmpty)
  }

  @Test func aDroppedWriterStops() throws {
    for _ in 0..<20 {
      let writer = try FrameWriter(.zstd(level: 3)) { _ in }
      try writer.write([UInt8](repeating: 5, count: 9 << 20))
    }
  }
}
