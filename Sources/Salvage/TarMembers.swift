import Archive
import Disk
import LosslessJSON
import Records
import SystemPackage

/// Sorts the content of a tar file, some of which may be missing, into files of a directory: a
/// member each, gaps as one NUL byte, what belongs to no known member under names of their own.
///
/// A member's header is believed by its checksum (POSIX.1-2001, ustar); where one is lost, the
/// content behind it is told by what it starts with.
final class TarMembers {
  struct Member {
    /// As in the archive; nil where its header is lost.
    var name: [UInt8]?
    /// Where it was put.
    var path: FilePath
    /// As its header says.
    var size: Int?
    var count = 0
    /// Whether something of it is missing.
    var hasGap = false
    /// For content without a header: the member that the gap before it cut off.
    var follows: Int?
    /// For content without a header: bytes of content that are missing in front of it, where that
    /// is known.
    var missing: Int?
    /// Whether the header of the next member, or the end, stands right behind it.
    var isEnded = false
    /// Whether something of it comes from what the file ends in, without its checksum.
    var isCut = false
    var hash: Hash256?

    var isComplete: Bool { !hasGap && size == count }
  }

  private(set) var members: [Member] = []
  /// Names that came more than once.
  private(set) var repeated: [[UInt8]] = []
  private let directory: FilePath
  private var current: Int?
  private var file: StagedFile?
  private var hasher = Hasher256()
  /// Bytes of the current member, and of padding behind it, that are still to come.
  private var left = 0
  private var padding = 0
  /// Whether it is known where the next header has to be.
  private var isAligned = true
  private var block = ByteBuffer()
  /// Blocks of NULs in content without a header: a part of it only if more of it follows.
  private var zeros = 0
  private static let zeroBlock = ByteBuffer([UInt8](repeating: 0, count: 512))
  /// What an extended header says of the next member.
  private var extended: (name: [UInt8]?, size: Int?) = (nil, nil)
  private var extendedText: ByteBuffer?
  /// The member that the last gap cut off.
  private var cut: Int?
  /// Bytes of content that the gaps since then stand for; nil where one does not say.
  private var missing: Int? = 0

  init(in directory: FilePath) { self.directory = directory }

  func gap(_ contentSize: Int?) throws {
    block.removeAll()
    extendedText = nil
    if let current {
      members[current].hasGap = true
      missing = 0
    }
    missing = missing.flatMap { before in contentSize.map { before + $0 } }
    cut = current ?? cut
    try close()
    isAligned = false
  }

  func take(_ bytes: ByteBuffer, startsFrame: Bool, isCut: Bool = false) throws {
    let text = bytes.span
    if text.isEmpty { return }
    if !isAligned, startsFrame, TarHeader.isHeader(text) {
      if let current { members[current].isEnded = true }
      try close()
      cut = nil
      (left, padding, isAligned) = (0, 0, true)
    }
    guard isAligned else {
      // Of the member that was cut, or of one whose header is lost.
      if startsFrame, Self.startsAnother(text) {
        try close()
      }
      if current == nil {
        try begin(nil, size: nil)
        members[members.count - 1].follows = cut
        members[members.count - 1].missing = missing
      }
      if let current, isCut { members[current].isCut = true }
      return try append(text)
    }
    var at = 0
    while at < text.count {
      if left > 0 {
        let count = min(left, text.count - at)
        let part = text.extracting(at..<at + count)
        if extendedText != nil { extendedText?.append(part) } else { try append(part) }
        if let current, isCut { members[current].isCut = true }
        left -= count
        at += count
        if left == 0 { try endContent() }
      } else if padding > 0 {
        let count = min(padding, text.count - at)
        padding -= count
        at += count
      } else {
        let count = min(512 - block.count, text.count - at)
        block.append(text.extracting(at..<at + count))
        at += count
        if block.count == 512 { try takeHeader() }
      }
    }
  }

  /// What comes next is the header of a member, wherever the one before was to end.
  func resume() throws {
    try gap(nil)
    cut = nil
    (left, padding, isAligned) = (0, 0, true)
  }

  func finish() throws { try close() }

  /// Puts a whole member of the same archive here, which another one has read: in the place of what
  /// is here of it.
  func adopt(_ member: Member, from other: TarMembers) throws {
    guard let name = member.name, let path = Self.path(name) else { return }
    var adopted = member
    adopted.follows = nil
    adopted.path = path
    let place = directory.pushing(adopted.path)
    guard try hasRoom(place) else { return }
    try Disk.remove(place)
    try Disk.makeDirectory(place.removingLastComponent())
    try Disk.copy(fileAt: other.directory.pushing(member.path), to: place)
    // Others are told by their numbers.
    if let index = members.firstIndex(where: { $0.name == name }) {
      members[index] = adopted
    } else {
      members.append(adopted)
    }
  }

  /// Whether no file is in the place of a directory above the path, as one of a damaged name may be.
  func hasRoom(_ place: FilePath) throws -> Bool {
    var above = place.removingLastComponent()
    while above != directory {
      if let facts = try FileFacts(at: above) { return facts.kind == .directory }
      above = above.removingLastComponent()
    }
    return true
  }

