import Glibc

/// Random numbers that a seed repeats (SplitMix64): HOLDFAST_SEED where it is set, else a new one.
///
/// Name `seed` in the comment of each expectation, so that a failure can be repeated.
package struct Seeded: RandomNumberGenerator {
  package let seed: UInt64
  private var state: UInt64

  package init() {
    let given = getenv("HOLDFAST_SEED").flatMap { UInt64(String(cString: $0)) }
    self.init(given ?? UInt64.random(in: 0...UInt64.max))
  }

  package init(_ seed: UInt64) {
    self.seed = seed
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  package mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

  package mutating func chance(_ one: Int) -> Bool { below(one) == 0 }

  package mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// Random bytes between two that no JSON holds anywhere: any others might belong to the text
  /// beside them, a brace that happens to close what was cut off.
  package mutating func noise(_ count: Int) -> [UInt8] {
    var bytes = bytes(count)
    if count == 0 { return bytes }
    bytes[0] = pick(Self.foreign)
    bytes[count - 1] = pick(Self.foreign)
    return bytes
  }

  /// The bytes that no JSON holds anywhere: control characters, and those UTF-8 never uses.
  package static let foreign: [UInt8] =
    (0x00...0x1F).filter { ![0x09, 0x0A, 0x0D].contains($0) } + [0xC0, 0xC1] + (0xF5...0xFF)
}
