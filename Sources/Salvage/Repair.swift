import LosslessJSON

/// What can be made of a record that is damaged only a little: off unless asked for, and kept
/// apart, for it is not the record that was written.
enum Repair {
  /// A record, and what was done to make it one.
  struct Repaired {
    var text: ByteBuffer
    var done: String
  }

  /// Closes a record that is cut off, or replaces bytes that no string may hold. Nil where that
  /// does not make one JSON object.
  static func mend(_ bytes: Span<UInt8>) -> Repaired? {
    guard bytes.count > 1, bytes[0] == 0x7B, bytes.count <= 16 << 20 else { return nil }
    var (text, replaced) = clean(bytes)
    var done: [String] = []
    if replaced > 0 { done.append("\(replaced) byte\(replaced == 1 ? "" : "s") replaced") }
    if !isObject(text.span) {
      guard let closed = close(text) else { return nil }
      text = closed.text
      done.append(closed.wasInString ? "a text that was cut short closed" : "the end added")
    }
    guard !done.isEmpty else { return nil }
    return Repaired(text: text, done: done.joined(separator: ", "))
  }

  private static func isObject(_ text: Span<UInt8>) -> Bool {
    ((try? JSONText(text))?.kind() ?? .null) == .object
  }

  /// Control characters become escapes; what is no UTF-8 becomes U+FFFD.
  private static func clean(_ bytes: Span<UInt8>) -> (ByteBuffer, Int) {
    var out = ByteBuffer()
    var count = 0
    var at = 0
    var inString = false
    while at < bytes.count {
      let byte = bytes[at]
      if byte == 0x22 { inString.toggle() }
      if byte == 0x5C, inString, at + 1 < bytes.count {
        if bytes[at + 1] >= 0x20, bytes[at + 1] < 0x80 {
          out.append(byte)
          out.append(bytes[at + 1])
          at += 2
        } else {
          // It escapes nothing that it can: it stands for itself, and must not escape what comes.
          out.append(utf8: "\\\\")
          count += 1
          at += 1
        }
      } else if byte < 0x20, inString {
        let digits = String(byte, radix: 16)
        out.append(utf8: "\\u00" + (byte < 16 ? "0" : "") + digits)
        count += 1
        at += 1
      } else {
        let length = bytes.lengthOfUTF8Sequence(at: at)
        if length == 0 {
          out.append(scalar: 0xFFFD)
          count += 1
        } else {
          out.append(bytes.extracting(at..<at + length))
        }
        at += max(length, 1)
      }
    }
    return (out, count)
  }

  /// Adds the quote and the brackets that are missing at the end.
  private static func close(_ text: ByteBuffer) -> (text: ByteBuffer, wasInString: Bool)? {
    var open: [UInt8] = []
    var inString = false
    /// Where an escape starts that the text ends in the middle of.
    var cutEscape: Int?
    var at = 0
    var out = text
    while at < text.count {
      let byte = text[at]
      if inString {
        if byte == 0x5C {
          let length = at + 1 < text.count && text[at + 1] == 0x75 ? 6 : 2
          if at + length > text.count { cutEscape = at }
          at += length - 1
        } else if byte == 0x22 {
          inString = false
        }
      } else {
        switch byte {
        case 0x22: inString = true
        case 0x7B: open.append(0x7D)
        case 0x5B: open.append(0x5D)
        case 0x7D, 0x5D: if open.popLast() != byte { return nil }
        default: break
        }
      }
      at += 1
    }
    guard !open.isEmpty else { return nil }
    let wasInString = inString
    if inString {
      // A cut escape says nothing any more.
      if let cutEscape { out.truncate(to: cutEscape) }
      out.append(0x22)
    } else {
      while let last = out.count > 0 ? out[out.count - 1] : nil, last == 0x2C || last <= 0x20 {
        out.truncate(to: out.count - 1)
      }
    }
    for closer in open.reversed() { out.append(closer) }
    return isObject(out.span) ? (out, wasInString) : nil
  }

  /// An entity without its null observations. Nil where it has none.
  static func dropNulls(_ text: JSONText) -> Repaired? {
    guard let list = text.member("observations"), text.kind(list) == .array else { return nil }
    let tokens = text.tokens
    let elements = text.children(of: list)
    let kept = elements.filter { tokens[$0].kind != .null }
    guard kept.count < elements.count else { return nil }
    let source = text.bytes
    let bytes = source.span
    var out = ByteBuffer()
    out.append(bytes.extracting(0..<Int(tokens[list].start) + 1))
    for (number, element) in kept.enumerated() {
      if number > 0 { out.append(0x2C) }
      out.append(bytes.extracting(tokens[element].range))
    }
    out.append(bytes.extracting(Int(tokens[list].end) - 1..<bytes.count))
    let count = elements.count - kept.count
    return Repaired(
      text: out, done: "\(count) null observation\(count == 1 ? "" : "s") dropped")
  }
}
