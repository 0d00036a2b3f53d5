/// What is left in a text of a sector or a page that a disk lost.
enum TextNoise {
  enum Damage: String {
    /// Bytes at random: no UTF-8, no other encoding, and text on at least one side.
    case noise = "holds noise as of a lost sector"
    /// NULs in front of text.
    case hole = "holds a run of NULs as of a lost sector"
    /// NULs at its end.
    case cut = "ends in NULs as of a lost page"
  }

  /// Bytes that a disk loses at a time.
  static let sector = 512
  /// Fewer may be anything, and so may more.
  private static let least = 16
  private static let most = 8 * sector
  /// Bytes of noise in a row that are UTF-8, at the most.
  private static let longest = 64

  static func damage(to text: Span<UInt8>) -> Damage? {
    if isNoisy(text) { return .noise }
    if hasHole(text) { return .hole }
    // One by itself may be meant.
    let count = text.count
    return count > 1 && text[count - 1] == 0 && text[count - 2] == 0 ? .cut : nil
  }

  private static func hasHole(_ text: Span<UInt8>) -> Bool {
    var start = 0
    while let first = text.firstIndex(of: 0, from: start) {
      start = first
      while start < text.count, text[start] == 0 { start += 1 }
      if start - first >= least, start < text.count { return true }
    }
    return false
  }

  private static func isNoisy(_ text: Span<UInt8>) -> Bool {
    var (first, last, foreign) = (0, 0, 0)
    var at = 0
    while at < text.count {
      do throws(UTF8.ValidationError) {
        _ = try UTF8Span(validating: text.extracting(at..<text.count))
        break
      } catch {
        // There may be text between two sectors.
        if last == 0 || at + error.byteOffsets.lowerBound > last + longest {
          if isNoise(text, first..<last, foreign) { return true }
          (first, foreign) = (at + error.byteOffsets.lowerBound, 0)
        }
        foreign += error.byteOffsets.count
        at += error.byteOffsets.upperBound
        last = at
      }
    }
    return isNoise(text, first..<last, foreign)
  }

  /// Whether a stretch is noise of which so many bytes are no UTF-8.
  private static func isNoise(_ text: Span<UInt8>, _ range: Range<Int>, _ foreign: Int) -> Bool {
    let count = range.count
    guard (least...most).contains(count), count < text.count, foreign * 4 >= count else {
      return false
    }
    // Every encoding of texts has letters there; a byte in ten of noise is one of these.
    var controls = 0
    // An escape begins what a terminal takes for colours.
    for index in range where TextBytes.isControl(text[index]) && text[index] != 0x1B {
      controls += 1
    }
    return controls * 32 >= count
  }
}
