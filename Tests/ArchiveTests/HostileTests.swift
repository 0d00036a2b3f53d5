import Archive
import Testing

/// Archives that no backup makes, by Python's tarfile.
@Suite struct HostileTests {
  static let cases: [(String, ArchiveError.Code)] = [
    ("t.addfile(tarfile.TarInfo('../x'))", .unsafePath),
    ("t.addfile(tarfile.TarInfo('a/../../x'))", .unsafePath),
    ("t.addfile(tarfile.TarInfo('/etc/x'))", .unsafePath),
    ("t.addfile(tarfile.TarInfo('..'))", .unsafePath),
    ("t.addfile(tarfile.TarInfo('.'))", .unsafePath),
    (
      "i=tarfile.TarInfo('l'); i.type=tarfile.SYMTYPE; i.linkname='/etc/passwd'; t.addfile(i)",
      .unsupportedMember
    ),
    (
      "i=tarfile.TarInfo('l'); i.type=tarfile.LNKTYPE; i.linkname='ok'; t.addfile(i)",
      .unsupportedMember
    ),
    (
      "i=tarfile.TarInfo('l'); i.type=tarfile.LNKTYPE; i.linkname='\\u00e9'; t.addfile(i)",
      .unsupportedMember
    ),
    (
      "i=tarfile.TarInfo('l'); i.type=tarfile.SYMTYPE; i.linkname='\\u00e9'; t.addfile(i)",
      .unsupportedMember
    ),
    ("i=tarfile.TarInfo('d'); i.type=tarfile.CHRTYPE; t.addfile(i)", .unsupportedMember),
    ("i=tarfile.TarInfo('d'); i.type=tarfile.BLKTYPE; t.addfile(i)", .unsupportedMember),
    ("i=tarfile.TarInfo('d'); i.type=tarfile.FIFOTYPE; t.addfile(i)", .unsupportedMember),
    ("t.addfile(tarfile.TarInfo('ok'))", .duplicateMember),
    ("t.addfile(tarfile.TarInfo('./ok'))", .duplicateMember),
  ]

  @Test(arguments: cases, ["PAX", "GNU"])
  func isRefused(_ hostile: (String, ArchiveError.Code), _ format: String) throws {
    let scratch = try Scratch()
    try scratch.write(
      Array(
        """
        import tarfile
        t = tarfile.open('a.tar', 'w', format=tarfile.\(format)_FORMAT)
        t.addfile(tarfile.TarInfo('ok'))
        \(hostile.0)
        t.close()
        """.utf8), to: "make.py")
    try scratch.run("python3 make.py && zstd -q a.tar && gzip -k a.tar")
    for name in ["a.tar", "a.tar.zst", "a.tar.gz"] {
      let file = try ArchiveFile(opening: scratch.file(name))
      let error = #expect(throws: ArchiveError.self) { try file.members() }
      #expect(error?.code == hostile.1)
      #expect(error?.member != nil)
      #expect(error?.path == scratch.file(name))
    }
  }

  /// A size beyond the end of the archive is refused and nothing is allocated for it.
  @Test(arguments: [1, 512, 600, 1 << 40, (1 << 62) + 1], FrameWriterTests.compressions)
  func claimsTooMuch(_ excess: Int, _ compression: Compression) throws {
    let scratch = try Scratch()
    let honest = TestMember("ok", [1, 2, 3])
    var header = TestMember("liar", []).header
    header.size = 512 + 1024 + excess
    let output = Output()
    let writer = try FrameWriter(compression) { output.append($0) }
    try writer.write(try Tar.header(honest.header) + honest.content)
    try writer.write([UInt8](repeating: 0, count: 509))
    try writer.cut()
    try writer.write(try Tar.header(header) + [UInt8](repeating: 65, count: 512) + Tar.endOfArchive)
    try writer.finish()
    let file = try ArchiveFile(opening: try scratch.write(output.bytes, to: "a"))
    #expect(throws: ArchiveError.self) { try file.members() }
  }

  @Test(arguments: FrameWriterTests.compressions)
  func bytesBehindTheEndMark(_ compression: Compression) throws {
    let scratch = try Scratch()
    let plain = try archive([TestMember("ok", [1, 2, 3])], .none).bytes
    for (tail, isFine) in [
      ([UInt8](repeating: 0, count: 9000), true), ([UInt8](repeating: 0, count: 9000) + [1], false),
    ] {
      let output = Output()
      let writer = try FrameWriter(compression) { output.append($0) }
      try writer.write(plain + tail)
      try writer.finish()
      let file = try ArchiveFile(opening: try scratch.write(output.bytes, to: "a"))
      #expect(((try? file.members()) != nil) == isFine)
    }
  }

  @Test(arguments: [512, 1024]) func withoutAnEndMark(_ missing: Int) throws {
    let scratch = try Scratch()
    let plain = try archive([TestMember("ok", [1, 2, 3])], .none).bytes
    let file = try ArchiveFile(
      opening: try scratch.write(Array(plain.dropLast(missing)), to: "a"))
    let error = #expect(throws: ArchiveError.self) { try file.members() }
    #expect(error?.code == .truncated)
  }
}

/// Frames that claim what their blocks cannot hold.
@Suite struct ClaimTests {
  @Test(arguments: [11, 1 << 32, Int.max])
  func isDamage(_ claim: Int) throws {
    let scratch = try Scratch()
    var bytes = try archive([TestMember("a", [1, 2, 3])], .default).bytes
    let good = try ArchiveFile(opening: try scratch.write(bytes, to: "good.zst")).frames.count
    bytes += [0x28, 0xB5, 0x2F, 0xFD, 3 << 6, 0]
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: claim >> (8 * shift))) }
    // One raw block of ten bytes, the last.
    bytes += [10 << 3 | 1, 0, 0] + [UInt8](repeating: 0x41, count: 10)
    let file = try ArchiveFile(opening: try scratch.write(bytes, to: "crafted.zst"))
    #expect(file.frames.count == good)
    #expect(file.damage.count == 1)
    #expect(throws: ArchiveError.self) { try file.members() }
  }
}
