import Archive
import Testing

@Suite struct CompressionTests {
  @Test(arguments: [
    ("zstd", Compression.zstd(level: 1), "tar.zst"), ("zstd:7", .zstd(level: 7), "tar.zst"),
    ("zstd:-7", .zstd(level: -7), "tar.zst"), ("zstd:19", .zstd(level: 19), "tar.zst"),
    ("gzip", .gzip(level: 6), "tar.gz"), ("gzip:9", .gzip(level: 9), "tar.gz"),
    ("none", .none, "tar"),
  ])
  func parses(_ text: String, _ expected: Compression, _ fileExtension: String) throws {
    let compression = try Compression(parsing: text)
    #expect(compression == expected)
    #expect(compression.fileExtension == fileExtension)
    #expect(try Compression(parsing: compression.description) == compression)
  }

  @Test(arguments: [
    "", "zst", "ZSTD", "zstd:", "zstd:x", "zstd:20", "zstd:-8", "zstd:07", "zstd:+7", "zstd:1:2",
    "gzip:0", "gzip:10", "none:1", " zstd", "zstd:99999999999999999999",
  ])
  func refuses(_ text: String) {
    let error = #expect(throws: ArchiveError.self) { try Compression(parsing: text) }
    #expect(error?.code == .invalidSetting)
  }

  @Test func aWriterRefusesALevelOutOfRange() {
    #expect(throws: ArchiveError.self) { try FrameWriter(.zstd(level: 23)) { _ in } }
  }
}

@Suite struct MemberPathTests {
  @Test(arguments: [
    ("a", ["a"]), ("a/b", ["a", "b"]), ("./a//b/", ["a", "b"]), ("a\\..\\b", ["a\\..\\b"]),
    ("...", ["..."]), ("a/..b", ["a", "..b"]), (".hidden", [".hidden"]),
  ])
  func accepts(_ name: String, _ components: [String]) throws {
    let path = try MemberPath(Array(name.utf8))
    #expect(path.components == components.map { Array($0.utf8) })
    #expect(path.bytes == Array(components.joined(separator: "/").utf8))
  }

  @Test(arguments: [
    "", "/", "/a", "..", "../a", "a/../b", "a/..", ".", "./", "././/", "a\0b", "\0",
  ])
  func refuses(_ name: String) {
    let error = #expect(throws: ArchiveError.self) { try MemberPath(Array(name.utf8)) }
    #expect(error?.code == .unsafePath)
    #expect(error?.member == Array(name.utf8))
  }

  @Test func printsAnyNameOnOneLine() {
    #expect(MemberPath.printable(Array("é/ü".utf8)) == "é/ü")
    #expect(MemberPath.printable([0x61, 0xFF, 0x0A]) == "a\\xff\\x0a")
    #expect(MemberPath.printable(Array("a\u{1B}[2Jb".utf8)) == "a\\x1b[2Jb")
    #expect(MemberPath.printable(Array("a\u{202E}b".utf8)) == "a\\xe2\\x80\\xaeb")
  }
}
