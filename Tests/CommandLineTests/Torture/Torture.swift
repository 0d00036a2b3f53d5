import Glibc

/// How much of the torture is done: all of it with HOLDFAST_TORTURE=1 (`make torture`), else a random
/// sample, which HOLDFAST_SEED repeats.
enum Torture {
  static let isFull = getenv("HOLDFAST_TORTURE") != nil

  /// All of them, or as many as said, in their order.
  static func sample<Element>(_ all: [Element], _ count: Int, _ random: inout SeededRandom)
    -> [Element]
  {
    if isFull || all.count <= count { return all }
    let chosen = all.indices.shuffled(using: &random).prefix(count).sorted()
    return chosen.map { all[$0] }
  }
}
