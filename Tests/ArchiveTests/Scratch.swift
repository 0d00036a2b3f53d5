import Archive
import Glibc
import LosslessJSON
import SystemPackage
import Testing

/// A directory of its own for a test, removed with it.
final class Scratch {
  let path: FilePath

  init() throws {
    var template = Array("/tmp/holdfast-archive.XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { memory in
      memory.baseAddress.flatMap { mkdtemp($0) } != nil
    }
    try #require(made)
    path = FilePath(
      String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  deinit { _ = system("chmod -R u+rwx '\(path)' && rm -rf '\(path)'") }

  func file(_ name: String) -> FilePath { path.appending(name) }

  @discardableResult func write(_ bytes: [UInt8], to name: String) throws -> FilePath {
    let file = file(name)
    let descriptor = try FileDescriptor.open(
      file, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
    try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
    return file
  }

  func read(_ name: String) throws -> [UInt8] {
    let descriptor = try FileDescriptor.open(file(name), .readOnly)
    return try descriptor.closeAfter {
      let size = Int(try descriptor.seek(offset: 0, from: .end))
      return try [UInt8](unsafeUninitializedCapacity: size) { memory, count in
        count = try descriptor.read(
          fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(memory))
      }
    }
  }

  /// Runs a shell command in the directory; what it says on stderr is shown when it fails.
  func run(_ command: String, _ location: SourceLocation = #_sourceLocation) throws {
    let status = system("cd '\(path)' && { \(command)\n} 2>stderr.txt")
    if status != 0 {
      let said = String(decoding: try read("stderr.txt"), as: UTF8.self)
      Issue.record("'\(command)' failed: \(said)", sourceLocation: location)
    }
  }
}

/// SplitMix64: the same seed gives the same test again.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Bytes that compress to some extent: runs and noise by turns.
  mutating func bytes(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count + 64)
    while result.count < count {
      let word = next()
      if word & 3 == 0 {
        for shift in 0..<8 { result.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
      } else {
        result.append(
          contentsOf: repeatElement(UInt8(word >> 8 & 0x7F), count: Int(word >> 40 & 63)))
      }
    }
    return Array(result.prefix(count))
  }
}

struct TestMember {
  var header: MemberHeader
  var content: [UInt8]

  init(_ path: [UInt8], _ content: [UInt8], seconds: Int = 1_700_000_000, nanoseconds: Int = 0) {
    header = MemberHeader(
      path: path, size: content.count, mode: 0o640, seconds: seconds, nanoseconds: nanoseconds)
    self.content = content
  }

  init(_ path: String, _ content: [UInt8]) { self.init(Array(path.utf8), content) }
}

final class Output {
  var bytes: [UInt8] = []
  func append(_ span: Span<UInt8>) { span.withUnsafeBytes { bytes.append(contentsOf: $0) } }
}

/// A whole archive as a backup writes it: each member in frames of its own.
func archive(_ members: [TestMember], _ compression: Compression, workers: Int = 2) throws
  -> (bytes: [UInt8], frames: [Frame])
{
  let output = Output()
  let writer = try FrameWriter(compression, workers: workers) { output.append($0) }
  for member in members {
    try writer.cut()
    try writer.write(try Tar.header(member.header))
    try writer.write(member.content)
    try writer.write([UInt8](repeating: 0, count: Tar.padding(after: member.content.count)))
  }
  try writer.write(Tar.endOfArchive)
  try writer.finish()
  #expect(writer.compressedSize == output.bytes.count)
  return (output.bytes, writer.frames)
}

/// All bytes that a stretch of content has, read in pieces of a few sizes.
func content(_ file: ArchiveFile, from: Int = 0, count: Int? = nil, pieces: Int = 100_000) throws
  -> [UInt8]
{
  var reader = try file.content(from: from, count: count)
  var buffer = ByteBuffer()
  while try reader.read(into: &buffer, atMost: pieces) > 0 {}
  return buffer.array
}
