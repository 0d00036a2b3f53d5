import Archive
import LosslessJSON
import TestSupport
import Testing

@Suite struct DamageTests {
  static let members = {
    var random = SeededGenerator(seed: 7)
    return (0..<3).map { TestMember("store/\($0)", random.bytes(200 + 150 * $0)) }
  }()

  /// Everything that can be asked of an archive; nil where anything objects.
  static func everything(_ scratch: Scratch, _ bytes: [UInt8]) throws -> [UInt8]? {
    let path = try scratch.write(bytes, to: "damaged")
    do {
      let file = try ArchiveFile(opening: path)
      // Whatever the damage, frames and damage cover the file in order.
      let pieces =
        (file.frames.map { ($0.offset, $0.length) } + file.damage.map { ($0.offset, $0.length) })
        .sorted { $0.0 < $1.0 }
      var end = 0
      for piece in pieces {
        #expect(piece.0 == end)
        end = piece.0 + piece.1
      }
      if file.format == .zstd { #expect(end == bytes.count) }
      var isWhole = file.damage.isEmpty
      for frame in file.frames where (try? file.decode(frame)) == nil { isWhole = false }
      if !isWhole {
        #expect(throws: ArchiveError.self) { try content(file) }
        return nil
      }
      var result = try content(file)
      for member in try file.members() { result += member.header.path }
      return result
    } catch is ArchiveError { return nil }
  }

  /// Each byte of a small archive, one bit at a time and all bits at once. A bit that zstd has
  /// no meaning for may change nothing; it may never change the content.
  @Test(arguments: [0xFF, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80] as [UInt8])
  func aFlippedByteOfZstd(_ bits: UInt8) throws {
    let scratch = try Scratch()
    let whole = try archive(Self.members, .zstd(level: 1))
    let expected = try #require(try Self.everything(scratch, whole.bytes))
    var unnoticed: [Int] = []
    for index in whole.bytes.indices {
      var bytes = whole.bytes
      bytes[index] ^= bits
      guard let result = try Self.everything(scratch, bytes) else { continue }
      #expect(result == expected, "byte \(index) changed the content")
      unnoticed.append(index)
    }
    // Bits that RFC 8878 leaves unused and libzstd ignores: one in the frame header, two in the
    // symbol compression modes of a block.
    let unused: [UInt8] = [0x10, 0x01, 0x02]
    #expect(unnoticed.count <= (unused.contains(bits) ? 2 * whole.frames.count : 0))
  }

  /// No crash and no false member for the forms that have no checksum of their own; that the
  /// content differs is for hashes of it to notice.
  @Test(arguments: [Compression.gzip(level: 6), .none], [0xFF, 0x01, 0x80] as [UInt8])
  func aFlippedByteOfOthers(_ compression: Compression, _ bits: UInt8) throws {
    let scratch = try Scratch()
    let whole = try archive(Self.members, compression).bytes
    let expected = try #require(try Self.everything(scratch, whole))
    var noticed = 0
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= bits
      if try Self.everything(scratch, bytes) != expected { noticed += 1 }
    }
    if compression == .none { #expect(noticed == whole.count) }
    #expect(noticed > whole.count / 2)
  }

  @Test(arguments: FrameWriterTests.compressions)
  func aTruncatedArchive(_ compression: Compression) throws {
    let scratch = try Scratch()
    let whole = try archive(Self.members, compression).bytes
    for length in 0..<whole.count {
      let result = try Self.everything(scratch, Array(whole.prefix(length)))
      #expect(result == nil, "cut after \(length) of \(whole.count)")
    }
  }

  /// Garbage, zeros and holes anywhere: every frame that was not touched is found again, at its
  /// place, and decodes to its own bytes.
  @Test(arguments: 0..<60) func untouchedFramesSurvive(_: Int) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    let scratch = try Scratch()
    let members = (0..<12).map {
      TestMember("store/\($0)", random.bytes(Int.random(in: 0...40_000, using: &random)))
    }
    let plain = try archive(members, .none).bytes
    let whole = try archive(members, .zstd(level: 1))
    var bytes = whole.bytes
    let start = Int.random(in: 0..<bytes.count, using: &random)
    let end = min(bytes.count, start + Int.random(in: 1...30_000, using: &random))
    let kind = Int.random(in: 0..<3, using: &random)
    let lost = kind == 2 ? end - start : 0
    switch kind {
    case 0: for index in start..<end { bytes[index] = 0 }
    case 1: for index in start..<end { bytes[index] = UInt8.random(in: 0...255, using: &random) }
    default: bytes.removeSubrange(start..<end)
    }
    let file: ArchiveFile
    do { file = try ArchiveFile(opening: try scratch.write(bytes, to: "a")) } catch {
      #expect(whole.frames.allSatisfy { $0.offset < end && $0.offset + $0.length > start })
      return
    }
    for frame in whole.frames where frame.offset >= end || frame.offset + frame.length <= start {
      let offset = frame.offset >= end ? frame.offset - lost : frame.offset
      guard let found = file.frames.first(where: { $0.offset == offset }),
        let from = frame.contentOffset, let size = frame.contentSize
      else {
        Issue.record("seed \(seed): the frame at \(frame.offset) is lost")
        continue
      }
      #expect(found.length == frame.length, "seed \(seed)")
      #expect(try file.decode(found).array == Array(plain[from..<(from + size)]), "seed \(seed)")
      if let damage = file.damage.first, damage.offset < offset {
        #expect(found.contentOffset == nil, "seed \(seed)")
      }
    }
    #expect(throws: ArchiveError.self, "seed \(seed)") { try content(file) }
  }

  /// A block size that leads into the middle of a later frame hides none of those between.
  @Test func aBrokenBlockSizeHidesNoFrame() throws {
    let scratch = try Scratch()
    var random = SeededGenerator(seed: 3)
    let members = (0..<20).map { TestMember("\($0)", random.bytes(400 - 18 * $0)) }
    let whole = try archive(members, .zstd(level: 1))
    // Right behind the frame header (magic, descriptor, a size of two bytes): a raw last block.
    for size in 0..<700 {
      var bytes = whole.bytes
      bytes[7] = UInt8(truncatingIfNeeded: size << 3 | 1)
      bytes[8] = UInt8(truncatingIfNeeded: size >> 5)
      bytes[9] = UInt8(truncatingIfNeeded: size >> 13)
      let file = try ArchiveFile(opening: try scratch.write(bytes, to: "a"))
      var found = file.frames
      // Only a size that leads exactly to a later frame goes unseen until the frame is decoded.
      for frame in file.frames where (try? file.decode(frame)) == nil {
        #expect(whole.frames.contains { $0.offset == frame.offset + frame.length })
        found += try file.framesHidden(in: frame)
      }
      let offsets = Set(found.map(\.offset))
      #expect(offsets.isSuperset(of: whole.frames.dropFirst().map(\.offset)), "size \(size)")
    }
  }

  /// False starts by the thousand cost no more than a look at each.
  @Test func manyFalseStarts() throws {
    let scratch = try Scratch()
    var bytes: [UInt8] = []
    for _ in 0..<50_000 { bytes += [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58, 0, 0, 0, 0, 0, 0] }
    let path = try scratch.write(bytes, to: "a")
    #expect(processorTime { _ = try? ArchiveFile(opening: path).members() } < 20)
  }
}
