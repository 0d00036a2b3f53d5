import LosslessJSON

/// How the text of a record is laid out, where that can be told from its compact bytes.
package enum RecordLayout: Sendable, Equatable {
  case compact
  /// On one line, with a space behind each comma and colon.
  case spaced
  /// Over several lines: `unit` spaces a level, and `base` before all lines but the first.
  case indented(unit: Int, base: Int)
  /// Any other way: the text is kept as it is.
  case own

  /// As in `records.layout`.
  package var number: Int {
    switch self {
    case .compact: 0
    case .spaced: 1
    case .indented(let unit, let base): unit << 8 | base
    case .own: -1
    }
  }

  package init?(number: Int) {
    switch number {
    case 0: self = .compact
    case 1: self = .spaced
    case -1: self = .own
    case 256..<(17 << 8): self = .indented(unit: number >> 8, base: number & 255)
    default: return nil
    }
  }

  /// The layout of `text`, whose compact bytes are `compact`.
  /// - Parameter scratch: what is in it is lost.
  package init(of text: Span<UInt8>, compact: Span<UInt8>, scratch: inout ByteBuffer) {
    if text.count == compact.count {
      self = .compact
      return
    }
    let guess = Self.guess(text)
    scratch.removeAll()
    guess.append(compact, to: &scratch)
    self = scratch.span.isEqual(to: text) ? guess : .own
  }

  private static func guess(_ text: Span<UInt8>) -> RecordLayout {
    guard text.count > 4, text[1] == 0x0A else { return .spaced }
    var first = 2
    while first < text.count, text[first] == 0x20 { first += 1 }
    var last = text.count - 2
    while last > 0, text[last] == 0x20 { last -= 1 }
    let (inner, base) = (first - 2, text.count - 2 - last)
    guard inner > base, inner - base <= 16, base < 256 else { return .spaced }
    return .indented(unit: inner - base, base: base)
  }

  /// Appends the text whose compact bytes are `compact`; for `own`, those themselves.
  package func append(_ compact: Span<UInt8>, to out: inout ByteBuffer) {
    var depth = 0
    var at = 0
    func line(_ out: inout ByteBuffer) {
      guard case .indented(let unit, let base) = self else { return }
      out.append(0x0A)
      for _ in 0..<base + unit * depth { out.append(0x20) }
    }
    if self == .compact || self == .own {
      out.append(compact)
      return
    }
    while at < compact.count {
      let byte = compact[at]
      switch byte {
      case 0x22:
        let start = at
        at += 1
        while compact[at] != 0x22 {
          at = compact.endOfStringRun(from: at)
          if compact[at] == 0x5C { at += 2 }
        }
        out.append(compact.extracting(start..<at + 1))
      case 0x7B, 0x5B:
        out.append(byte)
        if at + 1 < compact.count, compact[at + 1] == byte + 2 {
          out.append(compact[at + 1])
          at += 1
        } else {
          depth += 1
          line(&out)
        }
      case 0x7D, 0x5D:
        depth -= 1
        line(&out)
        out.append(byte)
      case 0x2C:
        out.append(byte)
        if self == .spaced { out.append(0x20) } else { line(&out) }
      case 0x3A:
        out.append(byte)
        out.append(0x20)
      default: out.append(byte)
      }
      at += 1
    }
  }
}
