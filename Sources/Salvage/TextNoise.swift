/// Bytes at random within a text, as of a sector that a disk lost: no UTF-8, no other encoding, and
/// text on at least one side.
enum TextNoise {
  /// Bytes that a disk loses at a time.
  static let sector = 512
  /// Fewer may be anything.
  private static let least = 16

  static func isIn(_ text: Span<UInt8>) -> Bool {
    var (first, last, foreign) = (text.count, 0, 0)
    var at = 0
    while at < text.count, last - min(first, last) <= sector {
      do throws(UTF8.ValidationError) {
        _ = try UTF8Span(validating: text.extracting(at..<text.count))
        break
      } catch {
        first = min(first, at + error.byteOffsets.lowerBound)
        foreign += error.byteOffsets.count
        at += error.byteOffsets.upperBound
        last = at
      }
    }
    let count = last - min(first, last)
    guard (least...sector).contains(count), count < text.count, foreign * 4 >= count else {
      return false
    }
    // Every encoding of texts has letters there; a byte in ten of noise is one of these.
    var controls = 0
    // An escape begins what a terminal takes for colours.
    for index in first..<last where TextBytes.isControl(text[index]) && text[index] != 0x1B {
      controls += 1
    }
    return controls * 32 >= count
  }
  /// Whether a text ends in NULs, as one does whose last page is lost. One by itself may be meant.
  static func isCut(_ text: Span<UInt8>) -> Bool {
    text.count > 1 && text[text.count - 1] == 0 && text[text.count - 2] == 0
  }
}
