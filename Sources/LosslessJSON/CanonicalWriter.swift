/// Writes the canonical form: one sequence of bytes for each value, however it was spelt.
///
/// Objects sorted by key (bytes of the unescaped UTF-8; repeated keys kept in source order);
/// strings as raw UTF-8 except `\"`, `\\`, `\b \t \n \f \r`, other controls as `\u00xx` and lone
/// surrogates as `\udxxx`; numbers as in `appendCanonicalNumber`; no whitespace. No recursion.
package struct CanonicalWriter: Sendable {
  /// What is left of a container that has been begun. Of an object: a range of `pending`, its keys
  /// in the order to write; of an array: a range of tokens. `at` is the next of it.
  private struct Frame {
    var first: Int
    var at: Int
    var end: Int
    var isObject: Bool
  }

  /// The containers around the one that is being written.
  private var frames: [Frame] = []
  private var pending = KeyOrder()
  private var keyA = ByteBuffer()
  private var keyB = ByteBuffer()

  package init() {}

  /// Appends the canonical form of `token`. Nothing but a number grows in it, each by less than
  /// `canonicalNumberGrowth`, so the room for all of it is reserved at once.
  mutating func write(
    _ token: Int, of index: JSONIndex, in bytes: ByteBuffer, to buffer: inout ByteBuffer
  ) {
    let tokens = index.tokens.span
    var out = buffer.writer(
      atMost: tokens[token].range.count + index.reshapedNumbers * canonicalNumberGrowth)
    write(token, of: tokens, in: bytes.span, isCompact: index.isCompact, to: &out)
    let end = out.end
    buffer.commit(to: end)
  }

  /// - Parameter isCompact: whether `text` has no whitespace outside strings, so that what needs
  ///   no change can be copied in one piece.
  private mutating func write(
    _ token: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>, isCompact: Bool,
    to out: inout ByteWriter
  ) {
    frames.removeAll(keepingCapacity: true)
    pending.removeAll()
    guard var top = begin(token, of: tokens, in: text, isCompact, to: &out) else { return }
    while true {
      if top.at == top.end {
        out.append(top.isObject ? 0x7D : 0x5D)
        if top.isObject { pending.drop(from: top.first) }
        guard let outer = frames.popLast() else { return }
        top = outer
        continue
      }
      if top.at != top.first { out.append(0x2C) }
      var value = top.at
      if top.isObject {
        let key = pending[top.at]
        value = key + 1
        top.at += 1
        if isCompact, tokens[key].isPlain, isWritten(value, of: tokens) {
          out.append(text.extracting(Int(tokens[key].start)..<Int(tokens[value].end)))
          continue
        }
        appendCanonicalString(tokens[key], in: text, to: &out)
        out.append(0x3A)
      } else {
        top.at = Int(tokens[value].next)
      }
      if let inner = begin(value, of: tokens, in: text, isCompact, to: &out) {
        frames.append(top)
        top = inner
      }
    }
  }

  /// Whether the bytes of `token`, in a compact text, are its canonical form for sure: scalars and
  /// empty containers.
  @inline(__always)
  private func isWritten(_ token: Int, of tokens: Span<JSONToken>) -> Bool {
    let entry = tokens[token]
    return entry.isPlain && Int(entry.next) == token + 1
  }

  /// Writes a scalar whole; of a container that needs a walk, the opening bracket.
  @inline(__always)
  private mutating func begin(
    _ token: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>, _ isCompact: Bool,
    to out: inout ByteWriter
  ) -> Frame? {
    let entry = tokens[token]
    switch entry.kind {
    case .string: appendCanonicalString(entry, in: text, to: &out)
    case .number:
      let lexeme = text.extracting(entry.range)
      if entry.isPlain {
        out.append(lexeme)
      } else {
        appendReshaped(lexeme, to: &out)
      }
    case .true, .false, .null: out.append(text.extracting(entry.range))
    case .array:
      if isCompact {
        var at = token + 1
        while at < Int(entry.next), isWritten(at, of: tokens) { at += 1 }
        if at == Int(entry.next) {
          out.append(text.extracting(entry.range))
          return nil
        }
      }
      out.append(0x5B)
      return Frame(first: token + 1, at: token + 1, end: Int(entry.next), isObject: false)
    case .object:
      out.append(0x7B)
      let first = pending.count
      var at = token + 1
      while at < Int(entry.next) {
        pending.push(at, of: tokens, in: text)
        at = Int(tokens[at + 1].next)
      }
      pending.sort(from: first, of: tokens, in: text)
      return Frame(first: first, at: first, end: pending.count, isObject: true)
    }
    return nil
  }

  private mutating func appendReshaped(_ lexeme: Span<UInt8>, to out: inout ByteWriter) {
    keyB.removeAll()
    appendCanonicalNumber(lexeme, to: &keyB)
    let number = keyB
    out.append(number.span)
  }

  @inline(__always)
  private mutating func appendCanonicalString(
    _ entry: JSONToken, in text: Span<UInt8>, to out: inout ByteWriter
  ) {
    if entry.isPlain {
      out.append(text.extracting(entry.range))
      return
    }
    keyA.removeAll()
    keyB.removeAll()
    appendUnescaped(text.extracting(Int(entry.start) + 1..<Int(entry.end) - 1), to: &keyA)
    let content = keyA
    appendJSONString(content.span, to: &keyB)
    let string = keyB
    out.append(string.span)
  }
}

