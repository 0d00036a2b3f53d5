import LosslessJSON

/// Cuts a source into lines at LF, with their byte offsets; CR stays part of the line.
///
/// Memory is bounded by the longest line, and that by `lengthLimit`: of a longer line only the
/// extent is given.
package struct LineScanner<Source: ByteSource & ~Copyable>: ~Copyable {
  package static var lengthLimit: Int { 256 << 20 }

  /// One line, without its LF.
  package struct Line: Sendable, Equatable {
    /// Byte offset of its first byte.
    package var offset: Int
    /// Bytes, without the LF.
    package var length: Int
    /// Counted from 1.
    package var number: Int
    /// Whether an LF ends it; only the last line may lack one.
    package var isTerminated: Bool
    /// Whether it exceeds `lengthLimit`, so that its bytes are not at hand.
    package var isTooLong: Bool
  }

  private var source: Source
  private var window = ByteBuffer()
  /// Where the unread part of the window starts.
  private var cursor = 0
  private var base: Int
  private var number = 0
  private var ended = false
  private var lineStart = 0
  private var lineEnd = 0

  /// - Parameter offset: byte offset of the first byte that `source` will give.
  package init(_ source: consuming Source, offset: Int = 0) {
    self.source = source
    base = offset
  }

  /// The bytes of the line that `next` returned last.
  package var text: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { window.span.extracting(lineStart..<lineEnd) }
  }

  /// The next line, or nil at the end. A file that ends with LF has no empty line after it.
  package mutating func next() throws -> Line? {
    var searched = cursor
    while true {
      if let end = lineFeed(from: searched) { return take(to: end, terminated: true) }
      searched = window.count
      if searched - cursor > Self.lengthLimit { return try skipLongLine() }
      let dropped = cursor
      if !ended, try fill() {
        searched -= dropped - cursor
        continue
      }
      return cursor < window.count ? take(to: window.count, terminated: false) : nil
    }
  }

  private func lineFeed(from start: Int) -> Int? { window.span.firstIndex(of: 0x0A, from: start) }

  private mutating func take(to end: Int, terminated: Bool) -> Line {
    number += 1
    lineStart = cursor
    lineEnd = end
    cursor = terminated ? end + 1 : end
    return Line(
      offset: base + lineStart, length: end - lineStart, number: number, isTerminated: terminated,
      isTooLong: false)
  }

  private mutating func skipLongLine() throws -> Line {
    number += 1
    let start = base + cursor
    while true {
      if let end = lineFeed(from: cursor) {
        let line = Line(
          offset: start, length: base + end - start, number: number, isTerminated: true,
          isTooLong: true)
        cursor = end + 1
        (lineStart, lineEnd) = (cursor, cursor)
        return line
      }
      cursor = window.count
      if try !fill() {
        (lineStart, lineEnd) = (cursor, cursor)
        return Line(
          offset: start, length: base + cursor - start, number: number, isTerminated: false,
          isTooLong: true)
      }
    }
  }

  /// Moves the unread part to the front and reads on behind it.
  private mutating func fill() throws -> Bool {
    window.removeFirst(cursor)
    base += cursor
    cursor = 0
    (lineStart, lineEnd) = (0, 0)
    let step = max(512 << 10, min(window.count, 64 << 20))
    if try source.read(into: &window, atMost: step) == 0 { ended = true }
    return !ended
  }
}
