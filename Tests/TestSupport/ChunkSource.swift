import LosslessJSON

/// Bytes in memory as a source that gives as many at a time as `sizes` says, again and again.
package struct ChunkSource: ByteSource {
  private let bytes: [UInt8]
  private let sizes: [Int]
  private var at = 0
  private var turn = 0

  /// - Parameter sizes: at least 1 each.
  package init(_ bytes: [UInt8], sizes: [Int]) {
    self.bytes = bytes
    self.sizes = sizes
  }

  package mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let count = min(limit, sizes[turn % sizes.count], bytes.count - at)
    turn += 1
    buffer.append(bytes.span.extracting(at..<at + count))
    at += count
    return count
  }
}
