/// What is left in a text of a sector or a page that a disk lost.
enum TextNoise {
  enum Damage: String {
    /// Bytes at random: no UTF-8, no other encoding, and text on at least one side; or UTF-16 that is no
    /// text.
    case noise = "holds noise as of a lost sector"
    /// NULs at its end.
    case cut = "ends in NULs as of a lost page"
  }

  /// Bytes that a disk loses at a time.
  static let sector = 512
  /// NULs that are one, for a page begins with the number of the next one.
  static let leastNULs = sector - 4
  /// Fewer bytes of noise may be anything.
  private static let least = 16
  /// Where there are several stretches, one has as many as a sector within the text.
  private static let most = sector - 64
  /// Bytes of noise in a row that are UTF-8, at the most.
  private static let longest = 64

  static func damage(to text: Span<UInt8>) -> Damage? {
    if isNoisy(text) { return .noise }
    // One by itself may be meant.
    let count = text.count
    return count > 1 && text[count - 1] == 0 && text[count - 2] == 0 ? .cut : nil
  }

  private static func isNoisy(_ text: Span<UInt8>) -> Bool {
    var all: (first: Int, foreign: Int)?
    /// The last stretch, and how many bytes of it are no UTF-8.
    var (first, last, foreign) = (0, 0, 0)
    var at = 0
    func isSector() -> Bool { last - first >= most && isNoise(text, first..<last, foreign) }
    while at < text.count {
      do throws(UTF8.ValidationError) {
        _ = try UTF8Span(validating: text.extracting(at..<text.count))
        break
      } catch {
        let start = at + error.byteOffsets.lowerBound
        if all == nil || start > last + longest {
          if isSector() { return true }
          (first, foreign) = (start, 0)
        }
        foreign += error.byteOffsets.count
        all = (all?.first ?? start, (all?.foreign ?? 0) + error.byteOffsets.count)
        at += error.byteOffsets.upperBound
        last = at
      }
    }
    guard let all else { return hasUnassigned(text) }
    return isSector() || isNoise(text, all.first..<last, all.foreign)
  }

  /// Whether UTF-8 has a character of the planes 4 to 13, in which Unicode has none. SQLite makes these of
  /// noise in UTF-16, where one unit in 32 is half a pair, whatever follows it.
  private static func hasUnassigned(_ text: Span<UInt8>) -> Bool {
    text.indices.contains { at in
      text[at] == 0xF1 || text[at] == 0xF2 || (text[at] == 0xF3 && text[at + 1] < 0xA0)
    }
  }

  /// Whether a stretch is noise of which so many bytes are no UTF-8.
  private static func isNoise(_ text: Span<UInt8>, _ range: Range<Int>, _ foreign: Int) -> Bool {
    let count = range.count
    guard (least...sector).contains(count), count < text.count, foreign * 4 >= count else {
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
