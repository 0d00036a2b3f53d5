import LosslessJSON
import Records

/// Writes records as lists of the snapshot language, each in full: what `RTFSReader` makes of a
/// line has the same kind, scope and canonical bytes, so the same canonical hash.
///
/// `(intent {:id "…" :goal "…" "created_at" 5 } :scope "…")`: the record's object as a map, the
/// fields that have a keyword first, all others behind them under string keys in canonical order.
/// Two records of equal canonical bytes give equal lines, except that repeated keys keep their
/// order. What no RTFS string can hold, a lone surrogate, stands as `(json "…")`: the canonical
/// JSON text of the string, or of the map that has such a key. Kept between records so that a loop
/// allocates once.
package struct RTFSWriter: Sendable {
  /// What is left of a container that has been begun. For an array tokens, for an object indices
  /// into `order`.
  private struct Frame {
    var first: Int
    var at: Int
    var end: Int
    var isObject: Bool
  }

  private var frames: [Frame] = []
  private var order = KeyOrder()
  /// For each field of the kind: the token of its key, `absent` or `repeated`.
  private var slots: [Int] = []
  private var scratch = ByteBuffer()
  private let isEscaped: Bool

  private static let absent = -1
  private static let repeated = -2

  /// - Parameter escaped: writes the lines as they stand inside a JSON string. Only what lies
  ///   between quotes can need that: of the rest no byte is a quote, a backslash or a control.
  package init(escaped: Bool = false) { isEscaped = escaped }

  /// Appends one record as one line, without indentation and LF.
  ///
  /// `record.text` must have been parsed; `record.scope` is UTF-8 in which lone surrogates may
  /// stand as three bytes, as `appendUnescaped` leaves them. No recursion.
  package mutating func append(_ record: inout Record, to out: inout ByteBuffer) {
    out.append(0x28)
    out.append(record.kind.word)
    out.append(0x20)
    // Copies share their memory, which nothing below writes to.
    let bytes = record.text.bytes
    let tokens = record.text.tokens
    if tokens[0].kind == .object {
      appendRecordMap(record.kind, &record.text, tokens, bytes, to: &out)
    } else {
      appendValue(0, &record.text, tokens, bytes, to: &out)
    }
    if !record.scope.isEmpty { appendScope(record.scope, to: &out) }
    out.append(0x29)
  }

  private mutating func appendRecordMap(
    _ kind: RecordKind, _ json: inout JSONText, _ tokens: [JSONToken], _ bytes: ByteBuffer,
    to out: inout ByteBuffer
  ) {
    let text = bytes.span
    let fields = kind.fields
    guard pushKeys(0, tokens, text) else {
      order.drop(from: 0)
      appendAsJSON(0, &json, to: &out)
      return
    }
    order.sort(from: 0, of: tokens.span, in: text)
    findFields(fields, json, tokens, text)
    out.append(0x7B)
    for index in fields.indices where slots[index] >= 0 {
      out.append(fields[index].keyword)
      out.append(0x20)
      appendValue(slots[index] + 1, &json, tokens, bytes, to: &out)
      out.append(0x20)
    }
    // Values push and drop their own keys behind these.
    let count = order.count
    for index in 0..<count {
      let key = order[index]
      if slots.contains(key) { continue }
      appendKey(tokens[key], text, to: &out)
      out.append(0x20)
      appendValue(key + 1, &json, tokens, bytes, to: &out)
      out.append(0x20)
    }
    out.append(0x7D)
    order.drop(from: 0)
  }

  /// Sets `slots` to the keys, among those pushed, that stand at the front.
  private mutating func findFields(
    _ fields: [RTFSField], _ json: JSONText, _ tokens: [JSONToken], _ text: Span<UInt8>
  ) {
    slots.removeAll(keepingCapacity: true)
    for field in fields {
      var slot = Self.absent
      for index in 0..<order.count {
        let key = order[index]
        let entry = tokens[key]
        let isSame =
          entry.isPlain
          ? text.isText(field.key, in: entry.inside) : json.isString(key, equalTo: field.key)
        if isSame { slot = slot == Self.absent ? key : Self.repeated }
      }
      if slot >= 0 {
        let value = tokens[slot + 1]
        let isEmpty = value.kind == .string && value.end - value.start == 2
        if !field.values.contains(RTFSField.Values(value.kind)) || (isEmpty && field.omitsEmpty)
          || (value.kind == .string && !value.isPlain
            && text.extracting(value.inside).holdsLoneSurrogate)
        {
          slot = Self.absent
        }
      }
      slots.append(slot)
    }
  }

  /// Pushes the keys of an object, unsorted. Returns false where one holds a lone surrogate.
  @inline(__always)
  private mutating func pushKeys(
    _ object: Int, _ tokens: [JSONToken], _ text: Span<UInt8>
  ) -> Bool {
    var at = object + 1
    let end = Int(tokens[object].next)
    while at < end {
      let key = tokens[at]
      if !key.isPlain, text.extracting(key.inside).holdsLoneSurrogate { return false }
      order.push(at, of: tokens.span, in: text)
      at = Int(tokens[at + 1].next)
    }
    return true
  }

  private mutating func appendValue(
    _ token: Int, _ json: inout JSONText, _ tokens: [JSONToken], _ bytes: ByteBuffer,
    to out: inout ByteBuffer
  ) {
    let text = bytes.span
    begin(token, &json, tokens, text, to: &out)
    while let top = frames.last {
      if top.at == top.end {
        if top.isObject { order.drop(from: top.first) }
        out.append(top.isObject ? 0x7D : 0x5D)
        frames.removeLast()
        continue
      }
      if top.at != top.first { out.append(0x20) }
      var value = top.at
      if top.isObject {
        let key = order[top.at]
        frames[frames.count - 1].at = top.at + 1
        appendKey(tokens[key], text, to: &out)
        out.append(0x20)
        value = key + 1
      } else {
        frames[frames.count - 1].at = Int(tokens[value].next)
      }
      begin(value, &json, tokens, text, to: &out)
    }
  }

  @inline(__always)
  private mutating func begin(
    _ token: Int, _ json: inout JSONText, _ tokens: [JSONToken], _ text: Span<UInt8>,
    to out: inout ByteBuffer
  ) {
    let entry = tokens[token]
    switch entry.kind {
    case .string:
      if entry.isPlain {
        appendPlain(entry, text, to: &out)
        return
      }
      let start = out.count
      if out.append(rtfsStringForJSON: text.extracting(entry.inside)) {
        escape(from: start, of: &out)
        return
      }
      out.truncate(to: start)
      appendAsJSON(token, &json, to: &out)
    case .number:
      let lexeme = text.extracting(entry.range)
      if entry.isPlain {
        out.append(lexeme)
      } else {
        out.append(rtfsNumberForJSON: lexeme, scratch: &scratch)
      }
    case .true: out.append("true")
    case .false: out.append("false")
    case .null: out.append("nil")
    case .array:
      out.append(0x5B)
      frames.append(
        Frame(first: token + 1, at: token + 1, end: Int(entry.next), isObject: false))
    case .object:
      let first = order.count
      guard pushKeys(token, tokens, text) else {
        order.drop(from: first)
        appendAsJSON(token, &json, to: &out)
        return
      }
      order.sort(from: first, of: tokens.span, in: text)
      out.append(0x7B)
      frames.append(Frame(first: first, at: first, end: order.count, isObject: true))
    }
  }

  /// Appends a key, known to hold no lone surrogate, as a string.
  @inline(__always)
  private mutating func appendKey(
    _ key: JSONToken, _ text: Span<UInt8>, to out: inout ByteBuffer
  ) {
    if key.isPlain {
      appendPlain(key, text, to: &out)
    } else {
      let start = out.count
      _ = out.append(rtfsStringForJSON: text.extracting(key.inside))
      escape(from: start, of: &out)
    }
  }

  /// Appends a string without escapes, which is spelt alike in both languages.
  @inline(__always)
  private func appendPlain(_ string: JSONToken, _ text: Span<UInt8>, to out: inout ByteBuffer) {
    guard isEscaped else {
      out.append(text.extracting(string.range))
      return
    }
    let size = string.range.count
    var writer = out.writer(atMost: size + 2)
    writer.append(0x5C)
    writer.append(text.extracting(Int(string.start)..<Int(string.end) - 1))
    writer.append(0x5C)
    writer.append(0x22)
    let end = writer.end
    out.commit(to: end)
  }

  /// Escapes, where that is wanted, what has been appended from `start` on.
  private mutating func escape(from start: Int, of out: inout ByteBuffer) {
    guard isEscaped else { return }
    scratch.removeAll()
    scratch.append(out.span.extracting(start..<out.count))
    out.truncate(to: start)
    appendJSONEscaped(scratch.span, to: &out)
  }

  private mutating func appendAsJSON(
    _ token: Int, _ json: inout JSONText, to out: inout ByteBuffer
  ) {
    scratch.removeAll()
    json.appendCanonical(token, to: &scratch)
    appendScratchAsJSON(to: &out)
  }

  private mutating func appendScratchAsJSON(to out: inout ByteBuffer) {
    out.append("(json ")
    let start = out.count
    out.append(rtfsString: scratch.span)
    escape(from: start, of: &out)
    out.append(0x29)
  }

  private mutating func appendScope(_ scope: [UInt8], to out: inout ByteBuffer) {
    out.append(" :scope ")
    let span = scope.span
    var at = 0
    // In well-formed UTF-8 a byte below A0 follows ED.
    while let found = span.firstIndex(of: 0xED, from: at) {
      if found + 1 < span.count, span[found + 1] >= 0xA0 {
        scratch.removeAll()
        appendJSONString(span, to: &scratch)
        appendScratchAsJSON(to: &out)
        return
      }
      at = found + 1
    }
    let start = out.count
    out.append(rtfsString: span)
    escape(from: start, of: &out)
  }
}
