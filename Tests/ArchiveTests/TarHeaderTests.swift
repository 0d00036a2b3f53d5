import Archive
import SystemPackage
import Testing

@Suite struct TarHeaderTests {
  static let names: [[UInt8]] = [
    Array("plain".utf8), Array("é/ü".utf8), Array("nfd e\u{301}".utf8), Array("日本語".utf8),
    [0x62, 0xFF, 0xFE], [0xC3], Array("back\\slash".utf8), Array("line\nfeed \u{1}".utf8),
    Array(repeating: 0x78, count: 101), Array(repeating: 0x79, count: 200) + [0x2F, 0x7A],
    Array(String(repeating: "é", count: 120).utf8),
    Array((0..<40).map { "directory\($0)" }.joined(separator: "/").utf8),
    Array(repeating: 0x78, count: 150) + [0xFF],
    Array(String(repeating: "d/", count: 200).utf8) + [0x80],
  ]

  /// Each name through GNU tar to disk, and back through our own reader.
  @Test(arguments: names) func namesAndTimesSurvive(_ name: [UInt8]) throws {
    let scratch = try Scratch()
    let content = Array("content\n".utf8)
    let member = TestMember(name, content, seconds: 1_712_345_678, nanoseconds: 123_456_789)
    let file = try scratch.write(try archive([member], .none).bytes, to: "a.tar")
    try scratch.run(
      "mkdir out && tar -C out -xf a.tar && find out -type f -printf '%P\\0%s %T@ %m' >list")
    #expect(
      try scratch.read("list") == name + [0] + Array("8 1712345678.1234567890 640".utf8))
    let members = try ArchiveFile(opening: file).members()
    #expect(members.map(\.header) == [member.header])
  }

  @Test(arguments: [(-1, 999_999_999), (0, 0), (-86_400, 5), (8_589_934_592, 1)])
  func timesFarAway(_ seconds: Int, _ nanoseconds: Int) throws {
    let scratch = try Scratch()
    let member = TestMember([0x61], [], seconds: seconds, nanoseconds: nanoseconds)
    let file = try scratch.write(try archive([member], .none).bytes, to: "a.tar")
    #expect(try ArchiveFile(opening: file).members().map(\.header) == [member.header])
  }

  @Test func aDirectory() throws {
    let scratch = try Scratch()
    let header = MemberHeader(
      path: Array("some/dir".utf8), kind: .directory, size: 0, mode: 0o750, seconds: 7)
    let bytes = try Tar.header(header) + Tar.endOfArchive
    let file = try scratch.write(bytes, to: "a.tar")
    #expect(try ArchiveFile(opening: file).members().map(\.header) == [header])
    try scratch.run("tar -xf a.tar && find some/dir -printf '%y %m %T@\\n' >list")
    #expect(try scratch.read("list") == Array("d 750 7.0000000000\n".utf8))
  }

  /// Nine gigabytes as a hole: neither tar nor we may read the body to list the archive.
  @Test func sizesBeyondTheOctalField() throws {
    let scratch = try Scratch()
    let header = MemberHeader(path: [0x61], size: 9 << 30, mode: 0o644, seconds: 0)
    let block = try Tar.header(header)
    let file = try scratch.write(block, to: "a.tar")
    try scratch.run("truncate -s \(block.count + (9 << 30) + 1024) a.tar && tar -tvf a.tar >list")
    #expect(String(decoding: try scratch.read("list"), as: UTF8.self).contains(" \(9 << 30) "))
    #expect(try ArchiveFile(opening: file).members().map(\.header) == [header])
  }

  @Test func namesNoOwner() throws {
    let header = try Tar.header(TestMember("a", []).header)
    let again = try Tar.header(TestMember("a", []).header)
    #expect(header == again)
    #expect(header.count == 512)
    #expect(Array(header[108..<124]) == Array("000000 \0000000 \0".utf8))
    #expect(header[265..<329].allSatisfy { $0 == 0 })
  }

  @Test func refusesWhatNoFileHas() {
    var header = MemberHeader(path: [0x61], kind: .directory, size: 1, mode: 0, seconds: 0)
    #expect(throws: ArchiveError.self) { try Tar.header(header) }
    header = MemberHeader(path: Array("../a".utf8), size: 1, mode: 0, seconds: 0)
    #expect(throws: ArchiveError.self) { try Tar.header(header) }
    header = MemberHeader(path: [0x61], size: -1, mode: 0, seconds: 0)
    #expect(throws: ArchiveError.self) { try Tar.header(header) }
  }

  @Test(arguments: [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)])
  func padding(_ size: Int, _ expected: Int) { #expect(Tar.padding(after: size) == expected) }
}