/// Appends `content` as a canonical JSON string, quotes included. `content` is UTF-8 in which
/// lone surrogates may stand as three bytes, as `appendUnescaped` leaves them.
package func appendJSONString(_ content: Span<UInt8>, to out: inout ByteBuffer) {
  out.append(0x22)
  appendJSONEscaped(content, to: &out)
  out.append(0x22)
}

/// The same without the quotes: what may stand between them. Cut `content` only between
/// characters.
package func appendJSONEscaped(_ content: Span<UInt8>, to out: inout ByteBuffer) {
  var start = 0
  while start < content.count {
    var end = min(start + escapedPieceLimit, content.count)
    var back = 0
    while end < content.count, back < 3, content[end] & 0xC0 == 0x80 {
      end -= 1
      back += 1
    }
    let piece = content.extracting(start..<end)
    var writer = out.writer(atMost: piece.count * escapedGrowth)
    appendEscaped(piece, to: &writer)
    let written = writer.end
    out.commit(to: written)
    start = end
  }
}

/// Longer texts are escaped in pieces, so that no more room than that needs to be reserved.
private let escapedPieceLimit = 4 << 10

/// How many bytes one byte becomes at most: `\u001f`.
private let escapedGrowth = 6

private func appendEscaped(_ content: Span<UInt8>, to out: inout ByteWriter) {
  var at = 0
  while at < content.count {
    var end = content.endOfPlainString(from: at)
    while end < content.count, content[end] >= 0x80,
      !(content[end] == 0xED && end + 2 < content.count && content[end + 1] >= 0xA0)
    {
      end = content.endOfPlainString(from: end + 1)
    }
    out.append(content.extracting(at..<end))
    guard end < content.count else { return }
    at = end + 1
    let byte = content[end]
    if byte == 0x22 || byte == 0x5C {
      out.append(0x5C)
      out.append(byte)
      continue
    }
    switch byte {
    case 0x08: appendShort(0x62, to: &out)
    case 0x09: appendShort(0x74, to: &out)
    case 0x0A: appendShort(0x6E, to: &out)
    case 0x0C: appendShort(0x66, to: &out)
    case 0x0D: appendShort(0x72, to: &out)
    case 0xED:
      let unit = 0xD000 | UInt32(content[end + 1] & 0x3F) << 6 | UInt32(content[end + 2] & 0x3F)
      appendUnit(unit, to: &out)
      at = end + 3
    default: appendUnit(UInt32(byte), to: &out)
    }
  }
}

/// An escape of one letter.
private func appendShort(_ letter: UInt8, to out: inout ByteWriter) {
  out.append(0x5C)
  out.append(letter)
}

private func appendUnit(_ unit: UInt32, to out: inout ByteWriter) {
  appendShort(0x75, to: &out)
  for shift in [12, 8, 4, 0] as [UInt32] {
    let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
    out.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
  }
}
