import LosslessJSON
import Records
import Stores

/// Writes into a record of a memory graph which context it belongs to: `metadata.context`.
enum ContextEdit {
  /// The record's compact bytes with `context`; nil where it says so already, or says nothing and
  /// need not.
  /// - Parameter always: whether a record that names no context is to name one.
  /// Throws `refused` for a record that has no place for it.
  static func text(
    of record: borrowing Record, naming context: [UInt8], always: Bool
  ) throws(StoreError) -> ByteBuffer? {
    var name = ByteBuffer()
    appendJSONString(context.span, to: &name)
    let text = record.text
    let body = record.body
    guard let metadata = text.member("metadata", of: body) else {
      guard always else { return nil }
      guard text.kind(body) == .object else { throw refusal(record) }
      var member = ByteBuffer("\"metadata\":{\"context\":")
      member.append(name.span)
      member.append(0x7D)
      return text.replacing(body, by: extended(body, of: text, by: member).span)
    }
    switch text.kind(metadata) {
    case .object:
      if let own = text.member("context", of: metadata) {
        if text.kind(own) == .string, text.decoded(own) == context { return nil }
        return text.replacing(own, by: name.span)
      }
      guard always else { return nil }
      var member = ByteBuffer("\"context\":")
      member.append(name.span)
      return text.replacing(metadata, by: extended(metadata, of: text, by: member).span)
    case .null:
      guard always else { return nil }
      var object = ByteBuffer("{\"context\":")
      object.append(name.span)
      object.append(0x7D)
      return text.replacing(metadata, by: object.span)
    default:
      guard always else { return nil }
      throw refusal(record)
    }
  }

  /// An object with one more member at its end.
  private static func extended(_ object: Int, of text: JSONText, by member: ByteBuffer)
    -> ByteBuffer
  {
    var out = ByteBuffer()
    text.appendCompact(object, to: &out)
    out.truncate(to: out.count - 1)
    if !text.children(of: object).isEmpty { out.append(0x2C) }
    out.append(member.span)
    out.append(0x7D)
    return out
  }

  private static func refusal(_ record: borrowing Record) -> StoreError {
    var error = StoreError(
      .refused, "\(record.label): has no place for the name of a context",
      hint: "leave it out with --select")
    error.line = record.place.line
    error.offset = record.place.offset
    return error
  }
}