  private func takeHeader() throws {
    let header = block
    block.removeAll()
    guard TarHeader.isHeader(header.span) else {
      if TextBytes.isAll(header.span, 0) {
        if current != nil { zeros += 1 }
        return
      }
      // Content without a header, of a member whose header was overwritten: up to the next one.
      if current == nil { try begin(nil, size: nil) }
      for _ in 0..<zeros { try append(Self.zeroBlock.span) }
      zeros = 0
      let isBroken = header[257] == 0x75 && header[258] == 0x73 && header[259] == 0x74
      if !isBroken { try append(header.span) }
      return
    }
    if let current { members[current].isEnded = zeros == 0 }
    let parsed = TarHeader(header.span)
    switch parsed.type {
    case 0x78, 0x67:
      extendedText = ByteBuffer()
      left = parsed.size
      padding = (512 - parsed.size % 512) % 512
      if left == 0 { extendedText = nil }
    case 0x30, 0x00:
      let size = extended.size ?? parsed.size
      try begin(extended.name ?? parsed.name, size: size)
      extended = (nil, nil)
      left = size
      padding = (512 - size % 512) % 512
      if left == 0 { try close() }
    default: extended = (nil, nil)
    }
  }

  private func endContent() throws {
    guard let text = extendedText else { return try close() }
    extendedText = nil
    extended = TarHeader.extended(text.span)
  }

  /// Whether a frame starts with what only one kind of member starts with.
  private static func startsAnother(_ text: Span<UInt8>) -> Bool {
    TextBytes.starts(text, "{\"version\":") || TextBytes.starts(text, "{\n  \"format\": \"holdfast")
  }

  /// Where a member of the name lies; nil for a name that no backup has, such as that of the
  /// directory of the store's files.
  private static func path(_ name: [UInt8]) -> FilePath? {
    guard let safe = try? MemberPath(name), safe.components != [Array("store".utf8)] else {
      return nil
    }
    return FilePath(bytes: safe.bytes).map { FilePath("members").pushing($0) }
  }

  private func begin(_ name: [UInt8]?, size: Int?) throws {
    try close()
    var path = FilePath("lost/\(members.count)")
    if let name, let named = Self.path(name) {
      path = named
      // A name that comes twice is none of ours; the second one is kept apart.
      if members.contains(where: { $0.path == path }) {
        path = FilePath("lost/\(members.count)")
        if !repeated.contains(name) { repeated.append(name) }
      }
    }
    members.append(Member(name: name, path: path, size: size))
    current = members.count - 1
    do throws(DiskError) { file = try StagedFile(directory.pushing(path)) } catch {
      path = FilePath("lost/\(members.count - 1)")
      members[members.count - 1].path = path
      file = try StagedFile(directory.pushing(path))
    }
    hasher = Hasher256()
  }

  private func append(_ bytes: Span<UInt8>) throws {
    guard let current else { return }
    try file?.write(bytes)
    hasher.update(bytes)
    members[current].count += bytes.count
  }

  private func close() throws {
    guard let current else { return }
    try file?.close()
    file = nil
    members[current].hash = hasher.finish()
    zeros = 0
    self.current = nil
  }
}

/// A block of 512 bytes that describes a member.
struct TarHeader {
  let name: [UInt8]
  let size: Int
  let type: UInt8

  static func isHeader(_ block: Span<UInt8>) -> Bool {
    guard block.count >= 512 else { return false }
    var sum = 0
    for index in 0..<512 { sum += (148..<156).contains(index) ? 0x20 : Int(block[index]) }
    return sum == number(block, 148..<156) && block[257] == 0x75 && block[258] == 0x73
  }

  init(_ block: Span<UInt8>) {
    func text(_ range: Range<Int>) -> [UInt8] {
      Array(range.map { block[$0] }.prefix { $0 != 0 })
    }
    let prefix = text(345..<500)
    name = prefix.isEmpty ? text(0..<100) : prefix + [0x2F] + text(0..<100)
    size = max(0, Self.number(block, 124..<136))
    type = block[156]
  }

  /// Octal digits, or 63 bits behind a set one (GNU).
  private static func number(_ block: Span<UInt8>, _ range: Range<Int>) -> Int {
    var value = 0
    if block[range.lowerBound] & 0x80 != 0 {
      for index in range.suffix(8) { value = value << 8 | Int(block[index]) }
      return value & Int.max
    }
    for index in range where (0x30...0x37).contains(block[index]) {
      value = value << 3 | Int(block[index] - 0x30)
    }
    return value
  }

  /// A record's value, without the line feed behind it.
  private static func bytes(_ record: Span<UInt8>, from start: Int) -> [UInt8] {
    var value: [UInt8] = []
    for index in start..<max(start, record.count - 1) { value.append(record[index]) }
    return value
  }

  /// Path and size of the records `LENGTH KEY=VALUE LF` of an extended header.
  static func extended(_ text: Span<UInt8>) -> (name: [UInt8]?, size: Int?) {
    var result: (name: [UInt8]?, size: Int?) = (nil, nil)
    var at = 0
    while at < text.count {
      var length = 0
      var digit = at
      while digit < text.count, text[digit] &- 0x30 <= 9, length < 1 << 40 {
        length = length * 10 + Int(text[digit] - 0x30)
        digit += 1
      }
      guard length > digit - at, at + length <= text.count, digit < text.count else { break }
      let record = text.extracting(min(digit + 1, at + length)..<at + length)
      if TextBytes.starts(record, "path=") { result.name = bytes(record, from: 5) }
      if TextBytes.starts(record, "size=") {
        let size = Int(String(decoding: bytes(record, from: 5), as: UTF8.self))
        if let size, (0..<1 << 60).contains(size) { result.size = size }
      }
      at += length
    }
    return result
  }
}
