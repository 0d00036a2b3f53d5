/// A stretch of the compressed file that can be decompressed by itself.
package struct Frame: Sendable, Equatable {
  /// Where it starts in the file, and its length there: bytes.
  package var offset: Int
  package var length: Int
  /// Where its content starts in the decompressed archive. Nil after the first damage, and after
  /// a frame that does not say its size: from there on nobody knows.
  package var contentOffset: Int?
  /// How many bytes it decompresses to, as it says itself; nil where it does not.
  package var contentSize: Int?

  package init(offset: Int, length: Int, contentOffset: Int?, contentSize: Int?) {
    self.offset = offset
    self.length = length
    self.contentOffset = contentOffset
    self.contentSize = contentSize
  }

  /// No frame that a `FrameWriter` writes holds more content.
  package static let contentLimit = 4 << 20

  var end: Int { offset + length }
}

/// A stretch of the compressed file that belongs to no readable frame.
package struct DamagedRange: Sendable, Equatable {
  package var offset: Int
  package var length: Int
  /// What was impossible at `offset`.
  package var reason: String
}
