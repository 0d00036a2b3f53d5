import LosslessJSON

/// Hashes of names that differ from process to process, so that no store can be made whose names
/// collide. Two names share one with a chance of about 2^-64.
enum KeyHash {
  private static let seed = UInt64.random(in: .min ... .max)
  private static let factor = UInt64.random(in: .min ... .max) | 1

  /// - Parameter salt: keeps different uses of the same name apart.
  static func key(_ bytes: Span<UInt8>, salt: UInt64 = 0) -> UInt64 {
    var state = mix(seed ^ salt, UInt64(truncatingIfNeeded: bytes.count))
    var at = 0
    while at < bytes.count {
      state = mix(state, bytes.word(at: at))
      at &+= 8
    }
    return mix(state, seed)
  }

  /// One key for several in a row; their order counts.
  static func combine(_ a: UInt64, _ b: UInt64) -> UInt64 { mix(mix(a, factor), b) }

  /// The halves of a product of 128 bits folded together: every bit of both takes part.
  @inline(__always)
  private static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let product = (state ^ word).multipliedFullWidth(by: factor)
    return (product.high ^ product.low) &+ state.byteSwapped
  }
}
