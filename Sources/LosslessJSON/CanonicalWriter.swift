/// Writes the canonical form: one sequence of bytes for each value, however it was spelt.
///
/// Objects sorted by key (bytes of the unescaped UTF-8; repeated keys kept in source order);
/// strings as raw UTF-8 except `\"`, `\\`, `\b \t \n \f \r`, other controls as `\u00xx` and lone
/// surrogates as `\udxxx`; numbers as in `appendCanonicalNumber`; no whitespace. No recursion.
struct CanonicalWriter: Sendable {
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
  private var pending: [UInt32] = []
  private var keyA = ByteBuffer()
  private var keyB = ByteBuffer()

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
    pending.removeAll(keepingCapacity: true)
    guard var top = begin(token, of: tokens, in: text, isCompact, to: &out) else { return }
    while true {
      if top.at == top.end {
        out.append(top.isObject ? 0x7D : 0x5D)
        if top.isObject { pending.removeLast(top.end - top.first) }
        guard let outer = frames.popLast() else { return }
        top = outer
        continue
      }
      if top.at != top.first { out.append(0x2C) }
      var value = top.at
      if top.isObject {
        let key = Int(pending[top.at])
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
        pending.append(UInt32(truncatingIfNeeded: at))
        at = Int(tokens[at + 1].next)
      }
      sortKeys(from: first, of: tokens, in: text)
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

  /// Sorts `pending[first...]`, keys, by their unescaped bytes; equal keys keep their order.
  private mutating func sortKeys(
    from first: Int, of tokens: Span<JSONToken>, in text: Span<UInt8>
  ) {
    if pending.count - first > 24 {
      var keys: [(bytes: [UInt8], token: UInt32)] = []
      for token in pending[first...] {
        keyA.removeAll()
        appendKey(tokens[Int(token)], in: text, to: &keyA)
        keys.append((keyA.array, token))
      }
      keys.sort {
        let order = $0.bytes.span.compare(with: $1.bytes.span)
        return order != 0 ? order < 0 : $0.token < $1.token
      }
      for (offset, key) in keys.enumerated() { pending[first + offset] = key.token }
      return
    }
    var next = first + 1
    while next < pending.count {
      let token = pending[next]
      var at = next
      while at > first,
        precedes(tokens[Int(token)], tokens[Int(pending[at - 1])], in: text)
      {
        pending[at] = pending[at - 1]
        at -= 1
      }
      pending[at] = token
      next += 1
    }
  }

  @inline(__always)
  private mutating func precedes(_ a: JSONToken, _ b: JSONToken, in text: Span<UInt8>) -> Bool {
    if a.isPlain && b.isPlain {
      // The first byte after the quote decides most comparisons, the closing quote included.
      var x = Int(a.start) + 1
      var y = Int(b.start) + 1
      let endX = Int(a.end) - 1
      let endY = Int(b.end) - 1
      while x < endX && y < endY {
        let p = text[x]
        let q = text[y]
        if p != q { return p < q }
        x += 1
        y += 1
      }
      return x == endX && y < endY
    }
    keyA.removeAll()
    keyB.removeAll()
    appendKey(a, in: text, to: &keyA)
    appendKey(b, in: text, to: &keyB)
    return keyA.span.compare(with: keyB.span) < 0
  }

  private func appendKey(_ key: JSONToken, in text: Span<UInt8>, to out: inout ByteBuffer) {
    appendUnescaped(text.extracting(Int(key.start) + 1..<Int(key.end) - 1), to: &out)
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
    switch byte {
    case 0x22: out.append("\\\"")
    case 0x5C: out.append("\\\\")
    case 0x08: out.append("\\b")
    case 0x09: out.append("\\t")
    case 0x0A: out.append("\\n")
    case 0x0C: out.append("\\f")
    case 0x0D: out.append("\\r")
    case 0xED:
      let unit = 0xD000 | UInt32(content[end + 1] & 0x3F) << 6 | UInt32(content[end + 2] & 0x3F)
      appendUnit(unit, to: &out)
      at = end + 3
    default: appendUnit(UInt32(byte), to: &out)
    }
  }
}

private func appendUnit(_ unit: UInt32, to out: inout ByteBuffer) {
  out.append("\\u")
  for shift in [12, 8, 4, 0] as [UInt32] {
    let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
    out.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
  }
}
