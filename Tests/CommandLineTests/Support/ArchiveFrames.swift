/// The zstd frames of an archive, found by their magic number and unpacked by the zstd tool.
enum ArchiveFrames {
  struct Piece {
    var range: Range<Int>
    var content: [UInt8]
  }

  static func split(_ archive: [UInt8], in scratch: Scratch) throws -> [Piece] {
    let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
    let starts = archive.indices.filter { archive[$0...].starts(with: magic) }
    return try starts.enumerated().map { index, start in
      let end = index + 1 < starts.count ? starts[index + 1] : archive.count
      let path = scratch.fresh("frame")
      try TestFile.write(Array(archive[start..<end]), to: path)
      let outcome = try scratch.run(["zstd", "-dc", path])
      guard outcome.status == 0 else { throw TestFailure("no frame: \(outcome)") }
      return Piece(range: start..<end, content: outcome.output)
    }
  }

  static func firstRange(of mark: [UInt8], in bytes: [UInt8]) -> Range<Int>? {
    bytes.indices.first { bytes[$0...].starts(with: mark) }.map { $0..<$0 + mark.count }
  }
}
