import Glibc
import LosslessJSON
import SystemPackage

/// Bytes put aside, to be read again by position: in memory while they are few, then in a nameless
/// file of the directory for temporary files.
package final class Shelf {
  private let limit: Int
  private var held = ByteBuffer()
  private var file: SpillFile?
  /// Bytes put aside so far.
  package private(set) var count = 0

  /// - Parameter limit: bytes held in memory at most.
  package init(limit: Int = 8 << 20) { self.limit = limit }

  /// Puts bytes behind those there are; returns where they start.
  @discardableResult
  package func append(_ bytes: Span<UInt8>) throws -> Int {
    let start = count
    count += bytes.count
    if let file {
      try file.append(bytes)
    } else {
      held.append(bytes)
      if held.count > limit {
        let spill = try SpillFile(in: Disk.temporaryDirectory)
        let all = held
        try spill.append(all.span)
        file = spill
        held = ByteBuffer()
      }
    }
    return start
  }

  /// Appends `length` bytes that start at `start` to `buffer`.
  package func read(at start: Int, count length: Int, into buffer: inout ByteBuffer) throws {
    if let file { return try file.read(at: start, into: &buffer, count: length) }
    let all = held
    buffer.append(all.span.extracting(start..<start + length))
  }

  /// Hands out all bytes in pieces, then forgets them.
  package func drain(_ body: (Span<UInt8>) throws -> Void) throws {
    var block = ByteBuffer()
    var at = 0
    while at < count {
      block.removeAll()
      let length = min(256 << 10, count - at)
      try read(at: at, count: length, into: &block)
      try body(block.span)
      at += length
    }
    held.removeAll()
    file = nil
    count = 0
  }
}

extension Disk {
  /// `TMPDIR` where that is a directory to write to, else `/tmp`: none is made.
  package static var temporaryDirectory: FilePath {
    guard let text = getenv("TMPDIR").map({ String(cString: $0) }), !text.isEmpty,
      access(text + "/.", W_OK | X_OK) == 0
    else { return FilePath("/tmp") }
    return FilePath(text)
  }
}
