import LosslessJSON
import TestSupport
import Testing

@Suite("Depth and time")
struct LimitTests {
  @Test(arguments: [("[", "", "]"), (#"{"a":"#, "1", "}"), (#"[{"":"#, "null", "}]")])
  func nesting(_ open: String, _ inner: String, _ close: String) throws {
    let levels = open.filter { $0 == "[" || $0 == "{" }.count
    func text(_ depth: Int) -> [UInt8] {
      let count = depth / levels
      return Array(repeatElement(open.utf8, count: count).joined()) + Array(inner.utf8)
        + Array(repeatElement(close.utf8, count: count).joined())
    }
    let deepest = text(JSONIndex.maximumDepth)
    #expect(try canonical(deepest) == deepest)
    let tooDeep = text(JSONIndex.maximumDepth + levels)
    let error = #expect(throws: JSONError.self) { try JSONText(tooDeep.span) }
    #expect(error?.reason == .tooDeep)
    #expect(JSONIndex.maximumDepth == 10_000)
  }

  /// Quadratic time would need hours for each of these texts.
  @Test(arguments: LongText.allCases)
  func longTexts(_ kind: LongText) throws {
    let text = kind.bytes
    #expect(try processorTime { try read(text, kind) } < 60)
  }

  private func read(_ text: [UInt8], _ kind: LongText) throws {
    var json = JSONText()
    do throws(JSONError) {
      try json.parse(text.span)
      #expect(kind.isValid)
      var out = ByteBuffer()
      json.appendCanonical(to: &out)
      #expect(out.count > 0)
      out.removeAll()
      json.appendCompact(to: &out)
      #expect(out.array == (kind == .spaces ? [0x5B, 0x5D] : text))
    } catch {
      #expect(!kind.isValid)
    }
  }
}

/// Texts of 2 or 16 MB that a careless reader takes quadratic time for.
enum LongText: CaseIterable {
  case openings, quotes, backslashes, escapes, emptyArrays, digits, spaces, members

  static let size = 2_000_000
  static let largeSize = 16_000_000

  var isValid: Bool { self != .openings && self != .quotes }

  var bytes: [UInt8] {
    switch self {
    case .openings: [UInt8](repeating: 0x5B, count: Self.largeSize)
    case .quotes: [UInt8](repeating: 0x22, count: Self.largeSize)
    case .backslashes: [0x22] + [UInt8](repeating: 0x5C, count: Self.largeSize) + [0x22]
    case .escapes: [0x22] + Self.repeated(#"\ud83d"#) + [0x22]
    case .emptyArrays: [0x5B] + Self.repeated("[],") + [0x30, 0x5D]
    case .digits: [0x31] + [UInt8](repeating: 0x30, count: Self.size)
    case .spaces: [0x5B] + [UInt8](repeating: 0x20, count: Self.size) + [0x5D]
    case .members: [0x7B] + Self.repeated(#""a":0,"#) + Array(#""a":0}"#.utf8)
    }
  }

  private static func repeated(_ part: String) -> [UInt8] {
    Array(repeatElement(part.utf8, count: size / part.utf8.count).joined())
  }
}
