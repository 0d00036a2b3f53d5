import LosslessJSON
import Records

extension Record {
  /// The token of an entity's observations; nil where it has no array of them.
  var observations: Int? {
    guard kind == .entity, let list = text.member("observations", of: body),
      text.kind(list) == .array
    else { return nil }
    return list
  }

  /// The canonical hash that an entity has but for its observations; nil where it has none.
  func hashWithoutObservations() -> Hash256? {
    guard let list = observations else { return nil }
    var bare = Record()
    bare.kind = kind
    bare.scope = scope
    do throws(JSONError) {
      try bare.text.parse(text.replacing(list, by: ByteBuffer("[]").span).span)
    } catch { return nil }
    return bare.canonicalHash()
  }
}

/// The versions of one entity, to be united: all observations, each once, those of the version
/// that is kept first, then those of the others in their order.
struct UnitedObservations {
  private var base = JSONText()
  private var list = 0
  private var seen: Set<[UInt8]> = []
  private var elements = ByteBuffer()

  /// - Parameter base: the version whose other fields are kept.
  init(_ base: Record) {
    self.base = base.text
    list = base.observations ?? 0
    add(base, all: true)
  }

  mutating func add(_ version: Record) { add(version, all: false) }

  private mutating func add(_ version: Record, all: Bool) {
    guard let list = version.observations else { return }
    var text = version.text
    for token in text.children(of: list) {
      var canonical = ByteBuffer()
      text.appendCanonical(token, to: &canonical)
      guard seen.insert(canonical.array).inserted || all else { continue }
      if !elements.isEmpty { elements.append(0x2C) }
      text.appendCompact(token, to: &elements)
    }
  }

  /// The compact bytes of the united entity.
  func text() -> ByteBuffer {
    var array = ByteBuffer("[")
    array.append(elements.span)
    array.append(0x5D)
    return base.replacing(list, by: array.span)
  }
}

extension JSONText {
  /// The compact bytes, with `value` in the place of the token `token`.
  func replacing(_ token: Int, by value: Span<UInt8>) -> ByteBuffer {
    let range = tokens[token].range
    var out = ByteBuffer()
    out.append(bytes.span.extracting(0..<range.lowerBound))
    out.append(value)
    out.append(bytes.span.extracting(range.upperBound..<bytes.count))
    guard let whole = try? JSONText(out.span) else { return out }
    out.removeAll()
    whole.appendCompact(to: &out)
    return out
  }
}
