import LosslessJSON

/// The start of a file, for recognising what it holds: read once, never trusted to be whole.
struct FileHead {
  /// Bytes looked at; the first record of a store is taken to end within them.
  static let limit = 1 << 20

  let bytes: ByteBuffer
  /// Whether the file goes on behind `bytes`.
  let isCut: Bool

  init(_ tree: any StoreTree, _ file: Int) throws {
    bytes = try tree.head(file, limit: Self.limit)
    isCut = tree.files[file].size > bytes.count
  }

  /// Bytes before the text itself: 3 for a UTF-8 byte order mark.
  var markLength: Int {
    bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF ? 3 : 0
  }

  /// The bytes behind the mark.
  var text: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { bytes.span.extracting(markLength..<bytes.count) }
  }

  var isUTF16: Bool {
    bytes.count >= 2
      && (bytes[0] == 0xFF && bytes[1] == 0xFE || bytes[0] == 0xFE && bytes[1] == 0xFF)
  }

  /// Calls `body` with each line that is neither blank nor a comment, a cut last one left out,
  /// until it returns false.
  func forEachLine(_ body: (Span<UInt8>) -> Bool) {
    var at = markLength
    while at < bytes.count {
      let end = bytes.span.firstIndex(of: 0x0A, from: at) ?? bytes.count
      if end == bytes.count, isCut { return }
      let line = GraphLine.trim(bytes.span.extracting(at..<end))
      at = end + 1
      if line.isEmpty || GraphLine.isComment(line) { continue }
      if !body(line) { return }
    }
  }

  /// Offset of the first byte that is neither white space nor part of a comment line.
  var firstSignificant: Int? {
    var at = markLength
    while at < bytes.count {
      let end = bytes.span.firstIndex(of: 0x0A, from: at) ?? bytes.count
      let line = GraphLine.trim(bytes.span.extracting(at..<end))
      if !line.isEmpty, !GraphLine.isComment(line) {
        while bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == 0x0D { at += 1 }
        return at
      }
      at = end + 1
    }
    return nil
  }

  /// Whether `needle` occurs.
  func contains(_ needle: StaticString) -> Bool {
    let first = needle.utf8Start[0]
    var at = 0
    while let found = bytes.span.firstIndex(of: first, from: at) {
      at = found + 1
      guard found + needle.utf8CodeUnitCount <= bytes.count else { return false }
      if (0..<needle.utf8CodeUnitCount).allSatisfy({ bytes[found + $0] == needle.utf8Start[$0] }) {
        return true
      }
    }
    return false
  }

  /// The keys of the object that the text starts with, as far as they can be walked, each with
  /// the first byte of its value; `body` returns false to stop.
  func forEachTopLevelKey(_ body: ([UInt8], UInt8) -> Bool) {
    guard let start = firstSignificant else { return }
    var reader = JSONReader(HeadSource(bytes: bytes, at: start))
    do {
      guard try reader.take(0x7B) else { return }
      var first = true
      while let key = try reader.nextKey(first: first), let byte = try reader.peek() {
        first = false
        if !body(key, byte) { return }
        try reader.skip()
      }
    } catch {
      // The head ends or is damaged here: what was seen before has been handed over.
    }
  }
}

/// The bytes of a head from some offset on, as a source.
struct HeadSource: ByteSource {
  let bytes: ByteBuffer
  var at: Int

  mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let count = min(limit, bytes.count - at)
    buffer.append(bytes.span.extracting(at..<at + count))
    at += count
    return count
  }
}
