import LosslessJSON

/// What the objects of a file look like, learned from its intact records: which of them are
/// records, and which occur only inside others.
///
/// An object's signature is its first key and the string under `type`, as spelt. So the nested
/// objects of a torn record are told from records that were written behind the tear. Where both
/// have the same signature, the names of all their members may still tell them apart.
struct RecordShapes {
  private var tops: Set<Int> = []
  private var inner: Set<Int> = []
  private var topOutlines: Set<Int> = []
  private var innerOutlines: Set<Int> = []
  private var learned = 0
  /// Whether a record was seen that does not say what it is; what is to be expected before any was.
  var mayLackType = true
  /// Beyond this many records only every 64th is learned from.
  private static let denseLimit = 4096
  private static let sizeLimit = 10_000

  /// Takes note of an intact record, lent for writing so that none of it is copied.
  mutating func learn(_ text: inout JSONText) {
    learned &+= 1
    if learned > Self.denseLimit, learned & 63 != 0 { return }
    guard text.kind() == .object else { return }
    let isTyped = text.member("type") != nil
    mayLackType = !isTyped || (mayLackType && !tops.isEmpty)
    let bytes = text.bytes.span
    let count = text.index.count
    if tops.count < Self.sizeLimit { tops.insert(Self.signature(0, text.index, bytes, 0)) }
    if topOutlines.count < Self.sizeLimit {
      topOutlines.insert(Self.outline(0, text.index, bytes, 0))
    }
    var at = 1
    let tokens = text.index.tokens.span
    while at < count {
      if tokens[at].kind == .object, inner.count < Self.sizeLimit {
        inner.insert(Self.signature(at, text.index, bytes, 0))
      }
      if tokens[at].kind == .object, innerOutlines.count < Self.sizeLimit {
        innerOutlines.insert(Self.outline(at, text.index, bytes, 0))
      }
      at += 1
    }
  }

  func isTop(_ signature: Int) -> Bool { tops.contains(signature) }
  func isInner(_ signature: Int) -> Bool { inner.contains(signature) }

  /// Whether the object `token` is like records and unlike every part of one: by its signature, or,
  /// where parts have that too and it is whole, by its members.
  func isKnown(_ token: Int, _ index: JSONIndex, _ text: Span<UInt8>, _ base: Int) -> Bool {
    let signature = Self.signature(token, index, text, base)
    guard isTop(signature) else { return false }
    guard isInner(signature) else { return true }
    guard index.tokens[token].end > index.tokens[token].start else { return false }
    return topOutlines.contains(Self.outline(token, index, text, base))
      && !isInner(token, index, text, base)
  }

  /// Whether the whole object `token` has the signature and the members of a part of a record.
  func isInner(_ token: Int, _ index: JSONIndex, _ text: Span<UInt8>, _ base: Int) -> Bool {
    isInner(Self.signature(token, index, text, base))
      && innerOutlines.contains(Self.outline(token, index, text, base))
  }

  /// The names of all members of the whole object `token`, in their order.
  private static func outline(
    _ token: Int, _ index: JSONIndex, _ text: Span<UInt8>, _ base: Int
  ) -> Int {
    let tokens = index.tokens.span
    var hasher = Hasher()
    var key = token + 1
    while key + 1 < Int(tokens[token].next) {
      text.extracting(base + Int(tokens[key].start)..<base + Int(tokens[key].end))
        .withUnsafeBytes { hasher.combine(bytes: $0) }
      key = Int(tokens[key + 1].next)
    }
    return hasher.finalize()
  }

  /// The signature of the object `token` of `index`, whose offsets count from `base` in `text`.
  static func signature(_ token: Int, _ index: JSONIndex, _ text: Span<UInt8>, _ base: Int) -> Int {
    let tokens = index.tokens.span
    var hasher = Hasher()
    var key = token + 1
    var members = 0
    // An object that was cut off has no end yet: then all that follows is inside it.
    let end = tokens[token].end == tokens[token].start ? index.count : Int(tokens[token].next)
    while key + 1 < end, members < 16 {
      let name = text.extracting(base + Int(tokens[key].start)..<base + Int(tokens[key].end))
      if members == 0 { name.withUnsafeBytes { hasher.combine(bytes: $0) } }
      let value = tokens[key + 1]
      if value.kind == .string, Self.isType(name) {
        text.extracting(base + Int(value.start)..<base + Int(value.end))
          .withUnsafeBytes { hasher.combine(bytes: $0) }
        break
      }
      if value.kind == .object || value.kind == .array, value.end == value.start { break }
      key = Int(value.next)
      members += 1
    }
    return hasher.finalize()
  }

  private static func isType(_ name: Span<UInt8>) -> Bool {
    name.count == 6 && name[1] == 0x74 && name[2] == 0x79 && name[3] == 0x70 && name[4] == 0x65
  }
}
