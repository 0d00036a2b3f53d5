import LosslessJSON

extension Record {
  /// When the record says that it was changed last (`updated_at` or `updatedAt`, by itself or in
  /// its `metadata`): ISO 8601, or seconds or milliseconds since 1970. Nil where it does not say.
  package var updated: ISOTime? { time(["updated_at", "updatedAt"]) }

  /// When a line of a log says that it was written: its own stamp, else its last change, else its
  /// creation. Nil where it says none of these.
  package var logged: ISOTime? {
    time(["timestamp", "time", "ts", "deleted_at", "deletedAt"]) ?? updated
      ?? time(["created_at", "createdAt"])
  }

  private func time(_ keys: [StaticString]) -> ISOTime? {
    let object = body
    let metadata = text.member("metadata", of: object)
    for key in keys {
      for place in [object, metadata] {
        guard let place, let token = text.member(key, of: place) else { continue }
        if let time = time(at: token) { return time }
      }
    }
    return nil
  }

  private func time(at token: Int) -> ISOTime? {
    switch text.kind(token) {
    case .string: return ISOTime(text.decoded(token).span)
    case .number:
      let source = text.source(of: token)
      let digits = String(decoding: (0..<source.count).map { source[$0] }, as: UTF8.self)
      guard var seconds = Double(digits), seconds.magnitude < 1e15 else { return nil }
      // Seconds reach this in the year 5138; milliseconds did in 1973.
      if seconds.magnitude >= 1e11 { seconds /= 1000 }
      let whole = seconds.rounded(.down)
      return ISOTime(seconds: Int(whole), nanoseconds: Int((seconds - whole) * 1e9))
    default: return nil
    }
  }
}
