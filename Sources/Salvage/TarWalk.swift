import Archive
import Disk
import LosslessJSON
import Snapshot
import SystemPackage

/// How the parts of an uncompressed archive lie in its file.
///
/// Each header says where the next one stands. Where none stands there, because bytes are missing or
/// there are too many, the next one is found at any offset by its checksum.
final class TarWalk {
  /// The content of a member.
  struct Content {
    /// Nil where its header is lost.
    var name: [UInt8]?
    var range: Range<Int>
  }

  struct Damage {
    var range: Range<Int>
    var reason: String
  }

  private(set) var contents: [Content] = []
  /// Headers, and padding, that are not as they were written.
  private(set) var damage: [Damage] = []
  /// Where headers stand that nothing else leads to.
  private(set) var resumptions: [Int] = []
  /// Where backups begin, behind the first byte.
  private(set) var backups: [Int] = []
  private let file: InputFile
  private let size: Int
  private static let blockSize = 512

  init(_ path: FilePath) throws {
    file = try InputFile(opening: path)
    size = try FileFacts(at: path)?.size ?? 0
    try run()
  }

  private func run() throws {
    var at = 0
    var extended: (name: [UInt8]?, size: Int?) = (nil, nil)
    while at < size {
      guard let told = try header(at: at) else {
        at = try skip(from: at)
        extended = (nil, nil)
        continue
      }
      let start = at + Self.blockSize
      let length = told.isExtended ? told.size : extended.size ?? told.size
      let name = extended.name ?? told.name
      let end = start + min(length, size)
      var next = min(end + (Self.blockSize - length % Self.blockSize) % Self.blockSize, size)
      if try !mayFollow(next), let found = try header(from: start, to: next, isOurs: true) {
        next = found
        resumptions.append(found)
      }
      extended = (nil, nil)
      if at > 0, told.name == Manifest.manifestName { backups.append(at) }
      if told.isExtended {
        let text = try read(start, min(length, 1 << 20))
        extended = TarHeader.extended(text.span)
      } else if next > start {
        contents.append(Content(name: name, range: start..<min(end, next)))
      }
      if end < next, try !isZero(end..<next) {
        let text = "the padding behind \(MemberPath.printable(name)) is damaged"
        damage.append(Damage(range: end..<next, reason: text))
      }
      at = next
    }
  }

  /// Passes over what begins with no header. NULs to the end, or to a whole archive, are what an
  /// archive ends in.
  private func skip(from start: Int) throws -> Int {
    var at = start
    let step = 1 << 20
    while at < size, try isZero(at..<min(at + step, size)) { at += step }
    while at < size, try isZero(at..<min(at + Self.blockSize, size)) { at += Self.blockSize }
    if at >= size { return size }
    let block = try read(at, Self.blockSize)
    if at > start, TarHeader.startsBackup(block.span) { return at }
    let found = try header(from: start + 1, to: size, isOurs: false)
    let end = found ?? size
    let content = min(start + Self.blockSize, end)
    let isEnd = found == nil && size - start <= 2 * Self.blockSize
    let reason = isEnd ? "the end of the archive is damaged" : "the header of a member is damaged"
    damage.append(Damage(range: start..<content, reason: reason))
    if content < end { contents.append(Content(name: nil, range: content..<end)) }
    if let found, (found - start) % Self.blockSize != 0 { resumptions.append(found) }
    return end
  }

  /// Whether what has to stand behind a member stands at `at`.
  private func mayFollow(_ at: Int) throws -> Bool {
    if at >= size { return true }
    let block = try read(at, Self.blockSize)
    return TarHeader.isHeader(block.span) || TextBytes.isAll(block.span, 0)
  }

  private func header(at offset: Int) throws -> TarHeader? {
    let block = try read(offset, Self.blockSize)
    return TarHeader.isHeader(block.span) ? TarHeader(block.span) : nil
  }

  /// The first header at any offset in the range.
  /// - Parameter isOurs: whether it has to be of a member that a backup has: content may hold an
  ///   archive of its own.
  private func header(from start: Int, to limit: Int, isOurs: Bool) throws -> Int? {
    var at = start
    let step = 1 << 20
    while at < limit {
      let bytes = try read(at, step + Self.blockSize)
      let text = bytes.span
      var from = 257
      while let found = text.firstIndex(of: 0x75, from: from) {
        from = found + 1
        let head = found - 257
        if head >= step || at + head >= limit { break }
        guard head + Self.blockSize <= text.count,
          TextBytes.starts(text.extracting(found..<text.count), "ustar")
        else { continue }
        let block = text.extracting(head..<head + Self.blockSize)
        if TarHeader.isHeader(block), !isOurs || TarHeader(block).isOurs { return at + head }
      }
      at += step
    }
    return nil
  }

  private func isZero(_ range: Range<Int>) throws -> Bool {
    let bytes = try read(range.lowerBound, range.count)
    return TextBytes.isAll(bytes.span, 0)
  }

  private func read(_ at: Int, _ count: Int) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    _ = try file.read(at: at, into: &bytes, atMost: count)
    return bytes
  }
}

extension TarHeader {
  /// Whether it only tells more of the next member.
  var isExtended: Bool { type == 0x78 || type == 0x67 }

  /// Whether a backup has such a member.
  var isOurs: Bool {
    name.starts(with: Manifest.storePrefix)
      || [Manifest.manifestName, Manifest.hybridName, Manifest.sumsName].contains(name)
  }

  /// Whether the first member of a backup begins here.
  static func startsBackup(_ text: Span<UInt8>) -> Bool {
    isHeader(text) && TarHeader(text.extracting(0..<512)).name == Manifest.manifestName
  }
}
