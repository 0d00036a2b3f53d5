import Archive
import Dispatch
import LosslessJSON
import Synchronization
import Testing

@Suite struct ArchiveFileTests {
  static let members = {
    var random = SeededGenerator(seed: 42)
    return [("store/a", 100_000), ("store/b", 0), ("store/c", 9_000_000), ("d", 513)].map {
      TestMember($0.0, random.bytes($0.1))
    }
  }()

  /// Archives that other tools made: one huge frame, with and without its content size.
  @Test(arguments: [
    "tar -cf - store d | zstd -q -19 -o x", "tar -cf x1 store d && zstd -q x1 -o x",
    "tar -cf - store d | zstd -q --no-check -o x", "tar --zstd -cf x store d",
    "tar --format=gnu -cf x store d", "tar --format=posix -czf x store d",
    "tar -cf - ./store ./d | gzip -1 >x",
    "tar -cf x1 store d && split -b 999999 x1 p. && zstd -q -c p.* >x",
    "tar -cf - store d | zstd -q --long=27 -o x", "bsdtar -cf x store d || tar -cf x store d",
  ])
  func othersMadeIt(_ command: String) throws {
    let scratch = try Scratch()
    try scratch.run("mkdir store")
    for member in Self.members {
      try scratch.write(member.content, to: String(decoding: member.header.path, as: UTF8.self))
    }
    try scratch.run(command)
    let file = try ArchiveFile(opening: scratch.file("x"))
    let found = try file.members()
    #expect(found.map(\.header.kind).first == .directory)
    let regular = found.filter { $0.header.kind == .regular }
    #expect(regular.count == Self.members.count)
    for member in Self.members {
      let match = try #require(regular.first { $0.header.path == member.header.path })
      let bytes = try content(file, from: match.contentOffset, count: match.header.size)
      #expect(bytes == member.content)
    }
  }

  @Test(arguments: FrameWriterTests.compressions)
  func anyStretchOfTheContent(_ compression: Compression) throws {
    let scratch = try Scratch()
    let plain = try archive(Self.members, .none).bytes
    let file = try ArchiveFile(
      opening: try scratch.write(try archive(Self.members, compression).bytes, to: "a"))
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    #expect(try content(file) == plain)
    for _ in 0..<20 {
      let start = Int.random(in: 0...plain.count, using: &random)
      let end = Int.random(in: start...plain.count, using: &random)
      let bytes = try content(
        file, from: start, count: end - start, pieces: Int.random(in: 1...70_000, using: &random))
      #expect(bytes == Array(plain[start..<end]), "seed \(seed): \(start)..<\(end)")
    }
    #expect(try content(file, from: plain.count) == [])
    let beyond = #expect(throws: ArchiveError.self) {
      try content(file, from: plain.count - 5, count: 6)
    }
    #expect(beyond?.code == .truncated)
    #expect(throws: ArchiveError.self) { try content(file, from: plain.count + 1) }
  }

  @Test func twoReadersAtOnce() throws {
    let scratch = try Scratch()
    let plain = try archive(Self.members, .none).bytes
    let file = try ArchiveFile(
      opening: try scratch.write(try archive(Self.members, .zstd(level: 1)).bytes, to: "a"))
    let right = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      if (try? content(file)) == plain { right.add(1, ordering: .relaxed) }
    }
    #expect(right.load(ordering: .relaxed) == 4)
  }

  @Test func framesOneByOne() throws {
    let scratch = try Scratch()
    let plain = try archive(Self.members, .none).bytes
    let file = try ArchiveFile(
      opening: try scratch.write(try archive(Self.members, .zstd(level: 1)).bytes, to: "a"))
    #expect(file.frames.count == 6)
    var reader = try file.frameReader()
    for frame in file.frames.reversed() {
      let start = try #require(frame.contentOffset)
      let size = try #require(frame.contentSize)
      #expect(try file.decode(frame).array == Array(plain[start..<(start + size)]))
      try reader.verify(frame)
    }
  }

  @Test func skippableFramesAreSkipped() throws {
    let scratch = try Scratch()
    let made = try archive(Self.members, .zstd(level: 1)).bytes
    let skippable: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
    let file = try ArchiveFile(
      opening: try scratch.write(skippable + made + skippable + skippable, to: "a"))
    #expect(file.damage.isEmpty)
    #expect(try file.members().count == 4)
    #expect(file.frames.first?.offset == 11)
  }

  @Test(arguments: [[], [0x28, 0xB5], Array("not an archive, whatever it may say".utf8)])
  func refusesOtherFiles(_ bytes: [UInt8]) throws {
    let scratch = try Scratch()
    let path = try scratch.write(bytes, to: "a")
    let error = #expect(throws: ArchiveError.self) { try ArchiveFile(opening: path) }
    #expect(error?.code == .notArchive)
    #expect(error?.path == path)
  }

  @Test func noticesThatTheFileChanged() throws {
    let scratch = try Scratch()
    let path = try scratch.write(try archive(Self.members, .zstd(level: 1)).bytes, to: "a")
    let file = try ArchiveFile(opening: path)
    try scratch.run("cp a b && rm a && mv b a")
    let error = #expect(throws: ArchiveError.self) { try file.members() }
    #expect(error?.code == .changed)
  }
}
